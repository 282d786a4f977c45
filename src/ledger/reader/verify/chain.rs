//! Judges the lines of a ledger, one after the other, and compares them with kept heads. The lines form a chain: the
//! trailer at the end of each line has the line's number, its hash and the hash of the previous line. A head is the
//! number and the hash of the last line of a ledger. A kept head is one that the user stored elsewhere and passed to
//! the verification.

use std::collections::VecDeque;
use std::path::PathBuf;

use uuid::Uuid;

use super::check::{Checked, Verdict};
use super::redactions::Redactions;
use super::{ArchivedLines, Fault, FaultKind, Verification};
use crate::error::Error;
use crate::journal::Head;
use crate::journal::format::Layout;
use crate::journal::format::line::{Link, Trailer};
use crate::journal::read::Missing;
use crate::journal::read::blocks::Block;
use crate::journal::read::moved::Boundary;
use crate::journal::read::truncation::Truncation;

/// The position of a line in its segment.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    byte: u64,
}

/// The bytes between the last line that was read and the next line, if these bytes are not a line.
#[derive(Debug, Clone, Copy)]
enum Torn {
    /// There are no bytes between the two lines.
    None,
    /// The bytes end with their only line feed, and may be the beginning of a damaged line. The value is the index of
    /// the fault that reports these bytes.
    Line(u64),
    /// The bytes have several line feeds, or cannot be the beginning of a line.
    Bytes,
}

#[derive(Debug)]
pub(super) struct Chain {
    layout: Layout,
    /// The number of the active segment.
    active: u64,
    /// The segment that is being read.
    segment: u64,
    /// The path of that segment.
    path: PathBuf,
    /// The number of lines that were read in that segment.
    line: u64,
    /// True until a line of this segment gets a position in the chain. Copies of lines of the previous segment are
    /// allowed only before that line.
    at_start: bool,
    /// The last line with a position in the chain.
    last: Link,
    /// True if the line `last` is reported as edited. The next line may still state the hash that `last` had before the
    /// edit. This is not reported as another fault.
    last_edited: bool,
    /// The segment of the last line.
    last_segment: u64,
    /// True if the first line may have any number, as in a copy of one segment.
    anywhere: bool,
    /// The bytes after the line `last`, if these bytes are not a line.
    torn: Torn,
    /// The numbers and hashes of the last lines. They show whether a line with a number that already occurred is a copy
    /// or a different line.
    recent: VecDeque<Link>,
    /// The numbers for which no line with a correct hash was found so far.
    missing: Missing,
    /// The kept heads whose line is not reached yet, sorted by number.
    heads: VecDeque<Head>,
    /// The kept heads whose line is missing.
    passed: Vec<Head>,
    /// The kept heads of other ledgers.
    foreign: Vec<Head>,
    /// The redacted lines, and the statements of redactions.
    redactions: Redactions,
    found: Verification,
}

/// The number of recent lines that are remembered. If a segment could not be synced, the next segment begins with
/// copies of the last lines of that segment, which come from the commit area. The commit area is a file that holds at
/// most 1 MiB, which is about 4,000 of the shortest lines.
const RECENT_MAX: usize = 8192;

impl Chain {
    /// Creates the chain of the ledger with the id `ledger`, whose active segment has the number `active`. `ledger` is
    /// `None` if the id is unknown. In that case, every head is treated as a head of this ledger.
    pub(super) fn new(ledger: Option<Uuid>, layout: &Layout, active: u64, heads: &[Head]) -> Self {
        let is_own = |head: &Head| ledger.is_none_or(|ledger| head.ledger == ledger);
        let (mut own, foreign): (Vec<_>, Vec<_>) = heads.iter().cloned().partition(is_own);
        // The head of an empty ledger belongs to no line.
        own.retain(|head| head.seq > 0);
        own.sort_by_key(|head| head.seq);
        let found = Verification {
            lines: 0,
            bytes: 0,
            segments: active,
            archived: None,
            copied: 0,
            repeated_count: 0,
            repeated: Vec::new(),
            in_progress_bytes: 0,
            head: Head { ledger: ledger.unwrap_or_default(), seq: 0, hash: String::new(), segment: active, bytes: 0 },
            redacted: Vec::new(),
            unstated_count: 0,
            notes: ledger.is_none().then(|| no_identity(layout)).into_iter().collect(),
            fault_count: 0,
            faults: Vec::new(),
        };
        Self {
            layout: layout.clone(),
            active,
            segment: 0,
            path: PathBuf::new(),
            line: 0,
            at_start: true,
            last: Link::START,
            last_edited: false,
            last_segment: 0,
            anywhere: false,
            torn: Torn::None,
            recent: VecDeque::new(),
            missing: Missing::default(),
            heads: own.into(),
            passed: Vec::new(),
            foreign,
            redactions: Redactions::default(),
            found,
        }
    }

