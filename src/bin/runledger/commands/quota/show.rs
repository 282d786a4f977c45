//! `runledger quota` without a subcommand.

use std::io::Write;

use runledger::quota::{Amount, Limit, Zone};
use runledger::{QuotaStatus, Usd};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::observed;
use crate::quota_text::{period, reset};
use crate::quotas::{Status, is_bundled, of_all};
use crate::term::{Column, Table, audience, cell, output, printable, short};

pub(super) fn run(
    api: Option<&str>,
    own: &OwnLimits,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let limits = own.load(global)?;
    let apis: Vec<&str> = match api {
        Some(api) => vec![api],
        None => {
            let (own, bundled): (Vec<_>, Vec<_>) = limits.iter().partition(|limit| !is_bundled(limit));
            own.into_iter().chain(bundled).map(|limit| limit.api.as_str()).collect()
        }
    };
    let statuses = of_all(&apis, &limits, global)?;
    if global.json {
        statuses
            .iter()
            .zip(&apis)
            .try_for_each(|(status, api)| output::json_line(out, &status.shown(limits.get(api))))?;
    } else {
        // The limits that a person has set come first, in tables of their own.
        let own = apis.iter().take_while(|name| limits.get(name).is_none_or(|limit| !is_bundled(limit))).count();
        let (own, bundled) = statuses.split_at(own);
        tables(own, false, out)?;
        if !own.is_empty() && !bundled.is_empty() {
            writeln!(out)?;
        }
        tables(bundled, true, out)?;
        apis.iter().filter_map(|api| limits.get(api)).try_for_each(|limit| write_enforcement(limit, out))?;
    }
    if api.is_none() {
        let observed = observed::latest(global)?;
        if observed.windows().next().is_some() {
            if !global.json {
                writeln!(out)?;
            }
            observed::write(&observed, global, out)?;
        }
    }
    Ok(ExitCode::Yes)
}

/// If the limit is enforced, writes a line that says so. The line has the percentage that must be used before the hook
/// asks a person.
fn write_enforcement(limit: &Limit, out: &mut impl Write) -> Result<(), Failure> {
    if limit.enforce {
        let warn = limit.warn.map_or_else(String::new, |percent| format!("; the hook asks from {percent} % on"));
        writeln!(out, "limit of {}: enforced{warn}", printable(&limit.api))?;
    }
    Ok(())
}

/// Writes one table of quotas in tokens or calls, and two tables of budgets. One table of budgets would be too wide,
/// because exact amounts of dollars are long. The headings of bundled limits say that they are bundled.
fn tables(statuses: &[Status], are_bundled: bool, out: &mut impl Write) -> Result<(), Failure> {
    let counts = statuses.iter().filter_map(|status| if let Status::Counts(it) = status { Some(it) } else { None });
    let dollars = statuses.iter().filter_map(|status| if let Status::Dollars(it) = status { Some(it) } else { None });
    let counts: Vec<_> = counts.collect();
    let dollars: Vec<_> = dollars.collect();
    if !counts.is_empty() {
        write_counts(&counts, are_bundled, out)?;
    }
    if !counts.is_empty() && !dollars.is_empty() {
        writeln!(out)?;
    }
    if !dollars.is_empty() {
        write_dollars(&dollars, are_bundled, out)?;
    }
    Ok(())
}

fn write_counts(statuses: &[&QuotaStatus], are_bundled: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name(if are_bundled { "bundled api" } else { "api" }),
        Column::Text("unit"),
        Column::Number("limit"),
        Column::Number("consumed"),
        Column::Number("held"),
        Column::Number("remaining"),
        Column::Number("%"),
        Column::Text(resets_heading(statuses)),
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
            resets(status, statuses),
            level(status, audience::has_room()),
        ]);
    }
    table.write(out)?;
    for status in statuses {
        let QuotaStatus { api_name, unknown, assumed, .. } = status;
        if unknown + assumed > 0 {
            writeln!(out, "calls of {}: amount unknown {unknown}, assumed {assumed}", printable(api_name))?;
        }
    }
    write_held(statuses, out)
}

fn write_dollars(statuses: &[&QuotaStatus<Usd>], are_bundled: bool, out: &mut impl Write) -> Result<(), Failure> {
    let heading = if are_bundled { "bundled (usd)" } else { "budget (usd)" };
    let mut table = Table::new([
        Column::Name(heading),
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
        Column::Name(heading),
        Column::Number("limit"),
        Column::Text("period"),
        Column::Text(resets_heading(statuses)),
        Column::Number("unknown"),
        Column::Number("assumed"),
    ]);
    for status in statuses {
        table.row([
            status.api_name.clone(),
            status.limit.to_string(),
            period(status),
            // The time of the reset needs no zone here, because the period names the zone.
            cell(reset(status).map(|(at, _)| at)),
            status.unknown.to_string(),
            status.assumed.to_string(),
        ]);
    }
    table.write(out)?;
    write_held(statuses, out)
}

/// If an amount is held, writes that the percentage includes it. For each quota, writes how many calls in flight have
/// an unknown or an assumed amount.
fn write_held<A: Amount>(statuses: &[&QuotaStatus<A>], out: &mut impl Write) -> Result<(), Failure> {
    if statuses.iter().any(|status| status.pct_taken > status.pct_used) {
        writeln!(out, "% and level include the held amounts")?;
    }
    for status in statuses {
        let QuotaStatus { api_name, unknown_held, assumed_held, .. } = status;
        if unknown_held + assumed_held > 0 {
            let name = printable(api_name);
            writeln!(out, "calls of {name} in flight: amount unknown {unknown_held}, assumed {assumed_held}")?;
        }
    }
    Ok(())
}

/// Returns the heading of the column with the times at which the periods end. If all limits have the zone UTC, the
/// heading names this zone.
fn resets_heading<A>(statuses: &[&QuotaStatus<A>]) -> &'static str {
    if statuses.iter().all(|status| status.zone == Zone::UTC) { "resets (UTC)" } else { "resets" }
}

/// Returns the time at which the period of `status` ends. Adds the zone if the heading of the column does not name it.
fn resets<A>(status: &QuotaStatus<A>, statuses: &[&QuotaStatus<A>]) -> String {
    let is_in_heading = resets_heading(statuses) != "resets";
    cell(reset(status).map(|(at, zone)| if is_in_heading { at } else { format!("{at} {zone}") }))
}

/// Returns the used and the held share together in percent. If `has_bar` is true, a bar precedes it.
fn percent<A>(status: &QuotaStatus<A>, has_bar: bool) -> String {
    let percent = format!("{:.1}", status.pct_taken);
    if has_bar { format!("{} {percent:>5}", short::bar(status.pct_taken)) } else { percent }
}

/// Returns the level. If `has_circle` is true, a circle in the colour of the level follows it.
fn level<A>(status: &QuotaStatus<A>, has_circle: bool) -> String {
    if has_circle { format!("{} {}", status.warning_level, status.emoji()) } else { status.warning_level.to_string() }
}

#[cfg(test)]
mod tests {
    use runledger::Timestamp;
    use runledger::quota::Limits;

    use super::*;

    /// Returns the end of the period that contains `at`. `period` is the name of the period in a table of limits.
    fn end(zone: &str, period: &str, at: &str) -> String {
        let table = format!(
            r#"[{{"api":"a","limit":1,"unit":"calls","period":"{period}","zone":"{zone}","source":"us","as_of":"2026-02-14"}}]"#
        );
        let limits = crate::limits::in_zones(&table).unwrap();
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
