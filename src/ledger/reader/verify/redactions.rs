//! Judges redacted lines, from which a text was taken out. Such a line is accepted only if a later line of the chain,
//! its statement, states the new hash of the line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::{Fault, FaultKind, Verification};
use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::Layout;
use crate::journal::format::line::Link;
use crate::ledger::redact::{Statement, ledgers_after};

/// A line from which a text was taken out, as a later line states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RedactedLine {
    /// The sequence number of the redacted line.
    pub seq: u64,
    /// The sequence number of the line that states the redaction.
    pub statement: u64,
    /// The path of the ledger that has the statement. `None` if the verified ledger itself has the statement. The
    /// statements about lines of an archive are in the ledger from which these lines were moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<PathBuf>,
    /// Who took the text out.
    pub by: String,
    /// Why it was taken out.
    pub why: String,
    /// The path of the field.
    pub field: String,
}

/// A redacted line whose statement is not known yet.
#[derive(Debug)]
struct Open {
    link: Link,
    /// The hash of the line as it is now.
    now: [u8; 64],
    path: PathBuf,
    /// The number of the line in its file, and its offset.
    place: (u64, u64),
}

/// A statement about one line.
#[derive(Debug)]
struct Stated {
    statement: u64,
    /// The path of another ledger that has the statement.
    ledger: Option<PathBuf>,
    hash: String,
    before: String,
    after: String,
    by: String,
    why: String,
    field: String,
}

/// The redacted lines of a ledger, and the statements about them.
#[derive(Debug, Default)]
pub(super) struct Redactions {
    lines: Vec<Open>,
    /// The statements about each line, by its number, in the order of the ledger.
    stated: BTreeMap<u64, Vec<Stated>>,
    /// Why ledgers that may have more statements could not be used.
    unused: Vec<String>,
}

/// What [`verify_one`](super::ledger::verify_one) returns.
type Verified = (Verification, Redactions, Link);

impl Redactions {
    /// Adds a redacted line. `now` is the hash of the line as it is now.
    pub(super) fn add_line(&mut self, link: Link, now: [u8; 64], path: PathBuf, place: (u64, u64)) {
        self.lines.push(Open { link, now, path, place });
    }

    /// Adds the statement in line `seq`. This line must be known to continue the chain.
    pub(super) fn add_statement(&mut self, seq: u64, statement: Statement) {
        let Statement { by, why, field, lines, .. } = statement;
        // A statement is about earlier lines only.
        for line in lines.into_iter().filter(|line| line.seq < seq) {
            self.stated.entry(line.seq).or_default().push(Stated {
                statement: seq,
                ledger: None,
                hash: line.hash,
                before: line.before,
                after: line.after,
                by: by.clone(),
                why: why.clone(),
                field: field.clone(),
            });
        }
    }

    /// Returns true if the statements so far do not explain all redacted lines.
    pub(super) fn has_open(&self) -> bool {
        self.lines.iter().any(|line| self.of(line).is_empty())
    }

    /// Returns the statements that lead from the hash of the line in the chain to its hash now, in the order of the
    /// ledger. Returns no statements if a part of the change is not stated.
    fn of(&self, line: &Open) -> Vec<&Stated> {
        let (mut hash, mut stated) = (line.now.as_slice(), Vec::new());
        for one in self.stated.get(&line.link.seq).into_iter().flatten().rev() {
            if one.hash.as_bytes() == line.link.hash.as_slice() && one.after.as_bytes() == hash {
                hash = one.before.as_bytes();
                stated.push(one);
            }
        }
        stated.reverse();
        if hash == line.link.hash.as_slice() { stated } else { Vec::new() }
    }

