//! The command line: every argument, with its help. The only file that names clap.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use runledger::cost::By;
use runledger::metrics::{Meter, Status};
use runledger::{Timestamp, baseline};

use crate::period::{Bound, Week};
use crate::show::IdPrefix;
use crate::zone::Zone;

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
/// Sums are exact, over what is known; how many executions have no price is counted beside each, never taken as 0. An
/// execution counts at the time it began. One that lists its calls and used several models counts under each of them.
/// Executions that used no model are counted apart.
///
/// The input is what was neither read from a cache nor written to one, as far as that was reported; `cache w` and
/// `cache r` are what was. Below the table stands of how many executions each count is unknown, wholly or for one of
/// their models.
///
/// A table has at most 80 columns: a count from 10,000 on is rounded to three digits (12.3M), an amount in US dollars to
/// the cent from 1 on, to a hundredth of it below, to three digits from a million on, each half to even. What that would
/// make 0 and is not is `<0.0001`. --json has every digit.
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
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 --zone Europe/Zurich")]
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

/// Explain what a call costs, or what an execution cost, line by line
///
/// Each line is a count, the price of so many, and their product; every token is in one line. An execution is priced
/// anew, call by call, at the time of the call and by today's table; what was recorded stands above.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: 33,000 tokens in, most of them from the cache
  runledger cost explain claude-opus-4-5 --input 33000 --output 500 --part cache_read=30000
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

/// Prices over the bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct OwnPrices {
    /// A price table of your own, whose rows count before the bundled ones
    #[arg(long, value_name = "FILE", env = "RUNLEDGER_PRICES", hide_env_values = true)]
    pub(crate) prices: Option<PathBuf>,
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

/// Price calls: JSON lines on stdin, one line of answer for each
///
/// A line is {"model": …, "provider": …, "usage": {…}, "at": …, "variant": {"processing": "batch"}}; model and usage are
/// required, and `at` is now if it is not told. A usage may have input_tokens, output_tokens, cache_read_tokens,
/// cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, requests,
/// web_searches, audio_seconds, and the other meters of the library; a whole includes its parts. What is absent was not
/// used, or its part is not known; a null beside other tokens is unknown and has no price.
///
/// The answer has the exact cost as a decimal string, its parts, and where the price comes from. A line that cannot be
/// priced is answered with {"error": …, "kind": …, "near": […]}. Exits with 0 once every line has its answer.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Example: one call
  echo '{"model": "gpt-4", "usage": {"input_tokens": 5, "output_tokens": 1}}' |
    runledger price"#)]
pub(crate) struct Price {
    #[command(flatten)]
    pub(crate) own: OwnPrices,
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
pub(crate) enum Prices {
    Import(PricesImport),
    Check(PricesCheck),
}

/// Turn a price table of another project into one for --prices
///
/// The table goes to stdout, or to a new file. stderr says how many models it has, how many prices were rounded to whole
/// pico-dollars, and what was left out and why. Nothing is fetched: the file must be here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the prices of genai-prices, as they were on a day
  runledger prices import data.json --from genai-prices --table-version 'genai-prices 0.2.3' \
    --as-of 2026-11-20 --out prices.json")]
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
    /// How old a table may be
    #[arg(long, value_name = "DAYS", default_value = "30")]
    pub(crate) max_age_days: u32,
    #[command(flatten)]
    pub(crate) own: OwnPrices,
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

/// Which executions are meant, by the time they began.
#[derive(Debug, clap::Args)]
pub(crate) struct Period {
    /// Only what began then or later: a date (2026-11-01), a time (2026-11-01T12:00:00Z), or a span back from now in
    /// days of 24 hours or in hours (7d, 24h)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Bound>,
    /// Only what began before then; given a date, that whole day is included
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<Bound>,
    /// Whose days, weeks and months: an IANA name (Europe/Zurich) or an offset from UTC (+02:00)
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
    pub(crate) zone: Zone,
}

/// Tell what is left of each quota
///
/// Limits are those that come with runledger, and those of --limits, which win; what was used and is held is read from
/// `quota.jsonl` beside the ledger. If there is none, nothing was used. Dollars are exact; calls of unknown cost are in no
/// amount, and are counted. With --json, each line is one quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what is left of a budget of one's own?
  runledger quota anthropic --limits limits.json --json | jq .remaining

The file is a JSON array with one object for each limit:
  [
    {\"api\": \"anthropic\", \"limit\": 25.50, \"unit\": \"usd\", \"period\": \"day\",
     \"source\": \"our budget\", \"as_of\": \"2026-03-01\",
     \"thresholds\": [50, 80, 95, 100], \"unknown\": {\"assume\": 0.25}}
  ]
  unit        tokens, calls, usd
  period      minute, hour, day, week, month; they begin by the calendar, in UTC
  thresholds  percents of the limit that are told once a period; [50, 80] if left out
  unknown     what becomes of a call of unknown cost: \"deny\" (if left out), \"allow\", {\"assume\": AMOUNT}")]
