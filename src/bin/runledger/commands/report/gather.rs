//! Collects the numbers of a report, with the same functions that the other commands use.

use runledger::governance::Gate;
use runledger::ledger::UnindexedVerification;
use runledger::metrics::Fields;
use runledger::report::{
    GateSummary, Integrity, LedgerReport, Observations, QuotaBar, ReportedPeriod, costs, report_over_time,
};
use runledger::{LedgerReader, Timestamp, Verification};

use super::Args;
use crate::baselines;
use crate::clock;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::hooked;
use crate::policy_file;
use crate::quotas::{self, Status};
use crate::records;

/// Returns the report that the arguments request.
pub(super) fn gather(args: &Args, global: &Global) -> Result<LedgerReport, Failure> {
    let policy = policy_file::read(args.policy.as_deref())?;
    let reader = records::reader(global)?;
    // Executions in flight and spilled records are read before the ledger. An execution that ends in the meantime is
    // then found in the ledger.
    let in_flight = records::in_flight(global)?.len() as u64;
    let elsewhere = records::kept_elsewhere(global);
    let spilled = records::spilled(global)?.records.len() as u64;
    let integrity = integrity(&reader, args.verify);
    let frozen = match baselines::frozen(None, global) {
        Err(Failure::NotFrozen { .. }) => None,
        frozen => Some(frozen?),
    };
    let week_start = frozen.as_ref().map(|frozen| frozen.week_start);
    let (mut observed, malformed_lines) = observe(args, week_start, global)?;

    let period = &args.period;
    let skills = observed.take_skills();
    let (since, until) = period.limits();
    let summed = reader.scan().between(since, until);
    let summed = summed.sum_up(report_over_time(&skills, period.zone.clone()), |start| period.contains(start))?.value;
    let bound = |bound: Option<crate::period::Bound>| bound.map(|bound| bound.to_string());
    let reported = ReportedPeriod::new(bound(period.since), bound(period.until), period.zone.to_string());
    let ledger = global.ledger.display().to_string();
    let costs = costs(&summed, args.by, &skills);
    let mut report = LedgerReport::new(&ledger, clock::now(), reported, integrity, &skills, &observed, costs);
    (report.in_flight, report.spilled, report.malformed_lines) = (in_flight, spilled, malformed_lines);
    report.not_imported = hooked::not_imported(&reader, period)?;
    report.add_records(&reader.find_all(&report.listed())?);
    if let Some(frozen) = frozen {
        report.compare(frozen.week_start, &frozen.compare(observed.take_recent()), &skills);
    }
    // A gate verifies the ledger again. If the ledger could not be verified before, the gate would fail, so the report
    // has no gate.
    let is_verified = !matches!(report.integrity, Integrity::NotVerified { .. });
    if let Some(run) = latest_run(&reader)?.filter(|_| is_verified) {
        let gate = Gate::new(run).policy(policy.gate).spilled(elsewhere.records).unreadable(elsewhere.unreadable);
        report.gate = Some(GateSummary::from(&reader.gate(&gate)?.report));
    }
    let limits = args.limits.load(global)?;
    let apis: Vec<_> = limits.iter().map(|limit| limit.api.as_str()).collect();
    let statuses = quotas::of_all(&apis, &limits, global)?;
    report.add_quotas(statuses.iter().map(bar).collect());
    Ok(report)
}

/// Returns the run of the newest record that has a run_id. Returns `None` if none of the last records has a run_id.
fn latest_run(reader: &LedgerReader) -> Result<Option<String>, Failure> {
    let mut read = 0;
    // The search ends after this number of records. Otherwise, it would read all records of a ledger without runs.
    let last = reader.last(1, |record| {
        read += 1;
        let run = records::run_of(record);
        if run.is_none() && read < LedgerReport::RUN_SOUGHT_MAX { None } else { Some(run) }
    })?;
    Ok(last.records.into_iter().next().flatten())
}

/// Reads the executions of the period. Also reads the executions since `week_start`, which are compared with the
/// baselines of that week. Returns the observations of all these executions, and the number of lines that are not
/// records.
fn observe(args: &Args, week_start: Option<Timestamp>, global: &Global) -> Result<(Observations, u64), Failure> {
    let period = &args.period;
    let (since, until) = period.limits();
    let since = since.map(|since| week_start.map_or(since, |start| start.min(since)));
    let add = |observed: &mut Observations, fields: &Fields<'_>| {
        let start = fields.timestamp_start;
        if period.contains(start) {
            observed.add(fields);
        }
        let until = |until| if let crate::period::Bound::Time(until) = until { start < until } else { true };
        if week_start.is_some_and(|week| start >= week) && period.until.is_none_or(until) {
            observed.add_recent(fields);
        }
    };
    let scan = records::reader(global)?.scan().between(since, until);
    let scanned = scan.fold(Observations::default, add, Observations::merge)?;
    records::warn_of(&scanned.skipped, global);
    Ok((scanned.value, scanned.skipped.count()))
}

fn integrity(reader: &LedgerReader, every_line: bool) -> Integrity {
    let found =
        if every_line { reader.verify(&[]).map(UnindexedVerification::Complete) } else { reader.verify_unindexed() };
    match found {
        Ok(UnindexedVerification::Intact { lines }) => Integrity::Intact { lines, every_line: false },
        Ok(UnindexedVerification::Complete(found)) if found.is_clean() => {
            Integrity::Intact { lines: found.lines, every_line: true }
        }
        Ok(UnindexedVerification::Complete(Verification { fault_count, faults, .. })) => {
            Integrity::damaged(fault_count, faults.iter().map(ToString::to_string))
        }
        Ok(_) => Integrity::not_verified("this version does not know the result of the verification"),
        Err(error) => Integrity::not_verified(&failure::text(&error)),
    }
}

fn bar(status: &Status) -> QuotaBar {
    match status {
        Status::Counts(status) => status.into(),
        Status::Dollars(status) => status.into(),
    }
}
