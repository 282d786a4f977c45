//! `runledger baseline`

use std::io::Write;
use std::path::Path;

use runledger::{Baselines, Records};

use crate::args::{Baseline, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::records;
use crate::table::{Column, Table, cell, printable};

pub(crate) fn run(args: &Baseline, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let wanted = |name: &str| args.skill.as_ref().is_none_or(|skill| skill == name);
    let records = Records::open(&global.ledger)?;
    let records = records.filter(|record| record.as_ref().map_or(true, |record| wanted(&record.skill_name)));
    let baselines = Baselines::compute(records)?;
    records::warn_of(baselines.skipped(), global);
    match &args.out {
        Some(path) => save(&baselines, path, &global.ledger)?,
        None if global.json => writeln!(out, "{}", baselines.to_json()?)?,
        None => table(&baselines, out)?,
    }
    Ok(ExitCode::Yes)
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

fn table(baselines: &Baselines, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("skill"),
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
    }
    Ok(())
}
