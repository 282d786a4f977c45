//! What the command answers to a shell.

use std::io;
use std::process::Termination;

/// The answer of a command. Usage errors, which the parser of the arguments reports, are 2 as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; the answer is yes.
    Yes,
    /// Done; the answer is no: a fault was found, or nothing of that id.
    No,
    /// It could not be done.
    CouldNot,
    /// That of the command that was run.
    Command(u8),
}

impl ExitCode {
    /// Of a command that could not be run, as shells have it: 127 if there is none, else 126.
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