    /// Reads the ledgers that may continue the chain after an archive. `last` is the last line of the archive. Uses the
    /// statements of a ledger only if it directly continues the chain and has no fault.
    pub(super) fn read_ledgers_after(
        &mut self,
        disk: &dyn Storage,
        layout: &Layout,
        mut last: Link,
        verify: &dyn Fn(&Layout) -> Result<Verified>,
    ) -> Result<()> {
        let (layouts, absent) = ledgers_after(disk, layout)?;
        let absent = absent.into_iter().map(|path| format!("{}: found no such ledger", path.display()));
        let (mut after, mut unused) = (Vec::new(), absent.collect::<Vec<_>>());
        for layout in layouts {
            match verify(&layout) {
                Ok(verified) => after.push((layout, verified)),
                Err(error) => unused.push(error.to_string()),
            }
        }
        let continues = |last: &Link, found: &Verification| {
            let before = found.archived.as_ref();
            found.is_clean() && before.is_some_and(|before| before.seq == last.seq && before.hash == last.hash_str())
        };
        while let Some(at) = after.iter().position(|(_, (found, ..))| continues(&last, found)) {
            let (layout, (_, redactions, end)) = after.remove(at);
            for (seq, stated) in redactions.stated {
                let ledger = Some(layout.active().to_owned());
                let stated = stated.into_iter().map(|stated| Stated { ledger: ledger.clone(), ..stated });
                self.stated.entry(seq).or_default().extend(stated);
            }
            last = end;
        }
        unused.extend(after.iter().map(|(layout, (found, ..))| {
            let path = layout.active().display();
            match found.fault_count {
                0 => format!("{path}: found a ledger whose first line does not follow line {}", last.seq),
                1 => format!("{path}: found 1 fault, which `runledger verify` lists"),
                faults => format!("{path}: found {faults} faults, which `runledger verify` lists"),
            }
        }));
        self.unused = unused;
        Ok(())
    }

    /// Adds the redacted lines to `found`, a fault for each redacted line without a statement, and a note for each
    /// redaction that is not complete.
    pub(super) fn end(self, found: &mut Verification) {
        let mut done: BTreeMap<u64, Vec<Vec<&Stated>>> = BTreeMap::new();
        for line in &self.lines {
            let seq = line.link.seq;
            let stated = self.of(line);
            for Stated { statement, ledger, by, why, field, .. } in stated.iter().copied() {
                found.redacted.push(RedactedLine {
                    seq,
                    statement: *statement,
                    ledger: ledger.clone(),
                    by: by.clone(),
                    why: why.clone(),
                    field: field.clone(),
                });
            }
            if stated.is_empty() {
                let (path, (line, byte)) = (line.path.clone(), line.place);
                let (kind, what) = match self.unused.as_slice() {
                    [] => (
                        FaultKind::Edited,
                        "the line has the form of a redacted line, but no later line states the redaction".to_owned(),
                    ),
                    unused => (
                        FaultKind::Unstated,
                        format!(
                            "the line is redacted, but the ledger that should have its statement cannot be used: {}",
                            unused.join("; ")
                        ),
                    ),
                };
                found.unstated_count += u64::from(kind == FaultKind::Unstated);
                found.add(Fault { kind, path, line, byte, seq: Some(seq), found: what });
            }
            done.entry(seq).or_default().push(stated);
        }
        let first = found.archived.as_ref().map_or(1, |archived| archived.seq.saturating_add(1));
        for (seq, stated) in self.stated.range(first..=found.head.seq) {
            let copies = done.get(seq).map(Vec::as_slice).unwrap_or_default();
            for one in stated.iter().filter(|one| is_unfinished(one, stated, copies)) {
                found.notes.push(format!(
                    "line {seq} still has the text whose removal line {} states; run `runledger redact` again",
                    one.statement
                ));
            }
        }
    }
}

/// Returns true if a crash interrupted the redaction that `one` states, and no later redaction completed it. `stated`
/// has all statements about the line. `copies` has, for each copy of the line, the statements that were carried out.
fn is_unfinished(one: &Stated, stated: &[Stated], copies: &[Vec<&Stated>]) -> bool {
    let completes = |other: &Stated| other.statement > one.statement && other.field == one.field;
    let is_done = |done: &Vec<&Stated>| done.iter().any(|other| other.after == one.after || completes(other));
    // If several redactions of one field were interrupted, only the last of them is reported.
    let is_repeated = || stated.iter().any(|other| completes(other) && other.before == one.before);
    (copies.is_empty() || !copies.iter().all(is_done)) && !is_repeated()
}
