//! Builds the command of a hook, and finds the limits that a removed command enforced.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};
use std::{env, io};

use super::{AgentName, Settings, words};
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::limits;
use crate::term::quoted;

/// The variable in which Claude Code passes the directory of the project to its hooks.
const PROJECT: &str = "$CLAUDE_PROJECT_DIR";

/// Returns a note about each ledger of the removed commands that has enforced limits. If the limits of a ledger cannot
/// be read, its note says so. This is not an error, because the hook is already removed.
pub(super) fn left_limits(removed: &BTreeSet<String>, global: &Global) -> Vec<String> {
    let ledgers = removed.iter().map(|command| ledger_of(command).unwrap_or_else(|| global.ledger.clone()));
    let mut notes = Vec::new();
    for ledger in ledgers.collect::<BTreeSet<_>>() {
        let global = Global { ledger, ..global.clone() };
        let limits = match limits::load(&global, None) {
            Ok(limits) => limits,
            Err(error) => {
                notes.push(format!("it is unknown which limits the hook enforced: {}", failure::text(&error)));
                continue;
            }
        };
        let names: Vec<_> = limits.iter().filter(|limit| limit.enforce).map(|limit| limit.api.as_str()).collect();
        if let Some(first) = names.first() {
            let (names, path) = (names.join(", "), limits::path(&global));
            notes.push(format!(
                "the limits {names} stay in {}. The removed hook enforced them. To remove one: runledger quota unset {} \
                 --ledger {}",
                path.display(),
                quoted(first),
                quoted(&global.ledger.display().to_string()),
            ));
        }
    }
    notes
}

/// Returns the ledger that the command names.
fn ledger_of(command: &str) -> Option<PathBuf> {
    let ledger = words::ledger_of(command).map(PathBuf::from)?;
    // The path can begin with the variable. Its value is the directory of the project, in which this command runs.
    Some(ledger.strip_prefix(PROJECT).map_or(ledger.clone(), Path::to_owned))
}

/// Returns the ledger of the hook that is installed, if no ledger is given and the hook's ledger is not the default
/// one. Returns `None` if the commands of the hook name several ledgers. `installed` are the commands of the installed
/// hook. The default depends on the working directory. So without this rule, a second `install` in another directory
/// would begin a new ledger.
pub(super) fn kept_ledger(installed: &BTreeSet<String>, global: &Global) -> Option<PathBuf> {
    let ledgers: BTreeSet<_> = installed.iter().filter_map(|command| ledger_of(command)).collect();
    let kept = ledgers.first().filter(|_| ledgers.len() == 1 && global.has_default_ledger())?;
    (absolute(kept).ok() != absolute(&global.ledger).ok()).then(|| kept.clone())
}

/// Returns true if a directory in PATH has the program `runledger`.
fn is_in_path() -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    let is_program = |path: PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0);
    env::split_paths(&paths).any(|directory| is_program(directory.join("runledger")))
}

impl Settings {
    /// Returns the command that the agent runs as its hook, and notes about the command for the user.
    pub(super) fn hook(&self, content: bool, global: &Global) -> Result<(String, Vec<String>), Failure> {
        let failed =
            |path: &Path, source| Failure::File { operation: "install the hook", path: path.to_owned(), source };
        let text = |path: PathBuf| match path.to_str() {
            Some(text) => Ok(quoted(text)),
            None => Err(failed(&path, io::Error::new(io::ErrorKind::InvalidData, "expected a path in UTF-8"))),
        };
        let mut notes = Vec::new();
        let program = if self.project && is_in_path() {
            "runledger".to_owned()
        } else {
            text(env::current_exe().map_err(|error| failed(Path::new("runledger"), error))?)?
        };
        if self.project && program != "runledger" {
            notes.push(format!("runledger is not in PATH, so the hook works only on machines with {program}"));
        }
        let ledger = absolute(&global.ledger).map_err(|error| failed(&global.ledger, error))?;
        let directory = env::current_dir().map_err(|error| failed(Path::new("."), error))?;
        let ledger = match ledger.strip_prefix(directory).ok().filter(|_| self.project) {
            Some(below) if self.agent == AgentName::ClaudeCode => {
                format!("\"{PROJECT}\"/{}", text(below.to_owned())?)
            }
            Some(below) => text(below.to_owned())?,
            None => {
                if self.project {
                    let ledger = ledger.display();
                    notes.push(format!(
                        "{ledger} is not in the project, so the hook works only on machines with this path"
                    ));
                }
                text(ledger)?
            }
        };
        let agent = match self.agent {
            AgentName::ClaudeCode => "claude-code",
            AgentName::Codex => "codex",
        };
        let content = if content { " --content" } else { "" };
        Ok((format!("{program} hook --agent {agent} --ledger {ledger}{content}"), notes))
    }
}
