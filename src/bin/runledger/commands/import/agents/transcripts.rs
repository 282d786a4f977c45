//! Reads the files of the agents.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use runledger::import::{Import, Transcript};
use serde::de::IgnoredAny;

use super::append::Appender;
use super::find::{Found, SessionFile, is_stdin};
use crate::global::Global;
use crate::term::output;

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A file is not a session if none of its first lines belongs to one.
const LINES_BEFORE_SESSION_MAX: u64 = 200;

/// What is known about a file when it was read.
type State = (u64, Option<SystemTime>);

#[derive(Default)]
pub(super) struct Transcripts {
    /// The files that need not be read again until they change.
    done: HashMap<PathBuf, State>,
    /// The files that are not sessions.
    pub(super) skipped: Vec<PathBuf>,
    /// The files whose last line is incomplete, since the agent is still writing it.
    pub(super) torn: u64,
    failures: u64,
}

impl Transcripts {
    /// Forgets the counts.
    pub(super) fn begin_pass(&mut self) {
        (self.skipped, self.torn, self.failures) = (Vec::new(), 0, 0);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Reads all files that changed. Returns false if the import has to stop, because records could not be appended.
    pub(super) fn read_all(
        &mut self,
        found: &Found,
        import: &mut Import,
        appender: &mut Appender<'_>,
        global: &Global,
    ) -> bool {
        for file in &found.files {
            let state = (file.bytes, file.changed);
            if self.done.get(&file.path) == Some(&state) && !is_stdin(&file.path) {
                continue;
            }
            let waiting = import.counts().waiting;
            match self.read(file, import, appender) {
                Ok(Some(false)) => return false,
                Ok(is_session) => {
                    if is_session.is_none() {
                        self.skipped.push(file.path.clone());
                    }
                    if import.counts().waiting == waiting {
                        self.done.insert(file.path.clone(), state);
                    }
                }
                Err(source) => {
                    self.failures += 1;
                    let text = format!("cannot read a session: {}: {source}", file.path.display());
                    output::error(&text, "io", global.style());
                }
            }
        }
        appender.append()
    }

    /// Reads one file. Returns `None` if it is not a session, and false if the import has to stop.
    fn read(
        &mut self,
        file: &SessionFile,
        import: &mut Import,
        appender: &mut Appender<'_>,
    ) -> io::Result<Option<bool>> {
        let mut transcript = file.agent.transcript(&file.path);
        let mut input: Box<dyn BufRead> = if is_stdin(&file.path) {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, File::open(&file.path)?))
        };
        if file.path.extension().is_some_and(|extension| extension == "json") {
            let mut document = Vec::new();
            input.take(LINE_BYTES_MAX).read_to_end(&mut document)?;
            transcript.line(&document, import);
        } else if !self.read_lines(&mut input, &mut *transcript, import, appender)? {
            return Ok(Some(false));
        }
        transcript.end(import);
        Ok(if !appender.take(import) { Some(false) } else { transcript.is_session().then_some(true) })
    }

    fn read_lines(
        &mut self,
        input: &mut impl BufRead,
        transcript: &mut dyn Transcript,
        import: &mut Import,
        appender: &mut Appender<'_>,
    ) -> io::Result<bool> {
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                return Ok(true);
            }
            number += 1;
            if line.pop_if(|last| *last == b'\n').is_none() {
                if line.len() as u64 == LINE_BYTES_MAX {
                    input.skip_until(b'\n')?;
                } else if serde_json::from_slice::<IgnoredAny>(&line).is_err() {
                    // The agent has not written the whole line yet.
                    self.torn += 1;
                    return Ok(true);
                }
            }
            if !line.trim_ascii().is_empty() {
                transcript.line(&line, import);
            }
            if !appender.take(import) {
                return Ok(false);
            }
            if number == LINES_BEFORE_SESSION_MAX && !transcript.is_session() {
                return Ok(true);
            }
        }
    }
}
