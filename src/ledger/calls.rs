//! Adds model calls to a record.

use crate::cost::{Cost, common, dearer};
use crate::metrics::{Call, CostProvenance, CostSource, CostTier, ExecutionMetrics, LlmCall, Usage, UsageParts, Usd};

/// A sum of amounts, each of which may be unknown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sum {
    /// The sum of no amounts.
    Nothing,
    Known(Usd),
    /// An amount is unknown, or the sum is out of range.
    Unknown,
}

impl Sum {
    /// Adds an amount, and returns the new sum, or `None` if the new sum is unknown.
    pub(super) fn add(&mut self, amount: Option<Usd>) -> Option<Usd> {
        let sum = match (*self, amount) {
            (Self::Nothing, amount) => amount,
            (Self::Known(sum), Some(amount)) => sum.checked_add(amount),
            _ => None,
        };
        *self = sum.map_or(Self::Unknown, Self::Known);
        sum
    }
}

/// Adds `call` to the record. Adds the cost of the call to `cost`, which is the sum over all calls of the record.
/// Returns the cost of the call, or `None` if that cost is unknown. If the call is invalid, only its model name,
/// provider and variant are recorded.
pub(super) fn add(
    record: &mut ExecutionMetrics,
    cost: &mut Sum,
    call: &Call,
    is_valid: bool,
    priced: Option<Cost<'_>>,
) -> Option<Usd> {
    let valid = Some(call).filter(|_| is_valid);
    let entry = entry(record.trace.llm_calls.len() as u64 + 1, call, valid, priced.as_ref());
    add_usage(record, &entry, valid);
    record.set_server(&entry, priced.as_ref().and_then(Cost::served_by));
    let tier = priced.map_or(CostTier::Unknown, |cost| cost.tier);
    add_cost(record, cost.add(entry.cost_usd), &entry, tier);
    let cost = entry.cost_usd;
    record.trace.llm_calls.push(entry);
    cost
}

/// Returns the entry of `call` in a record. `number` is the position of the call among the calls of the record,
/// counting from 1.
fn entry(number: u64, call: &Call, valid: Option<&Call>, priced: Option<&Cost<'_>>) -> LlmCall {
    let mut entry = LlmCall::new(number, &call.model);
    entry.provider.clone_from(&call.provider);
    entry.variant.clone_from(&call.variant);
    if let Some(Call { usage, .. }) = valid {
        entry.tokens_input = Some(usage.input);
        entry.tokens_output = Some(usage.output);
        entry.parts = usage.parts;
    }
    (entry.cost_usd, entry.cost) = match (valid.and_then(|call| call.reported_usd), priced) {
        (Some(reported), _) => (Some(reported), sourced(CostSource::Reported)),
        (None, Some(cost)) => (Some(cost.usd), cost.provenance()),
        (None, None) => (None, sourced(CostSource::Unknown)),
    };
    entry
}

/// Adds the usage of `call`, which the record does not list yet, to the usage of the record. If the call is not valid,
/// `valid` is `None`, and the usage of the record becomes unknown.
fn add_usage(record: &mut ExecutionMetrics, call: &LlmCall, valid: Option<&Call>) {
    let earlier = if call.call_sequence == 1 { Some(Usage::new(0, 0)) } else { record.usage() };
    match earlier.zip(valid) {
        Some((earlier, call)) => record.set_usage(&call.model, &earlier.saturating_add(&call.usage)),
        None => {
            record.tokens_used = None;
            record.tokens_input = None;
            record.tokens_output = None;
            record.model.name = Some(call.model_name.clone());
            record.model.parts = UsageParts::default();
        }
    }
}

fn sourced(source: CostSource) -> CostProvenance {
    CostProvenance { source: Some(source), ..CostProvenance::default() }
}

/// Sets the record's cost to `sum`. `sum` includes the cost of `call`, which the record does not list yet.
fn add_cost(record: &mut ExecutionMetrics, sum: Option<Usd>, call: &LlmCall, tier: CostTier) {
    let estimated_usd = record.cost.estimated_usd;
    record.cost_usd = sum.map(Usd::round_to_record);
    if record.cost_usd.is_none() {
        record.cost_tier = Some(CostTier::Unknown);
        record.cost = sourced(CostSource::Unknown);
    } else if record.trace.llm_calls.is_empty() {
        record.cost_tier = Some(tier);
        record.cost = call.cost.clone();
    } else {
        record.cost_tier = record.cost_tier.take().into_iter().chain([tier]).reduce(dearer);
        record.cost = common(&record.cost, &call.cost);
    }
    record.cost.estimated_usd = estimated_usd;
}
