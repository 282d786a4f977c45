//! Decides what happens to a record that was not appended, because the ledger already has a line with the same id. To
//! decide, this module compares the record with that line.

use std::cmp::Ordering;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::known::KnownIds;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::{Layout, line};
use crate::journal::write::{LinePlace, NotAppended};
use crate::metrics::{CostProvenance, CostSource, ExecutionMetrics, Status, cut};
use crate::redaction::Redactor;

/// What to do with a record that was not appended.
pub(super) enum Comparison {
    /// Do not store the record. Line `seq` has the same content, had this content before a redaction, or says more
    /// about the end of the execution. This is also the result for a record with the status interrupted that does not
    /// complete the line.
    Same { seq: u64 },
    /// Try again to append the record. If `replaces` is a line, the record replaces that line. This happens if readers
    /// skip the line, or if the line says less about the end of the execution. Also if the line lacks values of the
    /// record.
    Again { replaces: Option<LinePlace> },
    /// Refuse the record: the line has other content.
    Conflict(Difference),
}

/// How a record differs from the ledger's record of the same execution.
pub(super) struct Difference {
    /// The line in the ledger.
    pub(super) place: LinePlace,
    seq: u64,
    id: Uuid,
    /// Describes the keys whose values differ; see [`differences`].
    keys: Vec<String>,
}

impl Difference {
    /// Returns the error for `operation`. The details list the keys that differ. `consequence` is the sentence of the
    /// error that says what was done with the record.
    pub(super) fn error(self, operation: &str, layout: &Layout, consequence: &str) -> Error {
        let Self { seq, id, keys, .. } = self;
        let found = format!("line {seq} has a different record with the execution_id {id}. {consequence}");
        let error = Error::new(ErrorKind::Conflict, operation).path(layout.active()).detail(found);
        keys.into_iter().fold(error, Error::detail)
    }
}

impl KnownIds {
    /// Returns what to do with the record `json`, which was not appended for the reason `why`.
    pub(super) fn judge(&self, why: NotAppended, json: &[u8]) -> Result<Comparison> {
        match why {
            NotAppended::Known(place) => self.compare(place, json),
            // An earlier record of the same batch has the same id. By now, that record has a line, or could not be
            // appended.
            NotAppended::InBatch => Ok(Comparison::Again { replaces: None }),
            NotAppended::Unknown(error) => Err(error),
        }
    }

    /// Returns the number and the record of the line at `place`, which is a line of the execution `id`. The inner
    /// `None` means that readers skip the line: it is not a record, or its number belongs to another line. The outer
    /// `None` means that the line is gone, for example because it was moved to an archive. In that case, this function
    /// also discards the known ids, so that they are read again.
    pub(super) fn record_at(&self, place: LinePlace, id: Uuid) -> Result<Option<(u64, Option<ExecutionMetrics>)>> {
        let Some((seq, line)) = self.line(place, id)? else {
            self.forget();
            return Ok(None);
        };
        let record = record_of(&line).ok();
        Ok(Some((seq, if record.is_some() && self.has_own_number(place, id, &line)? { record } else { None })))
    }

    /// Returns true if `json` is the record that the line at `place` had before texts were taken out of the line. The
    /// hash of the line shows this. Such a record must not be stored, because it would bring the texts back.
    pub(super) fn was(&self, place: LinePlace, id: Uuid, json: &[u8]) -> Result<bool> {
        let line = self.line(place, id)?;
        let trailer = line.and_then(|(_, line)| line::check(&line));
        Ok(trailer.is_some_and(|trailer| line::was(json, &trailer)))
    }

    /// Compares the record `json` with the line at `place`, which has the same id.
    fn compare(&self, place: LinePlace, json: &[u8]) -> Result<Comparison> {
        let given = record_of(json)?;
        let (seq, stored) = match self.record_at(place, given.execution_id)? {
            None => return Ok(Comparison::Again { replaces: None }),
            // Readers skip a line that is not a record, so the record may take its place.
            Some((_, None)) => return Ok(Comparison::Again { replaces: Some(place) }),
            Some((seq, Some(stored))) => (seq, stored),
        };
        let keys = differences(&stored, &given);
        if !keys.is_empty() && self.was(place, given.execution_id, json)? {
            return Ok(Comparison::Same { seq });
        }
        Ok(match given.end_progress().cmp(&stored.end_progress()) {
            _ if keys.is_empty() => Comparison::Same { seq },
            _ if given.completes(&stored) => Comparison::Again { replaces: Some(place) },
            _ if given.status == Some(Status::Interrupted) => Comparison::Same { seq },
            Ordering::Greater => Comparison::Again { replaces: Some(place) },
            Ordering::Less => Comparison::Same { seq },
            Ordering::Equal => Comparison::Conflict(Difference { place, seq, id: given.execution_id, keys }),
        })
    }
}

fn record_of(json: &[u8]) -> Result<ExecutionMetrics> {
    ExecutionMetrics::from_json(&String::from_utf8_lossy(json))
}

/// Describes the first ten keys whose values differ, and says so if there are more. Ignores computed costs and secrets.
fn differences(stored: &ExecutionMetrics, given: &ExecutionMetrics) -> Vec<String> {
    const LISTED_MAX: usize = 10;
    if stored == given {
        return Vec::new();
    }
    let values = [stored, given].map(|record| {
        let mut record = record.clone();
        forget_computed_costs(&mut record);
        // An earlier version may have stored the record with its secrets. So both records are compared without secrets.
        record.redact(&Redactor::new());
        record.redactions = None;
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

/// Removes each cost that was computed from a price table, because the table may have changed in the meantime.
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
