//! `runledger start`

use std::io::Write;

use runledger::{Skill, Uuid};
use serde::Serialize;

use crate::answer::{self, seconds};
use crate::args::{Global, Start};
use crate::environment::{self, UNKNOWN_VERSION};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::ledger;

#[derive(Serialize)]
struct Started {
    success: bool,
    execution_id: Uuid,
    started_at: String,
    correlation_id: Option<String>,
    session_id: Option<String>,
}

pub(crate) fn run(args: &Start, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(start(args, global), None, global, out)
}

fn start(args: &Start, global: &Global) -> Result<Started, Failure> {
    let mut ids = environment::run_ids(global);
    ids.agent_name = Some(args.agent.clone());
    ids.description.clone_from(&args.description);
    // A shell's variable that is not set gives an empty one.
    ids.session_id = args.session_id.clone().filter(|session| !session.is_empty());
    let skill = Skill::new(&args.agent, UNKNOWN_VERSION).run(ids);
    let record =
        ledger::open(global)?.start(skill, |record| record.tags.extend(args.metadata.clone().unwrap_or_default()))?;
    Ok(Started {
        success: true,
        execution_id: record.execution_id,
        started_at: seconds(record.timestamp_start),
        correlation_id: record.run.correlation_id,
        session_id: record.run.session_id,
    })
}
