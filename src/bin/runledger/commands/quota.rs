//! `runledger quota`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::quota::{Limits, QuotaOptions, Unit};
use runledger::{Quota as Tracker, QuotaStatus, Usd};
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::term::{Column, Table, audience, minutes, output, printable, short};

/// Show the remaining amount of each quota
///
/// Prints one row for each API. The level is GREEN, YELLOW or RED. Consumption and reservations are read from
/// `quota.jsonl` next to the ledger. If that file does not exist, nothing was used. Amounts in dollars are exact. They
/// do not include calls of unknown cost, which are counted separately. With --json, each line is one quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show how much of your own budget remains
  runledger quota anthropic --limits limits.json --json | jq .remaining

The file of --limits is a JSON array with one object for each limit:
  [
    {\"api\": \"anthropic\", \"limit\": 25.50, \"unit\": \"usd\", \"period\": \"day\",
     \"source\": \"our budget\", \"as_of\": \"2026-03-01\",
     \"thresholds\": [50, 80, 95, 100], \"unknown\": {\"assume\": 0.25}}
  ]
  unit        tokens, calls, usd
  period      minute, hour, day, week, month, by the calendar in UTC
  thresholds  percentages of the limit. Each is reported once per period, when it
              is reached [default: [50, 80]]
  unknown     how a call of unknown cost is treated: \"deny\", \"allow\" or
              {\"assume\": AMOUNT} [default: \"deny\"]")]
pub(crate) struct Args {
    /// Show only this API
    api: Option<String>,
    /// A file of your own limits, which override the bundled limits
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = limits(args.limits.as_deref())?;
    let apis: Vec<&str> = match &args.api {
        Some(api) => vec![api],
        None => limits.iter().map(|limit| limit.api.as_str()).collect(),
    };
    let statuses = statuses(&apis, &limits, &global.ledger.with_file_name("quota.jsonl"))?;
    if global.json {
        statuses.iter().try_for_each(|status| output::json_line(out, status))?;
    } else {
        tables(&statuses, out)?;
    }
    Ok(ExitCode::Yes)
}

fn limits(own: Option<&Path>) -> Result<Limits, Failure> {
    let Some(path) = own else { return Ok(Limits::bundled()) };
    let text = input_file::read("read the limits", path)?;
    let own = Limits::from_json(&text).map_err(|error| error.path(path))?;
    Ok(Limits::bundled().with(own))
}

/// The status of a quota, in its unit.
#[derive(Serialize)]
#[serde(untagged)]
enum Status {
    Counts(QuotaStatus),
    Dollars(QuotaStatus<Usd>),
}

fn statuses(apis: &[&str], limits: &Limits, journal: &Path) -> Result<Vec<Status>, Failure> {
    let there = journal.try_exists().map_err(|source| Failure::File {
        operation: "look for the quota's journal",
        path: journal.to_owned(),
        source,
    })?;
    // Opening a journal that does not exist would create it.
    let tracker = if there {
        Some(Tracker::open(journal, QuotaOptions::new(Arc::new(clock::unix_ms)).limits(limits.clone()))?)
    } else {
        None
    };
    let now = clock::now();
    let status = |&api: &&str| {
        let in_dollars = limits.get(api).is_some_and(|limit| limit.unit == Unit::Usd);
        Ok(match (&tracker, in_dollars) {
            (Some(tracker), false) => Status::Counts(tracker.status(api)?),
            (Some(tracker), true) => Status::Dollars(tracker.budget(api)?.status()?),
            (None, false) => Status::Counts(limits.unused(api, now)?),
            (None, true) => Status::Dollars(limits.unused(api, now)?),
        })
    };
    apis.iter().map(status).collect()
}

/// Writes counts and dollars in separate tables. Exact amounts of dollars are long, so budgets have two tables.
fn tables(statuses: &[Status], out: &mut impl Write) -> Result<(), Failure> {
    let counts = statuses.iter().filter_map(|status| if let Status::Counts(it) = status { Some(it) } else { None });
    let dollars = statuses.iter().filter_map(|status| if let Status::Dollars(it) = status { Some(it) } else { None });
    let counts: Vec<_> = counts.collect();
    let dollars: Vec<_> = dollars.collect();
    if !counts.is_empty() {
        write_counts(&counts, out)?;
    }
    if !counts.is_empty() && !dollars.is_empty() {
        writeln!(out)?;
    }
    if !dollars.is_empty() {
        write_dollars(&dollars, out)?;
    }
    Ok(())
}

fn write_counts(statuses: &[&QuotaStatus], out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("api"),
        Column::Text("unit"),
        Column::Number("limit"),
        Column::Number("consumed"),
        Column::Number("held"),
        Column::Number("remaining"),
        Column::Number("%"),
        Column::Text("resets (UTC)"),
        Column::Level("level"),
    ]);
    for status in statuses {
        table.row([
            status.api_name.clone(),
            status.unit.to_string(),
            status.limit.to_string(),
            status.consumed.to_string(),
            status.held.to_string(),
            status.remaining.to_string(),
            percent(status, audience::has_room()),
            minutes(status.resets_at),
            level(status, audience::has_room()),
        ]);
    }
    table.write(out)?;
    for status in statuses.iter().filter(|status| status.unknown + status.assumed > 0) {
        let QuotaStatus { api_name, unknown, assumed, .. } = status;
        writeln!(out, "calls of {}: amount unknown {unknown}, assumed {assumed}", printable(api_name))?;
    }
    Ok(())
}

fn write_dollars(statuses: &[&QuotaStatus<Usd>], out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("budget (usd)"),
        Column::Number("consumed"),
        Column::Number("held"),
        Column::Number("remaining"),
        Column::Number("%"),
        Column::Level("level"),
    ]);
    for status in statuses {
        table.row([
            status.api_name.clone(),
            status.consumed.to_string(),
            status.held.to_string(),
            status.remaining.to_string(),
            percent(status, audience::has_room()),
            level(status, audience::has_room()),
        ]);
    }
    table.write(out)?;
    writeln!(out)?;
    let mut table = Table::new([
        Column::Name("budget (usd)"),
        Column::Number("limit"),
        Column::Text("period"),
        Column::Text("resets (UTC)"),
        Column::Number("unknown"),
        Column::Number("assumed"),
    ]);
    for status in statuses {
        table.row([
            status.api_name.clone(),
            status.limit.to_string(),
            status.period.to_string(),
            minutes(status.resets_at),
            status.unknown.to_string(),
            status.assumed.to_string(),
        ]);
    }
    table.write(out)?;
    Ok(())
}

/// Returns the used share in percent, after a bar if `has_bar` is true.
fn percent<A>(status: &QuotaStatus<A>, has_bar: bool) -> String {
    let percent = format!("{:.1}", status.pct_used);
    if has_bar { format!("{} {percent:>5}", short::bar(status.pct_used)) } else { percent }
}

/// Returns the level, before its circle if `has_circle` is true.
fn level<A>(status: &QuotaStatus<A>, has_circle: bool) -> String {
    if has_circle { format!("{} {}", status.warning_level, status.emoji()) } else { status.warning_level.to_string() }
}

#[cfg(test)]
mod tests {
    use runledger::Timestamp;

    use super::*;

    #[test]
    fn only_people_get_the_circle_and_the_bar() {
        let status: QuotaStatus = Limits::bundled().unused("openai-gpt4", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((level(&status, true).as_str(), level(&status, false).as_str()), ("GREEN 🟢", "GREEN"));
        assert_eq!((percent(&status, true).as_str(), percent(&status, false).as_str()), ("░░░░░░░░░░   0.0", "0.0"));
    }
}
