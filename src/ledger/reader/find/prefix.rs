//! Finds the executions whose ids begin with some digits.

use super::lookup;
use super::wanted::Wanted;
use crate::error::{Result, Skipped};
use crate::ledger::reader::LedgerReader;
use crate::metrics::ExecutionMetrics;

/// The result of [`LedgerReader::find_prefix`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FoundRecords {
    /// The last record of each execution among the lines that were read. The executions are in the order of their first
    /// records.
    pub records: Vec<ExecutionMetrics>,
    /// True if more executions were found than were asked for. The rest of the ledger was then not read.
    pub has_more: bool,
    /// The lines that were read but are not records, and the segments that this process has no permission to read.
    /// Lines that an index covers are always records.
    pub skipped: Skipped,
}

impl LedgerReader {
    /// Returns the executions whose ids begin with `digits`, at most `limit` of them. `digits` are hexadecimal, without
    /// hyphens. Like [`find`](Self::find), this call returns the last record of each execution. If more than `limit`
    /// executions match, this call stops reading there, and may return an earlier record of an execution.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails. Also if this process has no permission to read some
    ///   segments, and the other segments have no records.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `digits` are not 1 to 32 hex digits.
    pub fn find_prefix(&self, digits: &str, limit: usize) -> Result<FoundRecords> {
        let mut found = FoundRecords::default();
        let FoundRecords { records, has_more, .. } = &mut found;
        let skipped = lookup::each(self, &Wanted::prefix(digits, limit)?, &mut |record| {
            match records.iter().position(|other| other.execution_id == record.execution_id) {
                Some(at) => records[at] = record,
                None if records.len() == limit => *has_more = true,
                None => records.push(record),
            }
            !*has_more
        })?;
        found.skipped = skipped;
        Ok(found)
    }
}
