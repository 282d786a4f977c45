//! What the lines, one after the other, say of the ledger.

use std::collections::VecDeque;
use std::path::PathBuf;

use uuid::Uuid;

use super::check::{Checked, Verdict};
use super::{ArchivedLines, Fault, FaultKind, Verification};
use crate::error::Error;
use crate::journal::Head;
use crate::journal::format::Layout;
use crate::journal::format::line::{Link, Trailer};
use crate::journal::read::Missing;
use crate::journal::read::blocks::Block;
use crate::journal::read::moved::Boundary;
use crate::journal::read::truncation::Truncation;

/// Where a line stands in its segment.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    byte: u64,
}

/// What stands between two lines, or will, and is no line.
#[derive(Debug, Clone, Copy)]
enum Torn {
    None,
    /// The beginning of a line up to a line feed, and nothing else; with the number of its fault, from 0.
    Line(u64),
    Bytes,
}

#[derive(Debug)]
pub(super) struct Chain {
    layout: Layout,
    /// Number of the active segment.
    active: u64,
    /// The segment that the lines come from, its file, and how many of its lines came.
    segment: u64,
    path: PathBuf,
    line: u64,
    /// Whether no line of the segment has been accepted yet: only there are lines repeated.
    at_start: bool,
    /// The last line that has its place in the chain.
    last: Link,
    /// Whether that line is accused of being edited: what names another line in its place says the same again.
    last_edited: bool,
    /// The segment of the last line.
    last_segment: u64,
    /// Whether the first line may have any number: it is a copy of one segment.
    anywhere: bool,
    /// What came after that line, in its segment, and is no line.
    torn: Torn,
    /// The links of the last lines, to tell a repeated line from a forked one.
    recent: VecDeque<Link>,
    /// Numbers without a line of a right hash so far.
    missing: Missing,
    /// Kept heads that were not reached, by number.
    heads: VecDeque<Head>,
    /// Kept heads whose line was not there.
    passed: Vec<Head>,
    /// Kept heads of other ledgers.
    foreign: Vec<Head>,
    found: Verification,
}

/// A segment that could not be synced is repeated from its last synced byte: from the base of its commit area on, which
/// holds at most a mebibyte, some 4,000 of the shortest lines.
const RECENT_MAX: usize = 8192;

