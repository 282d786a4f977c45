//! Reads a record.

use std::collections::BTreeMap;

use runledger::json::JsonFault;
use runledger::metrics::{UnknownKey, run_log_columns};
use runledger::{ExecutionMetrics, PriceTable, Uuid};
use serde::de::IgnoredAny;
use serde_json::map::Entry;

use super::amounts;
use super::call;
use super::document::Document;
use super::message;
use super::unknown::{self, Unknown};
use crate::clock;
use crate::failure;
use crate::faults;
use crate::priced::Answered;
use crate::why_unknown::WhyUnknown;

/// The result of reading a record.
pub(super) enum Line {
    Record(Box<Accepted>),
    Refused { execution_id: Option<Uuid>, kind: &'static str, reasons: Vec<String>, unknown: Unknown },
}

/// A record that can be appended.
pub(super) struct Accepted {
    pub(super) record: ExecutionMetrics,
    pub(super) unknown: Unknown,
    /// The reason why the cost is unknown, if it could be known.
    pub(super) unknown_price: Option<String>,
    /// The keys whose values follow from other keys.
    pub(super) derived: Vec<&'static str>,
}

impl Line {
    /// Returns a line that could not be read as a record.
    pub(super) fn refused(kind: &'static str, reason: String) -> Self {
        Self::Refused { execution_id: None, kind, reasons: vec![reason], unknown: Unknown::default() }
    }
}

/// The record of an execution that begins.
pub(super) struct Begun {
    pub(super) record: ExecutionMetrics,
    pub(super) unknown: Unknown,
    /// True if the message has the start. If false, the start is the present time.
    pub(super) has_start: bool,
}

/// Reads records.
pub(super) struct Reader {
    /// The user's prices. `Some(None)` if the user has none; the bundled prices are used then. `None` if costs are not
    /// computed.
    pub(super) prices: Option<Option<PriceTable>>,
    /// True if the values of unknown keys become tags. If false, a record with an unknown key is refused.
    pub(super) lenient: bool,
    /// Finds out why the cost of a record is unknown.
    pub(super) why: WhyUnknown,
}

/// The key under which a line can hold an object that `runledger price` printed. A record has no field with this name.
pub(super) const PRICE: &str = "price";
/// The key under which a line can hold calls. A record has no field with this name.
pub(super) const USAGE: &str = "usage";

impl Reader {
    /// Reads a whole record.
    pub(super) fn read(&self, text: &str) -> Line {
        let read = match record(text) {
            Ok(read) => read,
            Err(fault) => return self.unreadable(text, fault, false),
        };
        let Read { mut record, keys, usage, price, .. } = read;
        record.adapt();
        let mut unknown_price = None;
        if let Some(usage) = usage
            && let Err(reason) = add_calls(&mut record, &usage)
        {
            return Line::refused("invalid", reason);
        }
        if let Some(price) = price {
            match answered(&price).and_then(|answer| answer.fill(&mut record)) {
                Ok(error) => unknown_price = error.map(|error| format!("{PRICE}.error: {error}")),
                Err(reason) => return Line::refused("invalid", format!("{PRICE}: {reason}")),
            }
        }
        let (unknown, mut reasons) = self.settle(&mut record, read.text.as_deref().unwrap_or(text), keys);
        let derived = derive_missing(&mut record);
        reasons.extend(faults::of_record(&record));
        if !reasons.is_empty() {
            // Otherwise the id was made here, and no later message can name it.
            let execution_id = Some(record.execution_id).filter(|id| text.contains(&id.to_string()));
            return Line::Refused { execution_id, kind: "invalid", reasons, unknown };
        }
        self.price(&mut record);
        let why = || self.prices.as_ref().and_then(|_| self.why.of(&record, || self.table()));
        let unknown_price = unknown_price.or_else(why);
        Line::Record(Box::new(Accepted { record, unknown, unknown_price, derived }))
    }

