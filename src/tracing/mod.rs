//! Records the spans that agent frameworks emit with the crate [`tracing`](https://docs.rs/tracing). No call site has to
//! change.
//!
//! [`LedgerLayer`] is a layer of a [subscriber](tracing_subscriber::registry()). The attributes of a span decide what
//! the span becomes. They follow the conventions of OpenTelemetry for generative AI:
//!
//! | attribute | the span is |
//! |---|---|
//! | `gen_ai.operation.name` = `execute_tool` | an execution. The skill is `gen_ai.skill.name`, or else `gen_ai.skill.resource.name`, or else `gen_ai.tool.name`. |
//! | `invoke_agent`, `invoke_workflow` | an execution of `gen_ai.agent.name` or `gen_ai.workflow.name`. It is the parent of the executions inside the span. |
//! | `chat`, `generate_content`, `text_completion`, `embeddings` and other work of models | a call, which the nearest enclosing execution lists. If no execution encloses the call, the call is an execution itself. |
//! | `create_agent`, `plan`, `retrieval`, work with a memory | not recorded |
//! | any other operation | a call, if the span reports usage. If no execution encloses the span, the span is an execution, with or without usage. |
//! | `runledger.skill` | an execution of the skill that the attribute names, whatever the other attributes are |
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
//! - `error.type`, `otel.status_code` = `error` or a failed `gen_ai.tool.call.outcome` makes the execution failed. So
//!   does the error that a function with `#[instrument(err)]` returns. The description of the status, if there is one,
//!   is in `error_reason`. A span without any of these is a success, since most libraries report only errors.
//! - A span that closes while its thread is unwinding is recorded as panicked.
//! - A span that is open when its process dies is recorded as interrupted. This is possible because the ledger notes
//!   the start of an execution (the begin mark) when its span opens. The calls that ended inside the span are then not
//!   recorded.
//! - A failed call is listed among the errors of its execution. The execution can still succeed.
//!
//! # What a call costs
//!
//! Usage is read from calls only. The usage of an agent's span is the sum of its calls, so it is not counted again. If
//! a framework and its client library both emit a span for one call, the call is counted once.
//!
//! If a call reports no usage, its cost and the cost of its execution are unknown. This is the case for a stream that
//! was dropped before its end. There is one exception: a call that the server refused used no tokens. The `error.type`
//! of such a call is an HTTP status from 400 to 599. The call is recorded as an error and not as a call.
//!
//! `gen_ai.usage.input_tokens` includes cached tokens, and `gen_ai.usage.output_tokens` includes reasoning. If a span
//! reports more cached tokens than input tokens, its library did not count the cached tokens as input. Then the cached
//! tokens are added to the input. The same applies to reasoning and the output.
//!
//! # Names
//!
//! The layer reads the attribute names of OpenTelemetry: those of version 1.41, newer ones of the main branch, and
//! older ones such as `gen_ai.system`. It also reads the names of OpenInference, Traceloop, Langfuse, rig and swiftide.
//! The session is `gen_ai.conversation.id` or `session.id`. `runledger.version` and `runledger.run_id` are the version
//! and the run.
//!
//! # Content
//!
//! Prompts, completions, arguments and results are not stored. The record of an execution has the hashes of its
//! arguments and of its result. With [`LedgerLayer::with_content`], the texts are stored too. The texts of a call are
//! in `trace.llm_calls`. The texts of an execution that is not a call are the tags `input` and `output`.
//!
//! # Cost for the caller
//!
//! A span does not wait for a sync of the disk. By default, the span of an execution writes its begin mark only to the
//! page cache when it opens. [`Options::sync_begin`](crate::Options::sync_begin) and
//! [`Options::deadline`](crate::Options::deadline) change this. When the span closes, the record goes to a thread of
//! the layer through a bounded queue. [`WhenFull`] says what happens if the queue is full.

mod attributes;
mod ended;
mod instrument;
mod layer;
mod role;
mod sink;
mod span;
mod to_record;
mod usage;

pub use layer::LedgerLayer;
pub use sink::WhenFull;
