//! `runledger gate`

use std::path::PathBuf;

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
pub(crate) struct Gate {
    /// The run
    #[arg(long = "run", value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) run_id: String,
    /// What the run must have
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
    /// What is asked of it; `runledger policy` prints what is asked without
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}
