//! Reads one line of input as a record.

use std::collections::BTreeMap;

use runledger::json::JsonFault;
use runledger::metrics::{Status, UnknownKey};
use runledger::{ExecutionMetrics, PriceTable, Uuid};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::amounts;
use super::unknown::{self, Unknown};
use crate::argument;
use crate::clock;
use crate::failure;
use crate::priced::Answered;
use crate::why_unknown::WhyUnknown;

/// The result of reading a line of input.
pub(super) enum Line {
    /// `unknown_price` is the reason why the cost is unknown, if it could be known.
    Record {
        record: Box<ExecutionMetrics>,
        unknown: Unknown,
        unknown_price: Option<String>,
    },
    Refused {
        execution_id: Option<Uuid>,
        kind: &'static str,
        reasons: Vec<String>,
        unknown: Unknown,
    },
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
    /// Finds out why the cost of a record is unknown.
    pub(super) why: WhyUnknown,
}

/// The key under which a line can hold an object that `runledger price` printed. A record has no field with this name.
const PRICE: &str = "price";

impl Reader {
    pub(super) fn read(&self, line: &[u8]) -> Line {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => return Line::refused("malformed", argument::not_utf8(&error)),
        };
        let (mut record, mut keys) = match record(text) {
            Ok(read) => read,
            Err((kind, reason)) => return Line::refused(kind, reason),
        };
        amounts::keep_exact(&mut record);
        let mut unknown_price = None;
        if let Some(at) = keys.iter().position(|key| key.path == PRICE) {
            keys.remove(at);
            match answered(text).and_then(|answer| answer.fill(&mut record)) {
                Ok(error) => unknown_price = error.map(|error| format!("{PRICE}.error: {error}")),
                Err(reason) => return Line::refused("invalid", format!("{PRICE}: {reason}")),
            }
        }
        if record.status.as_ref().is_some_and(|status| status.as_str() == "error") {
            // The word for a failure in the arguments of `complete`.
            record.status = Some(Status::Failed);
        }
        if let Some(reason) = record.error_reason.take() {
            // The other ways to record an execution shorten a long reason, too.
            record.set_error_reason(reason);
        }
        record.derive_missing();
        if self.strict && !keys.is_empty() {
            let (execution_id, reasons) = (Some(record.execution_id), unknown::reasons(&keys));
            return Line::Refused { execution_id, kind: "invalid", reasons, unknown: keys.into() };
        }
        if let Err(other_words) = record.validate_words() {
            let faults = record.validate().err();
            let reasons = [other_words.details(), faults.as_ref().map_or(&[], |faults| faults.details())].concat();
            let execution_id = Some(record.execution_id);
            return Line::Refused { execution_id, kind: "invalid", reasons, unknown: keys.into() };
        }
        self.price(&mut record);
        let unknown_price = unknown_price.or_else(|| self.why.of(&record, self.table()?));
        Line::Record { record: Box::new(record), unknown: keys.into(), unknown_price }
    }

    /// Returns the prices that are used, or `None` if costs are not computed.
    fn table(&self) -> Option<&PriceTable> {
        match &self.prices {
            Some(Some(own)) => Some(own),
            // This does not fail, because tests make sure that the bundled table is valid.
            Some(None) => PriceTable::bundled().ok(),
            None => None,
        }
    }

    /// Computes the cost of a record that has no cost. A record or a call that says that its cost is unknown is not
    /// priced.
    fn price(&self, record: &mut ExecutionMetrics) {
        match self.table() {
            Some(table) => _ = table.fill_missing_costs(record),
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
    let read = serde_json::from_str::<WithPrice>(text).map(|with| {
        // serde would read a list as the values of the fields in their order.
        let is_object = with.price.get().starts_with('{');
        is_object.then_some(with.price.get())
    });
    let read = match read {
        Ok(Some(price)) => serde_json::from_str(price).map(Some).map_err(|error| JsonFault::new(price, &error)),
        Ok(None) => Ok(None),
        Err(error) => Err(JsonFault::new(text, &error)),
    };
    // The position in such an error is not a position in the line.
    let reason = |text: String| text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned());
    match read {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("expected an object that `runledger price` printed, found another value".to_owned()),
        Err(error) => Err(format!("expected an object that `runledger price` printed: {}", reason(error.to_string()))),
    }
}

/// Returns the record of a line and its unknown keys, or the reason why the line is not a record.
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
                        let fault = format!("cannot read a record from JSON: {}", JsonFault::new(text, &fault));
                        return Err((failure::kind(&error), reason(fault, columns)));
                    }
                    Err(error)
                }
            }
        }
    };
    parsed.map_err(|error| (failure::kind(&error), reason(failure::text(&error), columns)))
}

/// Returns what is wrong with a line, and at which column. A column greater than `columns` is left out, because it is
/// in text that was added to the line.
fn reason(text: String, columns: usize) -> String {
    match text.rsplit_once(" column ") {
        Some((what, column)) => {
            let what = what.trim_end_matches(" at line 1").trim_end_matches(" at");
            match column.parse() {
                Ok(column @ 1..) if column <= columns => format!("{what} at column {column}"),
                Ok(_) => what.to_owned(),
                Err(_) => text,
            }
        }
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
