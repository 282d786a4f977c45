//! The command line: every argument, with its help. One file a command; no other file names clap.

mod baseline;
mod compare;
mod cost;
mod export;
mod head;
mod list;
mod period;
mod price;
mod prices;
mod quota;
mod retention;
mod show;
mod verify;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use baseline::{Baseline, BaselineCommand, BaselineFreeze, BaselineStability};
pub(crate) use compare::Compare;
pub(crate) use cost::{Cost, CostCommand, CostExplain, Discrepancy};
pub(crate) use export::{Export, ExportWorkflow};
pub(crate) use head::Head;
pub(crate) use list::List;
pub(crate) use period::{Period, Window};
pub(crate) use price::Price;
pub(crate) use prices::{PriceSource, Prices, PricesCheck, PricesImport};
pub(crate) use quota::Quota;
pub(crate) use retention::{Retention, RetentionScope};
pub(crate) use show::Show;
pub(crate) use verify::Verify;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: a fault or a regression was found, or no execution has the id
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
    Price(Price),
    #[command(subcommand)]
    Prices(Prices),
    Quota(Quota),
    Baseline(Baseline),
    Compare(Compare),
    #[command(subcommand)]
    Export(Export),
    #[command(subcommand)]
    Retention(Retention),
}
