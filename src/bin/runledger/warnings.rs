//! Warnings about errors. Similar ones are counted instead of repeated.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use runledger::Error;
use runledger::journal::{Warning, Warnings};

use crate::failure;
use crate::term::{Style, output};

static WARNINGS: LazyLock<Mutex<Warnings>> = LazyLock::new(Mutex::default);

/// Writes to stderr what an error means for the command, which continues. Of similar warnings, one a second is written,
/// with the number of the others. `what` is empty if the error needs no explanation.
pub(crate) fn warn(what: &'static str, error: &Error, style: Style) {
    let admitted = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).admit(what, error, Instant::now());
    admitted.iter().for_each(|admitted| write(admitted, style));
}

/// Writes the warnings that were only counted so far.
pub(crate) fn finish(style: Style) {
    let left = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).finish();
    left.iter().for_each(|left| write(left, style));
}

fn write(warning: &Warning, style: Style) {
    let what = if warning.what.is_empty() { String::new() } else { format!("{}: ", warning.what) };
    let more = if warning.more > 0 { format!(" (and {} more like it)", warning.more) } else { String::new() };
    let text = format!("{what}{}{more}", failure::text(&warning.error));
    output::warning(&text, failure::kind(&warning.error), style);
}
