//! The report and its groups. A report can be computed from records or from rows. A [`Row`] is a sum of executions of
//! one skill that began in the same hour.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeZone, Utc, Weekday};

use super::by::CostBy;
use super::hourly::{Place, Row, ends_of};
use super::parts::{Cached, Part, Parts};
use super::sum::Sum;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ExecutionMetrics;

/// A group of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Group {
    /// The sum of all executions in the group.
    pub sum: Sum,
    /// The sums by model. An execution is counted under each model that it used. The key is `None` if the model is
    /// unknown. It is also `None` if the calls of several models do not add up to the totals of the execution. An
    /// execution with several models can report its cached tokens only for all models together. The sums by model then
    /// do not include these tokens.
    pub models: BTreeMap<Option<String>, Sum>,
    /// The sums by skill, for the skills of [`Report::with_skills`]. The JSON of the report does not contain these
    /// sums.
    pub skills: BTreeMap<String, Sum>,
}

impl Group {
    /// Adds one execution.
    fn add(&mut self, models: &[Part<'_>], cached: Option<Cached>) -> Result<()> {
        self.sum.add(models, cached)?;
        each(models).try_for_each(|(model, part)| self.models.entry(model).or_default().add(part, None))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.sum.merge(&other.sum)?;
        other.models.into_iter().try_for_each(|(model, sum)| self.models.entry(model).or_default().merge(&sum))?;
        other.skills.into_iter().try_for_each(|(skill, sum)| self.skills.entry(skill).or_default().merge(&sum))
    }
}

/// Returns the name of each model that one execution used. The model's [`Part`] is returned as a slice of one element.
fn each<'p>(models: &'p [Part<'p>]) -> impl Iterator<Item = (Option<String>, &'p [Part<'p>])> {
    models.iter().map(|part| (part.model.map(str::to_owned), std::slice::from_ref(part)))
}

/// The usage and cost of executions, summed up by group. The sums are exact and computed in one pass. They need
/// memory only for the groups.
///
/// In groups by time, an execution is counted under its start time, in the calendar of the time zone `Z`. `Z` is UTC
/// or any other [`TimeZone`] of chrono. The order of the records does not matter. Each record counts as one
/// execution.
///
/// ```
/// use runledger::cost::{CostBy, Report};
/// use runledger::{ExecutionMetrics, Usage, Uuid};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "summarize", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
/// record.set_usage("gpt-4o-mini", &Usage::new(1, 1));
/// record.cost_usd = Some("0.00000075".parse()?);
///
/// let mut report = Report::new(CostBy::Month);
/// for _ in 0..1000 {
///     report.add(&record)?;
/// }
/// record.cost_usd = None;
/// report.add(&record)?;
///
/// let (month, group) = report.groups().next().unwrap();
/// assert_eq!(month, Some("2026-11"));
/// assert_eq!(group.sum.cost, Some("0.00075".parse()?));
/// assert_eq!((group.sum.executions, group.sum.unpriced), (1001, 1)); // unknown is not 0
/// # Ok::<(), runledger::Error>(())
/// ```
///
/// # JSON
///
/// The report is an object with three keys:
///
/// * an array with the groups, under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or `agents`;
/// * `totals`, which has the sum of all executions;
/// * `withoutModel`, which is the number of executions that used no model. An interrupted execution is included only
///   if it was [a call of a tool](ExecutionMetrics::has_cost). Any other interrupted execution may have used a model
///   before its process ended. No execution with the skill `runledger.redact` is included.
///
/// The following keys have the same names as in the JSON of ccusage, a program that reports the cost of coding agents.
/// So a script that reads the JSON of ccusage needs few changes to read a report:
///
/// * `daily`, `weekly`, `monthly`, `totals`, `date`, `week`, `month`;
/// * `inputTokens` (without cached tokens), `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`, `totalTokens`;
/// * `totalCost`, `modelsUsed` and `modelBreakdowns`;
/// * `modelName`, `cost` and `missingPricing` in each breakdown. `missingPricing` is true if an execution is
///   unpriced; otherwise the key is missing;
/// * `unpricedModels` in the totals, if there are such models.
///
/// All other keys, such as `skills`, `executions` and `unpriced`, are specific to this crate. `atStandard` and
/// `atStandardCost` are [`Sum::at_standard`] and [`Sum::at_standard_cost`]. `lowerBounds` is [`Sum::lower_bounds`].
/// `unreported` has, for each token count, the number of executions that do not report this count. A sum without any
/// known value is null, while ccusage writes 0. An amount is a number with all its digits, while ccusage writes a
/// float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<Z = Utc> {
    by: CostBy,
    zone: Z,
    week_start: Weekday,
    /// The skills for which each group has a sum.
    skills: BTreeSet<String>,
    groups: BTreeMap<Key, Group>,
    totals: Sum,
    without_model: u64,
    recent: Recent,
}

/// The key by which groups are sorted: the first day of a group, and its name. The name alone would give a wrong
/// order, because years after 9999 begin with a plus sign. Groups without a first day, such as skills, are sorted by
/// name.
type Key = (Option<NaiveDate>, Option<String>);

/// The group and the model of the [`Row`] that was added last. Both are kept, because most rows are in the same group
/// as the previous row.
#[derive(Debug, Clone, Default)]
struct Recent {
    /// The hour whose day, week or month is in `key`.
    hour: Option<i64>,
    key: Key,
    model: Option<String>,
}

/// Any two values of this type are equal. So two reports with the same sums are equal, no matter which row was added
/// last.
impl PartialEq for Recent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Recent {}

impl Report {
    /// Returns an empty report in the UTC calendar.
    pub fn new(by: CostBy) -> Self {
        Self::in_zone(by, Utc)
    }
}

impl<Z: TimeZone> Report<Z> {
    /// Returns an empty report in the calendar of `zone`.
    pub fn in_zone(by: CostBy, zone: Z) -> Self {
        let (week_start, skills) = (Weekday::Mon, BTreeSet::new());
        let (groups, totals, recent) = (BTreeMap::new(), Sum::default(), Recent::default());
        Self { by, zone, week_start, skills, groups, totals, without_model: 0, recent }
    }

