//! Sums of what executions took and cost, and of what was estimated beforehand.

mod discrepancy;
mod json;
mod parts;

pub use discrepancy::{Discrepancies, Discrepancy, Excess};

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, TimeZone, Utc};

use self::parts::{Cached, Part, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Usd};

/// What a [`Report`] sums up by.
///
/// Its text is the [`name`](Self::name): `day`, `week`, `month`, `model`, `skill`, `run`, `scene`, `agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CostBy {
    /// The local date on which the execution began: `2026-11-20`.
    Day,
    /// The Monday of its ISO week: `2026-11-16`.
    Week,
    /// Its month: `2026-11`.
    Month,
    /// Each model that it used. An execution that lists its calls counts under each of them, with that model's calls.
    Model,
    /// `skill_name`.
    Skill,
    /// `run.run_id`.
    Run,
    /// `production.scene_id`.
    Scene,
    /// `run.agent_name`.
    Agent,
}

impl CostBy {
    /// Each of them.
    pub const ALL: [Self; 8] =
        [Self::Day, Self::Week, Self::Month, Self::Model, Self::Skill, Self::Run, Self::Scene, Self::Agent];

    /// Its text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Model => "model",
            Self::Skill => "skill",
            Self::Run => "run",
            Self::Scene => "scene",
            Self::Agent => "agent",
        }
    }
}

impl FromStr for CostBy {
    type Err = Error;

    /// Reads the [`name`](Self::name).
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when it is none of them.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Malformed, "read what to sum up by")
                .detail(format!("expected one of {names}, found {text:?}"))
        })
    }
}

/// How many there are as far as is known, and of how many executions that is not all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Count {
    /// The sum over what is known; `None`: nothing is. The counts of a ledger cannot leave its range.
    pub known: Option<u128>,
    /// How many executions do not tell theirs, or that of one of their models.
    pub unknown: u64,
}

impl Count {
    /// Adds the counts of one execution.
    pub(crate) fn add(&mut self, counts: impl IntoIterator<Item = Option<u128>>) {
        let mut unknown = false;
        for count in counts {
            match count {
                Some(count) => self.known = Some(self.known.unwrap_or(0) + count),
                None => unknown = true,
            }
        }
        self.unknown += u64::from(unknown);
    }

    fn merge(&mut self, other: Self) {
        self.known = match (self.known, other.known) {
            (Some(mine), Some(others)) => Some(mine + others),
            (mine, others) => mine.or(others),
        };
        self.unknown += other.unknown;
    }
}

/// What executions took and cost together, over what is known, with a count of what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sum {
    /// How many executions there are, each of which used a model.
    pub executions: u64,
    /// The exact cost of those that have one, in US dollars; `None`: none has.
    pub cost: Option<Usd>,
    /// How many executions have no cost, or none for one of their models. Nothing stands for them in `cost` but what
    /// their other models cost.
    pub unpriced: u64,
    /// Input tokens that are not told to be read from or written to a cache: where a cached part is unknown, its tokens
    /// are here. Unknown also where the cached parts are above the whole.
    pub input_uncached: Count,
    /// Output tokens, reasoning included.
    pub output: Count,
    /// Input tokens written to a cache, whatever its life.
    pub cache_write: Count,
    /// Input tokens read from a cache.
    pub cache_read: Count,
    /// All tokens.
    pub total: Count,
}

