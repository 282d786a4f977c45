//! The cost over time, and by skill.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate, TimeZone};
use serde::Serialize;

use super::names::name;
use super::observed::candidates;
use crate::baseline::Baselines;
use crate::cost::{CostBy, Group, Report, Sum};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Timestamp, Usd};

/// The largest number of series that a chart stacks. All other series are summed into one more series.
const SERIES_MAX: usize = 5;
/// The largest number of skills in the table.
const ROWS_MAX: usize = 12;
/// The bars are days for up to 92 days, weeks for up to 104 weeks, and months for longer periods.
const DAYS_MAX: i64 = 92;
const WEEKS_MAX: i64 = 104;
/// The largest number of bars. Earlier bars are left out.
const SLICES_MAX: usize = 120;

/// The way in which a bar of the chart is divided into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StackBy {
    /// Skills.
    Skill,
    /// Models. An execution with several models counts under each of them, with the cost of that model.
    Model,
}

impl StackBy {
    /// All ways to divide a bar.
    pub const ALL: [Self; 2] = [Self::Skill, Self::Model];

    /// Returns the name: `skill` or `model`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Model => "model",
        }
    }
}

impl std::str::FromStr for StackBy {
    type Err = Error;

    /// Parses a [`name`](Self::name).
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if `text` is not one of the names.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read the parts of a chart")
                .detail(format!("expected skill or model, found {text:?}"))
        })
    }
}

/// The cost of executions by day, week or month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CostOverTime {
    /// The way in which the bars are divided into parts.
    pub by: StackBy,
    /// The length of a bar: `day`, `week` or `month`.
    pub slice: &'static str,
    /// The number of executions that used a model. Executions without a model are only in `without_model`.
    pub executions: u64,
    /// The known cost of these executions, in US dollars, or `None` if no cost is known.
    pub cost: Option<Usd>,
    /// The number of these executions whose cost is unknown for at least one of their models.
    pub unpriced: u64,
    /// The number of executions that used no model, and so have no cost.
    pub without_model: u64,
    /// The number of executions that used a model and whose cost includes a part of `at_standard_cost`.
    pub at_standard: u64,
    /// The part of `cost` that was computed with a standard price, because the exact price is unknown. `None` if there
    /// is no such part.
    pub at_standard_cost: Option<Usd>,
    /// The number of executions that used a model and whose cost is a lower bound, because the final usage of a call
    /// was not reported.
    pub lower_bounds: u64,
    /// The series with the highest costs, the highest first.
    pub series: Vec<CostSeries>,
    /// True if the cost that is in none of the `series` includes a lower bound.
    pub others_are_bounds: bool,
    /// The bars in chronological order, without gaps.
    pub slices: Vec<TimeSlice>,
    /// The number of earlier bars that are left out. `cost` includes them.
    pub slices_left_out: u64,
}

impl CostOverTime {
    /// Returns the known cost that is in none of the series, or `None` if this cost is 0 or unknown.
    pub fn others(&self) -> Option<Usd> {
        rest(self.cost, self.series.iter().map(|series| series.cost)).filter(|cost| *cost > Usd::ZERO)
    }
}

/// A series: one part of each bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CostSeries {
    /// The skill or the model. `None` if the model is unknown.
    pub name: Option<String>,
    /// The known cost in US dollars, or `None` if no cost is known.
    pub cost: Option<Usd>,
    /// The number of executions of the series whose cost is a lower bound.
    pub lower_bounds: u64,
}

/// A bar, which is a day, a week or a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TimeSlice {
    /// The first day of the bar, or its month.
    pub start: String,
    /// The number of executions that used a model.
    pub executions: u64,
    /// The known cost of these executions in US dollars. It is 0 if there are no executions, and `None` if no cost is
    /// known.
    pub cost: Option<Usd>,
    /// The number of these executions whose cost is unknown for at least one model.
    pub unpriced: u64,
    /// The number of these executions whose cost is a lower bound.
    pub lower_bounds: u64,
    /// The cost of each series in this bar, in the order of `series`. `None` if no cost is known.
    pub parts: Vec<Option<Usd>>,
    /// The cost of this bar that is in none of the `series`. `None` if this cost is 0 or unknown.
    pub others: Option<Usd>,
}

/// The costs of skills.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillCosts {
    /// The most expensive skills, the most expensive first.
    pub rows: Vec<SkillRow>,
    /// The number of other skills.
    pub others: u64,
    /// The known cost of the other skills together. `None` if this cost is 0 or unknown.
    pub others_cost: Option<Usd>,
    /// The number of executions that belong to the other skills and whose cost is a lower bound.
    pub others_lower_bounds: u64,
    /// The number of executions that belong to the other skills and whose cost is unknown.
    pub others_unpriced: u64,
}

