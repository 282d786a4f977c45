//! Adds up the lines of a quota's journal in a [`Fold`]. This module does no I/O and reads no clock.
//!
//! All results depend only on the lines and their order. The reader and the time of reading do not matter. The lines
//! alone also decide which old windows are forgotten. So all processes agree on which reservations were granted, and on
//! which line was the first to reach a threshold. Therefore no lock other than the journal's is needed.
//!
//! Windows of most periods are counted only after a line or a query has named them. If earlier lines may count in a
//! newly named window, the journal is read again, and the window is counted from the first line on. So the sums are
//! the same no matter when a window was first named.

mod account;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use account::Account;
pub(super) use account::Held;
use serde::{Deserialize, Serialize};
pub(super) use sources::{Source, Sources};

use super::Limit;
use super::event::{Event, Line};
use super::scope::{Frame, Scope};
use super::sums::Counted;
use crate::metrics::Timestamp;

/// The sums of all lines. Each pair of a unit and an API has its own account.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fold {
    accounts: HashMap<String, HashMap<String, Account>>,
    /// The frames that a line or a query has named, and that an account has not counted from the first line on. A
    /// frame is one window, or all windows of a period such as `5h`.
    missed: Vec<Asked>,
}

/// A frame, and the unit and the API of the account that must count it from the first line on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            Event::Consume { watch, .. } | Event::Meter { watch, .. } => {
                watch.as_ref().map(|watch| watch.period.frame(line.at))
            }
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

    /// Returns the frames that were named, but were not counted from the first line on. While there are such frames,
    /// sums and decisions may be wrong.
    pub(super) fn missed(&self) -> &[Asked] {
        &self.missed
    }

    /// Returns true if line `hold` requested a reservation against `limit` that was granted and is still open. A
    /// reservation that expired recently counts as open.
    pub(super) fn is_open(&self, limit: &Limit, hold: u64) -> bool {
        self.account(limit).is_some_and(|account| account.holds.contains_key(&hold))
    }

    /// Returns the unit, the API and the reservation of line `hold`, if the reservation was granted and is still open.
    /// A reservation that expired recently counts as open.
    pub(super) fn held(&self, hold: u64) -> Option<(&str, &str, &Held)> {
        let accounts = self.accounts.iter().flat_map(|(unit, apis)| apis.iter().map(move |it| (unit, it)));
        let mut found =
            accounts.filter_map(|(unit, (api, account))| Some((&**unit, &**api, account.holds.get(&hold)?)));
        found.next()
    }

    /// Returns the unit, the API, the line and the reservation of each open reservation, sorted by line. Includes
    /// reservations that expired recently.
    pub(super) fn all_held(&self) -> Vec<(&str, &str, u64, &Held)> {
        let accounts = self.accounts.iter().flat_map(|(unit, apis)| apis.iter().map(move |it| (unit, it)));
        let held = accounts.flat_map(|(unit, (api, account))| {
            account.holds.iter().map(move |(line, held)| (&**unit, &**api, *line, held))
        });
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by_key(|(_, _, line, _)| *line);
        held
    }

    /// Returns the thresholds, in percent, that line `seq` was the first to reach in the window of `at`.
    pub(super) fn reached_by(&self, limit: &Limit, seq: u64, at: Timestamp) -> Vec<u16> {
        let used = self.account(limit).and_then(|account| account.used(Scope::of(limit, at).frame(at), at));
        used.map_or_else(Vec::new, |used| used.reached_by(seq))
    }

    /// Returns how far `source` was counted for `limit`. Returns `None` if the source is new or forgotten.
    pub(super) fn source(&self, limit: &Limit, source: &str) -> Option<&Source> {
        self.account(limit).and_then(|account| account.sources.get(source))
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
