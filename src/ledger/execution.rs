//! The guard around one execution. If the guard is dropped before the execution has ended, the drop records the
//! execution.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::calls::{self, Sum};
use super::commit::{Job, Mark};
use super::pending::slots::{MARK, Slot};
use super::recording::Recording;
use super::{Ledger, Recorded};
use crate::committer::{Broken, Order, Promised, abandoned};
use crate::error::{Error, ErrorKind};
use crate::metrics::{Call, CostProvenance, ErrorCategory, ExecutionMetrics, Kind, RunIds, Status, Step, Usage, Usd};
use crate::quota::QuotaStatus;

/// The skill that an execution runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skill {
    /// The name of the skill, such as `git-push-autonomous`.
    pub name: String,
    /// The version of the skill, usually a semantic version such as `1.2.0`.
    pub version: String,
    /// The kind of execution.
    pub kind: Kind,
    /// The run, session and other groups that the execution belongs to. A field that is `None` gets the value of the
    /// parent execution. If there is no parent, the field gets the value in the ledger's [`Options`](crate::Options).
    pub run: RunIds,
}

impl Skill {
    /// Creates a skill of [`Kind::Skill`].
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), kind: Kind::Skill, run: RunIds::default() }
    }

    /// Sets the kind of execution.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the run, session and other groups that the execution belongs to.
    #[must_use]
    pub fn run(self, run: RunIds) -> Self {
        Self { run, ..self }
    }
}

/// A running execution. **Dropping this guard records the execution**: as panicked if the thread is panicking, and in
/// all other cases as cancelled. Dropping does not panic, unless the program's hook for warnings panics and the thread
/// is not panicking already.
///
/// [`succeed`](Self::succeed), [`fail`](Self::fail) and [`finish`](Self::finish) end the execution and say where its
/// record is. The answer can be ignored, because by default the ledger [warns](crate::Recorded) if the record was
/// spilled, lost or late. The guard is `Send`, so it can be held across an `.await`. If the future that holds the guard
/// is dropped before it completes, the execution is recorded as cancelled.
#[derive(Debug)]
#[must_use = "dropping it records the execution as cancelled"]
pub struct Execution {
    pub(super) ledger: Ledger,
    pub(super) record: Box<ExecutionMetrics>,
    pub(super) begun: Instant,
    /// How long the execution took, or `None` until its clock is stopped.
    took: Option<Duration>,
    /// When the current step started, or `None` between steps.
    step: Option<Instant>,
    steps_total: Duration,
    /// The sum of the estimated costs of the calls.
    estimates: Sum,
    /// The exact sum of the actual costs of the calls.
    pub(super) cost: Sum,
    /// The begin mark, which notes that the execution has started.
    pub(super) mark: Begun,
    /// True if the execution was begun with an async call. Dropping the guard then passes the record to the committer,
    /// the ledger's thread, instead of waiting for the disk.
    is_async: bool,
    pub(super) process: u32,
    pub(super) finished: bool,
}

/// The state of a begin mark.
#[derive(Debug)]
pub(super) enum Begun {
    Marked(Slot),
    /// The mark could not be written for this reason.
    Unmarked(Error),
    /// The committer was asked to write the mark.
    Ordered(Option<Order<Job>>, Promised<Result<Slot, Error>>),
}

impl Execution {
    pub(super) fn begin(ledger: Ledger, record: Box<ExecutionMetrics>, mark: Result<Slot, Error>) -> Self {
        let process = mark.as_ref().map_or_else(|_| std::process::id(), |slot| slot.process);
        let mark = mark.map_or_else(Begun::Unmarked, Begun::Marked);
        Self::new(ledger, record, mark, process, false)
    }

    /// Begins an execution, and asks the committer to write its begin mark. Call [`marked`](Self::marked) afterwards,
    /// which waits for the mark.
    pub(super) fn order(ledger: Ledger, record: Box<ExecutionMetrics>) -> Self {
        let mark = ledger.order_mark(&record);
        let mark = mark.map_or_else(Begun::Unmarked, |(put, slot)| Begun::Ordered(put, slot));
        Self::new(ledger, record, mark, std::process::id(), true)
    }

    fn new(ledger: Ledger, record: Box<ExecutionMetrics>, mark: Begun, process: u32, is_async: bool) -> Self {
        Self {
            ledger,
            record,
            begun: Instant::now(),
            took: None,
            step: None,
            steps_total: Duration::ZERO,
            estimates: Sum::Nothing,
            cost: Sum::Nothing,
            mark,
            is_async,
            process,
            finished: false,
        }
    }

