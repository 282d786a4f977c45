//! The command `runledger export otlp`.

use std::fs;

use runledger::Usage;
use runledger::metrics::Status;

use crate::commands::{Place, command, output};
use crate::support::{hex, metrics, nanos, record, text, traces, with_calls};

/// The lines of three executions in a run, byte for byte.
#[test]
fn the_lines_are_those_of_the_golden_file() {
    let mut child = with_calls(8);
    child.run.run_id = Some("nightly-7".to_owned());
    child.run.parent_execution_id = Some(runledger::Uuid::from_u128(9));
    let mut parent = record(9, "nightly");
    parent.run.run_id = Some("nightly-7".to_owned());
    parent.set_status(Status::Failed);
    parent.set_error_reason("the \"token\" is too old");
    let mut traced = record(10, "publish");
    traced.run.set_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let place = Place::with(&[child, parent, traced]);
    for (arguments, golden) in [
        (&["export", "otlp"][..], include_str!("golden/traces.jsonl")),
        (&["export", "otlp", "--metrics", "--dialect", "latest"], include_str!("golden/metrics.jsonl")),
    ] {
        let found = place.run(arguments);
        let expected = golden.replace("VERSION", env!("CARGO_PKG_VERSION"));
        assert_eq!(found.stdout, expected, "{arguments:?}");
        assert_eq!(found.code, Some(0), "{}", found.stderr);
    }
}

#[test]
fn a_run_is_selected_and_written_to_a_file() {
    let mut of_run = record(8, "nightly");
    of_run.run.run_id = Some("nightly-7".to_owned());
    of_run.set_usage("gpt-4", &Usage::new(1, 2));
    let place = Place::with(&[record(7, "other"), of_run]).with_a_foreign_line();
    let found = place.run(["export", "otlp", "--run", "nightly-7", "--out", "traces.jsonl", "--service", "ci"]);
    assert_eq!((found.code, found.stdout.as_str()), (Some(0), ""), "{}", found.stderr);
    assert!(found.stderr.contains("spans: 2 of 1 records"), "{}", found.stderr);
    assert!(found.stderr.contains("skipped lines that are not records: 1"), "{}", found.stderr);
    let lines = fs::read_to_string(place.path("traces.jsonl")).unwrap();
    assert!(lines.contains(r#"{"key":"service.name","value":{"stringValue":"ci"}}"#), "{lines}");
    assert_eq!(traces(lines.trim_end()).len(), 2);
    let again = place.run(["export", "otlp", "--out", "traces.jsonl"]);
    assert_eq!(again.code, Some(2));
    assert_eq!(fs::read_to_string(place.path("traces.jsonl")).unwrap(), lines);
}

#[test]
fn what_a_traced_program_runs_appears_below_its_span() {
    let place = Place::empty();
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut run = command();
    run.current_dir(place.directory.path()).env("TRACEPARENT", format!("00-{trace}-{span}-01"));
    output(run.args(["run", "--skill", "traced", "--", "true"])).answer(0);
    let lines = place.run(["export", "otlp"]).stdout;
    let spans = traces(lines.trim_end());
    assert_eq!((hex(&spans[0].trace_id), hex(&spans[0].parent_span_id)), (trace.to_owned(), span.to_owned()));
    assert!(spans[0].start_time_unix_nano > nanos("2020-01-01T00:00:00Z"));
}

/// The examples of the help.
#[test]
fn the_names_of_the_environment_are_respected() {
    let place = Place::with(&[record(7, "s")]);
    let mut call = command();
    call.current_dir(place.directory.path()).env("OTEL_SERVICE_NAME", "nightly").args(["export", "otlp", "--metrics"]);
    let found = output(&mut call);
    assert!(found.stdout.contains(r#""stringValue":"nightly""#), "{}", found.stdout);
    let found = metrics(found.stdout.trim_end());
    let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Histogram(histogram)) = &found[0].data else {
        panic!("{found:?}")
    };
    assert_eq!(text(&histogram.data_points[0].attributes, "gen_ai.tool.name"), Some("s"));
}
