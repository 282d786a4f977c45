//! `runledger cost explain`

use std::io::Write;

use runledger::cost::CostPart;
use runledger::metrics::{Call, Meter};
use runledger::{Cost, ErrorKind, PriceTable, Timestamp, Usage, Usd};
use serde::Serialize;

use crate::argument::whole;
use crate::clock;
use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::priced::Priced;
use crate::records;
use crate::term::{Column, Table, cell, output};

/// Explain the cost of a call or an execution, line by line
///
/// Each line shows a count, a price and their product. Every token is counted in exactly one line.
///
/// With --execution, the command computes the cost of each call of this execution again, and prints one table for each
/// call. The command uses the prices that the current price table has for the time of the call. If this time is not
/// recorded, the prices at the start of the execution are used. The line above each table shows the recorded cost of
/// the call.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: price 33,000 input tokens, most of them from the cache
  runledger cost explain claude-opus-4-5 --input 33000 --output 500 \\
    --part cache_read=30000
Example: explain why an execution was expensive
  runledger cost explain 019c5d2a-5a40")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["model", "execution"]))]
pub(crate) struct Args {
    /// The model, with or without its provider, such as openai/gpt-4. Or the id of an execution, as with --execution,
    /// if no model has this name
    model: Option<String>,
    /// Explain the cost of this execution in the ledger. ID is the execution_id or its first digits
    #[arg(long, value_name = "ID", conflicts_with_all = ["input", "output", "parts", "provider", "variant", "at"])]
    execution: Option<IdPrefix>,
    /// The number of input tokens, including cached ones
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole::<u64>(0, u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    input: u64,
    /// The number of output tokens, including reasoning
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole::<u64>(0, u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    output: u64,
    /// The number of tokens of one kind, such as cached input, or an amount that is not counted in tokens, such as
    /// requests. NAME is cache_read, cache_write (which includes cache_write_1h), cache_write_1h, reasoning,
    /// input_audio, web_searches, requests, audio_ms, …
    #[arg(long = "part", value_name = "NAME=N", value_parser = part)]
    parts: Vec<(Meter, u64)>,
    /// The provider that served the call
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// How the call was served, such as processing=batch or service_tier=flex
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    variant: Vec<(String, String)>,
    /// The time of the call, such as 2026-11-20T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[command(flatten)]
    own: OwnPrices,
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

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = args.own.table()?;
    match (&args.model, &args.execution) {
        (_, Some(id)) => execution(id, &prices, global, out),
        (model, None) => {
            let model = model.as_deref().unwrap_or_default();
            let (call, at) = call(model, args);
            let cost = match (prices.cost_of(&call, at), model.parse::<IdPrefix>()) {
                (Ok(cost), _) => cost,
                (Err(error), Ok(id)) if error.kind() == ErrorKind::UnknownModel => {
                    return explain_id(&id, args, error, &prices, global, out);
                }
                (Err(error), _) => return Err(error.into()),
            };
            if global.json {
                output::json_line(out, &Explained::from(cost))?;
            } else {
                table(&cost, out)?;
            }
            Ok(ExitCode::Yes)
        }
    }
}

/// Explains the execution whose id begins with the argument. `unknown` is the error that the argument is not a model.
/// An argument of less than 8 digits may be meant as a model. So if no execution has such an id, this error is
/// returned.
fn explain_id(
    id: &IdPrefix,
    args: &Args,
    unknown: runledger::Error,
    prices: &PriceTable,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    // `runledger list` prints at least 8 digits.
    let is_id = id.digits.len() >= 8;
    let has_call = args.input > 0 || args.output > 0 || !args.parts.is_empty() || args.provider.is_some();
    if has_call || !args.variant.is_empty() || args.at.is_some() {
        return Err(if is_id { Failure::IdOfExecution(id.given.clone()) } else { unknown.into() });
    }
    match execution(id, prices, global, out) {
        Err(Failure::Absent(_) | Failure::Library(_)) if !is_id => Err(unknown.into()),
        explained => explained,
    }
}

fn call(model: &str, args: &Args) -> (Call, Timestamp) {
    let mut usage = Usage::new(args.input, args.output);
    for (meter, count) in &args.parts {
        usage = usage.with(*meter, *count);
    }
    let mut call = Call::new(model, usage);
    call.provider = args.provider.clone();
    call.variant = args.variant.iter().cloned().collect();
    (call, args.at.unwrap_or_else(clock::now))
}

/// A cost, and the computation of each of its parts.
#[derive(Serialize)]
struct Explained<'p> {
    #[serde(flatten)]
    cost: Priced<'p>,
    lines: Vec<Line>,
}

/// One part of a cost: `count` × `price` ÷ `per` = `usd`.
#[derive(Serialize)]
struct Line {
    meter: &'static str,
    count: u64,
    price: String,
    per: u64,
    usd: String,
}

impl<'p> From<Cost<'p>> for Explained<'p> {
    fn from(cost: Cost<'p>) -> Self {
        let line = |part: &CostPart| Line {
            meter: part.meter.name(),
            count: part.count,
            price: part.price.to_string(),
            per: part.meter.per(),
            usd: part.usd.to_string(),
        };
        Self { lines: cost.parts.iter().map(line).collect(), cost: cost.into() }
    }
}

