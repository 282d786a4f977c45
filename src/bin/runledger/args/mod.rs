//! The command line: every argument, with its help. One file a command; no other file names clap.

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
mod metadata;
mod metrics;
mod name;
mod open;
mod period;
#[cfg(feature = "postgres")]
pub(crate) mod pg;
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
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::answer;

pub(crate) use baseline::{Baseline, BaselineCommand, BaselineFreeze, BaselineStability};
pub(crate) use compare::Compare;
pub(crate) use complete::{Complete, Outcome};
pub(crate) use completions::Completions;
pub(crate) use cost::{Cost, CostCommand, CostExplain, Discrepancy};
pub(crate) use doctor::Doctor;
pub(crate) use errors::{Errors, ErrorsCommand};
pub(crate) use escalate::Escalate;
pub(crate) use export::{Export, ExportCsv, ExportMarkdown, ExportWorkflow, RunLogs};
pub(crate) use gate::Gate;
pub(crate) use head::Head;
pub(crate) use list::List;
pub(crate) use metrics::Metrics;
pub(crate) use open::Open;
pub(crate) use period::{Period, Selection, Window};
pub(crate) use pg::Pg;
pub(crate) use pipe::Pipe;
pub(crate) use policy::Policy;
pub(crate) use price::Price;
pub(crate) use prices::{PriceSource, Prices, PricesCheck, PricesImport};
pub(crate) use progress::Progress;
pub(crate) use quota::Quota;
pub(crate) use retention::{Retention, RetentionScope};
pub(crate) use run::Run;
pub(crate) use show::Show;
pub(crate) use start::Start;
pub(crate) use tail::Tail;
pub(crate) use verify::Verify;

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
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Ends the process when the arguments are wrong, with code 2, or ask for help.
    pub(crate) fn from_command_line() -> Self {
        let parsed = Self::command_as_set().try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        parsed.unwrap_or_else(|error| {
            let args: Vec<_> = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
            let full = error.render().to_string();
            let text = without_secrets(&full, &args);
            if error.use_stderr() && answers_in_json(&args) {
                answer::usage(text.trim_start_matches("error: "), args.iter().any(|arg| arg == "--json"));
            }
            if text != full {
                eprint!("{text}");
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
    }

    /// The arguments, without the variables that are empty: those are not set.
    fn command_as_set() -> clap::Command {
        fn unset(command: clap::Command) -> clap::Command {
            let is_empty = |arg: &clap::Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
            let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg });
            command.mut_subcommands(unset)
        }
        // As a rule none is, and the way through all arguments is long for each start.
        match env::vars_os().any(|(_, value)| value.is_empty()) {
            true => unset(Self::command()),
            false => Self::command(),
        }
    }
}

/// The text without the passwords in the arguments that it repeats: the address of a database may stand where none is wanted.
fn without_secrets(text: &str, args: &[String]) -> String {
    let secret = |arg: &'_ String| -> Option<String> {
        let in_url = || Some(arg.split_once("://")?.1.rsplit_once('@')?.0.split_once(':')?.1);
        let secret = arg.split_once("password=").map(|(_, secret)| secret).or_else(in_url);
        secret.filter(|secret| !secret.is_empty()).map(str::to_owned)
    };
    args.iter().filter_map(secret).fold(text.to_owned(), |text, secret| text.replace(&secret, "***"))
}

/// Whether the arguments, which are wrong, name a command that answers in JSON always.
fn answers_in_json(args: &[String]) -> bool {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "start" | "progress" | "complete" => return true,
            "--ledger" => _ = args.next(),
            option if option.starts_with('-') => {}
            _ => return false,
        }
    }
    false
}

/// Where the arguments of every command stand in a help.
const BELOW_A_COMMANDS_OWN: usize = 900;

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The ledger's file; a command that records makes it
    #[arg(long, global = true, value_name = "PATH", env = "RUNLEDGER_PATH", hide_env_values = true)]
    #[arg(display_order = BELOW_A_COMMANDS_OWN)]
    #[arg(default_value = "logs/execution_metrics.jsonl")]
    pub(crate) ledger: PathBuf,
    /// Answer in JSON; errors and warnings too
    #[arg(long, global = true, display_order = BELOW_A_COMMANDS_OWN)]
    pub(crate) json: bool,
}

/// The commands, as the help lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // What records, …
    Run(Run),
    Start(Start),
    Progress(Progress),
    Complete(Complete),
    Pipe(Pipe),
    // … what ran, …
    List(List),
    Show(Show),
    Tail(Tail),
    Open(Open),
    // … whether that can be relied on, …
    Verify(Verify),
    Head(Head),
    Doctor(Doctor),
    // … what it cost and what is left, …
    Cost(Cost),
    Price(Price),
    #[command(subcommand)]
    Prices(Prices),
    Quota(Quota),
    // … what is normal, …
    Baseline(Baseline),
    Compare(Compare),
    // … what a production must know of itself, …
    Metrics(Metrics),
    Gate(Gate),
    Escalate(Escalate),
    Policy(Policy),
    // … and where the records go.
    #[command(subcommand)]
    Export(Export),
    Errors(Errors),
    #[command(subcommand)]
    Retention(Retention),
    Pg(Pg),
    Completions(Completions),
}

impl Command {
    /// Whether it may read the whole ledger before it answers.
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

    /// Whether it only reads the ledger, and says nothing of its end itself.
    pub(crate) fn reads_only(&self) -> bool {
        let judges = matches!(self, Self::Verify(_) | Self::Head(_) | Self::Gate(_));
        (self.reads_all() && !judges) || matches!(self, Self::Tail(_) | Self::Open(_) | Self::Errors(_) | Self::Pg(_))
    }
}