    /// Reads the record of an execution that begins. Its end and its outcome are unknown.
    pub(super) fn read_begun(&self, text: &str) -> Result<Begun, Line> {
        let mut object = Document::parse(text).map_err(|error| Line::refused("malformed", error.to_string()))?;
        let ends = ["timestamp_end", "status", "execution_succeeded", "execution_failed", USAGE, PRICE];
        if let Some(key) = ends.into_iter().find(|key| object.take(key).is_some()) {
            let reason = format!("{key}: expected it in another message, after the execution has begun");
            return Err(Line::refused("invalid", reason));
        }
        let has_start = object.has("timestamp_start") || object.has("timestamp");
        if !has_start {
            object.set("timestamp_start", format!("\"{}\"", clock::now()));
        }
        let text = object.to_json();
        let read =
            record(&text).map_err(|(kind, reason)| self.unreadable(&text, (kind, without_column(reason)), true))?;
        let Read { mut record, keys, .. } = read;
        record.adapt();
        let (unknown, mut reasons) = self.settle(&mut record, read.text.as_deref().unwrap_or(&text), keys);
        record.timestamp_end = Some(record.timestamp_start);
        reasons.extend(faults::of_record(&record));
        record.timestamp_end = None;
        if reasons.is_empty() {
            return Ok(Begun { record, unknown, has_start });
        }
        let execution_id = Some(record.execution_id).filter(|id| text.contains(&id.to_string()));
        Err(Line::Refused { execution_id, kind: "invalid", reasons, unknown })
    }

    /// Returns the refusal of a line that cannot be read as a record, with all reasons. `is_begun` is true if the end of
    /// the execution need not be known.
    fn unreadable(&self, text: &str, (kind, reason): Fault, is_begun: bool) -> Line {
        const WITH_END: [&str; 4] = ["skill_name", "skill_version", "timestamp_start", "timestamp_end"];
        let Ok(mut object) = Document::parse(text) else { return Line::refused(kind, reason) };
        let (mut reasons, keys) = match near_message(&object) {
            Some(key) if !is_begun => (Vec::new(), vec![key]),
            _ => {
                [USAGE, PRICE].into_iter().for_each(|key| _ = object.remove(key));
                // If this fails, the reason says so.
                let _ = rename_columns(&mut object);
                let has_no_end = is_begun || object.get("status") == Some("\"interrupted\"");
                let required = if has_no_end { &WITH_END[..3] } else { &WITH_END };
                let text = object.to_json();
                (faults::of_line(&text, required, reason), ExecutionMetrics::unknown_keys(&text))
            }
        };
        if !self.lenient || reasons.is_empty() {
            reasons.extend(unknown::reasons(&keys));
        }
        Line::Refused { execution_id: None, kind, reasons, unknown: keys.into() }
    }

