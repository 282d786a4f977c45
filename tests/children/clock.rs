//! A clock that stands still until it is moved, for the tests of quotas and budgets.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runledger::Timestamp;
use runledger::quota::QuotaOptions;

use super::place::PATIENCE;

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

#[derive(Clone)]
pub(crate) struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    pub(crate) fn at(text: &str) -> Self {
        Self(Arc::new(AtomicI64::new(text.parse::<Timestamp>().unwrap().unix_ms())))
    }

    pub(crate) fn at_noon() -> Self {
        Self::at("2026-02-14T12:00:00Z")
    }

    pub(crate) fn forward(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// The options of a quota that goes by this clock.
    pub(crate) fn options(&self) -> QuotaOptions {
        let clock = self.clone();
        let mut options = QuotaOptions::new(Arc::new(move || clock.unix_ms()));
        // Many processes on a slow disk: none of these tests is about the deadline.
        options.journal = options.journal.lock_deadline(PATIENCE);
        options
    }
}
