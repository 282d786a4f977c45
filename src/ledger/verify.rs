//! Whether a ledger is what it was: every line against its own hash, the chain, and heads that were kept elsewhere.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::journal::line::{self, Link, Trailer};
use crate::journal::reader::{Missing, Splitter};
use crate::journal::segment::Layout;
use crate::journal::storage::{Access, Disk, Storage};
use crate::journal::{Head, identity};

use super::Ledger;

/// What is wrong with a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Bytes that are no line: the rest of a write that a crash cut short, or something that another program wrote.
    Torn,
    /// Lines are missing between two that are there.
    Gap,
    /// A second line with a number that another line has: two writers went on from the same place.
    Fork,
    /// A line that stands in the ledger before already.
    Duplicate,
    /// The beginning of the ledger is not there.
    Missing,
    /// A line's bytes are not what its hash says, or the line after it says.
    Edited,
    /// The ledger ends before a head that was kept.
    Truncated,
    /// The ledger, or a line of it, is another than a head that was kept says.
    Replaced,
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
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
        })
    }
}

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The file; of a fault between two lines, that of the second.
    pub path: PathBuf,
    /// The line in the file, from 1; 0 for a fault of the whole.
    pub line: u64,
    /// The line's first byte in the file.
    pub byte: u64,
    /// The sequence number that the line has, or should have; `None`: nobody can tell.
    pub seq: Option<u64>,
    /// What was expected and what was found.
    pub found: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// How many lines have a right hash and their place in the chain.
    pub lines: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// How many segments, the active one included.
    pub segments: u64,
    /// Lines that were repeated at the beginning of a segment, because the one before could not be synced. No fault.
    pub repeated: u64,
    /// Bytes at the end of the active segment that a writer has not finished. No fault.
    pub in_progress_bytes: u64,
    /// The state at the end of what was read, to be kept elsewhere and given to a later verification.
    pub head: Head,
    /// How many faults there are.
    pub fault_count: u64,
    /// The first faults, in the order of the ledger; at most [`FAULTS_MAX`](Self::FAULTS_MAX).
    pub faults: Vec<Fault>,
}

impl Verification {
    /// How many faults are listed; all are counted.
    pub const FAULTS_MAX: usize = 1000;

    /// Whether the ledger is whole.
    pub fn is_clean(&self) -> bool {
        self.fault_count == 0
    }
}

/// Verifies the ledger whose active segment is `path`: every line, the chain over all segments, and that it still
/// contains each of `heads`. Reads only; takes constant memory and no lock.
///
/// A chain alone cannot show that its end was cut off, or that all of it was written anew: heads that were kept
/// elsewhere can.
///
/// # Errors
/// [`ErrorKind::Io`] when there is no ledger at `path`, or a segment cannot be read. Faults are no errors.
pub fn verify(path: impl AsRef<Path>, heads: &[Head]) -> Result<Verification> {
    verify_on(&Disk, &Layout::new(path.as_ref()), heads)
}

impl Ledger {
    /// As [`verify`], on this ledger: what other threads and processes append meanwhile may or may not be included.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when a segment cannot be read.
    pub fn verify(&self, heads: &[Head]) -> Result<Verification> {
        verify_on(&*self.shared.options.journal.storage, self.shared.journal.layout(), heads)
    }
}