    /// Sets the day on which the weeks of [`CostBy::Week`] begin. The default is Monday. Call this method before
    /// records are added.
    ///
    /// ```
    /// use chrono::Weekday;
    /// use runledger::cost::{CostBy, Report};
    /// use runledger::{ExecutionMetrics, Usage, Uuid};
    ///
    /// let saturday = "2026-11-21T12:00:00Z".parse()?;
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "summarize", "1.0.0", saturday);
    /// record.set_usage("gpt-4", &Usage::new(1_000, 500));
    /// let mut report = Report::new(CostBy::Week).week_start(Weekday::Sun);
    /// report.add(&record)?;
    /// assert_eq!(report.groups().next().unwrap().0, Some("2026-11-15"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn week_start(self, week_start: Weekday) -> Self {
        Self { week_start, ..self }
    }

    /// Adds a sum for each of these skills to each day, week or month, for example to draw a chart of the most
    /// expensive skills. This method has no effect on other groupings. Call this method before records are added.
    ///
    /// ```
    /// use runledger::cost::{CostBy, Report};
    /// use runledger::{ExecutionMetrics, Usage, Uuid};
    ///
    /// let start = "2026-11-20T12:00:00Z".parse()?;
    /// let mut report = Report::new(CostBy::Day).with_skills(["draw".to_owned()]);
    /// for skill in ["draw", "draw", "check"] {
    ///     let mut record = ExecutionMetrics::new(Uuid::from_u128(1), skill, "1.0.0", start);
    ///     record.set_usage("gpt-4", &Usage::new(1_000, 500));
    ///     report.add(&record)?;
    /// }
    /// let (_, day) = report.groups().next().unwrap();
    /// assert_eq!((day.sum.executions, day.skills["draw"].executions, day.skills.len()), (3, 2, 1));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn with_skills(self, skills: impl IntoIterator<Item = String>) -> Self {
        Self { skills: skills.into_iter().collect(), ..self }
    }

    /// Returns a report without executions that has the same grouping, zone, start of the week and skills.
    pub(crate) fn emptied(&self) -> Self {
        let empty = Self::in_zone(self.by, self.zone.clone());
        Self { week_start: self.week_start, skills: self.skills.clone(), ..empty }
    }

    /// Adds one execution. An execution that used no model is not counted if it has the skill of the
    /// [statements](ExecutionMetrics::is_statement) of redactions.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of
    /// [`Usd`](crate::Usd). After an error, do not use the report: it includes only a part of the execution.
    pub fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        let Some(Parts { models, cached }) = Parts::of(record) else {
            self.without_model += u64::from(record.skill_name != ExecutionMetrics::STATEMENT_SKILL);
            return Ok(());
        };
        self.totals.add(&models, cached)?;
        let named = |name: Option<&str>| (None, name.map(str::to_owned));
        let key = match self.by {
            CostBy::Day | CostBy::Week | CostBy::Month => self.key_at(record.timestamp_start.to_chrono()),
            CostBy::Model => {
                return each(&models)
                    .try_for_each(|(model, part)| self.groups.entry((None, model)).or_default().add(part, None));
            }
            CostBy::Skill => named(Some(&record.skill_name)),
            CostBy::Run => named(record.run.run_id.as_deref()),
            CostBy::Scene => named(record.production.scene_id.as_deref()),
            CostBy::Agent => named(record.run.agent_name.as_deref()),
        };
        let group = self.groups.entry(key).or_default();
        group.add(&models, cached)?;
        if self.by.is_time() && self.skills.contains(&record.skill_name) {
            group.skills.entry(record.skill_name.clone()).or_default().add(&models, cached)?;
        }
        Ok(())
    }

    /// Returns the key of the day, week or month at that time.
    fn key_at(&self, time: DateTime<Utc>) -> Key {
        let date = time.with_timezone(&self.zone).date_naive();
        let of_day = |day: NaiveDate| (Some(day), Some(day.to_string()));
        match self.by {
            CostBy::Week => of_day(first_of_week(date, self.week_start)),
            CostBy::Month => {
                let first = date.with_day(1).unwrap_or(date);
                // The name of the month is the date without the day, such as 2026-11 or +10000-01.
                (Some(first), first.to_string().rsplit_once('-').map(|(month, _)| month.to_owned()))
            }
            _ => of_day(date),
        }
    }

    /// Returns true if the report can be computed from [rows](Row). Otherwise the report needs the records.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self.by, CostBy::Day | CostBy::Week | CostBy::Month | CostBy::Model | CostBy::Skill)
    }

    /// Returns true if all executions of one skill or model that begin in this hour are in the same group. Returns
    /// false if the clocks of the zone change within the hour. A date can then be skipped or repeated, even if the hour
    /// begins and ends on the same date. This also matters for a report by skill or model, because the period of the
    /// report can begin or end with a date.
    pub(crate) fn is_in_one_group(&self, hour: i64) -> bool {
        let Some([first, last]) = ends_of(hour) else { return false };
        let offset = |time: DateTime<Utc>| self.zone.offset_from_utc_datetime(&time.naive_utc()).fix();
        let is_named = matches!(self.by, CostBy::Model | CostBy::Skill);
        self.has_rows() && offset(first) == offset(last) && (is_named || self.key_at(first) == self.key_at(last))
    }

    /// Adds a row. The group is chosen by the first millisecond of the hour. So call this method only if the whole
    /// hour is [in one group](Self::is_in_one_group).
    ///
    /// # Errors
    /// * [`ErrorKind::Invalid`] if the report [needs the records](Self::has_rows), or if it is by time and the hour is
    ///   not in the years 0 to 9999. A row without a model is always accepted.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of [`Usd`](crate::Usd). Do not use the report after an
    ///   error.
    pub(crate) fn add_row(&mut self, row: &Row<'_>) -> Result<()> {
        let (in_whole, model) = match row.place {
            Place::WithoutModel if row.skill == ExecutionMetrics::STATEMENT_SKILL => return Ok(()),
            Place::WithoutModel => {
                self.without_model += row.sum.executions;
                return Ok(());
            }
            Place::Whole => (true, None),
            Place::Model(model) => (false, Some(model)),
            Place::Both(model) => (true, Some(model)),
        };
        if in_whole {
            self.totals.merge(&row.sum)?;
        }
        let in_group = match (self.by, model) {
            (CostBy::Model, None) => return Ok(()),
            (CostBy::Model, Some(model)) => {
                set(&mut self.recent.key.1, model);
                true
            }
            (CostBy::Skill, _) => {
                set(&mut self.recent.key.1, Some(row.skill));
                in_whole
            }
            _ => {
                if self.recent.hour != Some(row.hour) {
                    let [first, _] = ends_of(row.hour).filter(|_| self.has_rows()).ok_or_else(|| no_rows(row.hour))?;
                    self.recent.key = self.key_at(first);
                    self.recent.hour = Some(row.hour);
                }
                in_whole
            }
        };
        let by_skill = in_group && self.by.is_time() && self.skills.contains(row.skill);
        let Self { groups, recent: Recent { key, model: name, .. }, .. } = self;
        change(groups, key, |group| {
            if in_group {
                group.sum.merge(&row.sum)?;
            }
            if by_skill {
                match group.skills.get_mut(row.skill) {
                    Some(sum) => sum.merge(&row.sum)?,
                    None => group.skills.entry(row.skill.to_owned()).or_default().merge(&row.sum)?,
                }
            }
            let Some(model) = model else { return Ok(()) };
            set(name, model);
            change(&mut group.models, name, |sum| sum.merge(&row.sum))
        })
    }

    /// Adds the sums of another report with the same grouping, zone and start of the week. The result is the same as if
    /// all executions had been added to one report.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of
    /// [`Usd`](crate::Usd). After an error, do not use the report: it includes only a part of `other`.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.without_model += other.without_model;
        self.totals.merge(&other.totals)?;
        other.groups.into_iter().try_for_each(|(key, group)| self.groups.entry(key).or_default().merge(group))
    }
}

