//! `runledger metrics`

use std::io::Write;

use runledger::governance::derived::{Accumulator, DerivedMetrics, Outcomes, Shots, Tally};
use serde::Serialize;

use crate::args::{Global, Metrics};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;
use crate::short;
use crate::table::{Column, Table, cell};

pub(crate) fn run(args: &Metrics, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let meant = records::meant(&args.selection, global)?;
    let add = |all: &mut Accumulator, record: &_| if meant(record) { all.add(record) } else { Ok(()) };
    let (all, malformed_lines) = records::fold(global, Accumulator::new, add, Accumulator::merge)?;
    let derived = all.finish();
    match global.json {
        true => output::json_line(out, &Answer { derived: &derived, malformed_lines })?,
        false => tables(&derived, out)?,
    }
    Ok(ExitCode::Yes)
}

/// The metrics in JSON, and how many lines they are without.
#[derive(Serialize)]
struct Answer<'d> {
    #[serde(flatten)]
    derived: &'d DerivedMetrics,
    malformed_lines: u64,
}

fn tables(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "executions: {}", derived.executions)?;
    writeln!(out)?;
    shots(derived, out)?;
    writeln!(out)?;
    tally("drift", &derived.drift, out)?;
    writeln!(out)?;
    scenes(derived, out)?;
    writeln!(out)?;
    tally("tier", &derived.tiers, out)?;
    writeln!(out)?;
    models(derived, out)?;
    writeln!(out)?;
    tally("qc violation", &derived.qc_violations, out)
}

/// The types of shots with their risks, and all shots together.
fn shots(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("shot type"),
        Column::Number("shots"),
        Column::Number("regens"),
        Column::Number("a shot"),
        Column::Number("untold"),
        Column::Number("known"),
        Column::Number("failed"),
        Column::Number("rate"),
        Column::Text("high risk"),
    ]);
    let mut row = |name: Option<&str>, shots: &Shots, risk: String| {
        let [known, failed, rate, _] = outcomes(&shots.outcomes);
        table.row([
            cell(name),
            short::count(shots.shots.into()),
            cell(shots.regenerations.map(short::count)),
            cell(shots.average_regenerations.map(average)),
            short::count(shots.regenerations_untold.into()),
            known,
            failed,
            rate,
            risk,
        ]);
    };
    for shot_type in &derived.shot_types {
        let risk = cell(shot_type.high_risk.map(|risk| if risk { "yes" } else { "no" }));
        row(shot_type.shot_type.as_deref(), &shot_type.shots, risk);
    }
    row(Some("all"), &derived.shots, String::new());
    table.write(out)?;
    for (what, count) in [("unknown outcome", derived.shots.outcomes.unknown), ("without shot", derived.without_shot)] {
        if count > 0 {
            writeln!(out, "{what}: {count}")?;
        }
    }
    Ok(())
}

/// With two decimals below 10,000: `0.25`, `12.50`, `12.3k`.
fn average(average: f64) -> String {
    if average < 10_000.0 { format!("{average:.2}") } else { short::count(average as u128) }
}

fn tally(what: &'static str, tally: &Tally, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([Column::Name(what), Column::Number("times"), Column::Number("share")]);
    for counted in &tally.counts {
        table.row([counted.name.clone(), short::count(counted.count.into()), short::percent(counted.share)]);
    }
    table.write(out)?;
    if tally.untold > 0 {
        writeln!(out, "untold: {}", tally.untold)?;
    }
    Ok(())
}

fn scenes(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    let mut table =
        Table::new([Column::Name("scene"), Column::Number("execs"), Column::Number("usd"), Column::Number("unpriced")]);
    for scene in &derived.scenes {
        table.row([
            cell(scene.scene_id.as_deref()),
            short::count(scene.executions.into()),
            cell(scene.cost_usd.map(short::usd)),
            short::count(scene.unpriced.into()),
        ]);
    }
    Ok(table.write(out)?)
}

fn models(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("model"),
        Column::Number("known"),
        Column::Number("failed"),
        Column::Number("rate"),
        Column::Number("unknown"),
    ]);
    for model in &derived.models {
        let [known, failed, rate, unknown] = outcomes(&model.outcomes);
        table.row([cell(model.model.as_deref()), known, failed, rate, unknown]);
    }
    table.write(out)?;
    let Outcomes { known, failed, unknown, .. } = derived.controls_without_model;
    if known + unknown > 0 {
        writeln!(out, "quality controls of no model: {}, failed {failed}", known + unknown)?;
    }
    Ok(())
}

fn outcomes(outcomes: &Outcomes) -> [String; 4] {
    let Outcomes { known, failed, failure_rate, unknown, .. } = *outcomes;
    let [known, failed, unknown] = [known, failed, unknown].map(|count| short::count(count.into()));
    [known, failed, cell(failure_rate.map(short::percent)), unknown]
}
