//! `runledger list`

use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use runledger::ExecutionMetrics;
use runledger::metrics::Status;

use crate::argument::whole;
use crate::clock;
use crate::execution_table::{COLUMNS, cells, cells_with_age, status};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::short_id::shortest;
use crate::term::{Table, audience, output};

/// List the last executions, with the newest last
///
/// Prints a table with one row for each execution. Times are UTC. Each id is shortened to its first digits, as many as
/// are needed to distinguish it from the other ids in the list. `runledger show` accepts the short id. If several ids
/// in the ledger begin with these digits, `show` lists up to 10 of them.
///
/// A count of 10,000 or more is rounded to three digits, such as 12.3M. An amount below 1 dollar has four decimals. An
/// amount of a million dollars or more has three digits. Any other amount has two decimals.
///
/// With --json, each line is a complete record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the last failures of one skill
  runledger list --skill blog-publish --status failed --limit 5")]
pub(crate) struct Args {
    /// Show only executions of this skill
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Show only executions with this status
    #[arg(long, value_parser = any_status())]
    status: Option<Status>,
    /// Show at most the last N executions, in the order in which they were recorded. An execution that was recorded
    /// late is among the last, even if it started long ago
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<u32>(1, u32::MAX.into()))]
    limit: u32,
    /// Show all executions
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

fn any_status() -> impl TypedValueParser<Value = Status> {
    // `complete` calls a failure an error.
    let word = |word: &&'static str| {
        let value = PossibleValue::new(*word);
        if *word == "failed" { value.alias("error") } else { value }
    };
    PossibleValuesParser::new(Status::KNOWN.iter().map(word)).map(|text| match text.as_str() {
        "error" => Status::Failed,
        word => word.into(),
    })
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if global.json {
        json(args, global, out)?;
    } else {
        table(args, global, out)?;
    }
    Ok(ExitCode::Yes)
}

fn json(args: &Args, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    if args.all {
        // The ledger may be larger than the memory, so only one record is held at a time.
        records::each(global, |record| {
            if args.wants(&record) {
                output::json_line(out, &record)?;
            }
            Ok(())
        })?;
        return Ok(());
    }
    for record in last(args, global, |record| record)? {
        output::json_line(out, &record)?;
    }
    Ok(())
}

fn table(args: &Args, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let (now, has_age) = (clock::now(), audience::has_room());
    let row = |record: ExecutionMetrics| {
        (record.execution_id, if has_age { cells_with_age(&record, now) } else { cells(&record) })
    };
    let rows = if args.all {
        let mut rows = Vec::new();
        records::each(global, |record| {
            if args.wants(&record) {
                rows.push(row(record));
            }
            Ok(())
        })?;
        rows
    } else {
        last(args, global, row)?
    };
    let mut ids: Vec<_> = rows.iter().map(|(id, _)| id.as_u128()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut table = Table::new(COLUMNS);
    for (id, [start, skill, status, latency, tokens, cost]) in rows {
        table.row([start, skill, status, latency, tokens, cost, shortest(id, &ids)]);
    }
    let empty = if args.skill.is_none() && args.status.is_none() {
        "The ledger has no executions. `runledger run` records one."
    } else {
        "No execution matches. `runledger list` shows the last ones."
    };
    table.write_or(empty, out)?;
    Ok(())
}

/// Returns the last records that the arguments select, each converted by `make`. Earlier lines of the ledger are not
/// read, so damage in them is not reported.
fn last<T>(args: &Args, global: &Global, make: impl Fn(ExecutionMetrics) -> T) -> Result<Vec<T>, Failure> {
    let take = |record| args.wants(&record).then(|| make(record));
    let last = records::reader(global)?.last(args.limit as usize, take)?;
    records::warn_of(&last.skipped, global);
    Ok(last.records)
}

impl Args {
    fn wants(&self, record: &ExecutionMetrics) -> bool {
        self.skill.as_ref().is_none_or(|skill| *skill == record.skill_name)
            && self.status.as_ref().is_none_or(|wanted| status(record).as_ref() == Some(wanted))
    }
}
