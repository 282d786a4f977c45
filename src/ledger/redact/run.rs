//! Redacts the lines of an execution.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::segment::{Segment, find, may_have};
use super::statement::{StatedLine, Statement};
use super::texts::Change;
use super::{Redact, Redaction, archives, remains};
use crate::disk::lock::LockFile;
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;
use crate::journal::format::{Layout, identity};
use crate::journal::write::{Rewriting, events};
use crate::ledger::Ledger;
use crate::ledger::event::LedgerEvent;
use crate::ledger::index::Place;
use crate::ledger::json::to_json;
use crate::ledger::places::Places;
use crate::redaction::Redactor;

const REDACT: &str = "redact an execution";
/// How often the active segment is sealed at most, because it has lines to change. After each time, the lines are
/// searched for again.
const TRIES: usize = 4;
/// What this crate cannot find.
const ELSEWHERE: &str = "copies that other programs or commands made are not changed: backups, exports, run logs, \
     refused lines of an import, files that `runledger ship` stored, databases until the next `runledger pg ship`, and \
     the scrollback of terminals";

/// The lines of the execution, in the segments of the ledger and of its archives.
#[derive(Debug, Default)]
struct Plan {
    /// The number of lines of the execution.
    count: u64,
    /// The segments to replace. The number before each segment is the index of its ledger or archive in the list of
    /// layouts.
    segments: Vec<(usize, Segment)>,
    /// True if a line to change is in the active segment.
    is_in_active: bool,
    /// The numbers of all segments with lines of the execution, each with the index of its ledger or archive.
    seen: Vec<(usize, u64)>,
    /// True if a text was taken out of a line of the execution before.
    has_redacted: bool,
}

impl Plan {
    /// Returns the texts that are taken out.
    fn texts(&self) -> Vec<String> {
        let lines = self.segments.iter().flat_map(|(_, segment)| &segment.lines);
        let texts: BTreeSet<&String> = lines.flat_map(|line| &line.texts).collect();
        texts.into_iter().cloned().collect()
    }
}

/// Says why an archive was not changed.
fn not_changed(archive: &Path, why: &str) -> String {
    format!("{}: {why}, so it was not changed", archive.display())
}

