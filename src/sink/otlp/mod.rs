//! Ships a ledger to a collector of OpenTelemetry: executions as spans, or their sums as metrics.
//!
//! [`OtlpShipper`] reads the records that were not shipped yet, as [`OtlpBatch`]es, and stores how far shipping has come.
//! It opens no connection: the caller posts the messages of a batch, and passes each answer to [`OtlpAnswer::of`].
//! [`docs::otlp`](crate::docs::otlp) describes the messages, and what happens if a process is killed.
//!
//! ```
//! use runledger::export::otlp::OtlpOptions;
//! use runledger::sink::otlp::{CollectorUrl, OtlpShipper};
//! use runledger::{Ledger, Skill};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("execution_metrics.jsonl");
//! let ledger = Ledger::open(&path)?;
//! assert!(ledger.begin(Skill::new("parse", "1.0.0")).succeed().is_durable());
//!
//! let url: CollectorUrl = "http://localhost:4318".parse()?;
//! let mut shipper = OtlpShipper::open(&path, &url, &OtlpOptions::new())?;
//! let mut skipped = Default::default(); // the lines that are not records
//! let batch = shipper.next_batch(&mut skipped)?.ok_or("there is a record to ship")?;
//! assert_eq!((batch.records, batch.messages.len()), (1, 1));
//! // Post the messages to `url.address(OtlpSignal::Traces)` here.
//! shipper.shipped(&batch)?;
//! assert!(shipper.next_batch(&mut skipped)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod place;
mod shipper;
mod url;

pub use answer::OtlpAnswer;
pub use shipper::{OtlpBatch, OtlpShipper};
pub use url::CollectorUrl;
