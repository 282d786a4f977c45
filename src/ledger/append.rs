//! Appends finished records.

use std::sync::Arc;

use super::json::valid_json;
use super::known::Comparison;
use super::store::stored;
use super::{Answer, Ledger};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::write::{Key, KnownKeys, NotAppended};
use crate::metrics::ExecutionMetrics;

/// A valid record.
struct Valid {
    id: u128,
    json: String,
}

impl Ledger {
    /// Appends a finished record, for example one that another program made. The record is stored as it is. To set what
    /// follows from other fields, call [`derive_missing`](ExecutionMetrics::derive_missing) before.
    ///
    /// A record that is appended twice is stored once, even if another process appended it, or this process before a
    /// restart: if the ledger has a record with the same `execution_id`,
    ///
    /// - a record with the same content is a [`Duplicate`](Answer::Duplicate). A cost that was computed from a price
    ///   table is not compared, because the table may have changed.
    /// - a record replaces one with the status interrupted, which the ledger records if a process dies, or paused. Both
    ///   lines stay in the ledger, and readers count the later one. The other way round, the record is a duplicate, since
    ///   the ledger already knows how the execution ended.
    /// - a record with other content is refused.
    ///
    /// The ids of older records are looked up in the [indexes](crate::docs::index) of the segments. The first call
    /// builds a missing index. At most 200,000 ids are in memory, which take about 9 MB, unless a segment has no index,
    /// for example because a line of it is damaged. A segment in an archive, and one that this process may not read, is
    /// not searched.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`], with every reason, if [`validate`](ExecutionMetrics::validate) refuses the record, or if
    ///   the record's JSON is longer than [`PAYLOAD_BYTES_MAX`](crate::journal::PAYLOAD_BYTES_MAX) minus 4 KiB.
    /// - [`ErrorKind::Conflict`] if the ledger has a record with the same id and other content. The details list what
    ///   differs.
    ///
    /// In these cases, nothing is written. A failure of the disk is not an error; the [`Answer`] and a warning report it.
    pub fn append(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let mut answers = self.append_all(std::slice::from_ref(record));
        answers.pop().unwrap_or_else(|| Err(Error::new(ErrorKind::Abandoned, "append to the ledger")))
    }

    /// Like [`append`](Self::append), but appends many records in order, with one write and one sync for all of them.
    /// Returns the result for each record, in the same order. A record that is refused does not affect the others.
    ///
    /// ```
    /// use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Timestamp, Uuid};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let mut records = [1, 2, 3].map(|id| {
    ///     ExecutionMetrics::new(Uuid::from_u128(id), "summarise", "1.2.0", Timestamp::UNIX_EPOCH)
    /// });
    /// records[0].timestamp_end = Some(Timestamp::UNIX_EPOCH);
    /// records[2].timestamp_end = Some(Timestamp::UNIX_EPOCH);
    ///
    /// let answers = ledger.append_all(&records);
    /// assert!(matches!(answers[0], Ok(Answer::Durable { seq: 1 })));
    /// assert!(answers[1].as_ref().is_err_and(|error| error.kind() == ErrorKind::Invalid)); // it has no end
    /// assert!(matches!(answers[2], Ok(Answer::Durable { seq: 2 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_all(&self, records: &[ExecutionMetrics]) -> Vec<Result<Answer>> {
        let valid = |record: &ExecutionMetrics| {
            valid_json(record).map(|json| Valid { id: record.execution_id.as_u128(), json })
        };
        let jsons: Arc<[_]> = records.iter().map(valid).collect();
        let stored = Arc::clone(&jsons);
        let answers = self.in_time(
            move |ledger| ledger.store_all(&stored),
            |ledger, answers| answers.iter().flatten().for_each(|answer| ledger.warn_of_late(answer)),
        );
        let answers = answers.unwrap_or_else(|missed| {
            let answer = |json: &Result<Valid>| json.as_ref().map(|_| self.too_late(missed)).map_err(Clone::clone);
            jsons.iter().map(answer).collect()
        });
        self.warn_unless_handled(answers.iter().flatten().filter_map(Answer::warning));
        answers
    }

    /// Stores the valid records, and returns the result for each record, valid or not.
    fn store_all(&self, jsons: &[Result<Valid>]) -> Vec<Result<Answer>> {
        let since = self.shared.journal.seen_end();
        let known = Arc::clone(&self.shared.known);
        // A recovery can remove bytes that look like lines, so it comes before the ids are read.
        if self.shared.journal.recover().is_ok() {
            // If this fails, the append reads the ids itself, and reports the error if that fails too.
            let _ = known.prepare();
        }
        let known: Arc<dyn KnownKeys> = known;
        let spill = |json: &[u8], error| self.spill(since, json, error).unwrap_or_else(|error| self.lose(error));
        // The operating system may limit the file size of this process. A record above this limit is not appended, so
        // that the other records can be appended.
        let fits = |json: &[u8]| self.shared.journal.check_payload(json);
        let mut todo = Vec::with_capacity(jsons.len());
        let mut answers = Vec::with_capacity(jsons.len());
        for (index, json) in jsons.iter().enumerate() {
            let answer = match json {
                Ok(Valid { id, json }) => match fits(json.as_bytes()) {
                    Ok(()) => {
                        todo.push(Todo { index, json: json.as_bytes(), key: Key { id: *id, replaces: None } });
                        None
                    }
                    Err(error) => Some(Ok(spill(json.as_bytes(), error))),
                },
                Err(error) => Some(Err(error.clone())),
            };
            answers.push(answer);
        }
        let mut has_appended = false;
        while !todo.is_empty() {
            let payloads: Vec<_> = todo.iter().map(|todo| (todo.json, todo.key)).collect();
            let results = self.shared.journal.append_new(&payloads, &known);
            has_appended |= results.is_ok();
            let mut again = Vec::new();
            for (at, todo) in todo.into_iter().enumerate() {
                let Todo { index, json, key } = todo;
                let result = match &results {
                    Ok(results) => results.get(at).cloned().unwrap_or(Err(NotAppended::InBatch)),
                    Err(error) => Err(NotAppended::Unknown(error.clone())),
                };
                answers[index] = match result {
                    Ok(appended) => Some(Ok(stored(appended.durability, appended.seq))),
                    Err(why) => match self.shared.known.judge(why, json) {
                        Ok(Comparison::Same { seq }) => Some(Ok(Answer::Duplicate { seq })),
                        Ok(Comparison::Again { replaces }) => {
                            again.push(Todo { index, json, key: Key { replaces, ..key } });
                            None
                        }
                        Ok(Comparison::Conflict(difference)) => {
                            let layout = self.shared.journal.layout();
                            Some(Err(difference.error("append to the ledger", layout, "Nothing was written")))
                        }
                        Err(error) => Some(Ok(spill(json, error))),
                    },
                };
            }
            todo = again;
        }
        if has_appended {
            self.shared.catch_up();
        }
        answers.into_iter().flatten().collect()
    }
}

/// A record that is not stored yet.
struct Todo<'j> {
    /// The index of the record among all records of the call.
    index: usize,
    json: &'j [u8],
    key: Key,
}
