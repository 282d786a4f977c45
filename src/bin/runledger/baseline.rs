//! `runledger baseline`

use std::io::Write;
use std::path::Path;

use runledger::baseline::{Accumulator, By, Latest, Precision};
use runledger::metrics::Fields;
use runledger::{Baselines, Scan, refresh_baselines};

use crate::args::{Baseline, BaselineCommand, Global, Window};
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::freeze;
use crate::output;
use crate::records;
use crate::stability;
use crate::table::{Column, Table, cell, printable};

pub(crate) fn run(args: &Baseline, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(BaselineCommand::Freeze(args)) => return freeze::run(args, global, out),
        Some(BaselineCommand::Stability(args)) => return stability::run(args, global, out),
        None => {}
    }
    let baselines = match args.last {
        Some(most) => fold(&args.window, global, || Latest::new(args.by, most), Latest::add_fields, Latest::merge)?
            .accumulate()
            .finish(),
        None if args.window.is_all() => refresh(args.by, global)?,
        None => collect(args.by, &args.window, global)?.finish(),
    };
    match &args.out {
        Some(path) => save(&baselines, path, &global.ledger)?,
        None if global.json => writeln!(out, "{}", baselines.to_json()?)?,
        None => table(args.by.name(), &baselines, out)?,
    }
    Ok(ExitCode::Yes)
}

/// All executions, as far as they were not read before.
fn refresh(by: By, global: &Global) -> Result<Baselines, Failure> {
    let refreshed = refresh_baselines(&global.ledger, by)?;
    refreshed.notes.iter().for_each(|note| output::note(&failure::text(note), failure::kind(note), global));
    records::warn_of(refreshed.baselines.skipped(), global);
    Ok(refreshed.baselines)
}

/// The executions of the window.
pub(crate) fn collect(by: By, window: &Window, global: &Global) -> Result<Accumulator, Failure> {
    fold(window, global, || Accumulator::by(by), Accumulator::add_fields, Accumulator::merge)
}

/// Folds the executions of the window on all cores; stderr names what is no record.
pub(crate) fn fold<A: Send>(
    window: &Window,
    global: &Global,
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &Fields<'_>) + Sync,
    merge: impl FnMut(&mut A, A) + Send,
) -> Result<A, Failure> {
    let take_wanted = |all: &mut A, fields: &Fields<'_>| {
        if window.has(&fields.skill_name, fields.timestamp_start) {
            take(all, fields);
        }
    };
    let scanned = Scan::open(&global.ledger)?.fold(init, take_wanted, merge)?;
    records::warn_of(&scanned.skipped, global);
    Ok(scanned.value)
}

fn save(baselines: &Baselines, path: &Path, ledger: &Path) -> Result<(), Failure> {
    if let (Ok(target), Ok(ledger)) = (path.canonicalize(), ledger.canonicalize())
        && target == ledger
    {
        return Err(Failure::IsLedger(path.to_owned()));
    }
    let json = baselines.to_json()? + "\n";
    std::fs::write(path, json).map_err(|source| Failure::File {
        operation: "write the baselines",
        path: path.to_owned(),
        source,
    })
}

/// A table of them, and beneath it what is not known of all.
pub(crate) fn table(heading: &'static str, baselines: &Baselines, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name(heading),
        Column::Number("runs"),
        Column::Number("success"),
        Column::Number("p50 ms"),
        Column::Number("p95 ms"),
        Column::Number("p99 ms"),
        Column::Number("mean usd"),
        Column::Number("mean tokens"),
    ]);
    for (name, baseline) in baselines.iter() {
        table.row([
            name.to_owned(),
            baseline.sample_size.to_string(),
            cell(baseline.success_rate),
            cell(baseline.latency_p50_ms),
            cell(baseline.latency_p95_ms),
            cell(baseline.latency_p99_ms),
            cell(baseline.cost_mean_usd),
            cell(baseline.tokens_mean),
        ]);
    }
    table.write(out)?;
    unknowns(baselines, out)
}

/// Of how many executions something is unknown, so that no statistic seems to be of all.
fn unknowns(baselines: &Baselines, out: &mut impl Write) -> Result<(), Failure> {
    for (name, baseline) in baselines.iter() {
        let counts = [
            ("outcome", baseline.outcome_unknown),
            ("latency", baseline.latency_unknown),
            ("cost", baseline.cost_unknown),
            ("tokens", baseline.tokens_unknown),
        ];
        let counts = counts.into_iter().filter(|&(_, count)| count > 0);
        let counts: Vec<_> = counts.map(|(what, count)| format!("{what} {count}")).collect();
        if !counts.is_empty() {
            writeln!(out, "unknown of {}: {}", printable(name), counts.join(", "))?;
        }
        if baseline.latency_precision == Precision::Bounded {
            writeln!(out, "percentiles of {}: within 0.4 %", printable(name))?;
        }
    }
    Ok(())
}
