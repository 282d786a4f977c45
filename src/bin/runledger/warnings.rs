//! Writes warnings about errors. If there are many similar warnings, most of them are only counted.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use runledger::Error;
use runledger::journal::{Warning, Warnings};

use crate::failure;
use crate::term::{Style, output};

static WARNINGS: LazyLock<Mutex<Warnings>> = LazyLock::new(Mutex::default);

/// Writes a warning about an error that does not stop the command. `what` says what the error means for the user. It is
/// empty if the text of the error is clear enough. If there are many similar warnings, only one per second is written.
/// The written warning says how many were left out.
pub(crate) fn warn(what: &'static str, error: &Error, style: Style) {
    let admitted = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).admit(what, error, Instant::now());
    admitted.iter().for_each(|admitted| write(admitted, style));
}

/// For each group of similar warnings, writes the last one if it was left out. Call this when the command ends.
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
