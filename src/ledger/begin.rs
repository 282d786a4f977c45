//! Begins executions.

use std::fmt;

use super::pending::slots::{self, Slot};
use super::{Done, Execution, Ledger, Skill};
use crate::error::Error;
use crate::id::new_id;
use crate::metrics::{ExecutionMetrics, RunIds};

impl Ledger {
    /// Begins an execution, and writes its begin mark, which shows that the execution has started and has no record
    /// yet.
    ///
    /// `begin` never fails. If the mark cannot be written, [`Recorded::unmarked`](crate::Recorded::unmarked) and a
    /// warning say why when the execution ends.
    pub fn begin(&self, skill: Skill) -> Execution {
        self.begin_within(skill, None)
    }

    /// Runs `body` as one execution and records how `body` ended: with `Ok`, with `Err`, or with a panic. A panic is
    /// first recorded and then resumed.
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
        let mark = self.mark(&record);
        Execution::begin(self.clone(), record, mark)
    }

    /// Returns a record with everything that is known about an execution when it begins.
    pub(super) fn new_record(&self, skill: Skill, parent: Option<&ExecutionMetrics>) -> ExecutionMetrics {
        let options = &self.shared.options;
        let now = self.now();
        let mut record = ExecutionMetrics::new(new_id(now.unix_ms()), skill.name, skill.version, now);
        record.orchestrator_version.clone_from(&options.orchestrator_version);
        record.operator.clone_from(&options.operator);
        record.environment.clone_from(&options.environment);
        record.kind = skill.kind;
        record.run = skill.run;
        inherit(&mut record.run, parent.map_or(&options.run, |parent| &parent.run));
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

    /// Writes the begin mark of an execution.
    fn mark(&self, record: &ExecutionMetrics) -> Result<Slot, Error> {
        let line = slots::mark(self.shared.journal.seen_end(), record)?;
        // A mark that is written after the deadline does no harm. A sweep, which records the executions of dead
        // processes, skips marks of executions that have a record.
        self.in_time(move |ledger| ledger.shared.slots.begin(&line), |_, _| ())
            .unwrap_or_else(|missed| Err(self.missed("mark an execution as started", missed)))
    }
}

impl Execution {
    /// Begins a child of this execution. The child belongs to the same run, and its `skill_path_in_dag` continues the
    /// path of this execution.
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

/// Fills the fields of `run` that are `None` with the values of `from`.
fn inherit(run: &mut RunIds, from: &RunIds) {
    if run.parent_execution_id.is_none() {
        run.parent_execution_id = from.parent_execution_id;
    }
    let fields = [
        (&mut run.run_id, &from.run_id),
        (&mut run.parent_run_id, &from.parent_run_id),
        (&mut run.session_id, &from.session_id),
        (&mut run.correlation_id, &from.correlation_id),
        (&mut run.agent_name, &from.agent_name),
        (&mut run.task_id, &from.task_id),
        (&mut run.description, &from.description),
        (&mut run.mode, &from.mode),
        (&mut run.trace_id, &from.trace_id),
        (&mut run.span_id, &from.span_id),
    ];
    for (field, inherited) in fields {
        if field.is_none() {
            field.clone_from(inherited);
        }
    }
}
