//! Finds out in a dry run whether a line repeats a record of the ledger or an earlier line.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

use runledger::{Error, ExecutionMetrics, LedgerReader, Uuid};

use crate::failure::Failure;

/// The largest number of ids that are kept in memory. So many ids take about 50 MB. All other ids are looked up in the
/// ledger.
const KEPT_MAX: usize = 1_000_000;

/// The ids of known records, each with a hash of the record's content.
pub(super) struct Known {
    kept_max: usize,
    kept: HashMap<Uuid, u64>,
    /// The records of the current batch that did not fit into `kept`.
    pending: HashMap<Uuid, u64>,
    /// Reads the ledger. `None` if the ledger does not exist.
    reader: Option<LedgerReader>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// There is no other record with this id.
    New,
    /// There is a record with this id and this content.
    Duplicate,
    /// There is a record with this id and other content.
    Conflict,
}

impl Known {
    /// Reads the records of the ledger. The ledger need not exist.
    pub(super) fn of(ledger: &Path) -> Result<Self, Failure> {
        Self::with_kept_max(ledger, KEPT_MAX)
    }

    fn with_kept_max(ledger: &Path, kept_max: usize) -> Result<Self, Failure> {
        let is_absent = |error: &Error| error.io_kind() == Some(std::io::ErrorKind::NotFound);
        let reader = match LedgerReader::open(ledger) {
            Err(error) if is_absent(&error) => None,
            reader => Some(reader?),
        };
        let take = |ids: &mut Vec<_>, record: &ExecutionMetrics| {
            if ids.len() < kept_max {
                ids.push((record.execution_id, content(record)));
            }
        };
        let merge = |ids: &mut Vec<_>, later: Vec<_>| ids.extend(later.into_iter().take(kept_max - ids.len()));
        let found = match &reader {
            Some(reader) => reader.scan().fold_records(Vec::new, take, merge)?.value,
            None => Vec::new(),
        };
        // If several records have the same id, the last of these records counts.
        Ok(Self { kept_max, kept: found.into_iter().collect(), pending: HashMap::new(), reader })
    }

    /// Adds a record, and returns whether it is new. A record is not added if another record has its id.
    pub(super) fn add(&mut self, record: &ExecutionMetrics) -> Result<Novelty, Failure> {
        let (id, content) = (record.execution_id, content(record));
        let is_full = self.kept.len() >= self.kept_max;
        let mut known = self.kept.get(&id).or_else(|| self.pending.get(&id)).copied();
        if known != Some(content)
            && is_full
            && let Some(reader) = &self.reader
        {
            known = reader.find(id)?.as_ref().map(self::content).or(known);
        }
        Ok(match known {
            Some(known) if known == content => Novelty::Duplicate,
            Some(_) => Novelty::Conflict,
            None => {
                let ids = if is_full { &mut self.pending } else { &mut self.kept };
                ids.insert(id, content);
                Novelty::New
            }
        })
    }

    /// Clears `pending` at the end of a batch, to limit the memory. A dry run appends nothing, so it may later count
    /// duplicates of these records as new.
    pub(super) fn end_batch(&mut self) {
        self.pending.clear();
    }
}

/// Returns a hash of the record as JSON.
fn content(record: &ExecutionMetrics) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A record that cannot be written as JSON is refused when it is appended.
    hasher.write(record.to_json().unwrap_or_default().as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use runledger::{Ledger, Timestamp};

    use super::*;

    fn record(id: u128, skill: &str) -> ExecutionMetrics {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, "1", Timestamp::UNIX_EPOCH);
        record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
        record
    }

    /// The results must be the same whether all ids, some ids or no ids are kept in memory.
    #[test]
    fn ids_that_are_not_kept_are_found_in_the_ledger() {
        for kept_max in [0, 1, 3, 100] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.jsonl");
            assert!(Known::of(&path).unwrap().reader.is_none());
            let ledger = Ledger::open(&path).unwrap();
            let mut known = Known::with_kept_max(&path, kept_max).unwrap();
            for id in 1..5 {
                assert_eq!(known.add(&record(id, "a")).unwrap(), Novelty::New);
                assert_eq!(known.add(&record(id, "a")).unwrap(), Novelty::Duplicate);
                assert_eq!(known.add(&record(id, "b")).unwrap(), Novelty::Conflict);
                ledger.append(&record(id, "a")).unwrap();
                known.end_batch();
                assert!(known.kept.len() <= kept_max && known.pending.is_empty());
            }
            let mut again = Known::with_kept_max(&path, kept_max).unwrap();
            for id in 1..5 {
                assert_eq!(again.add(&record(id, "a")).unwrap(), Novelty::Duplicate);
                assert_eq!(known.add(&record(id, "b")).unwrap(), Novelty::Conflict);
            }
        }
    }
}
