//! One call that opens the ledger, appends and closes it.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::json::valid_json;
use super::{Answer, Options};
use crate::error::Result;
use crate::journal::warnings::OnStderr;
use crate::metrics::ExecutionMetrics;

/// Appends one record to the ledger at `path`, which is opened and closed again. A program that records often keeps a
/// [`Ledger`](crate::Ledger) open instead.
///
/// Returns true if the record is in the ledger. With `raise_on_error` a disk that refuses is an error. Without, it is a
/// warning on stderr and `false`, so that the skill goes on. Equal warnings are printed once a second, each with the
/// number of those before it; those after the last one are not counted.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), always, for a record that [`Ledger::append`](crate::Ledger::append)
/// refuses; with `raise_on_error` also the errors of [`Ledger::open`](crate::Ledger::open) and of the append.
pub fn log_execution_metrics(record: &ExecutionMetrics, path: impl AsRef<Path>, raise_on_error: bool) -> Result<bool> {
    // Each call opens a ledger of its own, and equal warnings of many calls are still one a second.
    static WARNINGS: LazyLock<Arc<OnStderr>> = LazyLock::new(OnStderr::new);
    let json = valid_json(record)?;
    let options = Options::new().on_warning(|error| WARNINGS.warn("", error));
    let logged = options.open(path).and_then(|ledger| match ledger.store(json.as_bytes()) {
        Answer::Durable { .. } | Answer::Flushed { .. } => Ok(()),
        Answer::Spilled(error) | Answer::Lost(error) | Answer::Late(error) => Err(error),
    });
    match logged {
        Ok(()) => Ok(true),
        Err(error) if raise_on_error => Err(error),
        Err(error) => {
            WARNINGS.warn("", &error);
            Ok(false)
        }
    }
}
