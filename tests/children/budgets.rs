//! Budgets in a directory of their own, with a clock that the test sets.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;

use runledger::Usd;
use runledger::quota::{Budget, Denied, Grant, Hold, Limits, Quota, QuotaStatus};

use super::clock::FakeClock;
use super::place::Place;

pub(crate) fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Returns a budget of `limit` dollars for each `period` for `anthropic`, with the further keys `more`.
pub(crate) fn budget_of(limit: &str, period: &str, more: &str) -> Limits {
    let table = format!(
        r#"[{{"api": "anthropic", "limit": {limit}, "unit": "usd", "period": "{period}", "source": "us", "as_of": "2026-02-14"{more}}}]"#
    );
    Limits::from_json(&table).unwrap()
}

pub(crate) struct Fixture {
    pub(crate) place: Place,
    pub(crate) clock: FakeClock,
    pub(crate) limits: Limits,
}

impl Fixture {
    /// Returns a budget of `limit` dollars a day.
    pub(crate) fn new(limit: &str) -> Self {
        Self::with(limit, "")
    }

    pub(crate) fn with(limit: &str, more: &str) -> Self {
        Self { place: Place::new(), clock: FakeClock::at_noon(), limits: budget_of(limit, "day", more) }
    }

    pub(crate) fn quota(&self) -> Quota {
        quota_in(self.place.directory(), &self.clock, self.limits.clone())
    }

    /// Opens another quota of the same journal, like another process.
    pub(crate) fn open(&self) -> Budget {
        self.quota().budget("anthropic").unwrap()
    }

    pub(crate) fn lines(&self) -> usize {
        std::fs::read_to_string(self.place.file("quota.jsonl")).unwrap().lines().count()
    }
}

pub(crate) fn quota_in(directory: &Path, clock: &FakeClock, limits: Limits) -> Quota {
    Quota::open(directory.join("quota.jsonl"), clock.options().limits(limits)).unwrap()
}

pub(crate) fn held(grant: Grant<Usd>) -> Hold<Usd> {
    match grant {
        Grant::Held(hold) => hold,
        Grant::Denied(denied) => panic!("{denied}"),
    }
}

pub(crate) fn denied(grant: Grant<Usd>) -> Denied<Usd> {
    match grant {
        Grant::Denied(denied) => denied,
        Grant::Held(hold) => panic!("{hold:?}"),
    }
}

/// Returns the consumed, held and remaining amounts.
pub(crate) fn sums(status: &QuotaStatus<Usd>) -> [String; 3] {
    [status.consumed, status.held, status.remaining].map(|amount| amount.to_string())
}
