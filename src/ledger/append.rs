//! Appends finished records.

use super::json::{redacted, valid_json};
use super::shared::Shared;
use super::store_all::{APPEND, Valid};
use super::{Answer, Ledger};
use crate::committer::abandoned;
use crate::error::Result;
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Appends a finished record, for example a record that another program made. Except for the secrets, which the
    /// [redactor](crate::Options::redactor) replaces, the record is stored as it is. To set the fields that follow from
    /// other fields, call [`derive_missing`](ExecutionMetrics::derive_missing) first.
    ///
    /// A record that is appended twice is stored once. This is also true if another process appended the record first,
    /// or if this program appended it before a restart. If the ledger already has a record with the same
    /// `execution_id`, the first of these rules that applies decides:
    ///
    /// - A record with the same content is a [`Duplicate`](Answer::Duplicate). A cost that was computed from a price
    ///   table is not compared, because the table may have changed.
    /// - If [`redact`](Self::redact) took texts out of a line, the original record of the line is a duplicate. So a
    ///   copy of this record does not bring the texts back.
    /// - A record that completes the record in the ledger replaces it. Such a record has every known value of the
    ///   record in the ledger, and adds values that were unknown.
    /// - A record with a later status replaces the record in the ledger. The order of the statuses is: interrupted
    ///   (which the ledger records if a process dies), paused, any other status. Both lines stay in the ledger, and
    ///   readers use the later one. A record with an earlier status, or with the status interrupted, is a duplicate.
    /// - If the line with the same id is not a valid record, the new record is appended, because readers skip the
    ///   invalid line.
    /// - Any other record is refused.
    ///
    /// The ids of older records are looked up in the [indexes](crate::docs::index) of the segments. The first call
    /// builds missing indexes. The ids of the newest records are in memory. Normally these are 200,000 ids, which take
    /// about 9 MB. If there are more, another thread adds them to the index. If a segment cannot have an index, for
    /// example because it has a damaged line, its ids are in memory too. Segments that are in an archive, or that this
    /// process has no permission to read, are not searched.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every reason, if
    ///   [`validate`](ExecutionMetrics::validate) refuses the record, or if the record's JSON is longer than
    ///   [`PAYLOAD_BYTES_MAX`](crate::journal::PAYLOAD_BYTES_MAX) minus 4 KiB.
    /// - [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the ledger has a record with the same id and other
    ///   content. The details list what differs.
    ///
    /// If this function returns an error, nothing was written. A failure of the disk is not returned as an error.
    /// Instead, the [`Answer`] and a warning report the failure.
    pub fn append(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let mut answers = self.append_all(std::slice::from_ref(record));
        answers.pop().unwrap_or_else(|| Err(abandoned(APPEND)))
    }

    /// Like [`append`](Self::append), but if the ledger already has a record of the execution, the two records are
    /// joined. So two programs can each record what they know about an execution. In the joined record, the unknown
    /// values of the ledger's record are taken from `record`. The other values stay, except as described below. If this
    /// changes anything, the joined record replaces the ledger's record.
    ///
    /// The outcome as a whole comes from one of the two records. The usage and its cost, as a whole, also come from one
    /// record. If the ledger's record says that the execution was interrupted or is paused, and `record` says how it
    /// ended, the outcome is that of `record`. The start is that of `record` if only `record` has model calls, and if
    /// it began on another day.
    ///
    /// ```
    /// use runledger::{Answer, ExecutionMetrics, Ledger, Timestamp, Uuid};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "summarise", "1.2.0", Timestamp::UNIX_EPOCH);
    /// record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    /// let (mut scored, mut decided) = (record.clone(), record);
    /// scored.quality_score = Some(0.9);
    /// decided.decision_made = Some("APPROVE".to_owned());
    /// ledger.append_or_complete(&scored)?;
    /// assert!(matches!(ledger.append_or_complete(&decided)?, Answer::Durable { seq: 2 }));
    /// assert!(matches!(ledger.append_or_complete(&scored)?, Answer::Duplicate { seq: 2 }));
    ///
    /// let records: Vec<_> = ledger.reader().records().collect::<Result<_, _>>()?;
    /// assert_eq!((records.len(), records[0].quality_score), (1, Some(0.9)));
    /// assert_eq!(records[0].decision_made.as_deref(), Some("APPROVE"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every reason, if `record` or the joined record is not
    /// valid. Nothing is written in that case.
    pub fn append_or_complete(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let redactor = &self.shared.options.redactor;
        valid_json(record, redactor)?;
        let given = redacted(record, redactor).into_owned();
        let store = move |shared: &Shared| shared.store_joined(&given);
        let answer = self.in_time(store, |shared, answer| {
            answer.iter().for_each(|answer| shared.warn_of(answer));
        });
        let answer = answer.unwrap_or_else(|missed| Ok(self.too_late(missed)));
        self.shared.warn_unless_handled(answer.iter().filter_map(Answer::warning));
        answer
    }

    /// Like [`append`](Self::append), but appends many records in order, normally with one write and one sync for all
    /// of them. Returns a result for each record, in the same order. If a record is refused, the others are still
    /// appended.
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
            .map(|record| {
                valid_json(record, &self.shared.options.redactor)
                    .map(|json| valid.push(Valid { id: record.execution_id, json }))
            })
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
