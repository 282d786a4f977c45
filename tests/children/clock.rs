//! A clock that the test sets, for the tests of quotas and budgets.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runledger::Timestamp;
use runledger::journal::{Clock, JournalOptions};
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

    /// Returns the options of a quota with this clock.
    pub(crate) fn options(&self) -> QuotaOptions {
        QuotaOptions::new(self.clone().into_clock()).journal(self.journal_options())
    }

    /// Returns the options of a journal with this clock. Its deadline is long, since many processes share a slow disk.
    pub(crate) fn journal_options(&self) -> JournalOptions {
        JournalOptions::new(self.clone().into_clock()).lock_deadline(PATIENCE)
    }

    fn into_clock(self) -> Clock {
        Arc::new(move || self.unix_ms())
    }
}
