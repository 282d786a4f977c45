//! Reads calls of models in an input line.

use runledger::metrics::{CostSource, LlmCall, Meter, vendor_model};
use runledger::{Timestamp, Usage, Usd};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Document;
use crate::counts;

/// A function that reads the usage from a vendor's response, or from the usage object of a response.
type ReadVendor = fn(&Value) -> runledger::Result<Usage>;

/// The vendors whose usage can be read, each with its key in a call.
const VENDORS: [(&str, ReadVendor); 3] = [
    ("anthropic", Usage::from_anthropic_value),
    ("openai", Usage::from_openai_value),
    ("gemini", Usage::from_gemini_value),
];

/// Reads the calls in `text`, which is one call or a list of calls. Errors begin with `path`, the path of `text` in the
/// line.
pub(super) fn read_all(text: &str, path: &str) -> Result<Vec<LlmCall>, String> {
    if !text.starts_with('[') {
        return Ok(vec![read(text, path)?]);
    }
    let calls: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(text).map_err(|_| format!("{path}: expected a call or a list of calls"))?;
    calls.iter().enumerate().map(|(at, call)| read(call.get(), &format!("{path}[{at}]"))).collect()
}

/// Reads a call, which is an object with the model and its usage. Errors begin with `path`.
pub(super) fn read(text: &str, path: &str) -> Result<LlmCall, String> {
    let object = if text.starts_with('{') { Document::parse(text).ok() } else { None };
    let mut object =
        object.ok_or_else(|| format!("{path}: expected an object with each key once, found another value"))?;
    let mut call = LlmCall::new(1, value::<String>(&mut object, path, "model", "text")?.unwrap_or_default());
    call.provider = value(&mut object, path, "provider", "text")?;
    call.variant = value(&mut object, path, "variant", "an object with texts")?.unwrap_or_default();
    call.cost.at = value::<Timestamp>(&mut object, path, "at", "a time such as 2026-02-14T14:23:00Z")?;
    call.cost_usd = object.take("cost_usd").map(|text| usd(&text, path)).transpose()?;
    call.cost.source = call.cost_usd.map(|_| CostSource::Reported);
    let reported = VENDORS.into_iter().filter_map(|vendor| Some((vendor, object.take(vendor.0)?))).collect::<Vec<_>>();
    if let [(vendor, text)] = &reported[..] {
        if let Some((other, _)) = object.entries().next() {
            return Err(format!("{path}: expected either {0} or counts, found both {0} and {other}", vendor.0));
        }
        let (usage, model) = of_vendor(*vendor, text, path)?;
        set_usage(&mut call, usage, true, true);
        if call.model_name.is_empty() {
            call.model_name = model.unwrap_or_default();
        }
    } else if !reported.is_empty() {
        return Err(format!("{path}: expected one of anthropic, openai and gemini, found several"));
    } else {
        let mut usage = Usage::new(0, 0);
        let (mut has_input, mut has_output) = (false, false);
        for (key, text) in object.entries() {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            if !value.is_null() {
                let (meter, count) = counts::count(path, key, &value)?;
                has_input |= meter == Meter::Input;
                has_output |= meter == Meter::Output;
                usage = usage.with(meter, count);
            }
        }
        set_usage(&mut call, usage, has_input, has_output);
    }
    if call.model_name.trim().is_empty() {
        return Err(format!("{path}.model: expected the name of a model, found none"));
    }
    Ok(call)
}

/// Sets the counts of a call. If `has_input` is false, the number of input tokens is unknown. `has_output` says the
/// same about output tokens.
fn set_usage(call: &mut LlmCall, usage: Usage, has_input: bool, has_output: bool) {
    call.tokens_input = has_input.then_some(usage.input);
    call.tokens_output = has_output.then_some(usage.output);
    call.parts = usage.parts;
}

/// Returns the usage that a vendor reports, and the name of the model. The name is `None` if the response does not have
/// it.
fn of_vendor((key, read): (&str, ReadVendor), text: &str, path: &str) -> Result<(Usage, Option<String>), String> {
    let response: Value = serde_json::from_str(text).unwrap_or_default();
    match read(&response) {
        Ok(usage) => Ok((usage, vendor_model(&response).map(str::to_owned))),
        Err(error) => {
            let mut others = VENDORS.iter().filter(|(other, read)| *other != key && read(&response).is_ok());
            let advice = match (others.next(), others.next()) {
                (Some((right, _)), None) => format!("; use the key {right}"),
                _ => String::new(),
            };
            Err(format!("{path}.{key}: {}{advice}", error.details().join("; ")))
        }
    }
}

/// Removes a key, and returns its value. Returns `None` if the key is missing, or if its value is null. `expected` says
/// in an error what the value should be.
fn value<T: DeserializeOwned>(
    object: &mut Document,
    path: &str,
    key: &str,
    expected: &str,
) -> Result<Option<T>, String> {
    let Some(text) = object.take(key) else { return Ok(None) };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|_| format!("{path}.{key}: expected {expected}, found {text}"))
}

/// Reads an amount, which is a number or a string with at most 12 decimals.
fn usd(text: &str, path: &str) -> Result<Usd, String> {
    let digits = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    digits.parse().map_err(|error: runledger::Error| format!("{path}.cost_usd: {}", error.details().join("; ")))
}
