//! The usage and cost of one execution by model.

use std::collections::HashSet;

use serde_json::Value;

use crate::metrics::{CostProvenance, ExecutionMetrics, Kind, LlmCall, UsageParts, Usd};

/// The usage and cost of one execution for one model. A value of `None` is unknown. If the value of one call is
/// unknown, the sum over all calls is unknown too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'r> {
    /// The model; `None` if it is unknown, or if this part is the sum of several models.
    pub(super) model: Option<&'r str>,
    /// All input tokens, including cached ones.
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    /// Input and output tokens.
    pub(super) total: Option<u64>,
    pub(super) cached: Cached,
    pub(super) cost: Option<Usd>,
    /// The part of `cost` that was computed at the standard price. This happens if the variant, the region or the
    /// kind of tokens has no price of its own. `None` if no part of the cost was computed in this way.
    pub(super) at_standard: Option<Usd>,
    /// True if the output and the cost are lower bounds, because the final usage of a call is unknown.
    pub(super) is_lower_bound: bool,
}

/// The input tokens that were cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cached {
    pub(super) read: Option<u64>,
    pub(super) write: Option<u64>,
}

impl Cached {
    fn of(parts: &UsageParts) -> Self {
        Self { read: parts.cache_read, write: parts.cache_write }
    }

    /// Returns the input tokens that are not reported as cached. Returns `None` if the input is unknown, or if more
    /// tokens are cached than the input has.
    pub(super) fn out_of(self, input: Option<u64>) -> Option<u64> {
        input?.checked_sub(self.read.unwrap_or(0))?.checked_sub(self.write.unwrap_or(0))
    }
}

/// The usage and cost of one execution, divided by model.
#[derive(Debug)]
pub(super) struct Parts<'r> {
    /// One [`Part`] for each model. There is at least one part.
    pub(super) models: Vec<Part<'r>>,
    /// The cached tokens of all models together. `None` if they are not reported, or if one of `models` reports its own
    /// cached tokens.
    pub(super) cached: Option<Cached>,
}

impl<'r> Parts<'r> {
    /// Returns the parts of an execution. Returns `None` if the execution [has no cost](ExecutionMetrics::has_cost).
    pub(super) fn of(record: &'r ExecutionMetrics) -> Option<Self> {
        let by_model = by_model(&record.trace.llm_calls, record.lower_bound_calls());
        if by_model.is_empty() && !record.has_cost() {
            return None;
        }
        // A routing decision names the model that it chose. It may have used another model, or none.
        let named = record.model.name.as_deref().filter(|_| record.kind != Kind::ModelRouting);
        let models = match by_model.as_slice() {
            [_, _, ..] if adds_up(&by_model, record) => by_model,
            // The calls do not add up to the record, so it is unknown how much each model used.
            [_, _, ..] => vec![whole(None, None, record)],
            [one] => vec![whole(named.or(one.model), one.cost, record)],
            [] => vec![whole(named, None, record)],
        };
        let (reported, nothing) = (Cached::of(&record.model.parts), Cached::default());
        let only_of_all = reported != nothing && models.iter().all(|part| part.cached == nothing);
        Some(Self { models, cached: only_of_all.then_some(reported) })
    }
}

/// Returns the whole execution as one [`Part`]. `calls` is the sum of the costs of its calls; `None` if this sum is
/// unknown.
fn whole<'r>(model: Option<&'r str>, calls: Option<Usd>, record: &ExecutionMetrics) -> Part<'r> {
    let ExecutionMetrics { tokens_input: input, tokens_output: output, .. } = *record;
    let total = record.tokens_used.or_else(|| sum(input, output));
    let cached = Cached::of(&record.model.parts);
    let (cost, at_standard) = cost_of_whole(calls, record);
    Part { model, input, output, total, cached, cost, at_standard, is_lower_bound: record.is_lower_bound() }
}