    /// Waits until the begin mark is written, or until it is known that the mark cannot be written.
    pub(super) async fn marked(&mut self) {
        if let Begun::Ordered(put, slot) = &mut self.mark {
            if let Some(put) = put {
                put.await;
            }
            let slot = slot.await.unwrap_or_else(|Broken| Err(abandoned(MARK)));
            self.mark = slot.map_or_else(Begun::Unmarked, Begun::Marked);
        }
        self.begun = Instant::now();
    }

    /// Returns the execution's id.
    pub fn id(&self) -> Uuid {
        self.record.execution_id
    }

    /// Returns the record so far. Use it to set fields for which this type has no method. The end, the durations and
    /// the outcome are set when the execution ends.
    pub fn record_mut(&mut self) -> &mut ExecutionMetrics {
        &mut self.record
    }

    /// Enters a step: ends the current step, and adds the new one to `skill_path_in_dag` and `trace.steps`.
    pub fn enter(&mut self, step: impl Into<String>) {
        self.leave();
        let step = step.into();
        let path = self.record.skill_path_in_dag.get_or_insert_default();
        path.push_str(" -> ");
        path.push_str(&step);
        self.record.trace.steps.push(Step::new(step, self.ledger.now()));
        self.step = Some(Instant::now());
    }

    /// Ends the current step. The time from this call to the next step is part of `wall_clock_time_ms`, but not of
    /// `total_latency_ms`.
    pub fn leave(&mut self) {
        let Some(began) = self.step.take() else { return };
        let took = began.elapsed();
        self.steps_total += took;
        if let Some(step) = self.record.trace.steps.last_mut() {
            step.duration_ms = Some(milliseconds(took));
        }
    }

    /// Sets the end of the execution to now. Later work, such as setting fields of the record, is not part of the
    /// duration. Only the first call has an effect.
    pub fn stop_clock(&mut self) {
        if self.took.is_none() {
            self.leave();
            self.took = Some(self.begun.elapsed());
        }
    }

    /// Like [`record_call`](Self::record_call), but takes only the name of a model and the usage of the call. The
    /// provider is the one that the price table lists for the model. The call is priced as a standard call, and not,
    /// for example, as a call of a batch. Returns the exact cost of the call, or `None` if the cost is unknown.
    pub fn record_usage(&mut self, model: &str, usage: Usage) -> Option<Usd> {
        self.record_call(&Call::new(model, usage))
    }

    /// Records one call of a model, and adds the call's usage to the usage of the execution. Returns the exact cost of
    /// the call, or `None` if the cost is unknown. A caller can settle a budget with this cost.
    ///
    /// If `call` has a cost that the vendor reported, that cost is used. If there is no reported cost, the cost is
    /// computed from the ledger's price table, with the prices at the time of the call. If `call` has no time, the
    /// current prices are used.
    ///
    /// If the cost of one call is unknown, the cost of the execution is unknown too: `cost_usd` is `None`, and
    /// `cost_tier` and `cost.source` are unknown. The ledger warns about the first such call of each model, and names
    /// similar models. Each process warns about at most 256 models.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use runledger::{Options, Skill, Usage};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let warnings = Arc::new(Mutex::new(Vec::new()));
    /// let heard = Arc::clone(&warnings);
    /// let ledger = Options::new().on_warning(move |error| heard.lock().unwrap().push(error.to_string())).open(path)?;
    /// let mut execution = ledger.begin(Skill::new("summarise", "1.2.0"));
    /// assert_eq!(execution.record_usage("gpt-4oo", Usage::new(1_000, 500)), None);
    /// assert_eq!(execution.record_usage("gpt-4oo", Usage::new(2_000, 500)), None);
    /// let warning = "the cost of a call is unknown: \
    ///                cannot price the unknown model \"gpt-4oo\", nearest known names: gpt-4o; gpt-4; gpt-4.1";
    /// assert_eq!(*warnings.lock().unwrap(), [warning]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// If there are several calls:
    ///
    /// - `model` has the name, the provider and the variant of the last call. If the last call states a provider and an
    ///   earlier call of the same model states none, `model` has no provider. The same is true of the variant.
    /// - `cost` has only the values that all calls share.
    /// - `trace.llm_calls` lists each call with its own unrounded cost.
    ///
    /// If a call is not [valid](Call::validate), its usage and its cost are recorded as unknown, and the ledger warns
    /// about the call. The usage and the cost of the execution are then unknown too.
    pub fn record_call(&mut self, call: &Call) -> Option<Usd> {
        let fault = call.validate().err();
        fault.iter().for_each(|error| self.ledger.shared.warn(error));
        let priced = if fault.is_none() { self.ledger.priced(call) } else { None };
        if fault.is_none() && priced.is_none() && call.reported_usd.is_none() {
            self.ledger.warn_of_unpriced(call);
        }
        calls::add(&mut self.record, &mut self.cost, call, fault.is_none(), priced)
    }

