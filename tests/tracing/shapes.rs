//! Promise: an operation becomes the same execution or call, whichever convention its span follows, old or new.

use std::time::Duration;

use runledger::metrics::Status;
use runledger::{Usage, Usd, hash_bytes};
use tracing::field::{Empty, debug};
use tracing::{Span, info_span};

use crate::support::{Place, traced};

fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

/// Opens and closes a chat span of OpenTelemetry with a thousand input tokens and half as many output tokens.
fn chat() {
    drop(info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = "gpt-4",
        gen_ai.usage.input_tokens = 1_000,
        gen_ai.usage.output_tokens = 500,
    ));
}

#[test]
fn a_call_without_an_execution_is_an_execution() {
    let place = Place::new();
    traced(&place.layer(), chat);
    let record = place.record("chat");
    assert_eq!(record.usage(), Some(Usage::new(1_000, 500)));
    assert_eq!((record.model.name.as_deref(), record.cost_usd), (Some("gpt-4"), usd("0.06")));
    assert_eq!(record.trace.llm_calls.len(), 1);
    assert_eq!(record.tags["gen_ai.operation.name"], "chat");
}

#[test]
fn a_call_is_listed_by_the_nearest_execution_through_any_spans() {
    let place = Place::new();
    traced(&place.layer(), || {
        let agent = info_span!("a", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
        let _agent = agent.enter();
        let _plan = info_span!("p", gen_ai.operation.name = "plan").entered();
        let _http = info_span!("http").entered();
        chat();
        let tool = info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "search");
        tool.in_scope(|| {
            let _http = info_span!("http").entered();
            chat();
            chat();
        });
    });
    let (agent, tool) = (place.record("coder"), place.record("search"));
    assert_eq!(place.records().len(), 2);
    assert_eq!((agent.trace.llm_calls.len(), agent.cost_usd), (1, usd("0.06")));
    assert_eq!((tool.trace.llm_calls.len(), tool.cost_usd), (2, usd("0.12")));
    assert_eq!(tool.run.parent_execution_id, Some(agent.execution_id));
    assert_eq!(tool.skill_path_in_dag.as_deref(), Some("coder -> search"));
    assert_eq!(tool.run.agent_name.as_deref(), Some("coder"));
}

#[test]
fn the_usage_of_an_agent_is_not_counted_again() {
    let place = Place::new();
    traced(&place.layer(), || {
        let agent = info_span!(
            "a",
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = "coder",
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
        );
        agent.in_scope(chat);
        agent.record("gen_ai.usage.input_tokens", 1_000);
        agent.record("gen_ai.usage.output_tokens", 500);
    });
    assert_eq!(place.record("coder").usage(), Some(Usage::new(1_000, 500)));
}

#[test]
fn a_name_that_is_recorded_later_names_the_execution_its_mark_and_its_children() {
    let place = Place::new();
    traced(&place.layer(), || {
        let tool = info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = Empty);
        tool.record("gen_ai.tool.name", "add");
        let in_flight = place.ledger.reader().in_flight().unwrap().executions;
        let names: Vec<_> = in_flight.iter().map(|execution| execution.record.skill_name.as_str()).collect();
        assert_eq!(names, ["add"]);
        tool.in_scope(|| drop(info_span!("x", runledger.skill = "inner")));
    });
    assert_eq!(place.record("add").skill_path_in_dag.as_deref(), Some("add"));
    assert_eq!(place.record("inner").skill_path_in_dag.as_deref(), Some("add -> inner"));
}

#[test]
fn an_operation_that_is_recorded_later_makes_the_span_an_execution() {
    let place = Place::new();
    traced(&place.layer(), || {
        let span = info_span!("x", gen_ai.operation.name = Empty, gen_ai.tool.name = "add");
        assert_eq!(place.ledger.reader().in_flight().unwrap().executions.len(), 0);
        std::thread::sleep(Duration::from_millis(20));
        span.record("gen_ai.operation.name", "execute_tool");
        assert_eq!(place.ledger.reader().in_flight().unwrap().executions.len(), 1);
        drop(info_span!("never", gen_ai.operation.name = Empty));
    });
    assert_eq!(place.records().len(), 1);
    let add = place.record("add");
    assert_eq!(add.status, Some(Status::Success));
    assert!(add.total_latency_ms >= Some(20), "it began when the span opened: {add:?}");
}

