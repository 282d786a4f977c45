//! Reads the counts of a usage from JSON. Each key belongs to a meter, which is a kind of usage such as input tokens.

use runledger::metrics::Meter;
use serde_json::Value;

/// Returns the meter of `key` and the count in `value`, which must not be null. Errors begin with `path`, the path of
/// the object that contains the key.
pub(crate) fn count(path: &str, key: &str, value: &Value) -> Result<(Meter, u64), String> {
    let Some((meter, in_seconds)) = meter(key) else {
        return Err(format!("{path}: expected one of {}, found {key:?}", keys().join(", ")));
    };
    let count = if in_seconds { value.as_f64().and_then(milliseconds) } else { value.as_u64() };
    let expected = if in_seconds { "a number of seconds" } else { "a whole number" };
    Ok((meter, count.ok_or_else(|| format!("{path}.{key}: expected {expected}, found {value}"))?))
}

/// Returns the meter of a key, or `None` if the key is unknown. The boolean is true if the value of the key must be
/// converted, because it is in seconds and the meter counts milliseconds.
fn meter(key: &str) -> Option<(Meter, bool)> {
    let seconds = key.strip_suffix("_seconds").map(|name| format!("{name}_ms"));
    let name = seconds.as_deref().unwrap_or(key);
    let meter = Meter::ALL.into_iter().find(|meter| meter.usage_key() == name)?;
    (seconds.is_some() == name.ends_with("_ms")).then_some((meter, seconds.is_some()))
}

/// Returns every key that a usage can have.
fn keys() -> Vec<String> {
    Meter::ALL.into_iter().map(|meter| meter.usage_key().replace("_ms", "_seconds")).collect()
}

/// Returns the nearest whole number of milliseconds. Returns `None` if this number is negative or does not fit in a
/// `u64`.
fn milliseconds(seconds: f64) -> Option<u64> {
    let milliseconds = (seconds * 1000.0).round();
    (0.0..u64::MAX as f64).contains(&milliseconds).then_some(milliseconds as u64)
}
