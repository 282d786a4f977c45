//! `runledger list`

use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Usd, Uuid};

use crate::argument::{name, whole};
use crate::clock;
use crate::execution_table::{COLUMNS, ROWS_MAX, age, cells, status, with_id};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::run_id;
use crate::term::{Column, Table, audience, output};

/// List the executions that were recorded last
///
/// Prints a table with one row for each execution. Times are UTC, or in the zone of --zone. Each id is shortened to the
/// first digits that distinguish it from all other ids in the ledger. `runledger show` accepts the short id. If the
/// list has more than 100 rows, at least 20 digits are shown instead, and no other id in the list begins with them.
///
/// If executions of a production are listed, the table has more columns: the outcome (the verdict), the regen_count,
/// the shot with its scene, and the artifact. On a narrow terminal, some of these columns are left out.
///
/// At most 10,000 rows are held in memory. If the list is longer, ids are not shortened, and columns can become wider
/// after each 10,000 rows.
///
/// A count of 10,000 or more is rounded to three digits, such as 12.3M. An amount below 1 dollar has four decimals. An
/// amount of a million dollars or more has three digits. Any other amount has two decimals.
///
/// `≥` precedes the tokens and the cost of an execution if the final usage of a call was not reported. The execution's
/// tag lower_bound_calls lists the call_sequence of each of these calls.
///
/// With --json, each line is a complete record.
///
/// An execution is listed if it matches all options. --min-cost leaves out executions of unknown cost. A note on stderr
/// says how many of them were recorded since the first execution of the list. An execution that has ended and used no
/// model has no cost. Such an execution is left out too, but the note does not count it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the last failures of one skill
  runledger list --skill blog-publish --status failed --limit 5
Example: list all executions that failed in the last 24 hours
  runledger list --since 24h --status failed --all
Example: list what one run spent on expensive calls
  runledger list --run nightly-7 --model opus --min-cost 0.50 --all")]
pub(crate) struct Args {
    /// Show only executions of this skill
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Show only executions with this status
    #[arg(long, value_parser = any_status())]
    status: Option<Status>,
    /// Show only executions with this run_id. Executions of child runs are not included. If the id is a UUID, its first
    /// characters are enough. The first characters of any other id need a `…` at the end
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Show only executions that used a model whose name contains this text, in upper or lower case: `haiku` finds
    /// claude-haiku-4-5. The models of all calls of an execution are compared
    #[arg(long, value_name = "NAME", value_parser = name)]
    model: Option<String>,
    /// Show only executions that cost at least this many US dollars
    #[arg(long, value_name = "USD", value_parser = least_cost, allow_negative_numbers = true)]
    min_cost: Option<Usd>,
    #[command(flatten)]
    period: Period,
    /// Show at most the last N executions, in the order in which they were recorded. An execution that was recorded
    /// late is among the last, even if the execution started long ago
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<u32>(1, u32::MAX.into()))]
    #[arg(allow_negative_numbers = true)]
    limit: u32,
    /// Show all executions
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

fn least_cost(text: &str) -> Result<Usd, String> {
    let amount = text.parse().ok().filter(|amount: &Usd| *amount >= Usd::ZERO);
    amount.ok_or_else(|| "expected an amount of US dollars such as 0.25".to_owned())
}

fn any_status() -> impl TypedValueParser<Value = Status> {
    // The command `complete` calls a failure `error`, so this word is accepted here too.
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
    let run = args.run.as_deref().map(|run| run_id::find(run, global)).transpose()?;
    let wanted = Wanted { args, run, model: args.model.as_ref().map(|name| name.to_lowercase()) };
    let unpriced = if global.json { json(&wanted, global, out)? } else { table(&wanted, global, out)? };
    if unpriced > 0 {
        let text = format!("executions that were left out because their cost is unknown: {unpriced}");
        output::note(&text, "unpriced", global.style());
    }
    Ok(ExitCode::Yes)
}