#[test]
fn counts_are_read_from_any_type_of_value() {
    let place = Place::new();
    traced(&place.layer(), || {
        let span = |input: &dyn tracing::Value| {
            let span = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = debug("gpt-4"),
                gen_ai.provider.name = %"openai",
                gen_ai.usage.input_tokens = Empty,
                gen_ai.usage.output_tokens = 1_u64,
            );
            span.record("gen_ai.usage.input_tokens", input);
        };
        span(&7_i64);
        span(&7_u64);
        span(&7.0_f64);
        span(&"7");
        span(&debug(7));
        span(&-7_i64);
        span(&7.5_f64);
    });
    let records = place.records();
    let found: Vec<_> = records.iter().map(|record| record.usage().map(|usage| usage.input)).collect();
    assert_eq!(found, [Some(7), Some(7), Some(7), Some(7), Some(7), None, None]);
    assert!(records.iter().all(|record| record.model.name.as_deref() == Some("gpt-4")));
    assert!(records.iter().all(|record| record.model.provider.as_deref() == Some("openai")));
}

#[test]
fn old_and_new_names_of_cached_tokens_are_the_same() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "s").entered();
        let new = info_span!(
            "1",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = "anthropic",
            gen_ai.response.model = "claude-sonnet-4-5",
            gen_ai.usage.input_tokens = 100,
            gen_ai.usage.output_tokens = 10,
            gen_ai.usage.cache_read.input_tokens = 60,
            gen_ai.usage.cache_write.input_tokens = 30,
            gen_ai.usage.reasoning.output_tokens = 4,
        );
        drop(new);
        let of_1_41 = info_span!(
            "2",
            gen_ai.operation.name = "chat",
            gen_ai.system = "anthropic",
            gen_ai.request.model = "claude-sonnet-4-5",
            gen_ai.usage.prompt_tokens = 100,
            gen_ai.usage.completion_tokens = 10,
            gen_ai.usage.cache_read_input_tokens = 60,
            gen_ai.usage.cache_creation.input_tokens = 30,
            gen_ai.usage.reasoning_tokens = 4,
        );
        drop(of_1_41);
        let open_inference = info_span!(
            "3",
            openinference.span.kind = "LLM",
            llm.provider = "anthropic",
            llm.model_name = "claude-sonnet-4-5",
            llm.token_count.prompt = 100,
            llm.token_count.completion = 10,
            llm.token_count.prompt_details.cache_read = 60,
            llm.token_count.prompt_details.cache_write = 30,
            llm.token_count.completion_details.reasoning = 4,
        );
        drop(open_inference);
    });
    let record = place.record("s");
    let one = record.trace.llm_calls[0].clone();
    assert_eq!((one.tokens_input, one.tokens_output), (Some(100), Some(10)));
    assert_eq!((one.parts.cache_read, one.parts.cache_write, one.parts.reasoning), (Some(60), Some(30), Some(4)));
    assert!(one.cost_usd.is_some());
    for (at, call) in record.trace.llm_calls.iter().enumerate() {
        let mut same = one.clone();
        same.call_sequence = at as u64 + 1;
        // The calls may end in different milliseconds.
        same.cost.at = call.cost.at;
        assert_eq!(*call, same);
    }
    assert_eq!(record.trace.llm_calls.len(), 3);
}

#[test]
fn swiftide_and_traceloop_have_names_of_their_own() {
    let place = Place::new();
    traced(&place.layer(), || {
        let joke = info_span!("j", traceloop.span.kind = "workflow", traceloop.entity.name = "joke").entered();
        let usage = r#"{"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}"#;
        drop(info_span!("g", "langfuse.type" = "GENERATION", langfuse.model = "gpt-4", langfuse.usage = usage));
        drop(joke);
    });
    assert_eq!(place.record("joke").cost_usd, usd("0.06"));
}

