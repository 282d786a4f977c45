//! The statement of a redaction: a line of the ledger that says which lines were changed, by whom and why.
//!
//! A statement is the record of an execution, so that every reader, index and database supports it. The execution has
//! no cost. All statements about the same execution have the same `run_id`, which this crate gives to no other record.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Result;
use crate::ledger::LedgerReader;
use crate::metrics::{ExecutionMetrics, Kind, Status, Timestamp};

/// The kind of the execution that redacts.
const KIND: &str = "redaction";
/// The tag that stores the fields of [`Statement`] for which a record has no field of its own.
const TAG: &str = "redaction";

/// A line from which a text was taken out, in a [`Statement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatedLine {
    /// The sequence number of the line.
    pub seq: u64,
    /// The number of the line's segment.
    pub segment: u64,
    /// The hash that the line has in the chain, which is its hash from before all redactions.
    pub hash: String,
    /// The hash of the line before this redaction. It differs from `hash` if an earlier redaction changed the line.
    pub before: String,
    /// The hash of the line after this redaction.
    pub after: String,
}

/// The statement of a redaction: the lines and the field from which a text was taken out, by whom and why. It does not
/// have the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Statement {
    /// The execution whose lines were changed.
    pub execution_id: Uuid,
    /// When the lines were changed.
    pub at: Timestamp,
    /// Who took the text out.
    pub by: String,
    /// Why the text was taken out.
    pub why: String,
    /// The path of the field.
    pub field: String,
    /// The lines that were changed.
    pub lines: Vec<StatedLine>,
}

#[derive(Serialize, Deserialize)]
struct Stated {
    execution_id: Uuid,
    field: String,
    why: String,
    lines: Vec<StatedLine>,
}

/// Returns the `run_id` that all statements about an execution have, so that an index finds them. A statement does not
/// name the execution as its parent, because `gate` reports an execution whose parent is in another run.
fn run_of(id: Uuid) -> String {
    format!("redact-{id}")
}

impl LedgerReader {
    /// Returns the statements of the redactions of the execution `id`, in ledger order. The statements are found with
    /// the indexes, so normally the rest of the ledger is not read. This function does not verify the statements, but
    /// [`verify`](Self::verify) does.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails, or if no record could be read because this process
    /// may not read some segments.
    pub fn statements_about(&self, id: Uuid) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        self.each_naming_run(&run_of(id), |record| {
            statements.extend(Statement::of(&record).filter(|statement| statement.execution_id == id));
            true
        })?;
        Ok(statements)
    }
}

impl Statement {
    /// Returns the statement as a record with the given id.
    pub(super) fn to_record(&self, id: Uuid) -> ExecutionMetrics {
        let mut record =
            ExecutionMetrics::new(id, ExecutionMetrics::STATEMENT_SKILL, env!("CARGO_PKG_VERSION"), self.at);
        record.timestamp_end = Some(self.at);
        record.set_status(Status::Success);
        record.kind = Kind::Other(KIND.to_owned());
        record.operator.clone_from(&self.by);
        record.run.run_id = Some(run_of(self.execution_id));
        let Self { execution_id, field, why, lines, .. } = self.clone();
        let stated = Stated { execution_id, field, why, lines };
        // These types always serialise, because they have no maps and no numbers with fractions.
        record.tags.insert(TAG.to_owned(), serde_json::to_value(stated).unwrap_or(Value::Null));
        record
    }

    /// Returns the record as a statement, or `None` if the record is not a statement.
    pub(in crate::ledger) fn of(record: &ExecutionMetrics) -> Option<Self> {
        if !record.is_statement() || record.kind.as_str() != KIND {
            return None;
        }
        let Stated { execution_id, field, why, lines } = Stated::deserialize(record.tags.get(TAG)?).ok()?;
        Some(Self { execution_id, at: record.timestamp_start, by: record.operator.clone(), why, field, lines })
    }

    /// Returns the line as a statement, or `None` if the line is not a statement. In that case, normally examines only
    /// the first bytes of the line.
    pub(in crate::ledger) fn in_line(line: &[u8]) -> Option<Self> {
        const ID: &[u8] = br#"{"execution_id":""#;
        const NAME: &[u8] = br#"","skill_name":""#;
        let rest = line
            .get(ID.len() + 36..)?
            .strip_prefix(NAME)?
            .strip_prefix(ExecutionMetrics::STATEMENT_SKILL.as_bytes())?;
        let text = std::str::from_utf8(line).ok().filter(|_| rest.starts_with(b"\""))?;
        Self::of(&ExecutionMetrics::from_json(text).ok()?)
    }
}
