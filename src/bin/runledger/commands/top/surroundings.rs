//! Reads the surroundings of a ledger, which are not lines of the ledger: the executions in flight, the quotas, and the
//! windows of subscriptions.

use std::sync::{Arc, Mutex, PoisonError};

use runledger::journal::JournalOptions;
use runledger::quota::{Limits, QuotaOptions};
use runledger::{Error, LedgerReader, Quota, Timestamp};

use super::quota_bar::UsageBar;
use super::state::{Begun, Surroundings};
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::redaction::redactor;
use crate::{clock, limits, observed, quotas, records};

/// Reads the surroundings of a ledger again and again.
pub(super) struct Sources {
    global: Global,
    reader: LedgerReader,
    /// The open quota, and the limits with which it was opened. `None` if the quota has no journal, or could not be
    /// opened.
    quota: Option<(Limits, Quota)>,
    /// The warnings of the quota's journal. They are collected here, because a warning on stderr would damage the
    /// screen.
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Sources {
    pub(super) fn new(reader: LedgerReader, global: &Global) -> Self {
        Self { global: global.clone(), reader, quota: None, warnings: Arc::default() }
    }

    /// Reads all surroundings. If a part cannot be read, adds a problem, so that the part does not look empty.
    pub(super) fn read(&mut self) -> Surroundings {
        let now = clock::now();
        let mut problems = Vec::new();
        let in_flight = self.in_flight(&mut problems);
        let spilled = self.spilled(&mut problems);
        if spilled > 0 {
            let which = if spilled == 1 { "record is" } else { "records are" };
            problems.push(format!("{spilled} spilled {which} not in the ledger yet, and not in the figures"));
        }
        let mut bars = self.quotas(now).unwrap_or_else(|failure| {
            problems.push(format!("the quotas are unknown: {}", failure::text(&failure)));
            Vec::new()
        });
        problems.append(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        match observed::journal(&self.global).latest() {
            Ok(known) => {
                problems.extend(known.skipped().errors().iter().map(|error| failure::text(error)));
                bars.extend(known.windows().map(|window| UsageBar::reported(window, now)));
            }
            Err(error) => problems.push(format!("the use of the subscription is unknown: {}", failure::text(&error))),
        }
        // The bar with the largest used share is first. Bars with an unknown share are last.
        bars.sort_by(|one, other| {
            let [one, other] = [one, other].map(|bar| bar.percent.unwrap_or(-1.0));
            other.total_cmp(&one)
        });
        Surroundings { in_flight, bars, problems }
    }

    fn in_flight(&self, problems: &mut Vec<String>) -> Option<Vec<Begun>> {
        match self.reader.in_flight() {
            Ok(found) => {
                problems.extend(found.unreadable.iter().map(|error| failure::text(error)));
                let begun = found.executions.into_iter();
                Some(begun.map(|found| Begun { record: found.record, owner_alive: found.owner_alive }).collect())
            }
            Err(error) => {
                problems.push(format!("the executions in flight are unknown: {}", failure::text(&error)));
                None
            }
        }
    }

    fn spilled(&self, problems: &mut Vec<String>) -> usize {
        let elsewhere = records::kept_elsewhere(&self.global);
        problems.extend(elsewhere.unreadable.iter().map(|error| failure::text(error)));
        match self.reader.spilled() {
            Ok(found) => found.records.len() + elsewhere.records.len(),
            Err(error) => {
                problems.push(format!("the spilled records are unknown: {}", failure::text(&error)));
                elsewhere.records.len()
            }
        }
    }

    fn quotas(&mut self, now: Timestamp) -> Result<Vec<UsageBar>, Failure> {
        let limits = limits::load(&self.global, None)?;
        if self.quota.as_ref().is_none_or(|(known, _)| *known != limits) {
            self.quota = self.open(&limits)?.map(|quota| (limits.clone(), quota));
        }
        let quota = self.quota.as_ref().map(|(_, quota)| quota);
        let status = |limit: &runledger::quota::Limit| quotas::status(quota, &limit.api, &limits, now);
        let bars = limits.iter().map(|limit| Ok(UsageBar::measured(&status(limit)?)));
        Ok(bars.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect())
    }

    /// Opens the quota. If the quota has no journal, creates none and returns `None`.
    fn open(&self, limits: &Limits) -> Result<Option<Quota>, Failure> {
        let path = limits::journal(&self.global);
        if !path.exists() {
            return Ok(None);
        }
        let (clock, warnings) = (Arc::new(clock::unix_ms), Arc::clone(&self.warnings));
        let keep = move |error: &Error| {
            warnings.lock().unwrap_or_else(PoisonError::into_inner).push(failure::text(error));
        };
        let journal = JournalOptions::new(clock.clone()).on_warning(keep);
        Ok(Some(Quota::open(
            path,
            QuotaOptions::new(clock).redactor(redactor().clone()).journal(journal).limits(limits.clone()),
        )?))
    }
}
