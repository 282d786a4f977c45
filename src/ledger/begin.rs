//! Begins executions.

use std::fmt;

use super::commit::Job;
use super::pending::slots::{self, MARK, Slot};
use super::{Done, Execution, Ledger, Skill};
use crate::committer::{Order, Promised, promise};
use crate::error::{Error, ErrorKind};
use crate::id::new_id;
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Begins an execution, and writes its begin mark. If the process dies before the execution ends, the mark shows
    /// that the execution has started, and the execution is recorded as interrupted.
    ///
    /// `begin` never fails. If the mark cannot be written, the execution runs without a mark. When the execution ends,
    /// [`Recorded::unmarked`](crate::Recorded::unmarked) and, by default, a warning say why.
    pub fn begin(&self, skill: Skill) -> Execution {
        self.begin_within(skill, None)
    }

    /// Runs `body` as one execution, and records how `body` ended: with `Ok`, with `Err`, or with a panic. A panic is
    /// recorded first, and then continues in the caller.
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

    /// Begins an execution, as a child of `parent` if there is one.
    fn begin_within(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> Execution {
        let record = self.new_record(skill, parent);
        let mark = self.mark_slot(&record);
        Execution::begin(self.clone(), record, mark)
    }

    /// Returns a record with everything that is known about an execution when it begins.
    pub(super) fn new_record(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> Box<ExecutionMetrics> {
        let options = &self.shared.options;
        let now = self.now();
        let mut record = Box::new(ExecutionMetrics::new(new_id(now.unix_ms()), skill.name, skill.version, now));
        record.orchestrator_version.clone_from(&options.orchestrator_version);
        record.operator.clone_from(&options.operator);
        record.environment.clone_from(&options.environment);
        record.kind = skill.kind;
        record.run = skill.run;
        record.run.fill_unknown(parent.map_or(&options.run, |parent| &parent.run));
        let path = parent.and_then(|parent| parent.skill_path_in_dag.as_deref());
        record.skill_path_in_dag = Some(match path {
            Some(path) => format!("{path} -> {}", record.skill_name),
            None => record.skill_name.clone(),
        });
        if let Some(parent) = parent {
            record.run.parent_execution_id = Some(parent.execution_id);
        }
        record
    }

    /// Writes a begin mark for an execution whose record the caller [appends](Self::append) later. If this process dies
    /// before it appends the record, the execution is recorded as interrupted. After the append,
    /// [remove](BeginMark::remove) the mark.
    ///
    /// The mark has the id, the skill, the orchestrator's version, the start, the operator, the environment, the path,
    /// the kind and the run of `record`.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the id, the skill or the run is invalid, or if the mark would be too long.
    /// - [`ErrorKind::Ended`] if the ledger has a record that says how this execution ended. A record with the status
    ///   interrupted or paused does not count, because such an execution may continue.
    /// - [`ErrorKind::Timeout`] if the disk does not respond within
    ///   [`Options::deadline`](crate::Options::deadline).
    /// - [`ErrorKind::Io`] if the mark cannot be written.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Ledger, Timestamp, Uuid, metrics::Status};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "summarise", "1.2.0", Timestamp::UNIX_EPOCH);
    /// let mark = ledger.mark(&record)?;
    /// assert_eq!(ledger.reader().in_flight()?.executions.len(), 1);
    ///
    /// record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    /// record.set_status(Status::Success);
    /// ledger.append(&record)?;
    /// mark.remove();
    /// assert_eq!(ledger.reader().in_flight()?.executions.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mark(&self, record: &ExecutionMetrics) -> Result<BeginMark, Error> {
        let mut begun = ExecutionMetrics::new(
            record.execution_id,
            record.skill_name.as_str(),
            record.skill_version.as_str(),
            record.timestamp_start,
        );
        begun.timestamp_end = Some(record.timestamp_start);
        begun.run.clone_from(&record.run);
        begun.validate()?;
        // If the ledger cannot be read, write the mark anyway. If the execution has ended, `append` notices this later.
        if let Ok(Some((seq, ended))) = self.ended_record(record.execution_id) {
            let status = ended.status.map_or_else(String::new, |status| format!(": {status}"));
            return Err(Error::new(ErrorKind::Ended, MARK)
                .path(self.shared.journal.layout().active())
                .detail(format!("line {seq} says that the execution {} has ended{status}", record.execution_id)));
        }
        Ok(BeginMark { slot: self.mark_slot(record)?, ledger: self.clone() })
    }

    /// Writes the begin mark of an execution.
    pub(super) fn mark_slot(&self, record: &ExecutionMetrics) -> Result<Slot, Error> {
        let line = slots::mark(self.shared.journal.seen_end(), record, &self.shared.options.redactor)?;
        // A mark that is written after the deadline does no harm. The sweep, which records the executions of dead
        // processes, skips a mark whose execution has a record.
        self.in_time(move |shared| shared.slots.begin(&line), |_, _| ())
            .unwrap_or_else(|missed| Err(self.missed(MARK, missed)))
    }

    /// Asks the committer, which is the ledger's thread, to write the begin mark of an execution. If the committer is
    /// idle and marks are not synced, this function writes the mark itself.
    pub(super) fn order_mark(&self, record: &ExecutionMetrics) -> Result<OrderedMark, Error> {
        let line = slots::mark(self.shared.journal.seen_end(), record, &self.shared.options.redactor)?;
        let (slot, promised) = promise();
        // A mark that is not synced is only written to the page cache, which takes microseconds. If the disk is
        // overloaded, the write can take longer, but the committer is then rarely idle.
        if self.committer.is_idle() && !self.shared.options.sync_begin {
            let _ = slot.give(self.shared.slots.begin(&line));
            return Ok((None, promised));
        }
        Ok((self.order(Job::Begin { line, slot })?, promised))
    }
}

/// The first value is a future that puts the job into the committer's queue, or `None` if the job is already done. The
/// second value is a future that returns the slot in which the mark is.
type OrderedMark = (Option<Order<Job>>, Promised<Result<Slot, Error>>);

/// The begin mark of an execution. If this value is dropped without calling [`remove`](Self::remove), the mark stays.
/// After this process has closed the ledger or has ended, the next process that opens the ledger removes the mark.
#[derive(Debug)]
#[must_use = "the execution counts as in flight until the mark is removed"]
pub struct BeginMark {
    ledger: Ledger,
    slot: Slot,
}

impl BeginMark {
    /// Removes the mark. Call this after the record of the execution was stored. If the mark cannot be removed, the
    /// ledger warns. In that case, a later process that opens the ledger finds the record, and ignores the mark.
    pub fn remove(self) {
        self.ledger.shared.unmark(vec![self.slot]);
    }
}

impl Execution {
    /// Begins a child of this execution. The child belongs to the same run, unless `skill` names another run. Its
    /// `skill_path_in_dag` continues the path of this execution.
    pub fn child(&self, skill: Skill) -> Execution {
        self.ledger.begin_within(skill, Some(&self.record))
    }

    /// Like [`Ledger::run`], but runs a child of this execution.
    pub fn run<T, E: fmt::Display>(
        &self,
        skill: Skill,
        body: impl FnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        self.child(skill).run_to_its_end(body)
    }
}
