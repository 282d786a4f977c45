//! The records that a search looks for.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::search::Search;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::index::{self, Section};
use crate::ledger::reader::scan::Seen;
use crate::metrics::{ExecutionMetrics, RunIds};

/// The records that a search looks for.
#[derive(Debug, Clone)]
pub(super) enum Wanted<'w> {
    /// The records with ids from `first` to `last`, for at most `limit` executions.
    Ids { first: u128, last: u128, limit: usize },
    /// The records of the executions `ids`.
    Executions { ids: &'w BTreeSet<Uuid> },
    /// The records whose run or parent run is `id`.
    Run { id: &'w str, search: Search },
    /// The records that name no run, and whose parent is one of the executions `parents`.
    Strays { parents: &'w BTreeSet<Uuid>, search: Search },
}

impl<'w> Wanted<'w> {
    pub(super) fn id(id: Uuid) -> Self {
        Self::Ids { first: id.as_u128(), last: id.as_u128(), limit: 1 }
    }

    pub(super) fn executions(ids: &'w BTreeSet<Uuid>) -> Self {
        Self::Executions { ids }
    }

    /// Looks for the executions whose ids begin with `digits`.
    pub(super) fn prefix(digits: &str, limit: usize) -> Result<Self> {
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let shift = 128 - 4 * digits.len().min(32) as u32;
        match u128::from_str_radix(digits, 16) {
            Ok(value) if is_hex && digits.len() <= 32 => {
                let first = value << shift;
                Ok(Self::Ids { first, last: first | (1_u128 << shift).wrapping_sub(1), limit })
            }
            _ => Err(Error::new(ErrorKind::Invalid, "find an execution")
                .detail(format!("found {digits:?}; expected 1 to 32 hex digits"))),
        }
    }

    pub(super) fn run(id: &'w str) -> Self {
        Self::Run { id, search: Search::of(id) }
    }

    pub(super) fn strays(parents: &'w BTreeSet<Uuid>) -> Self {
        Self::Strays { parents, search: Search::of("parent_execution_id") }
    }

    /// Returns the maximum number of executions whose records are wanted, or `None` if there is no maximum.
    pub(super) fn limit(&self) -> Option<usize> {
        match self {
            Self::Ids { limit, .. } => Some(*limit),
            Self::Executions { .. } | Self::Run { .. } | Self::Strays { .. } => None,
        }
    }

    /// Returns the section of an index that has the records, and the ranges of their keys.
    pub(super) fn keys(&self) -> (Section, Vec<RangeInclusive<u64>>) {
        let key = |id: u128| index::of_execution(Uuid::from_u128(id));
        let of_each = |ids: &BTreeSet<Uuid>| {
            // Keys sort like ids, so equal keys follow each other.
            let mut keys: Vec<_> = ids.iter().map(|id| index::of_execution(*id)).collect();
            keys.dedup();
            keys.into_iter().map(|key| key..=key).collect()
        };
        match self {
            Self::Ids { first, last, .. } => (Section::Executions, vec![key(*first)..=key(*last)]),
            Self::Executions { ids } => (Section::Executions, of_each(ids)),
            Self::Run { id, .. } => (Section::Runs, vec![index::of_run(id)..=index::of_run(id)]),
            Self::Strays { parents, .. } => (Section::Strays, of_each(parents)),
        }
    }

    /// Returns true if the caller uses only the last record of each execution. In that case, earlier records do no
    /// harm, so it is not necessary to find out which records are superseded.
    pub(super) fn counts_last(&self) -> bool {
        matches!(self, Self::Ids { .. } | Self::Executions { .. })
    }

    pub(super) fn has(&self, record: &ExecutionMetrics) -> bool {
        match self {
            Self::Ids { first, last, .. } => (first..=last).contains(&&record.execution_id.as_u128()),
            Self::Executions { ids } => ids.contains(&record.execution_id),
            Self::Run { id, .. } => {
                let RunIds { run_id, parent_run_id, .. } = &record.run;
                [run_id, parent_run_id].into_iter().flatten().any(|run| run == id)
            }
            Self::Strays { parents, .. } => {
                record.run.run_id.is_none() && record.run.parent_execution_id.is_some_and(|id| parents.contains(&id))
            }
        }
    }

    /// Returns false if the record is certainly not wanted. Decides without parsing the whole record.
    pub(super) fn may_have(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::Ids { first, last, .. } => (first..=last).contains(&&seen.fields.execution_id.as_u128()),
            Self::Executions { ids } => ids.contains(&seen.fields.execution_id),
            Self::Run { search, .. } | Self::Strays { search, .. } => search.may_be_in(seen.text()),
        }
    }

    /// Returns true if `found` has records of more than [`limit`](Self::limit) executions, so that later records do not
    /// have to be read.
    pub(super) fn is_enough(&self, found: &[ExecutionMetrics]) -> bool {
        let Some(limit) = self.limit() else { return false };
        let is_first = |(at, record): (usize, &ExecutionMetrics)| {
            found[..at].iter().all(|other| other.execution_id != record.execution_id)
        };
        found.len() > limit && found.iter().enumerate().filter(|&pair| is_first(pair)).count() > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_range_of_the_ids_that_begin_with_it() {
        let range = |digits: &str| match Wanted::prefix(digits, 1) {
            Ok(Wanted::Ids { first, last, .. }) => Some((first, last)),
            _ => None,
        };
        assert_eq!(range("f"), Some((0xf << 124, u128::MAX)));
        assert_eq!(range("0"), Some((0, (1 << 124) - 1)));
        assert_eq!(range("019C5d2a"), Some((0x019c_5d2a << 96, (0x019c_5d2b << 96) - 1)));
        let whole = "019c5d2a5a4070008000000000000001";
        let id = u128::from_str_radix(whole, 16).unwrap();
        assert_eq!(range(whole), Some((id, id)));
        for bad in ["", "+1", "g", "019c-5d2a", &"0".repeat(33)] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
