//! The text of a ledger's faults.

use runledger::ledger::Fault;

use crate::term::cell;

/// Returns what is wrong, and where.
pub(crate) fn text(fault: &Fault) -> String {
    let Fault { kind, path, line, byte, seq, found, .. } = fault;
    let place = if *line > 0 { format!("line {line} (byte {byte}): ") } else { String::new() };
    format!("{kind}: {}: {place}seq {}: {found}", path.display(), cell(*seq))
}
