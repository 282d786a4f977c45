//! What the command answers to a shell.

use std::process::Termination;

/// The answer of a command. Usage errors, which the parser of the arguments reports, are 2 as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; the answer is yes.
    Yes = 0,
    /// Done; the answer is no: a fault was found, or nothing of that id.
    No = 1,
    /// It could not be done.
    CouldNot = 2,
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        (self as u8).into()
    }
}
