//! The faults that a verification finds.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::journal::read::truncation::Truncation;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Bytes that are not a line: an incomplete line that a crash left, or the output of another program.
    Torn,
    /// Lines are missing between two lines.
    Gap,
    /// Two different lines have the same number, for example because two writers continued from the same position.
    Fork,
    /// A line has the same number as an earlier line. Either both lines have the same hash, or the earlier line is too
    /// far back to be compared.
    Duplicate,
    /// The beginning of the ledger is missing.
    Missing,
    /// A line was changed. Its hash is wrong, the next line states another hash for it, or its trailer (the number and
    /// hashes at its end) is damaged. Or the line has the form of a redacted line, but no later line states this.
    Edited,
    /// A line of an archive has the form of a redacted line. The statement, which says who took a text out, should be
    /// in another ledger, but this ledger cannot be used. So nobody can tell whether the line was redacted or edited.
    Unstated,
    /// The ledger ends before the line of a head that was stored elsewhere. Or it lacks bytes or segments that were
    /// synced according to the internal files.
    Truncated,
    /// The ledger, or a line of it, differs from a head that was stored elsewhere.
    Replaced,
    /// This process has no permission to read the file. The lines in this file may also be reported as missing. Other
    /// lines that are really missing may not be noticed.
    Unreadable,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Torn => "torn",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Duplicate => "duplicate",
            Self::Missing => "missing",
            Self::Edited => "edited",
            Self::Unstated => "unstated",
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
        })
    }
}

/// A fault and its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The path of the file. For a fault between two lines, this is the file of the second line.
    pub path: PathBuf,
    /// The number of the line in the file, counting from 1. It is 0 if the fault concerns the whole file or the whole
    /// ledger.
    pub line: u64,
    /// The offset in the file at which the line begins.
    pub byte: u64,
    /// The sequence number that the line has, or should have; `None` if it is unknown.
    pub seq: Option<u64>,
    /// A text that says what was found, and what was expected.
    pub found: String,
}

impl fmt::Display for Fault {
    /// Writes a text such as `gap: logs/a.jsonl: line 3 (byte 1801): seq 2: found line 3; expected line 2`. If the
    /// sequence number is unknown, the text has `seq -`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.kind, self.path.display())?;
        if self.line > 0 {
            write!(f, "line {} (byte {}): ", self.line, self.byte)?;
        }
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        write!(f, "seq {seq}: {}", self.found)
    }
}

impl From<Truncation> for Fault {
    fn from(Truncation { path, seq, found, .. }: Truncation) -> Self {
        Self { kind: FaultKind::Truncated, path, line: 0, byte: 0, seq, found }
    }
}
