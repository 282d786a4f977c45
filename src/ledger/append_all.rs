//! Appending many records at once.

use std::sync::Arc;

use super::{Answer, Ledger, stored, valid_json};
use crate::error::Result;
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Appends finished records that were made elsewhere, in their order, with one write and one sync for all: a program
    /// that has many at hand waits for the disk once. Gives the answer to each, in the same order.
    ///
    /// # Errors
    /// Each record's own, as [`append`](Self::append) gives it. One that is refused keeps no other out.
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
    /// (records[0].timestamp_end, records[2].timestamp_end) = (Some(Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH));
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
        answers.unwrap_or_else(|missed| {
            let answer = |json: &Result<_>| json.as_ref().map(|_| self.too_late(missed)).map_err(Clone::clone);
            jsons.iter().map(answer).collect()
        })
    }

    /// Stores those that are valid.
    fn store_all(&self, jsons: &[Result<String>]) -> Vec<Result<Answer>> {
        let since = self.shared.journal.seen_end();
        let valid: Vec<_> = jsons.iter().flatten().map(String::as_bytes).collect();
        if valid.is_empty() {
            return jsons.iter().flat_map(|json| json.as_ref().err()).cloned().map(Err).collect();
        }
        let appended = self.shared.journal.append_all(&valid);
        if appended.is_ok() {
            self.shared.catch_up();
        }
        let mut place = 0;
        let answer = |json: &Result<String>| match (json, &appended) {
            (Err(refused), _) => Err(refused.clone()),
            (Ok(json), Err(error)) => {
                let spilled = self.spill(since, json.as_bytes(), error.clone());
                Ok(spilled.unwrap_or_else(|error| self.lose(error)))
            }
            (Ok(_), Ok(first)) => {
                place += 1;
                Ok(stored(first.durability, first.seq + place - 1))
            }
        };
        jsons.iter().map(answer).collect()
    }
}
