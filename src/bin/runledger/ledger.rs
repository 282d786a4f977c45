//! Opens the ledger for writing, and warns about records that could not be stored completely.

use std::path::Path;

use runledger::ledger::Recorded;
use runledger::{Answer, Error, Ledger, Options};

use crate::fallback;
use crate::global::Global;
use crate::redaction::redactor;
use crate::warnings::warn;

/// Opens the ledger, and creates it if it does not exist. Does not wait for the lock of an existing ledger. If
/// `runledger run` stored records in other directories because it could not use the ledger, moves these records to the
/// ledger. Warnings of the library go to stderr, like all other warnings.
pub(crate) fn open(global: &Global) -> Result<Ledger, Error> {
    let style = global.style();
    let options = Options::new().handles_answers(true).on_warning(move |error: &Error| warn("", error, style));
    let ledger = options.redactor(redactor().clone()).wait_at_open(false).open(&global.ledger)?;
    take_back_of(&ledger, &global.ledger, global);
    Ok(ledger)
}

/// Moves records from other directories to `ledger`. `runledger run` stored these records there because it could not
/// use the ledger at `path`.
pub(crate) fn take_back_of(ledger: &Ledger, path: &Path, global: &Global) {
    for fallback in fallback::all() {
        if let Err(error) = ledger.take_back_of(&fallback, path) {
            warn("records in another directory were not moved to the ledger", &error, global.style());
        }
    }
}

/// Warns of each problem with the record of an execution.
pub(crate) fn warn_of(recorded: &Recorded, global: &Global) {
    warn_of_answer(&recorded.answer, global);
    let unmarked = recorded.unmarked.iter().map(|error| ("the execution was not marked as started", error));
    let refused = recorded.refused.iter().map(|error| ("fields of the record were left out", error));
    unmarked.chain(refused).for_each(|(what, error)| warn(what, error, global.style()));
}

/// Warns if the record is not in the ledger, and says what happened to it. A spilled record is stored next to the
/// ledger until it can be appended.
pub(crate) fn warn_of_answer(answer: &Answer, global: &Global) {
    match answer {
        Answer::Spilled(error) => warn("the record was spilled", error, global.style()),
        Answer::Lost(error) => warn("the record was lost", error, global.style()),
        Answer::Late(error) => warn("the record is not stored yet", error, global.style()),
        _ => {}
    }
}
