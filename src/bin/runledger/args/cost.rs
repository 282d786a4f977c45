//! `runledger cost`, `cost discrepancy` and `cost explain`

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::Timestamp;
use runledger::cost::By;
use runledger::metrics::Meter;

use super::period::Period;
use super::prices::OwnPrices;
use crate::show::IdPrefix;

/// Sum up what the executions cost
///
/// Sums are exact, over what is known; how many executions have no price is counted beside each, never taken as 0. An
/// execution counts at the time it began. One that lists its calls and used several models counts under each of them.
/// Executions that used no model are counted apart.
///
/// The input is what was neither read from a cache nor written to one, as far as that was reported; `cache w` and
/// `cache r` are what was. Below the table stands of how many executions each count is unknown, wholly or for one of
/// their models.
///
/// In a table a count from 10,000 on is rounded to three digits (12.3M), an amount in US dollars to the cent from 1 on,
/// to a hundredth of it below, to three digits from a million on, each half to even. What that would make 0 and is not is
/// `<0.0001`. --json has every digit.
///
/// --json gives an object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or
/// `agents`, and `totals`. The names are ccusage's where it has them: `daily`, `weekly`, `monthly`, `totals`, `date`,
/// `week`, `month`, `inputTokens`, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`, `totalTokens`, `totalCost`,
/// `modelsUsed`, `modelBreakdowns` with `modelName`, `cost` and `missingPricing`, and `unpricedModels`. As there,
/// `inputTokens` leaves out the cached ones, and a week has the date of its first day. Ours are `executions`, `unpriced`,
/// `unreported` (of how many executions each count of tokens is unknown), `withoutModel` and `malformedLines`. What is
/// unknown is null where ccusage writes 0, and amounts are exact decimals where it writes floats.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: what did each day of November cost in Zurich?
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 \\
    --zone Europe/Zurich")]
pub(crate) struct Cost {
    #[command(subcommand)]
    pub(crate) command: Option<CostCommand>,
    /// What to sum up by; weeks are those of ISO 8601, from Monday on
    #[arg(long, value_name = "GROUP", value_parser = by(), default_value = By::Model.name())]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) period: Period,
}

fn by() -> impl TypedValueParser<Value = By> {
    PossibleValuesParser::new(By::ALL.map(By::name)).try_map(|text| text.parse())
}

#[derive(Debug, Subcommand)]
pub(crate) enum CostCommand {
    Discrepancy(Discrepancy),
    Explain(CostExplain),
}

/// Compare what executions cost with what was estimated before, per model and per skill
///
/// The sums are of the executions that have both an estimate and a cost; how many have only one of them is counted
/// beside. The difference is the cost less the estimate, so it is positive where the executions cost more; in percent it
/// is a share of the estimate. Under each table stand the executions that most exceeded their estimates. An execution
/// that used several models counts under `-`, since its estimate is for all of them together.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which execution exceeded its estimate most in the last week?
  runledger cost discrepancy --since 7d --json | jq .totals.largestExcess")]
pub(crate) struct Discrepancy {
    #[command(flatten)]
    pub(crate) period: Period,
}

/// Explain what a call costs, or what an execution cost, line by line
///
/// Each line is a count, the price of so many, and their product; every token is in one line. An execution is priced
/// anew, call by call, at the time of the call and by today's table; what was recorded stands above.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: 33,000 tokens in, most of them from the cache
  runledger cost explain claude-opus-4-5 --input 33000 --output 500 \\
    --part cache_read=30000
Example: why did this execution cost so much?
  runledger cost explain --execution 019c5d2a-5a40")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["model", "execution"]))]
pub(crate) struct CostExplain {
    /// The model, with or without its provider in front: openai/gpt-4
    pub(crate) model: Option<String>,
    /// An execution of the ledger, by its id or the beginning of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["input", "output", "parts", "provider", "variant", "at"])]
    pub(crate) execution: Option<IdPrefix>,
    /// All input tokens, the cached ones too
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) input: u64,
    /// All output tokens, the reasoning too
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) output: u64,
    /// A part of them, or what else was used: cache_read, cache_write (all of it), cache_write_1h, reasoning,
    /// input_audio, web_searches, requests, audio_ms, …
    #[arg(long = "part", value_name = "NAME=N", value_parser = part)]
    pub(crate) parts: Vec<(Meter, u64)>,
    /// Who served it
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// How it was served: processing=batch, service_tier=flex
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) variant: Vec<(String, String)>,
    /// When the call was made, such as 2026-11-20T12:00:00Z; now if it is not told
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) own: OwnPrices,
}

fn part(text: &str) -> Result<(Meter, u64), String> {
    let (name, count) = text.split_once('=').ok_or("expected NAME=N, such as cache_read=30000")?;
    let meter = Meter::ALL.into_iter().find(|meter| meter.name() == name);
    let meter = meter.ok_or_else(|| format!("expected one of {}", Meter::ALL.map(Meter::name).join(", ")))?;
    Ok((meter, count.parse().map_err(|_| format!("expected a whole number, found {count:?}"))?))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as processing=batch")?;
    Ok((key.to_owned(), value.to_owned()))
}
