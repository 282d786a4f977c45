//! `runledger start`

use std::io::Write;

use runledger::{Skill, Uuid};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{name, object};
use crate::clock;
use crate::environment::UNKNOWN_VERSION;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::record_args::Fields;

/// Start an execution that a later `complete` ends
///
/// The execution stays in flight until `complete` ends it. If `start` is called inside `runledger run`, the execution
/// becomes a child of the execution that `run` records: RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID provide the
/// run and the parent.
///
/// If --model is given without tokens and without a cost, it only names the model for later calls of `progress` and
/// `complete`.
///
/// Prints an indented JSON object; with --json, the object is on a single line. Pass its execution_id to `progress` and
/// `complete`. If the execution cannot be started, the object has "success": false, and "error" says why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: start an execution and keep its id
  id=$(runledger start --agent agent-research --description 'Research skills' |
    jq -r .execution_id)")]
pub(crate) struct Args {
    /// The name of the agent, which is also the name of the record's skill
    #[arg(long, value_name = "NAME", value_parser = name)]
    agent: String,
    /// A description of the task
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The id of the session [default: a new id]
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Other data, as a JSON object, which is stored as the record's tags
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Serialize)]
struct Started {
    success: bool,
    execution_id: Uuid,
    started_at: String,
    correlation_id: Option<String>,
    session_id: Option<String>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(start(args, global), None, global, out)
}

fn start(args: &Args, global: &Global) -> Result<Started, Failure> {
    let mut ids = args.fields.run_ids(global);
    ids.agent_name = Some(args.agent.clone());
    ids.description.clone_from(&args.description);
    // In a shell, an unset variable in quotes becomes an empty argument. An empty id counts as not given.
    ids.session_id = args.session_id.clone().filter(|session| !session.is_empty());
    let skill = Skill::new(&args.agent, UNKNOWN_VERSION).run(ids);
    let record = ledger::open(global)?.begin_detached(skill, |record| {
        record.tags.extend(args.metadata.clone().unwrap_or_default());
        args.fields.apply(record, clock::now());
    })?;
    Ok(Started {
        success: true,
        execution_id: record.execution_id,
        started_at: seconds(record.timestamp_start),
        correlation_id: record.run.correlation_id,
        session_id: record.run.session_id,
    })
}
