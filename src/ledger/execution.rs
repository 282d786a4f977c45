//! The guard around one execution.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::pending::slots::Slot;
use super::{Ledger, Recorded};
use crate::cost::Cost;
use crate::error::Error;
use crate::metrics::{
    Call, CostProvenance, CostSource, CostTier, ErrorCategory, ExecutionMetrics, Kind, LlmCall, RunIds, Status, Step,
    Usage, UsageParts, Usd,
};
use crate::quota::QuotaStatus;

/// What is about to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skill {
    /// Its name, such as `git-push-autonomous`.
    pub name: String,
    /// Its version, semantic by custom.
    pub version: String,
    /// What the record is about.
    pub kind: Kind,
    /// What the execution belongs to; what is `None` here is taken from the parent execution or the ledger's options.
    pub run: RunIds,
}

impl Skill {
    /// A skill of [`Kind::Skill`].
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), kind: Kind::Skill, run: RunIds::default() }
    }

    /// Says what the record is about.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Says what the execution belongs to.
    #[must_use]
    pub fn run(self, run: RunIds) -> Self {
        Self { run, ..self }
    }
}

/// An execution that has begun. **Dropping it records it**: as panicked when the thread is unwinding, else as cancelled.
/// Dropping never panics; an answer other than durable goes to the ledger's warnings.
///
/// Ended by [`succeed`](Self::succeed), [`fail`](Self::fail) or [`finish`](Self::finish), which answer where the record
/// went. It is `Send`, so it can live across an `.await`; a future that is dropped half-way leaves a cancelled record.
#[derive(Debug)]
#[must_use = "dropping it records the execution as cancelled"]
pub struct Execution {
    ledger: Ledger,
    record: Box<ExecutionMetrics>,
    begun: Instant,
    /// How long it took; `None` while it runs.
    took: Option<Duration>,
    /// When the step that is under way began.
    step: Option<Instant>,
    steps_total: Duration,
    /// What the calls were expected to cost.
    estimates: Sum,
    /// What the calls so far cost, exact.
    cost: Sum,
    /// The begin mark, or why there is none.
    mark: Result<Slot, Error>,
    process: u32,
    finished: bool,
}

impl Execution {
    pub(super) fn begin(ledger: Ledger, record: ExecutionMetrics, mark: Result<Slot, Error>) -> Self {
        Self {
            ledger,
            record: Box::new(record),
            begun: Instant::now(),
            took: None,
            step: None,
            steps_total: Duration::ZERO,
            estimates: Sum::Nothing,
            cost: Sum::Nothing,
            process: mark.as_ref().map_or_else(|_| std::process::id(), |slot| slot.process),
            mark,
            finished: false,
        }
    }

    /// The execution's id.
    pub fn id(&self) -> Uuid {
        self.record.execution_id
    }

    /// The record as it stands, to fill fields that have no method here. Times, outcome and `skill_path_in_dag` are
    /// set at the end.
    pub fn record_mut(&mut self) -> &mut ExecutionMetrics {
        &mut self.record
    }

    /// Enters a step: ends the one before, and goes on in `skill_path_in_dag`.
    pub fn enter(&mut self, step: impl Into<String>) {
        self.leave();
        let step = step.into();
        let path = self.record.skill_path_in_dag.get_or_insert_default();
        path.push_str(" -> ");
        path.push_str(&step);
        self.record.trace.steps.push(Step::new(step, self.ledger.now()));
        self.step = Some(Instant::now());
    }

    /// Ends the step that is under way. What follows counts as wall clock time, not as latency of a step.
    pub fn leave(&mut self) {
        let Some(began) = self.step.take() else { return };
        let took = began.elapsed();
        self.steps_total += took;
        if let Some(step) = self.record.trace.steps.last_mut() {
            step.duration_ms = Some(milliseconds(took));
        }
    }

    /// Sets the end of the execution to now. What follows until it is finished counts as none of its time: gathering what
    /// its record is to say, for instance. The first call counts.
    pub fn stop_clock(&mut self) {
        if self.took.is_none() {
            self.leave();
            self.took = Some(self.begun.elapsed());
        }
    }

    /// Records one call of a model: its tokens are added to the execution's, and priced by the ledger's price table.
    ///
    /// As [`record_call`](Self::record_call), of a model that was served as usual by whoever serves models of that name.
    pub fn record_usage(&mut self, model: &str, usage: Usage) -> Option<Usd> {
        self.record_call(&Call::new(model, usage))
    }

