//! Reads the most frequent form of the usage that Anthropic reports, without building a JSON value. A usage in this
//! form is called plain.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Meter, Usage};

/// A plain usage, which has no keys other than the fields of this struct.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a field that is never read only allows its key to be present")]
struct Plain<'a> {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_creation: Option<ByTime>,
    output_tokens_details: Option<OfOutput>,
    server_tool_use: Option<OfServer>,
    service_tier: Option<&'a str>,
    speed: Option<&'a str>,
    inference_geo: Option<&'a str>,
    iterations: Option<[IgnoredAny; 0]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByTime {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOutput {
    thinking_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a field that is never read only allows its key to be present")]
struct OfServer {
    web_search_requests: Option<u64>,
    web_fetch_requests: Option<u64>,
}

/// Returns the usage. Returns `None` if the usage has another key, lacks a count, or is not valid.
/// [`Usage::from_anthropic`] then reads the usage in full, and reports what is wrong.
pub(super) fn plain(json: &[u8]) -> Option<Usage> {
    // Where an object is expected, serde also accepts a list, and reads it as the values of the object's keys. In a
    // plain usage, all lists are empty. So a list that is not empty is refused.
    if json.windows(2).any(|pair| pair.starts_with(b"[") && pair != b"[]") {
        return None;
    }
    let of: Plain<'_> = serde_json::from_str(std::str::from_utf8(json).ok()?).ok()?;
    let (read, written) = (of.cache_read_input_tokens, of.cache_creation_input_tokens);
    let input = of.input_tokens.checked_add(read)?.checked_add(written)?;
    let by_time = of.cache_creation.as_ref();
    let in_5m = by_time.and_then(|by_time| by_time.ephemeral_5m_input_tokens);
    let in_an_hour = by_time.and_then(|by_time| by_time.ephemeral_1h_input_tokens);
    in_5m.unwrap_or(0).checked_add(in_an_hour.unwrap_or(0))?;
    let parts = [
        (Meter::CacheWrite1h, in_an_hour),
        (Meter::Reasoning, of.output_tokens_details.and_then(|of_output| of_output.thinking_tokens)),
        (Meter::WebSearches, of.server_tool_use.and_then(|of_server| of_server.web_search_requests)),
    ];
    let whole = Usage::new(input, of.output_tokens).cache_read(read).cache_write(written);
    let usage = parts.into_iter().fold(whole, |usage, (meter, count)| match count {
        Some(count) => usage.with(meter, count),
        None => usage,
    });
    usage.validate().ok()?;
    Some(usage)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Checks that [`plain`] returns the same result as the full reader, or `None`.
    #[test]
    fn both_readers_return_the_same_result() {
        let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}, "service_tier": "standard",
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}, "iterations": []});
        let values = [json!(null), json!(0), json!(7), json!(u64::MAX), json!(-1), json!(1.5), json!("x"), json!({})];
        let places: Vec<String> = usage.as_object().unwrap().iter().fold(Vec::new(), |mut places, (key, value)| {
            places.push(format!("/{key}"));
            places.extend(value.as_object().into_iter().flatten().map(|(inner, _)| format!("/{key}/{inner}")));
            places
        });
        let mut read = 0;
        for place in &places {
            for value in &values {
                let mut usage = usage.clone();
                *usage.pointer_mut(place).unwrap() = value.clone();
                if let Some(plain) = plain(usage.to_string().as_bytes()) {
                    assert_eq!(Usage::from_anthropic_value(&usage).unwrap(), plain, "{usage}");
                    read += 1;
                }
            }
            let mut usage = usage.clone();
            let (object, key) = place.rsplit_once('/').unwrap();
            usage.pointer_mut(object).and_then(Value::as_object_mut).unwrap().remove(key);
            if let Some(plain) = plain(usage.to_string().as_bytes()) {
                assert_eq!(Usage::from_anthropic_value(&usage).unwrap(), plain, "{usage}");
                read += 1;
            }
        }
        assert!(plain(usage.to_string().as_bytes()).is_some() && read > places.len(), "{read}");
    }

    #[test]
    fn a_usage_in_another_form_is_not_plain() {
        let counts = r#""input_tokens":1,"output_tokens":1,"cache_read_input_tokens":0"#;
        let written = r#""cache_creation_input_tokens":0"#;
        let lists = [r#""cache_creation":[1,2]"#, r#""output_tokens_details":[1]"#, r#""server_tool_use":[3,0]"#];
        let others = ["", written, r#""x":1"#, r#""iterations":[{}]"#, r#""usage":{}"#, r#""input_tokens":1"#];
        for rest in others.into_iter().chain(lists) {
            let refused = format!("{{{counts},{written},{rest}}}");
            assert_eq!(plain(refused.as_bytes()), None, "{refused}");
        }
        assert_eq!(plain(b"[1,2,3,4,null,null,null,null,null,null,null]"), None);
        assert!(plain(format!("{{{counts},{written}}}").as_bytes()).is_some());
    }
}
