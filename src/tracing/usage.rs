//! Reads the usage of a call from the attributes of its span.

use serde_json::Value;

use super::attributes::Attributes;
use super::role::Model;
use crate::genai::Attribute;
use crate::metrics::Usage;

/// Returns the usage of a call, or `None` if its input or output is unknown. Embeddings have no output, so the output
/// is 0 if their span does not state it.
pub(super) fn usage(model: Model, attributes: &Attributes) -> Option<Usage> {
    let count = |attribute| attributes.count(attribute);
    let no_output = || (model == Model::Embed).then_some(0);
    let tokens = count(Attribute::InputTokens).zip(count(Attribute::OutputTokens).or_else(no_output));
    let Some((input, output)) = tokens else {
        return attributes.text(Attribute::UsageJson).and_then(of_json);
    };
    let (read, write) = (count(Attribute::CacheRead), count(Attribute::CacheWrite));
    let reasoning = count(Attribute::Reasoning);
    let cached = read.unwrap_or(0).saturating_add(write.unwrap_or(0));
    let mut usage = Usage::new(with_parts(input, cached), with_parts(output, reasoning.unwrap_or(0)));
    (usage.parts.cache_read, usage.parts.cache_write, usage.parts.reasoning) = (read, write, reasoning);
    Some(usage)
}

/// Returns the number of tokens including the parts, such as cached tokens. If the whole is smaller than its parts, it
/// does not include the parts, so the parts are added.
fn with_parts(whole: u64, parts: u64) -> u64 {
    if parts > whole { whole.saturating_add(parts) } else { whole }
}

/// Reads the usage that Langfuse's attributes hold: its own keys `input` and `output`, or the keys of OpenAI.
fn of_json(text: &str) -> Option<Usage> {
    let json: Value = serde_json::from_str(text).ok()?;
    match (json.get("input").and_then(Value::as_u64), json.get("output").and_then(Value::as_u64)) {
        (Some(input), Some(output)) => Some(Usage::new(input, output)),
        _ => Usage::from_openai_value(&json).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: Model, pairs: &[(Attribute, &str)]) -> Option<Usage> {
        let mut attributes = Attributes::default();
        pairs.iter().for_each(|&(attribute, text)| attributes.set_text(attribute, text.to_owned()));
        usage(model, &attributes)
    }

    #[test]
    fn a_whole_includes_its_parts_and_an_unknown_count_is_not_zero() {
        use Attribute::*;
        let complete = |pairs| of(Model::Complete, pairs);
        assert_eq!(
            complete(&[
                (InputTokens, "100"),
                (OutputTokens, "9"),
                (CacheRead, "60"),
                (CacheWrite, "40"),
                (Reasoning, "9")
            ]),
            Some(Usage::new(100, 9).cache_read(60).cache_write(40).reasoning(9))
        );
        // The writer counted the cached tokens and the reasoning separately.
        assert_eq!(
            complete(&[(InputTokens, "10"), (OutputTokens, "2"), (CacheRead, "60"), (Reasoning, "3")]),
            Some(Usage::new(70, 5).cache_read(60).reasoning(3))
        );
        assert_eq!(complete(&[(InputTokens, "10")]), None);
        assert_eq!(complete(&[(OutputTokens, "10")]), None);
        assert_eq!(complete(&[(InputTokens, "-1"), (OutputTokens, "1")]), None);
        assert_eq!(of(Model::Embed, &[(InputTokens, "10")]), Some(Usage::new(10, 0)));
        assert_eq!(of(Model::Other, &[(InputTokens, "10")]), None);
    }

    #[test]
    fn usage_as_json_is_read_in_two_forms() {
        let json = |text| of(Model::Complete, &[(Attribute::UsageJson, text)]);
        assert_eq!(json(r#"{"input": 10, "output": 3, "total": 13}"#), Some(Usage::new(10, 3)));
        assert_eq!(json(r#"{"prompt_tokens": 10, "completion_tokens": 3}"#), Some(Usage::new(10, 3)));
        assert_eq!(json("{}"), None);
        assert_eq!(json("thirteen"), None);
    }
}
