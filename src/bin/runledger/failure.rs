//! The reasons why a command fails, with their texts and exit codes.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use runledger::ErrorKind;

use crate::execution_id::Candidate;
use crate::exit_code::ExitCode;
use crate::global::Global;
use crate::term::output;

/// Why a command failed. As in the library, the text of an error does not contain the text of its source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Library(#[from] runledger::Error),
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    #[error("cannot {operation}: {}", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {operation}: {}: found a file; expected a new file. {advice}", path.display())]
    Exists { operation: &'static str, path: PathBuf, advice: &'static str },
    #[error("cannot read a head: {}", path.display())]
    Head { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error(
        "cannot append to the job summary: GITHUB_STEP_SUMMARY is not set; expected the path of a file, as in a step of GitHub Actions"
    )]
    NoStepSummary,
    #[error("cannot read the input")]
    Input(#[source] io::Error),
    #[error("no execution has the id {0}")]
    Absent(String),
    #[error("no execution in flight has an id that begins with {0}; `runledger open` lists the executions in flight")]
    NotInFlight(String),
    #[error(
        "no execution and no run has the id {0:?}; expected an id such as 019c5d2a-5a40-7000-8000-000000000001, its first digits, or a run_id"
    )]
    NeitherIdNorRun(String),
    /// [`Failure::report`] writes the candidates below the text.
    #[error("cannot show one execution of the run {run:?}: found {count}; expected 1. {}", several(run))]
    SeveralOfRun { run: String, count: usize, candidates: Vec<Candidate> },
    #[error("no execution belongs to the run {0:?}")]
    NoRun(String),
    #[error("cannot find the latest run: {}: no record has a run_id. Name a run with --run, or set RUNLEDGER_RUN_ID when you record", .0.display())]
    NoRunYet(PathBuf),
    #[error("no hold has the id {0}: nothing was reserved yet")]
    NoHold(u64),
    #[error("cannot set the limit of {api:?}: {why}")]
    Limit { api: String, why: String },
    #[error("cannot remove the limit of {api:?}: {}: found no such limit; expected one that `runledger quota set` stored", path.display())]
    NoLimit { api: String, path: PathBuf },
    #[error("cannot change the limits: {}: another process held the lock at every attempt within {deadline_ms} ms", path.display())]
    LimitsLocked { path: PathBuf, deadline_ms: u128 },
    #[error("cannot read the amount {found:?}: expected `unknown` or {expected}")]
    Amount { found: String, expected: &'static str },
    #[error("no error has the number {0}")]
    NoError(runledger::runlog::ErrorId),
    /// [`Failure::report`] writes the candidates below the text.
    #[error("{several} executions have an id that begins with {prefix}")]
    Ambiguous { several: String, prefix: String, candidates: Vec<Candidate> },
    /// [`Failure::report`] writes the candidates below the text.
    #[error("{several} runs have an id that begins with {beginning:?}")]
    AmbiguousRun { several: String, beginning: String, candidates: Vec<String> },
    #[error("cannot report the head: the ledger has faults ({0}), which `runledger verify` lists")]
    Faulty(u64),
    #[error("cannot report the head: {}: found no ledger id; expected a ledger with its internal directory, which stores the id", .0.display())]
    NoIdentity(PathBuf),
    #[error("no baselines are frozen {of} in {}; run `runledger baseline freeze`", path.display())]
    NotFrozen { of: String, path: PathBuf },
    #[error("cannot read the baselines of the latest frozen week: {}: found a damaged line; expected frozen baselines. Name a week with --week", .0.display())]
    DamagedWeek(PathBuf),
    #[error("no errors are registered yet in {}; run `runledger export markdown`", .0.display())]
    NoRegistry(PathBuf),
    #[error("--week-start sets the first day of the weeks of the report; found --by {0}, expected --by week")]
    WeekStart(&'static str),
    #[error(
        "cannot import {}: found no such file, and no such agent; expected a file, or claude-code, codex, gemini or \
         stream-json",
        .0.display()
    )]
    NothingToImport(PathBuf),
    #[error(
        "cannot import records from {}: found a session of {agent}; run `runledger import {agent} {}` to import it",
        path.display(), path.display()
    )]
    SessionToImport { path: PathBuf, agent: &'static str },
    #[error("{option} applies only to an import of {of}")]
    OtherImport { option: &'static str, of: &'static str },
    #[error("{0}")]
    Period(String),
    #[error(
        "cannot read a price table: {}: found the table of {project}; expected a table that was imported. Run `{command}`, and pass {out} instead",
        path.display()
    )]
    NotImported { path: PathBuf, project: &'static str, command: String, out: String },
    #[error(
        "cannot price the unknown model {0:?}; to explain the cost of an execution, run `runledger cost explain --execution {0}`"
    )]
    IdOfExecution(String),
    #[error(
        "cannot import prices: {}: found the table of {found}; expected the table of {expected}. Use --from {found}",
        path.display()
    )]
    OtherProject { path: PathBuf, expected: &'static str, found: &'static str },
    #[error(
        "cannot import prices: {}: found a table that is already imported, for use with --prices; expected the table of genai-prices or LiteLLM",
        .0.display()
    )]
    AlreadyImported(PathBuf),
    #[error("cannot run the command: {}", program.display())]
    Command { program: std::ffi::OsString, source: io::Error },
    #[error("cannot {operation}: {}: this is the ledger", path.display())]
    IsLedger { operation: &'static str, path: PathBuf },
    #[error(
        "cannot read the ledger: {}: found a file without a record; expected the file of a ledger; to use another ledger, set --ledger PATH or RUNLEDGER_PATH",
        .0.display()
    )]
    NotALedger(PathBuf),
    #[error(
        "cannot show the tree of {0}: found more than {1} executions with a parent; expected at most {1}. `runledger list --run ID --all` lists a run"
    )]
    LargeTree(runledger::Uuid, usize),
    #[error(
        "cannot show the screen: found a pipe or --json; expected a terminal. `runledger top --once` prints it once"
    )]
    #[allow(dead_code, reason = "only `top` returns it, and a build may lack `top`")]
    NoScreen,
    #[error("this runledger was built without OTLP; build it with the features cli and otlp")]
    #[allow(dead_code, reason = "only a build without OTLP returns it")]
    NoOtlp,
    #[error("{0}")]
    #[allow(dead_code, reason = "only `ship otlp` returns it")]
    CollectorArgument(String),
    #[error("cannot ship the ledger: {0}")]
    #[allow(dead_code, reason = "only `ship otlp` returns it")]
    Collector(String),
}

