//! Adds up the lines of a quota's journal. This module does no I/O and reads no clock.
//!
//! All results depend only on the lines and their order, not on who reads them or when. Even which old windows are
//! forgotten depends only on the lines. So all processes agree on which reservations were granted, and on which line
//! was the first to reach a threshold. Therefore no lock other than the journal's is needed.
//!
//! Windows of most periods are counted only after a line or a query has named them. If earlier lines may belong to such
//! a window, the journal is read again, and the window is counted from the first line on. So the sums do not depend on
//! which windows a reader has counted so far.

mod account;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use account::Account;

use super::Limit;
use super::event::{Event, Line};
use super::scope::{Frame, Scope};
use super::sums::Counted;
use crate::metrics::Timestamp;

/// The accounts by unit and API. An account has the sums of one API in one unit.
#[derive(Debug, Default)]
pub(super) struct Fold {
    accounts: HashMap<String, HashMap<String, Account>>,
    /// The frames that lines or queries have named, but that the accounts have not counted from the first line on. A
    /// frame is one window, or all windows of a period such as `5h`.
    missed: Vec<Asked>,
}

/// A frame, and the unit and the API of the account that must count it from the first line on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    unit: String,
    api: String,
    frame: Frame,
}

impl Fold {
    /// Creates a fold that counts the frames in `asked` from the first line on.
    pub(super) fn counting(asked: &[Asked]) -> Self {
        let mut fold = Self::default();
        for Asked { unit, api, frame } in asked {
            fold.account_mut(unit, api).ask(*frame);
        }
        fold
    }

    /// Adds the next line, whose sequence number is `seq`.
    pub(super) fn apply(&mut self, seq: u64, line: &Line<'_>) {
        let frame = match &line.event {
            Event::Hold { period, .. } => Some(period.frame(line.at)),
            Event::Consume { watch, .. } => watch.as_ref().map(|watch| watch.period.frame(line.at)),
            Event::Settle { watch, held_at, .. } => watch.as_ref().map(|watch| watch.period.frame(*held_at)),
            Event::Release { .. } => None,
        };
        let account = self.account_mut(&line.unit, &line.api);
        let missed = frame.filter(|&frame| !account.counts(frame));
        account.apply(seq, line.at, &line.event, frame);
        if let Some(frame) = missed {
            self.miss(Asked { unit: line.unit.to_string(), api: line.api.to_string(), frame });
        }
    }

    /// Returns the sums of `limit` in its window at `at`. If [`missed`](Self::missed) lists this window afterwards, the
    /// sums can be wrong.
    pub(super) fn sums(&mut self, limit: &Limit, at: Timestamp) -> Counted {
        let frame = Scope::of(limit, at).frame(at);
        let unused = Account::default();
        let account = self.account(limit).unwrap_or(&unused);
        let counted = account.sums(frame, at);
        if !account.counts(frame) {
            self.miss(Asked { unit: limit.unit.step().to_owned(), api: limit.api.clone(), frame });
        }
        counted
    }

    /// Returns the frames that were named, but were not counted from the first line on. If there are any, sums and
    /// decisions may be wrong.
    pub(super) fn missed(&self) -> &[Asked] {
        &self.missed
    }

    /// Returns true if line `hold` requested a reservation against `limit` that was granted and is still open.
    pub(super) fn is_open(&self, limit: &Limit, hold: u64) -> bool {
        self.account(limit).is_some_and(|account| account.holds.contains_key(&hold))
    }

    /// Returns the thresholds, in percent, that line `seq` was the first to reach in the window of `at`.
    pub(super) fn reached_by(&self, limit: &Limit, seq: u64, at: Timestamp) -> Vec<u16> {
        let used = self.account(limit).and_then(|account| account.used(Scope::of(limit, at).frame(at), at));
        used.map_or_else(Vec::new, |used| used.reached_by(seq))
    }

    fn miss(&mut self, asked: Asked) {
        if !self.missed.contains(&asked) {
            self.missed.push(asked);
        }
    }

    fn account(&self, limit: &Limit) -> Option<&Account> {
        self.accounts.get(limit.unit.step())?.get(&limit.api)
    }

    fn account_mut(&mut self, unit: &str, api: &str) -> &mut Account {
        self.accounts.entry(unit.to_owned()).or_default().entry(api.to_owned()).or_default()
    }
}
