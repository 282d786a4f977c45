//! How much baselines change from week to week.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::accumulator::Accumulator;
use super::baselines::{Baseline, Baselines};
use super::by::BaselineBy;
use super::week::week_start;
use crate::metrics::{ExecutionMetrics, Fields, Timestamp, Usd};

const WEEK_MS: u64 = 7 * 86_400_000;

/// A metric is stable if its change is at most 1/50 of the baseline, which is 2 %.
const STABLE_PARTS: u128 = 50;

/// Whether a metric stayed the same. The number of executions is not considered, so a change from only a few executions
/// can be due to chance. A [comparison](super::FrozenBaselines::compare) finds changes that are statistically
/// significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stability {
    /// The change is at most 2 % of the baseline.
    Stable,
    /// The change is more than 2 % of the baseline, or the baseline is 0 and the recent value is not.
    Changed,
    /// The metric is unknown on one side or both.
    Unknown,
}

/// The change of one metric, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change<T> {
    /// The earlier value; `None` if it is unknown.
    pub baseline: Option<T>,
    /// The later value; `None` if it is unknown.
    pub recent: Option<T>,
    /// The later value minus the earlier one; `None` if either is unknown.
    pub delta: Option<T>,
    /// `delta / |baseline|`, where 0.02 is 2 % more; `None` if either value is unknown or the baseline is 0.
    pub relative_delta: Option<f64>,
    /// Whether the change is within ±2 %.
    pub stability: Stability,
}

/// The change of each metric of one skill. For a skill that exists on only one side, all changes are unknown.
///
/// `success_rate_std_dev` is not compared, because it shrinks as records are added.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SkillChanges {
    /// The change of [`Baseline::success_rate`].
    pub success_rate: Change<f64>,
    /// The change of [`Baseline::latency_p50_ms`].
    pub latency_p50_ms: Change<f64>,
    /// The change of [`Baseline::latency_p95_ms`].
    pub latency_p95_ms: Change<f64>,
    /// The change of [`Baseline::latency_p99_ms`].
    pub latency_p99_ms: Change<f64>,
    /// The change of [`Baseline::latency_mean_ms`].
    pub latency_mean_ms: Change<f64>,
    /// The change of [`Baseline::latency_std_dev_ms`].
    pub latency_std_dev_ms: Change<f64>,
    /// The change of [`Baseline::cost_mean_usd`].
    pub cost_mean_usd: Change<Usd>,
    /// The change of [`Baseline::cost_std_dev_usd`].
    pub cost_std_dev_usd: Change<Usd>,
    /// The change of [`Baseline::tokens_mean`].
    pub tokens_mean: Change<f64>,
}

/// The changes from one week to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WeekChanges {
    /// The start of the later week, Monday 00:00 UTC.
    pub week_start: Timestamp,
    /// The changes of every skill that ran in either week, sorted by name.
    pub skills: BTreeMap<String, SkillChanges>,
}

/// How much the baselines change from week to week.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StabilityReport {
    /// The changes of each week that has records, in chronological order. The first week with records is left out. All
    /// changes of a week are unknown if the calendar week before it has no records.
    pub weeks: Vec<WeekChanges>,
}

/// Collects records, in any order, and yields the [`StabilityReport`] of the weeks in which the executions started.
///
/// A `Weekly` keeps one [`Accumulator`] for each week.
///
/// ```
/// use runledger::baseline::{Stability, Weekly};
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut weekly = Weekly::default();
/// for (start, latency_ms) in [("2026-02-05T10:00:00Z", 3_200), ("2026-02-12T10:00:00Z", 3_360)] {
///     let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", start.parse()?);
///     record.total_latency_ms = Some(latency_ms);
///     weekly.add(&record);
/// }
/// let report = weekly.finish();
/// let p50 = report.weeks[0].skills["publish"].latency_p50_ms;
/// assert_eq!((p50.delta, p50.relative_delta, p50.stability), (Some(160.0), Some(0.05), Stability::Changed));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Weekly {
    weeks: BTreeMap<Timestamp, Accumulator>,
}

impl Weekly {
    /// Adds a record. Leaves out [statements](ExecutionMetrics::is_statement) of redactions.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        self.add_fields(&Fields::of(record));
    }

    /// Like [`add`](Self::add), but takes only the [`Fields`] of a record.
    pub fn add_fields(&mut self, fields: &Fields<'_>) {
        if fields.is_statement() {
            return;
        }
        let week = self.weeks.entry(week_start(fields.timestamp_start));
        week.or_insert_with(|| Accumulator::by(BaselineBy::Skill)).add_fields(fields);
    }

    /// Adds the records of another `Weekly`.
    pub fn merge(&mut self, other: Self) {
        for (week, accumulator) in other.weeks {
            let mine = self.weeks.entry(week);
            mine.or_insert_with(|| Accumulator::by(BaselineBy::Skill)).merge(accumulator);
        }
    }

    /// Returns the report of all records that were added.
    pub fn finish(self) -> StabilityReport {
        let mut weeks = Vec::new();
        let mut before: Option<(Timestamp, Baselines)> = None;
        for (week, accumulator) in self.weeks {
            let baselines = accumulator.finish();
            if let Some((earlier, measure)) = before {
                let follows = earlier.plus_ms(WEEK_MS) == week;
                let measure = if follows { measure } else { Baselines::default() };
                weeks.push(WeekChanges { week_start: week, skills: changes(&measure, &baselines) });
            }
            before = Some((week, baselines));
        }
        StabilityReport { weeks }
    }
}

