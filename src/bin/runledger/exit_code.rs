//! The exit code of the command.

use std::io;
use std::process::Termination;

/// The exit code of a command. If the arguments are wrong, clap exits with 2, which is also the code of
/// [`CouldNot`](Self::CouldNot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// The command succeeded, or its check passed.
    Yes,
    /// What the command checks is not in order, or what its arguments name does not exist, such as an execution with
    /// the given id.
    No,
    /// The command could not do its work.
    CouldNot,
    /// The command's check judged nothing, or not everything that it was required to judge.
    NotJudged,
    /// The exit code of the command that was run.
    Command(u8),
}

impl ExitCode {
    /// Returns the code for a program that could not be started, as in shells: 127 if it does not exist, otherwise 126.
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
