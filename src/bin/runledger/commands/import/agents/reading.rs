//! Reads one file of an agent. A later read begins at the first line that was not read yet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use runledger::import::{Import, Transcript};
use serde::de::IgnoredAny;

use super::append::Queue;
use super::find::{SessionFile, is_stdin};

/// The length of the longest line that is read, in bytes.
pub(super) const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// If none of the first lines belongs to a session, the file is skipped. At most this many lines are read for this
/// check.
const LINES_BEFORE_SESSION_MAX: u64 = 200;
/// The largest number of bytes in each part of a mark.
const MARK_BYTES: u64 = 256;

/// Recognises a file that was read up to an offset. A file at the same path is another one if its inode, its first
/// bytes or the last bytes before the offset differ.
#[derive(PartialEq, Eq)]
struct Mark {
    inode: (u64, u64),
    head: Vec<u8>,
    tail: Vec<u8>,
}

pub(super) struct Reading {
    transcript: Box<dyn Transcript>,
    /// The offset of the first line that was not read yet.
    offset: u64,
    /// `None` if the file cannot be read on from `offset`.
    mark: Option<Mark>,
    lines: u64,
    /// True if the last line is incomplete because the agent is still writing it.
    pub(super) is_torn: bool,
}

impl Reading {
    pub(super) fn of(file: &SessionFile) -> Self {
        Self { transcript: file.agent.transcript(&file.path), offset: 0, mark: None, lines: 0, is_torn: false }
    }

    pub(super) fn is_session(&self) -> bool {
        self.transcript.is_session()
    }

    /// Returns true if later lines can be read from where the reader stopped.
    pub(super) fn can_go_on(&self) -> bool {
        self.mark.is_some()
    }

    /// Returns true if the file still has the mark, and possibly new lines. Returns false if it became shorter, or
    /// seems to have been replaced.
    pub(super) fn goes_on_in(&self, file: &SessionFile) -> io::Result<bool> {
        let mark = mark_at(&mut File::open(&file.path)?, self.offset)?;
        Ok(file.bytes >= self.offset && mark == self.mark)
    }

    /// Reads the lines that were not read yet. Returns false if the import has to stop.
    pub(super) fn read(&mut self, file: &SessionFile, import: &mut Import, queue: &mut Queue) -> io::Result<bool> {
        self.is_torn = false;
        if is_stdin(&file.path) {
            if !self.read_lines(&mut BufReader::new(io::stdin()), import, queue)? {
                return Ok(false);
            }
        } else if file.path.extension().is_some_and(|extension| extension == "json") {
            let mut document = Vec::new();
            File::open(&file.path)?.take(LINE_BYTES_MAX).read_to_end(&mut document)?;
            self.transcript.line(&document, import);
        } else {
            let mut opened = File::open(&file.path)?;
            if self.offset > 0 {
                opened.seek(SeekFrom::Start(self.offset))?;
            }
            let mut input = BufReader::with_capacity(1 << 18, opened);
            if !self.read_lines(&mut input, import, queue)? {
                return Ok(false);
            }
            // For a pipe, the mark is `None`, because a pipe cannot be read on later.
            self.mark = mark_at(input.get_mut(), self.offset).unwrap_or_default();
        }
        self.transcript.end(import);
        Ok(queue.take(import))
    }

    fn read_lines(&mut self, input: &mut impl BufRead, import: &mut Import, queue: &mut Queue) -> io::Result<bool> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bytes = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if bytes == 0 {
                return Ok(true);
            }
            if line.pop_if(|last| *last == b'\n').is_none() {
                if line.len() as u64 == LINE_BYTES_MAX {
                    bytes += input.skip_until(b'\n')?;
                } else if serde_json::from_slice::<IgnoredAny>(&line).is_err() {
                    self.is_torn = true;
                    return Ok(true);
                }
            }
            self.offset += bytes as u64;
            self.lines += 1;
            if !line.trim_ascii().is_empty() {
                self.transcript.line(&line, import);
            }
            if !queue.take(import) {
                return Ok(false);
            }
            if self.lines == LINES_BEFORE_SESSION_MAX && !self.transcript.is_session() {
                return Ok(true);
            }
        }
    }
}

/// Returns the mark of a file that was read up to `offset`. Returns `None` if the file is shorter than `offset`.
fn mark_at(file: &mut File, offset: u64) -> io::Result<Option<Mark>> {
    let metadata = file.metadata()?;
    let bytes = offset.min(MARK_BYTES);
    let mut part_at = |start| {
        file.seek(SeekFrom::Start(start))?;
        let mut part = Vec::new();
        file.by_ref().take(bytes).read_to_end(&mut part)?;
        io::Result::Ok(part)
    };
    let (head, tail) = (part_at(0)?, part_at(offset - bytes)?);
    let is_whole = tail.len() as u64 == bytes;
    Ok(is_whole.then_some(Mark { inode: (metadata.dev(), metadata.ino()), head, tail }))
}
