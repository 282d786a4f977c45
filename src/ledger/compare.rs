//! Compares a record that was not appended with the line that has its id.

use std::cmp::Ordering;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::known::KnownIds;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;
use crate::journal::write::{LinePlace, NotAppended};
use crate::metrics::{CostProvenance, CostSource, ExecutionMetrics, Status, cut};

/// What to do with a record that was not appended.
pub(super) enum Comparison {
    /// The ledger has this content in the line `seq`, or knows more about the end of the execution than `json` does.
    Same { seq: u64 },
    /// The record must be appended again. It replaces this line, if there is one, because it knows more about the end of
    /// the execution.
    Again { replaces: Option<LinePlace> },
    /// The records differ.
    Conflict(Difference),
}

/// A record that differs from the one in the ledger.
pub(super) struct Difference {
    /// The line in the ledger.
    pub(super) place: LinePlace,
    seq: u64,
    id: Uuid,
    /// A description of each key whose value differs.
    keys: Vec<String>,
}

impl Difference {
    /// Returns the error for `operation`. Its details list the keys that differ. `consequence` says what was done.
    pub(super) fn error(self, operation: &str, layout: &Layout, consequence: &str) -> Error {
        let Self { seq, id, keys, .. } = self;
        let found = format!("line {seq} has another record with the execution_id {id}. {consequence}");
        let error = Error::new(ErrorKind::Conflict, operation).path(layout.active()).detail(found);
        keys.into_iter().fold(error, Error::detail)
    }
}

impl KnownIds {
    /// Returns what to do with the record `json`, which was not appended for the reason `why`.
    pub(super) fn judge(&self, why: NotAppended, json: &[u8]) -> Result<Comparison> {
        match why {
            NotAppended::Known(place) => self.compare(place, json),
            // The other record of the batch now has a line, unless it could not be appended.
            NotAppended::InBatch => Ok(Comparison::Again { replaces: None }),
            NotAppended::Unknown(error) => Err(error),
        }
    }

    /// Compares the record `json` with the line at `place`, which has the same id.
    fn compare(&self, place: LinePlace, json: &[u8]) -> Result<Comparison> {
        let record = |bytes: &[u8]| ExecutionMetrics::from_json(&String::from_utf8_lossy(bytes));
        let given = record(json)?;
        let Some((seq, line)) = self.line(place, given.execution_id)? else {
            // The line was moved to an archive.
            self.forget();
            return Ok(Comparison::Again { replaces: None });
        };
        // A line that is not a record counts nowhere. So the record is appended, and replaces it.
        let Ok(stored) = record(&line) else { return Ok(Comparison::Again { replaces: Some(place) }) };
        let keys = differences(&stored, &given);
        Ok(match progress(&given).cmp(&progress(&stored)) {
            _ if keys.is_empty() || given.status == Some(Status::Interrupted) => Comparison::Same { seq },
            Ordering::Greater => Comparison::Again { replaces: Some(place) },
            Ordering::Less => Comparison::Same { seq },
            Ordering::Equal => Comparison::Conflict(Difference { place, seq, id: given.execution_id, keys }),
        })
    }
}

/// Returns how much the record says about the end of its execution. An execution that was interrupted or paused may
/// still end.
fn progress(record: &ExecutionMetrics) -> u8 {
    match record.status {
        Some(Status::Interrupted) => 0,
        Some(Status::Paused) => 1,
        _ => 2,
    }
}

/// Returns a description of each key whose value differs.
fn differences(stored: &ExecutionMetrics, given: &ExecutionMetrics) -> Vec<String> {
    const LISTED_MAX: usize = 10;
    if stored == given {
        return Vec::new();
    }
    let values = [stored, given].map(|record| {
        let mut record = record.clone();
        forget_computed_costs(&mut record);
        serde_json::to_value(&record).unwrap_or_default()
    });
    let [Value::Object(stored), Value::Object(given)] = &values else { return Vec::new() };
    let keys = stored.keys().chain(given.keys().filter(|key| !stored.contains_key(*key)));
    let mut differences = Vec::new();
    for key in keys.filter(|key| stored.get(*key) != given.get(*key)) {
        if differences.len() == LISTED_MAX {
            differences.push("more keys differ".to_owned());
            break;
        }
        let text = |object: &Map<String, Value>| {
            object.get(key).map_or_else(|| "nothing".to_owned(), |value| cut(value.to_string(), 80))
        };
        differences.push(format!("{key}: the ledger has {}, the new record has {}", text(stored), text(given)));
    }
    differences
}

/// Removes each cost that was computed from a price table.
fn forget_computed_costs(record: &mut ExecutionMetrics) {
    let is_computed = |cost: &CostProvenance| cost.source == Some(CostSource::Computed);
    for call in record.trace.llm_calls.iter_mut().filter(|call| is_computed(&call.cost)) {
        call.cost_usd = None;
        call.cost = CostProvenance::default();
    }
    if is_computed(&record.cost) {
        record.cost_usd = None;
        record.cost = CostProvenance::default();
        record.cost_tier = None;
    }
}
