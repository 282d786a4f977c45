//! OTLP, the protocol of OpenTelemetry, as lines of JSON: executions as spans, or their sums as metrics. Collectors read
//! such a file, and accept each line as the body of a POST request.
//!
//! [`docs::otlp`](crate::docs::otlp) describes the spans, the metrics, their names and the ids. Prompts, completions,
//! tags and hashes are not exported.
//!
//! ```
//! use runledger::export::otlp::{self, OtlpOptions};
//! use runledger::{ExecutionMetrics, Uuid};
//!
//! let mut record = ExecutionMetrics::new(Uuid::from_u128(7), "parse", "1.0.0", "2026-02-14T14:23:00Z".parse()?);
//! record.timestamp_end = Some("2026-02-14T14:23:05Z".parse()?);
//! let mut lines = Vec::new();
//! let written = otlp::write([Ok(record)], &mut lines, &OtlpOptions::new())?;
//! assert_eq!((written.lines, written.items), (1, 1)); // one span
//!
//! let line: serde_json::Value = serde_json::from_slice(&lines)?;
//! let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
//! assert_eq!(span["name"], "execute_tool parse");
//! assert_eq!(span["endTimeUnixNano"], "1771078985000000000");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod encoder;
mod ids;
mod json;
mod metrics;
mod options;
mod span;

use std::io;

pub use crate::genai::Dialect;
pub(crate) use encoder::Encoder;
pub use encoder::OtlpMessage;
pub use options::{OtlpOptions, OtlpSignal};

use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::ExecutionMetrics;

/// The result of writing OTLP.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OtlpWritten {
    /// The number of lines.
    pub lines: u64,
    /// The number of spans, or of points of metrics.
    pub items: u64,
    /// The number of records.
    pub records: u64,
    /// The lines of the ledger that were left out, because they are not records.
    pub skipped: Skipped,
}

/// Writes the records as lines of JSON. Each line is a `TracesData` or a `MetricsData`, with a bounded number of spans
/// or points. Only the records of one line are in memory at a time.
///
/// An error of [`ErrorKind::Malformed`] in `records` reports a line that is not a record. Such an error is counted and
/// skipped.
///
/// # Errors
/// Fails with [`ErrorKind::Io`] if `out` fails, and with the first error in `records` whose kind is not
/// [`ErrorKind::Malformed`].
pub fn write(
    records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    mut out: impl io::Write,
    options: &OtlpOptions,
) -> Result<OtlpWritten> {
    let mut written = OtlpWritten::default();
    let mut encoder = Encoder::new(options)?;
    for record in records {
        match record {
            Ok(record) => {
                encoder.push(&record)?;
                written.records += 1;
            }
            Err(error) if error.kind() == ErrorKind::Malformed => written.skipped.add(error),
            Err(error) => return Err(error),
        }
        written.lines_of(encoder.take(), &mut out)?;
    }
    encoder.close()?;
    written.lines_of(encoder.take(), &mut out)?;
    out.flush().map_err(failed)?;
    Ok(written)
}

impl OtlpWritten {
    fn lines_of(&mut self, messages: Vec<OtlpMessage>, out: &mut impl io::Write) -> Result<()> {
        for OtlpMessage { mut json, items, .. } in messages {
            json.push(b'\n');
            out.write_all(&json).map_err(failed)?;
            self.lines += 1;
            self.items += items;
        }
        Ok(())
    }
}

fn failed(source: io::Error) -> Error {
    Error::new(ErrorKind::Io, "write OTLP").source(source)
}
