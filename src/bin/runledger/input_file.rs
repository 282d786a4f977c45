//! Reads files that are arguments of a command.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use runledger::Timestamp;

use crate::clock;
use crate::failure::Failure;

/// Returns the text of the file. If the file cannot be read, the text of the error is `cannot {operation}: {path}`.
pub(crate) fn read(operation: &'static str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File { operation, path: path.to_owned(), source })
}

/// Returns when the file was last changed, or the current time if this is unknown. A time before 2023 counts as
/// unknown, because package archives give their files a time such as 1980-01-01.
pub(crate) fn changed_at(path: &Path) -> Timestamp {
    // The start of 2023. genai-prices and LiteLLM published no price table before this time.
    const EARLIEST_MS: i64 = 1_672_531_200_000;
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let ms = changed.and_then(|time| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok());
    ms.filter(|ms| *ms >= EARLIEST_MS).and_then(Timestamp::from_unix_ms).unwrap_or_else(clock::now)
}