    /// Records the expected cost of a call, before the call is made. `cost.estimated_usd` is the sum of these
    /// estimates, and is separate from the actual cost. If the expected cost of a call is unknown, the sum is unknown,
    /// and the ledger warns like [`record_call`](Self::record_call) does.
    pub fn record_estimate(&mut self, call: &Call) {
        let estimate = self.ledger.priced(call).map(|cost| cost.usd);
        if estimate.is_none() {
            self.ledger.warn_of_unpriced(call);
        }
        self.record.cost.estimated_usd = self.estimates.add(estimate);
    }

    /// Records the state of a quota in `free_tier_quota_remaining` and `free_tier_quota_pct_used`. The percentage is at
    /// most 100, even if the quota was exceeded.
    pub fn set_quota(&mut self, status: &QuotaStatus) {
        self.record.free_tier_quota_remaining = Some(status.remaining);
        self.record.free_tier_quota_pct_used = Some(status.pct_used.min(100.0));
    }

    /// Sets the tag `key` to `value`.
    pub fn set_tag(&mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) {
        self.record.tags.insert(key.into(), value.into());
    }

    /// Runs `body`, and records whether `body` succeeded, failed or panicked. A panic is recorded first, and then
    /// continues in the caller.
    pub(super) fn run_to_its_end<T, E: fmt::Display>(
        mut self,
        body: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Done<T, E> {
        // Asserting unwind safety is correct here. The panic is resumed below, so the caller does not see values that
        // the panic left partly changed.
        match catch_unwind(AssertUnwindSafe(|| body(&mut self))) {
            Ok(Ok(value)) => Done { record: self.succeed(), result: Ok(value) },
            Ok(Err(error)) => Done { record: self.fail(&error), result: Err(error) },
            Err(payload) => {
                let recorded = self.end_with_error(Status::Panicked, &panic_message(&*payload));
                self.warn_of(&recorded);
                resume_unwind(payload)
            }
        }
    }

    /// Ends the execution as a success.
    pub fn succeed(self) -> Recorded {
        self.finish(Status::Success)
    }

    /// Ends the execution as failed. The text of `error` becomes `error_reason`. If the record has no `error_category`,
    /// that field becomes Unknown.
    pub fn fail(mut self, error: &(impl fmt::Display + ?Sized)) -> Recorded {
        let recorded = self.end_with_error(Status::Failed, &error.to_string());
        self.answer(recorded)
    }

    /// Like [`succeed`](Self::succeed), but does not block the thread while the disk syncs.
    pub fn succeed_async(self) -> Recording {
        self.finish_async(Status::Success)
    }

    /// Like [`fail`](Self::fail), but does not block the thread while the disk syncs.
    pub fn fail_async(mut self, error: &(impl fmt::Display + ?Sized)) -> Recording {
        self.set_failure(&error.to_string());
        self.finish_async(Status::Failed)
    }

    /// Like [`finish`](Self::finish), but does not block the thread while the disk syncs. The execution ends when this
    /// function is called. The record is stored even if the returned future is dropped or never polled.
    pub fn finish_async(mut self, status: Status) -> Recording {
        self.end_async(status)
    }

    /// Like [`fail`](Self::fail), but also sets `error_category` and `error_code`.
    ///
    /// ```
    /// use runledger::metrics::ErrorCategory;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// execution.fail_with(ErrorCategory::Network, 504, "the registry did not answer");
    ///
    /// let record = ledger.reader().records().next().transpose()?.ok_or("the ledger is empty")?;
    /// assert_eq!(record.error_category, Some(ErrorCategory::Network));
    /// assert_eq!(record.error_code, Some(504));
    /// assert_eq!(record.error_reason.as_deref(), Some("the registry did not answer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail_with(mut self, category: ErrorCategory, code: i64, error: &(impl fmt::Display + ?Sized)) -> Recorded {
        self.record.error_category = Some(category);
        self.record.error_code = Some(code);
        self.fail(error)
    }

