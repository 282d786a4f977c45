//! Reads the files of the agents.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use runledger::import::Import;

use super::append::Queue;
use super::find::{Found, SessionFile, is_stdin};
use super::reading::Reading;
use crate::global::Global;
use crate::term::output;

/// The largest number of files whose readers are kept. Of these files, only the new lines are read later.
const KEPT_MAX: usize = 64;

/// The size of a file and the time of its last change, when the file was read.
type State = (u64, Option<SystemTime>);

#[derive(Default)]
pub(super) struct Transcripts {
    /// True if the files are read again and again, for `--watch`.
    watches: bool,
    /// The files that were read to the end, with their state at that time. They are read again only if their state
    /// changes.
    done: HashMap<PathBuf, State>,
    /// The readers of the files that changed last, with the time of the change.
    kept: HashMap<PathBuf, (Option<SystemTime>, Reading)>,
    /// The files that are not sessions.
    pub(super) skipped: Vec<PathBuf>,
    /// The first file with a line that could not be read.
    pub(super) unreadable: Option<PathBuf>,
    /// The number of files whose last line is incomplete because the agent is still writing it.
    pub(super) torn: u64,
    failures: u64,
}

impl Transcripts {
    pub(super) fn new(watches: bool) -> Self {
        Self { watches, ..Self::default() }
    }

    /// Clears the counts and the lists of files, before all files are read again.
    pub(super) fn begin_pass(&mut self) {
        (self.skipped, self.unreadable, self.torn, self.failures) = (Vec::new(), None, 0, 0);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Reads all files that changed. Returns false if the import has to stop, because records could not be appended.
    pub(super) fn read_all(&mut self, found: &Found, import: &mut Import, queue: &mut Queue, global: &Global) -> bool {
        for file in &found.files {
            let state = (file.bytes, file.changed);
            if self.done.get(&file.path) == Some(&state) && !is_stdin(&file.path) {
                continue;
            }
            let before = import.counts().clone();
            let fault = match self.read(file, import, queue) {
                Ok(Some(false)) => return false,
                Ok(is_session) => {
                    if import.counts().waiting == before.waiting {
                        self.done.insert(file.path.clone(), state);
                    }
                    match is_session {
                        Some(_) => {
                            if import.counts().unreadable_lines > before.unreadable_lines {
                                self.unreadable.get_or_insert_with(|| file.path.clone());
                            }
                            continue;
                        }
                        None => {
                            import.set_back(before);
                            if !file.is_named {
                                self.skipped.push(file.path.clone());
                                continue;
                            }
                            not_a_session(file)
                        }
                    }
                }
                Err(source) => source.to_string(),
            };
            self.failures += 1;
            let text = format!("cannot read a session: {}: {fault}", file.path.display());
            output::error(&text, "io", global.style());
        }
        true
    }

    /// Reads one file. Returns `None` if it is not a session, false if the import has to stop, and true otherwise.
    fn read(&mut self, file: &SessionFile, import: &mut Import, queue: &mut Queue) -> io::Result<Option<bool>> {
        let kept = self.kept.remove(&file.path).map(|(_, reading)| reading);
        let mut reading = match kept {
            Some(reading) if reading.goes_on_in(file)? => reading,
            _ => Reading::of(file),
        };
        if !reading.read(file, import, queue)? {
            return Ok(Some(false));
        }
        self.torn += u64::from(reading.is_torn);
        if !reading.is_session() {
            return Ok(None);
        }
        if self.watches && reading.can_go_on() {
            self.keep(file, reading);
        }
        Ok(Some(true))
    }

    fn keep(&mut self, file: &SessionFile, reading: Reading) {
        self.kept.insert(file.path.clone(), (file.changed, reading));
        if self.kept.len() > KEPT_MAX
            && let Some(oldest) =
                self.kept.iter().min_by_key(|(_, (changed, _))| *changed).map(|(path, _)| path.clone())
        {
            self.kept.remove(&oldest);
        }
    }
}

fn not_a_session(file: &SessionFile) -> String {
    format!("found no line of a session; expected a file that {} wrote", file.agent.name())
}