    /// Records one call of a model: what it used is added to the execution's. Its cost is what its vendor reported, or
    /// else it is priced by the ledger's price table at the time of the call, by default now. Gives back that cost, exact,
    /// to settle a budget with.
    ///
    /// Without a price for one of its calls, the execution's cost is unknown: `cost_usd` is `None`, `cost_tier` and
    /// `cost.source` are unknown. With several calls, `model` has the name, the provider and the variant of the last one,
    /// and `cost` what is the same for all of them; each stands in `trace.llm_calls` with its own, unrounded.
    ///
    /// Of a call that is not [valid](Call::validate) nothing is believed: its usage and its cost are unknown, and so are the
    /// execution's. The ledger's warnings say so.
    pub fn record_call(&mut self, call: &Call) -> Option<Usd> {
        let fault = call.validate().err();
        fault.iter().for_each(|error| self.ledger.shared.warn(error));
        let believed = Some(call).filter(|_| fault.is_none());
        let priced = believed.and_then(|call| self.ledger.priced(call));
        let record = &mut *self.record;
        let entry = entry(record.trace.llm_calls.len() as u64 + 1, call, believed, priced.as_ref());
        add_usage(record, &entry, believed);
        let whose = priced.as_ref().map(|cost| cost.provider.to_owned());
        (record.model.provider, record.model.variant) = (call.provider.clone().or(whose), call.variant.clone());
        let tier = priced.map_or(CostTier::Unknown, |cost| cost.tier);
        add_cost(record, self.cost.add(entry.cost_usd), &entry, tier);
        let cost = entry.cost_usd;
        record.trace.llm_calls.push(entry);
        cost
    }

    /// Records what a call is expected to cost, before it is made: the sum of the estimates stands in
    /// `cost.estimated_usd`, beside the cost that it then has. Without a price for one of them the sum is unknown.
    pub fn record_estimate(&mut self, call: &Call) {
        let estimate = self.ledger.priced(call).map(|cost| cost.usd);
        self.record.cost.estimated_usd = self.estimates.add(estimate);
    }

    /// Records what is left of a quota: `free_tier_quota_remaining`, and `free_tier_quota_pct_used`, which ends at 100
    /// even if the quota was overrun.
    pub fn set_quota(&mut self, status: &QuotaStatus) {
        self.record.free_tier_quota_remaining = Some(status.remaining);
        self.record.free_tier_quota_pct_used = Some(status.pct_used.min(100.0));
    }

    /// Sets a tag.
    pub fn set_tag(&mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) {
        self.record.tags.insert(key.into(), value.into());
    }

    /// Begins an execution within this one: it carries this one's id as its parent, its run, and its path.
    pub fn child(&self, skill: Skill) -> Execution {
        self.ledger.begin_within(skill, Some(&self.record))
    }

    /// As [`Ledger::run`], as an execution within this one.
    pub fn run<T, E: fmt::Display>(
        &self,
        skill: Skill,
        body: impl FnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        self.child(skill).run_to_its_end(body)
    }

    fn run_to_its_end<T, E: fmt::Display>(mut self, body: impl FnOnce(&mut Self) -> Result<T, E>) -> Done<T, E> {
        // The panic goes on below, so nobody sees what it left half-done.
        match catch_unwind(AssertUnwindSafe(|| body(&mut self))) {
            Ok(Ok(value)) => Done { record: self.succeed(), result: Ok(value) },
            Ok(Err(error)) => Done { record: self.fail(&error), result: Err(error) },
            Err(payload) => {
                let recorded = self.end_with_error(Status::Panicked, &panic_message(&*payload));
                self.ledger.warn_unless_kept(&recorded);
                resume_unwind(payload)
            }
        }
    }

    /// Ends it as a success.
    pub fn succeed(self) -> Recorded {
        self.finish(Status::Success)
    }

    /// Ends it as failed with `error`, whose text becomes `error_reason`. `error_category` is Unknown unless the record
    /// has one already.
    pub fn fail(mut self, error: &(impl fmt::Display + ?Sized)) -> Recorded {
        self.end_with_error(Status::Failed, &error.to_string())
    }

    /// Ends it with `status`.
    pub fn finish(mut self, status: Status) -> Recorded {
        self.end(status)
    }

    fn end_with_error(&mut self, status: Status, reason: &str) -> Recorded {
        self.record.set_error_reason(reason);
        self.record.error_category.get_or_insert(ErrorCategory::Unknown);
        self.end(status)
    }

    fn end(&mut self, status: Status) -> Recorded {
        self.finished = true;
        self.stop_clock();
        let wall_clock = self.took.unwrap_or_default();
        let record = &mut *self.record;
        if let [only] = &mut record.trace.llm_calls[..] {
            // The record says it.
            only.cost = CostProvenance::default();
        }
        record.set_status(status);
        record.wall_clock_time_ms = Some(milliseconds(wall_clock));
        let latency = if record.trace.steps.is_empty() { wall_clock } else { self.steps_total };
        record.total_latency_ms = Some(milliseconds(latency));
        // By the monotonic clock: a wall clock that was set back meanwhile cannot put the end before the start.
        record.timestamp_end = Some(record.timestamp_start.plus_ms(milliseconds(wall_clock)));
        self.ledger.finish(record, &self.mark)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // A forked child has a copy of the guard; the execution is the parent's.
        if self.finished || self.process != std::process::id() {
            return;
        }
        let recorded = if std::thread::panicking() {
            self.end_with_error(Status::Panicked, "panicked")
        } else {
            self.end_with_error(Status::Cancelled, "given up before its end")
        };
        self.ledger.warn_unless_kept(&recorded);
    }
}

/// The nearest whole number of milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

