//! One error type for the whole crate. An error holds the operation, the path, the position and details.

mod kind;
mod report;
mod skipped;

pub use kind::ErrorKind;
pub use report::Error;
pub use skipped::Skipped;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
