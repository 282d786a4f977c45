//! `runledger run`

mod child;
mod signals;
mod tee;

use std::process::Command;

use runledger::Skill;
use runledger::ledger::Execution;
use runledger::metrics::{CostSource, CostTier, ErrorCategory, RunIds, Status};

use crate::args::{Global, Run};
use crate::environment::UNKNOWN_VERSION;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::{clock, environment, ledger};
use child::{Child, Ended};

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
            let error_reason = Some(failure::text(&failure));
            let code = failure.exit_code();
            finish(execution, Outcome { status: Status::Failed, code, error_reason, output_hash: None }, global);
            return Err(failure);
        }
    };
    let Ended { outcome, rest } = child.wait();
    let code = outcome.code;
    finish(execution, outcome, global);
    rest.pass_on();
    Ok(code)
}

/// How the command ended, for the record.
struct Outcome {
    status: Status,
    code: ExitCode,
    /// Why it did not succeed.
    error_reason: Option<String>,
    output_hash: Option<String>,
}

/// The execution; `None` if the ledger cannot be opened, which must not keep the command from running.
fn begin(args: &Run, ids: &RunIds, global: &Global) -> Option<Execution> {
    let ledger =
        ledger::open(global).inspect_err(|error| ledger::warn("the command is not recorded", error, global)).ok()?;
    let version = if args.skill_version.trim().is_empty() { UNKNOWN_VERSION } else { &args.skill_version };
    let mut execution = ledger.begin(Skill::new(&args.skill, version).run(ids.clone()));
    // A shell's variable that is not set gives an empty one.
    if let Some(model) = args.model.as_ref().filter(|model| !model.is_empty()) {
        let record = execution.record();
        record.model.name = Some(model.clone());
        (record.cost_tier, record.cost.source) = (Some(CostTier::Unknown), Some(CostSource::Unknown));
    }
    Some(execution)
}

fn finish(execution: Option<Execution>, outcome: Outcome, global: &Global) {
    let Some(mut execution) = execution else { return };
    let record = execution.record();
    record.output_hash = outcome.output_hash;
    if outcome.status != Status::Success {
        record.error_code = Some(outcome.code.code().into());
        record.error_category = Some(ErrorCategory::Unknown);
    }
    if let Some(reason) = outcome.error_reason {
        record.set_error_reason(reason);
    }
    ledger::warn_of(&execution.finish(outcome.status), global);
}
