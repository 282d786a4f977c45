//! Amounts of money in a line, which may be strings and may have more decimals than `cost_usd` stores.

use std::collections::BTreeMap;

use runledger::{ExecutionMetrics, Usd};
use serde_json::value::{RawValue, to_raw_value};

/// The values of an object, as written.
type Object = BTreeMap<String, Box<RawValue>>;

/// Replaces each amount in the line that is a string by a number with the same digits. Returns the new line, or `None`
/// if no amount in the line is a string.
///
/// Fails if a string is not an amount with at most 12 decimals. Also fails if an amount is a string and an object in
/// the line has a key twice.
pub(super) fn as_numbers(line: &str) -> Result<Option<String>, String> {
    if !line.contains("_usd") {
        return Ok(None);
    }
    let Ok(mut record) = serde_json::from_str::<Object>(line) else { return Ok(None) };
    let mut changed = amounts(&mut record, "")?;
    if let Some(trace) = record.get_mut("trace") {
        changed |= edit(trace, |trace: &mut Object| match trace.get_mut("llm_calls") {
            Some(calls) => edit(calls, |calls: &mut Vec<Object>| {
                let mut changed = false;
                for (at, call) in calls.iter_mut().enumerate() {
                    changed |= amounts(call, &format!("trace.llm_calls[{at}]."))?;
                }
                Ok(changed)
            }),
            None => Ok(false),
        })?;
    }
    if !changed {
        return Ok(None);
    }
    runledger::json::refuse_duplicate_keys(line).map_err(|error| error.to_string())?;
    serde_json::to_string(&record).map(Some).map_err(|error| error.to_string())
}

/// Replaces the amounts in a record or a call that are strings by numbers. Returns true if an amount was a string.
fn amounts(object: &mut Object, path: &str) -> Result<bool, String> {
    let mut changed = number(object, path, "cost_usd")?;
    if let Some(cost) = object.get_mut("cost") {
        let path = format!("{path}cost.");
        changed |= edit(cost, |cost: &mut Object| {
            Ok(number(cost, &path, "exact_usd")? | number(cost, &path, "estimated_usd")?)
        })?;
    }
    Ok(changed)
}

fn number(object: &mut Object, path: &str, key: &str) -> Result<bool, String> {
    let Some(value) = object.get_mut(key) else { return Ok(false) };
    let Ok(digits) = serde_json::from_str::<String>(value.get()) else { return Ok(false) };
    let amount: Usd =
        digits.parse().map_err(|error: runledger::Error| format!("{path}{key}: {}", error.details().join("; ")))?;
    *value = to_raw_value(&amount).map_err(|error| error.to_string())?;
    Ok(true)
}

/// Changes the value with `change`, which returns true if it changed something. A value that is not a `T` is not
/// changed.
fn edit<T: serde::Serialize + serde::de::DeserializeOwned>(
    value: &mut Box<RawValue>,
    change: impl FnOnce(&mut T) -> Result<bool, String>,
) -> Result<bool, String> {
    let Ok(mut read) = serde_json::from_str::<T>(value.get()) else { return Ok(false) };
    let changed = change(&mut read)?;
    if changed {
        *value = to_raw_value(&read).map_err(|error| error.to_string())?;
    }
    Ok(changed)
}

/// Rounds `cost_usd` to the 8 decimals that a record stores, and keeps the exact amount in `cost.exact_usd`.
pub(super) fn keep_exact(record: &mut ExecutionMetrics) {
    let rounded = |amount: Usd| Some(amount.round_to_record());
    match (record.cost_usd, record.cost.exact_usd) {
        (Some(cost), None) if rounded(cost) != Some(cost) => {
            record.cost.exact_usd = Some(cost);
            record.cost_usd = rounded(cost);
        }
        (Some(cost), Some(exact)) if cost == exact => record.cost_usd = rounded(exact),
        (None, Some(exact)) => record.cost_usd = rounded(exact),
        _ => {}
    }
}
