//! `runledger list`

use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Uuid};

use crate::argument::whole;
use crate::clock;
use crate::execution_table::{COLUMNS, ROWS_MAX, cells, cells_with_age, status};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::term::short_id::shortest;
use crate::term::{Table, audience, output};

/// List the last executions, with the newest last
///
/// Prints a table with one row for each execution. Times are UTC. Each id is shortened to the first digits that
/// distinguish it from the other ids in the list. `runledger show` accepts the short id. If several ids in the ledger
/// begin with these digits, `show` lists up to 10 of them.
///
/// At most 10,000 rows are held in memory. If the list is longer, ids are not shortened, and columns can become wider
/// after each 10,000 rows.
///
/// A count of 10,000 or more is rounded to three digits, such as 12.3M. An amount below 1 dollar has four decimals. An
/// amount of a million dollars or more has three digits. Any other amount has two decimals.
///
/// With --json, each line is a complete record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the last failures of one skill
  runledger list --skill blog-publish --status failed --limit 5
Example: list all executions that failed in the last 24 hours
  runledger list --since 24h --status failed --all")]
pub(crate) struct Args {
    /// Show only executions of this skill
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Show only executions with this status
    #[arg(long, value_parser = any_status())]
    status: Option<Status>,
    #[command(flatten)]
    period: Period,
    /// Show at most the last N executions, in the order in which they were recorded. An execution that was recorded
    /// late is among the last, even if the execution started long ago
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
    if !args.is_short() {
        // The ledger may be larger than the memory, so only one record is held at a time.
        return each(args, global, |record| Ok(output::json_line(out, &record)?));
    }
    let line = |record: ExecutionMetrics| {
        let mut line = Vec::new();
        output::json_line(&mut line, &record).map(|()| line)
    };
    for line in last(args, global, line)? {
        out.write_all(&line?)?;
    }
    Ok(())
}

fn table(args: &Args, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let (now, has_age) = (clock::now(), audience::has_room());
    let row = |record: ExecutionMetrics| {
        (record.execution_id, if has_age { cells_with_age(&record, now) } else { cells(&record) })
    };
    let mut rows = Rows { table: Table::new(COLUMNS), held: Vec::new(), is_long: false };
    if args.is_short() {
        rows.held = last(args, global, row)?;
    } else {
        each(args, global, |record| rows.add(row(record), out))?;
    }
    rows.write(out)?;
    let empty = if args.selects_all() {
        "The ledger has no executions. `runledger run` records one."
    } else {
        "No execution matches. `runledger list` shows the last ones."
    };
    rows.table.write_or(empty, out)?;
    Ok(())
}

/// The rows of a list. If they are more than [`ROWS_MAX`], they are written in parts.
struct Rows {
    table: Table<{ COLUMNS.len() }>,
    /// The ids and the other cells of the rows that have not been written yet.
    held: Vec<(Uuid, [String; 6])>,
    /// True if the list has more than [`ROWS_MAX`] rows. Then ids are whole, because to shorten them would take all ids.
    is_long: bool,
}

impl Rows {
    fn add(&mut self, row: (Uuid, [String; 6]), out: &mut impl Write) -> Result<(), Failure> {
        if self.held.len() == ROWS_MAX {
            self.is_long = true;
            self.write(out)?;
        }
        self.held.push(row);
        Ok(())
    }

    fn write(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        let mut ids: Vec<_> = self.held.iter().map(|(id, _)| id.as_u128()).collect();
        ids.sort_unstable();
        ids.dedup();
        for (id, [start, skill, status, latency, tokens, cost]) in self.held.drain(..) {
            let id = if self.is_long { id.to_string() } else { shortest(id, &ids) };
            self.table.row([start, skill, status, latency, tokens, cost, id]);
        }
        if self.is_long {
            self.table.write(out)?;
        }
        Ok(())
    }
}

/// Passes the records that the arguments select to `take`, in order. Holds one record at a time. If the list is limited,
/// a pass over the ledger first counts the records to skip.
fn each(
    args: &Args,
    global: &Global,
    mut take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut skipped = if args.all {
        0
    } else {
        let count = |count: &mut u64, record: &_| *count += u64::from(args.wants(record));
        let counted = records::scan(&args.period, global)?.fold_records(|| 0, count, |count, later| *count += later)?;
        counted.value.saturating_sub(args.limit.into())
    };
    records::each(global, |record| {
        if !args.wants(&record) {
            return Ok(());
        }
        if skipped > 0 {
            skipped -= 1;
            return Ok(());
        }
        take(record)
    })?;
    Ok(())
}

/// Returns the last records that the arguments select, each converted by `make`. Earlier lines of the ledger are not
/// read, so damage in them is not reported.
fn last<T>(args: &Args, global: &Global, make: impl Fn(ExecutionMetrics) -> T) -> Result<Vec<T>, Failure> {
    let take = |record| args.wants(&record).then(|| make(record));
    let last = records::reader(global)?.last_between(args.period.limits(), args.limit as usize, take)?;
    records::warn_of(&last.skipped, global);
    Ok(last.records)
}

impl Args {
    fn selects_all(&self) -> bool {
        self.skill.is_none() && self.status.is_none() && self.period.is_all()
    }

    /// Returns whether the list certainly has at most [`ROWS_MAX`] rows.
    fn is_short(&self) -> bool {
        !self.all && self.limit as usize <= ROWS_MAX
    }

    fn wants(&self, record: &ExecutionMetrics) -> bool {
        self.skill.as_ref().is_none_or(|skill| *skill == record.skill_name)
            && self.status.as_ref().is_none_or(|wanted| status(record).as_ref() == Some(wanted))
            && self.period.has(record)
    }
}
