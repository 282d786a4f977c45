//! Reads a record in an input line. The input has more freedom than the stored format. For example, an amount can be a
//! string, and the line can have the extra keys `usage` and `price`.

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
    /// The unknown keys of the line.
    pub(super) unknown: Unknown,
    /// The reason why the cost is unknown. `None` if the cost is known, if the execution used no model, or if costs are
    /// not computed.
    pub(super) unknown_price: Option<String>,
    /// The keys that were missing in the line, and were derived from other keys.
    pub(super) derived: Vec<&'static str>,
}

impl Line {
    /// Returns the result for a line that could not be read as a record.
    pub(super) fn refused(kind: &'static str, reason: String) -> Self {
        Self::Refused { execution_id: None, kind, reasons: vec![reason], unknown: Unknown::default() }
    }
}

/// The record of an execution that begins.
pub(super) struct Begun {
    pub(super) record: ExecutionMetrics,
    /// The unknown keys of the message.
    pub(super) unknown: Unknown,
    /// True if the message has the start time. If false, the start time is the time at which the message was read.
    pub(super) has_start: bool,
}

/// Reads records in input lines.
pub(super) struct Reader {
    /// The prices of --prices. `Some(None)` if the option is not used, so that the bundled prices apply. `None` if
    /// costs are not computed.
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
        let (unknown, mut reasons) = self.accept_unknown_keys(&mut record, read.text.as_deref().unwrap_or(text), keys);
        let derived = derive_missing(&mut record);
        reasons.extend(faults::of_record(&record));
        if !reasons.is_empty() {
            // If the line has no id, this function created the id. The answer then leaves the id out, because no later
            // message can use it.
            let execution_id = Some(record.execution_id).filter(|id| text.contains(&id.to_string()));
            return Line::Refused { execution_id, kind: "invalid", reasons, unknown };
        }
        self.price(&mut record);
        let why = || self.prices.as_ref().and_then(|_| self.why.of(&record, || self.table()));
        let unknown_price = unknown_price.or_else(why);
        Line::Record(Box::new(Accepted { record, unknown, unknown_price, derived }))
    }

    /// Reads the record of an execution that begins. The end and the outcome of the execution are not known yet.
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
        let (unknown, mut reasons) = self.accept_unknown_keys(&mut record, read.text.as_deref().unwrap_or(&text), keys);
        // The checks require an end, which the execution does not have yet.
        record.timestamp_end = Some(record.timestamp_start);
        reasons.extend(faults::of_record(&record));
        record.timestamp_end = None;
        if reasons.is_empty() {
            return Ok(Begun { record, unknown, has_start });
        }
        let execution_id = Some(record.execution_id).filter(|id| text.contains(&id.to_string()));
        Err(Line::Refused { execution_id, kind: "invalid", reasons, unknown })
    }

    /// Returns the refusal of a line that cannot be read as a record, with all reasons. `is_begin` is true if the text
    /// comes from a begin message, which does not need the end of the execution.
    fn unreadable(&self, text: &str, (kind, reason): Fault, is_begin: bool) -> Line {
        const WITH_END: [&str; 4] = ["skill_name", "skill_version", "timestamp_start", "timestamp_end"];
        let Ok(mut object) = Document::parse(text) else { return Line::refused(kind, reason) };
        let (mut reasons, keys) = match near_message(&object) {
            Some(key) if !is_begin => (Vec::new(), vec![key]),
            _ => {
                [USAGE, PRICE].into_iter().for_each(|key| _ = object.remove(key));
                // If this fails, `reason` already describes the failure.
                let _ = rename_columns(&mut object);
                let has_no_end = is_begin || object.get("status") == Some("\"interrupted\"");
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
    /// refused. If there are no reasons, all keys are accepted.
    fn accept_unknown_keys(
        &self,
        record: &mut ExecutionMetrics,
        text: &str,
        keys: Vec<UnknownKey>,
    ) -> (Unknown, Vec<String>) {
        if !self.lenient || keys.is_empty() {
            let reasons = unknown::reasons(&keys);
            return (keys.into(), reasons);
        }
        let object = Document::parse(text).unwrap_or_default();
        let mut reasons = Vec::new();
        let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
        for (path, value) in paths.iter().zip(object.values(&paths)) {
            match (record.tags.entry(*path), value) {
                (Entry::Occupied(_), _) => reasons.push(format!("{path}: the record already has a tag with this name")),
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
            // This does not fail, because tests check that the bundled table is valid.
            Some(None) => PriceTable::bundled().ok(),
            None => None,
        }
    }

    /// Computes the cost of a record that has no cost. A cost is not computed if cost.source or cost_tier marks it as
    /// unknown. Parsing the price table takes some milliseconds, so the table is parsed only if the record names a
    /// model.
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
        return Err(format!("{USAGE}: expected no tokens and no cost outside {USAGE}, found tokens or a cost"));
    }
    call::read_all(usage, USAGE)?.into_iter().for_each(|call| record.add_call(call));
    Ok(())
}

/// Derives the missing values of a record, and returns the keys of the values that were derived.
fn derive_missing(record: &mut ExecutionMetrics) -> Vec<&'static str> {
    let known = |record: &ExecutionMetrics| {
        [
            ("execution_succeeded", record.execution_succeeded.is_some()),
            // If the status determines both values, only `execution_succeeded` is listed as derived.
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

/// Reads `price`, an object that `runledger price` printed.
fn answered(price: &str) -> Result<Answered, String> {
    const EXPECTED: &str = "expected an object that `runledger price` printed";
    // serde would also accept a list, and take its items as the values of the fields.
    if !price.starts_with('{') {
        return Err(format!("{EXPECTED}, found another value"));
    }
    let read = serde_json::from_str(price).map_err(|error| JsonFault::new(price, &error));
    read.map_err(|error| {
        // The error has a position in `price`. It is removed, because it is not the position in the line.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
        format!("{EXPECTED}: {what}")
    })
}

/// A record as it is written in a line.
struct Read {
    record: ExecutionMetrics,
    /// The keys that do not belong to any field.
    keys: Vec<UnknownKey>,
    /// The value of the extra key [`USAGE`]. `None` if the line does not have this key.
    usage: Option<String>,
    /// The value of the extra key [`PRICE`]. `None` if the line does not have this key.
    price: Option<String>,
    /// The line after keys were renamed or removed. `None` if no key was renamed or removed.
    text: Option<String>,
}

/// Returns the only key of `object`, if `object` is probably meant to be a message: its key is similar to the key of a
/// message, and its value is an object. The result also names the similar key.
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
    // The columns of a changed text differ from those of the line, so errors in a changed text do not name a column.
    let columns = if changed.is_none() { text.len() } else { 0 };
    let (record, keys) = parsed(changed.as_deref().unwrap_or(text), columns, error.filter(|_| changed.is_none()))?;
    Ok(Read { record, keys, usage, price, text: changed })
}

/// Renames each key that is the name of a run log's column to the key of a record. Returns true if a key was renamed.
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

/// Reads the record in `text`. An amount can be a string, and the id can be missing. `error` is the error of an earlier
/// attempt to read the same text, or `None` if there was no such attempt. A column greater than `columns` is left out
/// of an error.
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
                // A number is longer than the string that it replaces, so columns in an error would differ from the
                // columns of the line.
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

/// Adds a new `execution_id` at the end of the object in `text`. Returns `None` if the object already has an
/// `execution_id`, or if `text` is not an object.
fn with_id(text: &str) -> Option<String> {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    let fields = text.trim_ascii_end().strip_suffix('}')?;
    let comma = if keys.is_empty() { "" } else { "," };
    (!keys.contains_key("execution_id")).then(|| format!("{fields}{comma}\"execution_id\":\"{}\"}}", clock::new_id()))
}
