//! `runledger metrics`

use std::io::Write;

use runledger::governance::derived::{DerivedMetrics, MetricsAccumulator, Outcomes, Shots, Tally};
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::selection::Selection;
use crate::term::{Column, Table, cell, output, short};

/// Compute production metrics: regenerations, failures, drift
///
/// A production, such as a film, consists of scenes, and a scene consists of shots (clips) that models generate. Prints
/// these tables:
///
/// - the regenerations and failures of each type of shot, and whether the type has a high risk
///
/// - how often artifacts deviated from the request (drift), by category
///
/// - the cost of each scene
///
/// - how often models of each tier (price class) were used
///
/// - the failures of each model
///
/// - the violations that quality controls (QC) found, the most common first
///
/// A table is left out if no execution reports what the table is about. An unknown value never counts as 0. Each table
/// shows how many executions do not report a value that the table needs.
///
/// A shot is identified by its scene_id and shot_id. If several executions worked on a shot, the highest regen_count of
/// these executions is used.
///
/// An execution failed if its outcome is FAIL, or if it has no outcome and ended with an error. A failure rate is the
/// share of failures among the executions with a known outcome.
///
/// A quality control is an execution that checks an artifact. In the table of models, an execution that made an
/// artifact, did not fail and recorded no outcome gets the outcome of the control of its artifact. The record of a
/// control can name the model that made the artifact, although the control did not call this model. The outcome then
/// counts for the named model. A control that records no outcome is counted as unknown.
///
/// A type of shot has a high risk if its regenerations per shot are more than 1.5 times those of all shots. It also has
/// a high risk if its failure rate is more than 1.5 times that of all shots. Each of these two comparisons needs at
/// least 10 results. If there are too few results to determine the risk, `high risk` is `-`.
///
/// Numbers are rounded as in `runledger cost`. --json prints every digit. Only the shots, the artifacts and the groups
/// of the tables are held in memory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the failure rate of each model in the last week
  runledger metrics --since 7d --json | jq '.models[] | {model, failure_rate}'")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let add = MetricsAccumulator::add;
    let (all, malformed_lines) =
        args.selection.fold(global, MetricsAccumulator::new, add, MetricsAccumulator::merge)?;
    let derived = all.finish();
    if global.json {
        output::json_line(out, &Answer { derived: &derived, malformed_lines })?;
    } else {
        tables(&derived, out)?;
    }
    Ok(ExitCode::Yes)
}

/// The metrics, and the number of lines of the ledger that are not records.
#[derive(Serialize)]
struct Answer<'d> {
    #[serde(flatten)]
    derived: &'d DerivedMetrics,
    malformed_lines: u64,
}

fn tables(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    if derived.executions == 0 {
        return Ok(writeln!(out, "No execution matches. `runledger list` shows the last executions.")?);
    }
    writeln!(out, "executions: {}", derived.executions)?;
    let DerivedMetrics { shots: all, drift, scenes: of_scenes, tiers, models: of_models, qc_violations, .. } = derived;
    let controls = &derived.controls_without_model;
    let has_models = of_models.iter().any(|model| model.model.is_some() || model.outcomes.known > 0);
    let mut section = Sections { out, is_empty: true };
    section.add(all.shots > 0, |out| shots(derived, out))?;
    section.add(!drift.counts.is_empty(), |out| tally("drift", drift, out))?;
    section.add(of_scenes.iter().any(|scene| scene.scene_id.is_some()), |out| scenes(derived, out))?;
    section.add(!tiers.counts.is_empty(), |out| tally("tier", tiers, out))?;
    section.add(has_models || controls.known + controls.unknown > 0, |out| models(derived, out))?;
    section.add(!qc_violations.counts.is_empty(), |out| tally("qc violation", qc_violations, out))?;
    if section.is_empty {
        writeln!(out, "No execution names a shot, a drift, a scene, a tier, a model or a QC violation.")?;
    }
    Ok(())
}

/// Writes the tables that have rows, with an empty line before each.
struct Sections<'o, W> {
    out: &'o mut W,
    /// True until a table is written.
    is_empty: bool,
}

impl<W: Write> Sections<'_, W> {
    /// Writes an empty line and a table if `has_rows` is true.
    fn add(&mut self, has_rows: bool, write: impl FnOnce(&mut W) -> Result<(), Failure>) -> Result<(), Failure> {
        if !has_rows {
            return Ok(());
        }
        self.is_empty = false;
        writeln!(self.out)?;
        write(self.out)
    }
}

/// Writes the types of shots with their risks, and the sum of all shots.
fn shots(derived: &DerivedMetrics, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("shot type"),
        Column::Number("shots"),
        Column::Number("regens"),
        Column::Number("per shot"),
        Column::Number("unknown"),
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
            short::count(shots.regenerations_unknown.into()),
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

/// Returns the text of an average, such as `12.50`. An average of 10,000 or more has three digits, such as `12.3k`.
fn average(average: f64) -> String {
    if average < 10_000.0 { format!("{average:.2}") } else { short::count(average as u128) }
}

fn tally(what: &'static str, tally: &Tally, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([Column::Name(what), Column::Number("times"), Column::Number("share")]);
    for counted in &tally.counts {
        table.row([counted.name.clone(), short::count(counted.count.into()), short::percent(counted.share)]);
    }
    table.write(out)?;
    if tally.unknown > 0 {
        writeln!(out, "unknown: {}", tally.unknown)?;
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
        writeln!(out, "quality controls without a model: {}, failed {failed}", known + unknown)?;
    }
    Ok(())
}

/// Returns the cells for the known outcomes, the failures, the failure rate and the unknown outcomes.
fn outcomes(outcomes: &Outcomes) -> [String; 4] {
    let Outcomes { known, failed, failure_rate, unknown, .. } = *outcomes;
    let [known, failed, unknown] = [known, failed, unknown].map(|count| short::count(count.into()));
    [known, failed, cell(failure_rate.map(short::percent)), unknown]
}
