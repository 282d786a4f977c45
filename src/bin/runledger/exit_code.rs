//! The exit code of the command.

use std::io;
use std::process::Termination;

/// The exit code of a command. The parser of the arguments also exits with 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// The command succeeded, or its check passed.
    Yes,
    /// The command's check failed, or the object that it names does not exist. For example, no execution has the id.
    No,
    /// The command failed.
    CouldNot,
    /// The command's check judged nothing, or not everything that it was required to judge.
    NotJudged,
    /// The exit code of the command that was run.
    Command(u8),
}

impl ExitCode {
    /// Returns the code of a command that could not be run, as in shells: 127 if it does not exist, otherwise 126.
    pub(crate) fn of_not_run(error: &io::Error) -> Self {
        Self::Command(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::CouldNot => 2,
            Self::NotJudged => 3,
            Self::Command(code) => code,
        }
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.code().into()
    }
}
