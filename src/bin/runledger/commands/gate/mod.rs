//! `runledger gate`

mod markdown;
mod reason;

use std::io::Write;
use std::path::{Path, PathBuf};

use runledger::LedgerReader;
use runledger::governance::{Expectations, Gate, GateReport, GateVerdict, NotJudged};
use runledger::ledger::Gated;

use crate::environment;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::markdown::MarkdownArgs;
use crate::policy_file;
use crate::records;
use crate::run_id;
use crate::term::{output, paint, paragraph, printable, short};
use reason::text;

/// Check whether a run is fully logged: PASS, or FAIL with reasons
///
/// Checks all executions whose run_id is the id of the run. Child runs are runs that have this run as their
/// parent_run_id. Child runs are listed but not checked, so run `gate` for each child run too. A run fails for any of
/// these reasons:
///
/// - An execution has no record in the ledger yet. The execution is in flight (has not ended), or its record is spilled
///   (stored outside the ledger).
///
/// - An execution was interrupted, so how it ended is unknown. If `hook` recorded the call of a tool as interrupted,
///   the run does not fail for this reason. A coding agent does not report the end of a tool that a person stops.
///
/// - An execution is missing: one that --expect requires, an attempt to generate a shot (a clip of a scene), or the
///   parent of another execution. The attempts at a shot are numbered from 0 by regen_count.
///
/// - The ledger has lost records since the run began. It is unknown to which run these records belonged.
///
/// - A record lacks a value that the policy requires. This can be a cost, a tier (the price class of a model), an
///   artifact with its version, a regeneration count, an outcome, a time or a parent.
///
/// - A skill always records a field for models of one tier, and never for models of a different tier.
///
/// - An execution has two records that differ, or the fields of a record contradict each other.
///
/// - Several successful attempts to generate a shot have the same regen_count.
///
/// - An execution has no run_id although its parent belongs to the run, or no parent_run_id although its parent belongs
///   to another run.
///
/// - A line of the ledger is not a record, the hash chain does not verify, or a file of the ledger cannot be read.
///
/// Each reason lists the affected executions. If a value is missing, the reason names its key, and the option of
/// `runledger log`, `run` or `complete` that sets the value. Nothing is changed. The example of `runledger log` records
/// a run that passes.
///
/// PASS means that every record that the ledger has of the run is complete. A record that was refused as invalid may
/// leave no trace in the ledger, so only --expect can find that it is missing. Without --expect, a run with at least
/// one execution can pass, and the output says that missing executions were not judged.
///
/// If a hook of a coding agent recorded the run and none of its executions has a cost, the output says that the costs
/// of the run are unknown and were not judged.
///
/// The file of --expect is a JSON array. Each entry describes executions that the run must have. An entry needs a
/// skill, and can have a kind, a scene_id, a shot_id, and a count [default: 1]:
///
/// [{"skill": "storyboard"}, {"skill": "renderer", "kind": "generation", "shot_id": "s-4", "count": 2}]
///
/// Exits with 0 on PASS, with 1 on FAIL, and with 2 if the run cannot be checked. A run without any execution fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: publish the results of a run only if it is fully logged
  runledger gate --run run-7 --expect expected.json && publish")]
pub(crate) struct Args {
    /// The id of the run. If it is a UUID, its first characters are enough. The first characters of any other id need a
    /// `…` at the end [default: the value of RUNLEDGER_RUN_ID, or else the run_id of the newest record that has one]
    #[arg(long = "run", value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    run_id: Option<String>,
    /// A JSON file with the executions that the run must have
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// A policy file. `runledger policy` prints the default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Verify every line of the ledger. By default, lines that were verified when an index was built are skipped,
    /// unless they belong to the run or their file has changed
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    markdown: MarkdownArgs,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    // Records that wait in other directories are read before the ledger. If such a record is moved to the ledger in the
    // meantime, it is found in the ledger.
    let elsewhere = records::kept_elsewhere(global);
    let reader = records::reader(global)?;
    let run_id = match (&args.run_id, environment::run_id(global)) {
        (Some(given), _) => run_id::find(given, global)?,
        (None, Some(run_id)) => run_id,
        (None, None) => latest_run(&reader, global)?,
    };
    let gate = Gate::new(run_id)
        .policy(policy_file::read(args.policy.as_deref())?.gate)
        .expected(expected(args.expect.as_deref())?)
        .spilled(elsewhere.records)
        .unreadable(elsewhere.unreadable.clone());
    let gate = if args.verify { gate.verify_every_line() } else { gate };
    let Gated { report, archived, mut unreadable, .. } = reader.gate(&gate)?;
    if let Some(archived) = archived {
        let to = printable(&archived.to);
        output::note(
            &format!("lines up to {} are in an archive and are not checked: {to}", archived.seq),
            "archived",
            global.style(),
        );
    }
    unreadable.extend(elsewhere.unreadable);
    records::warn_of_unreadable(&unreadable, global);
    let is_written = args.markdown.write(|| markdown::document(&report), out)?;
    if global.json {
        output::json_line(out, &report)?;
    } else if !is_written {
        write(&report, out)?;
    }
    Ok(if report.verdict == GateVerdict::Pass { ExitCode::Yes } else { ExitCode::No })
}

/// Returns the run of the newest record that has a run_id. Fails if no record has a run_id.
fn latest_run(reader: &LedgerReader, global: &Global) -> Result<String, Failure> {
    let last = reader.last(1, records::run_of)?;
    records::warn_of(&last.skipped, global);
    last.records.into_iter().next().ok_or_else(|| Failure::NoRunYet(global.ledger.clone()))
}

fn expected(path: Option<&Path>) -> Result<Expectations, Failure> {
    let Some(path) = path else { return Ok(Expectations::default()) };
    let text = input_file::read("read the expected executions", path)?;
    Ok(Expectations::from_json(&text).map_err(|error| error.path(path))?)
}

fn write(report: &GateReport, out: &mut impl Write) -> Result<(), Failure> {
    let GateReport { run_id, verdict, executions, in_flight, spilled, child_runs, not_judged, reasons, .. } = report;
    let counts = [
        ("executions", *executions),
        ("in flight", *in_flight),
        ("spilled", *spilled),
        ("reasons", reasons.len() as u64),
    ];
    let counts = counts.map(|(what, count)| format!("{what} {}", short::count(count.into())));
    writeln!(out, "{} {}: {}", paint(&verdict.to_string()), printable(run_id), counts.join(", "))?;
    for reason in reasons {
        paragraph(&text(reason), [0, 4], out)?;
        for execution in &reason.executions {
            writeln!(out, "  {execution}")?;
        }
    }
    if !child_runs.is_empty() {
        writeln!(out, "child runs, which are not checked here: {}", child_runs.len())?;
        child_runs.iter().try_for_each(|run| writeln!(out, "  {}", printable(run)))?;
    }
    if not_judged.contains(&NotJudged::ExpectedExecutions) {
        writeln!(out, "not judged: which executions were expected; pass --expect FILE")?;
    }
    if not_judged.contains(&NotJudged::Costs) {
        let text = "not judged: the costs, which are unknown. A hook recorded the tools of this run. `runledger import` \
                    adds the turns of the agent with their costs";
        paragraph(text, [0, 4], out)?;
    }
    Ok(())
}