fn table(cost: &Cost<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Text("part"),
        Column::Number("count"),
        Column::Number("usd for"),
        Column::Text(""),
        Column::Number("usd"),
    ]);
    for part in &cost.parts {
        table.row([
            part.meter.to_string(),
            part.count.to_string(),
            part.price.to_string(),
            price_of(part.meter).to_owned(),
            part.usd.to_string(),
        ]);
    }
    table.row(["total".to_owned(), String::new(), String::new(), String::new(), cost.usd.to_string()]);
    table.write(out)?;
    let tier = cost.tier_above.map_or("of any size".to_owned(), |above| format!("above {above} tokens"));
    let provenance = cost.provenance();
    let variant = provenance.variant.as_deref().unwrap_or("standard");
    writeln!(out, "{}/{}: {variant} prices at {}, input {tier}", cost.provider, cost.matched, cost.at)?;
    if let Some(rules) = &provenance.matched_by {
        writeln!(out, "found by: {rules}")?;
    }
    if let Some(unpriced) = &provenance.variant_unpriced {
        writeln!(out, "the table has no prices for {unpriced}; these are the standard prices")?;
    }
    if let Some(region) = &provenance.region_unpriced {
        writeln!(out, "the table has no prices for the region {region}; these are the standard prices")?;
    }
    if let Some(parts) = &provenance.part_unpriced {
        writeln!(out, "the table has no prices for {parts}; these parts have the price of text")?;
    }
    writeln!(out, "table: {}; tier: {}", cost.table, cost.tier)?;
    Ok(())
}

/// Returns the quantity to which a price of `meter` applies, such as `an hour`.
fn price_of(meter: Meter) -> &'static str {
    match meter.per() {
        3_600_000 => "an hour",
        1_000 => "1,000",
        _ => "1,000,000",
    }
}

/// A call of an execution, with its recorded cost and the cost that the current price table gives.
#[derive(Serialize)]
struct Recorded<'p> {
    call: u64,
    model: String,
    recorded_usd: Option<Usd>,
    source: Option<String>,
    table: Option<String>,
    /// True if the two costs are equal after rounding to the decimals of a record. `None` if one of the costs is
    /// unknown.
    same: Option<bool>,
    now: Option<Explained<'p>>,
    error: Option<String>,
}

fn execution(id: &IdPrefix, prices: &PriceTable, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = records::find(id, global)?;
    let nameless = record.trace.llm_calls.is_empty() && record.model.name.is_none();
    if nameless && !global.json {
        writeln!(out, "the record of this execution names no model")?;
    }
    for entry in if nameless { Vec::new() } else { record.calls() } {
        let now = record.call_of(&entry).map(|call| prices.cost_of(&call, record.timestamp_start));
        let recorded_usd = entry.cost_usd;
        let source = &entry.cost.source;
        let from = &entry.cost.table;
        if global.json {
            let (now, error) = match now {
                Some(Ok(cost)) => (Some(cost), None),
                Some(Err(error)) => (None, Some(failure::text(&error))),
                None => (None, Some("the tokens of the call are unknown".to_owned())),
            };
            let same =
                now.as_ref().zip(recorded_usd).map(|(now, then)| now.usd.round_to_record() == then.round_to_record());
            let recorded = Recorded {
                call: entry.call_sequence,
                model: entry.model_name.clone(),
                recorded_usd,
                source: source.as_ref().map(ToString::to_string),
                table: from.clone(),
                same,
                now: now.map(Explained::from),
                error,
            };
            output::json_line(out, &recorded)?;
            continue;
        }
        writeln!(
            out,
            "call {} of {}: recorded {} USD ({}, {})",
            entry.call_sequence,
            entry.model_name,
            cell(recorded_usd),
            cell(source.as_ref()),
            cell(from.as_ref())
        )?;
        match now {
            Some(Ok(cost)) => table(&cost, out)?,
            Some(Err(error)) => writeln!(out, "now: {}", failure::text(&error))?,
            None => writeln!(out, "now: the tokens of the call are unknown")?,
        }
    }
    Ok(ExitCode::Yes)
}