    /// Expects a copy of one segment, whose first line may have any number.
    pub(super) fn begin_anywhere(&mut self) {
        self.anywhere = true;
        self.found.notes = vec![format!(
            "{}: found no such directory; the identity, the commit area and the sealed segments cannot be verified",
            self.layout.machinery().display()
        )];
    }

    /// Expects that the first line follows the last archived line.
    pub(super) fn begin_after(&mut self, archived: Boundary) {
        let link = archived.link;
        self.last = link;
        self.path = self.layout.events();
        self.last_segment = archived.segment;
        let heads = self.heads_of(link.seq);
        let unseen = std::mem::take(&mut self.passed).len() as u64;
        self.compare(link, &heads, Place { line: 0, byte: 0 });
        self.found.segments = self.active.saturating_sub(archived.segment);
        self.found.archived = Some(ArchivedLines { heads: unseen, ..ArchivedLines::of(archived) });
    }

    /// Judges the lines of the next block.
    pub(super) fn block(&mut self, block: &Block, checked: Checked) {
        if block.segment != self.segment {
            self.segment = block.segment;
            self.path = block.path().to_owned();
            self.line = 0;
            self.at_start = true;
            self.torn = Torn::None;
        }
        let mut trailers = checked.trailers.iter();
        let mut statements = checked.statements.into_iter().peekable();
        for (piece, verdict) in checked.pieces {
            self.line += 1;
            let place = Place { line: self.line, byte: piece.offset };
            self.found.bytes = self.found.bytes.saturating_add(piece.end() - piece.offset);
            if block.segment == self.active {
                if piece.unfinished {
                    self.found.in_progress_bytes = piece.end() - piece.offset;
                    break;
                }
                self.found.head.bytes = piece.end();
            }
            match verdict {
                Verdict::Empty => {}
                Verdict::Line { right } => match trailers.next() {
                    Some(trailer) if right => {
                        let stated = statements.next_if(|(seq, _)| *seq == trailer.link.seq);
                        let is_next = self.line(trailer, place);
                        if let Some(hash) = trailer.redacted {
                            self.redactions.add_line(trailer.link, hash, self.path.clone(), (place.line, place.byte));
                        }
                        // A redacted line is not accepted as a statement, because a stored head proves only the text
                        // from before the redaction.
                        if let Some((seq, statement)) = stated.filter(|_| is_next && trailer.redacted.is_none()) {
                            self.redactions.add_statement(seq, statement);
                        }
                    }
                    Some(trailer) => self.edited(trailer, place),
                    None => {}
                },
                Verdict::Torn { begins } => self.torn(piece.len, begins, place),
            }
        }
    }

