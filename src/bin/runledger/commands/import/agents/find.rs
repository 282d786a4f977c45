//! Finds the files in which the agents store their sessions.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Agent;
use crate::term::{Style, output};

/// A file that may be a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionFile {
    pub(super) agent: Agent,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) changed: Option<SystemTime>,
    /// True if an argument names the file itself, and not a directory above it.
    pub(super) is_named: bool,
}

/// A directory or a file that was searched.
pub(super) struct Source {
    pub(super) agent: Agent,
    pub(super) path: PathBuf,
    pub(super) files: u64,
}

/// The files and directories that a search found. The files are in the order in which they are read.
pub(in super::super) struct Found {
    /// The agents and paths that were searched. [`again`](Self::again) searches them again.
    searched: Vec<(Agent, PathBuf)>,
    /// True if a path that does not exist is a failure.
    must_exist: bool,
    pub(super) sources: Vec<Source>,
    pub(super) files: Vec<SessionFile>,
    /// The paths of compressed sessions, which cannot be read.
    pub(super) compressed: Vec<PathBuf>,
    pub(super) failures: Vec<(PathBuf, io::Error)>,
}

impl Found {
    pub(super) fn of_machine() -> Self {
        let agents = Agent::WITH_FILES.into_iter();
        Self::search(agents.flat_map(|agent| agent.directories().into_iter().map(move |path| (agent, path))), false)
    }

    pub(super) fn of_agent(agent: Agent) -> Self {
        match agent {
            Agent::StreamJson => Self::of_paths(agent, &[PathBuf::from("-")]),
            _ => Self::search(agent.directories().into_iter().map(|path| (agent, path)), false),
        }
    }

    pub(super) fn of_paths(agent: Agent, paths: &[PathBuf]) -> Self {
        Self::search(paths.iter().map(|path| (agent, path.clone())), true)
    }

    /// Searches the same paths again.
    pub(super) fn again(&self) -> Self {
        Self::search(self.searched.iter().cloned(), self.must_exist)
    }

    fn search(paths: impl IntoIterator<Item = (Agent, PathBuf)>, must_exist: bool) -> Self {
        let searched: Vec<_> = paths.into_iter().collect();
        let mut found = Self {
            searched: searched.clone(),
            must_exist,
            sources: Vec::new(),
            files: Vec::new(),
            compressed: Vec::new(),
            failures: Vec::new(),
        };
        for (agent, path) in searched {
            let before = found.files.len();
            if is_stdin(&path) {
                found.files.push(SessionFile { agent, path: path.clone(), bytes: 0, changed: None, is_named: true });
            } else {
                match path.metadata() {
                    Ok(metadata) if metadata.is_dir() => found.walk(agent, &path),
                    Ok(metadata) => found.add(agent, path.clone(), &metadata, true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => continue,
                    Err(error) => found.failures.push((path.clone(), error)),
                }
            }
            // A resumed or forked session repeats lines of an original session. The original session must be read
            // first. For Claude Code, it is in the file that changed earlier. For Codex, it is in the file with the
            // smaller name, because the names contain the time of the session's start.
            if let Some(new) = found.files.get_mut(before..) {
                new.sort_by_cached_key(|file| {
                    let changed = file.changed.filter(|_| agent == Agent::ClaudeCode);
                    (agent.is_of_sub_agent(&file.path), changed, file.path.clone())
                });
            }
            let files = (found.files.len() - before) as u64;
            found.sources.push(Source { agent, path, files });
        }
        // The files of Codex are sorted by name across its two directories, because a session may have been archived
        // after it was forked. If both directories have a copy of a file, the copy in `sessions` stays first.
        found.files.sort_by_cached_key(|file| {
            let name = file.path.file_name().filter(|_| file.agent == Agent::Codex);
            (file.agent, name.map(OsStr::to_owned))
        });
        found
    }

    fn walk(&mut self, agent: Agent, directory: &Path) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.failures.push((directory.to_owned(), error)),
        };
        for entry in entries {
            let listed = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match listed {
                Ok((path, kind)) if kind.is_dir() => self.walk(agent, &path),
                Ok((path, _)) if agent.has_compressed(&path) => self.compressed.push(path),
                Ok((path, _)) if agent.may_have_written(&path) => match path.metadata() {
                    Ok(metadata) if metadata.is_file() => self.add(agent, path, &metadata, false),
                    // The path may be a link to a directory, which is ignored. The file may also have been removed in
                    // the meantime.
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.failures.push((path, error)),
                },
                Ok(_) => {}
                Err(error) => self.failures.push((directory.to_owned(), error)),
            }
        }
    }

    fn add(&mut self, agent: Agent, path: PathBuf, metadata: &fs::Metadata, is_named: bool) {
        let (bytes, changed) = (metadata.len(), metadata.modified().ok());
        self.files.push(SessionFile { agent, path, bytes, changed, is_named });
    }

    pub(super) fn searched(&self) -> impl Iterator<Item = &Path> {
        self.searched.iter().map(|(_, path)| &**path)
    }

    /// Returns the files of Claude Code, whose calls have to be compared with each other. Pipes are left out, because
    /// they can be read only once.
    pub(super) fn compared(&self) -> Vec<&Path> {
        let is_file = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.is_file());
        let of_agent = self.files.iter().filter(|file| file.agent == Agent::ClaudeCode);
        of_agent.map(|file| &*file.path).filter(|path| is_file(path)).collect()
    }

    /// Returns the paths of the files for the progress bar. A file that is read twice is listed twice. Returns `None`
    /// if one of the paths is stdin.
    pub(in super::super) fn paths(&self) -> Option<Vec<PathBuf>> {
        let compared = self.compared().into_iter().map(Path::to_owned);
        let paths: Vec<_> = self.files.iter().map(|file| file.path.clone()).chain(compared).collect();
        (!paths.iter().any(|path| is_stdin(path))).then_some(paths)
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Reports each path that could not be read.
    pub(super) fn warn(&self, style: Style) {
        for (path, error) in &self.failures {
            output::error(&format!("cannot read sessions: {}: {error}", path.display()), "io", style);
        }
    }
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