impl Chain {
    /// Of `ledger`, whose active segment has the number `active`. If it is not known which ledger that is, every head may
    /// be of it.
    pub(super) fn new(ledger: Option<Uuid>, layout: &Layout, active: u64, heads: &[Head]) -> Self {
        let is_own = |head: &Head| ledger.is_none_or(|ledger| head.ledger == ledger);
        let (mut own, foreign): (Vec<_>, Vec<_>) = heads.iter().cloned().partition(is_own);
        // A head of the empty ledger says nothing of any line.
        own.retain(|head| head.seq > 0);
        own.sort_by_key(|head| head.seq);
        let found = Verification {
            lines: 0,
            bytes: 0,
            segments: active,
            archived: None,
            repeated: 0,
            in_progress_bytes: 0,
            head: Head { ledger: ledger.unwrap_or_default(), seq: 0, hash: String::new(), segment: active, bytes: 0 },
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

    /// Expects the line after the last archived one as the first.
    pub(super) fn begin_after(&mut self, archived: Boundary) {
        let link = archived.link;
        (self.last, self.path, self.last_segment) = (link, self.layout.events(), archived.segment);
        let heads = self.heads_of(link.seq);
        let unseen = std::mem::take(&mut self.passed).len() as u64;
        self.hold_against(link, &heads, Place { line: 0, byte: 0 });
        self.found.segments = self.active.saturating_sub(archived.segment);
        self.found.archived = Some(ArchivedLines {
            segment: archived.segment,
            seq: link.seq,
            hash: link.hash_str().to_owned(),
            to: archived.to,
            heads: unseen,
        });
    }

    /// Takes the next block and what was found in it.
    pub(super) fn block(&mut self, block: &Block, checked: Checked) {
        if block.segment != self.segment {
            (self.segment, self.line, self.at_start, self.torn) = (block.segment, 0, true, Torn::None);
            self.path = block.path().to_owned();
        }
        let mut trailers = checked.trailers.iter();
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
                    Some(trailer) if right => self.line(trailer, place),
                    Some(trailer) => self.edited(trailer, place),
                    None => {}
                },
                Verdict::Torn { begins } => self.torn(piece.len, begins, place),
            }
        }
    }

    /// At the end of the last block. `truncations` is what the machinery misses, and `known` the number of a line that
    /// it knows to have been there.
    pub(super) fn end(mut self, mut truncations: Vec<Truncation>, known: Option<u64>) -> Verification {
        self.path = self.layout.active().to_owned();
        let place = Place { line: 0, byte: 0 };
        for head in std::mem::take(&mut self.foreign) {
            let found = format!("expected ledger {}, found {}", head.ledger, self.found.head.ledger);
            self.fault(FaultKind::Replaced, place, None, found);
        }
        for head in std::mem::take(&mut self.passed) {
            let found = "the line of a kept head is not there".to_owned();
            self.fault(FaultKind::Gap, place, Some(head.seq), found);
        }
        for head in std::mem::take(&mut self.heads) {
            let found = format!("expected line {} of a kept head, found no line after {}", head.seq, self.last.seq);
            self.fault(FaultKind::Truncated, place, Some(head.seq), found);
        }
        // What is missing before a line that is there was named at that line.
        let reached = known.map(|known| self.last.seq >= known);
        truncations.retain(|cut| !reached.unwrap_or(self.last_segment >= cut.shown_from));
        if let Some(seq) = known.filter(|_| reached == Some(false) && truncations.is_empty()) {
            let found =
                format!("expected line {seq}, which the commit area knows, found no line after {}", self.last.seq);
            self.fault(FaultKind::Truncated, place, Some(seq), found);
        }
        truncations.into_iter().for_each(|cut| self.add(Fault::from(cut)));
        self.found.head.seq = self.last.seq;
        self.found.head.hash = self.last.hash_str().to_owned();
        self.found
    }

    /// A file of the ledger that may not be read.
    pub(super) fn unreadable(&mut self, error: &Error) {
        let of_ledger = self.path.clone();
        self.path = error.file().unwrap_or(&of_ledger).to_owned();
        let found = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        self.fault(FaultKind::Unreadable, Place { line: 0, byte: 0 }, None, found);
        self.path = of_ledger;
    }

    fn torn(&mut self, bytes: usize, begins: bool, place: Place) {
        self.torn = match self.torn {
            Torn::None if begins => Torn::Line(self.found.fault_count),
            _ => Torn::Bytes,
        };
        self.fault(FaultKind::Torn, place, None, format!("{bytes} bytes that are no line"));
    }

    fn edited(&mut self, trailer: &Trailer, place: Place) {
        // What follows is judged by what the line says of itself; but its number may be what was edited.
        let follows = trailer.prev == self.last.hash;
        let seq = if follows { self.last.seq.saturating_add(1) } else { trailer.link.seq };
        let found = "its bytes have another hash than it says".to_owned();
        self.fault(FaultKind::Edited, place, Some(seq), found);
        self.missing.add_between(self.last.seq, seq.saturating_add(1));
        self.begin_at(seq);
        (self.last, self.last_edited, self.torn) = (Link { seq, ..trailer.link }, true, Torn::None);
        self.last_segment = self.segment;
        // Of a head of this line no more can be said.
        self.heads_of(seq);
    }

    /// Takes `seq` as the number of the first line, if there was none yet and it may have any.
    fn begin_at(&mut self, seq: u64) {
        if !std::mem::take(&mut self.anywhere) {
            return;
        }
        self.found.notes.push(match seq {
            ..=1 => "the first line is line 1: no line comes before it".to_owned(),
            _ => {
                format!("the first line is line {seq}: the lines before it are in earlier segments, which are not here")
            }
        });
        // Heads of earlier lines can be compared only where those are.
        let end = self.heads.partition_point(|head| head.seq < seq);
        if end > 0 {
            self.heads.drain(..end);
            self.found.notes.push(format!("heads of lines before it, which cannot be compared here: {end}"));
        }
    }

    fn line(&mut self, trailer: &Trailer, place: Place) {
        let link = trailer.link;
        if self.anywhere && link.seq > 1 {
            self.last = Link { seq: link.seq.saturating_sub(1), hash: trailer.prev };
        }
        self.begin_at(link.seq);
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
    fn broken(&mut self, trailer: &Trailer, place: Place) {
        let (seq, expected) = (trailer.link.seq, self.last.seq + 1);
        if let Torn::Line(fault) = self.torn
            && seq == expected + 1
        {
            self.damaged(expected, fault);
        } else if self.last == Link::START && seq > 1 {
            self.fault(FaultKind::Missing, place, Some(1), format!("expected line 1, found line {seq}"));
        } else if seq > expected {
            let found = format!("expected line {expected}, found line {seq}: {} are missing", seq - expected);
            self.fault(FaultKind::Gap, place, Some(expected), found);
        } else if !self.last_edited {
            let found = format!("line {seq} follows another line {} than the one that is there", self.last.seq);
            self.fault(FaultKind::Edited, place, Some(self.last.seq), found);
        }
    }

    /// Just line `seq` is missing, and just one thing stands in its place: the two are one fault.
    fn damaged(&mut self, seq: u64, fault: u64) {
        if let Some(fault) = usize::try_from(fault).ok().and_then(|fault| self.found.faults.get_mut(fault)) {
            (fault.kind, fault.seq) = (FaultKind::Edited, Some(seq));
            fault.found.push_str(", in the place of the one that is missing");
        }
        // Of a head of this line no more can be said.
        self.heads_of(seq);
    }

    fn accept(&mut self, link: Link, place: Place) {
        (self.at_start, self.last_edited, self.torn) = (false, false, Torn::None);
        (self.last, self.last_segment) = (link, self.segment);
        let heads = self.heads_of(link.seq);
        self.count(link, &heads, place);
    }

    /// A line that the segment before had lost, repeated where it could not be synced.
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
        self.hold_against(link, heads, place);
    }

    fn hold_against(&mut self, link: Link, heads: &[Head], place: Place) {
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

    fn fault(&mut self, kind: FaultKind, place: Place, seq: Option<u64>, found: String) {
        let (path, Place { line, byte }) = (self.path.clone(), place);
        self.add(Fault { kind, path, line, byte, seq, found });
    }

    fn add(&mut self, fault: Fault) {
        self.found.fault_count += 1;
        if self.found.faults.len() < Verification::FAULTS_MAX {
            self.found.faults.push(fault);
        }
    }
}

fn no_identity(layout: &Layout) -> String {
    format!("{}: found no such file; the ledger's identity cannot be verified", layout.identity().display())
}
