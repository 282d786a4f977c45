//! `runledger cat`

use std::io::Write;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Write the lines of all segments, oldest first
///
/// Writes each line as it is stored, so the output is what `cat` prints for the sealed segments and the active one.
/// Unlike `cat`, it writes each line once, even while other processes append to the ledger and start new files. It ends
/// with the last line that the ledger had when the command began.
///
/// Lines that were moved to an archive are in that archive, which is a ledger too: `runledger cat --ledger
/// ARCHIVE/execution_metrics.jsonl` writes them. Changed lines are written, bytes that are not JSON are left out, and
/// both are named on stderr.
///
/// Exits with 0 if the ledger is intact, and with 1 if a segment is damaged, cannot be read, or is missing.
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
