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

/// Run a command, and record it as an execution
///
/// The command reads stdin and writes stdout and stderr as if it were called directly. `runledger run` exits with the
/// command's exit code.
///
/// The command runs even if the execution cannot be recorded: a problem with the ledger is only a warning on stderr. If
/// other processes keep the ledger locked, the record is stored next to the ledger. The next command that writes to the
/// ledger appends the record.
///
/// If the ledger's directory cannot be used, the record is stored in $XDG_STATE_HOME/runledger/spill or, if that fails
/// too, in the temporary directory. A later command that can open the ledger appends the record.
///
/// An execution fails if the exit code of the command is not 0. The recorded reason is the last line that the command
/// wrote to stderr. If the command wrote nothing there, or if stderr is a terminal, the reason is the exit code or the
/// signal. If the command leaves processes running, `runledger run` waits until they close stderr.
///
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT are forwarded to the command, unless they were ignored when `runledger run`
/// started. If the command fails after one of these signals, the execution is recorded as cancelled. SIGUSR1, SIGUSR2,
/// SIGALRM, SIGVTALRM, SIGPROF, SIGIO and SIGTSTP are forwarded too. If the command is suspended, `runledger run`
/// suspends too, and both resume together. As PID 1 in a container, `runledger run` also reaps orphaned processes.
///
/// The command's environment contains RUNLEDGER_PATH, RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID. If the
/// command calls `runledger run` or `runledger start`, these variables provide the ledger, the run and the parent of
/// the new execution. If TRACEPARENT is set, it is recorded and passed to the command unchanged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: record a nightly job
  runledger run --skill nightly-index --skill-version 1.4.0 -- ./index.sh --all

Exit codes:
  the command's exit code
  128 + N if signal N ended the command
  127 if the command does not exist, 126 if it cannot be executed
  2 if the arguments are wrong")]
pub(crate) struct Args {
    /// The skill of the execution, which is the name of this kind of work
    #[arg(long, value_name = "NAME", value_parser = name)]
    skill: String,
    /// The version of the skill
    #[arg(long, value_name = "VERSION", default_value = UNKNOWN_VERSION)]
    skill_version: String,
    /// The model that the command uses. Only the name is recorded, and no cost is computed
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Record the SHA-256 of stdout. The command's stdout is then a pipe instead of a terminal, and the execution ends
    /// when every process has closed that pipe
    #[arg(long)]
    hash_output: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let mut ids = environment::run_ids(global);
    // The outermost `runledger run` creates the id of the run.
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
    // The execution ends here. The wait for the last line of stderr is not part of it.
    recording.stop_clock();
    let Ended { outcome, rest } = exited.outcome();
    let code = outcome.code;
    recording.finish(outcome, global);
    rest.pass_on();
    Ok(code)
}

/// Where the execution is recorded. The command runs even if the ledger cannot be used.
enum Recording {
    Ledger(Execution),
    /// The execution is recorded in another directory, because the ledger's directory cannot be used.
    Elsewhere(FallbackExecution),
    /// The execution is not recorded, because no directory can be used.
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
        // In a shell, an unset variable in quotes becomes an empty argument.
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
                        "the record is stored in {} until a later command can open the ledger: {}",
                        execution.path().display(),
                        failure::text(error)
                    );
                    output::warning(&text, failure::kind(error), global.style());
                    return Self::Elsewhere(execution);
                }
                Err(error) => warn("a record cannot be stored in another directory", &error, global.style()),
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
                    warn("the stored record says that the execution was interrupted", &error, global.style());
                }
            }
            Self::Nowhere => {}
        }
    }
}
