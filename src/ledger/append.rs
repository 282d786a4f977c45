//! Appends finished records.

use super::json::valid_json;
use super::shared::Shared;
use super::store_all::{APPEND, Valid};
use super::{Answer, Ledger};
use crate::committer::abandoned;
use crate::error::Result;
use crate::metrics::ExecutionMetrics;

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
    /// - a record is appended if the line with its id is not a record, because no reader counts such a line.
    /// - a record with other content is refused.
    ///
    /// The ids of older records are looked up in the [indexes](crate::docs::index) of the segments. The first call
    /// builds a missing index. At most 200,000 ids are in memory, which take about 9 MB, unless a segment has no index,
    /// for example because a line of it is damaged. A segment in an archive, and one that this process may not read, is
    /// not searched.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every reason, if [`validate`](ExecutionMetrics::validate) refuses the record, or if
    ///   the record's JSON is longer than [`PAYLOAD_BYTES_MAX`](crate::journal::PAYLOAD_BYTES_MAX) minus 4 KiB.
    /// - [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the ledger has a record with the same id and other content. The details list what
    ///   differs.
    ///
    /// In these cases, nothing is written. A failure of the disk is not an error; the [`Answer`] and a warning report it.
    pub fn append(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let mut answers = self.append_all(std::slice::from_ref(record));
        answers.pop().unwrap_or_else(|| Err(abandoned(APPEND)))
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
        let mut valid = Vec::with_capacity(records.len());
        let validated: Vec<_> = records
            .iter()
            .map(|record| valid_json(record).map(|json| valid.push(Valid { id: record.execution_id, json })))
            .collect();
        let count = valid.len();
        let store = move |shared: &Shared| shared.store_all(&valid.iter().map(Valid::entry).collect::<Vec<_>>());
        let answers = self.in_time(store, |shared, answers| {
            answers.iter().flatten().for_each(|answer| shared.warn_of(answer));
        });
        let answers = answers.unwrap_or_else(|missed| (0..count).map(|_| Ok(self.too_late(missed))).collect());
        self.shared.warn_unless_handled(answers.iter().flatten().filter_map(Answer::warning));
        let mut answers = answers.into_iter();
        let answer = |valid: Result<()>| valid.and_then(|()| answers.next().unwrap_or_else(|| Err(abandoned(APPEND))));
        validated.into_iter().map(answer).collect()
    }
}