/// The cost of a skill.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillRow {
    /// The skill.
    pub skill: String,
    /// The number of executions of the skill that used a model.
    pub executions: u64,
    /// The known cost of these executions in US dollars, or `None` if no cost is known.
    pub cost: Option<Usd>,
    /// The number of these executions whose cost is unknown.
    pub unpriced: u64,
    /// The number of these executions whose cost is a lower bound.
    pub lower_bounds: u64,
    /// The known cost of this skill as a share of the known cost of all skills. `None` if one of these costs is
    /// unknown, or if the cost of all skills is 0.
    pub share: Option<f64>,
    /// The share of successes among the executions with a known outcome, or `None` if no outcome is known.
    pub success_rate: Option<f64>,
    /// The number of executions of the skill whose outcome is known. The success rate is a share of them.
    pub outcome_known: u64,
    /// The number of executions of the skill whose outcome is unknown. The success rate does not include them.
    pub outcome_unknown: u64,
    /// The cost of the skill in each bar of [`CostOverTime::slices`]. `None` if no cost is known.
    pub slices: Vec<Option<Usd>>,
}

/// Returns an empty report that can be passed to [`Scan::sum_up`](crate::Scan::sum_up), and then to [`costs`]. The
/// report groups by day, week or month, depending on the time from the first to the last execution of `skills`.
pub fn report_over_time<Z: TimeZone>(skills: &Baselines, zone: Z) -> Report<Z> {
    let days = range(skills).map_or(0, |(first, last)| (last.unix_ms() - first.unix_ms()) / 86_400_000);
    let by = match days {
        ..DAYS_MAX => CostBy::Day,
        days if days < WEEKS_MAX * 7 => CostBy::Week,
        _ => CostBy::Month,
    };
    Report::in_zone(by, zone).with_skills(candidates(skills))
}

/// Returns the costs in a report that [`report_over_time`] made.
pub fn costs<Z>(report: &Report<Z>, by: StackBy, skills: &Baselines) -> (CostOverTime, SkillCosts) {
    let mut slices: Vec<(String, Option<&Group>)> = Vec::new();
    for (start, group) in report.groups() {
        let start = start.unwrap_or_default();
        while slices.len() <= 10 * SLICES_MAX
            && let Some(next) = slices.last().and_then(|(last, _)| following(last, report.by()))
            && next.as_str() < start
        {
            slices.push((next, None));
        }
        slices.push((start.to_owned(), Some(group)));
    }
    let left_out = slices.len().saturating_sub(SLICES_MAX);
    let slices = slices.split_off(left_out);
    let mut by_skill: BTreeMap<&str, Summed> = BTreeMap::new();
    let mut by_part: BTreeMap<Option<&str>, Summed> = BTreeMap::new();
    for (_, group) in report.groups() {
        for (skill, sum) in &group.skills {
            by_skill.entry(skill).or_default().add(sum);
        }
        if by == StackBy::Model {
            group.models.iter().for_each(|(model, sum)| by_part.entry(model.as_deref()).or_default().add(sum));
        }
    }
    if by == StackBy::Skill {
        by_part = by_skill.iter().map(|(skill, sum)| (Some(*skill), *sum)).collect();
    }
    let totals = report.totals();
    let mut parts: Vec<_> = by_part.into_iter().filter(|(_, sum)| sum.cost > Some(Usd::ZERO)).collect();
    parts.sort_by_key(|(_, sum)| Reverse(sum.cost));
    let others_are_bounds = match by {
        // The report has sums only of skills that can be among the most expensive ones. The total includes all skills.
        StackBy::Skill => totals.lower_bounds > parts.iter().take(SERIES_MAX).map(|(_, sum)| sum.lower_bounds).sum(),
        StackBy::Model => parts.iter().skip(SERIES_MAX).any(|(_, sum)| sum.lower_bounds > 0),
    };
    parts.truncate(SERIES_MAX);
    let cost = CostOverTime {
        by,
        slice: report.by().name(),
        executions: totals.executions,
        cost: totals.cost,
        unpriced: totals.unpriced,
        without_model: report.without_model(),
        at_standard: totals.at_standard,
        at_standard_cost: totals.at_standard_cost,
        lower_bounds: totals.lower_bounds,
        series: parts
            .iter()
            .map(|(part, sum)| CostSeries { name: part.map(name), cost: sum.cost, lower_bounds: sum.lower_bounds })
            .collect(),
        others_are_bounds,
        slices: slices.iter().map(|(start, group)| slice(start, *group, by, &parts)).collect(),
        slices_left_out: left_out as u64,
    };
    let mut rows: Vec<_> = by_skill.into_iter().filter(|(_, sum)| sum.executions > 0).collect();
    rows.sort_by_key(|(_, sum)| Reverse(sum.cost));
    rows.truncate(ROWS_MAX);
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(skill, sum)| SkillRow {
            skill: name(skill),
            executions: sum.executions,
            cost: sum.cost,
            unpriced: sum.unpriced,
            lower_bounds: sum.lower_bounds,
            share: share(sum.cost, totals.cost),
            success_rate: skills.get(skill).and_then(|baseline| baseline.success_rate),
            outcome_known: skills.get(skill).map_or(0, |baseline| baseline.sample_size - baseline.outcome_unknown),
            outcome_unknown: skills.get(skill).map_or(0, |baseline| baseline.outcome_unknown),
            slices: slices.iter().map(|(_, group)| cost_in(group.and_then(|group| group.skills.get(skill)))).collect(),
        })
        .collect();
    let skills = SkillCosts {
        others: (skills.iter().count() as u64).saturating_sub(rows.len() as u64),
        others_cost: rest(totals.cost, rows.iter().map(|row| row.cost)).filter(|cost| *cost != Usd::ZERO),
        others_lower_bounds: totals.lower_bounds.saturating_sub(rows.iter().map(|row| row.lower_bounds).sum()),
        others_unpriced: totals.unpriced.saturating_sub(rows.iter().map(|row| row.unpriced).sum()),
        rows,
    };
    (cost, skills)
}

