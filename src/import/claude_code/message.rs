//! A message: its blocks, and the calls of models that it reports.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::import::lenient::{Flag, Text};
use crate::import::work::{TurnCall, Worker};
use crate::metrics::{Timestamp, Usage, Usd};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::import) struct Message<'a> {
    #[serde(borrow)]
    pub(in crate::import) id: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) model: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) stop_reason: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(in crate::import) usage: Option<&'a RawValue>,
}

/// A block of an assistant's message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::import) struct AssistantBlock<'a> {
    #[serde(rename = "type", borrow)]
    pub(in crate::import) kind: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) text: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) id: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) name: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) input: Option<&'a RawValue>,
}

impl AssistantBlock<'_> {
    /// Returns the value of a key of the tool's input. Returns `None` if the value is not a text, or is blank.
    pub(in crate::import) fn input_text(&self, key: &str) -> Option<String> {
        let input: BTreeMap<String, Value> = serde_json::from_str(self.input?.get()).ok()?;
        input.get(key)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
    }
}

/// A block of a user's message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::import) struct UserBlock<'a> {
    #[serde(rename = "type", borrow)]
    pub(in crate::import) kind: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) text: Text<'a>,
    #[serde(borrow)]
    pub(in crate::import) tool_use_id: Text<'a>,
    pub(in crate::import) is_error: Flag,
}

impl<'a> Message<'a> {
    /// Returns the blocks of the message. A content that is only a text has no blocks.
    pub(in crate::import) fn blocks<B: Deserialize<'a>>(&self) -> Vec<B> {
        self.content.and_then(|content| serde_json::from_str(content.get()).ok()).unwrap_or_default()
    }

    /// Returns true if the message reports a usage. Claude Code inserts messages without one, for example to stop a
    /// task.
    pub(in crate::import) fn has_usage(&self) -> bool {
        let counts = self.usage.and_then(|usage| serde_json::from_str::<Counts<'_>>(usage.get()).ok());
        counts.is_some_and(|counts| counts.input_tokens.is_some() || counts.output_tokens.is_some())
    }

    /// Returns the number of tokens, or 0 if it is unknown.
    pub(in crate::import) fn tokens(&self) -> u64 {
        let usage = self.usage.and_then(|usage| Usage::from_anthropic(usage.get()).ok());
        usage.map_or(0, |usage| usage.input.saturating_add(usage.output))
    }

    /// Returns the content if it is only a text, and `None` otherwise.
    pub(in crate::import) fn text(&self) -> Option<Text<'a>> {
        let content = self.content.filter(|content| content.get().starts_with('"'))?;
        serde_json::from_str(content.get()).ok()
    }
}

/// The parts of a usage that are not counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Served<'a> {
    #[serde(borrow)]
    service_tier: Text<'a>,
    #[serde(borrow)]
    speed: Text<'a>,
    #[serde(borrow)]
    inference_geo: Text<'a>,
    #[serde(borrow)]
    iterations: Option<&'a RawValue>,
}

/// The counts that every usage has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts<'a> {
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Iteration<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
}

/// Returns the call of a message, and the calls of its advisors. Returns no calls if the message names no model, or
/// if Claude Code made the message itself.
pub(in crate::import) fn calls_of(
    message: &Message<'_>,
    name: &str,
    worker: &Worker,
    at: Timestamp,
    reported_usd: Option<Usd>,
) -> Vec<TurnCall> {
    let Some(model) = message.model.get().filter(|model| *model != "<synthetic>") else { return Vec::new() };
    let usage = message.usage.map(RawValue::get);
    let served: Served<'_> = usage.and_then(|usage| serde_json::from_str(usage).ok()).unwrap_or_default();
    let mut variant = BTreeMap::new();
    let mut add = |key, value: &Text<'_>| {
        if let Some(value) = value.get() {
            variant.insert(key, value.to_owned());
        }
    };
    add("service_tier", &served.service_tier);
    add("speed", &served.speed);
    if served.inference_geo.get().is_some_and(|geo| !matches!(geo, "global" | "not_available")) {
        add("inference_geo", &served.inference_geo);
    }
    let own = TurnCall {
        name: name.to_owned(),
        worker: worker.clone(),
        model: model.to_owned(),
        provider: None,
        usage: usage.and_then(|usage| Usage::from_anthropic(usage).ok()),
        is_final: message.stop_reason.get().is_some(),
        at,
        variant: variant.clone(),
        reported_usd: reported_usd.filter(|usd| *usd >= Usd::ZERO),
        output: String::new(),
    };
    let iterations: Vec<&RawValue> =
        served.iterations.and_then(|iterations| serde_json::from_str(iterations.get()).ok()).unwrap_or_default();
    let advisors = iterations.into_iter().zip(1..).filter_map(|(iteration, number)| {
        let of: Iteration<'_> = serde_json::from_str(iteration.get()).ok()?;
        (of.kind.get() == Some("advisor_message")).then(|| TurnCall {
            name: format!("{name}/advisor-{number}"),
            worker: worker.clone(),
            model: of.model.get().unwrap_or(model).to_owned(),
            provider: None,
            usage: Usage::from_anthropic(iteration.get()).ok(),
            is_final: true,
            at,
            variant: BTreeMap::new(),
            reported_usd: None,
            output: String::new(),
        })
    });
    let advisors: Vec<_> = advisors.collect();
    [own].into_iter().chain(advisors).collect()
}
