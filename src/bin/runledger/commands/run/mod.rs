//! `runledger run`

mod child;
mod outcome;
mod signals;
mod tee;

use std::ffi::OsString;
use std::process::Command;

use runledger::ledger::{Execution, FallbackExecution};
use runledger::metrics::{CostSource, CostTier, ErrorCategory, RunIds, Status};
use runledger::{Error, ExecutionMetrics, Skill, Uuid};

use crate::argument::name;
use crate::environment::UNKNOWN_VERSION;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::term::output;
use crate::warnings::warn;
use crate::{clock, environment, fallback, ledger};
use child::{Child, Ended};
use outcome::Outcome;

/// Run a command as an execution
///
/// The command has the input, the output and the errors of this one, which ends with its exit code. Whether it can be
/// recorded or not, it runs; what goes wrong with the ledger is a warning on stderr. While other processes keep the ledger
/// locked, the record is spilled. If the ledger's place cannot be used, the record is kept in
/// $XDG_STATE_HOME/runledger/spill, or among the temporary files, until a command that records can open the ledger. The
/// command has failed unless its exit code is 0. The last line that it wrote to stderr is the reason, unless stderr is a terminal: that is left to the command,
/// and the exit code is the reason. What the command leaves running may write to stderr as long as it likes, and this
/// one stays for it.
///
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the command, unless they were ignored when this one was started. If
/// it does not succeed then, it was cancelled. SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO and SIGTSTP are passed
/// on as well. When the command stops, this one stops too, and the command goes on with it. As the first process of a
/// container, this one also waits for the orphans.
///
/// Its environment has RUNLEDGER_PATH, RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID, so that `runledger run` and
/// `runledger start` within it record what they belong to. A TRACEPARENT is recorded and left as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a nightly job
  runledger run --skill nightly-index --skill-version 1.4.0 -- ./index.sh --all

Exit codes:
  the command's own
  128 + N if signal N ended it
  127 if there is no such command, 126 if it could not be run
  2 for wrong arguments")]
pub(crate) struct Args {
    /// The skill that it is recorded as
    #[arg(long, value_name = "NAME", value_parser = name)]
    skill: String,
    /// The skill's version
    #[arg(long, value_name = "VERSION", default_value = UNKNOWN_VERSION)]
    skill_version: String,
    /// The model that it uses; what that costs stays unknown
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Record the SHA-256 of what it writes to stdout, which is no terminal for it then; the execution ends when that does
    #[arg(long)]
    hash_output: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let mut ids = environment::run_ids(global);
    // The outermost `runledger run` begins a run.
    ids.run_id.get_or_insert_with(|| clock::new_id().to_string());
    let mut recording = Recording::begin(args, &ids, global);
    let [program, arguments @ ..] = &args.command[..] else { return Ok(ExitCode::CouldNot) };
    let mut command = Command::new(program);
    command.args(arguments);
    environment::pass_on(&mut command, &ids, recording.id(), global);

    let child = match Child::spawn(command, args.hash_output, global) {
        Ok(child) => child,
        Err(source) => {
            let failure = Failure::Command { program: program.clone(), source };
            let error_reason = Some(failure::text(&failure));
            let code = failure.exit_code();
            recording.finish(Outcome { status: Status::Failed, code, error_reason, output_hash: None }, global);
            return Err(failure);
        }
    };
    let exited = child.wait();
    // The wait for the last line is not part of the execution.
    recording.stop_clock();
    let Ended { outcome, rest } = exited.outcome();
    let code = outcome.code;
    recording.finish(outcome, global);
    rest.pass_on();
    Ok(code)
}

/// Where the execution is recorded. The command runs whatever is wrong with the ledger.
enum Recording {
    Ledger(Execution),
    /// In another directory: the ledger's cannot be used.
    Elsewhere(FallbackExecution),
    /// No directory can be used.
    Nowhere,
}

impl Recording {
    fn begin(args: &Args, ids: &RunIds, global: &Global) -> Self {
        let version = if args.skill_version.trim().is_empty() { UNKNOWN_VERSION } else { &args.skill_version };
        let skill = Skill::new(&args.skill, version).run(ids.clone());
        let mut recording = match ledger::open(global) {
            Ok(ledger) => Self::Ledger(ledger.begin(skill)),
            Err(error) => Self::elsewhere(&skill, &error, global),
        };
        // A variable that is not set gives an empty argument in a shell.
        if let Some(model) = args.model.as_ref().filter(|model| !model.is_empty())
            && let Some(record) = recording.record_mut()
        {
            record.model.name = Some(model.clone());
            record.cost_tier = Some(CostTier::Unknown);
            record.cost.source = Some(CostSource::Unknown);
        }
        recording
    }

    fn elsewhere(skill: &Skill, error: &Error, global: &Global) -> Self {
        for fallback in fallback::all() {
            match fallback.begin(&global.ledger, skill.clone()) {
                Ok(execution) => {
                    let text = format!(
                        "the record is kept in {} until a command can open the ledger: {}",
                        execution.path().display(),
                        failure::text(error)
                    );
                    output::warning(&text, failure::kind(error), global.style());
                    return Self::Elsewhere(execution);
                }
                Err(error) => warn("a record cannot be kept elsewhere", &error, global.style()),
            }
        }
        warn("the command is not recorded", error, global.style());
        Self::Nowhere
    }

    fn id(&self) -> Option<Uuid> {
        match self {
            Self::Ledger(execution) => Some(execution.id()),
            Self::Elsewhere(execution) => Some(execution.id()),
            Self::Nowhere => None,
        }
    }

    fn record_mut(&mut self) -> Option<&mut ExecutionMetrics> {
        match self {
            Self::Ledger(execution) => Some(execution.record_mut()),
            Self::Elsewhere(execution) => Some(execution.record_mut()),
            Self::Nowhere => None,
        }
    }

    fn stop_clock(&mut self) {
        match self {
            Self::Ledger(execution) => execution.stop_clock(),
            Self::Elsewhere(execution) => execution.stop_clock(),
            Self::Nowhere => {}
        }
    }

    fn finish(mut self, outcome: Outcome, global: &Global) {
        let Some(record) = self.record_mut() else { return };
        record.output_hash = outcome.output_hash;
        if outcome.status != Status::Success {
            record.error_code = Some(outcome.code.code().into());
            record.error_category = Some(ErrorCategory::Unknown);
        }
        if let Some(reason) = outcome.error_reason {
            record.set_error_reason(reason);
        }
        match self {
            Self::Ledger(execution) => ledger::warn_of(&execution.finish(outcome.status), global),
            Self::Elsewhere(execution) => {
                if let Err(error) = execution.finish(outcome.status) {
                    warn("the record says that the execution was interrupted", &error, global.style());
                }
            }
            Self::Nowhere => {}
        }
    }
}