fn verify_on(disk: &dyn Storage, layout: &Layout, heads: &[Head]) -> Result<Verification> {
    let id = identity::read(disk, layout)?.ok_or_else(|| {
        Error::new(ErrorKind::Io, "verify the ledger").path(layout.active()).detail("there is no ledger of this name")
    })?;
    let (mut own, foreign): (Vec<_>, Vec<_>) = heads.iter().cloned().partition(|head| head.ledger == id);
    own.sort_by_key(|head| head.seq);
    let mut verifier = Verifier::new(id, own.into());
    // As a reader does: the active segment is opened before the sealed ones are listed.
    let active = disk.open(layout.active(), Access::Read);
    let sealed = layout.sealed_segments(disk)?;
    for &segment in &sealed {
        let path = layout.sealed_segment(segment);
        let file = disk.open(&path, Access::Read).map_err(|source| Error::io("open a segment", &path, source))?;
        verifier.segment(Splitter::new(Arc::from(file), 0), &path, true)?;
    }
    let number = sealed.last().map_or(1, |last| last + 1);
    let failed = |source| Error::io("examine a segment", layout.active(), source);
    let file = match active {
        Ok(file) => Some(file),
        // Sealed, and the next one not begun yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !sealed.is_empty() => None,
        Err(error) => return Err(failed(error)),
    };
    let last =
        sealed.last().map(|&last| disk.stat(&layout.sealed_segment(last))).transpose().map_err(failed)?.flatten();
    if let Some(file) = file
        && last.is_none_or(|last| file.stat().is_ok_and(|stat| stat.id != last.id))
    {
        verifier.found.head.bytes = verifier.segment(Splitter::new(Arc::from(file), 0), layout.active(), false)?;
    }
    let place = Place { path: layout.active(), line: 0, byte: 0 };
    for head in foreign {
        let found = format!("expected ledger {}, found {id}", head.ledger);
        verifier.fault(FaultKind::Replaced, &place, None, found);
    }
    for head in std::mem::take(&mut verifier.passed) {
        verifier.fault(FaultKind::Gap, &place, Some(head.seq), "the line of a kept head is not there".to_owned());
    }
    for head in std::mem::take(&mut verifier.heads) {
        let found = format!("expected line {} of a kept head, found no line after {}", head.seq, verifier.last.seq);
        verifier.fault(FaultKind::Truncated, &place, Some(head.seq), found);
    }
    let mut found = verifier.found;
    found.segments = number;
    found.head.segment = number;
    found.head.seq = verifier.last.seq;
    found.head.hash = verifier.last.hash_str().to_owned();
    Ok(found)
}

/// Where a line stands.
struct Place<'p> {
    path: &'p Path,
    line: u64,
    byte: u64,
}

struct Verifier {
    /// The last line that has its place in the chain.
    last: Link,
    /// The links of the last lines, to tell a repeated line from a forked one.
    recent: VecDeque<Link>,
    /// Numbers without a line of a right hash so far.
    missing: Missing,
    /// Kept heads that were not reached, by number.
    heads: VecDeque<Head>,
    /// Kept heads whose line was not there.
    passed: Vec<Head>,
    /// Whether no line of the segment has been accepted yet: only there are lines repeated.
    at_start: bool,
    found: Verification,
}

/// A segment that could not be synced is repeated from its last synced byte: from the base of its commit area on, which
/// holds at most a mebibyte, some 4,000 of the shortest lines.
const RECENT_MAX: usize = 8192;

impl Verifier {
    /// `heads` are those of `ledger`, by number.
    fn new(ledger: Uuid, mut heads: VecDeque<Head>) -> Self {
        // A head of the empty ledger says nothing of any line.
        heads.retain(|head| head.seq > 0);
        let found = Verification {
            lines: 0,
            bytes: 0,
            segments: 0,
            repeated: 0,
            in_progress_bytes: 0,
            head: Head { ledger, seq: 0, hash: String::new(), segment: 0, bytes: 0 },
            fault_count: 0,
            faults: Vec::new(),
        };
        Self {
            last: Link::START,
            recent: VecDeque::new(),
            missing: Missing::default(),
            heads,
            passed: Vec::new(),
            at_start: true,
            found,
        }
    }

    /// Returns where its last whole line ends.
    fn segment(&mut self, mut lines: Splitter, path: &Path, sealed: bool) -> Result<u64> {
        let (mut number, mut end) = (0, 0);
        self.at_start = true;
        while let Some(piece) = lines.next_piece().map_err(|source| Error::io("read a segment", path, source))? {
            number += 1;
            let place = Place { path, line: number, byte: piece.offset };
            let bytes = lines.bytes(piece);
            self.found.bytes = self.found.bytes.saturating_add(piece.end() - piece.offset);
            if piece.unfinished && !sealed {
                self.found.in_progress_bytes = bytes.len() as u64;
                break;
            }
            end = piece.end();
            match line::trailer(bytes) {
                // What ends a torn line that could not be cut off.
                _ if bytes.is_empty() => {}
                Some(trailer) if line::check(bytes).is_some() => self.line(&trailer, &place),
                Some(trailer) => {
                    // What follows is judged by what the line says of itself; but its number may be what was edited.
                    let follows = trailer.prev == self.last.hash;
                    let seq = if follows { self.last.seq.saturating_add(1) } else { trailer.link.seq };
                    let found = "its bytes have another hash than it says".to_owned();
                    self.fault(FaultKind::Edited, &place, Some(seq), found);
                    self.missing.add_between(self.last.seq, seq.saturating_add(1));
                    self.last = Link { seq, ..trailer.link };
                    // Of a head of this line no more can be said.
                    self.heads_of(seq);
                }
                None => self.fault(FaultKind::Torn, &place, None, format!("{} bytes that are no line", bytes.len())),
            }
            if piece.unfinished {
                lines.skip(piece);
            }
        }
        Ok(end)
    }