/// Returns the cost of the execution, and the part of this cost that was computed at the standard price. If the cost
/// in the record is the rounded sum of the costs of its calls, returns the exact sum `calls`. In all other cases,
/// returns the cost in the record.
fn cost_of_whole(calls: Option<Usd>, record: &ExecutionMetrics) -> (Option<Usd>, Option<Usd>) {
    let calls = calls.filter(|sum| record.cost_usd == Some(sum.round_to_record()));
    let cost = calls.or(record.exact_cost());
    // The cost can be another total, such as a vendor's bill, which does not consist of the costs of the calls.
    let of_calls = || record.trace.llm_calls.iter().filter_map(of_call_at_standard).fold(None, known_sum);
    let at_standard = calls.and_then(|_| of_calls()).or_else(|| cost.filter(|_| is_at_standard(&record.cost)));
    (cost, at_standard)
}

fn of_call_at_standard(call: &LlmCall) -> Option<Usd> {
    call.exact_cost().filter(|_| is_at_standard(&call.cost))
}

fn is_at_standard(cost: &CostProvenance) -> bool {
    [&cost.variant_unpriced, &cost.region_unpriced, &cost.part_unpriced].into_iter().any(Option::is_some)
}

/// Returns the sum of the known amounts. If the sum is out of range, returns the first amount.
fn known_sum(one: Option<Usd>, other: Usd) -> Option<Usd> {
    Some(one.map_or(other, |one| one.checked_add(other).unwrap_or(one)))
}

/// Returns the parts of the calls. `lower` has the numbers of the calls whose final usage is unknown.
fn by_model<'r>(calls: &'r [LlmCall], lower: &[Value]) -> Vec<Part<'r>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let lower: HashSet<u64> = lower.iter().filter_map(Value::as_u64).collect();
    for call in calls {
        let LlmCall { tokens_input: input, tokens_output: output, .. } = *call;
        let cost = call.exact_cost();
        let (total, cached) = (sum(input, output), Cached::of(&call.parts));
        let at_standard = of_call_at_standard(call);
        let is_lower_bound = lower.contains(&call.call_sequence);
        let model = Some(call.model_name.as_str()).filter(|name| !name.is_empty());
        let part = Part { model, input, output, total, cached, cost, at_standard, is_lower_bound };
        match parts.iter_mut().find(|same| same.model == part.model) {
            Some(same) => *same = together(*same, part),
            None => parts.push(part),
        }
    }
    parts
}

fn together<'r>(one: Part<'r>, other: Part<'r>) -> Part<'r> {
    Part {
        model: one.model,
        input: sum(one.input, other.input),
        output: sum(one.output, other.output),
        total: sum(one.total, other.total),
        cached: Cached {
            read: sum(one.cached.read, other.cached.read),
            write: sum(one.cached.write, other.cached.write),
        },
        cost: one.cost.zip(other.cost).and_then(|(one, other)| one.checked_add(other)),
        at_standard: other.at_standard.map_or(one.at_standard, |other| known_sum(one.at_standard, other)),
        is_lower_bound: one.is_lower_bound || other.is_lower_bound,
    }
}

