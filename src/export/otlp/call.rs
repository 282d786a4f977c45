//! The calls of models that a record has, as they are exported.

use crate::metrics::{CostSource, ExecutionMetrics, LlmCall, Timestamp, UsageParts, Usd};

/// A call of a model.
#[derive(Debug)]
pub(super) struct ExportedCall {
    /// The call's number in the record, counting from 1.
    pub(super) number: u64,
    pub(super) model: String,
    pub(super) provider: Option<String>,
    pub(super) tokens_input: Option<u64>,
    pub(super) tokens_output: Option<u64>,
    pub(super) parts: UsageParts,
    pub(super) cost: Option<Usd>,
    pub(super) cost_source: Option<&'static str>,
    /// The time of the call, or `None` if it is unknown.
    pub(super) at: Option<Timestamp>,
    /// True if the record has only this call.
    pub(super) is_only: bool,
    /// True if the tokens and the cost are lower bounds.
    pub(super) is_lower_bound: bool,
}

/// Returns the calls of a record. If the record lists no calls but has the usage or the cost of a known model, this is
/// one call. Calls of an unknown model without any count are not calls.
pub(super) fn calls(record: &ExecutionMetrics) -> Vec<ExportedCall> {
    if !record.called_model() || record.trace.llm_calls.is_empty() && record.model.name.is_none() {
        return Vec::new();
    }
    let calls = record.calls();
    let is_only = calls.len() == 1;
    let exported = |(at, call): (usize, LlmCall)| {
        // The only call of a record may leave its usage and its cost to the record.
        let is_whole = record.is_whole(&call);
        let cost = if is_whole { record.exact_cost() } else { call.cost_usd };
        let (tokens_input, tokens_output, parts) = if is_whole {
            (record.tokens_input, record.tokens_output, record.model.parts)
        } else {
            (call.tokens_input, call.tokens_output, call.parts)
        };
        let is_of_record = record.model.name.as_ref() == Some(&call.model_name);
        let of_record = || record.model.provider.clone().filter(|_| is_of_record);
        let is_lower_bound =
            record.lower_bound_calls().iter().any(|number| number.as_u64() == Some(call.call_sequence));
        ExportedCall {
            number: at as u64 + 1,
            provider: call.provider.clone().or_else(of_record),
            tokens_input,
            tokens_output,
            parts,
            cost,
            cost_source: source(call.cost.source.as_ref()),
            model: call.model_name,
            at: call.cost.at,
            is_only,
            is_lower_bound,
        }
    };
    calls.into_iter().enumerate().map(exported).collect()
}

/// Returns the name that OpenTelemetry proposes for the origin of a cost.
pub(super) fn source(source: Option<&CostSource>) -> Option<&'static str> {
    match CostSource::from(source?.as_str()) {
        CostSource::Reported => Some("provider"),
        CostSource::Computed => Some("local"),
        _ => None,
    }
}

/// Returns the floating-point number that is nearest to an amount.
pub(super) fn dollars(amount: Usd) -> Option<f64> {
    amount.to_string().parse().ok()
}
