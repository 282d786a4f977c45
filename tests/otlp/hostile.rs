//! Hostile texts stay the texts that they are, and the content of calls is nowhere.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runledger::Usage;
use runledger::export::otlp::{Dialect, OtlpOptions, OtlpSignal};
use runledger::metrics::{Status, Step, TracedError};

use crate::common;
use crate::support::{metrics, metrics_of, only, record, spans_of, text, time, traces, with_calls, written};

const TEXTS: [&str; 8] = [
    "\"},{\"traceId\":\"",
    "line\nfeed\r\n",
    "\0\u{1b}[31m\u{7f}\u{9b}",
    "\\u0000\\\"",
    "\u{202e}\u{2028}\u{feff}",
    "日本🦀\u{10ffff}",
    "{\"resourceSpans\":[]}",
    " ",
];

#[test]
fn a_text_is_decoded_as_it_was_recorded() {
    for hostile in TEXTS {
        let mut record = record(7, hostile);
        record.skill_version = hostile.to_owned();
        record.operator = hostile.to_owned();
        record.run.run_id = Some(hostile.to_owned());
        record.run.session_id = Some(hostile.to_owned());
        record.set_status(Status::Failed);
        record.error_reason = Some(hostile.to_owned());
        record.set_usage(hostile, &Usage::new(1, 2));
        record.model.provider = Some(hostile.to_owned());
        let options = OtlpOptions::new().service(hostile);
        let spans = spans_of(&[record.clone()], &options);
        assert_eq!(spans.len(), 2, "{hostile:?}");
        assert_eq!(spans[0].name, format!("execute_tool {hostile}"));
        assert_eq!(spans[0].status.as_ref().unwrap().message, hostile);
        for key in ["runledger.skill", "runledger.version", "runledger.operator", "runledger.run_id"] {
            assert_eq!(text(&spans[0].attributes, key), Some(hostile), "{key}");
        }
        assert_eq!(text(&spans[1].attributes, "gen_ai.request.model"), Some(hostile));
        assert_eq!(text(&spans[1].attributes, "gen_ai.provider.name"), Some(hostile));
        assert!(!metrics_of(&[record], options).is_empty());
    }
}

#[test]
fn no_content_is_exported() {
    let mut record = with_calls(7);
    record.tags.insert("input".to_owned(), "a secret tag".into());
    record.tags.insert("gen_ai.operation.name".to_owned(), vec!["a secret list"].into());
    record.input_hash = Some("5ec5".repeat(16));
    let mut step = Step::new("a secret step", time("2026-02-14T14:23:01Z"));
    step.result = Some("a secret result".to_owned());
    record.trace.steps.push(step);
    record.trace.errors.push(TracedError::new(time("2026-02-14T14:23:01Z"), "a secret error"));
    record.production.notes = Some("a secret note".to_owned());
    for dialect in [Dialect::V1_41, Dialect::Latest] {
        for signal in [OtlpSignal::Traces, OtlpSignal::Metrics] {
            let line = written(&[record.clone()], &OtlpOptions::new().dialect(dialect).signal(signal));
            assert!(line.contains("claude-opus-4-5"));
            assert!(!line.contains("secret") && !line.contains("5ec5"), "{line}");
        }
    }
}

/// Two models with the same number, which a record of an earlier version can have, are two spans.
#[test]
fn calls_with_one_number_are_different_spans() {
    let mut record = with_calls(7);
    record.trace.llm_calls.iter_mut().for_each(|call| call.call_sequence = 1);
    let line = written(&[record], &OtlpOptions::new());
    let spans = traces(only(&line));
    assert_ne!(spans[1].span_id, spans[2].span_id);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Collectors refuse a whole message if one of its spans is invalid.
    #[test]
    fn any_record_becomes_valid_spans_and_metrics(record in common::record(), latest: bool) {
        let options = OtlpOptions::new().dialect(if latest { Dialect::Latest } else { Dialect::V1_41 });
        let lines = written(std::slice::from_ref(&record), &options);
        let mut ids = BTreeSet::new();
        let mut count = 0;
        for span in lines.lines().flat_map(traces) {
            prop_assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            prop_assert!(span.trace_id.iter().any(|byte| *byte != 0) && span.span_id.iter().any(|byte| *byte != 0));
            prop_assert!(matches!(span.parent_span_id.len(), 0 | 8));
            // A missing time is decoded as 0.
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            prop_assert!(start == 0 || end == 0 || start <= end);
            let keys: BTreeSet<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            prop_assert!(keys.len() == span.attributes.len() && !keys.contains(""));
            count += 1;
            ids.insert(span.span_id);
        }
        prop_assert_eq!(ids.len(), count);
        let lines = written(&[record], &options.signal(OtlpSignal::Metrics));
        lines.lines().for_each(|line| assert!(!metrics(line).is_empty()));
    }
}