impl Sum {
    /// Adds one execution. `cached` is of all models together, where they do not tell their own.
    fn add(&mut self, models: &[Part<'_>], cached: Option<Cached>) -> Result<()> {
        self.executions += 1;
        for cost in models.iter().filter_map(|part| part.cost) {
            self.cost = sum(self.cost, Some(cost))?;
        }
        self.unpriced += u64::from(models.iter().any(|part| part.cost.is_none()));

        let all = |count: fn(&Part<'_>) -> Option<u64>| models.iter().map(move |part| count(part).map(u128::from));
        self.output.add(all(|part| part.output));
        self.total.add(all(|part| part.total));
        match cached {
            None => {
                self.input_uncached.add(all(|part| part.cached.out_of(part.input)));
                self.cache_write.add(all(|part| part.cached.write));
                self.cache_read.add(all(|part| part.cached.read));
            }
            Some(cached) => {
                let input = models.iter().try_fold(0u64, |sum, part| sum.checked_add(part.input?));
                self.input_uncached.add([cached.out_of(input).map(u128::from)]);
                self.cache_write.add([cached.write.map(u128::from)]);
                self.cache_read.add([cached.read.map(u128::from)]);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.executions += other.executions;
        self.cost = sum(self.cost, other.cost)?;
        self.unpriced += other.unpriced;
        self.input_uncached.merge(other.input_uncached);
        self.output.merge(other.output);
        self.cache_write.merge(other.cache_write);
        self.cache_read.merge(other.cache_read);
        self.total.merge(other.total);
        Ok(())
    }
}

/// The sum of what is known.
fn sum(one: Option<Usd>, other: Option<Usd>) -> Result<Option<Usd>> {
    match (one, other) {
        (Some(one), Some(other)) => one.checked_add(other).ok_or_else(overflow).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn overflow() -> Error {
    Error::new(ErrorKind::Overflow, "sum up the cost").detail("the sum leaves the range of an amount")
}

/// A group of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Group {
    /// All of its executions together.
    pub sum: Sum,
    /// CostBy model; `None`: which one it was is unknown. An execution is counted under each model that it used. Where it
    /// tells what was cached and its calls do not, that is in `sum` alone.
    pub models: BTreeMap<Option<String>, Sum>,
}

impl Group {
    /// Adds one execution.
    fn add(&mut self, models: &[Part<'_>], cached: Option<Cached>) -> Result<()> {
        self.sum.add(models, cached)?;
        each(models).try_for_each(|(model, part)| self.models.entry(model).or_default().add(part, None))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.sum.merge(other.sum)?;
        other.models.into_iter().try_for_each(|(model, sum)| self.models.entry(model).or_default().merge(sum))
    }
}

/// What one execution took of each model alone.
fn each<'p>(models: &'p [Part<'p>]) -> impl Iterator<Item = (Option<String>, &'p [Part<'p>])> {
    models.iter().map(|part| (part.model.map(str::to_owned), std::slice::from_ref(part)))
}

/// What executions took and cost, summed up by something: exact, in one pass, in memory that grows with the groups and
/// not with the records.
///
/// An execution counts at the time it began, by the calendar of the zone `Z`: UTC, or any that chrono's [`TimeZone`]
/// tells. The order of the records does not matter. Each record counts as one execution.
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
/// An object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or `agents`, their
/// sum under `totals`, and `withoutModel`. The field names are those of ccusage where it has them: `daily`, `weekly`,
/// `monthly`, `totals`, `date`, `week`, `month`, `inputTokens`, `outputTokens`, `cacheCreationTokens`,
/// `cacheReadTokens`, `totalTokens`, `totalCost`, `modelsUsed`, `modelBreakdowns` with `modelName`, `cost` and, only
/// where an execution is unpriced, `missingPricing`: true; `unpricedModels` in the totals, left out when there are none.
/// `inputTokens` leaves out the cached ones, as there. Ours are the other names of groups, `executions`, `unpriced`, and
/// `unreported`: of how many executions each count of tokens is unknown. A sum of which nothing is known is null, where
/// ccusage writes 0; an amount is a number with all its digits, where ccusage writes a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<Z = Utc> {
    by: CostBy,
    zone: Z,
    groups: BTreeMap<Option<String>, Group>,
    totals: Sum,
    without_model: u64,
}

impl Report {
    /// An empty report by the calendar of UTC.
    pub fn new(by: CostBy) -> Self {
        Self::in_zone(by, Utc)
    }
}

impl<Z: TimeZone> Report<Z> {
    /// An empty report by the calendar of `zone`.
    pub fn in_zone(by: CostBy, zone: Z) -> Self {
        Self { by, zone, groups: BTreeMap::new(), totals: Sum::default(), without_model: 0 }
    }

    /// Adds one execution.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] when a sum leaves the range of [`Usd`]; the report then holds a part of the execution and
    /// is of no use.
    pub fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        let Some(Parts { models, cached }) = Parts::of(record) else {
            self.without_model += 1;
            return Ok(());
        };
        self.totals.add(&models, cached)?;
        let date = || record.timestamp_start.to_chrono().with_timezone(&self.zone).date_naive();
        let name = match self.by {
            CostBy::Day => Some(date().to_string()),
            CostBy::Week => Some(monday(date()).to_string()),
            CostBy::Month => Some(format!("{:04}-{:02}", date().year(), date().month())),
            CostBy::Model => {
                return each(&models)
                    .try_for_each(|(model, part)| self.groups.entry(model).or_default().add(part, None));
            }
            CostBy::Skill => Some(record.skill_name.clone()),
            CostBy::Run => record.run.run_id.clone(),
            CostBy::Scene => record.production.scene_id.clone(),
            CostBy::Agent => record.run.agent_name.clone(),
        };
        self.groups.entry(name).or_default().add(&models, cached)
    }

    /// Takes in what another report summed up, by the same and in the same zone: the result is that of one report which
    /// all executions were added to.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.without_model += other.without_model;
        self.totals.merge(other.totals)?;
        other.groups.into_iter().try_for_each(|(name, group)| self.groups.entry(name).or_default().merge(group))
    }
}

impl<Z> Report<Z> {
    /// What it sums up by.
    pub fn by(&self) -> CostBy {
        self.by
    }

    /// The groups with their names, in the order of those; `None`: the executions that name none.
    pub fn groups(&self) -> impl Iterator<Item = (Option<&str>, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_deref(), group))
    }

    /// All groups together. CostBy model, an execution that used several is in several groups, and here once.
    pub fn totals(&self) -> &Sum {
        &self.totals
    }

    /// How many executions used no model. They are in no group and not in the totals.
    pub fn without_model(&self) -> u64 {
        self.without_model
    }
}

fn monday(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())).unwrap_or(date)
}
