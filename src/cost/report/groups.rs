//! The report and its groups.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate, TimeZone, Utc};

use super::by::CostBy;
use super::parts::{Cached, Part, Parts};
use super::sum::Sum;
use crate::error::Result;
use crate::metrics::ExecutionMetrics;

/// A group of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Group {
    /// The sum of all its executions.
    pub sum: Sum,
    /// The sums by model; `None` if the model is unknown. An execution is counted under each model that it used. If it
    /// reports cached tokens and its calls do not, only `sum` includes them.
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

/// Returns the usage of each model by one execution.
fn each<'p>(models: &'p [Part<'p>]) -> impl Iterator<Item = (Option<String>, &'p [Part<'p>])> {
    models.iter().map(|part| (part.model.map(str::to_owned), std::slice::from_ref(part)))
}

/// The usage and cost of executions, summed up by group. The sums are exact, are computed in one pass, and need memory
/// only for the groups.
///
/// An execution is counted under its start time, in the calendar of the time zone `Z`, which is UTC or any [`TimeZone`]
/// of chrono. The order of the records does not matter. Each record counts as one execution.
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
/// The report is an object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or
/// `agents`, their sum under `totals`, and `withoutModel`. These field names are those of ccusage:
///
/// * `daily`, `weekly`, `monthly`, `totals`, `date`, `week`, `month`;
/// * `inputTokens`, which excludes cached tokens, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`,
///   `totalTokens`;
/// * `totalCost`, `modelsUsed`, and `modelBreakdowns` with `modelName`, `cost` and `missingPricing`, which is true or
///   left out if no execution is unpriced;
/// * `unpricedModels` in the totals, which is left out if there are none.
///
/// The other group names, and `executions`, `unpriced` and `unreported`, are specific to this crate. For each token
/// count, `unreported` gives the number of executions that do not report it. A sum without any known value is null,
/// while ccusage writes 0. An amount is a number with all its digits, while ccusage writes a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<Z = Utc> {
    by: CostBy,
    zone: Z,
    groups: BTreeMap<Option<String>, Group>,
    totals: Sum,
    without_model: u64,
}

impl Report {
    /// Returns an empty report in the UTC calendar.
    pub fn new(by: CostBy) -> Self {
        Self::in_zone(by, Utc)
    }
}

impl<Z: TimeZone> Report<Z> {
    /// Returns an empty report in the calendar of `zone`.
    pub fn in_zone(by: CostBy, zone: Z) -> Self {
        Self { by, zone, groups: BTreeMap::new(), totals: Sum::default(), without_model: 0 }
    }

    /// Adds one execution.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of
    /// [`Usd`](crate::Usd). Do not use the report after an error, since it then includes only a part of the execution.
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

    /// Adds the sums of another report with the same grouping and zone. The result is the same as if all executions had
    /// been added to one report.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of
    /// [`Usd`](crate::Usd). Do not use the report after an error, since it then includes only a part of the other one.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.without_model += other.without_model;
        self.totals.merge(other.totals)?;
        other.groups.into_iter().try_for_each(|(name, group)| self.groups.entry(name).or_default().merge(group))
    }
}

impl<Z> Report<Z> {
    /// Returns the grouping of the report.
    pub fn by(&self) -> CostBy {
        self.by
    }

    /// Returns the groups, sorted by name. The name is `None` for executions without one.
    pub fn groups(&self) -> impl Iterator<Item = (Option<&str>, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_deref(), group))
    }

    /// Returns the sum of all executions. An execution that used several models is counted once here, although several
    /// groups by model include it.
    pub fn totals(&self) -> &Sum {
        &self.totals
    }

    /// Returns the number of executions that used no model. They are neither in a group nor in the totals.
    pub fn without_model(&self) -> u64 {
        self.without_model
    }
}

fn monday(date: NaiveDate) -> NaiveDate {
    date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())).unwrap_or(date)
}
