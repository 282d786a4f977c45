//! Records the spans that agent frameworks emit with the crate [`tracing`](https://docs.rs/tracing). No call site has to
//! change.
//!
//! [`LedgerLayer`] is a layer of a [subscriber](tracing_subscriber::registry()). Spans become executions and calls by their
//! attributes, which follow the conventions of OpenTelemetry for generative AI:
//!
//! | attribute | the span is |
//! |---|---|
//! | `gen_ai.operation.name` = `execute_tool` | an execution. The skill is `gen_ai.skill.name`, or else `gen_ai.skill.resource.name`, or else `gen_ai.tool.name`. |
//! | `invoke_agent`, `invoke_workflow` | an execution of `gen_ai.agent.name` or `gen_ai.workflow.name`, which is the parent of the executions inside it |
//! | `chat`, `generate_content`, `text_completion`, `embeddings` and other work of models | a call, which the nearest enclosing execution lists. If no execution encloses it, it is an execution itself. |
//! | `create_agent`, `plan`, `retrieval`, work with a memory | not recorded |
//! | any other operation | a call, if the span reports usage |
//! | `runledger.skill` | an execution of that skill, whatever else the span is |
//!
//! ```
//! use std::time::Duration;
//!
//! use runledger::tracing::LedgerLayer;
//! use runledger::{Ledger, Usage};
//! use tracing::{info_span, instrument};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! #[instrument(err, fields(runledger.skill = "summarise", runledger.version = "1.2.0"))]
//! fn summarise(text: &str) -> Result<String, std::io::Error> {
//!     // A client library emits a span like this one.
//!     let chat = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "gpt-4",
//!         gen_ai.usage.input_tokens = 1_000, gen_ai.usage.output_tokens = 500);
//!     chat.in_scope(|| Ok(text.to_uppercase()))
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("execution_metrics.jsonl");
//! let ledger = Ledger::open(path)?;
//! let layer = LedgerLayer::new(ledger.clone());
//! let subscriber = tracing_subscriber::registry().with(layer.clone());
//! // A program sets its subscriber once: tracing::subscriber::set_global_default(subscriber)
//! tracing::subscriber::with_default(subscriber, || summarise("a text"))?;
//!
//! assert!(layer.flush(Duration::from_secs(10))); // before the process ends
//! let record = ledger.reader().records().next().transpose()?.ok_or("the ledger is empty")?;
//! assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("summarise", "1.2.0"));
//! assert_eq!(record.usage(), Some(Usage::new(1_000, 500)));
//! assert_eq!(record.cost_usd.map(|usd| usd.to_string()).as_deref(), Some("0.06"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a span ends
//!
//! - `error.type`, `otel.status_code` = `error` or a failed `gen_ai.tool.call.outcome` makes the execution failed. So does
//!   the error that a function with `#[instrument(err)]` returns. The description of the status, if there is one, is in
//!   `error_reason`. A span without any of these counts as a success, since most libraries report only errors.
//! - A span that closes while its thread is unwinding is a panic.
//! - A span that is open when its process dies is an interrupted execution, because the begin mark is written when the span
//!   opens. Calls that have ended inside it are then unknown.
//! - A call that failed is listed with the errors of its execution, which may go on.
//!
//! # What a call costs
//!
//! Usage is read from calls only. The usage of an agent's span is the sum of its calls, so it is not counted again. If a
//! framework and its client library both emit a span for one call, the call is counted once.
//!
//! A call that reports no usage has an unknown cost, and so has its execution. This is the case for a stream that was
//! dropped before its end. But a call that a server refused with an HTTP status from 400 to 599 as `error.type` used no
//! tokens, so it does not count as a call.
//!
//! `gen_ai.usage.input_tokens` includes cached tokens, and `gen_ai.usage.output_tokens` includes reasoning. If the parts
//! exceed their whole, the writer counted them apart, and they are added.
//!
//! # Names
//!
//! The names of OpenTelemetry 1.41 are read, the newer ones of its main branch, older ones such as `gen_ai.system`, and
//! those of OpenInference, Traceloop, Langfuse, rig and swiftide. The session is `gen_ai.conversation.id` or `session.id`.
//! `runledger.version` and `runledger.run_id` are the version and the run.
//!
//! # Content
//!
//! Prompts, completions, arguments and results are not stored. The record of an execution has the hashes of its arguments
//! and of its result. [`LedgerLayer::with_content`] stores the texts too: those of a call in `trace.llm_calls`, and those
//! of another execution as the tags `input` and `output`.
//!
//! # Cost for the caller
//!
//! A span does not wait for the disk's sync. Opening an execution writes its begin mark to the page cache, unless
//! [`Options::sync_begin`](crate::Options::sync_begin) or [`Options::deadline`](crate::Options::deadline) is set. When the
//! span closes, the record goes to a thread of the layer through a bounded queue. [`WhenFull`] says what happens if the
//! queue is full.

mod attributes;
mod ended;
mod instrument;
mod layer;
mod names;
mod role;
mod sink;
mod span;
mod to_record;
mod usage;

pub use layer::LedgerLayer;
pub use sink::WhenFull;
