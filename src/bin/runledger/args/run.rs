//! `runledger run`

use std::ffi::OsString;

use super::name::name;

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
pub(crate) struct Run {
    /// The skill that it is recorded as
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) skill: String,
    /// The skill's version
    #[arg(long, value_name = "VERSION", default_value = crate::environment::UNKNOWN_VERSION)]
    pub(crate) skill_version: String,
    /// The model that it uses; what that costs stays unknown
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Record the SHA-256 of what it writes to stdout, which is no terminal for it then; the execution ends when that does
    #[arg(long)]
    pub(crate) hash_output: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
