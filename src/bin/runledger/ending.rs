//! How an execution ended, as an argument of `complete` and `log`.

use clap::ValueEnum;
use runledger::ExecutionMetrics;
use runledger::metrics::{ErrorCategory, Status};

use crate::redaction::redactor;

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ending {
    Success,
    /// The record gets the status `failed`
    #[value(alias = "failed")]
    Error,
    Cancelled,
}

impl Ending {
    /// Writes the reason and the category of an error into `record`, and returns the status.
    pub(crate) fn fill(self, message: Option<&str>, record: &mut ExecutionMetrics) -> Status {
        if let Some(message) = message {
            record.redact_error_reason(message, redactor());
        }
        if self == Self::Error {
            record.error_category = Some(ErrorCategory::Unknown);
        }
        match self {
            Self::Success => Status::Success,
            Self::Error => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }

    /// Returns the word of the argument.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}
