//! A registered error.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Timestamp, shortened};

/// The number of an error in its registry, from 1: `ERR-001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorId(pub(super) u64);

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("ERR-{:03}", self.0))
    }
}

impl FromStr for ErrorId {
    type Err = Error;

    /// Reads `ERR-001`, also with other zeros or in lower case.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when it is no such number.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.get(..4).filter(|begin| begin.eq_ignore_ascii_case("ERR-")).map(|_| &text[4..]);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read the number of an error")
                .detail(format!("expected one such as ERR-001, found {}", shortened(text)))
        })
    }
}

impl Serialize for ErrorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How bad an error is.
///
/// The rule, by what a record knows, where no person [says otherwise](super::ErrorRegistry::set_severity); of several times, the
/// worst counts:
///
/// | the error | severity |
/// |---|---|
/// | ended an execution by a panic or with its process | critical |
/// | ended an execution otherwise | high |
/// | ended none, and how it was mended is not told | medium |
/// | ended none, and was mended | low |
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
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its text: `LOW`, `MEDIUM`, `HIGH`, `CRITICAL`.
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
    /// [`ErrorKind::Malformed`] when it is none of their [texts](Self::as_str).
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::new(ErrorKind::Malformed, "read a severity")
                .detail(format!("expected one of {all}, found {}", shortened(text)))
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether an error is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ErrorStatus {
    /// It is not.
    Open,
    /// Somebody said how it was.
    Resolved,
    /// Somebody said so, and it was met again later, or somebody else said that it is not.
    Reopened,
}

impl ErrorStatus {
    /// Its text: `OPEN`, `RESOLVED`, `REOPENED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Resolved => "RESOLVED",
            Self::Reopened => "REOPENED",
        }
    }

    /// Whether it is not mended: open, or open again.
    pub fn is_open(self) -> bool {
        self != Self::Resolved
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error that runs met, and what became of it. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RegisteredError {
    /// Its number.
    pub id: ErrorId,
    /// What its messages have in common.
    pub signature: String,
    /// The message that was registered first, cut to 500 characters.
    pub message: String,
    /// What was being done then, cut likewise; `None`: nobody told.
    pub context: Option<String>,
    /// How bad it is: by the word of a person, or else by the rule.
    pub severity: Severity,
    /// How bad it is by the rule.
    pub severity_by_rule: Severity,
    /// Whether a person said how bad it is.
    pub severity_is_set: bool,
    /// Whether it is mended.
    pub status: ErrorStatus,
    /// How often it was met.
    pub count: u64,
    /// When it was met first.
    pub first_seen: Timestamp,
    /// When it was met last.
    pub last_seen: Timestamp,
    /// When somebody said last that it is mended; `None`: nobody did.
    pub resolved_at: Option<Timestamp>,
    /// How it was mended, by what was said last; kept when it is open again.
    pub resolution: Option<String>,
    /// The skills that met it, in the order of their registration, their names cut likewise.
    pub skills: Vec<String>,
    /// The runs that met it, likewise.
    pub runs: Vec<String>,
    /// The names of these runs' logs, in the registry's directory.
    pub run_logs: Vec<String>,
}
