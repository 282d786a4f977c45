//! `runledger watch --dry-run`

use std::collections::HashSet;
use std::io::Write;

use runledger::alerts::{Alert, ObservedAlerts, of_damage, of_escalations, of_limit};
use runledger::baseline::{Skipped, week_start};
use runledger::governance::{Escalations, Policy};
use runledger::{Error, LedgerReader, Timestamp, Uuid};

use super::evaluate::{DAY_MS, OBSERVED_FILE, QUOTA_FILE, WEEK_MS, minus_ms, name, replay, week};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::observed;
use crate::period::{Bound, Period, When};
use crate::records;
use crate::term::{Column, Table, minutes, output};
use crate::zone::Zone;

/// A dry run goes back at most to the start of the day (UTC) that was this number of days ago. It examines escalations at
/// the end of each of these days.
const DAYS_MAX: u64 = 366;

/// Prints the alerts that would have been sent since `since`, in the order of their times.
pub(super) fn run(
    policy: &Policy,
    since: Option<When>,
    own: &OwnLimits,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let now = clock::now();
    let since = Period::new(since, None, Zone::utc()).map_err(Failure::Period)?.since;
    let since = since.map_or_else(|| minus_ms(now, 30 * DAY_MS), Bound::begin);
    let of_today_ms = now.unix_ms().rem_euclid(DAY_MS.cast_signed()).unsigned_abs();
    let first = minus_ms(now, DAYS_MAX * DAY_MS + of_today_ms);
    if since < first {
        let text =
            format!("--since is more than {DAYS_MAX} days ago: only alerts of the last {DAYS_MAX} days are shown");
        output::note(&text, "shortened", global.style());
    }
    let since = since.max(first);
    let reader = records::reader(global)?;
    let ledger = reader.follow()?.id();
    let mut found = Vec::new();
    let mut quota = replay(&own.load(global)?, global);
    quota.read_on(|used| found.extend(of_limit(&policy.alerts, ledger, used)))?;
    quota.skipped().errors().iter().for_each(|error| records::name(error, global));
    found.extend(of_damage(&policy.alerts, ledger, QUOTA_FILE, quota.skipped(), week(now), now));
    let (mut reports, mut levels, mut skipped) =
        (observed::journal(global).reports(), ObservedAlerts::default(), Skipped::default());
    while let Some(report) = reports.next_report(&mut skipped)? {
        found.extend(levels.add(&policy.alerts, ledger, &report));
    }
    skipped.errors().iter().for_each(|error| records::name(error, global));
    found.extend(of_damage(&policy.alerts, ledger, OBSERVED_FILE, &skipped, week(now), now));
    found.extend(escalations(policy, (&reader, ledger), since, now, global)?);
    let mut known = HashSet::new();
    // An alert is sent only once, so only its first occurrence counts. If the first occurrence was before `since`, the
    // alert is not printed.
    found.retain(|alert| known.insert(alert.id) && alert.at >= since && alert.at <= now);
    found.sort_by_key(|alert| alert.at);
    write(&found, global, out)?;
    Ok(ExitCode::Yes)
}

/// Returns the alerts that an examination at the end of each day would have caused. The ledger is read once for all
/// days.
fn escalations(
    policy: &Policy,
    (reader, ledger): (&LedgerReader, Uuid),
    since: Timestamp,
    now: Timestamp,
    global: &Global,
) -> Result<Vec<Alert>, Failure> {
    if policy.alerts.escalations.is_empty() {
        return Ok(Vec::new());
    }
    let mut ends = Vec::new();
    // The examinations begin at the start of the week of `since`, because a problem of that week may have been known
    // before `since`.
    let mut end = week_start(since).plus_ms(DAY_MS);
    while end < now {
        ends.push(end);
        end = end.plus_ms(DAY_MS);
    }
    ends.push(now);
    let windows = ends.iter().map(|&end| {
        // The end of the last day of a week still belongs to that week.
        let start = week_start(minus_ms(end, 1));
        Ok((Escalations::new(policy.escalation.clone(), start, Some(end))?, end))
    });
    let windows = windows.collect::<Result<Vec<_>, Error>>()?;
    // No index is built for this examination, because a dry run must write nothing.
    let examined = reader.escalate_each(&reader.scan(), windows)?;
    records::warn_of(&examined.skipped, global);
    records::warn_of_unreadable(&examined.unreadable, global);
    let skipped = examined.skipped.count() + examined.unreadable.len() as u64;
    let mut found = Vec::new();
    for (mut report, at) in examined.reports.into_iter().zip(ends) {
        report.until = Some(report.since.plus_ms(WEEK_MS));
        found.extend(of_escalations(&policy.alerts, ledger, &report, skipped, at));
    }
    found.extend(of_damage(&policy.alerts, ledger, &name(global), &examined.skipped, week(now), now));
    Ok(found)
}

fn write(found: &[Alert], global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    if global.json {
        return Ok(found.iter().try_for_each(|alert| output::json_line(out, alert))?);
    }
    let mut table = Table::new([
        Column::Text("at (UTC)"),
        Column::Text("severity"),
        Column::Text("kind"),
        Column::Name("subject"),
        Column::Message("why"),
    ]);
    for alert in found {
        table.row([
            minutes(alert.at),
            alert.severity.to_string(),
            alert.kind.to_string(),
            alert.subject_text(),
            alert.text.clone(),
        ]);
    }
    Ok(table.write_or("No alert would have been sent.", out)?)
}
