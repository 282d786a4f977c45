//! Appends finished records.

use std::sync::Arc;

use super::json::valid_json;
use super::store::stored;
use super::{Answer, Ledger};
use crate::error::Result;
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Appends a finished record, for example one that another program made. The record is stored as it is. To set what
    /// follows from other fields, call [`derive_missing`](ExecutionMetrics::derive_missing) before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every reason, if
    /// [`validate`](ExecutionMetrics::validate) refuses the record, or if the record's JSON is longer than
    /// [`PAYLOAD_BYTES_MAX`](crate::journal::PAYLOAD_BYTES_MAX) minus 4 KiB. In both cases, nothing is written. A
    /// failure of the disk is not an error; the [`Answer`] and a warning report it.
    pub fn append(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let answer = self.store_in_time(valid_json(record)?, None);
        self.warn_unless_handled(answer.warning());
        Ok(answer)
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
        let jsons: Arc<[_]> = records.iter().map(valid_json).collect();
        let stored = Arc::clone(&jsons);
        let answers = self.in_time(
            move |ledger| ledger.store_all(&stored),
            |ledger, answers| answers.iter().flatten().for_each(|answer| ledger.warn_of_late(answer)),
        );
        let answers = answers.unwrap_or_else(|missed| {
            let answer = |json: &Result<_>| json.as_ref().map(|_| self.too_late(missed)).map_err(Clone::clone);
            jsons.iter().map(answer).collect()
        });
        self.warn_unless_handled(answers.iter().flatten().filter_map(Answer::warning));
        answers
    }

    /// Stores the valid records, and returns the result for each record, valid or not.
    fn store_all(&self, jsons: &[Result<String>]) -> Vec<Result<Answer>> {
        let journal = &self.shared.journal;
        let since = journal.seen_end();
        let valid: Vec<_> = jsons.iter().flatten().map(String::as_bytes).collect();
        if valid.is_empty() {
            return jsons.iter().flat_map(|json| json.as_ref().err()).cloned().map(Err).collect();
        }
        // The operating system may limit the file size of this process. A record above this limit is not appended, so
        // that the other records can be appended.
        let fits: Vec<_> = valid.into_iter().filter(|json| journal.check_payload(json).is_ok()).collect();
        let appended = journal.append_all(&fits);
        if appended.is_ok() {
            self.shared.catch_up();
        }
        let mut place = 0;
        let answer = |json: &Result<String>| {
            let json = json.as_ref().map_err(Clone::clone)?.as_bytes();
            Ok(match journal.check_payload(json).and_then(|()| appended.clone()) {
                Ok(first) => {
                    place += 1;
                    stored(first.durability, first.seq + place - 1)
                }
                Err(error) => self.spill(since, json, error).unwrap_or_else(|error| self.lose(error)),
            })
        };
        jsons.iter().map(answer).collect()
    }
}
