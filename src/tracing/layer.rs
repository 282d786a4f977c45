//! The layer that records spans.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing_core::span::{Attributes as NewSpan, Id, Record};
use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::attributes::{Attributes, Keep};
use super::ended::{Closed, End, Ended, Finished};
use super::instrument;
use super::role::Role;
use super::sink::{Sink, WhenFull};
use super::span::{Open, Opens};
use super::to_record;
use crate::ledger::{Execution, Ledger};

/// The default length of the queue, in records.
const QUEUE: usize = 8_192;
/// The maximum number of calls that one execution lists. Further calls become separate executions, so that the record
/// of a long run does not exceed the maximum length of a line.
const CALLS_MAX: usize = 1_000;

/// A [`Layer`] of a subscriber that records spans as executions and calls. All clones share one queue.
///
/// [The module](super) says what is recorded.
#[derive(Debug, Clone)]
pub struct LedgerLayer {
    ledger: Ledger,
    sink: Arc<Sink>,
    queue: usize,
    when_full: WhenFull,
    keep: Keep,
}

impl LedgerLayer {
    /// Creates a layer that records to `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        let sink = Arc::new(Sink::new(ledger.clone()));
        Self { ledger, sink, queue: QUEUE, when_full: WhenFull::default(), keep: Keep::Hash }
    }

    /// Sets whether the content of spans is stored: prompts, completions, arguments and results. With false, which is
    /// the default, only the hashes of an execution's input and output are stored.
    #[must_use]
    pub fn with_content(self, content: bool) -> Self {
        Self { keep: if content { Keep::Text } else { Keep::Hash }, ..self }
    }

    /// Sets how many records may wait to be stored. The minimum is 1, and the default is 8,192. A waiting record takes
    /// some KiB of memory, and more if it has content. All clones share one queue, whose length is set by the clone
    /// that sends the first record.
    #[must_use]
    pub fn queue(self, records: usize) -> Self {
        Self { queue: records.max(1), ..self }
    }

    /// Sets what happens to the record of a span that closes while the queue is full. By default, the thread that
    /// closes the span waits.
    #[must_use]
    pub fn when_full(self, when_full: WhenFull) -> Self {
        Self { when_full, ..self }
    }

    /// Returns how many records were dropped because the queue was full. With [`WhenFull::Wait`], the result is always
    /// 0.
    pub fn dropped(&self) -> u64 {
        self.sink.dropped()
    }

    /// Waits until the records of all spans that have closed are stored, but at most for `timeout`. Returns true if all
    /// were handled in time. If a record could not be stored, the ledger has warned.
    ///
    /// Call this before the process ends. Dropping the last clone of a layer waits for the records too. But a
    /// subscriber that was set for the whole process is never dropped, and neither is its layer. A record that is not
    /// stored when the process ends is lost, and its execution is recorded as interrupted.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.sink.flush(timeout)
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.sink).addr()
    }

    /// Begins the execution of a span, as a child of the nearest enclosing execution. If the span is a call inside an
    /// execution and `calls_too` is false, returns `None`, because the enclosing execution lists the call.
    fn begin<'s, S: LookupSpan<'s>>(
        &self,
        span: &SpanRef<'s, S>,
        role: Role,
        attributes: &Attributes,
        calls_too: bool,
    ) -> Option<Execution> {
        for ancestor in span.scope().skip(1) {
            if let Some(opens) = ancestor.extensions().get::<Opens>()
                && let Some(parent) = opens.of(self.id()).and_then(|open| open.execution.as_ref())
            {
                let is_call = matches!(role, Role::Call(_)) && !calls_too;
                return (!is_call).then(|| parent.child(to_record::skill(role, attributes)));
            }
        }
        Some(self.ledger.begin(to_record::skill(role, attributes)))
    }

    fn send(&self, finished: Box<Finished>) {
        self.sink.send(finished, self.queue, self.when_full);
    }

    /// Adds calls that have ended to the nearest enclosing span that is recorded.
    fn add_calls<'s, S: LookupSpan<'s>>(&self, span: &SpanRef<'s, S>, mut calls: Vec<Ended>) {
        for ancestor in span.scope().skip(1) {
            if let Some(opens) = ancestor.extensions_mut().get_mut::<Opens>()
                && let Some(open) = opens.of_mut(self.id()).filter(|open| open.role.is_some())
            {
                if open.calls.len() + calls.len() <= CALLS_MAX {
                    open.calls.append(&mut calls);
                    return;
                }
                break;
            }
        }
        // The execution of these calls has closed, or already lists the maximum number of calls. So record each call as
        // an execution.
        for call in calls {
            let Some(mut execution) = self.begin(span, call.role, &call.attributes, true) else { continue };
            if let Some(begun) = call.begun {
                execution.set_begin(call.at, begun);
            }
            execution.stop_clock();
            self.send(Box::new(Finished { execution, span: call, calls: Vec::new() }));
        }
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for LedgerLayer {
    fn on_new_span(&self, new: &NewSpan<'_>, id: &Id, context: Context<'_, S>) {
        if !Role::is_possible(new.metadata().fields()) {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let attributes = Attributes::collect(self.keep, |visitor| new.record(visitor));
        let role = Role::of(&attributes);
        let mut execution = role.and_then(|role| self.begin(&span, role, &attributes, false));
        let (at, begun) = match &mut execution {
            Some(execution) => (execution.record_mut().timestamp_start, None),
            None => (self.ledger.now(), Some(Instant::now())),
        };
        let open = Open { layer: self.id(), role, attributes, at, begun, execution, calls: Vec::new() };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Opens>() {
            Some(opens) => opens.add(open),
            None => extensions.insert(Opens::from(open)),
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let is_call = match span.extensions().get::<Opens>().and_then(|opens| opens.of(self.id())) {
            Some(open) => open.execution.is_none() && open.role.is_some(),
            None => return,
        };
        // The hash of a call's content is not stored.
        let keep = if is_call && self.keep == Keep::Hash { Keep::Nothing } else { self.keep };
        // The visitor runs code of the user, so hold no lock here.
        let later = Attributes::collect(keep, |visitor| record.record(visitor));
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<Opens>().and_then(|opens| opens.of_mut(self.id())) else { return };
        let may_rename = later.names_a_skill();
        open.attributes.merge(later);
        let renamed = match (open.role, &mut open.execution) {
            (None, _) => {
                open.role = Role::of(&open.attributes);
                open.execution = open.role.and_then(|role| self.begin(&span, role, &open.attributes, false));
                // The execution began when the span opened.
                if let (Some(execution), Some(begun)) = (&mut open.execution, open.begun) {
                    execution.set_begin(open.at, begun);
                }
                Ok(())
            }
            (Some(role), Some(execution)) if may_rename => to_record::rename(execution, role, &open.attributes),
            _ => Ok(()),
        };
        // The function that receives warnings is code of the user too, so release the lock first.
        drop(extensions);
        if let Err(error) = renamed {
            self.ledger.warn(&error);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        let Some(error) = instrument::returned_error(event, span.metadata()) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Opens>().and_then(|opens| opens.of_mut(self.id())) {
            open.attributes.merge(error);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(mut open) = span.extensions_mut().get_mut::<Opens>().and_then(|opens| opens.take(self.id())) else {
            return;
        };
        let end = if std::thread::panicking() { End::Panicked } else { End::Closed };
        match open.end(end) {
            Some(Closed::Execution(finished)) => self.send(finished),
            Some(Closed::Call(call, inner)) => self.add_calls(&span, to_record::with_inner(call, inner)),
            None => {}
        }
    }
}
