//! The commands: one file or folder each, with its arguments and their help beside it.

mod baseline;
mod compare;
mod complete;
mod completions;
mod cost;
mod doctor;
mod errors;
mod escalate;
mod export;
mod gate;
mod head;
mod list;
mod metrics;
mod open;
#[cfg(feature = "postgres")]
mod pg;
#[cfg(not(feature = "postgres"))]
#[path = "no_pg.rs"]
mod pg;
mod pipe;
mod policy;
mod price;
mod prices;
mod progress;
mod quota;
mod retention;
mod run;
mod show;
mod start;
mod tail;
mod verify;

use std::env;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::{records, usage};

const ABOUT_ALL: &str = "\
Example: record an execution, and look at it
  runledger run --skill nightly-index -- sleep 0.1
  runledger list

Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: a fault or a regression was found,
     a run fails its gate, no execution has the id, …
  2  it could not be done; stderr says why
`run` ends with the exit code of its command.

Answers go to stdout. Errors and warnings go to stderr, one line each, and with --json as one object each; \
only wrong arguments are answered with other text. An unknown value is `-` in a table and null in JSON, never 0. \
There are no colours.

A table is as wide as the terminal, or as COLUMNS says, and has 80 columns elsewhere. Where that does not do, names are \
cut; on a terminal, columns that still find no room go on in a second line.";

/// Records skill executions in a ledger, and asks it what ran, what it cost, what quota is left, what is normal.
#[derive(Debug, Parser)]
#[command(name = "runledger", version, color = clap::ColorChoice::Never, max_term_width = 100)]
#[command(after_help = ABOUT_ALL)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl CommandLine {
    /// Returns the arguments. Ends the process with code 2 if they are wrong, and with code 0 if they ask for help.
    pub(crate) fn read() -> Self {
        let parsed = Self::command_as_set().try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        parsed.unwrap_or_else(|error| {
            // The command is known if it precedes the fault.
            let matches = Self::command_as_set().ignore_errors(true).try_get_matches().ok();
            usage::end(&error, matches.as_ref().and_then(|matches| matches.subcommand_name()))
        })
    }

    /// Returns the arguments, without the variables that are empty: an empty variable counts as not set.
    fn command_as_set() -> clap::Command {
        fn unset(command: clap::Command) -> clap::Command {
            let is_empty = |arg: &clap::Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
            let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg });
            command.mut_subcommands(unset)
        }
        // Usually none is empty, and to visit all arguments at each start takes long.
        if env::vars_os().any(|(_, value)| value.is_empty()) { unset(Self::command()) } else { Self::command() }
    }
}

/// The commands, as the help lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // Commands that record.
    Run(run::Args),
    Start(start::Args),
    Progress(progress::Args),
    Complete(complete::Args),
    Pipe(pipe::Args),
    // Commands that show what ran.
    List(list::Args),
    Show(show::Args),
    Tail(tail::Args),
    Open(open::Args),
    // Commands that examine the ledger.
    Verify(verify::Args),
    Head(head::Args),
    Doctor(doctor::Args),
    // Commands about money and quotas.
    Cost(cost::Args),
    Price(price::Args),
    #[command(subcommand)]
    Prices(prices::Command),
    Quota(quota::Args),
    // Commands about what is normal.
    Baseline(baseline::Args),
    Compare(compare::Args),
    // Commands about a production.
    Metrics(metrics::Args),
    Gate(gate::Args),
    Escalate(escalate::Args),
    Policy(policy::Args),
    // Commands that pass records on.
    #[command(subcommand)]
    Export(export::Command),
    Errors(errors::Args),
    #[command(subcommand)]
    Retention(retention::Command),
    Pg(pg::Args),
    Completions(completions::Args),
}

impl Command {
    /// Whether the command may read the whole ledger before it answers.
    pub(crate) fn reads_all(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Show(_)
                | Self::Verify(_)
                | Self::Head(_)
                | Self::Cost(_)
                | Self::Baseline(_)
                | Self::Compare(_)
                | Self::Export(_)
                | Self::Metrics(_)
                | Self::Retention(_)
                | Self::Gate(_)
                | Self::Escalate(_)
        )
    }

    /// Whether the command only reads the ledger, and does not judge the ledger's end itself.
    fn reads_only(&self) -> bool {
        let judges = matches!(self, Self::Verify(_) | Self::Head(_) | Self::Gate(_));
        (self.reads_all() && !judges) || matches!(self, Self::Tail(_) | Self::Open(_) | Self::Errors(_) | Self::Pg(_))
    }

    /// Runs the command; its answer goes to `out`.
    pub(crate) fn run(&self, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
        if self.reads_only() {
            records::warn_of_truncation(global);
        }
        match self {
            Self::Run(args) => run::run(args, global),
            Self::Start(args) => start::run(args, global, out),
            Self::Progress(args) => progress::run(args, global, out),
            Self::Complete(args) => complete::run(args, global, out),
            Self::Pipe(_) => pipe::run(global, out),
            Self::List(args) => list::run(args, global, out),
            Self::Show(args) => show::run(args, global, out),
            Self::Tail(args) => tail::run(args, global, out),
            Self::Open(_) => open::run(global, out),
            Self::Verify(args) => verify::run(args, global, out),
            Self::Head(_) => head::run(global, out),
            Self::Doctor(_) => doctor::run(global, out),
            Self::Cost(args) => cost::run(args, global, out),
            Self::Price(args) => price::run(args, out),
            Self::Prices(args) => prices::run(args, global, out),
            Self::Quota(args) => quota::run(args, global, out),
            Self::Baseline(args) => baseline::run(args, global, out),
            Self::Compare(args) => compare::run(args, global, out),
            Self::Metrics(args) => metrics::run(args, global, out),
            Self::Gate(args) => gate::run(args, global, out),
            Self::Escalate(args) => escalate::run(args, global, out),
            Self::Policy(args) => policy::run(args, out),
            Self::Export(args) => export::run(args, global, out),
            Self::Errors(args) => errors::run(args, global, out),
            Self::Retention(args) => retention::run(args, global, out),
            Self::Pg(args) => pg::run(args, global, out),
            Self::Completions(args) => completions::run(args, &mut CommandLine::command(), out),
        }
    }
}
