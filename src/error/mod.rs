//! One error type for the whole crate. It holds the operation, the path, the position and the findings.

mod kind;
mod report;
mod skipped;

pub use kind::ErrorKind;
pub use report::Error;
pub use skipped::Skipped;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
