//! Finds out how a reservation ended.

use super::Unit;
use super::amount::Steps;
use super::event::{Certainty, Event, Line};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::journal::format::line;
use crate::metrics::Usd;

/// Returns an error that says why a reservation is not open. `hold` is the number of the line that requested the
/// reservation. Reads the journal from its start, because the sums of a quota do not say how a reservation ended.
pub(super) fn of(journal: &Journal, hold: u64) -> Result<Error> {
    let mut lines = journal.lines();
    let mut expires_at = None;
    while let Some(found) = lines.next_line()? {
        let Some(trailer) = line::check(found.bytes) else { continue };
        let Ok(Line { unit, at, event, .. }) = serde_json::from_slice(found.bytes) else { continue };
        let ended = match event {
            Event::Hold { expires_at: expires, .. } if trailer.link.seq == hold => {
                expires_at = Some(expires);
                continue;
            }
            Event::Settle { hold: ended, amount, certainty, .. } if ended == hold => {
                format!("it was settled with {} at {at}", used(amount, certainty, &unit))
            }
            Event::Release { hold: ended } if ended == hold => format!("it was released at {at}"),
            _ => continue,
        };
        return Ok(Error::new(ErrorKind::Ended, format!("end the hold {hold}")).detail(ended));
    }
    let why = match expires_at {
        Some(at) => format!("it was not granted, or it expired at {at}, more than 24 hours ago"),
        None => format!("no hold has the id {hold}; `runledger quota holds` lists the open holds"),
    };
    Ok(Error::new(ErrorKind::UnknownHold, format!("find the hold {hold}")).path(journal.layout().active()).detail(why))
}

/// Returns the amount as text. `unit` is the name of the unit in the journal.
fn used(amount: u64, certainty: Certainty, unit: &str) -> String {
    let amount = match certainty {
        Certainty::Unknown => return "an unknown amount".to_owned(),
        _ if unit == Unit::Usd.step() => format!("{} {}", Usd::from_steps(amount), Unit::Usd),
        _ => format!("{amount} {unit}"),
    };
    if certainty == Certainty::Assumed { format!("the assumed amount of {amount}") } else { amount }
}
