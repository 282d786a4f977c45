//! Promise: an execution says how its span ended, and a function that is marked as a skill needs no other code.

use std::panic::catch_unwind;

use runledger::metrics::{ErrorCategory, Status};
use tracing::field::Empty;
use tracing::{error, info_span, instrument};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Place, traced};

#[instrument(fields(runledger.skill = "publish", runledger.version = "1.2.0", runledger.run_id = "run-7"))]
fn publish() {}

#[instrument(err, fields(runledger.skill = "parse"))]
fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

#[instrument(skip_all, fields(runledger.skill = "async-parse"), err)]
async fn parse_later(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

#[instrument(fields(runledger.skill = "explode"))]
fn explode() {
    panic!("no fuse");
}

#[test]
fn a_marked_function_is_an_execution() {
    let place = Place::new();
    traced(&place.layer(), publish);
    let record = place.record("publish");
    assert_eq!((record.skill_version.as_str(), record.run.run_id.as_deref()), ("1.2.0", Some("run-7")));
    assert_eq!((record.status, record.error_reason), (Some(Status::Success), None));
    assert_eq!((record.tokens_used, record.cost_usd, record.input_hash), (None, None, None));
    assert_eq!(record.skill_path_in_dag.as_deref(), Some("publish"));
}

#[test]
fn an_error_that_a_marked_function_returns_is_a_failure() {
    let place = Place::new();
    traced(&place.layer(), || {
        assert_eq!(parse("42"), Ok(42));
        assert!(parse("forty-two").is_err());
        let later = std::pin::pin!(parse_later("x"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(later.poll(&mut context), std::task::Poll::Ready(Err(_))));
    });
    let records = place.records();
    let found: Vec<_> =
        records.iter().map(|one| (one.skill_name.as_str(), one.status.clone(), one.error_reason.as_deref())).collect();
    let reason = Some("invalid digit found in string");
    assert_eq!(
        found,
        [
            ("parse", Some(Status::Success), None),
            ("parse", Some(Status::Failed), reason),
            ("async-parse", Some(Status::Failed), reason),
        ]
    );
}

#[test]
fn another_error_event_is_not_a_failure() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _span = info_span!("x", runledger.skill = "retry").entered();
        error!(error = "timed out, trying again");
        error!("also this");
    });
    assert_eq!(place.record("retry").status, Some(Status::Success));
}

#[test]
fn a_panic_is_recorded_while_it_unwinds() {
    let place = Place::new();
    traced(&place.layer(), || {
        let outer = info_span!("x", runledger.skill = "survivor");
        let guard = outer.enter();
        catch_unwind(explode).unwrap_err();
        drop(guard);
    });
    let record = place.record("explode");
    assert_eq!((record.status, record.error_reason.as_deref()), (Some(Status::Panicked), Some("panicked")));
    assert_eq!(record.run.parent_execution_id, Some(place.record("survivor").execution_id));
    assert_eq!(place.record("survivor").status, Some(Status::Success));
}

#[test]
fn a_call_that_panics_is_unknown_and_not_free() {
    let place = Place::new();
    traced(&place.layer(), || {
        let _agent = info_span!("a", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder").entered();
        let call = || {
            let chat = info_span!("c", gen_ai.operation.name = "chat", gen_ai.request.model = "gpt-4");
            chat.in_scope(|| {
                let _owned = chat.clone();
                panic!("no answer");
            })
        };
        catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_err();
    });
    let record = place.record("coder");
    assert_eq!((&record.status, record.tokens_used, record.cost_usd), (&Some(Status::Success), None, None));
    assert_eq!(record.trace.errors[0].error, "panicked");
    assert_eq!(record.trace.errors[0].context.as_deref(), Some("chat gpt-4"));
    let [call] = &record.trace.llm_calls[..] else { panic!("{record:?}") };
    assert_eq!((call.model_name.as_str(), call.tokens_input, call.tokens_output), ("gpt-4", None, None));
}

#[test]
fn the_type_of_an_error_gives_its_category_and_code() {
    for (kind, category, code) in [
        ("401", ErrorCategory::Auth, Some(401)),
        ("429", ErrorCategory::Unknown, Some(429)),
        ("504", ErrorCategory::Timeout, Some(504)),
        ("timeout", ErrorCategory::Timeout, None),
        ("connect", ErrorCategory::Network, None),
        ("java.lang.Error", ErrorCategory::Unknown, None),
    ] {
        let place = Place::new();
        traced(&place.layer(), || {
            let span = info_span!("x", runledger.skill = "s", error.type = Empty, otel.status_message = Empty);
            span.record("error.type", kind);
            span.record("otel.status_message", "it went wrong");
        });
        let record = place.record("s");
        assert_eq!(record.status, Some(Status::Failed), "{kind}");
        assert_eq!((record.error_category, record.error_code), (Some(category), code), "{kind}");
        assert_eq!(record.error_reason, Some(format!("{kind}: it went wrong")));
    }
}

#[test]
fn a_status_of_error_is_read_in_upper_and_lower_case() {
    for (status, ended) in [("ERROR", Status::Failed), ("error", Status::Failed), ("OK", Status::Success)] {
        let place = Place::new();
        traced(&place.layer(), || drop(info_span!("x", runledger.skill = "s", otel.status_code = status)));
        assert_eq!(place.record("s").status, Some(ended), "{status}");
    }
}

/// After its last child, a registry closes a span through the default subscriber. Without a default subscriber, the
/// span stays open until the registry is dropped.
#[test]
fn a_span_that_never_closes_is_recorded_when_its_subscriber_is_dropped() {
    let place = Place::new();
    let subscriber = tracing_subscriber::registry().with(place.layer());
    let (agent, call) = tracing::subscriber::with_default(subscriber, || {
        let agent = info_span!("a", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
        let call = info_span!(
            parent: &agent,
            "c",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = 1_000,
            gen_ai.usage.output_tokens = 500,
        );
        (agent, call)
    });
    drop(call);
    assert_eq!(place.records().len(), 0);
    drop(agent);
    let record = place.record("coder");
    assert_eq!(record.status, Some(Status::Cancelled));
    assert_eq!(record.error_reason.as_deref(), Some("cancelled before its end"));
    assert_eq!(record.cost_usd, Some("0.06".parse().unwrap()));
}
