//! The exit code of `runledger`.

use std::io;
use std::process::Termination;

/// The exit code of a command. If the arguments are wrong, clap exits with 2, which is also the code of
/// [`CouldNot`](Self::CouldNot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// The command succeeded, or its check passed.
    Yes,
    /// The check of the command failed, or something that the arguments name, such as an execution, does not exist.
    No,
    /// The command could not do its work.
    CouldNot,
    /// The command judged nothing, or it did not judge everything that --require names.
    NotJudged,
    /// The exit code of the command that `runledger run` ran.
    Command(u8),
}

impl ExitCode {
    /// Returns the exit code for a program that could not be started. As in shells, the code is 127 if the program does
    /// not exist, and 126 if it cannot be executed.
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