/// A sum of amounts, one of which may be unknown.
#[derive(Debug, Clone, Copy)]
enum Sum {
    /// Of nothing.
    Nothing,
    Known(Usd),
    /// One of them is, or the sum leaves the range.
    Unknown,
}

impl Sum {
    /// Adds an amount, and gives the sum; `None`: unknown.
    fn add(&mut self, amount: Option<Usd>) -> Option<Usd> {
        let sum = match (*self, amount) {
            (Self::Nothing, amount) => amount,
            (Self::Known(sum), Some(amount)) => sum.checked_add(amount),
            _ => None,
        };
        *self = sum.map_or(Self::Unknown, Self::Known);
        sum
    }
}

/// The `number`th call as a record lists it; of one that is not `believed`, only what was called.
fn entry(number: u64, call: &Call, believed: Option<&Call>, priced: Option<&Cost<'_>>) -> LlmCall {
    let mut entry = LlmCall::new(number, &call.model);
    (entry.provider, entry.variant) = (call.provider.clone(), call.variant.clone());
    if let Some(Call { usage, .. }) = believed {
        (entry.tokens_input, entry.tokens_output, entry.parts) = (Some(usage.input), Some(usage.output), usage.parts);
    }
    (entry.cost_usd, entry.cost) = match (believed.and_then(|call| call.reported_usd), priced) {
        (Some(reported), _) => (Some(reported), sourced(CostSource::Reported)),
        (None, Some(cost)) => (Some(cost.usd), cost.provenance()),
        (None, None) => (None, sourced(CostSource::Unknown)),
    };
    entry
}

/// Adds what `call`, which is not in the list of calls yet, used; unknown if it is not `believed`.
fn add_usage(record: &mut ExecutionMetrics, call: &LlmCall, believed: Option<&Call>) {
    let earlier = match call.call_sequence {
        1 => Some(Usage::new(0, 0)),
        _ => record.usage(),
    };
    match earlier.zip(believed) {
        Some((earlier, call)) => record.set_usage(&call.model, &earlier.saturating_add(&call.usage)),
        None => {
            (record.tokens_used, record.tokens_input, record.tokens_output) = (None, None, None);
            (record.model.name, record.model.parts) = (Some(call.model_name.clone()), UsageParts::default());
        }
    }
}

fn sourced(source: CostSource) -> CostProvenance {
    CostProvenance { source: Some(source), ..CostProvenance::default() }
}

/// Makes `sum` the cost, that of `call` in it, which is not in the list of calls yet. Unknown and anything is unknown.
fn add_cost(record: &mut ExecutionMetrics, sum: Option<Usd>, call: &LlmCall, tier: CostTier) {
    let estimated_usd = record.cost.estimated_usd;
    record.cost_usd = sum.map(Usd::round_to_record);
    if record.cost_usd.is_none() {
        (record.cost_tier, record.cost) = (Some(CostTier::Unknown), sourced(CostSource::Unknown));
    } else if record.trace.llm_calls.is_empty() {
        (record.cost_tier, record.cost) = (Some(tier), call.cost.clone());
    } else {
        let rank = |tier: &CostTier| match tier {
            CostTier::Free => 0,
            CostTier::Standard => 1,
            CostTier::Premium => 2,
            _ => 3,
        };
        record.cost_tier = record.cost_tier.take().into_iter().chain([tier]).max_by_key(rank);
        record.cost = common(&record.cost, &call.cost);
    }
    record.cost.estimated_usd = estimated_usd;
}

/// What two amounts have in common; a sum that was computed in part is computed.
fn common(a: &CostProvenance, b: &CostProvenance) -> CostProvenance {
    fn same<T: Clone + PartialEq>(a: &Option<T>, b: &Option<T>) -> Option<T> {
        a.clone().filter(|_| a == b)
    }
    CostProvenance {
        source: same(&a.source, &b.source).or(Some(CostSource::Computed)),
        table: same(&a.table, &b.table),
        provider: same(&a.provider, &b.provider),
        matched: same(&a.matched, &b.matched),
        tier_above: same(&a.tier_above, &b.tier_above),
        variant: same(&a.variant, &b.variant),
        variant_unpriced: same(&a.variant_unpriced, &b.variant_unpriced),
        at: same(&a.at, &b.at),
        ..CostProvenance::default()
    }
}

/// What came of [`Ledger::run`]: the skill's own result, untouched, and where the record went.
#[derive(Debug)]
pub struct Done<T, E> {
    /// What the skill returned.
    pub result: Result<T, E>,
    /// Where the record went.
    pub record: Recorded,
}

impl Ledger {
    /// Runs `body` as one execution and records how it ended: by its `Ok` or `Err`, or by a panic, which goes on after
    /// it was recorded.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let done = ledger.run(Skill::new("parse", "1.0.0"), |execution| {
    ///     execution.enter("digits");
    ///     "42".parse::<u32>()
    /// });
    /// assert!(done.record.is_durable());
    /// assert_eq!(done.result, Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<T, E: fmt::Display>(
        &self,
        skill: Skill,
        body: impl FnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        self.begin(skill).run_to_its_end(body)
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}"))
}