/// Writes the list. Returns the number of executions that were left out because their cost is unknown.
fn json(wanted: &Wanted<'_>, global: &Global, out: &mut impl Write) -> Result<u64, Failure> {
    let line = |record: ExecutionMetrics| {
        let mut line = Vec::new();
        output::json_line(&mut line, &record).map(|()| line)
    };
    let Some(Short { rows: lines, unpriced }) = short(wanted, global, line)? else {
        // The ledger may be larger than the memory, so only one record is held at a time.
        return each(wanted, global, |record| Ok(output::json_line(out, &record)?));
    };
    for line in lines {
        out.write_all(&line?)?;
    }
    Ok(unpriced)
}

/// Like [`json`], but writes a table.
fn table(wanted: &Wanted<'_>, global: &Global, out: &mut impl Write) -> Result<u64, Failure> {
    let (now, has_age) = (clock::now(), audience::has_room());
    let zone = Some(&wanted.args.period.zone).filter(|zone| !zone.is_utc());
    let row = |record: ExecutionMetrics| {
        let mut cells = cells(&record);
        if let Some(zone) = zone {
            cells[0] = zone.minutes(record.timestamp_start);
        }
        if has_age {
            cells[0].push_str(&age(&record, now));
        }
        (record.execution_id, cells)
    };
    let mut columns = COLUMNS;
    if zone.is_some() {
        columns[0] = Column::Text("start (--zone)");
    }
    let mut rows = Rows { table: Table::new(columns), held: Vec::new(), is_long: false, global };
    let unpriced = match short(wanted, global, row)? {
        Some(short) => {
            rows.held = short.rows;
            short.unpriced
        }
        None => each(wanted, global, |record| rows.add(row(record), out))?,
    };
    rows.write(out)?;
    let empty = if wanted.args.selects_all() {
        "The ledger has no executions. `runledger run` records one."
    } else {
        "No execution matches. `runledger list` shows the last executions."
    };
    rows.table.write_or(empty, out)?;
    Ok(unpriced)
}

/// The rows of a list. If there are more than [`ROWS_MAX`] rows, they are written in parts.
struct Rows<'g> {
    table: Table<{ COLUMNS.len() }>,
    /// The rows that have not been written yet: for each, the id and the other cells.
    held: Vec<(Uuid, [String; COLUMNS.len() - 1])>,
    /// True if the list has more than [`ROWS_MAX`] rows. Ids are then not shortened, because shortening needs all ids
    /// at once.
    is_long: bool,
    global: &'g Global,
}

impl Rows<'_> {
    fn add(&mut self, row: (Uuid, [String; COLUMNS.len() - 1]), out: &mut impl Write) -> Result<(), Failure> {
        if self.held.len() == ROWS_MAX {
            self.is_long = true;
            self.write(out)?;
        }
        self.held.push(row);
        Ok(())
    }

    fn write(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        let ids: Vec<_> = self.held.iter().map(|(id, _)| *id).collect();
        let shown = if self.is_long {
            ids.iter().map(ToString::to_string).collect()
        } else {
            records::short_ids(&ids, self.global)?
        };
        for ((_, cells), id) in self.held.drain(..).zip(shown) {
            self.table.row(with_id(cells, id));
        }
        if self.is_long {
            self.table.write(out)?;
        }
        Ok(())
    }
}

/// Passes the records that the arguments select to `take`, in the order of the ledger. Holds one record in memory at a
/// time. If the list is limited, the ledger is read twice: first to count the selected records, and then to skip all
/// but the last of them. Returns the number of executions of unknown cost that were left out after the list began.
fn each(
    wanted: &Wanted<'_>,
    global: &Global,
    mut take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let args = wanted.args;
    let mut skipped = if args.all {
        0
    } else {
        let count = |count: &mut u64, record: &_| *count += u64::from(wanted.fate(record) == Fate::Listed);
        let counted = records::scan(&args.period, global)?.fold_records(|| 0, count, |count, later| *count += later)?;
        counted.value.saturating_sub(args.limit.into())
    };
    let (mut has_begun, mut unpriced) = (skipped == 0, 0);
    records::each(global, |record| match wanted.fate(&record) {
        Fate::Listed if skipped > 0 => {
            skipped -= 1;
            Ok(())
        }
        Fate::Listed => {
            has_begun = true;
            take(record)
        }
        Fate::Unpriced => {
            unpriced += u64::from(has_begun);
            Ok(())
        }
        Fate::Other => Ok(()),
    })?;
    Ok(unpriced)
}

