//! Computes the figures of the executions that ended in the last hour, such as their cost and the number of failures.

use std::collections::BTreeMap;

use runledger::metrics::Status;
use runledger::{Timestamp, Usd};
use serde::Serialize;

use super::row::Row;

pub(super) const HOUR_MS: u64 = 3_600_000;

/// The figures of the executions that ended in the last hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Hour {
    /// The start of the time that the figures cover. It is less than an hour ago if earlier executions were not read.
    pub(super) since: Timestamp,
    pub(super) executions: u64,
    /// The number of executions that failed or panicked. Cancelled ones are not included.
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    /// The number of executions for which it is unknown whether they succeeded, such as interrupted executions.
    pub(super) outcome_unknown: u64,
    /// The number of failures of each category, the most frequent first. `None` is the group without a category.
    pub(super) categories: Vec<(Option<String>, u64)>,
    /// The number of executions that have a cost, known or unknown.
    pub(super) with_cost: u64,
    /// The sum of the known costs. 0 if no execution has a cost. `None` if executions have costs but all of them are
    /// unknown.
    pub(super) cost_usd: Option<Usd>,
    /// The number of executions whose cost is unknown. `cost_usd` does not include them.
    pub(super) unpriced: u64,
    /// The number of executions whose cost is only a lower bound.
    pub(super) lower_bounds: u64,
    /// `cost_usd` per hour.
    pub(super) usd_per_hour: Option<Usd>,
}

/// How much the executions cost in a period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) cost: Usd,
    /// The length of the period in milliseconds, which is more than 0.
    pub(super) ms: u64,
    /// True if some costs are unknown or are lower bounds.
    pub(super) is_lower_bound: bool,
}

impl Rate {
    /// Returns the cost of this many milliseconds; `None` if it exceeds the range of [`Usd`].
    pub(super) fn over(self, ms: u64) -> Option<Usd> {
        Some(Usd::from_pico(self.cost.pico().checked_mul(ms.into())? / i128::from(self.ms)))
    }
}

impl Hour {
    /// Returns the figures at `now`. All executions that ended after `all_since` are in `rows`. `all_since` is `None`
    /// if `rows` has all executions of the ledger.
    pub(super) fn of<'r>(rows: impl Iterator<Item = &'r Row>, all_since: Option<Timestamp>, now: Timestamp) -> Self {
        let hour_ago = now.unix_ms().saturating_sub(HOUR_MS as i64);
        let since = Timestamp::from_unix_ms(hour_ago).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = all_since.map_or(since, |all_since| all_since.max(since));
        let mut hour = Self {
            since,
            executions: 0,
            failed: 0,
            cancelled: 0,
            outcome_unknown: 0,
            categories: Vec::new(),
            with_cost: 0,
            cost_usd: None,
            unpriced: 0,
            lower_bounds: 0,
            usd_per_hour: None,
        };
        let (mut known, mut cost, mut categories) = (0, Some(Usd::ZERO), BTreeMap::new());
        for row in rows.filter(|row| row.ended_at >= since) {
            hour.executions += 1;
            match row.succeeded {
                Some(true) => {}
                Some(false) if row.status == Status::Cancelled.as_str() => hour.cancelled += 1,
                Some(false) => {
                    hour.failed += 1;
                    *categories.entry(row.category.clone()).or_default() += 1;
                }
                None => hour.outcome_unknown += 1,
            }
            hour.with_cost += u64::from(row.has_cost);
            hour.lower_bounds += u64::from(row.has_cost && row.is_lower_bound);
            match row.usd.filter(|_| row.has_cost) {
                Some(usd) => {
                    known += 1;
                    cost = cost.and_then(|cost| cost.checked_add(usd));
                }
                None => hour.unpriced += u64::from(row.has_cost),
            }
        }
        hour.categories = categories.into_iter().collect();
        hour.categories.sort_by_key(|(_, failures)| std::cmp::Reverse(*failures));
        hour.cost_usd = cost.filter(|_| known > 0 || hour.with_cost == 0);
        hour.usd_per_hour = hour.rate(now).and_then(|rate| rate.over(HOUR_MS));
        hour
    }

    /// Returns how much the executions cost in the time that the figures cover. Returns `None` if the cost is unknown,
    /// or if this time is 0.
    pub(super) fn rate(&self, now: Timestamp) -> Option<Rate> {
        let ms = now.ms_since(self.since).filter(|ms| *ms > 0)?;
        Some(Rate { cost: self.cost_usd?, ms, is_lower_bound: self.is_lower_bound() })
    }

    /// Returns true if `cost_usd` is only a part of the cost.
    pub(super) fn is_lower_bound(&self) -> bool {
        self.unpriced + self.lower_bounds > 0
    }
}