impl Ledger {
    /// Takes a text out of all lines of the execution `id`, in this ledger and in its archives. A marker such as
    /// `[redacted:by-hand:2bb8]` replaces the text. The four digits are the beginning of the text's SHA-256.
    ///
    /// First, a line is appended that states which lines are changed, by whom and why. Then each segment that has one
    /// of the lines to change is replaced atomically. After a crash, each line is either the old or the new one.
    /// [`verify`](crate::LedgerReader::verify) accepts both, and says that an old line still has to be changed. Call
    /// this function again to complete the change. If only other files still have to be changed, this call changes
    /// them, and fails because the line has no text to take out.
    ///
    /// Redacted lines keep their numbers and hashes, so stored heads still fit. The text is overwritten in the commit
    /// area, the quarantine and the old segments. Checkpoints and the indexes of the replaced segments are removed, and
    /// readers build them again. [`Redaction::left`] lists the places that still have the text. Other processes may
    /// append at any time. While the segments are replaced, their calls wait, or spill their records.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownExecution`] if no line of the ledger or of an archive has this id.
    /// - [`ErrorKind::Invalid`] if no line has the text at the field, or if the field is not a text. Also if `by` or
    ///   `why` is blank, if `by`, `why` or the field has the text, or if the execution is the statement of a redaction.
    ///   No line is changed in these cases.
    /// - [`ErrorKind::Unsuitable`] if the execution is in flight, or its record is not in the ledger yet.
    /// - [`ErrorKind::Timeout`] if another process holds the ledger's lock, or archives segments, for too long.
    /// - [`ErrorKind::Overflow`] if a line would become too long.
    /// - [`ErrorKind::Io`] if a disk fails.
    ///
    /// ```
    /// use runledger::ledger::Redact;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let execution = ledger.begin(Skill::new("publish", "1.0.0"));
    /// let id = execution.id();
    /// execution.fail("refused: the password is tr0ub4dor&3");
    /// let head = ledger.head()?;
    ///
    /// let wanted = Redact::new("error_reason", "ann", "a password was recorded").text("tr0ub4dor&3");
    /// let done = ledger.redact(id, &wanted)?;
    /// assert_eq!((done.lines, done.statement), (vec![1], 2));
    /// let record = ledger.reader().find(id)?.ok_or("not found")?;
    /// assert_eq!(record.error_reason.as_deref(), Some("refused: the password is [redacted:by-hand:882a]"));
    /// let verified = ledger.reader().verify(&[head])?;
    /// assert!(verified.is_clean() && verified.redacted[0].statement == 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn redact(&self, id: Uuid, wanted: &Redact) -> Result<Redaction> {
        let change = Change { field: &wanted.field, text: wanted.text.as_deref() };
        change.check()?;
        check_words(wanted, None)?;
        let (options, layout, storage) = (&self.shared.options.journal, self.shared.journal.layout(), self.storage());
        let mut lock = LockFile::open(Arc::clone(&options.storage), layout.archive_lock())?;
        let _locked = lock.acquire(options.lock_deadline)?;
        self.shared.catch_up();
        self.check_settled(id)?;
        let mut left = Vec::new();
        let mut layouts = vec![layout.clone()];
        for path in archives::archives_of(storage, layout)? {
            let archive = Layout::new(&path);
            match identity::read(storage, &archive) {
                Ok(Some(found)) if found == self.shared.journal.id() => layouts.push(archive),
                Ok(Some(_)) => {
                    left.push(not_changed(&path, "this ledger is now at the path of an archive, but is another one"))
                }
                Ok(None) => left.push(not_changed(&path, "this archive was not found")),
                Err(error) => left.push(not_changed(&path, &format!("this archive cannot be read: {error}"))),
            }
        }
        // Sealed segments do not change while the lock of archiving is held. So they are searched before the ledger's
        // lock is acquired.
        let mut known = BTreeSet::new();
        for (at, layout) in layouts.iter().enumerate() {
            for number in layout.sealed_segments(storage)? {
                let path = layout.sealed_segment(number);
                known.insert((at, number, may_have(storage, &path, &id.to_string())?));
            }
        }
        let is_out = |at, number| known.contains(&(at, number, false));
        let work = |rewriting: &mut Rewriting<'_>| {
            let mut plan = self.plan(&layouts, id, &change, &is_out)?;
            for _ in 0..TRIES {
                if !plan.is_in_active {
                    break;
                }
                rewriting.seal()?;
                plan = self.plan(&layouts, id, &change, &is_out)?;
            }
            remains::remove_copies(storage, &layouts)?;
            // Without an earlier redaction there is nothing to complete. A wrong id must not overwrite damaged bytes.
            if plan.segments.is_empty() && plan.has_redacted {
                self.wipe_remains(&plan, &layouts, wanted)?;
            }
            self.check_plan(&plan, id, &change)?;
            plan.texts().iter().try_for_each(|text| check_words(wanted, Some(text)))?;
            rewriting.clear_area()?;
            let statement = self.statement(id, wanted, &plan);
            // `append` refuses records of this kind, so only this call writes them.
            let record = statement.to_record(new_id(self.now().unix_ms()));
            // The redactor must not change the hashes in the statement. So `statement` applies it only to the texts.
            let seq = rewriting.append(to_json(&record, &Redactor::off())?.as_bytes())?;
            let overwritten = self.carry_out(&plan, &layouts, seq)?;
            Ok((plan, statement, seq, overwritten))
        };
        let (plan, statement, seq, overwritten) = self.shared.journal.rewrite(work)?;
        self.shared.known.forget();
        let (texts, mut found) = (plan.texts(), Vec::new());
        for layout in &layouts {
            found.extend(remains::search(storage, layout, &texts)?);
        }
        found.dedup();
        left.splice(0..0, found);
        left.push(ELSEWHERE.to_owned());
        Ok(Redaction {
            execution_id: id,
            statement: seq,
            lines: statement.lines.iter().map(|line| line.seq).collect(),
            segments: plan.segments.into_iter().map(|(_, segment)| segment.path).collect(),
            overwritten,
            left,
        })
    }

    /// Fails if a record of the execution may still be written to the ledger later.
    fn check_settled(&self, id: Uuid) -> Result<()> {
        let refuse = |found: &str| {
            Err(Error::new(ErrorKind::Unsuitable, REDACT).path(self.shared.journal.layout().active()).detail(found))
        };
        let reader = self.reader();
        if reader.in_flight()?.executions.iter().any(|begun| begun.record.execution_id == id) {
            return refuse("found an execution in flight; expected one that has ended. End it, and redact it then");
        }
        if reader.spilled()?.records.iter().any(|record| record.execution_id == id) {
            return refuse(
                "found a record of the execution in the spill, which a later call moves to the ledger. Redact it \
                 again when the process that spilled it has ended",
            );
        }
        Ok(())
    }

    /// Finds the lines of the execution, and computes their changes.
    fn plan(
        &self,
        layouts: &[Layout],
        id: Uuid,
        change: &Change<'_>,
        is_out: &dyn Fn(usize, u64) -> bool,
    ) -> Result<Plan> {
        let storage = self.storage();
        let mut plan = Plan::default();
        for (at, layout) in layouts.iter().enumerate() {
            let numbers = layout.sealed_segments(storage)?;
            let sealed = numbers.iter().filter(|number| !is_out(at, **number));
            let mut paths: Vec<_> = sealed.map(|number| (*number, layout.sealed_segment(*number))).collect();
            if at == 0 {
                paths.push((numbers.last().map_or(1, |last| last + 1), layout.active().to_owned()));
            }
            for (number, path) in paths {
                let found = find(storage, &path, id, change)?;
                plan.count += found.count;
                plan.has_redacted |= found.has_redacted;
                if found.count > 0 {
                    plan.seen.push((at, number));
                }
                if !found.changed.is_empty() {
                    plan.is_in_active |= at == 0 && path == layout.active();
                    let segment = Segment { number, path, lines: found.changed };
                    segment.check()?;
                    plan.segments.push((at, segment));
                }
            }
        }
        Ok(plan)
    }

    fn check_plan(&self, plan: &Plan, id: Uuid, change: &Change<'_>) -> Result<()> {
        let path = self.shared.journal.layout().active();
        if plan.count == 0 {
            return Err(Error::new(ErrorKind::UnknownExecution, REDACT)
                .path(path)
                .detail(format!("found no line of {id}; expected one in the ledger or in an archive that it names")));
        }
        if plan.segments.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, REDACT).path(path).detail(format!(
                "found no text to take out at `{}` in any line of {id} (lines: {}); expected one. \
                 `runledger show {id}` shows the fields",
                change.field, plan.count
            )));
        }
        if plan.is_in_active {
            return Err(Error::new(ErrorKind::Io, REDACT).path(path).detail("the active segment could not be sealed"));
        }
        Ok(())
    }

    fn statement(&self, id: Uuid, wanted: &Redact, plan: &Plan) -> Statement {
        let text = |hash: &[u8; 64]| String::from_utf8_lossy(hash).into_owned();
        let mut lines: Vec<StatedLine> = Vec::new();
        for (_, segment) in &plan.segments {
            for line in &segment.lines {
                let stated = StatedLine {
                    seq: line.trailer.link.seq,
                    segment: segment.number,
                    hash: line.trailer.link.hash_str().to_owned(),
                    before: text(&line.hashes.0),
                    after: text(&line.hashes.1),
                };
                // A segment can begin with copies of lines of the previous one.
                if !lines.iter().any(|other| (other.seq, &other.after) == (stated.seq, &stated.after)) {
                    lines.push(stated);
                }
            }
        }
        lines.sort_by_key(|line| line.seq);
        let [by, why, field] = [&wanted.by, &wanted.why, &wanted.field]
            .map(|text| self.shared.options.redactor.redact(text).text.into_owned());
        Statement { execution_id: id, at: self.now(), by, why, field, lines }
    }

    /// Replaces the segments, and overwrites the text in other files of the ledger. `seq` is the number of the
    /// statement. Returns the files in the quarantine that had the text.
    ///
    /// The segments are replaced after the other steps. If a crash leaves a line with the text, the next call does all
    /// steps again. After a crash between the last replacement and the end, the blocks of the old file may still have
    /// the text. Derived files that a reader has built again may have it too, until the next call removes them.
    fn carry_out(&self, plan: &Plan, layouts: &[Layout], seq: u64) -> Result<Vec<PathBuf>> {
        let (storage, ledger) = (self.storage(), self.shared.journal.layout());
        let (texts, mut overwritten) = (plan.texts(), Vec::new());
        let changed: Vec<_> = plan.segments.iter().map(|(at, segment)| (*at, segment.number)).collect();
        self.wipe_derived(&changed, layouts)?;
        for layout in layouts {
            overwritten.extend(remains::mask_quarantine(storage, layout, &texts)?);
        }
        for (at, segment) in &plan.segments {
            // The archive gets the path of the ledger before its lines change, so that a verification of the archive
            // can find the statement.
            if *at > 0 {
                let event = LedgerEvent::Redacted { ledger: ledger.active().display().to_string(), statement: seq };
                let clock = &self.shared.options.journal.clock;
                events::record(storage, &layouts[*at], clock(), &event)?;
                let machinery = layouts[*at].machinery();
                storage.sync_dir(machinery).map_err(|source| Error::io("record an event", machinery, source))?;
            }
            segment.rewrite(storage)?;
        }
        // Before a segment was replaced, a reader may have built an index of it again.
        self.wipe_derived(&changed, layouts)?;
        Ok(overwritten)
    }

    /// Completes a redaction that a crash interrupted after it replaced the segments.
    fn wipe_remains(&self, plan: &Plan, layouts: &[Layout], wanted: &Redact) -> Result<()> {
        self.wipe_derived(&plan.seen, layouts)?;
        let texts: Vec<_> = wanted.text.iter().cloned().collect();
        layouts.iter().try_for_each(|layout| remains::mask_quarantine(self.storage(), layout, &texts).map(drop))
    }

    /// Overwrites and removes the derived files of the `segments`.
    fn wipe_derived(&self, segments: &[(usize, u64)], layouts: &[Layout]) -> Result<()> {
        let (storage, id) = (self.storage(), self.shared.journal.id());
        for (at, layout) in layouts.iter().enumerate() {
            let numbers = segments.iter().filter(|(of, _)| *of == at);
            let index = numbers.map(|(_, segment)| Place { storage, layout, ledger: id, segment: *segment });
            remains::wipe_derived(storage, layout, &index.collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

/// Fails if `by`, `why` or the field is blank, or has `text`, which is taken out.
fn check_words(wanted: &Redact, text: Option<&str>) -> Result<()> {
    let Redact { field, by, why, .. } = wanted;
    let refuse = |found: String| Err(Error::new(ErrorKind::Invalid, REDACT).detail(found));
    for (name, word) in [("by", by), ("why", why), ("field", field)] {
        if word.trim().is_empty() {
            return refuse(format!("found a blank `{name}`; expected some characters, which the ledger will store"));
        }
        if text.is_some_and(|text| word.contains(text)) {
            return refuse(format!(
                "found the text itself in `{name}`, which is stored in the ledger; expected other words"
            ));
        }
    }
    Ok(())
}
