//! Ids, parents and links: the same in each export, and joined to the traces that exist.

use runledger::Uuid;
use runledger::export::otlp::OtlpOptions;
use runledger::metrics::RunIds;

use crate::support::{hex, record, span_id, spans_of, text, with_calls, written};

const RUN: &str = "019c5d2a-5a40-7000-8000-0000000000aa";
const PARENT: Uuid = Uuid::from_u128(0xabc);

/// Returns the trace, the parent and the links of the only span of an execution with these ids.
fn position(run: RunIds) -> (String, String, Vec<(String, String)>) {
    let mut record = record(7, "s");
    record.run = run;
    let spans = spans_of(&[record], &OtlpOptions::new());
    assert_eq!((spans.len(), hex(&spans[0].span_id)), (1, span_id(Uuid::from_u128(7))));
    let links = spans[0].links.iter().map(|link| {
        assert_eq!(text(&link.attributes, "runledger.link"), Some("parent"));
        (hex(&link.trace_id), hex(&link.span_id))
    });
    (hex(&spans[0].trace_id), hex(&spans[0].parent_span_id), links.collect())
}

#[test]
fn a_run_is_a_trace_and_the_parent_execution_the_parent() {
    let trace = RUN.replace('-', "");
    assert_eq!(position(RunIds::new(RUN)), (trace.clone(), String::new(), vec![]));
    assert_eq!(position(RunIds::new(RUN).parent_execution(PARENT)), (trace, span_id(PARENT), vec![]));
    // The same UUID as in workflow events.
    let named = position(RunIds::new("nightly-7")).0;
    assert_eq!(named, "39031ca14a24838eaeb7d0bc0af82625");
}

#[test]
fn a_parent_in_another_run_is_linked() {
    let run = RunIds::new("child").parent_run(RUN).parent_execution(PARENT);
    let (_, parent, links) = position(run);
    assert_eq!((parent, links), (span_id(PARENT), vec![(RUN.replace('-', ""), span_id(PARENT))]));
}

#[test]
fn an_execution_without_a_run_is_a_trace_of_its_own() {
    let trace = |id: Uuid| id.simple().to_string();
    let alone = (trace(Uuid::from_u128(7)), String::new());
    assert_eq!(position(RunIds::default()), (alone.0.clone(), alone.1.clone(), vec![]));
    let links = vec![(trace(PARENT), span_id(PARENT))];
    assert_eq!(position(RunIds::default().parent_execution(PARENT)), (alone.0, alone.1, links));
}

#[test]
fn a_traceparent_gives_the_trace_and_the_parent() {
    let mut run = RunIds::new(RUN);
    run.set_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), "00f067aa0ba902b7".to_owned());
    assert_eq!(position(run.clone()), (trace.clone(), span.clone(), vec![]));
    let links = vec![(trace.clone(), span_id(PARENT))];
    assert_eq!(position(run.parent_execution(PARENT)), (trace.clone(), span, links));
    // A trace without a span: the parent execution is the parent.
    let run = RunIds::default().trace(&trace).parent_execution(PARENT);
    assert_eq!(position(run), (trace, span_id(PARENT), vec![]));
}

/// An earlier version did not check these ids. A span with an invalid id would be refused with its whole message.
#[test]
fn an_invalid_trace_context_is_not_used() {
    for (trace, span) in [
        ("4BF92F3577B34DA6A3CE929D0E0E4736", "00f067aa0ba902b7"),
        ("00000000000000000000000000000000", "00f067aa0ba902b7"),
        ("4bf92f3577b34da6", "00f067aa0ba902b7"),
        ("é".repeat(16).as_str(), "00f067aa0ba902b7"),
    ] {
        let found = position(RunIds::new(RUN).trace(trace).span(span));
        assert_eq!(found, (RUN.replace('-', ""), String::new(), vec![]), "{trace}");
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let found = position(RunIds::new(RUN).trace(trace).span("0000000000000000").parent_execution(PARENT));
    assert_eq!(found, (trace.to_owned(), span_id(PARENT), vec![]));
    // The nil UUID is no valid trace.
    assert_eq!(position(RunIds::new(Uuid::nil().to_string())).0, "00000000000000000000000000000001");
}

#[test]
fn two_exports_have_the_same_bytes() {
    let records = [with_calls(1), with_calls(2), record(3, "s")];
    let first = written(&records, &OtlpOptions::new());
    assert_eq!(written(&records, &OtlpOptions::new()), first);
    // The size of the messages does not change the ids.
    let small = written(&records, &OtlpOptions::new().spans_max(1));
    let ids = |lines: &str| -> Vec<_> {
        lines.lines().flat_map(crate::support::traces).map(|span| (span.trace_id, span.span_id)).collect()
    };
    assert_eq!((ids(&small), small.lines().count()), (ids(&first), 7));
}
