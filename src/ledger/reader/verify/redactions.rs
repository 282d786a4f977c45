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
}

/// What [`verify_one`](super::ledger::verify_one) returns.
type Verified = (Verification, Redactions, Link);

impl Redactions {
    /// Adds a redacted line. `now` is its hash.
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
                after: line.after,
                by: by.clone(),
                why: why.clone(),
                field: field.clone(),
            });
        }
    }

    /// Returns true if a redacted line has no statement yet.
    pub(super) fn has_open(&self) -> bool {
        self.lines.iter().any(|line| self.of(line).is_none())
    }

    fn of(&self, line: &Open) -> Option<&Stated> {
        let is_this = |stated: &&Stated| {
            stated.hash.as_bytes() == line.link.hash.as_slice() && stated.after.as_bytes() == line.now.as_slice()
        };
        self.stated.get(&line.link.seq)?.iter().rfind(is_this)
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
        let mut after = Vec::new();
        for layout in ledgers_after(disk, layout)? {
            // A ledger that cannot be read states nothing.
            let Ok(verified) = verify(&layout) else { continue };
            after.push((layout, verified));
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
        Ok(())
    }

    /// Adds the redacted lines to `found`, and a fault for each redacted line without a statement.
    pub(super) fn end(self, found: &mut Verification) {
        for line in &self.lines {
            let seq = line.link.seq;
            match self.of(line) {
                Some(Stated { statement, ledger, by, why, field, .. }) => found.redacted.push(RedactedLine {
                    seq,
                    statement: *statement,
                    ledger: ledger.clone(),
                    by: by.clone(),
                    why: why.clone(),
                    field: field.clone(),
                }),
                None => found.add(Fault {
                    kind: FaultKind::Edited,
                    path: line.path.clone(),
                    line: line.place.0,
                    byte: line.place.1,
                    seq: Some(seq),
                    found: "the line has the form of a redacted line, but no later line states the redaction"
                        .to_owned(),
                }),
            }
        }
        let first = found.archived.as_ref().map_or(1, |archived| archived.seq.saturating_add(1));
        for (seq, stated) in self.stated.range(first..=found.head.seq) {
            let Some(last) = stated.last() else { continue };
            let is_done = |line: &Open| line.now.as_slice() == last.after.as_bytes();
            let mut lines = self.lines.iter().filter(|line| line.link.seq == *seq).peekable();
            if lines.peek().is_none() || !lines.all(is_done) {
                found.notes.push(format!(
                    "line {seq} still has the text whose removal line {} states; run `runledger redact` again",
                    last.statement
                ));
            }
        }
    }
}
