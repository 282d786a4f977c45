//! `runledger prices import` and `check`, and the tables that other commands take

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// Prices over the bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct OwnPrices {
    /// A price table of your own, whose rows count before the bundled ones
    #[arg(long, value_name = "FILE", env = "RUNLEDGER_PRICES", hide_env_values = true)]
    pub(crate) prices: Option<PathBuf>,
}

/// Make price tables, and tell how old they are
///
/// A table of your own, for --prices, needs no more than this; prices are in US dollars for a million tokens:
///
/// {"version": "contract 7", "as_of": "2026-11-20", "source": "our contract", "models": [
///   {"model": "gpt-4", "provider": "openai", "prices": [{"input": "24", "output": "48"}]}]}
///
/// Dates, hours, tiers, variants and all other prices: see the documentation of the library, module `cost`.
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
#[command(after_help = "Example: how old are they?
  runledger prices check")]
pub(crate) enum Prices {
    Import(PricesImport),
    Check(PricesCheck),
}

/// Turn a price table of another project into one for --prices
///
/// The table goes to stdout, or to a new file. stderr says how many models it has, how many prices were rounded to whole
/// pico-dollars, and what was left out and why. Nothing is fetched: the file must be here.
#[derive(Debug, clap::Args)]
#[command(after_help = r"Example: the prices of genai-prices, as they were on a day
  runledger prices import data.json --from genai-prices --as-of 2026-11-20 \
    --table-version 'genai-prices 0.2.3' --out prices.json")]
pub(crate) struct PricesImport {
    /// The other project's file
    pub(crate) file: PathBuf,
    /// Which project's
    #[arg(long, value_enum, value_name = "PROJECT")]
    pub(crate) from: PriceSource,
    /// What records will name the table by
    #[arg(long, value_name = "TEXT")]
    pub(crate) table_version: String,
    /// The day on which the prices were looked up, such as 2026-11-20
    #[arg(long, value_name = "DAY")]
    pub(crate) as_of: String,
    /// Where the prices come from, and under which licence; the project and its licence if it is not told
    #[arg(long, value_name = "TEXT")]
    pub(crate) source: Option<String>,
    /// Write to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PriceSource {
    GenaiPrices,
    Litellm,
}

impl PriceSource {
    pub(crate) fn credit(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices, MIT licence",
            Self::Litellm => "LiteLLM, MIT licence",
        }
    }
}

/// Tell how old the prices are
///
/// Exits with 1 if a table is older than allowed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that fails when prices are older than two weeks
  runledger prices check --max-age-days 14")]
pub(crate) struct PricesCheck {
    /// How many days old a table may be
    #[arg(long, value_name = "DAYS", default_value = "30")]
    pub(crate) max_age_days: u32,
    #[command(flatten)]
    pub(crate) own: OwnPrices,
}
