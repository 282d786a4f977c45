//! The exit code of the command.

use std::io;
use std::process::Termination;

/// The answer of a command to a shell. The parser of the arguments reports usage errors as 2 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; the answer is yes.
    Yes,
    /// Done; the answer is no: a fault was found, or no execution has the id.
    No,
    /// It could not be done.
    CouldNot,
    /// The exit code of the command that was run.
    Command(u8),
}

impl ExitCode {
    /// The code of a command that could not be run, as in shells: 127 if there is no such command, otherwise 126.
    pub(crate) fn of_not_run(error: &io::Error) -> Self {
        Self::Command(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::CouldNot => 2,
            Self::Command(code) => code,
        }
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        self.code().into()
    }
}