pub(crate) struct Quota {
    /// Only this API
    pub(crate) api: Option<String>,
    /// Limits of your own, which win over those that come with runledger
    #[arg(long, value_name = "FILE")]
    pub(crate) limits: Option<PathBuf>,
}

/// Compute what is normal, for each skill
///
/// Latencies are percentiles of `total_latency_ms`: exact up to 49,152 different ones a skill, and within 0.4 % beyond,
/// which `latency_precision` tells. The same records give the same bytes of JSON.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: keep the baselines of the last 30 days
  runledger baseline --since 30d --out logs/baselines.json")]
pub(crate) struct Baseline {
    #[command(subcommand)]
    pub(crate) command: Option<BaselineCommand>,
    /// What to compute them for, each; `version` and `week` are those of a skill, `week` from Monday 00:00 UTC on
    #[arg(long, value_name = "GROUP", value_parser = baseline_by(), default_value = baseline::By::Skill.name())]
    pub(crate) by: baseline::By,
    #[command(flatten)]
    pub(crate) window: Window,
    /// Only the executions of each group that began last, so many
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<NonZeroUsize>,
    /// Write them to this file, as JSON, and print nothing; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

fn baseline_by() -> impl TypedValueParser<Value = baseline::By> {
    PossibleValuesParser::new(baseline::By::ALL.map(baseline::By::name)).try_map(|text| text.parse())
}

/// Which executions are meant, by their skill and the time they began.
#[derive(Debug, clap::Args)]
pub(crate) struct Window {
    /// Only this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    #[command(flatten)]
    pub(crate) period: Period,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    Freeze(BaselineFreeze),
    Stability(BaselineStability),
}

/// Freeze the baselines of a week, for `runledger compare`
///
/// They are computed over all executions that began before the week, which starts on Monday 00:00 UTC, and appended to
/// `baselines.jsonl` beside the ledger. A week is frozen once: asked again, the answer is what was frozen first. With
/// --json it is the line that was written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that runs every Monday
  runledger baseline freeze")]
pub(crate) struct BaselineFreeze {
    /// The week that this day is in (2026-11-16); this week if it is not told
    #[arg(long, value_name = "DAY")]
    pub(crate) week: Option<Week>,
}

/// Tell how much the baselines of each week differ from those of the week before
///
/// A metric is stable when it stays within ±2 %. Among few executions a greater change is chance; `runledger compare`
/// tells them apart. Weeks start on Monday 00:00 UTC. --json has every metric.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which skills moved in the last four weeks?
  runledger baseline stability --since 28d")]
pub(crate) struct BaselineStability {
    #[command(flatten)]
    pub(crate) window: Window,
}

/// Compare executions with the frozen baselines of a week, and say what is better or worse
///
/// Without --since, the executions since the start of that week. A metric is a regression or an improvement when it is
/// off by more than 2 % and by more than chance: with a probability of at most 1 % over all tests of the comparison
/// together, by Holm's method. A metric with fewer than 30 values on either side is not judged. Success rates are compared
/// by a z-test or Fisher's exact test, latencies (`ms`: the median and its shift) by the rank test of Mann and Whitney,
/// means by Welch's t-test. The interval, of 99 % confidence, is in percent of the baseline; p is the adjusted probability.
///
/// Exits with 1 if there is a regression.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that fails when the last day is worse than the week's baselines
  runledger compare --since 24h")]
pub(crate) struct Compare {
    /// The week that this day is in (2026-11-16); the last one that was frozen if it is not told
    #[arg(long, value_name = "DAY")]
    pub(crate) week: Option<Week>,
    #[command(flatten)]
    pub(crate) window: Window,
}
