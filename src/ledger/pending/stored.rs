//! Writes and reads records that are stored in internal files of the ledger, and appended to the ledger later.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

use crate::disk::{StorageFile, append_all};
use crate::error::{Error, Result};
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;
use crate::journal::{Cursor, Lines};
use crate::ledger::json::id_of;
use crate::metrics::ExecutionMetrics;

/// A record that was stored in an internal file of the ledger, and the position at which the ledger ended at that time.
/// If the record is appended to the ledger later, it comes after that position.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct Pending {
    pub(in crate::ledger) since: Cursor,
    pub(in crate::ledger) record: ExecutionMetrics,
}

#[derive(Deserialize)]
struct StoredPending {
    segment: u64,
    offset: u64,
    record: ExecutionMetrics,
}

impl Pending {
    /// Returns a JSON object with the position `since` and the record, which is given as JSON.
    pub(in crate::ledger) fn to_json(since: Cursor, record: &[u8]) -> Vec<u8> {
        let Cursor { segment, offset, .. } = since;
        let mut json = format!("{{\"segment\":{segment},\"offset\":{offset},\"record\":").into_bytes();
        json.extend_from_slice(record);
        json.push(b'}');
        json
    }

    pub(in crate::ledger) fn from_json(json: &[u8]) -> Option<Self> {
        let StoredPending { segment, offset, record } = serde_json::from_slice(json).ok()?;
        // After a power cut, the ledger may use sequence numbers again. So a reader that begins at this position must
        // not skip lines because of their numbers. With `seq: 0`, it skips none.
        Some(Self { since: Cursor { segment, offset, lines: 0, seq: 0 }, record })
    }
}

/// Appends a record, given as JSON, and syncs it.
pub(in crate::ledger) fn append(file: &dyn StorageFile, since: Cursor, record: &[u8]) -> io::Result<()> {
    // An earlier write may have failed and left an incomplete line. The leading line feed ends that line.
    let mut line = vec![b'\n'];
    line::seal(&Pending::to_json(since, record), &Link::START, &mut line);
    let before = file.length()?;
    // After a failure, what was written is removed. On a full disk, it would occupy space that the next record needs.
    // If it cannot be removed, it stays in the file. An incomplete record is then a line that is not a record.
    append_all(file, &line).and_then(|()| file.sync()).inspect_err(|_| _ = file.truncate(before))
}

/// The content of a file that [`append`] wrote.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Stored {
    pub(in crate::ledger) records: Vec<Pending>,
    /// True if the file also holds data that is not a record: an incomplete record of a failed write, or a damaged
    /// record.
    pub(in crate::ledger) rest: bool,
}

/// Reads the records that [`append`] wrote.
pub(in crate::ledger) fn read(file: Arc<dyn StorageFile>) -> io::Result<Stored> {
    let mut stored = Stored::default();
    let mut lines = Splitter::new(file, 0);
    while let Some(piece) = lines.next_piece()? {
        let line = lines.bytes(piece);
        match line::check(line).and_then(|_| Pending::from_json(line)) {
            Some(record) if !piece.unfinished => stored.records.push(record),
            _ => stored.rest |= !line.is_empty(),
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(stored)
}

/// Returns the executions in `missing` that have no record among `lines`. Adds an error to `denied` for each segment
/// that this process has no permission to read. The records in such a segment are not found, so their executions are
/// returned too.
pub(in crate::ledger) fn without_record(
    mut missing: HashSet<Uuid>,
    mut lines: Lines,
    denied: &mut Vec<Error>,
) -> Result<HashSet<Uuid>> {
    loop {
        let next = lines.next_line().map(|line| line.map(|line| id_of(line.bytes)));
        match next {
            Ok(Some(Some(id))) => _ = missing.remove(&id),
            Ok(Some(None)) => {}
            Ok(None) => return Ok(missing),
            Err(error) if lines.has_passed() => denied.push(error),
            Err(error) => return Err(error),
        }
    }
}
