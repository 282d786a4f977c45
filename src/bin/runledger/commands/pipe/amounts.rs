//! Reads amounts of money in an input line. An amount may be a string, which may have more decimals than `cost_usd`
//! stores.

use std::collections::BTreeMap;

use runledger::Usd;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A JSON object, whose values are slices of the line.
type Object<'l> = BTreeMap<String, &'l RawValue>;

/// Replaces each amount in the line that is a string by a number of the same value. Returns the new line, or `None` if
/// no amount is a string. The new line is longer than the original line if a number is longer than the string that it
/// replaces. Otherwise, both lines have the same length.
///
/// Fails if a string is not an amount with at most 12 decimals. If an amount is a string, this function also fails if
/// an object of the line has the same key twice.
pub(super) fn as_numbers(line: &str) -> Result<Option<String>, String> {
    if !line.contains("_usd") {
        return Ok(None);
    }
    let Ok(record) = serde_json::from_str::<Object>(line) else { return Ok(None) };
    let mut found = amounts(&record, "")?;
    let trace: Option<Object> = inner(&record, "trace");
    let calls: Option<Vec<Object>> = trace.and_then(|trace| inner(&trace, "llm_calls"));
    for (at, call) in calls.iter().flatten().enumerate() {
        found.extend(amounts(call, &format!("trace.llm_calls[{at}]."))?);
    }
    if found.is_empty() {
        return Ok(None);
    }
    runledger::json::refuse_duplicate_keys(line).map_err(|error| error.to_string())?;
    // Each string is a slice of the line. So the difference of the two addresses is the offset of the string in the
    // line.
    let offset = |string: &str| string.as_ptr().addr() - line.as_ptr().addr();
    found.sort_by_key(|(string, _)| offset(string));
    let (mut numbers, mut end) = (String::with_capacity(line.len()), 0);
    for (string, number) in found {
        let start = offset(string);
        numbers += &line[end..start];
        // The number is padded with spaces, so that the column of the text after it does not change.
        numbers += &format!("{number:<width$}", number = number.to_string(), width = string.len());
        end = start + string.len();
    }
    numbers += &line[end..];
    Ok(Some(numbers))
}

/// Finds the amounts that are strings in a record or a call. Returns the text of each amount, as a slice of the line,
/// and its value.
fn amounts<'l>(object: &Object<'l>, path: &str) -> Result<Vec<(&'l str, Usd)>, String> {
    let mut found = Vec::new();
    found.extend(amount(object, path, "cost_usd")?);
    if let Some(cost) = inner::<Object>(object, "cost") {
        let path = format!("{path}cost.");
        for key in ["exact_usd", "estimated_usd"] {
            found.extend(amount(&cost, &path, key)?);
        }
    }
    Ok(found)
}

/// Returns the amount under `key` if it is a string.
fn amount<'l>(object: &Object<'l>, path: &str, key: &str) -> Result<Option<(&'l str, Usd)>, String> {
    let Some(written) = object.get(key).map(|value| value.get()) else { return Ok(None) };
    let Ok(digits) = serde_json::from_str::<String>(written) else { return Ok(None) };
    match digits.parse() {
        Ok(amount) => Ok(Some((written, amount))),
        Err(error) => {
            let error: runledger::Error = error;
            Err(format!("{path}{key}: {}", error.details().join("; ")))
        }
    }
}

/// Returns the value under `key`, or `None` if the value is missing or is not a `T`.
fn inner<'l, T: Deserialize<'l>>(object: &Object<'l>, key: &str) -> Option<T> {
    serde_json::from_str(object.get(key)?.get()).ok()
}
