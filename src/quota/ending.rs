//! Finds out how a reservation ended.

use super::Unit;
use super::amount::Steps;
use super::event::{Certainty, Event, Line};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::journal::format::line;
use crate::metrics::{Timestamp, Usd};

/// What the journal says about a reservation.
#[derive(Default)]
struct Found {
    /// `None` if no line requested the reservation.
    expires_at: Option<Timestamp>,
    /// How the reservation ended. `None` if no line ended it.
    ended: Option<String>,
}

/// Returns an error that says why a reservation is not open. `hold` is the number of the line that requested the
/// reservation.
pub(super) fn of(journal: &Journal, hold: u64) -> Result<Error> {
    let Found { expires_at, ended } = find(journal, hold)?;
    if let Some(ended) = ended {
        return Ok(Error::new(ErrorKind::Ended, format!("end the hold {hold}")).detail(ended));
    }
    let why = match expires_at {
        Some(at) => format!("it was not granted, or it expired at {at}, more than 24 hours ago"),
        None => format!("no hold has the id {hold}; `runledger quota holds` lists the open holds"),
    };
    Ok(Error::new(ErrorKind::UnknownHold, format!("find the hold {hold}")).path(journal.layout().active()).detail(why))
}

/// Returns true if a line settled or released the reservation that line `hold` requested.
pub(super) fn is_recorded(journal: &Journal, hold: u64) -> Result<bool> {
    Ok(find(journal, hold)?.ended.is_some())
}

/// Reads the journal from its start, because the sums of a quota do not say how a reservation ended.
fn find(journal: &Journal, hold: u64) -> Result<Found> {
    let mut lines = journal.lines();
    let mut found = Found::default();
    while let Some(read) = lines.next_line()? {
        let Some(trailer) = line::check(read.bytes) else { continue };
        let Ok(Line { unit, at, event, .. }) = serde_json::from_slice(read.bytes) else { continue };
        let ended = match event {
            Event::Hold { expires_at, .. } if trailer.link.seq == hold => {
                found.expires_at = Some(expires_at);
                continue;
            }
            Event::Settle { hold: ended, amount, certainty, .. } if ended == hold => {
                format!("it was settled with {} at {at}", used(amount, certainty, &unit))
            }
            Event::Release { hold: ended } if ended == hold => format!("it was released at {at}"),
            _ => continue,
        };
        found.ended = Some(ended);
        break;
    }
    Ok(found)
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
