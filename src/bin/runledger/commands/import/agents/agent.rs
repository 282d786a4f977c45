//! The agents whose files can be imported, and where their files are.

use std::env;
use std::path::{Path, PathBuf};

use runledger::import::{Transcript, claude_code, codex, gemini, stream_json};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Agent {
    ClaudeCode,
    Codex,
    Gemini,
    /// The output of `claude -p --output-format stream-json`.
    StreamJson,
}

impl Agent {
    pub(super) const ALL: [Self; 4] = [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::StreamJson];
    /// The agents that store files in a known directory.
    pub(super) const WITH_FILES: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::Gemini];

    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.name() == word)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::StreamJson => "stream-json",
        }
    }

    /// Returns a reader of a file of this agent.
    pub(super) fn transcript(self, file: &Path) -> Box<dyn Transcript> {
        match self {
            Self::ClaudeCode => Box::new(claude_code::Session::default()),
            Self::Codex => Box::new(codex::Rollout::new(file.file_stem().unwrap_or_default().to_string_lossy())),
            Self::Gemini => Box::new(gemini::Chat::default()),
            Self::StreamJson => Box::new(stream_json::Stream::default()),
        }
    }

    /// Returns the directories in which the agent stores its sessions. A directory need not exist. A directory can have
    /// copies of sessions of a directory that is earlier in the list.
    pub(super) fn directories(self) -> Vec<PathBuf> {
        match self {
            Self::ClaudeCode => {
                let homes = match env::var("CLAUDE_CONFIG_DIR").ok().filter(|homes| !homes.trim().is_empty()) {
                    Some(homes) => homes.split(',').map(|home| PathBuf::from(home.trim())).collect(),
                    None => [".config/claude", ".claude"].into_iter().filter_map(in_home).collect::<Vec<_>>(),
                };
                homes.iter().map(|home| home.join("projects")).collect()
            }
            Self::Codex => {
                let home = env::var_os("CODEX_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
                let home = home.or_else(|| in_home(".codex"));
                home.iter().flat_map(|home| [home.join("sessions"), home.join("archived_sessions")]).collect()
            }
            Self::Gemini => in_home(".gemini/tmp").into_iter().collect(),
            Self::StreamJson => Vec::new(),
        }
    }

    /// Returns true if a file in a directory can be a session of this agent.
    pub(super) fn may_have_written(self, file: &Path) -> bool {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let is_in = |directory: &str| file.parent().is_some_and(|parent| parent.ends_with(directory));
        match self {
            Self::Gemini => matches!(extension, Some("json" | "jsonl")) && is_in("chats"),
            _ => extension == Some("jsonl"),
        }
    }

    /// Returns true if the file is a compressed session, which cannot be read.
    pub(super) fn has_compressed(self, file: &Path) -> bool {
        self == Self::Codex && file.extension().is_some_and(|extension| extension == "zst")
    }

    /// Returns true if the file has the work of a sub-agent. Such a file is read after the sessions.
    pub(super) fn is_of_sub_agent(self, file: &Path) -> bool {
        self == Self::ClaudeCode && file.components().any(|part| part.as_os_str() == "subagents")
    }
}

fn in_home(path: &str) -> Option<PathBuf> {
    Some(env::home_dir().filter(|home| !home.as_os_str().is_empty())?.join(path))
}
