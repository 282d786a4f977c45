//! Reads the records of a fleet for a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runledger::ExecutionMetrics;
use runledger::ship::ShippedColumns;

use super::{Root, progress};
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::term::output;

/// Passes each execution of the period to `take`. Warns of missing lines, and of values that are unknown only because a
/// column cannot hold them. Returns the number of lines that are not records.
pub(super) fn each(
    root: &Root,
    period: &Period,
    columns: ShippedColumns,
    global: &Global,
    take: impl FnMut(&ExecutionMetrics) -> runledger::Result<()>,
) -> Result<u64, Failure> {
    let fleet = root.open()?;
    let (since, _) = period.limits();
    for fault in fleet.gaps(since) {
        output::warning(&fault.to_string(), fault.kind.as_str(), global.style());
    }
    let done = Arc::new(AtomicU64::new(0));
    let bar = progress::bar(&done, fleet.files_since(since));
    let on_file = || _ = done.fetch_add(1, Ordering::Relaxed);
    let read = fleet.each(columns, since, |start| period.contains(start), take, on_file)?;
    drop(bar);
    if read.beyond > 0 {
        let text = format!("records with a value that the files cannot hold, which is unknown here: {}", read.beyond);
        output::warning(&text, "beyond", global.style());
    }
    records::count(read.malformed_lines, global);
    Ok(read.malformed_lines)
}
