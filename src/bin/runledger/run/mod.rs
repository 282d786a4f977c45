//! `runledger run`

mod child;
mod signals;
mod tee;

use std::process::Command;

use runledger::ledger::Execution;
use runledger::metrics::{CostSource, CostTier, ErrorCategory, RunIds, Status};
use runledger::{Ledger, Skill};

use crate::args::{Global, Run};
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::{clock, environment, output};
use child::Child;

pub(crate) fn run(args: &Run, global: &Global) -> Result<ExitCode, Failure> {
    let mut ids = environment::run_ids(global);
    // The outermost one begins a run.
    ids.run_id.get_or_insert_with(|| clock::new_id().to_string());
    let execution = begin(args, &ids, global);
    let [program, arguments @ ..] = &args.command[..] else { return Ok(ExitCode::CouldNot) };
    let mut command = Command::new(program);
    command.args(arguments);
    environment::tell(&mut command, &ids, execution.as_ref().map(Execution::id), global);

    let child = match Child::spawn(command, args.hash_output, global) {
        Ok(child) => child,
        Err(source) => {
            let failure = Failure::Command { program: program.clone(), source };
            let reason = failure::text(&failure);
            finish(execution, Status::Failed, failure.exit_code(), Some(reason), None);
            return Err(failure);
        }
    };
    let ended = child.wait();
    let (code, output_hash) = (ended.exit_code(), ended.output_hash.clone());
    finish(execution, ended.status(), code, ended.error_reason(), output_hash);
    ended.pass_on_the_rest();
    Ok(code)
}

/// The execution; `None` if the ledger cannot be opened, which must not keep the command from running.
fn begin(args: &Run, ids: &RunIds, global: &Global) -> Option<Execution> {
    let ledger = Ledger::open(&global.ledger)
        .inspect_err(|error| {
            let text = format!("the command is not recorded: {}", failure::text(error));
            output::warning(&text, failure::kind(error), global);
        })
        .ok()?;
    let mut execution = ledger.begin(Skill::new(&args.skill, &args.skill_version).run(ids.clone()));
    if let Some(model) = &args.model {
        let record = execution.record();
        record.model.name = Some(model.clone());
        (record.cost_tier, record.cost.source) = (Some(CostTier::Unknown), Some(CostSource::Unknown));
    }
    Some(execution)
}

fn finish(
    execution: Option<Execution>,
    status: Status,
    code: ExitCode,
    error_reason: Option<String>,
    output_hash: Option<String>,
) {
    let Some(mut execution) = execution else { return };
    let record = execution.record();
    record.output_hash = output_hash;
    if status != Status::Success {
        record.error_code = Some(code.code().into());
        record.error_category = Some(ErrorCategory::Unknown);
    }
    if let Some(reason) = error_reason {
        record.set_error_reason(reason);
    }
    execution.finish(status).warn();
}