/// A list that is held in memory.
struct Short<T> {
    rows: Vec<T>,
    /// The number of executions of unknown cost that were left out after the list began.
    unpriced: u64,
}

/// Returns the records that the arguments select, each converted by `make`. Returns `None` if the list can have more
/// than [`ROWS_MAX`] rows. The ledger is read only as far back as the list needs, so damage in earlier lines is not
/// reported.
fn short<T>(
    wanted: &Wanted<'_>,
    global: &Global,
    make: impl Fn(ExecutionMetrics) -> T,
) -> Result<Option<Short<T>>, Failure> {
    let args = wanted.args;
    let is_limited = !args.all && args.limit as usize <= ROWS_MAX;
    if !is_limited && args.run.is_none() {
        return Ok(None);
    }
    // If the limit is large or missing, this code is reached only with --run. One row more than the maximum shows
    // whether the run is too long.
    let limit = if is_limited { args.limit as usize } else { ROWS_MAX + 1 };
    let mut unpriced = 0;
    let take = |record| match wanted.fate(&record) {
        Fate::Listed => Some(make(record)),
        fate => {
            unpriced += u64::from(fate == Fate::Unpriced);
            None
        }
    };
    let reader = records::reader(global)?;
    let last = match &wanted.run {
        Some(run) => reader.last_of_run(run, limit, take)?,
        None => reader.last_between(args.period.limits(), limit, take)?,
    };
    if last.records.len() > ROWS_MAX {
        return Ok(None);
    }
    records::warn_of(&last.skipped, global);
    Ok(Some(Short { rows: last.records, unpriced }))
}

/// What the list does with a record.
#[derive(PartialEq)]
enum Fate {
    Listed,
    /// The record matches, but is left out because its cost is unknown.
    Unpriced,
    /// The record is left out for another reason, and is not counted.
    Other,
}

impl Args {
    fn selects_all(&self) -> bool {
        let Self { skill, status, run, model, min_cost, period, .. } = self;
        let is_any = skill.is_some() || status.is_some() || run.is_some() || model.is_some() || min_cost.is_some();
        !is_any && period.is_all()
    }
}

/// What the arguments select.
struct Wanted<'a> {
    args: &'a Args,
    /// The run that --run means.
    run: Option<String>,
    /// The text of --model in lower case.
    model: Option<String>,
}

impl Wanted<'_> {
    fn fate(&self, record: &ExecutionMetrics) -> Fate {
        let Args { skill, status: wanted, min_cost, period, .. } = self.args;
        let is_selected = skill.as_ref().is_none_or(|skill| *skill == record.skill_name)
            && wanted.as_ref().is_none_or(|wanted| status(record).as_ref() == Some(wanted))
            && self.run.as_ref().is_none_or(|run| record.run.run_id.as_ref() == Some(run))
            && self.model.as_ref().is_none_or(|model| has_model(record, model))
            && period.has(record);
        match (min_cost, record.cost_usd) {
            _ if !is_selected => Fate::Other,
            (Some(_), None) if record.has_cost() => Fate::Unpriced,
            (Some(_), None) => Fate::Other,
            (Some(least), Some(cost)) if cost < *least => Fate::Other,
            _ => Fate::Listed,
        }
    }
}

/// Returns true if the name of any model of the execution contains `model`, which is in lower case.
fn has_model(record: &ExecutionMetrics, model: &str) -> bool {
    let of_calls = record.trace.llm_calls.iter().map(|call| &call.model_name);
    record.model.name.iter().chain(of_calls).any(|name| name.to_lowercase().contains(model))
}
