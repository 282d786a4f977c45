//! `runledger quota`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::quota::{self, Limits, QuotaOptions, Unit};
use runledger::{Quota as Tracker, QuotaStatus, Usd};
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::term::{Column, Table, audience, cell, minutes, output, printable, short};
use crate::zone::Zone;

/// Show the remaining amount of each quota
///
/// A quota limits the use of an API in a period, such as a day. Prints how much of each quota was consumed, how much is
/// held by reservations, and how much remains. The level is GREEN below 50 % of the limit, YELLOW from 50 % on, and RED
/// from 80 % on. Held amounts do not count for the level.
///
/// The amounts are read from `quota.jsonl` next to the ledger. If that file does not exist, nothing was used so far.
/// Amounts in dollars are exact.
///
/// Calls whose amount is unknown are counted as `unknown`, and add nothing to the consumed amount. If the limit assumes
/// an amount for such calls, they are counted as `assumed` instead, and the assumed amounts are added. With --json,
/// each line is one quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show how much of your own budget remains
  runledger quota anthropic --limits limits.json --json | jq .remaining

The file of --limits is a JSON array with one object for each limit:
  [
    {\"api\": \"anthropic\", \"limit\": 25.50, \"unit\": \"usd\", \"period\": \"day\",
     \"source\": \"our budget\", \"as_of\": \"2026-03-01\",
     \"thresholds\": [50, 80, 95, 100], \"unknown\": {\"assume\": 0.25}}
  ]
  unit        tokens, calls or usd
  period      minute, hour, day, week, month, quarter, year, total, or a
              number of hours such as 5h. The 5 hours begin with the first
              use. After their end, the next 5 hours begin with the next use
  zone        the time zone in which days and longer periods begin: an IANA
              name such as Europe/Zurich, or an offset such as +05:45
              [default: UTC]
  thresholds  percentages of the limit. Each is reported once per period, when
              the consumed amount reaches it [default: [50, 80]]
  unknown     what happens to a call whose amount is unknown: \"deny\",
              \"allow\" or {\"assume\": AMOUNT} [default: \"deny\"]")]
pub(crate) struct Args {
    /// Show only the quota of this API
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
    let zones = |name: &str| name.parse::<Zone>().ok();
    let own = Limits::from_json_with_zones(&text, zones).map_err(|error| error.path(path))?;
    Ok(Limits::bundled().with(own))
}

/// The status of a quota in tokens or calls, or of a budget, which is a quota in dollars.
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

/// Writes one table of quotas in tokens or calls, and two tables of budgets. One table of budgets would be too wide,
/// because exact amounts of dollars are long.
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
            cell(status.resets_at.map(minutes)),
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
            period(status),
            cell(status.resets_at.map(minutes)),
            status.unknown.to_string(),
            status.assumed.to_string(),
        ]);
    }
    table.write(out)?;
    Ok(())
}

/// Returns the period, and its zone if that is not UTC.
fn period<A>(status: &QuotaStatus<A>) -> String {
    let QuotaStatus { period, zone, .. } = status;
    if *zone == quota::Zone::UTC { period.to_string() } else { format!("{period} in {zone}") }
}

/// Returns the used share in percent, after a bar if `has_bar` is true.
fn percent<A>(status: &QuotaStatus<A>, has_bar: bool) -> String {
    let percent = format!("{:.1}", status.pct_used);
    if has_bar { format!("{} {percent:>5}", short::bar(status.pct_used)) } else { percent }
}

/// Returns the level. If `has_circle` is true, a circle in the colour of the level follows it.
fn level<A>(status: &QuotaStatus<A>, has_circle: bool) -> String {
    if has_circle { format!("{} {}", status.warning_level, status.emoji()) } else { status.warning_level.to_string() }
}

#[cfg(test)]
mod tests {
    use runledger::Timestamp;

    use super::*;

    /// Returns the end of the period that contains `at`. `period` is the name of the period in a table of limits.
    fn end(zone: &str, period: &str, at: &str) -> String {
        let table = format!(
            r#"[{{"api":"a","limit":1,"unit":"calls","period":"{period}","zone":"{zone}","source":"us","as_of":"2026-02-14"}}]"#
        );
        let limits = Limits::from_json_with_zones(&table, |name| name.parse::<Zone>().ok()).unwrap();
        let status: QuotaStatus = limits.unused("a", at.parse().unwrap()).unwrap();
        status.resets_at.unwrap().to_string().replace(":00.000Z", "")
    }

