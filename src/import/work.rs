//! The parts of a turn, which is a prompt and all work before the next prompt. The parts are calls of models and calls
//! of tools.

use std::collections::BTreeMap;

use crate::metrics::{CostProvenance, CostSource, LlmCall, Step, Timestamp, Usage, Usd};

/// The facts that all executions of a turn share.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// The format, such as `claude-code`. It is also the name of the agent.
    pub(super) source: &'static str,
    pub(super) session: String,
    /// The session that started this one, or from which it was forked.
    pub(super) parent_session: Option<String>,
    /// The version of the agent.
    pub(super) version: Option<String>,
    pub(super) tags: BTreeMap<&'static str, String>,
}

/// The worker that made a call or a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Worker {
    /// The session, or the sub-agent if the file is that of a sub-agent.
    Own,
    /// A skill, to which the vendor attributes the call.
    Skill(String),
    /// A sub-agent whose lines are in the file of its session.
    Agent(String),
}

/// A call of a model.
#[derive(Debug, Clone)]
pub(super) struct TurnCall {
    /// The vendor's id of the call. A copy of the call has the same id, unless a sub-agent repeats it under another
    /// request id.
    pub(super) name: String,
    pub(super) worker: Worker,
    /// The name of the model; empty if the agent did not write it.
    pub(super) model: String,
    pub(super) provider: Option<&'static str>,
    /// The usage of the call, or `None` if the agent did not write it.
    pub(super) usage: Option<Usage>,
    /// False if the agent did not write the final usage.
    pub(super) is_final: bool,
    pub(super) at: Timestamp,
    pub(super) variant: BTreeMap<&'static str, String>,
    pub(super) reported_usd: Option<Usd>,
    pub(super) output: String,
}

impl TurnCall {
    /// Returns the number of input and output tokens, or 0 if the usage is unknown.
    pub(super) fn total(&self) -> u64 {
        self.usage.map_or(0, |usage| usage.input.saturating_add(usage.output))
    }

    /// Merges another line of the same call. The larger usage counts, because the usage grows while the call runs.
    pub(super) fn merge(&mut self, later: Self) {
        self.is_final |= later.is_final;
        if !later.output.is_empty() {
            self.output = later.output.clone();
        }
        let says_more = later.variant.len() > self.variant.len();
        if later.total() > self.total() || self.usage.is_none() || (later.total() == self.total() && says_more) {
            let (is_final, output) = (self.is_final, std::mem::take(&mut self.output));
            *self = Self { is_final, output, worker: self.worker.clone(), ..later };
        }
    }
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct TurnStep {
    pub(super) id: String,
    pub(super) worker: Worker,
    pub(super) name: String,
    pub(super) start: Timestamp,
    /// The skill that the tool loads.
    pub(super) skill: Option<String>,
    /// The end, and whether the tool succeeded. `None` while the tool runs.
    pub(super) end: Option<(Timestamp, Option<bool>)>,
}

/// The way in which a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Success,
    Cancelled,
    Failed(String),
    /// The session ended while a tool was running, or before the model answered the result of a tool.
    Interrupted,
    /// The turn continues in another record.
    Continues,
}

pub(super) fn entry(number: u64, call: TurnCall, prompt: Option<String>, keeps_content: bool) -> LlmCall {
    let mut entry = LlmCall::new(number, call.model);
    entry.provider = call.provider.map(str::to_owned);
    if let Some(usage) = call.usage {
        (entry.tokens_input, entry.tokens_output) = (Some(usage.input), Some(usage.output));
        entry.parts = usage.parts;
    }
    entry.variant = call.variant.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    entry.cost = CostProvenance::default();
    entry.cost.at = Some(call.at);
    if let Some(usd) = call.reported_usd {
        entry.cost_usd = Some(usd);
        entry.cost.source = Some(CostSource::Reported);
    }
    if keeps_content {
        entry.prompt = prompt.filter(|prompt| !prompt.is_empty());
        entry.completion = Some(call.output).filter(|output| !output.is_empty());
    }
    entry
}

pub(super) fn step_of(step: TurnStep) -> Step {
    let mut of = Step::new(step.name, step.start);
    of.api_call = Some(step.id);
    if let Some((end, succeeded)) = step.end {
        of.duration_ms = end.ms_since(step.start);
        of.result = succeeded.map(|succeeded| if succeeded { "ok" } else { "error" }.to_owned());
    }
    of
}
