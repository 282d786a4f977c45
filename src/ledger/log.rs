//! Opens a ledger, appends to it and closes it, in one call.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::json::valid_json;
use super::{Answer, Options};
use crate::error::Result;
use crate::journal::warnings::OnStderr;
use crate::metrics::ExecutionMetrics;
use crate::redaction::Redactor;

/// Opens the ledger at `path`, appends one record and closes the ledger. A program that appends often should keep a
/// [`Ledger`](crate::Ledger) open instead.
///
/// Unlike [`append`](crate::Ledger::append), this function does not look for an earlier record with the same id. In a
/// ledger that was just opened, this search would take longer than the append. If a record is logged twice, the ledger
/// has two lines, and readers use only the last one.
///
/// Returns true if the record is in the ledger. If the record cannot be appended, `raise_on_error` decides what
/// happens. If `raise_on_error` is true, this function returns the failure as an error. If `raise_on_error` is false,
/// this function prints the failure to stderr and returns false, so that the skill can continue. A record that was
/// [spilled](Answer::Spilled) counts as not appended.
///
/// Warnings are similar if they have the same consequence, kind of error, operation and path. Of several similar
/// warnings, at most one is printed per second. Each printed warning says how many similar warnings were suppressed
/// before it. The warnings that are suppressed after the last printed one are never reported.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every reason, if [`validate`](ExecutionMetrics::validate)
/// refuses the record, or if the record is too long.
///
/// The following errors are returned only with `raise_on_error`:
/// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) if `path` cannot hold a ledger.
/// - [`ErrorKind::Newer`](crate::ErrorKind::Newer) if a newer version of this crate wrote the ledger.
/// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if `ledger.json`, the file with the ledger's id, cannot be
///   read.
/// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process holds the ledger's lock for too long.
/// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
pub fn log_execution_metrics(record: &ExecutionMetrics, path: impl AsRef<Path>, raise_on_error: bool) -> Result<bool> {
    // Each call opens its own ledger. All calls share this static, so that at most one of several similar warnings is
    // printed per second.
    static WARNINGS: LazyLock<Arc<OnStderr>> = LazyLock::new(OnStderr::new);
    let json = valid_json(record, &Redactor::new())?;
    let options = Options::new().on_warning(|error| WARNINGS.warn(error));
    let logged = options.open(path).and_then(|ledger| match ledger.shared.store(json.as_bytes()) {
        Answer::Durable { .. } | Answer::Flushed { .. } | Answer::Duplicate { .. } => Ok(()),
        Answer::Spilled(error) | Answer::Lost(error) | Answer::Late(error) => Err(error),
    });
    match logged {
        Ok(()) => Ok(true),
        Err(error) if raise_on_error => Err(error),
        Err(error) => {
            WARNINGS.warn(&error);
            Ok(false)
        }
    }
}