    /// Each case is a zone, and the times in UTC at which three consecutive days of the zone end.
    #[test]
    fn the_days_of_a_zone_follow_its_clocks() {
        for (zone, ends) in [
            // Clocks went forward on 2026-03-29, and back on 2026-10-25.
            ("Europe/Zurich", ["2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]), // 23 hours
            ("Europe/Zurich", ["2026-10-24T22:00", "2026-10-25T23:00", "2026-10-26T23:00"]), // 25 hours
            ("Asia/Kathmandu", ["2026-03-30T18:15", "2026-03-31T18:15", "2026-04-01T18:15"]),
            // Apia skipped 2011-12-30. So the second time is the end of the 29th, and the third time is the end of the
            // 31st.
            ("Pacific/Apia", ["2011-12-29T10:00", "2011-12-30T10:00", "2011-12-31T10:00"]),
            // Clocks change by 30 minutes.
            ("Australia/Lord_Howe", ["2026-04-03T13:00", "2026-04-04T13:00", "2026-04-05T13:30"]),
            // In São Paulo, clocks went from 00:00 to 01:00 on 2018-11-04, and from 00:00 back to 23:00 on 2018-02-18.
            ("America/Sao_Paulo", ["2018-11-03T03:00", "2018-11-04T03:00", "2018-11-05T02:00"]),
            ("America/Sao_Paulo", ["2018-02-17T02:00", "2018-02-18T03:00", "2018-02-19T03:00"]),
            // In Havana, clocks went from 01:00 back to 00:00, so the day has the hour from 00:00 to 01:00 twice.
            ("America/Havana", ["2025-11-01T04:00", "2025-11-02T04:00", "2025-11-03T05:00"]),
            // In St. John's, clocks went from 00:01 back to 23:01. So 2010-11-07 began twice, and the first time
            // counts.
            ("America/St_Johns", ["2010-11-06T02:30", "2010-11-07T02:30", "2010-11-08T03:30"]),
            // In Toronto, clocks went from 23:30 to 00:30.
            ("America/Toronto", ["1919-03-30T05:00", "1919-03-31T04:30", "1919-04-01T04:00"]),
        ] {
            for pair in ends.windows(2) {
                assert_eq!(end(zone, "day", &format!("{}:00Z", pair[0])), pair[1], "{zone}");
                let last = format!("{}:00Z", pair[1]).parse::<Timestamp>().unwrap().unix_ms() - 1;
                let last = Timestamp::from_unix_ms(last).unwrap().to_string();
                assert_eq!(end(zone, "day", &last), pair[1], "{zone}");
            }
        }
    }

    #[test]
    fn longer_periods_begin_at_midnight_of_the_zone() {
        for (zone, period, at, expected) in [
            ("Europe/Zurich", "week", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00"),
            ("Europe/Zurich", "week", "2026-03-29T22:00:00Z", "2026-04-05T22:00"),
            ("Europe/Zurich", "month", "2026-01-31T22:59:59.999Z", "2026-01-31T23:00"),
            ("Europe/Zurich", "month", "2026-01-31T23:00:00Z", "2026-02-28T23:00"),
            ("Europe/Zurich", "month", "2024-01-31T23:00:00Z", "2024-02-29T23:00"),
            ("Europe/Zurich", "quarter", "2026-03-31T21:59:59.999Z", "2026-03-31T22:00"),
            ("Europe/Zurich", "year", "2026-06-01T00:00:00Z", "2026-12-31T23:00"),
            ("Asia/Kathmandu", "month", "2026-02-28T18:14:59.999Z", "2026-02-28T18:15"),
            ("Asia/Kathmandu", "month", "2026-02-28T18:15:00Z", "2026-03-31T18:15"),
            // The week and the month of the skipped Friday are 24 hours shorter.
            ("Pacific/Apia", "week", "2011-12-29T12:00:00Z", "2012-01-01T10:00"),
            ("Pacific/Apia", "month", "2011-12-30T09:59:59.999Z", "2011-12-31T10:00"),
            ("Pacific/Apia", "year", "2011-12-31T10:00:00Z", "2012-12-31T10:00"),
            // The last day and the first week that timestamps can have.
            ("Europe/Zurich", "day", "9999-12-31T22:59:59.999Z", "9999-12-31T23:00"),
            ("Pacific/Kiritimati", "week", "0000-01-01T00:00:00Z", "0000-01-03T10:29:20.000Z"),
        ] {
            assert_eq!(end(zone, period, at), expected, "{zone} {period} {at}");
        }
    }

    #[test]
    fn only_people_get_the_circle_and_the_bar() {
        let status: QuotaStatus = Limits::bundled().unused("openai-gpt4", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((level(&status, true).as_str(), level(&status, false).as_str()), ("GREEN 🟢", "GREEN"));
        assert_eq!((percent(&status, true).as_str(), percent(&status, false).as_str()), ("░░░░░░░░░░   0.0", "0.0"));
    }
}
