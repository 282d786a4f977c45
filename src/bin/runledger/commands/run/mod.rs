//! `runledger run`

mod agent_stream;
mod child;
mod outcome;
mod recording;
mod signals;
mod tee;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use runledger::Skill;
use runledger::metrics::Status;

use crate::argument::name;
use crate::environment::UNKNOWN_VERSION;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::record_args::Fields;
use crate::{clock, environment};
use child::{Child, Ended, Reads};
use outcome::Outcome;
use recording::Recording;

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
/// If the rules for secrets in RUNLEDGER_REDACTION cannot be used, the command runs, but is not recorded.
///
/// If the exit code of the command is not 0, the execution is recorded as failed or, after some signals, as cancelled.
/// The recorded reason is the last line that the command wrote to stderr. If the command wrote nothing to stderr, or if
/// stderr is a terminal, the reason is the exit code or the signal. If the command leaves processes running, `runledger
/// run` waits until they close stderr.
///
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT are forwarded to the command. A signal that was ignored when `runledger run`
/// started stays ignored. If the command fails after one of these four signals, the execution is recorded as cancelled.
/// SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO and SIGTSTP are forwarded too. In the foreground of a terminal,
/// SIGINT, SIGQUIT and SIGTSTP are not forwarded, because the terminal also sends them to the command. If the command
/// is suspended, `runledger run` suspends too, and both resume together. As PID 1 in a container, `runledger run` also
/// reaps orphaned processes.
///
/// The command's environment contains RUNLEDGER_PATH, RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID. If the
/// command calls `runledger run`, `start` or `log`, these variables provide the ledger, the run and the parent of the
/// new execution. If TRACEPARENT is set, it is recorded and passed to the command unchanged.
///
/// If the command's arguments contain `--output-format stream-json`, stdout is also read as the output of Claude Code.
/// The record then contains the calls of models and tools. The record's tags contain the ids of the calls, so that
/// `runledger import` does not count these calls again.
///
/// The options below set fields of the record. The fields are stored when the command has ended. If tokens or a cost
/// are given, the record has one call of the model. If --model is given without tokens and without a cost, the cost is
/// unknown. `--outcome PASS` is stored only if the command succeeds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: record a nightly job
  runledger run --skill nightly-index --skill-version 1.4.0 -- ./index.sh --all

Exit codes:
  the command's exit code
  128 + N if signal N ended the command
  127 if the command does not exist, 126 if it cannot be executed
  2 if the arguments are wrong")]
pub(crate) struct Args {
    /// The skill of the execution, which is the name of this kind of work [default: the file name of the command]
    #[arg(long, value_name = "NAME", value_parser = name)]
    skill: Option<String>,
    /// The version of the skill
    #[arg(long, value_name = "VERSION", default_value = UNKNOWN_VERSION)]
    skill_version: String,
    /// Record the SHA-256 of stdout. The command's stdout is then a pipe instead of a terminal, and the execution ends
    /// when every process has closed that pipe
    #[arg(long)]
    hash_output: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    own: OwnPrices,
}

/// If the user's rules for secrets cannot be used, `unusable` says why, and the command is not recorded.
pub(crate) fn run(args: &Args, unusable: Option<&Failure>, global: &Global) -> Result<ExitCode, Failure> {
    let mut ids = args.fields.run_ids(global);
    // Only the outermost `runledger run` creates an id. Calls inside its command find this id in the environment.
    ids.run_id.get_or_insert_with(|| clock::new_id().to_string());
    let version = if args.skill_version.trim().is_empty() { UNKNOWN_VERSION } else { &args.skill_version };
    let kind = args.fields.kind.clone().unwrap_or_default();
    let [program, arguments @ ..] = &args.command[..] else { return Ok(ExitCode::CouldNot) };
    let skill = args.skill.clone().unwrap_or_else(|| skill_of(program));
    let mut recording = match unusable {
        None => Recording::begin(Skill::new(skill, version).kind(kind).run(ids.clone()), global),
        Some(failure) => Recording::nowhere(failure, global),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    environment::pass_on(&mut command, &ids, recording.id(), global);

    let reads = Reads { hash: args.hash_output, agent: agent_stream::is_requested(arguments) };
    let child = match Child::spawn(command, reads, global) {
        Ok(child) => child,
        Err(source) => {
            let failure = Failure::Command { program: program.clone(), source };
            let error_reason = Some(failure::text(&failure));
            let code = failure.exit_code();
            let outcome = Outcome { status: Status::Failed, code, error_reason, output_hash: None, agent: None };
            recording.finish(outcome, &args.fields, &args.own, global);
            return Err(failure);
        }
    };
    let exited = child.wait();
    // The execution ends here. The wait for the last line of stderr is not part of it.
    recording.stop_clock();
    let Ended { outcome, rest } = exited.outcome();
    let code = outcome.code;
    recording.finish(outcome, &args.fields, &args.own, global);
    rest.pass_on();
    Ok(code)
}

/// Returns the name of the skill of a command without --skill: the file name of the program.
fn skill_of(program: &OsStr) -> String {
    let file = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    // Every record needs a name that is not blank.
    if file.trim().is_empty() { "command".to_owned() } else { file.into_owned() }
}
