//! `runledger tail`

use std::io::{self, Write};

use runledger::ErrorKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::argument::whole;
use crate::execution_table::{COLUMNS, ROWS_MAX, cells, with_id};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::short_id::beginning;
use crate::term::{Table, output};

/// Show the last executions, and follow new ones with --follow
///
/// Prints the same table as `runledger list`, but each id is shortened to its first 12 digits, which encode when it was
/// created. `runledger show` accepts these digits if only one id begins with them. Only the end of the ledger is
/// read, so the command is fast even if the ledger is large. At most 10,000 rows are held in memory, so columns can
/// become wider after each 10,000 rows. With --json, each line is a complete record.
///
/// If several lines have the same id, only the last one is shown. With --follow, each new line is shown.
///
/// With --follow, the widths of the columns depend only on the terminal, so that all rows have the same widths. The
/// table then leaves out the columns outcome, regen, shot and artifact, and shortens longer names on a terminal. The
/// command looks for new executions ten times per second. If the ledger starts a new file, the command also reads that
/// file. A line that is still being written is shown when it is complete. To end the command, press Ctrl-C. The command
/// also ends when its output is closed, as in `| head -1`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show what the last three executions cost
  runledger tail -n 3 --json | jq .cost_usd
Example: watch what is recorded from now on
  runledger tail -f -n 0")]
pub(crate) struct Args {
    /// Show at most the last N executions
    #[arg(short = 'n', long, value_name = "N", default_value = "10", value_parser = whole::<usize>(0, u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    lines: usize,
    /// Keep running, and show new executions as they are recorded
    #[arg(short, long)]
    follow: bool,
}

/// The time between two searches for new executions. People do not notice such a short pause. A search that finds
/// nothing costs a few system calls.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// The number of digits that encode the time, at the start of a version 7 id.
const ID_DIGITS: usize = 12;

/// The widths of the columns with --follow, which fit all usual values. A larger value, such as a cost above 9999.99
/// dollars, moves only the rest of its row.
const WIDTHS: [usize; COLUMNS.len()] = [16, 16, 11, 5, 6, 7, 0, 0, 0, 0, ID_DIGITS + 1];
/// On a wide terminal, the column of the skills is wider by at most this many characters.
const SKILL_MORE_MAX: usize = 24;

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut last = records::reader(global)?.records_from_last(args.lines)?;
    let mut table = if args.follow { Table::steady(COLUMNS, WIDTHS, SKILL_MORE_MAX) } else { Table::new(COLUMNS) };
    loop {
        let read = records::each_of(&mut last, global, |record| {
            if global.json {
                output::json_line(out, &record)?;
            } else {
                table.row(with_id(cells(&record), beginning(record.execution_id, ID_DIGITS)));
                if table.unwritten() > ROWS_MAX {
                    table.write(out)?;
                }
            }
            Ok(())
        });
        let behind = match read {
            Ok(_) => false,
            // The next records were moved to the archive before they were read. The loop continues with the first
            // record that is still in the ledger.
            Err(Failure::Library(error)) if error.kind() == ErrorKind::Archived => {
                records::name(&error, global);
                true
            }
            Err(error) => return Err(error),
        };
        if !global.json && (args.follow || behind) {
            table.write(out)?;
        } else if !global.json {
            table.write_or("No executions to show. `runledger run` records one.", out)?;
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

/// Waits for [`PAUSE`]. Returns false if the reader of stdout has closed the pipe. The next write would fail too, but
/// it happens only when an execution is recorded.
fn is_read_after_a_pause() -> bool {
    let stdout = io::stdout();
    // No event is requested, so the pause ends early only if the reader closes the pipe.
    let mut output = [PollFd::new(&stdout, PollFlags::empty())];
    // A signal may end the pause early, if it does not end this process.
    !matches!(poll(&mut output, Some(&PAUSE)), Ok(1..))
}
