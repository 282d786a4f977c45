//! `runledger cat`

use std::io::Write;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Write all lines of the ledger, oldest first
///
/// A ledger consists of segments. New lines are appended to the active segment, which is the file of --ledger. The
/// older segments are sealed, which means that they get no more lines.
///
/// Lines are written to stdout as they are stored: first the lines of the sealed segments, then those of the active
/// segment. Each line is written exactly once, even if other processes append lines or seal the active segment in the
/// meantime. The last line of the output is the last line that the ledger had when the command began.
/// On a terminal, control characters in texts are written as escapes of JSON.
///
/// Lines that were moved to an archive are not written. The archive is a ledger too, so `runledger cat --ledger
/// ARCHIVE/execution_metrics.jsonl` writes these lines.
///
/// A line that was changed after it was recorded is still written. Bytes that are not JSON are left out. stderr reports
/// the changed lines and the bytes that were left out.
///
/// Exits with 0 if the ledger is intact, and with 1 if a segment is damaged, is missing or cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: count the lines of the whole ledger
  runledger cat | wc -l")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let written = records::reader(global)?.write_lines(out).map_err(to_output)?;
    if let Some(archived) = &written.archived {
        let text = format!("lines 1 to {} were archived; they are in {}", archived.seq, archived.to);
        output::note(&text, "archived", global.style());
    }
    written.damage.iter().for_each(|error| records::name(error, global));
    let unlisted = written.damage_count - written.damage.len() as u64;
    if unlisted > 0 {
        let text = format!("more damaged places, which `runledger verify` lists: {unlisted}");
        output::warning(&text, "malformed", global.style());
    }
    Ok(if written.damage_count == 0 { ExitCode::Yes } else { ExitCode::No })
}