    /// Stores unknown keys as tags if the reader is lenient. Returns the unknown keys, and the reasons why they are
    /// refused.
    fn settle(&self, record: &mut ExecutionMetrics, text: &str, keys: Vec<UnknownKey>) -> (Unknown, Vec<String>) {
        if !self.lenient || keys.is_empty() {
            let reasons = unknown::reasons(&keys);
            return (keys.into(), reasons);
        }
        let object = Document::parse(text).unwrap_or_default();
        let mut reasons = Vec::new();
        let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
        for (path, value) in paths.iter().zip(object.values(&paths)) {
            match (record.tags.entry(*path), value) {
                (Entry::Occupied(_), _) => reasons.push(format!("{path}: found a tag with this name too")),
                (Entry::Vacant(_), None) => reasons.push(format!("{path}: its value cannot become a tag")),
                (Entry::Vacant(tag), Some(value)) => _ = tag.insert(value),
            }
        }
        (keys.into(), reasons)
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
    /// priced. Parses the table only if the record names a model, because that takes some milliseconds.
    pub(super) fn price(&self, record: &mut ExecutionMetrics) {
        let has_cost = record.cost_usd.or(record.cost.exact_usd).is_some();
        let has_model = record.model.name.is_some() || !record.trace.llm_calls.is_empty();
        if has_cost || !has_model {
            return;
        }
        match self.table() {
            Some(table) => _ = table.fill_missing_costs(record),
            None => _ = record.sum_costs_of_calls(),
        }
    }
}

/// Adds the calls in `usage` to the record.
fn add_calls(record: &mut ExecutionMetrics, usage: &str) -> Result<(), String> {
    let has_other = record.trace.llm_calls.is_empty() && (record.tokens_input, record.tokens_output) != (None, None);
    if has_other || record.cost_usd.is_some() {
        return Err(format!("{USAGE}: expected neither tokens nor a cost beside it, found some"));
    }
    call::read_all(usage, USAGE)?.into_iter().for_each(|call| record.add_call(call));
    Ok(())
}

/// Derives the missing values of a record, and returns the keys of the values that were derived.
fn derive_missing(record: &mut ExecutionMetrics) -> Vec<&'static str> {
    let known = |record: &ExecutionMetrics| {
        [
            ("execution_succeeded", record.execution_succeeded.is_some()),
            // If both follow from the status, only the first one is listed.
            ("execution_failed", record.execution_failed.is_some() || record.execution_succeeded.is_none()),
            ("tokens_used", record.tokens_used.is_some()),
            ("wall_clock_time_ms", record.wall_clock_time_ms.is_some()),
            ("total_latency_ms", record.total_latency_ms.is_some()),
        ]
    };
    let before = known(record);
    record.derive_missing();
    let derived = before.into_iter().zip(known(record)).filter(|((_, before), (_, after))| before != after);
    derived.map(|((key, _), _)| key).collect()
}

/// Returns the object that `runledger price` printed.
fn answered(price: &str) -> Result<Answered, String> {
    const EXPECTED: &str = "expected an object that `runledger price` printed";
    // serde would read a list as the values of the fields in their order.
    if !price.starts_with('{') {
        return Err(format!("{EXPECTED}, found another value"));
    }
    let read = serde_json::from_str(price).map_err(|error| JsonFault::new(price, &error));
    read.map_err(|error| {
        // The position in such an error is not a position in the line.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
        format!("{EXPECTED}: {what}")
    })
}

/// A record as it is written in a line.
struct Read {
    record: ExecutionMetrics,
    /// The keys that no field has.
    keys: Vec<UnknownKey>,
    /// The values of the keys that a record does not have, but a line may have.
    usage: Option<String>,
    price: Option<String>,
    /// The line after keys were renamed or removed; `None` if nothing was changed.
    text: Option<String>,
}

/// Returns the name of the message that `object` is probably meant to be, if the name of its only key is similar.
fn near_message(object: &Document) -> Option<UnknownKey> {
    let mut entries = object.entries();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
    let key = UnknownKey::among(key, &message::KEYS);
    Some(key).filter(|key| key.near.is_some() && value.starts_with('{'))
}

/// The kind of an error, and why a line cannot be read as a record.
type Fault = (&'static str, String);

/// Reads the record of a line, or returns the reason why the line is not a record.
fn record(text: &str) -> Result<Read, Fault> {
    let read = ExecutionMetrics::from_json_with_unknown_keys(text);
    let error = match read {
        Ok((record, keys)) if keys.is_empty() => {
            return Ok(Read { record, keys, usage: None, price: None, text: None });
        }
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let (mut usage, mut price, mut changed) = (None, None, None);
    if let Ok(mut object) = Document::parse(text) {
        let has_more = [USAGE, PRICE].into_iter().any(|key| object.has(key));
        (usage, price) = (object.remove(USAGE), object.remove(PRICE));
        let renamed = rename_columns(&mut object).map_err(|reason| ("invalid", reason))?;
        changed = (has_more || renamed).then(|| object.to_json());
    }
    // Errors of a changed text have no column.
    let columns = if changed.is_none() { text.len() } else { 0 };
    let (record, keys) = parsed(changed.as_deref().unwrap_or(text), columns, error.filter(|_| changed.is_none()))?;
    Ok(Read { record, keys, usage, price, text: changed })
}

/// Renames the keys that are columns of a run log to the keys of a record. Returns true if there are any.
fn rename_columns(object: &mut Document) -> Result<bool, String> {
    let mut renamed = false;
    for (column, path) in run_log_columns() {
        if column != path && object.has(column) {
            renamed = true;
            if let Some(value) = object.take(column) {
                object.insert(path, value).map_err(|reason| format!("{column}: {reason}"))?;
            }
        }
    }
    Ok(renamed)
}

/// Reads the record in `text`, in which an amount can be a string, and the id can be missing. `error` is the error of an
/// earlier attempt to read the same text. Errors name a column up to `columns`.
fn parsed(
    text: &str,
    mut columns: usize,
    error: Option<runledger::Error>,
) -> Result<(ExecutionMetrics, Vec<UnknownKey>), (&'static str, String)> {
    let read = match error {
        Some(error) => Err(error),
        None => ExecutionMetrics::from_json_with_unknown_keys(text),
    };
    let parsed = match read {
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

/// Removes the position from an error, because the text is only a part of the line.
pub(super) fn without_column(text: String) -> String {
    reason(text, 0)
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
