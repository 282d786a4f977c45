//! The ledger of a command that records.

use runledger::ledger::Recorded;
use runledger::{Answer, Error, Ledger, Options};

use crate::args::Global;
use crate::{fallback, output};

/// Opens it, and makes it if it is not there. Does not wait for the lock of a ledger that is there. Its warnings are
/// written as all others are. Records that were kept elsewhere come back.
pub(crate) fn open(global: &Global) -> Result<Ledger, Error> {
    let for_warnings = global.clone();
    let warn = move |error: &Error| output::warning_of("", error, &for_warnings);
    let ledger = Options::new().on_warning(warn).wait_at_open(false).open(&global.ledger)?;
    for fallback in fallback::all() {
        if let Err(error) = ledger.take_back(&fallback) {
            self::warn("records that were kept elsewhere stay there", &error, global);
        }
    }
    Ok(ledger)
}

/// Says what did not go as it should when an execution was recorded.
pub(crate) fn warn_of(recorded: &Recorded, global: &Global) {
    warn_of_answer(&recorded.answer, global);
    let unmarked = recorded.unmarked.iter().map(|error| ("the execution was not marked as begun", error));
    let refused = recorded.refused.iter().map(|error| ("fields of the record were left out", error));
    unmarked.chain(refused).for_each(|(what, error)| warn(what, error, global));
}

/// Says where the record went, if that is not the ledger.
pub(crate) fn warn_of_answer(answer: &Answer, global: &Global) {
    match answer {
        Answer::Spilled(error) => warn("the record was spilled", error, global),
        Answer::Lost(error) => warn("the record was lost", error, global),
        Answer::Late(error) => warn("the record is not stored yet", error, global),
        _ => {}
    }
}

/// Says what an error means for the command, which goes on.
pub(crate) fn warn(what: &'static str, error: &Error, global: &Global) {
    output::warning_of(what, error, global);
}