impl Failure {
    /// Returns the failure of creating a new file at `path`.
    pub(crate) fn of_new_file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { operation, path, advice: "Choose another name" },
            _ => Self::File { operation, path, source },
        }
    }

    /// Returns the kind of the failure, for the JSON output.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Library(error) => kind(error),
            Self::Output(_)
            | Self::Input(_)
            | Self::Collector(_)
            | Self::File { .. }
            | Self::Exists { .. }
            | Self::Command { .. } => "io",
            Self::Head { .. }
            | Self::NotImported { .. }
            | Self::OtherProject { .. }
            | Self::AlreadyImported(_)
            | Self::DamagedWeek(_) => "malformed",
            Self::Absent(_)
            | Self::NotInFlight(_)
            | Self::NeitherIdNorRun(_)
            | Self::NoRun(_)
            | Self::NoRunYet(_)
            | Self::NoError(_)
            | Self::NoLimit { .. }
            | Self::NothingToImport(_)
            | Self::NotFrozen { .. }
            | Self::NoRegistry(_) => "absent",
            Self::NoHold(_) => "unknown_hold",
            Self::Limit { .. } => "invalid",
            Self::LimitsLocked { .. } => "timeout",
            Self::Amount { .. }
            | Self::NoScreen
            | Self::NoOtlp
            | Self::CollectorArgument(_)
            | Self::WeekStart(_)
            | Self::Period(_)
            | Self::OtherImport { .. }
            | Self::SessionToImport { .. }
            | Self::NoStepSummary => "usage",
            Self::Ambiguous { .. } | Self::AmbiguousRun { .. } | Self::SeveralOfRun { .. } => "ambiguous",
            Self::IdOfExecution(_) => "unknown_model",
            Self::Faulty(_) => "faulty",
            Self::IsLedger { .. } | Self::NoIdentity(_) | Self::NotALedger(_) | Self::LargeTree(..) => "unsuitable",
        }
    }

    /// Writes to stderr why the command failed.
    pub(crate) fn report(&self, global: &Global) {
        let mut text = text(self);
        if let Self::Library(error) = self
            && error.file() == Some(&global.ledger)
            && (matches!(global.ledger.try_exists(), Ok(false)) || is_not_a_ledger(error))
        {
            text.push_str("; to use another ledger, set --ledger PATH or RUNLEDGER_PATH");
        }
        if let Self::Ambiguous { candidates, .. } | Self::SeveralOfRun { candidates, .. } = self {
            output::error_with_candidates(&text, self.kind(), candidates, global.style());
        } else if let Self::AmbiguousRun { candidates, .. } = self {
            output::error_with_candidates(&text, self.kind(), candidates, global.style());
        } else {
            output::error(&text, self.kind(), global.style());
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Absent(_)
            | Self::NotInFlight(_)
            | Self::NeitherIdNorRun(_)
            | Self::NoRun(_)
            | Self::NoError(_)
            | Self::NoHold(_)
            | Self::NoLimit { .. }
            | Self::Faulty(_) => ExitCode::No,
            Self::Library(error)
                if matches!(error.kind(), ErrorKind::UnknownExecution | ErrorKind::UnknownHold | ErrorKind::Ended) =>
            {
                ExitCode::No
            }
            Self::Command { source, .. } => ExitCode::of_not_run(source),
            _ => ExitCode::CouldNot,
        }
    }
}

