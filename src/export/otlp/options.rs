//! What is exported, and how.

use crate::genai::Dialect;

/// The data that is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OtlpSignal {
    /// A span for each execution and each of its calls of models.
    #[default]
    Traces,
    /// Histograms of tokens and durations, and sums of costs.
    Metrics,
}

/// What is exported, and how.
///
/// ```
/// use runledger::export::otlp::{Dialect, OtlpOptions, OtlpSignal};
///
/// let options = OtlpOptions::new().signal(OtlpSignal::Metrics).dialect(Dialect::Latest).service("nightly");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct OtlpOptions {
    pub(super) signal: OtlpSignal,
    pub(super) dialect: Dialect,
    pub(super) service: String,
    pub(super) spans_max: u64,
    pub(super) bytes_max: usize,
    pub(super) records_max: u64,
}

impl Default for OtlpOptions {
    /// Returns [`OtlpOptions::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl OtlpOptions {
    /// Returns options for traces in the dialect of version 1.41, of the service `runledger`. A message has at most 512
    /// spans and 1 MiB, or the metrics of at most 10,000 records.
    pub fn new() -> Self {
        Self {
            signal: OtlpSignal::Traces,
            dialect: Dialect::V1_41,
            service: "runledger".to_owned(),
            spans_max: 512,
            bytes_max: 1024 * 1024,
            records_max: 10_000,
        }
    }

    /// Sets the data that is exported.
    pub fn signal(self, signal: OtlpSignal) -> Self {
        Self { signal, ..self }
    }

    /// Sets the version of the conventions whose names are written.
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Sets the attribute `service.name` of the resource.
    pub fn service(self, name: impl Into<String>) -> Self {
        Self { service: name.into(), ..self }
    }

    /// Sets the most spans of a message, at least 1.
    pub fn spans_max(self, spans: u64) -> Self {
        Self { spans_max: spans.max(1), ..self }
    }

    /// Sets the most bytes of a message. A message with only one span can have more.
    pub fn bytes_max(self, bytes: usize) -> Self {
        Self { bytes_max: bytes, ..self }
    }

    pub(crate) fn signal_to_write(&self) -> OtlpSignal {
        self.signal
    }
}
