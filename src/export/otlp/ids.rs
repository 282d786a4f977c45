//! The ids of traces and spans. They depend only on the record, so that a repeated export has the same ids.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::digest::sha256;
use crate::export::workflow::run_uuid;
use crate::metrics::RunIds;

/// A trace id or a span id, written as lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id<const BYTES: usize>([u8; BYTES]);

pub(super) type TraceId = Id<16>;
pub(super) type SpanId = Id<8>;

impl<const BYTES: usize> Id<BYTES> {
    /// Returns the first bytes of the hash of `parts`. An id of zeros would be invalid, so its last byte becomes 1.
    fn of_hash(parts: &[&[u8]]) -> Self {
        let hash = sha256(&parts.concat());
        Self::valid(std::array::from_fn(|at| hash[at]))
    }

    fn valid(mut bytes: [u8; BYTES]) -> Self {
        if bytes == [0; BYTES]
            && let Some(last) = bytes.last_mut()
        {
            *last = 1;
        }
        Self(bytes)
    }

    /// Reads hex digits. Returns `None` for an id that W3C Trace Context does not allow.
    fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * BYTES || digits.iter().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let digit = |at: usize| char::from(digits[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = [0; BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(2 * at)? << 4 | digit(2 * at + 1)?;
        }
        (bytes != [0; BYTES]).then_some(Self(bytes))
    }
}

impl<const BYTES: usize> Serialize for Id<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(2 * BYTES);
        for byte in self.0 {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()));
        }
        serializer.serialize_str(&text)
    }
}

/// Returns the trace of a run. If the id of the run is a UUID, the trace has the same digits.
pub(super) fn trace_of_run(run_id: &str) -> TraceId {
    Id::valid(run_uuid(run_id).into_bytes())
}

/// Returns the trace of an execution without a run.
pub(super) fn trace_of_execution(execution_id: Uuid) -> TraceId {
    Id::valid(execution_id.into_bytes())
}

/// Returns the span of an execution.
pub(super) fn span_of(execution_id: Uuid) -> SpanId {
    Id::of_hash(&[b"runledger execution", execution_id.as_bytes()])
}

/// Returns the span of call number `number` of an execution.
pub(super) fn span_of_call(execution_id: Uuid, number: u64) -> SpanId {
    Id::of_hash(&[b"runledger call", execution_id.as_bytes(), &number.to_be_bytes()])
}

/// Where a span is in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) trace: TraceId,
    pub(super) parent: Option<SpanId>,
    /// A related span that is not the parent.
    pub(super) link: Option<(TraceId, SpanId)>,
}

impl Position {
    /// Returns the position of an execution:
    ///
    /// - If the record has a trace context, the span is a child of the span of this context, and the link names the
    ///   parent execution.
    /// - Otherwise, the trace is the run, and the parent is the parent execution. If the run has a parent run, the
    ///   parent execution may be in the trace of that run, which the link names.
    /// - Without a run, the execution is a trace of its own, and the link names the parent execution as another such
    ///   trace.
    pub(super) fn of(execution_id: Uuid, run: &RunIds) -> Self {
        let parent = run.parent_execution_id.map(|parent| (parent, span_of(parent)));
        if let Some(trace) = run.trace_id.as_deref().and_then(Id::from_hex) {
            let remote = run.span_id.as_deref().and_then(Id::from_hex);
            let (_, parent) = parent.unzip();
            return match remote {
                Some(remote) => Self { trace, parent: Some(remote), link: parent.map(|span| (trace, span)) },
                None => Self { trace, parent, link: None },
            };
        }
        let Some(run_id) = &run.run_id else {
            let link = parent.map(|(parent, span)| (trace_of_execution(parent), span));
            return Self { trace: trace_of_execution(execution_id), parent: None, link };
        };
        let other = run.parent_run_id.as_ref().filter(|other| *other != run_id);
        let link = other.zip(parent).map(|(other, (_, span))| (trace_of_run(other), span));
        Self { trace: trace_of_run(run_id), parent: parent.unzip().1, link }
    }
}