    /// Finishes the verification after the last block. Both parameters come from the internal files. `truncations` are
    /// the segments that are missing or too short. `known` is the number of the last line that was certainly written.
    pub(super) fn end(
        mut self,
        mut truncations: Vec<Truncation>,
        known: Option<u64>,
    ) -> (Verification, Redactions, Link) {
        self.path = self.layout.active().to_owned();
        let place = Place { line: 0, byte: 0 };
        for head in std::mem::take(&mut self.foreign) {
            let found = format!("found ledger {}; expected {}", self.found.head.ledger, head.ledger);
            self.fault(FaultKind::Replaced, place, None, found);
        }
        for head in std::mem::take(&mut self.passed) {
            let found = "the line of a kept head is missing".to_owned();
            self.fault(FaultKind::Gap, place, Some(head.seq), found);
        }
        for head in std::mem::take(&mut self.heads) {
            let found =
                format!("found no line after {}; expected line {}, the line of a kept head", self.last.seq, head.seq);
            self.fault(FaultKind::Truncated, place, Some(head.seq), found);
        }
        // Do not report a truncation if a line after the missing lines was read, because the missing lines were then
        // reported as a gap.
        let reached = known.map(|known| self.last.seq >= known);
        truncations.retain(|cut| !reached.unwrap_or(self.last_segment >= cut.shown_from));
        if let Some(seq) = known.filter(|_| reached == Some(false) && truncations.is_empty()) {
            let found = format!(
                "found no line after {}; expected line {seq}, which was written, according to the commit area",
                self.last.seq
            );
            self.fault(FaultKind::Truncated, place, Some(seq), found);
        }
        truncations.into_iter().for_each(|cut| self.add(Fault::from(cut)));
        self.found.head.seq = self.last.seq;
        self.found.head.hash = self.last.hash_str().to_owned();
        (self.found, self.redactions, self.last)
    }

    /// Adds a fault for a file of the ledger that this process has no permission to read.
    pub(super) fn unreadable(&mut self, error: &Error) {
        let of_ledger = self.path.clone();
        self.path = error.file().unwrap_or(&of_ledger).to_owned();
        let found = error.cause().map_or_else(|| error.to_string(), ToString::to_string);
        self.fault(FaultKind::Unreadable, Place { line: 0, byte: 0 }, None, found);
        self.path = of_ledger;
    }

    fn torn(&mut self, bytes: usize, begins: bool, place: Place) {
        self.torn = match self.torn {
            Torn::None if begins => Torn::Line(self.found.fault_count),
            _ => Torn::Bytes,
        };
        self.fault(FaultKind::Torn, place, None, format!("found {bytes} bytes that are not a line"));
    }

    fn edited(&mut self, trailer: &Trailer, place: Place) {
        // The edit may have changed the number of the line. If the line still states the hash of the previous line, it
        // is the next line, whatever its number says.
        let follows = trailer.prev == self.last.hash;
        let seq = if follows { self.last.seq.saturating_add(1) } else { trailer.link.seq };
        let found = "the line does not match its hash".to_owned();
        self.fault(FaultKind::Edited, place, Some(seq), found);
        self.missing.add_between(self.last.seq, seq.saturating_add(1));
        self.begin_at(seq);
        self.last = Link { seq, ..trailer.link };
        self.last_edited = true;
        self.last_segment = self.segment;
        self.torn = Torn::None;
        // Drop the kept heads of this line. A comparison would report the same edit a second time.
        self.heads_of(seq);
    }

    /// If the first line may have any number, accepts `seq` as that number.
    fn begin_at(&mut self, seq: u64) {
        if !std::mem::take(&mut self.anywhere) {
            return;
        }
        self.found.notes.push(match seq {
            ..=1 => "the first line is line 1, so no line comes before it".to_owned(),
            _ => {
                format!("the first line is line {seq}; the lines before it are in earlier segments, which are not here")
            }
        });
        // Heads of earlier lines cannot be compared without those lines.
        let end = self.heads.partition_point(|head| head.seq < seq);
        if end > 0 {
            self.heads.drain(..end);
            self.found.notes.push(format!("kept heads of earlier lines, which cannot be compared here: {end}"));
        }
    }

    /// Judges a line whose hash is right. Returns true if it directly follows the line before it in the chain.
    fn line(&mut self, trailer: &Trailer, place: Place) -> bool {
        let link = trailer.link;
        if self.anywhere && link.seq > 1 {
            self.last = Link { seq: link.seq.saturating_sub(1), hash: trailer.prev };
        }
        self.begin_at(link.seq);
        let follows = trailer.follows(&self.last);
        if follows {
            self.accept(link, place);
        } else if link.seq > self.last.seq {
            self.broken(trailer, place);
            self.missing.add_between(self.last.seq, link.seq);
            self.accept(link, place);
        } else if self.at_start && self.missing.take(link.seq) {
            self.fill(link, place);
        } else {
            match self.recent.iter().find(|recent| recent.seq == link.seq) {
                Some(same) if *same == link && self.at_start => self.found.copied += 1,
                Some(other) if *other != link => {
                    let found = "an earlier line has the same number but another hash".to_owned();
                    self.fault(FaultKind::Fork, place, Some(link.seq), found);
                }
                _ => {
                    let found = "an earlier line has the same number".to_owned();
                    self.fault(FaultKind::Duplicate, place, Some(link.seq), found);
                }
            }
        }
        follows
    }