impl<Z> Report<Z> {
    /// Returns the grouping of the report.
    pub fn by(&self) -> CostBy {
        self.by
    }

    /// Returns the groups. Days, weeks and months are in chronological order, and other groups are sorted by name.
    /// The name is `None` for the group of executions without a name, such as executions without a run in a report by
    /// run.
    pub fn groups(&self) -> impl Iterator<Item = (Option<&str>, &Group)> {
        self.groups.iter().map(|((_, name), group)| (name.as_deref(), group))
    }

    /// Returns the sum of all executions. An execution that used several models is counted once here, although
    /// several groups of a report by model include it.
    pub fn totals(&self) -> &Sum {
        &self.totals
    }

    /// Returns the number of executions that used no model. The groups and the totals do not include these
    /// executions. An interrupted execution is included in this number only if it was [a call of a
    /// tool](ExecutionMetrics::has_cost). Any other interrupted execution may have used a model before its process
    /// ended.
    pub fn without_model(&self) -> u64 {
        self.without_model
    }
}

/// Returns the first day of the week of `date`. If that day is before the earliest date that chrono supports, returns
/// `date`.
fn first_of_week(date: NaiveDate, week_start: Weekday) -> NaiveDate {
    let days = date.weekday().days_since(week_start);
    date.checked_sub_days(Days::new(days.into())).unwrap_or(date)
}

/// Changes the value of a key. If the key is new, adds a clone of it.
fn change<K: Ord + Clone, V: Default>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    change: impl FnOnce(&mut V) -> Result<()>,
) -> Result<()> {
    match map.get_mut(key) {
        Some(value) => change(value),
        None => change(map.entry(key.clone()).or_default()),
    }
}

/// Sets `place` to `text`, and reuses the memory of `place` if possible.
fn set(place: &mut Option<String>, text: Option<&str>) {
    match (place, text) {
        (Some(place), Some(text)) => {
            place.clear();
            place.push_str(text);
        }
        (place, text) => *place = text.map(str::to_owned),
    }
}

fn no_rows(hour: i64) -> Error {
    Error::new(ErrorKind::Invalid, "add the sum of an hour to a report")
        .detail(format!("hour {hour}: expected the years 0 to 9999, and groups by day, week, month, model or skill"))
}
