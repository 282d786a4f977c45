//! What one execution took of each model that it used.

use runledger::metrics::{LlmCall, Model};
use runledger::{ExecutionMetrics, Usd};

/// What one execution took of one model. `None` is unknown: if it is of one call, it is of all of them together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'r> {
    pub(crate) model: Option<&'r str>,
    pub(crate) calls: u64,
    pub(crate) tokens: Option<u64>,
    pub(crate) cost: Option<Usd>,
}

/// The parts of an execution; none if it used no model.
pub(crate) fn parts(record: &ExecutionMetrics) -> Vec<Part<'_>> {
    let by_model = by_model(&record.trace.llm_calls);
    let several = by_model.len() > 1;
    if several && adds_up(&by_model, record) {
        return by_model;
    }
    if by_model.is_empty() && !used_model(record) {
        return Vec::new();
    }
    let model = match several {
        // Which model took how much of the whole is not told.
        true => None,
        false => record.model.name.as_deref().or(by_model.first().and_then(|part| part.model)),
    };
    let calls = by_model.iter().map(|part| part.calls).sum::<u64>().max(1);
    vec![Part { model, calls, tokens: tokens(record), cost: record.cost_usd }]
}

fn by_model(calls: &[LlmCall]) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for call in calls {
        let part = Part {
            model: Some(&call.model_name),
            calls: 1,
            tokens: sum(call.tokens_input, call.tokens_output),
            cost: call.cost_usd,
        };
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
        calls: one.calls + other.calls,
        tokens: sum(one.tokens, other.tokens),
        cost: one.cost.zip(other.cost).and_then(|(one, other)| one.checked_add(other)),
    }
}

/// Whether the parts say what the record says, as far as that is known: a vendor's bill may be for the whole.
fn adds_up(parts: &[Part<'_>], record: &ExecutionMetrics) -> bool {
    let whole = parts.iter().copied().reduce(together);
    let (tokens_used, cost_usd) = (tokens(record), record.cost_usd);
    whole.is_some_and(|whole| {
        (tokens_used.is_none() || tokens_used == whole.tokens) && (cost_usd.is_none() || cost_usd == whole.cost)
    })
}

fn used_model(record: &ExecutionMetrics) -> bool {
    let counts = [record.tokens_used, record.tokens_input, record.tokens_output];
    counts.iter().any(Option::is_some)
        || record.cost_usd.is_some()
        || record.cost_tier.is_some()
        || record.model != Model::default()
}

fn tokens(record: &ExecutionMetrics) -> Option<u64> {
    record.tokens_used.or_else(|| sum(record.tokens_input, record.tokens_output))
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one?.checked_add(other?)
}

#[cfg(test)]
mod tests {
    use runledger::{Timestamp, Usage, Uuid};

    use super::*;

    fn record() -> ExecutionMetrics {
        ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH)
    }

    fn call(model: &str, tokens: u64, pico: Option<i128>) -> LlmCall {
        let mut call = LlmCall::new(1, model);
        (call.tokens_input, call.tokens_output) = (Some(tokens), Some(0));
        call.cost_usd = pico.map(Usd::from_pico);
        call
    }

    /// Each part as `model calls tokens pico-dollars`, `-` for unknown.
    fn told(record: &ExecutionMetrics) -> Vec<String> {
        let text = |part: &Part<'_>| {
            let Part { model, calls, tokens, cost } = *part;
            let or_unknown = |value: Option<i128>| value.map_or("-".to_owned(), |value| value.to_string());
            let (tokens, cost) = (or_unknown(tokens.map(i128::from)), or_unknown(cost.map(Usd::pico)));
            format!("{} {calls} {tokens} {cost}", model.unwrap_or("-"))
        };
        parts(record).iter().map(text).collect()
    }

    #[test]
    fn without_a_trace_of_a_model_there_is_no_part() {
        assert!(parts(&record()).is_empty());
        let mut free = record();
        free.cost_usd = Some(Usd::ZERO);
        assert_eq!(told(&free), ["- 1 - 0"]);
        let mut cut_off = record();
        cut_off.model.name = Some("gpt-4".to_owned());
        assert_eq!(told(&cut_off), ["gpt-4 1 - -"]);
    }

    #[test]
    fn one_model_takes_the_whole_with_all_its_calls() {
        let mut one = record();
        one.set_usage("a", &Usage::new(30, 12));
        one.cost_usd = Some(Usd::from_pico(7));
        assert_eq!(told(&one), ["a 1 42 7"]);
        one.trace.llm_calls = vec![call("a", 30, None), call("a", 12, None)];
        assert_eq!(told(&one), ["a 2 42 7"]);
    }

    #[test]
    fn several_models_take_what_their_calls_say_if_that_is_the_whole() {
        let mut several = record();
        several.set_usage("b", &Usage::new(42, 0));
        several.trace.llm_calls = vec![call("a", 30, Some(5)), call("b", 10, Some(1)), call("b", 2, Some(1))];
        several.cost_usd = Some(Usd::from_pico(7));
        assert_eq!(told(&several), ["a 1 30 5", "b 2 12 2"]);
        several.cost_usd = Some(Usd::from_pico(8));
        assert_eq!(told(&several), ["- 3 42 8"]);
        several.cost_usd = None;
        several.trace.llm_calls[1].cost_usd = None;
        assert_eq!(told(&several), ["a 1 30 5", "b 2 12 -"]);
    }
}
