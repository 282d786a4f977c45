//! Stores a record of an execution that may already have a record in the ledger. In that case, the two records are
//! joined.

use std::sync::Arc;

use super::Answer;
use super::json::valid_json;
use super::shared::Shared;
use super::store::stored;
use crate::error::Result;
use crate::journal::write::{Key, KnownKeys, NotAppended};
use crate::metrics::ExecutionMetrics;

impl Shared {
    /// Like [`store_joined_or_spill`](Self::store_joined_or_spill), but if the record can neither be stored nor
    /// spilled, counts it as lost and returns the answer [`Lost`](Answer::Lost).
    pub(super) fn store_joined(&self, record: &ExecutionMetrics) -> Result<Answer> {
        let json = valid_json(record, &self.options.redactor)?;
        match self.store_joined_or_spill(record, &json)? {
            Ok(answer) => Ok(answer),
            Err(error) => Ok(self.lose(error)),
        }
    }

    /// Stores a valid record, whose JSON is `json`. If the ledger has a record of the execution, the unknown values of
    /// that record are taken from `record`. The outer error says why the joined record is not valid. The inner error
    /// says why the record could neither be stored nor spilled.
    pub(super) fn store_joined_or_spill(&self, record: &ExecutionMetrics, json: &str) -> Result<Result<Answer>> {
        let since = self.journal.seen_end();
        let known: Arc<dyn KnownKeys> = Arc::clone(&self.known) as _;
        // A recovery repairs the end of the file after a crash, and can remove bytes that look like lines. So recover
        // first, and then read the ids.
        if self.journal.recover().is_ok() {
            // A failure is ignored here, because the append then reads the ids itself and reports the error if that
            // fails too.
            let _ = self.known.prepare();
        }
        let mut joined = json.to_owned();
        let mut replaces = None;
        loop {
            let key = Key { id: record.execution_id.as_u128(), replaces };
            let appended = self.journal.append_new(&[(joined.as_bytes(), Some(key))], &known);
            let error = match appended.map(|mut results| results.pop()) {
                Ok(Some(Ok(appended))) => {
                    self.catch_up();
                    return Ok(Ok(stored(appended.durability, appended.seq)));
                }
                Ok(Some(Err(NotAppended::Known(place)))) => match self.known.record_at(place, record.execution_id) {
                    Ok(Some((seq, Some(known)))) => {
                        let completed = known.completed_by(record);
                        let id = record.execution_id;
                        if completed == known || self.known.was(place, id, json.as_bytes()).unwrap_or(false) {
                            return Ok(Ok(Answer::Duplicate { seq }));
                        }
                        joined = valid_json(&completed, &self.options.redactor)?;
                        replaces = Some(place);
                        continue;
                    }
                    // The line is not a record, so readers skip it. The new record may take its place.
                    Ok(Some((_, None))) => {
                        replaces = Some(place);
                        continue;
                    }
                    Ok(None) => continue,
                    Err(error) => error,
                },
                Ok(Some(Err(NotAppended::InBatch)) | None) => continue,
                Ok(Some(Err(NotAppended::Unknown(error)))) | Err(error) => error,
            };
            return Ok(self.spill(since, json.as_bytes(), error));
        }
    }
}
