//! `runledger baseline freeze`

use std::io::Write;
use std::sync::Arc;

use runledger::baseline::Skipped;
use runledger::journal::JournalOptions;
use runledger::{BaselineJournal, ErrorKind};

use crate::baselines;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::output;
use crate::term::short::several;
use crate::week::Week;

/// Freeze the baselines of a week, for `runledger compare`
///
/// Computes baselines over all executions that started before the week, which begins on Monday 00:00 UTC. Appends the
/// baselines to `baselines.jsonl` next to the ledger. A week is frozen only once: a second call for the same week
/// prints the baselines of the first call. With --json, prints the baselines as one line of JSON. Baselines that an
/// older version of runledger froze are converted to the current format.
///
/// If no execution started before the week, nothing is written, and the command exits with 3. After older executions
/// are recorded, call the command again to freeze the week.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: run this every Monday
  runledger baseline freeze")]
pub(crate) struct Args {
    /// Any day in the week to freeze, such as 2026-11-16 [default: today]
    #[arg(long, value_name = "DAY")]
    week: Option<Week>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let moment = args.week.map_or_else(clock::now, |week| week.0);
    // The ledger is opened first, so that `baselines.jsonl` is not created if the ledger does not exist.
    let records = records::reader(global)?.records();
    let mut malformed = 0;
    let records = records.inspect(|record| {
        if let Err(error) = record
            && error.kind() == ErrorKind::Malformed
        {
            malformed += 1;
            if malformed <= Skipped::ERRORS_MAX as u64 {
                records::name(error, global);
            }
        }
    });
    let journal =
        BaselineJournal::open(baselines::frozen_path(global)?, JournalOptions::new(Arc::new(clock::unix_ms)))?;
    let frozen = journal.freeze(moment, records)?;
    records::count(malformed, global);
    let (week, records) = (frozen.week_start, frozen.computed_from.records);
    let nothing = || {
        let day = week.to_chrono().date_naive();
        format!(
            "nothing is frozen: found no execution that started before {week}. After older executions are recorded, run \
             `runledger baseline freeze --week {day}`"
        )
    };
    if global.json {
        writeln!(out, "{}", frozen.to_json()?)?;
        if records == 0 {
            output::note(&nothing(), "absent", global.style());
        }
    } else if records == 0 {
        writeln!(out, "{}", nothing())?;
    } else {
        baselines::table("skill", &frozen.baselines, out)?;
        let executions = several(records, "execution", "executions");
        writeln!(out, "frozen for the week from {week}: {executions} that started before it")?;
    }
    Ok(if records > 0 { ExitCode::Yes } else { ExitCode::NotJudged })
}