#[cfg(test)]
mod tests {
    use runledger::ExecutionMetrics;
    use runledger::metrics::ErrorCategory;

    use super::super::samples::{record, time};
    use super::*;

    const NOW: &str = "2026-11-30T12:00:00Z";

    fn hour(records: &[ExecutionMetrics], all_since: Option<&str>) -> Hour {
        let rows: Vec<Row> = records.iter().map(Row::from).collect();
        Hour::of(rows.iter(), all_since.map(time), time(NOW))
    }

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn an_execution_counts_by_its_end() {
        let mut long = record(1, "long", "2026-11-30T09:00:00Z", 7_200_000, Status::Success, Some("3"));
        assert_eq!(hour(std::slice::from_ref(&long), None).cost_usd, Some(usd("3")), "it ended at 11:00:00");
        long.timestamp_end = Some(time("2026-11-30T10:59:59.999Z"));
        let before = hour(&[long], None);
        assert_eq!((before.executions, before.cost_usd), (0, Some(Usd::ZERO)));
    }

    #[test]
    fn unknown_costs_are_counted_and_never_zero() {
        let unknown = record(1, "s", "2026-11-30T11:30:00Z", 10, Status::Success, None);
        let alone = hour(std::slice::from_ref(&unknown), None);
        assert_eq!((alone.cost_usd, alone.usd_per_hour, alone.unpriced, alone.with_cost), (None, None, 1, 1));
        assert_eq!(alone.rate(time(NOW)), None);
        let known = record(2, "s", "2026-11-30T11:30:00Z", 10, Status::Success, Some("0.5"));
        let both = hour(&[unknown, known], None);
        assert_eq!((both.cost_usd, both.unpriced, both.with_cost), (Some(usd("0.5")), 1, 2));
        assert!(both.is_lower_bound());
        let mut free = record(3, "s", "2026-11-30T11:30:00Z", 10, Status::Success, None);
        free.tokens_used = None;
        let free = hour(&[free], None);
        assert_eq!((free.executions, free.with_cost, free.cost_usd), (1, 0, Some(Usd::ZERO)), "it used no model");
    }

    #[test]
    fn failures_are_counted_by_category_the_most_frequent_first() {
        let failed = |id, category: Option<ErrorCategory>| {
            let mut failed = record(id, "s", "2026-11-30T11:30:00Z", 10, Status::Failed, Some("1"));
            failed.error_category = category;
            failed
        };
        let interrupted = record(9, "s", "2026-11-30T11:30:00Z", 10, Status::Interrupted, Some("1"));
        let mut cancelled = failed(8, Some(ErrorCategory::Timeout));
        cancelled.set_status(Status::Cancelled);
        let all = [
            cancelled,
            failed(1, None),
            failed(2, Some(ErrorCategory::Timeout)),
            failed(3, Some(ErrorCategory::Network)),
            failed(4, Some(ErrorCategory::Timeout)),
            interrupted,
        ];
        let hour = hour(&all, None);
        assert_eq!((hour.executions, hour.failed, hour.cancelled, hour.outcome_unknown), (6, 4, 1, 1));
        let category = |name: &str| Some(name.to_owned());
        assert_eq!(hour.categories, [(category("Timeout"), 2), (None, 1), (category("Network"), 1)]);
    }

    #[test]
    fn the_rate_covers_only_the_time_whose_executions_are_known() {
        let records = [record(1, "s", "2026-11-30T11:50:00Z", 10, Status::Success, Some("2"))];
        assert_eq!(hour(&records, None).usd_per_hour, Some(usd("2")));
        assert_eq!(hour(&records, Some("2026-11-30T08:00:00Z")).usd_per_hour, Some(usd("2")));
        let short = hour(&records, Some("2026-11-30T11:45:00Z"));
        assert_eq!((short.since, short.usd_per_hour), (time("2026-11-30T11:45:00Z"), Some(usd("8"))));
        assert_eq!(short.rate(time(NOW)).unwrap().over(1_800_000), Some(usd("4")));
        assert_eq!(hour(&records, Some(NOW)).usd_per_hour, None, "no time has passed");
    }
}
