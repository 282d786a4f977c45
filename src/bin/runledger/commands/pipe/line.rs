//! Reads one line of input as a record.

use std::collections::BTreeMap;

use runledger::metrics::{CostSource, CostTier, UnknownKey};
use runledger::{ExecutionMetrics, PriceTable, Uuid};
use serde::Deserialize;
use serde::de::IgnoredAny;

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
    /// The user's prices, or `Some(None)` if the bundled prices are used. `None` if costs are not computed.
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

    /// Computes the cost of a record that has none. A record that says that its cost is unknown is not changed.
    fn price(&self, record: &mut ExecutionMetrics) {
        let is_unknown = record.cost.source == Some(CostSource::Unknown) || record.cost_tier == Some(CostTier::Unknown);
        if record.cost_usd.is_some() || is_unknown {
            return;
        }
        match &self.prices {
            Some(Some(own)) => _ = own.fill_costs(record),
            // This does not fail, because tests make sure that the bundled table is valid.
            Some(None) => _ = PriceTable::bundled().map(|table| table.fill_costs(record)),
            None => {}
        }
    }
}

/// Returns the object of `runledger price` that the line holds.
fn answered(text: &str) -> Result<Answered, String> {
    #[derive(Deserialize)]
    struct WithPrice {
        price: Answered,
    }
    serde_json::from_str::<WithPrice>(text)
        .map(|with| with.price)
        .map_err(|error| format!("expected an object that `runledger price` printed: {error}"))
}

/// Returns the record of a line and its unknown keys, or the reason why the line is not a record. If the line says
/// neither that the execution succeeded nor that it failed, both are derived from the status.
fn record(text: &str) -> Result<(ExecutionMetrics, Vec<UnknownKey>), (&'static str, String)> {
    let parsed = match ExecutionMetrics::from_json_with_unknown_keys(text) {
        Ok(read) => Ok(read),
        Err(error) => {
            let numbers = amounts::as_numbers(text).map_err(|reason| ("malformed", reason))?;
            let numbers = numbers.as_deref();
            match (with_id(numbers.unwrap_or(text)), numbers) {
                (Some(text), _) => ExecutionMetrics::from_json_with_unknown_keys(&text),
                (None, Some(text)) => ExecutionMetrics::from_json_with_unknown_keys(text),
                (None, None) => Err(error),
            }
        }
    };
    let (mut record, keys) = parsed.map_err(|error| (failure::kind(&error), reason(&error, text)))?;
    if let (None, None, Some(status)) = (record.execution_succeeded, record.execution_failed, &record.status) {
        record.set_status(status.clone());
    }
    Ok((record, keys))
}

/// Returns what is wrong with a line, and at which column. A column after the end of the line is left out, because it
/// belongs to the id that [`with_id`] added.
fn reason(error: &runledger::Error, line: &str) -> String {
    let text = failure::text(error);
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) if column.parse().is_ok_and(|column: usize| column <= line.len()) => {
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
