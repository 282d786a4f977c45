//! `runledger cost explain`

use std::io::Write;

use runledger::cost::CostPart;
use runledger::metrics::{Call, Meter};
use runledger::{Cost, PriceTable, Timestamp, Usage, Usd};
use serde::Serialize;

use crate::args::{CostExplain, Global};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::output;
use crate::price::Priced;
use crate::price_table;
use crate::show::{self, IdPrefix};
use crate::table::{Column, Table, cell};

pub(crate) fn run(args: &CostExplain, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = price_table::read(args.own.prices.as_deref())?;
    match (&args.model, &args.execution) {
        (_, Some(id)) => execution(id, &prices, global, out),
        (model, None) => {
            let (call, at) = call(model.as_deref().unwrap_or_default(), args);
            let cost = prices.cost_of(&call, at)?;
            match global.json {
                true => output::json_line(out, &Explained::from(cost))?,
                false => table(&cost, out)?,
            }
            Ok(ExitCode::Yes)
        }
    }
}

fn call(model: &str, args: &CostExplain) -> (Call, Timestamp) {
    let mut usage = Usage::new(args.input, args.output);
    for (meter, count) in &args.parts {
        usage = usage.with(*meter, *count);
    }
    let mut call = Call::new(model, usage);
    call.provider = args.provider.clone();
    call.variant = args.variant.iter().cloned().collect();
    (call, args.at.or_else(|| Timestamp::from_unix_ms(clock::unix_ms())).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A cost, and how each of its parts comes about.
#[derive(Serialize)]
struct Explained<'p> {
    #[serde(flatten)]
    cost: Priced<'p>,
    lines: Vec<Line>,
}

/// One summand: `count` × `price` ÷ `per` = `usd`.
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
    if let Some(unpriced) = &provenance.variant_unpriced {
        writeln!(out, "no prices for {unpriced}: these are the standard ones")?;
    }
    writeln!(out, "table: {}; tier: {}", cost.table, cost.tier)?;
    Ok(())
}

/// For how much a price is.
fn price_of(meter: Meter) -> &'static str {
    match meter.per() {
        3_600_000 => "an hour",
        1_000 => "1,000",
        _ => "1,000,000",
    }
}

/// A call of an execution: what was recorded, and what the prices say now.
#[derive(Serialize)]
struct Recorded<'p> {
    call: u64,
    model: String,
    recorded_usd: Option<Usd>,
    source: Option<String>,
    table: Option<String>,
    /// The price now, rounded as a record rounds it, is what was recorded; `None`: one of them is unknown.
    same: Option<bool>,
    now: Option<Explained<'p>>,
    error: Option<String>,
}

fn execution(id: &IdPrefix, prices: &PriceTable, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = show::find(id, global)?;
    let nameless = record.trace.llm_calls.is_empty() && record.model.name.is_none();
    if nameless && !global.json {
        writeln!(out, "it used no model, as far as its record tells")?;
    }
    for entry in if nameless { Vec::new() } else { record.calls() } {
        let now = entry.call().map(|call| prices.cost_of(&call, record.timestamp_start));
        let (recorded_usd, source, from) = (entry.cost_usd, &entry.cost.source, &entry.cost.table);
        if global.json {
            let (now, error) = match now {
                Some(Ok(cost)) => (Some(cost), None),
                Some(Err(error)) => (None, Some(failure::text(&error))),
                None => (None, Some("its tokens are unknown".to_owned())),
            };
            let same = now.as_ref().zip(recorded_usd).map(|(now, then)| now.usd.round_to_record() == then);
            let (source, table) = (source.as_ref().map(ToString::to_string), from.clone());
            let (call, model) = (entry.call_sequence, entry.model_name.clone());
            let now = now.map(Explained::from);
            output::json_line(out, &Recorded { call, model, recorded_usd, source, table, same, now, error })?;
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
            None => writeln!(out, "now: its tokens are unknown")?,
        }
    }
    Ok(ExitCode::Yes)
}