fn changes(measure: &Baselines, recent: &Baselines) -> BTreeMap<String, SkillChanges> {
    let names: BTreeSet<&str> = measure.iter().chain(recent.iter()).map(|(name, _)| name).collect();
    let changes = |name| SkillChanges::of(measure.get(name), recent.get(name));
    names.into_iter().map(|name| (name.to_owned(), changes(name))).collect()
}

impl SkillChanges {
    fn of(baseline: Option<&Baseline>, recent: Option<&Baseline>) -> Self {
        fn compare<T: Quantity>(sides: [Option<&Baseline>; 2], metric: impl Fn(&Baseline) -> Option<T>) -> Change<T> {
            let [baseline, recent] = sides.map(|side| side.and_then(&metric));
            change(baseline, recent)
        }
        let sides = [baseline, recent];
        Self {
            success_rate: compare(sides, |b| b.success_rate),
            latency_p50_ms: compare(sides, |b| b.latency_p50_ms),
            latency_p95_ms: compare(sides, |b| b.latency_p95_ms),
            latency_p99_ms: compare(sides, |b| b.latency_p99_ms),
            latency_mean_ms: compare(sides, |b| b.latency_mean_ms),
            latency_std_dev_ms: compare(sides, |b| b.latency_std_dev_ms),
            cost_mean_usd: compare(sides, |b| b.cost_mean_usd),
            cost_std_dev_usd: compare(sides, |b| b.cost_std_dev_usd),
            tokens_mean: compare(sides, |b| b.tokens_mean),
        }
    }

    /// Returns the key of each metric, as in [`Baseline`], and whether it is stable.
    pub fn stabilities(&self) -> [(&'static str, Stability); 9] {
        [
            ("success_rate", self.success_rate.stability),
            ("latency_p50_ms", self.latency_p50_ms.stability),
            ("latency_p95_ms", self.latency_p95_ms.stability),
            ("latency_p99_ms", self.latency_p99_ms.stability),
            ("latency_mean_ms", self.latency_mean_ms.stability),
            ("latency_std_dev_ms", self.latency_std_dev_ms.stability),
            ("cost_mean_usd", self.cost_mean_usd.stability),
            ("cost_std_dev_usd", self.cost_std_dev_usd.stability),
            ("tokens_mean", self.tokens_mean.stability),
        ]
    }
}

/// A decimal number that can be converted to a whole number of small units. With integers, the deltas and the limit of
/// 2 % are exact.
trait Quantity: Copy {
    fn units(self) -> i128;
    fn from_units(units: i128) -> Self;
}

/// The unit is 0.0001, because rates, times and token counts have at most 4 decimals in a [`Baseline`].
impl Quantity for f64 {
    fn units(self) -> i128 {
        (self * 10_000.0).round_ties_even() as i128
    }

    fn from_units(units: i128) -> Self {
        units as Self / 10_000.0
    }
}

impl Quantity for Usd {
    fn units(self) -> i128 {
        self.pico()
    }

    fn from_units(units: i128) -> Self {
        Self::from_pico(units)
    }
}

fn change<T: Quantity>(baseline: Option<T>, recent: Option<T>) -> Change<T> {
    let (Some(before), Some(after)) = (baseline.map(T::units), recent.map(T::units)) else {
        return Change { baseline, recent, delta: None, relative_delta: None, stability: Stability::Unknown };
    };
    let delta = after.saturating_sub(before);
    let size = before.unsigned_abs();
    let stable = delta.unsigned_abs() <= size / STABLE_PARTS;
    Change {
        baseline,
        recent,
        delta: Some(T::from_units(delta)),
        relative_delta: (size > 0).then(|| delta as f64 / size as f64),
        stability: if stable { Stability::Stable } else { Stability::Changed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_percent_is_stable_and_the_next_digit_is_not() {
        let stability = |before, after| change(Some(before), Some(after)).stability;
        assert_eq!(stability(0.98, 0.9604), Stability::Stable);
        assert_eq!(stability(0.98, 0.9603), Stability::Changed);
        assert_eq!(stability(0.98, 0.9996), Stability::Stable);
        assert_eq!(stability(0.98, 0.9997), Stability::Changed);
        assert_eq!(stability(0.0, 0.0), Stability::Stable);
        assert_eq!(stability(0.0, 0.001), Stability::Changed);
    }

    #[test]
    fn money_is_compared_to_the_last_digit() {
        let usd = |pico| Some(Usd::from_pico(pico));
        let changed = change(usd(10_500_000_000), usd(10_290_000_000));
        assert_eq!((changed.delta, changed.relative_delta), (usd(-210_000_000), Some(-0.02)));
        assert_eq!(changed.stability, Stability::Stable);
        assert_eq!(change(usd(10_500_000_000), usd(10_289_999_999)).stability, Stability::Changed);
    }

    #[test]
    fn a_baseline_of_zero_has_no_relative_delta() {
        let changed = change(Some(0.0), Some(2.5));
        assert_eq!((changed.delta, changed.relative_delta, changed.stability), (Some(2.5), None, Stability::Changed));
    }

    #[test]
    fn unknown_on_either_side_is_unknown() {
        for (before, after) in [(None, Some(1.0)), (Some(1.0), None), (None, None)] {
            let changed: Change<f64> = change(before, after);
            assert_eq!((changed.delta, changed.relative_delta, changed.stability), (None, None, Stability::Unknown));
        }
    }
}
