//! Computes and prints baselines, for several commands.

use std::io::Write;
use std::path::PathBuf;

use runledger::Baselines;
use runledger::baseline::Precision;
use runledger::metrics::Fields;

use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::selection::Window;
use crate::term::{Column, Table, cell, printable, short};

/// Returns the path of the file with the frozen baselines, which is in the same directory as the ledger. Fails if the
/// file would be the ledger itself.
pub(crate) fn frozen_path(global: &Global) -> Result<PathBuf, Failure> {
    let path = global.ledger.with_file_name("baselines.jsonl");
    if path == global.ledger { Err(Failure::IsLedger(path)) } else { Ok(path) }
}

/// Combines the executions in the window, on all cores. `take` adds an execution to a part of the result, and `merge`
/// joins two parts. Lines that are not records are skipped, and a warning on stderr names them.
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
    let scanned = records::scan(&window.period, global)?.fold(init, take_wanted, merge)?;
    records::warn_of(&scanned.skipped, global);
    Ok(scanned.value)
}

/// Writes a table of baselines. Below the table, writes for how many executions each value is unknown.
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
            cell(baseline.success_rate.map(short::percent)),
            cell(baseline.latency_p50_ms),
            cell(baseline.latency_p95_ms),
            cell(baseline.latency_p99_ms),
            cell(baseline.cost_mean_usd),
            cell(baseline.tokens_mean),
        ]);
    }
    table.write_or("No execution matches. `runledger list` shows the last ones.", out)?;
    unknowns(baselines, out)
}

/// Writes for how many executions each value is unknown. Without these numbers, the statistics would seem to include
/// all executions.
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
            writeln!(out, "percentiles of {}: accurate to 0.4 %", printable(name))?;
        }
    }
    Ok(())
}