#[test]
fn a_call_inside_a_call_that_reports_the_same_is_one_call() {
    let place = Place::new();
    let outer = |input: Option<u64>, output: Option<u64>| {
        let span = info_span!(
            "outer",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = input,
            gen_ai.usage.output_tokens = output,
        );
        span.in_scope(chat);
    };
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "wrapped").entered();
        outer(Some(1_000), Some(500));
        outer(None, None);
    });
    assert_eq!(place.record("wrapped").usage(), Some(Usage::new(2_000, 1_000)));
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "apart").entered();
        outer(Some(1), Some(1));
    });
    assert_eq!(place.record("apart").usage(), Some(Usage::new(1_001, 501)));
    // Without an execution around them, the outer call is the execution.
    traced(&place.layer(), || outer(Some(1_000), Some(500)));
    assert_eq!(place.record("chat").usage(), Some(Usage::new(1_000, 500)));
}

#[test]
fn a_refused_call_costs_nothing_and_any_other_failed_call_an_unknown_amount() {
    for (kind, calls, cost) in [("429", 1, usd("0.06")), ("500", 1, usd("0.06")), ("timeout", 2, None)] {
        let place = Place::new();
        traced(&place.layer(), || {
            let _agent = info_span!("a", runledger.skill = "s").entered();
            chat();
            drop(info_span!("c", gen_ai.operation.name = "chat", gen_ai.request.model = "gpt-4", error.type = kind));
        });
        let record = place.record("s");
        assert_eq!((record.trace.llm_calls.len(), record.cost_usd), (calls, cost), "{kind}");
        assert_eq!(record.trace.errors[0].error, kind);
        assert_eq!(record.status, Some(Status::Success), "the execution went on");
    }
}

#[test]
fn a_stream_that_was_dropped_has_an_unknown_cost() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "s").entered();
        chat();
        let half = info_span!(
            "c",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = 1_000,
            gen_ai.usage.output_tokens = Empty,
        );
        drop(half);
    });
    let record = place.record("s");
    assert_eq!((record.tokens_used, record.tokens_input, record.cost_usd), (None, None, None));
    let call = &record.trace.llm_calls[1];
    assert_eq!((call.tokens_input, call.tokens_output, call.cost_usd), (Some(1_000), None, None));
}

#[test]
fn an_operation_that_is_not_known_is_a_call_only_with_usage() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "s").entered();
        drop(info_span!("m", gen_ai.operation.name = "moderate", gen_ai.request.model = "gpt-4"));
        drop(info_span!(
            "m",
            gen_ai.operation.name = "moderate",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = 1_000,
            gen_ai.usage.output_tokens = 500,
        ));
    });
    let record = place.record("s");
    assert_eq!((record.trace.llm_calls.len(), record.cost_usd), (1, usd("0.06")));
}