    /// Ends the execution with `status`.
    pub fn finish(mut self, status: Status) -> Recorded {
        let recorded = self.end(status);
        self.answer(recorded)
    }

    /// Warns about the problems of an answer that a caller receives, unless the program handles answers itself.
    fn answer(&self, recorded: Recorded) -> Recorded {
        self.ledger.shared.warn_unless_handled(recorded.warnings());
        recorded
    }

    /// Warns about the problems of an answer that no caller receives.
    pub(super) fn warn_of(&self, recorded: &Recorded) {
        recorded.warnings().for_each(|warning| self.ledger.shared.warn(&warning));
    }

    pub(super) fn set_failure(&mut self, reason: &str) {
        self.ledger.shared.set_reason(&mut self.record, reason);
        self.record.error_category.get_or_insert(ErrorCategory::Unknown);
    }

    fn end_with_error(&mut self, status: Status, reason: &str) -> Recorded {
        self.set_failure(reason);
        self.end(status)
    }

    pub(super) fn end(&mut self, status: Status) -> Recorded {
        self.complete(status);
        let (slot, unmarked) = match &self.mark {
            Begun::Marked(slot) => (Some(slot.clone()), None),
            Begun::Unmarked(error) => (None, Some(error.clone())),
            // This case does not occur, because a caller gets the guard only after `marked` has returned.
            Begun::Ordered(..) => (None, None),
        };
        let (answer, refused) = self.ledger.finish(&self.record, slot);
        Recorded { answer, unmarked, refused }
    }

    pub(super) fn end_async(&mut self, status: Status) -> Recording {
        self.complete(status);
        let taken = Begun::Unmarked(Error::new(ErrorKind::Ended, MARK));
        let (mark, unmarked) = match std::mem::replace(&mut self.mark, taken) {
            Begun::Marked(slot) => (Some(Mark::Written(slot)), None),
            Begun::Unmarked(error) => (None, Some(error)),
            // The task was cancelled before the mark was written. If the mark still waits for room in the queue, take
            // it back, because it is not needed any more.
            Begun::Ordered(mut put, slot) => {
                (put.as_mut().and_then(Order::take_back).is_none().then_some(Mark::Ordered(slot)), None)
            }
        };
        self.ledger.finish_async(&self.record, mark, unmarked)
    }

    /// Sets the fields of the record that are known at the end.
    fn complete(&mut self, status: Status) {
        self.finished = true;
        self.stop_clock();
        let wall_clock = self.took.unwrap_or_default();
        let record = &mut *self.record;
        if let [only] = &mut record.trace.llm_calls[..] {
            // With only one call, the record's `cost` already says where the cost comes from. So the entry of the call
            // does not repeat this.
            only.cost = CostProvenance::default();
        }
        record.set_status(status);
        record.wall_clock_time_ms = Some(milliseconds(wall_clock));
        let latency = if record.trace.steps.is_empty() { wall_clock } else { self.steps_total };
        record.total_latency_ms = Some(milliseconds(latency));
        // Compute the end from the start and the duration, which was measured with the monotonic clock. So the end is
        // not before the start, even if the wall clock was set back.
        record.timestamp_end = Some(record.timestamp_start.plus_ms(milliseconds(wall_clock)));
        record.derive_missing();
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // A forked child process has a copy of the guard, but the execution belongs to the parent process.
        if self.finished || self.process != std::process::id() {
            return;
        }
        let (status, reason) = if std::thread::panicking() {
            (Status::Panicked, "panicked")
        } else {
            (Status::Cancelled, "cancelled before its end")
        };
        if self.is_async {
            self.set_failure(reason);
            drop(self.end_async(status));
        } else {
            let recorded = self.end_with_error(status, reason);
            self.warn_of(&recorded);
        }
    }
}

/// Rounds to the nearest millisecond.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

/// The result of [`Ledger::run`]: the skill's own result, which is unchanged, and where the record is.
#[derive(Debug)]
pub struct Done<T, E> {
    /// The result of the skill.
    pub result: Result<T, E>,
    /// Where the record is.
    pub record: Recorded,
}

pub(super) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}"))
}
