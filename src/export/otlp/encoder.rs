//! Collects records, and turns them into messages of a bounded size.

use uuid::Uuid;

use super::json::Frame;
use super::metrics::Metrics;
use super::options::{OtlpOptions, OtlpSignal};
use super::span::spans;
use crate::error::{Error, ErrorKind, Result};
use crate::genai::Dialect;
use crate::metrics::ExecutionMetrics;

/// The most points of a message with metrics. One more record can exceed it.
const POINTS_MAX: u64 = 2_000;

/// A message for a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpMessage {
    /// A `TracesData` or a `MetricsData` as one line of JSON, without a line feed.
    pub json: Vec<u8>,
    /// The number of spans or points.
    pub items: u64,
    /// The first execution of the message. Its other spans can be in the message before.
    pub first: Uuid,
    /// The last execution of the message. Its other spans can be in the message after.
    pub last: Uuid,
}

#[derive(Debug)]
pub(crate) struct Encoder {
    options: OtlpOptions,
    frame: Frame,
    spans: Vec<u8>,
    items: u64,
    metrics: Metrics,
    /// The first and the last execution of the message that is not complete, or `None` if it has none.
    executions: Option<(Uuid, Uuid)>,
    full: Vec<OtlpMessage>,
}

impl Encoder {
    pub(crate) fn new(options: &OtlpOptions) -> Result<Self> {
        let names = match options.signal {
            OtlpSignal::Traces => ["resourceSpans", "scopeSpans", "spans"],
            OtlpSignal::Metrics => ["resourceMetrics", "scopeMetrics", "metrics"],
        };
        let schema_url = match options.dialect {
            Dialect::V1_41 => "https://opentelemetry.io/schemas/1.41.0",
            Dialect::Latest => "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
        };
        let frame = Frame::new(names, &options.service, schema_url).map_err(failed)?;
        let (spans, metrics, full) = (Vec::new(), Metrics::default(), Vec::new());
        Ok(Self { options: options.clone(), frame, spans, items: 0, metrics, executions: None, full })
    }

    /// Adds a record. This may complete messages.
    pub(crate) fn push(&mut self, record: &ExecutionMetrics) -> Result<()> {
        match self.options.signal {
            OtlpSignal::Traces => self.push_spans(record),
            OtlpSignal::Metrics => {
                if self.metrics.is_other_hour(record) || self.metrics.points >= POINTS_MAX {
                    self.close()?;
                }
                self.metrics.add(record, self.options.dialect);
                self.has_part_of(record);
                if self.metrics.records() >= self.options.records_max { self.close() } else { Ok(()) }
            }
        }
    }

    fn push_spans(&mut self, record: &ExecutionMetrics) -> Result<()> {
        for span in spans(record, self.options.dialect) {
            let json = serde_json::to_vec(&span).map_err(failed)?;
            let len = self.frame.head.len() + self.spans.len() + 1 + json.len() + self.frame.tail.len();
            if self.items >= self.options.spans_max || len > self.options.bytes_max {
                self.close()?;
            }
            if self.items > 0 {
                self.spans.push(b',');
            }
            self.spans.extend_from_slice(&json);
            self.items += 1;
            self.has_part_of(record);
        }
        Ok(())
    }

    /// Notes that the message has a span or points of the record.
    fn has_part_of(&mut self, record: &ExecutionMetrics) {
        let id = record.execution_id;
        self.executions = Some((self.executions.map_or(id, |(first, _)| first), id));
    }

    /// Completes the message of the records so far, if there are any.
    pub(crate) fn close(&mut self) -> Result<()> {
        let (body, items) = match self.options.signal {
            OtlpSignal::Traces => (std::mem::take(&mut self.spans), std::mem::take(&mut self.items)),
            OtlpSignal::Metrics if self.metrics.is_empty() => return Ok(()),
            OtlpSignal::Metrics => {
                let metrics = std::mem::take(&mut self.metrics);
                (metrics.to_json().map_err(failed)?, metrics.points)
            }
        };
        let executions = self.executions.take();
        if items > 0
            && let Some((first, last)) = executions
        {
            let json = [&self.frame.head[..], &body, &self.frame.tail].concat();
            self.full.push(OtlpMessage { json, items, first, last });
        }
        Ok(())
    }

    /// Removes and returns the complete messages.
    pub(crate) fn take(&mut self) -> Vec<OtlpMessage> {
        std::mem::take(&mut self.full)
    }

    /// Returns true if a message is complete.
    pub(crate) fn has_message(&self) -> bool {
        !self.full.is_empty()
    }
}

fn failed(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Io, "write OTLP").source(source)
}
