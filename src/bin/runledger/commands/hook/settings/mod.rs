//! `runledger hook install` and `runledger hook uninstall`

mod command;
mod edit;
mod file;
mod report;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, io};

use super::AgentName;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use edit::Edited;
use file::SettingsFile;
use report::Report;

/// The events of Claude Code for which the hook is installed, roughly in their order in a session.
const OF_CLAUDE_CODE: [&str; 9] = [
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionDenied",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "StopFailure",
    "SessionEnd",
];
const OF_CODEX: [&str; 7] =
    ["PreToolUse", "PostToolUse", "SubagentStart", "SubagentStop", "Stop", "Interrupt", "SessionEnd"];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add the hook to the settings of an agent
    ///
    /// Changes ~/.claude/settings.json for Claude Code, or ~/.codex/hooks.json for Codex. CLAUDE_CONFIG_DIR or
    /// CODEX_HOME can name another directory. With --project, changes .claude/settings.json or .codex/hooks.json in the
    /// working directory. Other hooks and all other settings stay as they are, in their order. The old settings are
    /// first copied to a file next to them, with the ending .before-runledger. The next change replaces this copy.
    ///
    /// The hook runs this program with the absolute path of the ledger, so one ledger records all projects. The ledger
    /// is created if it does not exist. If the hook is already installed, the command updates the program and the
    /// options of the hook. The hook keeps its ledger, unless --ledger or RUNLEDGER_PATH names another one. With
    /// --json, the output is one object.
    ///
    /// A hook records which tools run and how they end. `runledger import` adds what the models cost.
    ///
    /// With --project, others may use the same settings on other machines. So the hook has no absolute path if
    /// `runledger` is in PATH and the ledger is below the working directory. Otherwise, the output says that the hook
    /// works only on machines with the same paths.
    #[command(after_help = "Example: see what would be changed
  runledger hook install claude-code --dry-run")]
    Install {
        #[command(flatten)]
        settings: Settings,
        /// Install a hook that stores inputs, outputs and messages, instead of only their hashes
        #[arg(long)]
        content: bool,
    },
    /// Remove the hook from the settings of an agent
    ///
    /// Removes each hook that runs `runledger hook`, whatever the path of the program is. A hook that `install` wrote
    /// is removed even if the program has another name. Also removes lists and objects that become empty. Everything
    /// else stays as it is. Limits stay too; the output names the limits that the hook enforced.
    #[command(after_help = "Example: stop recording the work of Codex
  runledger hook uninstall codex")]
    Uninstall {
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// The agent whose settings are changed
    agent: AgentName,
    /// Change the settings of the project in the working directory, and not those of the user
    #[arg(long)]
    project: bool,
    /// Write nothing, and print what would be changed
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (settings, installs, content) = match command {
        Command::Install { settings, content } => (settings, true, *content),
        Command::Uninstall { settings } => (settings, false, false),
    };
    let path = settings.path()?;
    let file = SettingsFile::read(&path)?;
    let refused = |reason: String| Failure::File {
        operation: "change the settings",
        path: path.clone(),
        source: io::Error::new(io::ErrorKind::InvalidData, reason),
    };
    let before = file.text.as_deref().unwrap_or_default();
    let kept =
        if installs { command::kept_ledger(&edit::edit(before, &[], "").map_err(refused)?.old, global) } else { None };
    let global = &Global { ledger: kept.clone().unwrap_or_else(|| global.ledger.clone()), ..global.clone() };
    let (hook, mut notes) = if installs { settings.hook(content, global)? } else { Default::default() };
    notes.extend(kept.map(|kept| {
        format!("the hook keeps its ledger {}. To use another one, install it with --ledger PATH", kept.display())
    }));
    let events = if installs { settings.events() } else { &[] };
    let Edited { text, changes, old } = edit::edit(before, events, &hook).map_err(refused)?;
    if installs && !settings.dry_run {
        // A hook never fails, even if its ledger cannot be opened. So this command opens the ledger, and reports the
        // failure.
        drop(ledger::open(global)?);
    }
    let copy = if changes.is_empty() || settings.dry_run { None } else { file.replace(&text)? };
    if !installs {
        notes.extend(command::left_limits(&old, global));
    }
    let next_step = settings.next_step();
    let command = installs.then_some((hook.as_str(), next_step));
    Report { dry_run: settings.dry_run, path: &path, command, changes: &changes, copy: copy.as_deref(), notes: &notes }
        .write(global, out)?;
    Ok(ExitCode::Yes)
}

impl Settings {
    fn events(&self) -> &'static [&'static str] {
        match self.agent {
            AgentName::ClaudeCode => &OF_CLAUDE_CODE,
            AgentName::Codex => &OF_CODEX,
        }
    }

    /// Returns the path of the settings file.
    fn path(&self) -> Result<PathBuf, Failure> {
        let (variable, directory, file) = match self.agent {
            AgentName::ClaudeCode => ("CLAUDE_CONFIG_DIR", ".claude", "settings.json"),
            AgentName::Codex => ("CODEX_HOME", ".codex", "hooks.json"),
        };
        if self.project {
            return Ok(Path::new(directory).join(file));
        }
        let given = match self.agent {
            // CLAUDE_CONFIG_DIR can list several directories, all of which an import reads. The agent itself uses only
            // the first directory.
            AgentName::ClaudeCode => {
                env::var(variable).ok().and_then(|list| Some(PathBuf::from(list.split(',').next()?.trim())))
            }
            AgentName::Codex => env::var_os(variable).map(PathBuf::from),
        };
        if let Some(given) = given.filter(|given| !given.as_os_str().is_empty()) {
            return Ok(given.join(file));
        }
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let missing = || Failure::File {
            operation: "find the settings",
            path: Path::new("~").join(directory).join(file),
            source: io::Error::new(io::ErrorKind::NotFound, "the home directory is unknown; set HOME"),
        };
        Ok(home.ok_or_else(missing)?.join(directory).join(file))
    }

    /// Returns a text that says what the user has to do next.
    fn next_step(&self) -> &'static str {
        match self.agent {
            AgentName::ClaudeCode => "new sessions of Claude Code use the hook; /hooks shows it",
            AgentName::Codex => {
                "Codex runs the hook after you have trusted it with /hooks. Older versions, in which hooks are off by \
                 default, also need codex_hooks = true below [features] in config.toml"
            }
        }
    }
}
