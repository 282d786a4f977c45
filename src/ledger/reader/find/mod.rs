//! Finds the records of one execution or one run, without reading the whole ledger if the segments have indexes.
//!
//! - `wanted.rs` says which records are wanted.
//! - `prefix.rs` finds the executions whose ids begin with some digits.
//! - `lookup.rs` reads a segment through its index, or scans it on all cores.
//! - `search.rs` searches a line for a text, which decides quickly whether the line has to be parsed.

mod lookup;
mod prefix;
mod search;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::LedgerReader;
use crate::error::{Result, Skipped};
use crate::metrics::ExecutionMetrics;
pub(super) use lookup::{hit, record_at};
pub use prefix::FoundRecords;
pub(in crate::ledger) use search::has;
use wanted::Wanted;

impl LedgerReader {
    /// Returns the record of the execution `id`, or `None` if the ledger has none. If several records have this id,
    /// returns the last of them.
    ///
    /// The [index](crate::docs::index) of a segment says where the lines of an execution are, so the other lines are
    /// not read. In the active segment, the lines that its index does not cover are read too: normally less than 2 MiB.
    /// If a segment has no index, the first call builds it. For this, the process needs the right to write to the
    /// ledger's internal directory. If the index cannot be built, the segment is read completely, and the result is the
    /// same.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. If this process has no permission to read a segment,
    /// the call fails only if the record is not found in another segment.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// let id = execution.id();
    /// execution.succeed();
    /// let record = ledger.reader().find(id)?.ok_or("not found")?;
    /// assert_eq!(record.skill_name, "publish");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, id: Uuid) -> Result<Option<ExecutionMetrics>> {
        let mut last = None;
        let skipped = lookup::each(self, &Wanted::id(id), &mut |record| {
            last = Some(record);
            true
        })?;
        match skipped.unreadable().first() {
            Some(error) if last.is_none() => Err(error.clone()),
            _ => Ok(last),
        }
    }

    /// Like [`find`](Self::find), but returns the records of several executions, by id. An execution without a record is
    /// not in the result. Reads each segment at most once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. If this process has no permission to read a segment,
    /// the call fails only if a record is not found in another segment.
    ///
    /// ```
    /// use runledger::{Ledger, Skill, Uuid};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let executions = ["draw", "publish"].map(|skill| ledger.begin(Skill::new(skill, "1.0.0")));
    /// let [draw, publish] = executions.map(|execution| {
    ///     let id = execution.id();
    ///     execution.succeed();
    ///     id
    /// });
    /// let found = ledger.reader().find_all(&[draw, publish, Uuid::nil()].into())?;
    /// assert_eq!(found.len(), 2);
    /// assert_eq!(found[&publish].skill_name, "publish");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find_all(&self, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, ExecutionMetrics>> {
        let mut found = BTreeMap::new();
        let skipped = lookup::each(self, &Wanted::executions(ids), &mut |record| {
            found.insert(record.execution_id, record);
            true
        })?;
        match skipped.unreadable().first() {
            Some(error) if found.len() < ids.len() => Err(error.clone()),
            _ => Ok(found),
        }
    }

    /// Returns all records whose `run_id` is `run_id`, in ledger order. Reads the same parts of the ledger as
    /// [`find`](Self::find). Child runs are not included.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    ///
    /// ```
    /// use runledger::metrics::RunIds;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// for (skill, run) in [("parse", "run-7"), ("parse", "run-8"), ("publish", "run-7")] {
    ///     ledger.begin(Skill::new(skill, "1.0.0").run(RunIds::new(run))).succeed();
    /// }
    /// let skills: Vec<_> = ledger.reader().run("run-7")?.into_iter().map(|record| record.skill_name).collect();
    /// assert_eq!(skills, ["parse", "publish"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self, run_id: &str) -> Result<Vec<ExecutionMetrics>> {
        let mut records = Vec::new();
        let skipped = self.each_naming_run(run_id, |record| {
            records.extend(Some(record).filter(|record| record.run.run_id.as_deref() == Some(run_id)));
            true
        })?;
        match skipped.unreadable().first() {
            Some(error) => Err(error.clone()),
            None => Ok(records),
        }
    }

    /// Passes each record whose `run_id` or `parent_run_id` is `run_id` to `take`, in ledger order, until `take`
    /// returns false. Reads the same parts of the ledger as [`find`](Self::find). If a segment has more than 4,096 of
    /// these records, the whole segment is read on all cores. This is faster, and holds fewer records in memory.
    ///
    /// Returns the lines that are not records, and the segments that this process has no permission to read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. Also if this process has no permission to read some
    /// segments, and the other segments have no records.
    ///
    /// ```
    /// use runledger::metrics::RunIds;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let begin = |skill, ids| ledger.begin(Skill::new(skill, "1.0.0").run(ids)).succeed();
    /// begin("plan", RunIds::new("run-7"));
    /// begin("draw", RunIds::new("run-7a").parent_run("run-7"));
    /// let mut skills = Vec::new();
    /// ledger.reader().each_naming_run("run-7", |record| {
    ///     skills.push(record.skill_name);
    ///     true
    /// })?;
    /// assert_eq!(skills, ["plan", "draw"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn each_naming_run(
        &self,
        run_id: &str,
        mut take: impl FnMut(ExecutionMetrics) -> bool + Send,
    ) -> Result<Skipped> {
        lookup::each(self, &Wanted::run(run_id), &mut take)
    }

    /// Like [`each_naming_run`](Self::each_naming_run), but for strays: records that have no `run_id`, and whose
    /// `parent_execution_id` is one of `parents`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. Also if this process has no permission to read some
    /// segments, and the other segments have no records.
    pub fn each_stray(
        &self,
        parents: &BTreeSet<Uuid>,
        mut take: impl FnMut(ExecutionMetrics) -> bool + Send,
    ) -> Result<Skipped> {
        lookup::each(self, &Wanted::strays(parents), &mut take)
    }
}