/// Returns true if `parts` add up to the totals of the record. They do not add up, for example, if a vendor billed
/// the whole execution and the costs of its calls are unknown.
fn adds_up(parts: &[Part<'_>], record: &ExecutionMetrics) -> bool {
    fn same<T: PartialEq>(reported: Option<T>, summed: Option<T>) -> bool {
        reported.is_none() || reported == summed
    }
    // If one call does not report its cached tokens, the sum of all calls is unknown. The record can still have the
    // cached tokens of the other calls, so an unknown sum is accepted.
    fn not_other(reported: Option<u64>, summed: Option<u64>) -> bool {
        reported.zip(summed).is_none_or(|(reported, summed)| reported == summed)
    }
    let cached = Cached::of(&record.model.parts);
    parts.iter().copied().reduce(together).is_some_and(|summed| {
        same(record.tokens_input, summed.input)
            && same(record.tokens_output, summed.output)
            && same(record.tokens_used, summed.total)
            && (same(record.cost_usd, summed.cost) || same(record.cost_usd, summed.cost.map(Usd::round_to_record)))
            && not_other(cached.read, summed.cached.read)
            && not_other(cached.write, summed.cached.write)
    })
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one?.checked_add(other?)
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Timestamp, Usage};
    use uuid::Uuid;

    use super::*;

    fn record() -> ExecutionMetrics {
        ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH)
    }

    fn call(model: &str, tokens: u64, pico: Option<i128>) -> LlmCall {
        let mut call = LlmCall::new(1, model);
        call.tokens_input = Some(tokens);
        call.tokens_output = Some(1);
        call.cost_usd = pico.map(Usd::from_pico);
        call
    }

    /// Returns each part as `model input+output=total pico-dollars`, with `-` for unknown.
    fn shown(record: &ExecutionMetrics) -> Vec<String> {
        let or_unknown = |value: Option<i128>| value.map_or("-".to_owned(), |value| value.to_string());
        let text = |part: &Part<'_>| {
            let Part { model, input, output, total, cost, .. } = *part;
            let [input, output, total] = [input, output, total].map(|count| or_unknown(count.map(i128::from)));
            format!("{} {input}+{output}={total} {}", model.unwrap_or("-"), or_unknown(cost.map(Usd::pico)))
        };
        Parts::of(record).map_or(Vec::new(), |parts| parts.models.iter().map(text).collect())
    }

    #[test]
    fn an_execution_that_used_no_model_has_no_part() {
        assert!(shown(&record()).is_empty());
        let mut free = record();
        free.cost_usd = Some(Usd::ZERO);
        assert_eq!(shown(&free), ["- -+-=- 0"]);
        let mut cut_off = record();
        cut_off.model.name = Some("gpt-4".to_owned());
        assert_eq!(shown(&cut_off), ["gpt-4 -+-=- -"]);
    }

    #[test]
    fn a_router_does_not_use_the_model_that_it_chose() {
        let mut routing = record();
        routing.kind = Kind::ModelRouting;
        routing.model.name = Some("gpt-4".to_owned());
        assert!(shown(&routing).is_empty());
        routing.cost_usd = Some(Usd::ZERO);
        assert_eq!(shown(&routing), ["- -+-=- 0"]);
        routing.trace.llm_calls = vec![call("a", 3, None)];
        assert_eq!(shown(&routing), ["a -+-=- 0"]);
    }

    #[test]
    fn the_only_model_has_the_usage_of_the_record() {
        let mut one = record();
        one.set_usage("a", &Usage::new(30, 12));
        one.cost_usd = Some(Usd::from_pico(7));
        assert_eq!(shown(&one), ["a 30+12=42 7"]);
        one.trace.llm_calls = vec![call("b", 30, None), call("b", 12, None)];
        assert_eq!(shown(&one), ["a 30+12=42 7"]);
        one.model.name = None;
        one.tokens_used = None;
        assert_eq!(shown(&one), ["b 30+12=42 7"]);
    }

    #[test]
    fn several_models_are_separate_only_if_their_calls_add_up_to_the_record() {
        let mut several = record();
        several.set_usage("b", &Usage::new(42, 3));
        several.trace.llm_calls = vec![call("a", 30, Some(5)), call("b", 10, Some(1)), call("b", 2, Some(1))];
        several.cost_usd = Some(Usd::from_pico(7));
        assert_eq!(shown(&several), ["a 30+1=31 5", "b 12+2=14 2"]);
        for call in &mut several.trace.llm_calls {
            call.parts.cache_read = Some(2);
            call.parts.cache_write = Some(1);
        }
        let changes: [fn(&mut ExecutionMetrics); 7] = [
            |record| record.model.parts.cache_read = Some(5),
            |record| record.model.parts.cache_write = Some(2),
            |record| record.cost_usd = Some(Usd::from_pico(8)),
            |record| record.tokens_used = Some(44),
            |record| record.tokens_input = Some(41),
            |record| record.tokens_output = Some(4),
            |record| record.trace.llm_calls[0].cost_usd = None,
        ];
        for change in changes {
            let mut other = several.clone();
            change(&mut other);
            let shown = shown(&other);
            assert!(shown.len() == 1 && shown[0].starts_with("- "), "{shown:?}");
        }
        several.trace.llm_calls[1].cost_usd = None;
        several.tokens_input = None;
        several.tokens_output = None;
        several.tokens_used = None;
        several.cost_usd = None;
        assert_eq!(shown(&several), ["a 30+1=31 5", "b 12+2=14 -"]);
    }
}