    /// Reports a line that has a higher number than the previous line, but is not chained to that line.
    fn broken(&mut self, trailer: &Trailer, place: Place) {
        let (seq, expected) = (trailer.link.seq, self.last.seq + 1);
        if let Torn::Line(fault) = self.torn
            && seq == expected + 1
        {
            self.damaged(expected, fault);
        } else if self.last == Link::START && seq > 1 {
            self.fault(FaultKind::Missing, place, Some(1), format!("found line {seq}; expected line 1"));
        } else if seq > expected {
            let found = format!("found line {seq}; expected line {expected}. Missing lines: {}", seq - expected);
            self.fault(FaultKind::Gap, place, Some(expected), found);
        } else if !self.last_edited {
            let found = format!("the `prev` of line {seq} is not the hash of line {}", self.last.seq);
            self.fault(FaultKind::Edited, place, Some(self.last.seq), found);
        }
    }

    /// Changes the fault with the index `fault`: instead of torn bytes, it then reports that line `seq` was edited.
    /// This is correct because only line `seq` is missing, and the torn bytes are in its place.
    fn damaged(&mut self, seq: u64, fault: u64) {
        if let Some(fault) = usize::try_from(fault).ok().and_then(|fault| self.found.faults.get_mut(fault)) {
            fault.kind = FaultKind::Edited;
            fault.seq = Some(seq);
            fault.found.push_str(&format!(", in the place of line {seq}"));
        }
        // Drop the kept heads of this line, because there is no line to compare them with.
        self.heads_of(seq);
    }

    fn accept(&mut self, link: Link, place: Place) {
        self.at_start = false;
        self.last = link;
        self.last_edited = false;
        self.last_segment = self.segment;
        self.torn = Torn::None;
        let heads = self.heads_of(link.seq);
        self.count(link, &heads, place);
    }

    /// Counts a line that is missing in the previous segment. That segment could not be synced and lost the line, and
    /// this segment begins with a copy of the line.
    fn fill(&mut self, link: Link, place: Place) {
        let heads: Vec<_> = self.passed.extract_if(.., |head| head.seq == link.seq).collect();
        self.count(link, &heads, place);
    }

    fn count(&mut self, link: Link, heads: &[Head], place: Place) {
        self.found.lines += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(link);
        self.compare(link, heads, place);
    }

    /// Compares a line with the kept heads of its number.
    fn compare(&mut self, link: Link, heads: &[Head], place: Place) {
        for head in heads.iter().filter(|head| head.hash != link.hash_str()) {
            let found = format!("found another line; expected the line of a kept head, with the hash {}", head.hash);
            self.fault(FaultKind::Replaced, place, Some(link.seq), found);
        }
    }

    /// Removes and returns the kept heads of line `seq`. Moves the heads of earlier lines to `passed`.
    fn heads_of(&mut self, seq: u64) -> Vec<Head> {
        let end = self.heads.partition_point(|head| head.seq <= seq);
        let mut reached: Vec<Head> = self.heads.drain(..end).collect();
        let of_line = reached.split_off(reached.partition_point(|head| head.seq < seq));
        self.passed.extend(reached);
        of_line
    }

    fn fault(&mut self, kind: FaultKind, place: Place, seq: Option<u64>, found: String) {
        let (path, Place { line, byte }) = (self.path.clone(), place);
        self.add(Fault { kind, path, line, byte, seq, found });
    }

    fn add(&mut self, fault: Fault) {
        self.found.add(fault);
    }
}

fn no_identity(layout: &Layout) -> String {
    format!("{}: found no such file; the ledger's identity cannot be verified", layout.identity().display())
}