/// Returns advice for a run that has several executions.
fn several(run: &str) -> String {
    // Most ids contain only characters that need no quotes in a shell.
    let is_plain = run.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    let run = if is_plain { run.to_owned() } else { format!("'{}'", run.replace('\'', "'\\''")) };
    format!("`runledger list --run {run} --all` lists these executions, and `runledger show {run} --tree` sums them up")
}

/// Returns true if the file exists, and the library refused it because it does not belong to a ledger. Such an error
/// has the kind `Io` and no cause, because the operating system did not report an error.
fn is_not_a_ledger(error: &runledger::Error) -> bool {
    error.kind() == ErrorKind::Io && error.cause().is_none()
}

/// Converts an error of the library to a failure. Returns [`Failure::Output`] if the program that reads the output has
/// closed the output.
pub(crate) fn to_output(error: runledger::Error) -> Failure {
    match error.io_kind() {
        Some(kind @ io::ErrorKind::BrokenPipe) => Failure::Output(kind.into()),
        _ => error.into(),
    }
}

/// Returns the kind of an error of the library, for the JSON output.
pub(crate) fn kind(error: &runledger::Error) -> &'static str {
    match error.kind() {
        ErrorKind::Io => "io",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Invalid => "invalid",
        ErrorKind::Unsuitable => "unsuitable",
        ErrorKind::Malformed => "malformed",
        ErrorKind::Newer => "newer",
        ErrorKind::Stale => "stale",
        ErrorKind::UnknownModel => "unknown_model",
        ErrorKind::Unpriced => "unpriced",
        ErrorKind::UnknownLimit => "unknown_limit",
        ErrorKind::UnknownExecution => "unknown_execution",
        ErrorKind::UnknownHold => "unknown_hold",
        ErrorKind::Ended => "ended",
        ErrorKind::Overflow => "overflow",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Abandoned => "abandoned",
        ErrorKind::Diverged => "diverged",
        ErrorKind::Archived => "archived",
        ErrorKind::Database => "database",
        _ => "other",
    }
}

/// Returns the text of an error and of all its sources, in one line.
pub(crate) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
