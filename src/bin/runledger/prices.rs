//! `runledger prices`

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use runledger::Timestamp;
use runledger::cost::PriceFile;
use runledger::cost::import::{self, Imported, Stamp};
use serde::Serialize;

use crate::args::{Global, PriceSource, Prices, PricesCheck, PricesImport};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::price_table;
use crate::table::{Column, Table};

pub(crate) fn run(args: &Prices, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match args {
        Prices::Import(args) => import(args, global, out),
        Prices::Check(args) => check(args, global, out),
    }
}

fn import(args: &PricesImport, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let text = price_table::read_text(&args.file)?;
    let stamp = Stamp {
        version: args.table_version.clone(),
        as_of: args.as_of.clone(),
        source: args.source.clone().unwrap_or_else(|| args.from.credit().to_owned()),
    };
    let imported = match args.from {
        PriceSource::GenaiPrices => import::genai_prices(&text, &stamp),
        PriceSource::Litellm => import::litellm(&text, &stamp),
    };
    let malformed = |source| Failure::Prices { path: args.file.clone(), source };
    let imported = imported.map_err(malformed)?;
    // What is not a table must not be taken for one later.
    runledger::PriceTable::from_json(&imported.json).map_err(malformed)?;
    match &args.out {
        Some(path) => {
            let failed = |source| Failure::File { operation: "write the prices", path: path.clone(), source };
            let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
            file.write_all(imported.json.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        None => out.write_all(imported.json.as_bytes())?,
    }
    tell(&imported, global);
    Ok(ExitCode::Yes)
}

/// Says on stderr what was taken and what was not: each reason, how often, and for which model first.
fn tell(imported: &Imported, global: &Global) {
    let Imported { models, rounded, left_out, .. } = imported;
    let mut reasons: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for entry in left_out {
        let (model, reason) = entry.split_once(": ").unwrap_or(("", entry));
        reasons.entry(reason).or_insert((0, model)).0 += 1;
    }
    output::note(&format!("{models} models; prices rounded to 6 decimals: {rounded}"), "imported", global);
    for (reason, (times, model)) in reasons {
        let more = if times > 1 { format!(" and {} more", times - 1) } else { String::new() };
        output::warning(&format!("left out: {model}{more}: {reason}"), "left_out", global);
    }
}

/// A file of prices and how old it is.
#[derive(Serialize)]
struct Age<'p> {
    version: &'p str,
    as_of: String,
    age_days: i64,
    models: usize,
    source: &'p str,
    too_old: bool,
}

fn check(args: &PricesCheck, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    const DAY_MS: i64 = 86_400_000;
    let prices = price_table::read(args.own.prices.as_deref())?;
    let now = clock::unix_ms();
    let age = |file: PriceFile<'_>| now.saturating_sub(Timestamp::unix_ms(file.as_of)).div_euclid(DAY_MS);
    let ages: Vec<Age<'_>> = prices
        .files()
        .map(|file| Age {
            version: file.version,
            as_of: file.as_of.to_string().chars().take(10).collect(),
            age_days: age(file),
            models: file.models,
            source: file.source,
            // A day of the future is a slip, and would never be too old.
            too_old: !(-1..=i64::from(args.max_age_days)).contains(&age(file)),
        })
        .collect();
    match global.json {
        true => ages.iter().try_for_each(|age| output::json_line(out, age))?,
        false => {
            let mut table = Table::new([
                Column::Name("version"),
                Column::Number("models"),
                Column::Text("as of"),
                Column::Number("days"),
                Column::Text("age"),
            ]);
            for age in &ages {
                let verdict = match (age.too_old, age.age_days) {
                    (false, _) => "fresh enough",
                    (true, ..0) => "of the future",
                    (true, _) => "too old",
                };
                table.row([
                    age.version.to_owned(),
                    age.models.to_string(),
                    age.as_of.clone(),
                    age.age_days.to_string(),
                    verdict.to_owned(),
                ]);
            }
            table.write(out)?;
        }
    }
    Ok(if ages.iter().any(|age| age.too_old) { ExitCode::No } else { ExitCode::Yes })
}
