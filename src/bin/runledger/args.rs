//! The command line: every argument, with its help. The only file that names clap.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use runledger::metrics::Status;

use crate::show::IdPrefix;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: a fault was found, or no execution has the id
  2  it could not be done; stderr says why

Answers go to stdout. Errors and warnings go to stderr, one line each, and with --json as one object each; only wrong
arguments are answered with clap's own text.
An unknown value is `-` in a table and null in JSON, never 0.";

/// Asks a ledger of skill executions what ran, what it cost, what quota is left, and what is normal.
#[derive(Debug, Parser)]
#[command(name = "runledger", version, color = clap::ColorChoice::Never, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Ends the process when the arguments are wrong, with code 2, or ask for help.
    pub(crate) fn from_command_line() -> Self {
        Self::parse()
    }
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The ledger
    #[arg(long, global = true, value_name = "PATH", env = "RUNLEDGER_PATH", hide_env_values = true)]
    #[arg(default_value = "logs/execution_metrics.jsonl")]
    pub(crate) ledger: PathBuf,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Show(Show),
    Verify(Verify),
    Head(Head),
    Cost(Cost),
    Quota(Quota),
    Baseline(Baseline),
}

/// List executions, the newest last
///
/// Times are UTC. An id is cut to what tells it from all others; `show` takes it so. With --json, each line is a whole
/// record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the last failures of one skill
  runledger list --skill blog-publish --status failed --limit 5")]
pub(crate) struct List {
    /// Only this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    /// Only executions that ended so
    #[arg(long, value_parser = status())]
    pub(crate) status: Option<Status>,
    /// How many at most
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

fn status() -> impl TypedValueParser<Value = Status> {
    let known = ["success", "failed", "cancelled", "interrupted", "panicked", "paused"];
    PossibleValuesParser::new(known).map(|text| Status::from(text.as_str()))
}

/// Show one execution's record, as JSON
///
/// If several lines have its id, the last one is shown. With --json, it is one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a listed execution used
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'")]
pub(crate) struct Show {
    /// Its id, or the beginning of it that no other has
    pub(crate) id: IdPrefix,
}

/// Verify every line of the ledger, the chain over them, and heads that were kept elsewhere
///
/// Nothing is changed. Exits with 0 if the ledger is whole, and with 1 if there is a fault.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: does the ledger still contain what it held when the heads were kept?
  runledger verify --head heads.jsonl")]
pub(crate) struct Verify {
    /// Heads that the ledger must contain, one or more in a file, as JSON
    #[arg(long = "head", value_name = "FILE")]
    pub(crate) heads: Vec<PathBuf>,
}

/// Give the ledger's head, to be kept elsewhere
///
/// The ledger is verified first; of one with faults no head is given. Nothing is changed. `verify --head` reads what
/// --json gives.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keep a head where the ledger's machine cannot reach it
  runledger head --json >> /mnt/elsewhere/heads.jsonl")]
pub(crate) struct Head {}

/// Sum up what the executions cost
///
/// Sums are exact, over what is known; how many executions do not say is counted beside each. An execution that lists
/// its calls and used several models counts under each of them with that model's calls; one that does not list its
/// calls counts as one call. Executions that used no model are counted apart.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which skill is the dearest?
  runledger cost --by skill --json | jq '.groups | max_by(.cost_usd).name'")]
pub(crate) struct Cost {
    /// What to sum up by
    #[arg(long, value_enum, default_value = "model")]
    pub(crate) by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Model,
    Skill,
}

/// Tell what is left of each quota
///
/// Limits are those that come with runledger; what was used and is held is read from `quota.jsonl` beside the ledger. If
/// there is none, nothing was used. With --json, each line is one quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: how many tokens are left?
  runledger quota openai-gpt4 --json | jq .remaining")]
pub(crate) struct Quota {
    /// Only this API
    pub(crate) api: Option<String>,
}

/// Compute what is normal, for each skill
///
/// Latencies are percentiles of `total_latency_ms`. The same records give the same bytes of JSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keep the baselines of today
  runledger baseline --out logs/baselines.json")]
pub(crate) struct Baseline {
    /// Only this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    /// Write them to this file, as JSON, and print nothing; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
