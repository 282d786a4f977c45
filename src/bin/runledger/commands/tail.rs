//! `runledger tail`

use std::io::{self, Write};

use runledger::ErrorKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::execution_table::{COLUMNS, cells};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::short_id::beginning;
use crate::term::{Table, output};

/// Show the last executions, and those that are recorded from now on
///
/// Only the end of the ledger is read, however large it is. The table is that of `list`, but an id is cut to the 12 digits
/// that say when it was made; `show` takes it so, if no other has them. With --json, each line is a whole record.
///
/// With --follow, the ledger is looked at ten times a second. It is followed into its next segments; a line that is being
/// written is shown when it is whole. It ends when nobody reads the output any more, as behind `| head -1`, or with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what the last three executions cost
  runledger tail -n 3 --json | jq .cost_usd
Example: watch what is recorded from now on
  runledger tail -f -n 0")]
pub(crate) struct Args {
    /// How many of the last executions, at most
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    lines: usize,
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    follow: bool,
}

/// Too short to be noticed by people. To look at a ledger that has not changed costs a few system calls.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// The digits of a version 7 id that are its milliseconds.
const ID_DIGITS: usize = 12;

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut last = records::reader(global)?.records_from_last(args.lines)?;
    let mut table = Table::new(COLUMNS);
    loop {
        let read = records::each_of(&mut last, global, |record| {
            if global.json {
                output::json_line(out, &record)?;
            } else {
                let [start, skill, status, latency, tokens, cost] = cells(&record);
                table.row([start, skill, status, latency, tokens, cost, beginning(record.execution_id, ID_DIGITS)]);
            }
            Ok(())
        });
        let behind = match read {
            Ok(_) => false,
            // The missed records are in the archive; the next ones are in the ledger.
            Err(Failure::Library(error)) if error.kind() == ErrorKind::Archived => {
                records::name(&error, global);
                true
            }
            Err(error) => return Err(error),
        };
        if !global.json {
            table.write(out)?;
        }
        if behind {
            continue;
        }
        if !args.follow {
            return Ok(ExitCode::Yes);
        }
        out.flush()?;
        if !is_read_after_a_pause() {
            return Ok(ExitCode::Yes);
        }
    }
}

/// Waits for the pause. Returns whether the output is still open: while nothing is recorded, no write can fail.
fn is_read_after_a_pause() -> bool {
    let stdout = io::stdout();
    // No event is requested, so only the closing of the other end ends the pause early.
    let mut output = [PollFd::new(&stdout, PollFlags::empty())];
    // A signal that does not end this process makes the pause shorter.
    !matches!(poll(&mut output, Some(&PAUSE)), Ok(1..))
}
