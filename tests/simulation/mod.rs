//! A journal on a simulated disk, and the lines that must be in it after a crash. Shared by the tests of several
//! promises.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::disk::simulated::{Loss, SimulatedDisk};
use runledger::disk::{Access, Storage};
use runledger::hash_bytes;
use runledger::journal::{Journal, JournalOptions, Line};

pub(crate) const PATH: &str = "/logs/execution_metrics.jsonl";

/// Returns options that rotate at `rotate_bytes` and ignore warnings.
pub(crate) fn options(disk: &SimulatedDisk, rotate_bytes: u64) -> JournalOptions {
    let options = JournalOptions::new(Arc::new(|| 1_771_079_000_000)).storage(Arc::new(disk.clone()));
    options.rotate_bytes(Some(rotate_bytes)).on_warning(|_| {})
}

/// Returns the path of a file of the ledger's machinery.
pub(crate) fn machinery(name: &str) -> PathBuf {
    Path::new(PATH).with_extension("ledger").join(name)
}

/// Returns payload `number`, of about `bytes` bytes.
pub(crate) fn payload(number: usize, bytes: usize) -> Vec<u8> {
    format!("{{\"n\":{number},\"filler\":\"{}\"}}", "x".repeat(bytes)).into_bytes()
}

pub(crate) fn read(disk: &SimulatedDisk, path: impl AsRef<Path>) -> Vec<u8> {
    let file = disk.open(path.as_ref(), Access::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

/// Replaces the content of the file at `path`, like another program.
pub(crate) fn put(disk: &SimulatedDisk, path: impl AsRef<Path>, bytes: &[u8]) {
    let file = disk.open(path.as_ref(), Access::Write).unwrap();
    file.truncate(0).unwrap();
    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
    file.sync().unwrap();
}

/// Returns the whole lines of `events.jsonl`, or none if it does not exist.
pub(crate) fn events(disk: &SimulatedDisk) -> Vec<serde_json::Value> {
    if disk.stat(&machinery("events.jsonl")).unwrap().is_none() {
        return Vec::new();
    }
    let text = String::from_utf8(read(disk, machinery("events.jsonl"))).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns the number in a line whose hash is right; `None` for any other. A JSON parser would be too slow, since tens
/// of thousands of disks are read.
fn number(line: &Line<'_>) -> Option<usize> {
    let (body, hash) = chained(line.bytes)?;
    if hash_bytes(body).as_bytes() != hash {
        return None;
    }
    let digits = line.bytes.strip_prefix(b"{\"n\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Returns the hashed bytes of a line, and its hash.
fn chained(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, hash) = line.strip_suffix(b"\"}")?.split_last_chunk::<64>()?;
    Some((body.strip_suffix(b",\"hash\":\"")?, hash))
}

/// Whether the segments of a journal may have holes. A failed sync leaves holes, and the next segment repeats the
/// lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Every line is there, directly after the one before it.
    Whole,
    /// Repeated lines may come late, and the remains of their first copies are skipped.
    Repeated,
}

/// Reads the lines of a journal, also those that are appended while it is read.
pub(crate) struct Reader {
    lines: runledger::journal::Lines,
    chain: Chain,
    last: (u64, Vec<u8>),
    pub(crate) found: Vec<usize>,
}

impl Reader {
    pub(crate) fn new(journal: &Journal, chain: Chain) -> Self {
        Self { lines: journal.lines(), chain, last: (0, vec![b'0'; 64]), found: Vec::new() }
    }

    /// Reads to the end, and fails with a text if the chain is broken.
    pub(crate) fn read_on(&mut self) -> Result<(), String> {
        while let Some(line) = self.lines.next_line().map_err(|error| format!("{error:?}"))? {
            let Some(number) = number(&line) else {
                if self.chain == Chain::Whole {
                    return Err(format!(
                        "found other bytes than a line at byte {} of segment {}",
                        line.offset, line.segment
                    ));
                }
                continue;
            };
            let (body, hash) = chained(line.bytes).unwrap();
            if self.chain == Chain::Whole {
                let follows = line.seq == Some(self.last.0 + 1) && body.ends_with(&[&self.last.1, &b"\""[..]].concat());
                if !follows {
                    return Err(format!("line {:?} does not follow line {}", line.seq, self.last.0));
                }
            }
            self.last = (line.seq.unwrap(), hash.to_vec());
            self.found.push(number);
        }
        Ok(())
    }
}

/// Returns the numbers in a journal, in order.
pub(crate) fn numbers(journal: &Journal, chain: Chain) -> Vec<usize> {
    let mut reader = Reader::new(journal, chain);
    reader.read_on().unwrap();
    reader.found
}

/// The acknowledged lines after `calls` calls of the disk.
#[derive(Clone)]
pub(crate) struct Answered {
    pub(crate) calls: usize,
    pub(crate) acknowledged: Vec<usize>,
}

/// A disk on which a journal was used, and the answers to its callers.
pub(crate) struct Used {
    pub(crate) disk: SimulatedDisk,
    pub(crate) answered: Vec<Answered>,
    pub(crate) chain: Chain,
    pub(crate) rotate_bytes: u64,
}

impl Used {
    pub(crate) fn new(disk: SimulatedDisk, rotate_bytes: u64, chain: Chain) -> Self {
        Self { disk, answered: Vec::new(), chain, rotate_bytes }
    }

    pub(crate) fn open(&self) -> Journal {
        Journal::open(PATH, options(&self.disk, self.rotate_bytes)).unwrap()
    }

    /// Appends the payloads with these numbers, and stores the answers.
    pub(crate) fn append(
        &mut self,
        journal: &Journal,
        numbers: std::ops::Range<usize>,
        bytes: impl Fn(usize) -> usize,
    ) {
        for number in numbers {
            let mut acknowledged = self.answered.last().map_or(Vec::new(), |answered| answered.acknowledged.clone());
            if journal.append(&payload(number, bytes(number))).is_ok() {
                acknowledged.push(number);
            }
            self.answered.push(Answered { calls: self.disk.calls().len(), acknowledged });
        }
    }

    /// Returns the number of answers after `calls`, and the lines that they acknowledged.
    pub(crate) fn answered_after(&self, calls: usize) -> (usize, &[usize]) {
        let count = self.answered.partition_point(|answered| answered.calls <= calls);
        let answered = count.checked_sub(1).map(|last| &self.answered[last]);
        (count, answered.map_or(&[][..], |answered| &answered.acknowledged))
    }

    /// Opens the disk after a crash. It must have each acknowledged line once, accept another line, and be whole.
    pub(crate) fn check(&self, after: &SimulatedDisk, calls: usize, loss: Loss) {
        let fail =
            |what: String| -> ! { panic!("after call {calls} of {}, {loss:?}: {what}", self.disk.calls().len()) };
        let journal = Journal::open(PATH, options(after, self.rotate_bytes));
        let journal = journal.unwrap_or_else(|error| fail(format!("cannot be opened: {error:?}")));
        self.check_opened(&journal, self.answered_after(calls).1).unwrap_or_else(|what| fail(what));
    }

    pub(crate) fn check_opened(&self, journal: &Journal, acknowledged: &[usize]) -> Result<(), String> {
        const LAST: usize = 1_000_000;
        let mut reader = Reader::new(journal, self.chain);
        reader.read_on()?;
        let once: HashSet<_> = reader.found.iter().copied().collect();
        if once.len() != reader.found.len() {
            return Err(format!("twice there: {:?}", reader.found));
        }
        let lost: Vec<_> = acknowledged.iter().filter(|number| !once.contains(number)).collect();
        if !lost.is_empty() {
            return Err(format!("acknowledged and lost: {lost:?}; there are {:?}", reader.found));
        }
        journal.append(&payload(LAST, 10)).map_err(|error| format!("refuses a line: {error:?}"))?;
        let before = reader.found.len();
        reader.read_on()?;
        if reader.found[before..] != [LAST] {
            return Err(format!("another line than the one appended: {:?}", &reader.found[before..]));
        }
        Ok(())
    }
}
