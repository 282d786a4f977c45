//! What is kept with a span while it is open.

use std::time::Instant;

use super::attributes::Attributes;
use super::ended::{Closed, End, Ended, Finished};
use super::role::Role;
use crate::ledger::Execution;
use crate::metrics::Timestamp;

/// The state of a span. It is stored in the extensions of the span.
#[derive(Debug)]
pub(super) struct Open {
    /// The layer that this state belongs to. A subscriber may have several layers, each with its own ledger.
    pub(super) layer: usize,
    /// `None` if no attribute has said yet what the span is.
    pub(super) role: Option<Role>,
    pub(super) attributes: Attributes,
    /// When the span began.
    pub(super) at: Timestamp,
    /// When the span began, by the monotonic clock. `None` if the span was an execution from its start, because an
    /// [`Execution`] measures its own time.
    pub(super) begun: Option<Instant>,
    /// `None` if the span is a call of an enclosing execution, or if `role` is `None`.
    pub(super) execution: Option<Execution>,
    /// The calls inside this span that have ended.
    pub(super) calls: Vec<Ended>,
}

/// The states of one span, one for each layer.
#[derive(Debug)]
pub(super) struct Opens(Vec<Open>);

impl From<Open> for Opens {
    fn from(open: Open) -> Self {
        Self(vec![open])
    }
}

impl Opens {
    pub(super) fn of(&self, layer: usize) -> Option<&Open> {
        self.0.iter().find(|open| open.layer == layer)
    }

    pub(super) fn of_mut(&mut self, layer: usize) -> Option<&mut Open> {
        self.0.iter_mut().find(|open| open.layer == layer)
    }

    pub(super) fn add(&mut self, open: Open) {
        self.0.push(open);
    }

    pub(super) fn take(&mut self, layer: usize) -> Option<Open> {
        let at = self.0.iter().position(|open| open.layer == layer)?;
        Some(self.0.swap_remove(at))
    }
}

impl Open {
    /// Ends the span. Returns `None` if no attribute has said what the span is.
    pub(super) fn end(&mut self, end: End) -> Option<Closed> {
        let attributes = std::mem::take(&mut self.attributes);
        let span = Ended { role: self.role?, attributes, at: self.at, begun: self.begun, end };
        let calls = std::mem::take(&mut self.calls);
        Some(match self.execution.take() {
            Some(mut execution) => {
                execution.stop_clock();
                Closed::Execution(Box::new(Finished { execution, span, calls }))
            }
            None => Closed::Call(span, calls),
        })
    }
}

impl Drop for Open {
    /// Records an execution whose span has not closed. This happens if the subscriber is dropped before the span.
    fn drop(&mut self) {
        if self.execution.is_some()
            && let Some(Closed::Execution(finished)) = self.end(End::Dropped)
        {
            finished.record();
        }
    }
}
