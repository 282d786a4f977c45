//! Distinguishes the file of a ledger from the file of another program.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use runledger::Options;

use crate::failure::Failure;

/// Returns true if the file has the internal directory of a ledger.
pub(super) fn is_ledger(file: &Path) -> bool {
    file.with_extension("ledger").join("ledger.json").exists()
}

/// Fails if the ledger cannot be opened because its file has the JSON lines of another program. Creates nothing.
pub(super) fn check(ledger: &Path) -> Result<(), Failure> {
    const BYTES_MAX: u64 = 1 << 16;
    let Ok(file) = File::open(ledger) else { return Ok(()) };
    let mut first = Vec::new();
    let read = BufReader::new(file).take(BYTES_MAX).read_until(b'\n', &mut first);
    let has_hash = first.windows(8).any(|part| part == b"\"hash\":\"");
    if read.is_ok_and(|bytes| bytes > 0) && !has_hash && !is_ledger(ledger) {
        // This `open` fails and writes nothing, because the first line of the file has no hash.
        Options::new().open(ledger)?;
    }
    Ok(())
}
