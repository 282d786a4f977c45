//! Waits for the end of an attempt to deliver an alert.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runledger::alerts::Delivery;

/// How long an attempt goes on after a signal has asked this process to end.
const GRACE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

pub(super) fn refused(why: String) -> Delivery {
    Delivery::Refused { why, retry_after: None }
}

/// Waits for the end of an attempt.
pub(super) struct Wait<'s> {
    deadline: Instant,
    stop: &'s AtomicBool,
    /// When this value first saw that the flag `stop` is set.
    stopped: Option<Instant>,
}

/// The reason why the wait for an attempt ends before the attempt does.
pub(super) enum Over {
    Deadline,
    Stopped,
}

impl<'s> Wait<'s> {
    pub(super) fn new(timeout: Duration, stop: &'s AtomicBool) -> Self {
        Self { deadline: Instant::now() + timeout, stop, stopped: None }
    }

    /// Calls `pause` with a short time, or returns the reason why the wait is over.
    pub(super) fn step(&mut self, pause: impl FnOnce(Duration)) -> Option<Over> {
        let now = Instant::now();
        if self.stop.load(Ordering::Relaxed) && self.stopped.is_none() {
            self.stopped = Some(now);
        }
        if self.stopped.is_some_and(|since| now.duration_since(since) >= GRACE) {
            return Some(Over::Stopped);
        }
        if now >= self.deadline {
            return Some(Over::Deadline);
        }
        pause(STEP);
        None
    }
}
