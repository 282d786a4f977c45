//! An agent that only emits spans, as agent frameworks do. A layer of runledger records the spans as executions, and
//! prices the calls of models.
//!
//! ```sh
//! cargo run --example traced_agent --features tracing
//! runledger list
//! runledger cost
//! ```
//!
//! The records are in `logs/execution_metrics.jsonl` under the current directory.

use std::fmt::Display;
use std::time::Duration;

use runledger::tracing::LedgerLayer;
use runledger::{ExecutionMetrics, Ledger};
use tracing::field::Empty;
use tracing::{info_span, instrument};
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 1. Add the layer to the subscriber of the program, once. The code of the agent does not name the ledger.
    let ledger = Ledger::open("logs/execution_metrics.jsonl")?;
    let layer = LedgerLayer::new(ledger.clone());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.clone()))?;

    // 2. Run the agent.
    let answer = agent("How many tests does the parser have?");
    assert_eq!(answer, "The parser has 42 tests.");
    assert!(publish(&answer).is_err());

    // 3. Wait for the records before the process ends.
    if !layer.flush(Duration::from_secs(10)) {
        return Err("some records are not stored yet".into());
    }
    println!("{:<12} {:<8} {:>5} {:>7} {:>9}  path", "skill", "status", "calls", "tokens", "USD");
    for record in ledger.reader().records() {
        print(&record?);
    }
    Ok(())
}

/// Asks a model until it answers, and executes the tools that the model asks for.
fn agent(question: &str) -> String {
    let span = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "assistant");
    let _entered = span.enter();
    let mut context = vec![question.to_owned()];
    loop {
        match chat("gpt-4o", &context) {
            Reply::Answer(text) => return text,
            Reply::Tool { name, arguments } => context.push(execute_tool(name, &arguments)),
        }
    }
}

/// What a model replies.
enum Reply {
    Answer(String),
    Tool { name: &'static str, arguments: String },
}

/// Calls a model. In a real agent, a client library such as genai or rig emits this span. Here the replies are fixed.
fn chat(model: &str, context: &[String]) -> Reply {
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
    );
    let _entered = span.enter();
    let (reply, input, cached, output) = match context {
        [_] => (Reply::Tool { name: "grep", arguments: "#[test]".to_owned() }, 1_200, 0, 40),
        [.., result] => (Reply::Answer(format!("The parser has {result} tests.")), 1_300, 1_100, 12),
        [] => (Reply::Answer("What is the question?".to_owned()), 100, 0, 5),
    };
    span.record("gen_ai.usage.input_tokens", input);
    span.record("gen_ai.usage.output_tokens", output);
    span.record("gen_ai.usage.cache_read.input_tokens", cached);
    reply
}

/// Executes a tool. The arguments and the result are recorded as hashes.
fn execute_tool(name: &str, arguments: &str) -> String {
    let span = info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        gen_ai.tool.call.arguments = arguments,
        gen_ai.tool.call.result = Empty,
    );
    let _entered = span.enter();
    let result = "42";
    span.record("gen_ai.tool.call.result", result);
    result.to_owned()
}

/// Any function can be a skill. The error that it returns is recorded.
#[instrument(skip_all, err, fields(runledger.skill = "publish", runledger.version = "1.2.0"))]
fn publish(_answer: &str) -> Result<(), &'static str> {
    Err("the wiki is read-only")
}

fn print(record: &ExecutionMetrics) {
    let known = |value: Option<&dyn Display>| value.map_or_else(|| "-".to_owned(), ToString::to_string);
    let status = known(record.status.as_ref().map(|status| status as &dyn Display));
    let tokens = known(record.tokens_used.as_ref().map(|tokens| tokens as &dyn Display));
    let usd = known(record.cost_usd.as_ref().map(|usd| usd as &dyn Display));
    let (skill, calls) = (&record.skill_name, record.trace.llm_calls.len());
    let path = record.skill_path_in_dag.as_deref().unwrap_or("-");
    println!("{skill:<12} {status:<8} {calls:>5} {tokens:>7} {usd:>9}  {path}");
}
