//! The lines of a rollout.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::import::lenient::Text;
use crate::metrics::{Meter, Usage};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) payload: Option<Payload<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) forked_from_id: Text<'a>,
    #[serde(borrow)]
    pub(super) cwd: Text<'a>,
    #[serde(borrow)]
    pub(super) cli_version: Text<'a>,
    #[serde(borrow)]
    pub(super) source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) git: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    pub(super) success: Option<bool>,
    pub(super) exit_code: Option<i64>,
    #[serde(borrow)]
    pub(super) info: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) rate_limits: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) thread_settings: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response_id: Text<'a>,
    #[serde(borrow)]
    pub(super) compaction_response_id: Text<'a>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Git<'a> {
    #[serde(borrow)]
    pub(super) branch: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Settings<'a> {
    #[serde(borrow)]
    pub(super) service_tier: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Info {
    pub(super) total_token_usage: Option<Tokens>,
    pub(super) last_token_usage: Option<Tokens>,
}

/// A usage as Codex writes it.
#[derive(Serialize, Deserialize, Default, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[serde(default)]
pub(super) struct Tokens {
    pub(super) input_tokens: Option<u64>,
    pub(super) cached_input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) reasoning_output_tokens: Option<u64>,
    pub(super) total_tokens: Option<u64>,
}

impl Tokens {
    /// Returns the tokens that were added since the total was `earlier`. If `self` is smaller than `earlier`, the count
    /// has begun again at 0, so all of `self` is new.
    pub(super) fn since(self, earlier: Self) -> Self {
        if self.total() < earlier.total() {
            return self;
        }
        let minus = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before.unwrap_or(0)));
        Self {
            input_tokens: minus(self.input_tokens, earlier.input_tokens),
            cached_input_tokens: minus(self.cached_input_tokens, earlier.cached_input_tokens),
            output_tokens: minus(self.output_tokens, earlier.output_tokens),
            reasoning_output_tokens: minus(self.reasoning_output_tokens, earlier.reasoning_output_tokens),
            total_tokens: minus(self.total_tokens, earlier.total_tokens),
        }
    }

    pub(super) fn total(self) -> u64 {
        let sum = || self.input_tokens.unwrap_or(0).saturating_add(self.output_tokens.unwrap_or(0));
        self.total_tokens.unwrap_or_else(sum)
    }

    /// Returns the usage. Returns `None` if the number of input or output tokens is unknown, or if a part exceeds its
    /// whole.
    pub(super) fn usage(self) -> Option<Usage> {
        let input = self.input_tokens?;
        let output = self.output_tokens.or_else(|| self.total_tokens?.checked_sub(input))?;
        let mut usage = Usage::new(input, output);
        for (meter, count) in
            [(Meter::CacheRead, self.cached_input_tokens), (Meter::Reasoning, self.reasoning_output_tokens)]
        {
            usage = count.map_or(usage, |count| usage.with(meter, count));
        }
        usage.validate().is_ok().then_some(usage)
    }
}