    fn line(&mut self, trailer: &Trailer, place: &Place<'_>) {
        let link = trailer.link;
        if trailer.follows(&self.last) {
            self.accept(link, place);
        } else if link.seq > self.last.seq {
            self.broken(trailer, place);
            self.missing.add_between(self.last.seq, link.seq);
            self.accept(link, place);
        } else if self.at_start && self.missing.take(link.seq) {
            self.fill(link, place);
        } else {
            match self.recent.iter().find(|recent| recent.seq == link.seq) {
                Some(same) if *same == link && self.at_start => self.found.repeated += 1,
                Some(other) if *other != link => {
                    let found = "another line of this number came before".to_owned();
                    self.fault(FaultKind::Fork, place, Some(link.seq), found);
                }
                _ => {
                    let found = "a line of this number came before".to_owned();
                    self.fault(FaultKind::Duplicate, place, Some(link.seq), found);
                }
            }
        }
    }

    /// A line that does not follow the one before it, with a higher number.
    fn broken(&mut self, trailer: &Trailer, place: &Place<'_>) {
        let (seq, expected) = (trailer.link.seq, self.last.seq + 1);
        if self.last == Link::START && seq > 1 {
            self.fault(FaultKind::Missing, place, Some(1), format!("expected line 1, found line {seq}"));
        } else if seq > expected {
            let found = format!("expected line {expected}, found line {seq}: {} are missing", seq - expected);
            self.fault(FaultKind::Gap, place, Some(expected), found);
        } else {
            let found = format!("line {seq} follows another line {} than the one that is there", self.last.seq);
            self.fault(FaultKind::Edited, place, Some(self.last.seq), found);
        }
    }

    fn accept(&mut self, link: Link, place: &Place<'_>) {
        self.at_start = false;
        self.last = link;
        let heads = self.heads_of(link.seq);
        self.count(link, &heads, place);
    }

    /// A line that the segment before had lost, repeated where it could not be synced.
    fn fill(&mut self, link: Link, place: &Place<'_>) {
        let heads: Vec<_> = self.passed.extract_if(.., |head| head.seq == link.seq).collect();
        self.count(link, &heads, place);
    }

    fn count(&mut self, link: Link, heads: &[Head], place: &Place<'_>) {
        self.found.lines += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(link);
        for head in heads.iter().filter(|head| head.hash != link.hash_str()) {
            let found = format!("expected the line of a kept head, with hash {}", head.hash);
            self.fault(FaultKind::Replaced, place, Some(link.seq), found);
        }
    }

    /// The kept heads of line `seq`. Those of lines before it are passed.
    fn heads_of(&mut self, seq: u64) -> Vec<Head> {
        let end = self.heads.partition_point(|head| head.seq <= seq);
        let mut reached: Vec<Head> = self.heads.drain(..end).collect();
        let of_line = reached.split_off(reached.partition_point(|head| head.seq < seq));
        self.passed.extend(reached);
        of_line
    }

    fn fault(&mut self, kind: FaultKind, place: &Place<'_>, seq: Option<u64>, found: String) {
        self.found.fault_count += 1;
        if self.found.faults.len() < Verification::FAULTS_MAX {
            let Place { path, line, byte } = *place;
            self.found.faults.push(Fault { kind, path: path.to_owned(), line, byte, seq, found });
        }
    }
}
