//! Stores many records, normally with one write and one sync, and recognises the records that the ledger already has.

use std::sync::Arc;

use uuid::Uuid;

use super::Answer;
use super::compare::Comparison;
use super::shared::Shared;
use super::store::stored;
use crate::error::Result;
use crate::journal::write::{Key, KnownKeys, LinePlace, NotAppended};

/// The operation that errors name.
pub(super) const APPEND: &str = "append to the ledger";

/// A record to store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'j> {
    pub(super) json: &'j [u8],
    /// The record's id if the ledger may already have a record of the execution, for example because a program sends
    /// the record again. With an id, the record is first compared with the ledger's record. `None` if the record is
    /// certainly new.
    pub(super) id: Option<Uuid>,
}

/// A valid record that the ledger may already have.
#[derive(Debug)]
pub(super) struct Valid {
    pub(super) id: Uuid,
    pub(super) json: String,
}

impl Valid {
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { json: self.json.as_bytes(), id: Some(self.id) }
    }
}

impl Shared {
    /// Stores the records and returns the result for each record. One write and one sync are enough, unless the ledger
    /// already has some of the records.
    pub(super) fn store_all(&self, entries: &[Entry<'_>]) -> Vec<Result<Answer>> {
        if entries.is_empty() {
            return Vec::new();
        }
        let since = self.journal.seen_end();
        let known = Arc::clone(&self.known);
        // A recovery repairs the end of the file after a crash, and can remove bytes that look like lines. So recover
        // first, and then read the ids.
        if entries.iter().any(|entry| entry.id.is_some()) && self.journal.recover().is_ok() {
            // A failure is ignored here, because the append then reads the ids itself and reports the error if that
            // fails too.
            let _ = known.prepare();
        }
        let known: Arc<dyn KnownKeys> = known;
        let spill = |json: &[u8], error| self.spill(since, json, error).unwrap_or_else(|error| self.lose(error));
        // The operating system may limit the file size of this process. A record above this limit is spilled at once,
        // so that the other records can be appended.
        let fits = |json: &[u8]| self.journal.check_payload(json);
        let mut todo = Vec::with_capacity(entries.len());
        let mut answers = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            answers.push(match fits(entry.json) {
                Ok(()) => {
                    todo.push(Todo { index, entry, replaces: None });
                    None
                }
                Err(error) => Some(Ok(spill(entry.json, error))),
            });
        }
        let mut has_appended = false;
        while !todo.is_empty() {
            let payloads: Vec<_> = todo.iter().map(Todo::payload).collect();
            let results = self.journal.append_new(&payloads, &known);
            has_appended |= results.is_ok();
            let mut again = Vec::new();
            for (at, todo) in todo.into_iter().enumerate() {
                let Todo { index, entry: &Entry { json, .. }, .. } = todo;
                let result = match &results {
                    Ok(results) => results.get(at).cloned().unwrap_or(Err(NotAppended::InBatch)),
                    Err(error) => Err(NotAppended::Unknown(error.clone())),
                };
                answers[index] = match result {
                    Ok(appended) => Some(Ok(stored(appended.durability, appended.seq))),
                    Err(why) => match self.known.judge(why, json) {
                        Ok(Comparison::Same { seq }) => Some(Ok(Answer::Duplicate { seq })),
                        Ok(Comparison::Again { replaces }) => {
                            again.push(Todo { replaces, ..todo });
                            None
                        }
                        Ok(Comparison::Conflict(difference)) => {
                            Some(Err(difference.error(APPEND, self.journal.layout(), "Nothing was written")))
                        }
                        Err(error) => Some(Ok(spill(json, error))),
                    },
                };
            }
            todo = again;
        }
        if has_appended {
            self.catch_up();
        }
        answers.into_iter().flatten().collect()
    }
}

/// A record that is not stored yet.
struct Todo<'j> {
    /// The index of the record among all records of the call.
    index: usize,
    entry: &'j Entry<'j>,
    /// The line that the record replaces.
    replaces: Option<LinePlace>,
}

impl Todo<'_> {
    fn payload(&self) -> (&[u8], Option<Key>) {
        let key = |id: Uuid| Key { id: id.as_u128(), replaces: self.replaces };
        (self.entry.json, self.entry.id.map(key))
    }
}
