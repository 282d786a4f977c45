//! `runledger gate`

use std::io::Write;
use std::path::{Path, PathBuf};

use runledger::governance::{Expectations, Gate, GateReport, GateVerdict};
use runledger::ledger::Gated;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::policy_file;
use crate::records;
use crate::term::{output, printable, short};

/// Judge whether a run was logged as it should be: PASS, or FAIL with every reason
///
/// An execution belongs to the run by its run_id. The runs that it started, whose executions have it as their
/// parent_run_id, are named, and each has a gate of its own. A run fails when an execution has no record in the ledger
/// (begun and never ended, waiting in the spill, expected and absent, an attempt or a parent without one), when the ledger
/// lost records after it began, of whatever run, when a cost, a tier, an artifact with its version, a
/// regeneration count, an outcome, a time or a parent is not recorded where the policy asks for it, when a skill logs
/// fields for one tier and never for another, when two records of one execution differ, when a line is no record, when
/// the chain of the ledger does not verify, or when a file of the ledger may not be read. Under each reason stand the executions it concerns. Nothing is changed.
///
/// --expect names a file with what the run must have: a JSON array, of each entry the skill, and where wanted the kind,
/// the scene_id, the shot_id, and the count, 1 if it is not told:
///
/// [{"skill": "storyboard"}, {"skill": "renderer", "kind": "generation", "shot_id": "s-4", "count": 2}]
///
/// Exits with 0 on PASS, with 1 on FAIL, and with 2 if it could not be judged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that publishes what a run made
  runledger gate --run run-7 --expect expected.json && publish")]
pub(crate) struct Args {
    /// The run
    #[arg(long = "run", value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    run_id: String,
    /// What the run must have
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// What is asked of it; `runledger policy` prints what is asked without
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    // Read first: what comes back into the ledger meanwhile is found there.
    let elsewhere = records::kept_elsewhere(global);
    let gate = Gate::new(&args.run_id)
        .policy(policy_file::read(args.policy.as_deref())?.gate)
        .expected(expected(args.expect.as_deref())?)
        .spilled(elsewhere.records);
    let Gated { report, archived, mut unreadable, .. } = records::reader(global)?.gate(&gate)?;
    if let Some(archived) = archived {
        let to = printable(&archived.to);
        output::note(
            &format!("lines up to {} are in an archive, and not judged: {to}", archived.seq),
            "archived",
            global.style(),
        );
    }
    unreadable.extend(elsewhere.unreadable);
    records::warn_of_unreadable(&unreadable, global);
    if global.json {
        output::json_line(out, &report)?;
    } else {
        write(&report, out)?;
    }
    Ok(if report.verdict == GateVerdict::Pass { ExitCode::Yes } else { ExitCode::No })
}

fn expected(path: Option<&Path>) -> Result<Expectations, Failure> {
    let Some(path) = path else { return Ok(Expectations::default()) };
    let text = input_file::read("read what is expected", path)?;
    Ok(Expectations::from_json(&text).map_err(|error| error.path(path))?)
}

fn write(report: &GateReport, out: &mut impl Write) -> Result<(), Failure> {
    let GateReport { run_id, verdict, executions, in_flight, spilled, child_runs, reasons, .. } = report;
    let counts = [
        ("executions", *executions),
        ("in flight", *in_flight),
        ("spilled", *spilled),
        ("reasons", reasons.len() as u64),
    ];
    let counts = counts.map(|(what, count)| format!("{what} {}", short::count(count.into())));
    writeln!(out, "{verdict} {}: {}", printable(run_id), counts.join(", "))?;
    for reason in reasons {
        writeln!(out, "{}", printable(&reason.to_string()))?;
        for execution in &reason.executions {
            writeln!(out, "  {execution}")?;
        }
    }
    if !child_runs.is_empty() {
        writeln!(out, "child runs, each with a gate of its own: {}", child_runs.len())?;
        child_runs.iter().try_for_each(|run| writeln!(out, "  {}", printable(run)))?;
    }
    Ok(())
}