#[test]
fn providers_are_priced_by_the_names_of_the_conventions() {
    let place = Place::new();
    let call = |provider: &str, model: &str| {
        drop(info_span!(
            "c",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = provider,
            gen_ai.request.model = model,
            gen_ai.usage.input_tokens = 1_000,
            gen_ai.usage.output_tokens = 500,
        ));
    };
    traced(&place.layer(), || {
        for (provider, model) in [
            ("openai", "gpt-4o"),
            ("anthropic", "claude-sonnet-4-5"),
            ("azure.ai.openai", "gpt-4o"),
            ("azure.ai.inference", "gpt-4o"),
            ("gcp.gemini", "gemini-2.5-flash"),
            ("gcp.vertex_ai", "gemini-2.5-flash"),
            ("gcp.gen_ai", "gemini-2.5-flash"),
            ("aws.bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("x_ai", "grok-4"),
            ("deepseek", "deepseek-chat"),
            ("groq", "llama-3.3-70b-versatile"),
            ("mistral_ai", "mistral-large-latest"),
            ("moonshot_ai", "kimi-k2-0905-preview"),
            ("cohere", "command-r-plus"),
            ("perplexity", "sonar"),
        ] {
            call(provider, model);
        }
    });
    let unpriced: Vec<_> = place.records().into_iter().filter(|record| record.cost_usd.is_none()).collect();
    assert!(unpriced.is_empty(), "{:?}", place.warnings());
    assert_eq!(place.records().len(), 15);
}

fn tool_with_content() {
    let span = info_span!(
        "t",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.arguments = Empty,
        gen_ai.tool.call.result = Empty,
    );
    span.record("gen_ai.tool.call.arguments", "{\"q\":\"secret\"}");
    span.in_scope(|| {
        drop(info_span!(
            "c",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = 1_000,
            gen_ai.usage.output_tokens = 500,
            gen_ai.input.messages = "secret question",
            gen_ai.output.messages = "secret answer",
        ));
    });
    span.record("gen_ai.tool.call.result", "secret result");
}

#[test]
fn content_is_hashed_unless_it_is_asked_for() {
    let place = Place::new();
    traced(&place.layer(), tool_with_content);
    let record = place.record("search");
    assert_eq!(record.input_hash, Some(hash_bytes("{\"q\":\"secret\"}")));
    assert_eq!(record.output_hash, Some(hash_bytes("secret result")));
    assert!(!record.to_json().unwrap().contains("secret"));

    let place = Place::new();
    traced(&place.layer().with_content(true), tool_with_content);
    let record = place.record("search");
    assert_eq!(record.output_hash, Some(hash_bytes("secret result")));
    assert_eq!(
        (&record.tags["input"], &record.tags["output"]),
        (&"{\"q\":\"secret\"}".into(), &"secret result".into())
    );
    let call = &record.trace.llm_calls[0];
    assert_eq!((call.prompt.as_deref(), call.completion.as_deref()), (Some("secret question"), Some("secret answer")));
}

#[test]
fn the_calls_above_a_thousand_become_executions() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _agent = info_span!("a", runledger.skill = "long").entered();
        (0..1_003).for_each(|_| chat());
    });
    let long = place.record("long");
    assert_eq!(long.trace.llm_calls.len(), 1_000);
    let others: Vec<_> = place.records().into_iter().filter(|record| record.skill_name == "chat").collect();
    assert_eq!(others.len(), 3);
    for other in others {
        assert_eq!((other.run.parent_execution_id, other.cost_usd), (Some(long.execution_id), usd("0.06")));
    }
}

#[test]
fn two_layers_record_to_their_own_ledgers() {
    use tracing_subscriber::layer::SubscriberExt;
    let (one, two) = (Place::new(), Place::new());
    let (first, second) = (one.layer(), two.layer());
    let subscriber = tracing_subscriber::registry().with(first.clone()).with(second.clone());
    tracing::subscriber::with_default(subscriber, || {
        let _agent = info_span!("a", runledger.skill = "s").entered();
        chat();
    });
    assert!(first.flush(crate::support::LONG) && second.flush(crate::support::LONG));
    for place in [one, two] {
        assert_eq!(place.record("s").cost_usd, usd("0.06"));
    }
}

#[test]
fn a_span_that_follows_from_another_is_not_its_child() {
    let place = Place::new();
    traced(&place.layer(), || {
        let first = info_span!("a", runledger.skill = "first");
        let second = info_span!("a", runledger.skill = "second");
        second.follows_from(&first);
    });
    assert_eq!(place.record("second").run.parent_execution_id, None);
}

#[test]
fn a_disabled_span_is_not_recorded_and_hides_nothing() {
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;
    let place = Place::new();
    let layer = place.layer();
    let filtered = layer.clone().with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), || {
        let _agent = info_span!("a", runledger.skill = "seen").entered();
        let _hidden = info_span!("hidden", runledger.skill = "hidden").entered();
        chat();
        assert!(Span::current().metadata().is_some());
    });
    assert!(layer.flush(crate::support::LONG));
    assert_eq!(place.records().len(), 1);
    assert_eq!(place.record("seen").cost_usd, usd("0.06"));
}
