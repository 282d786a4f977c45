//! Lists the reasons why a record in an input line is refused.

use std::collections::BTreeMap;

use runledger::ExecutionMetrics;
use runledger::metrics::Status;
use serde_json::value::RawValue;

/// Returns why a record cannot be stored. The list is empty if the record can be stored.
pub(crate) fn of_record(record: &ExecutionMetrics) -> Vec<String> {
    let Err(error) = record.validate() else { return Vec::new() };
    let mut reasons = error.details().to_vec();
    let has_other_status = record.status.as_ref().is_some_and(|status| !Status::KNOWN.contains(&status.as_str()));
    if has_other_status && let Some(reason) = reasons.iter_mut().find(|reason| reason.starts_with("status: ")) {
        reason.push_str("; `error` is accepted too, and stored as `failed`");
    }
    reasons
}

/// Returns why a line is not a record: one reason for each key in `required` that is missing, and then `reason`. If
/// `reason` is about one of the missing keys, `reason` is left out.
pub(crate) fn of_line(line: &str, required: &[&str], reason: String) -> Vec<String> {
    let object: BTreeMap<String, &RawValue> = match serde_json::from_str(line) {
        Ok(object) if line.trim_ascii_start().starts_with('{') => object,
        _ => return vec![reason],
    };
    let missing = required.iter().filter(|key| !object.contains_key(**key));
    let mut reasons: Vec<_> = missing.map(|key| format!("{key}: expected a value, found none")).collect();
    if !reasons.iter().any(|missing| reason.ends_with(missing)) {
        reasons.push(reason);
    }
    reasons
}
