//! The faults of a fleet.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// What is wrong with the files of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FleetFaultKind {
    /// No file has certain lines of a ledger, although files have later lines.
    Gap,
    /// Two files have the same line of a ledger.
    Overlap,
    /// Two different files begin with the same line of a ledger.
    Fork,
    /// A file does not continue the chain of hashes of the file before it.
    Chain,
    /// Lines were claimed, and no file has them.
    Claim,
    /// A ledger has no file for a day between days with files.
    MissingDay,
    /// The last file of a ledger is much older than the newest file of the fleet.
    Late,
    /// The name of a file and its footer disagree.
    Footer,
    /// A file is not a Parquet file that `runledger ship` wrote, or is damaged at its end.
    NotParquet,
    /// The name of a file is not one that `runledger ship` writes.
    Foreign,
}

impl FleetFaultKind {
    /// Returns the name of the kind, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Overlap => "overlap",
            Self::Fork => "fork",
            Self::Chain => "chain",
            Self::Claim => "claim",
            Self::MissingDay => "missing_day",
            Self::Late => "late",
            Self::Footer => "footer",
            Self::NotParquet => "not_parquet",
            Self::Foreign => "foreign",
        }
    }
}

/// A fault of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetFault {
    /// What is wrong.
    pub kind: FleetFaultKind,
    /// The ledger. `None` if the fault belongs to no ledger.
    pub ledger: Option<Uuid>,
    /// The name of the file. `None` if the fault belongs to no single file.
    pub file: Option<String>,
    /// What was found, and what was expected.
    pub detail: String,
}

impl FleetFault {
    pub(super) fn new(kind: FleetFaultKind, ledger: impl Into<Option<Uuid>>, detail: impl Into<String>) -> Self {
        Self { kind, ledger: ledger.into(), file: None, detail: detail.into() }
    }

    pub(super) fn file(self, name: impl fmt::Display) -> Self {
        Self { file: Some(name.to_string()), ..self }
    }
}

impl fmt::Display for FleetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, ledger, file, detail } = self;
        match (file, ledger) {
            (Some(file), _) => write!(f, "{}: {file}: {detail}", kind.as_str()),
            (None, Some(ledger)) => write!(f, "{}: ledger {ledger}: {detail}", kind.as_str()),
            (None, None) => write!(f, "{}: {detail}", kind.as_str()),
        }
    }
}
