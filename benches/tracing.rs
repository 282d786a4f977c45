//! Measures what a span costs its caller: `cargo bench --features tracing --bench tracing [-- --seconds 2 --dir
//! DIRECTORY]`.
//!
//! A measured call opens a span with fields and closes it. For comparison, the same spans are measured with a layer
//! that does nothing. A thread of the ledger's layer stores the records in the meantime. Between rounds, the caller
//! waits for this thread, so that the queue is never full.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Samples, arguments, header, machine, timed};
use runledger::Ledger;
use runledger::tracing::LedgerLayer;
use tracing::field::Empty;
use tracing::{Dispatch, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// The spans of a round. The queue has space for more.
const ROUND: usize = 500;

/// A layer that does nothing.
struct Nothing;

impl Layer<Registry> for Nothing {}

/// The printed name of a span, and the function that opens and closes the span.
type Case = (&'static str, fn());

const CASES: [Case; 4] = [
    ("a span that is not recorded", || drop(info_span!("http", method = "GET", path = "/"))),
    ("a marked skill", || drop(info_span!("publish", runledger.skill = "publish"))),
    ("execute_tool", tool),
    ("chat inside an execution", chat),
];

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("tracing");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    println!("seconds for each figure: {}\n", arguments.seconds.as_secs_f64());
    println!("{}", header());
    for (name, span) in CASES {
        let empty = Dispatch::new(tracing_subscriber::registry().with(Nothing));
        let nothing = rounds(&empty, span, arguments.seconds, || ());
        nothing.print(&format!("{name}, empty layer"));
        let recorded = recorded(&directory, span, arguments.seconds);
        recorded.print(&format!("{name}, ledger"));
    }
    fs::remove_dir_all(&directory).unwrap();
}

fn recorded(directory: &Path, span: fn(), seconds: Duration) -> Samples {
    let path = directory.join("execution_metrics.jsonl");
    let layer = LedgerLayer::new(Ledger::open(path).unwrap());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.clone()));
    let samples = rounds(&dispatch, span, seconds, || assert!(layer.flush(Duration::from_secs(60))));
    assert_eq!(layer.dropped(), 0);
    samples
}

/// Measures rounds of spans inside an agent's span. `wait` is called between the rounds and is not measured.
fn rounds(dispatch: &Dispatch, span: fn(), seconds: Duration, wait: impl Fn()) -> Samples {
    let mut samples = Samples::default();
    tracing::dispatcher::with_default(dispatch, || {
        let begin = Instant::now();
        while begin.elapsed() < seconds {
            let agent = info_span!("agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "coder");
            agent.in_scope(|| (0..ROUND).for_each(|_| timed(&mut samples, span)));
            drop(agent);
            wait();
        }
    });
    samples.took = samples.total();
    samples
}

fn tool() {
    let span = info_span!(
        "execute_tool",
        "gen_ai.operation.name" = "execute_tool",
        "gen_ai.tool.name" = "web-search",
        "gen_ai.tool.type" = "function",
        "gen_ai.tool.call.id" = "call_1",
        "gen_ai.tool.call.arguments" = Empty,
        "gen_ai.tool.call.result" = Empty,
        "error.type" = Empty,
    );
    drop(span.enter());
}

/// Opens a span like that of the crate `genai` for one call of a model, records the fields of the answer, and closes the
/// span.
fn chat() {
    let span = info_span!(
        "genai.chat",
        "otel.name" = "chat gpt-4o",
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "error.type" = Empty,
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = "openai",
        "gen_ai.request.model" = "gpt-4o",
        "gen_ai.request.stream" = false,
        "gen_ai.response.id" = Empty,
        "gen_ai.response.model" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.usage.cache_read.input_tokens" = Empty,
    );
    let _entered = span.enter();
    span.record("gen_ai.response.id", "chatcmpl-1");
    span.record("gen_ai.response.model", "gpt-4o-2024-08-06");
    span.record("gen_ai.usage.input_tokens", 1_000);
    span.record("gen_ai.usage.output_tokens", 200);
    span.record("gen_ai.usage.cache_read.input_tokens", 600);
}
