//! `runledger errors` and its commands

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::runlog::{ErrorId, Severity};

use super::export::RunLogs;

/// Tell which errors runs met, and say what became of them
///
/// `runledger export markdown` registers them. An error is OPEN until somebody resolves it, and REOPENED when it is met
/// again after that. Its severity is by a rule, until somebody says otherwise: CRITICAL if it ended an execution by a panic
/// or with its process, HIGH if it ended one otherwise, MEDIUM if the execution went on, LOW if it was mended there; of
/// several times the worst. After each change error-registry.md is made anew. Times are UTC.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which errors are open?
  runledger errors --json | jq 'select(.status != \"RESOLVED\") | .id, .message'")]
pub(crate) struct Errors {
    #[command(subcommand)]
    pub(crate) command: Option<ErrorsCommand>,
    #[command(flatten)]
    pub(crate) logs: RunLogs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ErrorsCommand {
    /// List all errors; with --json, each line is one error
    #[command(after_help = "Example: all of them
  runledger errors list")]
    List,
    /// Show all that is known of an error, as Markdown or JSON
    #[command(after_help = "Example: the first one
  runledger errors show ERR-001")]
    Show {
        /// Its number, such as ERR-001
        id: ErrorId,
    },
    /// Say how an error was mended
    #[command(after_help = "Example: it was mended
  runledger errors resolve ERR-001 --resolution 'the token is renewed in time'")]
    Resolve {
        /// Its number, such as ERR-001
        id: ErrorId,
        /// How it was mended
        #[arg(long, value_name = "TEXT")]
        resolution: String,
    },
    /// Say that a resolved error is not mended
    #[command(after_help = "Example: it was met again
  runledger errors reopen ERR-002")]
    Reopen {
        /// Its number, such as ERR-001
        id: ErrorId,
    },
    /// Say how bad an error is
    #[command(after_help = "Example: nobody is stopped by it
  runledger errors severity ERR-001 LOW")]
    Severity {
        /// Its number, such as ERR-001
        id: ErrorId,
        /// How bad it is
        #[arg(value_parser = severity())]
        severity: Severity,
    },
    /// Make error-registry.md anew, after a process died before it could
    #[command(after_help = "Example: the file was edited by hand
  runledger errors render")]
    Render,
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|text| text.parse())
}