/// The sum of one series over all bars.
#[derive(Debug, Clone, Copy, Default)]
struct Summed {
    executions: u64,
    cost: Option<Usd>,
    unpriced: u64,
    lower_bounds: u64,
}

impl Summed {
    fn add(&mut self, sum: &Sum) {
        self.executions += sum.executions;
        self.unpriced += sum.unpriced;
        self.lower_bounds += sum.lower_bounds;
        // The sum cannot overflow: the total of the report includes it, and did not overflow.
        self.cost = match (self.cost, sum.cost) {
            (Some(one), Some(other)) => one.checked_add(other),
            (one, other) => one.or(other),
        };
    }
}

fn slice(start: &str, group: Option<&Group>, by: StackBy, parts: &[(Option<&str>, Summed)]) -> TimeSlice {
    let sum_of = |part: &Option<&str>| match by {
        StackBy::Skill => group?.skills.get(part.unwrap_or_default()),
        StackBy::Model => group?.models.get(&part.map(str::to_owned)),
    };
    let parts: Vec<_> = parts.iter().map(|(part, _)| cost_in(sum_of(part))).collect();
    let sum = group.map(|group| &group.sum);
    let cost = cost_in(sum);
    TimeSlice {
        start: start.to_owned(),
        executions: sum.map_or(0, |sum| sum.executions),
        cost,
        unpriced: sum.map_or(0, |sum| sum.unpriced),
        lower_bounds: sum.map_or(0, |sum| sum.lower_bounds),
        others: rest(cost, parts.iter().copied()).filter(|cost| *cost != Usd::ZERO),
        parts,
    }
}

/// Returns the known cost in a bar: 0 if `sum` is `None` because the bar has no executions, and `None` if no cost is
/// known.
fn cost_in(sum: Option<&Sum>) -> Option<Usd> {
    sum.map_or(Some(Usd::ZERO), |sum| sum.cost)
}

/// Returns `all` minus the known parts, or `None` if `all` is unknown.
fn rest(all: Option<Usd>, parts: impl Iterator<Item = Option<Usd>>) -> Option<Usd> {
    parts.flatten().try_fold(all?, Usd::checked_sub)
}

/// Returns `part` ÷ `all`. Returns `None` if one of them is unknown, or if `all` is not above 0.
pub(super) fn share(part: Option<Usd>, all: Option<Usd>) -> Option<f64> {
    let all = all.filter(|all| *all > Usd::ZERO)?;
    Some(part?.pico() as f64 / all.pico() as f64)
}

/// Returns the name of the next day, week or month.
fn following(start: &str, by: CostBy) -> Option<String> {
    let day = |text: &str| text.parse::<NaiveDate>().ok();
    match by {
        CostBy::Month => {
            let next = day(&format!("{start}-01"))?.checked_add_months(Months::new(1))?;
            // A year after 9999 is written in another form, so no bar follows.
            (next.year() <= 9999).then(|| format!("{:04}-{:02}", next.year(), next.month()))
        }
        CostBy::Week => Some(day(start)?.checked_add_days(Days::new(7))?.to_string()),
        _ => Some(day(start)?.checked_add_days(Days::new(1))?.to_string()),
    }
}

/// Returns the earliest start and the latest start or end of the executions. Returns `None` if there are no executions.
pub(super) fn range(skills: &Baselines) -> Option<(Timestamp, Timestamp)> {
    let periods = || skills.iter().map(|(_, baseline)| baseline.period);
    periods().map(|period| period.start).min().zip(periods().map(|period| period.end).max())
}
