//! Finds and delivers alerts, once or until a signal arrives.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use runledger::alerts::{AlertJournal, Delivery, PendingAlert};
use runledger::governance::AlertsPolicy;

use super::evaluate::Evaluation;
use super::lines;
use super::receiver::Receiver;
use crate::clock;
use crate::failure::Failure;
use crate::global::Global;

/// The time between two looks at the files. A look that finds nothing costs a few system calls.
const PAUSE: Duration = Duration::from_millis(200);
/// During a pause, a signal is noticed after at most about this time.
const SIGNAL_PAUSE: Duration = Duration::from_millis(20);

/// Finds alerts, delivers them, and remembers what was delivered.
pub(super) struct Watcher {
    journal: AlertJournal,
    policy: AlertsPolicy,
    receiver: Receiver,
    stop: Arc<AtomicBool>,
    /// True if an alert has failed for good, so that it is not tried again.
    failed: bool,
}

impl Watcher {
    /// Returns a watcher that ends when `stop` is set.
    pub(super) fn new(journal: AlertJournal, policy: AlertsPolicy, receiver: Receiver, stop: Arc<AtomicBool>) -> Self {
        Self { journal, policy, receiver, stop, failed: false }
    }

    /// Looks for alerts once, and makes one attempt to deliver each alert that is due. Returns true if all alerts were
    /// delivered.
    pub(super) fn run_once(
        &mut self,
        evaluation: &mut Evaluation,
        global: &Global,
        out: &mut impl Write,
    ) -> Result<bool, Failure> {
        self.look(evaluation, true)?;
        let now = clock::now();
        let due: Vec<_> = self.journal.pending().filter(|pending| pending.is_due(now)).cloned().collect();
        for due in due {
            if !self.deliver(&due, global, out)? {
                break;
            }
        }
        Ok(!self.failed && self.journal.pending().next().is_none())
    }

    /// Looks for alerts and delivers them until a signal arrives. Returns true if no alert has failed.
    pub(super) fn run(
        &mut self,
        evaluation: &mut Evaluation,
        global: &Global,
        out: &mut impl Write,
    ) -> Result<bool, Failure> {
        while !self.is_stopped() {
            self.look(evaluation, false)?;
            // At most one alert is delivered between two looks. So a slow receiver does not delay the next look for
            // longer than one attempt.
            match self.journal.next(clock::now()).cloned() {
                Some(due) => _ = self.deliver(&due, global, out)?,
                None => self.pause(),
            }
        }
        Ok(!self.failed)
    }

    fn look(&mut self, evaluation: &mut Evaluation, at_once: bool) -> Result<(), Failure> {
        let found = evaluation.look(at_once)?;
        self.journal.add(found, clock::now())?;
        Ok(())
    }

    /// Makes one attempt to deliver the alert, and stores the result. Returns false if a signal ended the attempt. Such
    /// an attempt does not count.
    fn deliver(&mut self, due: &PendingAlert, global: &Global, out: &mut impl Write) -> Result<bool, Failure> {
        let Some(delivery) = self.receiver.deliver(&due.alert, self.policy.timeout(), &self.stop) else {
            return Ok(false);
        };
        let now = clock::now();
        let next_at = self.journal.attempted(due.alert.id, delivery.clone(), self.policy.attempts_max, now)?;
        let next_at = next_at.map(|pending| pending.next_at);
        let attempts = due.attempts + 1;
        match (delivery, next_at) {
            (Delivery::Accepted, _) => lines::sent(&due.alert, attempts, now, global, out)?,
            (Delivery::Refused { why, .. }, Some(next_at)) => lines::retry(&due.alert, &why, next_at, global),
            (Delivery::Refused { why, .. }, None) => {
                self.failed = true;
                lines::failed(&due.alert, attempts, &why, now, global, out)?;
            }
        }
        out.flush()?;
        Ok(true)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        let begin = Instant::now();
        while begin.elapsed() < PAUSE && !self.is_stopped() {
            thread::sleep(SIGNAL_PAUSE);
        }
    }
}
