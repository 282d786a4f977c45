//! What remains of a span when it closes.

use std::time::Instant;

use super::attributes::Attributes;
use super::role::Role;
use crate::ledger::Execution;
use crate::metrics::Timestamp;

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    /// The span closed while its thread was unwinding.
    Panicked,
    /// The subscriber was dropped while the span was open.
    Dropped,
}

/// A span that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) role: Role,
    pub(super) attributes: Attributes,
    /// When the span began.
    pub(super) at: Timestamp,
    /// When the span began, by the monotonic clock. `None` if the span was an execution from its start, because an
    /// [`Execution`] measures its own time.
    pub(super) begun: Option<Instant>,
    pub(super) end: End,
}

/// An execution that has ended and has no record yet.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) execution: Execution,
    pub(super) span: Ended,
    /// The calls inside the span.
    pub(super) calls: Vec<Ended>,
}

/// What a span was.
#[derive(Debug)]
pub(super) enum Closed {
    Execution(Box<Finished>),
    /// A call, and the calls inside it.
    Call(Ended, Vec<Ended>),
}
