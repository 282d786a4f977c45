//! Reads one line of input as a record.

use std::collections::BTreeMap;

use runledger::metrics::UnknownKey;
use runledger::{ExecutionMetrics, PriceTable, Uuid};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::amounts;
use super::unknown::{self, Unknown};
use crate::clock;
use crate::failure;
use crate::priced::Answered;

/// The result of reading a line of input.
pub(super) enum Line {
    Record { record: Box<ExecutionMetrics>, unknown: Unknown },
    Refused { execution_id: Option<Uuid>, kind: &'static str, reasons: Vec<String>, unknown: Unknown },
}

impl Line {
    /// Returns a line that could not be read as a record.
    pub(super) fn refused(kind: &'static str, reason: String) -> Self {
        Self::Refused { execution_id: None, kind, reasons: vec![reason], unknown: Unknown::default() }
    }
}

/// Reads lines of input.
pub(super) struct Reader {
    /// The user's prices. `Some(None)` if the user has none; the bundled prices are used then. `None` if costs are not
    /// computed.
    pub(super) prices: Option<Option<PriceTable>>,
    /// True if a record with an unknown key is refused.
    pub(super) strict: bool,
}

/// The key under which a line can hold an object that `runledger price` printed. A record has no field with this name.
const PRICE: &str = "price";

impl Reader {
    pub(super) fn read(&self, line: &[u8]) -> Line {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => return Line::refused("malformed", error.to_string()),
        };
        let (mut record, mut keys) = match record(text) {
            Ok(read) => read,
            Err((kind, reason)) => return Line::refused(kind, reason),
        };
        amounts::keep_exact(&mut record);
        if let Some(at) = keys.iter().position(|key| key.path == PRICE) {
            keys.remove(at);
            if let Err(reason) = answered(text).and_then(|answer| answer.fill(&mut record)) {
                return Line::refused("invalid", format!("{PRICE}: {reason}"));
            }
        }
        if self.strict && !keys.is_empty() {
            let (execution_id, reasons) = (Some(record.execution_id), unknown::reasons(&keys));
            return Line::Refused { execution_id, kind: "invalid", reasons, unknown: keys.into() };
        }
        self.price(&mut record);
        Line::Record { record: Box::new(record), unknown: keys.into() }
    }

    /// Computes the cost of a record that has no cost. A record or a call that says that its cost is unknown is not
    /// priced.
    fn price(&self, record: &mut ExecutionMetrics) {
        match &self.prices {
            Some(Some(own)) => _ = own.fill_missing_costs(record),
            // This does not fail, because tests make sure that the bundled table is valid.
            Some(None) => _ = PriceTable::bundled().map(|table| table.fill_missing_costs(record)),
            None => _ = record.sum_costs_of_calls(),
        }
    }
}

/// Returns the object in the line that `runledger price` printed.
fn answered(text: &str) -> Result<Answered, String> {
    #[derive(Deserialize)]
    struct WithPrice<'l> {
        #[serde(borrow)]
        price: &'l RawValue,
    }
    let read = serde_json::from_str::<WithPrice>(text).and_then(|with| {
        // For a list, serde would use the elements as the values of the fields, in order. So a list is refused here.
        let is_object = with.price.get().starts_with('{');
        if is_object { serde_json::from_str(with.price.get()).map(Some) } else { Ok(None) }
    });
    // The error names a position in the object, which would look like a position in the line. So the position is
    // removed.
    let reason = |text: String| text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned());
    match read {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("expected an object that `runledger price` printed, found another value".to_owned()),
        Err(error) => Err(format!("expected an object that `runledger price` printed: {}", reason(error.to_string()))),
    }
}

/// Returns the record of a line and the unknown keys of the line, or the reason why the line is not a record. If the
/// line has neither `execution_succeeded` nor `execution_failed`, both are derived from the status.
fn record(text: &str) -> Result<(ExecutionMetrics, Vec<UnknownKey>), (&'static str, String)> {
    let mut columns = text.len();
    let parsed = match ExecutionMetrics::from_json_with_unknown_keys(text) {
        Ok(read) => Ok(read),
        Err(error) => {
            let numbers = amounts::as_numbers(text).map_err(|reason| ("malformed", reason))?;
            if numbers.as_ref().is_some_and(|numbers| numbers.len() != text.len()) {
                // A number is longer than its string, so columns in an error would differ from the columns of the line.
                columns = 0;
            }
            let numbers = numbers.as_deref();
            match (with_id(numbers.unwrap_or(text)), numbers) {
                (Some(text), _) => ExecutionMetrics::from_json_with_unknown_keys(&text),
                (None, Some(text)) => ExecutionMetrics::from_json_with_unknown_keys(text),
                (None, None) => {
                    // If the line is not JSON, `error` may complain about an amount that is a string, which is allowed.
                    // So the line is parsed again, to find the real fault.
                    if let Err(fault) = serde_json::from_str::<IgnoredAny>(text) {
                        let fault = format!("cannot read a record from JSON: {fault}");
                        return Err((failure::kind(&error), reason(fault, columns)));
                    }
                    Err(error)
                }
            }
        }
    };
    let (mut record, keys) = parsed.map_err(|error| (failure::kind(&error), reason(failure::text(&error), columns)))?;
    if let (None, None, Some(status)) = (record.execution_succeeded, record.execution_failed, &record.status) {
        record.set_status(status.clone());
    }
    Ok((record, keys))
}

/// Returns what is wrong with a line, and at which column. A column greater than `columns` is left out, because it is
/// in text that was added to the line.
fn reason(text: String, columns: usize) -> String {
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) if column.parse().is_ok_and(|column: usize| column <= columns) => {
            format!("{what} at column {column}")
        }
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// Adds a new `execution_id` at the end of the object in `text`. Returns `None` if the object already has one, or if
/// `text` is not an object.
fn with_id(text: &str) -> Option<String> {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let fields = text.trim_ascii_end().strip_suffix('}')?;
    let comma = if keys.is_empty() { "" } else { "," };
    (!keys.contains_key("execution_id")).then(|| format!("{fields}{comma}\"execution_id\":\"{}\"}}", clock::new_id()))
}
