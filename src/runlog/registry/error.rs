//! A registered error, with its number, severity and status.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Timestamp, shortened};

/// The number of an error in its registry, such as `ERR-001`. The first error has the number 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(pub(super) u64);

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("ERR-{:03}", self.0))
    }
}

impl FromStr for ErrorId {
    type Err = Error;

    /// Reads a number such as `ERR-001`, in upper or lower case, with any number of leading zeros.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text is not such a number, or if the number is 0.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.get(..4).filter(|begin| begin.eq_ignore_ascii_case("ERR-")).map(|_| &text[4..]);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read the number of an error")
                .detail(format!("found {}; expected a number such as ERR-001", shortened(text)))
        })
    }
}

impl Serialize for ErrorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The severity of an error.
///
/// A person can [set the severity](super::ErrorRegistry::set_severity). If nobody has set it, the following rule gives
/// each occurrence of the error a severity. The highest of these severities is the severity of the error.
///
/// | the error | severity |
/// |---|---|
/// | ended an execution whose status is `panicked` or `interrupted` | critical |
/// | ended an execution with another status | high |
/// | did not end an execution, and has no resolution in the record | medium |
/// | did not end an execution, and has a resolution in the record | low |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Severity {
    /// A minor issue that does not block work.
    Low,
    /// A feature is impacted, and there is a workaround.
    Medium,
    /// A core feature is broken, and a workaround is difficult.
    High,
    /// The system does not function at all.
    Critical,
}

impl Severity {
    /// All severities, the lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the name of the severity: `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

impl FromStr for Severity {
    type Err = Error;

    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text is not one of the [names](Self::as_str).
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::new(ErrorKind::Malformed, "read a severity")
                .detail(format!("found {}; expected one of {all}", shortened(text)))
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether an error is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ErrorStatus {
    /// The error was never resolved.
    Open,
    /// A person marked the error as resolved.
    Resolved,
    /// The error was resolved, and then it occurred again or a person reopened it.
    Reopened,
}

impl ErrorStatus {
    /// Returns the name of the status: `OPEN`, `RESOLVED` or `REOPENED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Resolved => "RESOLVED",
            Self::Reopened => "REOPENED",
        }
    }

    /// Returns true for `Open` and `Reopened`.
    pub fn is_open(self) -> bool {
        self != Self::Resolved
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error that occurred in runs, with its occurrences and its resolution. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RegisteredError {
    /// The number of the error.
    pub id: ErrorId,
    /// The [signature](crate::runlog::signature()) that all messages of the error share.
    pub signature: String,
    /// The message that was registered first, truncated to 500 characters.
    pub message: String,
    /// The context of the message, truncated to 500 characters, or `None` if it is unknown.
    pub context: Option<String>,
    /// The severity that a person set; if nobody has set it, `severity_by_rule`.
    pub severity: Severity,
    /// The severity that the rule in the documentation of [`Severity`] gives.
    pub severity_by_rule: Severity,
    /// True if a person set the severity.
    pub severity_is_set: bool,
    /// Whether the error is resolved.
    pub status: ErrorStatus,
    /// The number of occurrences.
    pub count: u64,
    /// The time of the first occurrence.
    pub first_seen: Timestamp,
    /// The time of the last occurrence.
    pub last_seen: Timestamp,
    /// When the error was last marked as resolved, or `None` if that never happened.
    pub resolved_at: Option<Timestamp>,
    /// The last resolution, which is kept when the error is reopened, or `None` if the error was never resolved.
    pub resolution: Option<String>,
    /// The skills in which the error occurred, in the order of registration. Each name is truncated to 500 characters.
    pub skills: Vec<String>,
    /// The runs in which the error occurred, in the order of registration.
    pub runs: Vec<String>,
    /// The file names of these runs' logs, which are in the directory of the registry.
    pub run_logs: Vec<String>,
}
