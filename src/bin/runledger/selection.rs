//! Arguments that select executions.

use std::collections::HashSet;

use runledger::baseline::Skipped;
use runledger::metrics::RunIds;
use runledger::{ExecutionMetrics, Timestamp};

use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::run_id;

/// Selects executions by their skill and by the time at which they started.
#[derive(Debug, clap::Args)]
pub(crate) struct Window {
    /// Use only executions of this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    #[command(flatten)]
    pub(crate) period: Period,
}

impl Window {
    /// Returns true if the window includes all executions.
    pub(crate) fn is_all(&self) -> bool {
        self.skill.is_none() && self.period.is_all()
    }

    /// Returns true if the window includes an execution with this skill and this start.
    pub(crate) fn has(&self, skill_name: &str, start: Timestamp) -> bool {
        self.skill.as_ref().is_none_or(|skill| skill == skill_name) && self.period.contains(start)
    }
}

/// Selects executions by their run and by the time at which they started.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Use only executions with this run_id. Executions of child runs are not included. If the id is a UUID, its first
    /// characters are enough. The first characters of any other id need a `…` at the end
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Also use executions of the child runs of --run, of their child runs, and so on. The parent_run_id of a child run
    /// is the run_id of its parent
    #[arg(long, requires = "run")]
    child_runs: bool,
    #[command(flatten)]
    pub(crate) period: Period,
}

impl Selection {
    /// Returns true if executions of all runs are selected.
    pub(crate) fn has_all_runs(&self) -> bool {
        self.run.is_none()
    }

    /// Returns the id of the run of --run.
    fn run(&self, global: &Global) -> Result<Option<String>, Failure> {
        self.run.as_deref().map(|run| run_id::find(run, global)).transpose()
    }

    /// Combines the selected records, like [`records::fold`]. The records of a single run are found through the
    /// indexes. So usually, only the lines of the run are read. Returns the result and the number of lines that are not
    /// records.
    pub(crate) fn fold<A: Send>(
        &self,
        global: &Global,
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &ExecutionMetrics) -> runledger::Result<()> + Sync,
        merge: impl Fn(&mut A, A) -> runledger::Result<()> + Sync,
    ) -> Result<(A, u64), Failure> {
        let run = self.run(global)?;
        let is_selected = self.predicate_of(run.as_deref(), global)?;
        let add = |all: &mut A, record: &ExecutionMetrics| if is_selected(record) { take(all, record) } else { Ok(()) };
        let Some(run) = run.as_deref().filter(|_| !self.child_runs) else {
            return records::fold(&records::scan(&self.period, global)?, global, init, add, merge);
        };
        let (mut all, mut added) = (init(), Ok(()));
        let skipped = records::reader(global)?.each_naming_run(run, |record| {
            added = add(&mut all, &record);
            added.is_ok()
        })?;
        added?;
        records::warn_of(&skipped, global);
        Ok((all, skipped.count()))
    }

    /// Returns the selected records of the ledger, and an error for each line that is not a record. Warns of records
    /// that could not be appended to the ledger so far.
    pub(crate) fn records<'s>(
        &'s self,
        global: &Global,
    ) -> Result<impl Iterator<Item = runledger::Result<ExecutionMetrics>> + use<'s>, Failure> {
        let is_selected = self.predicate(global)?;
        Ok(records::reader(global)?.records().filter(move |record| record.as_ref().map_or(true, &is_selected)))
    }

    /// Returns a predicate that is true for the selected records. Warns of records that could not be appended to the
    /// ledger so far.
    pub(crate) fn predicate<'s>(
        &'s self,
        global: &Global,
    ) -> Result<impl Fn(&ExecutionMetrics) -> bool + Sync + use<'s>, Failure> {
        self.predicate_of(self.run(global)?.as_deref(), global)
    }

    /// Like [`predicate`](Self::predicate), but takes the id of the run of --run.
    fn predicate_of<'s>(
        &'s self,
        run: Option<&str>,
        global: &Global,
    ) -> Result<impl Fn(&ExecutionMetrics) -> bool + Sync + use<'s>, Failure> {
        records::warn_of_spill(global)?;
        let runs = self.runs(run, global)?;
        let of_run = move |record: &ExecutionMetrics| {
            runs.as_ref().is_none_or(|runs| record.run.run_id.as_ref().is_some_and(|run| runs.contains(run)))
        };
        Ok(move |record: &ExecutionMetrics| of_run(record) && self.period.has(record))
    }

    /// Returns the ids of the selected runs: the run of --run and, with --child-runs, its child runs, their child runs,
    /// and so on. Returns `None` if --run is missing, because all records are then selected. Fails if no execution
    /// belongs to these runs, so that a mistyped id does not look like a run without executions.
    fn runs(&self, run: Option<&str>, global: &Global) -> Result<Option<HashSet<String>>, Failure> {
        let Some(run) = run else { return Ok(None) };
        // The executions in flight are read first, and the ledger is read last. So an execution that ends in the
        // meantime is not missed.
        let mut outside: Vec<_> = records::in_flight(global)?.into_iter().map(|begun| begun.record).collect();
        outside.extend(records::spilled(global)?.records);
        let reader = records::reader(global)?;
        let mut runs = HashSet::from([run.to_owned()]);
        let mut parents = vec![run.to_owned()];
        let mut has_execution = false;
        let mut skipped = Skipped::default();
        while let Some(parent) = parents.pop() {
            // `add` returns false if no more records have to be read.
            let mut add = |record: &ExecutionMetrics| {
                let RunIds { run_id: Some(id), parent_run_id, .. } = &record.run else { return true };
                if self.child_runs && parent_run_id.as_ref() == Some(&parent) && runs.insert(id.clone()) {
                    parents.push(id.clone());
                }
                has_execution |= runs.contains(id);
                self.child_runs || !has_execution
            };
            if outside.iter().all(&mut add) {
                skipped = reader.each_naming_run(&parent, |record| add(&record))?;
            }
        }
        if !has_execution {
            records::warn_of(&skipped, global);
            return Err(Failure::NoRun(run.to_owned()));
        }
        Ok(Some(runs))
    }
}
