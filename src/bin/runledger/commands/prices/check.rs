//! `runledger prices check`

use std::io::Write;

use runledger::Timestamp;
use runledger::cost::PriceFile;
use serde::Serialize;

use crate::argument::whole;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::term::{Column, Table, output};

/// Check the age of the prices
///
/// Prints one row for each price table: the table of --prices, if it is given, and the bundled tables. Exits with 1 if
/// a table is older than --max-age-days, or if the date of a table is more than a day in the future.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fail a job if prices are older than two weeks
  runledger prices check --max-age-days 14")]
pub(crate) struct Args {
    /// The maximum age of a table, in days
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = whole::<u32>(0, u32::MAX.into()))]
    #[arg(allow_negative_numbers = true)]
    max_age_days: u32,
    #[command(flatten)]
    own: OwnPrices,
}

/// A price table, and how old it is.
#[derive(Serialize)]
struct Age<'p> {
    version: &'p str,
    as_of: String,
    age_days: i64,
    models: usize,
    source: &'p str,
    too_old: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    const DAY_MS: i64 = 86_400_000;
    let prices = args.own.table()?;
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
            // A date more than a day in the future is a mistake, which would make an old table seem fresh.
            too_old: !(-1..=i64::from(args.max_age_days)).contains(&age(file)),
        })
        .collect();
    if global.json {
        ages.iter().try_for_each(|age| output::json_line(out, age))?;
    } else {
        let mut table = Table::new([
            Column::Name("version"),
            Column::Number("models"),
            Column::Text("as of"),
            Column::Number("days"),
            Column::Text("age"),
        ]);
        for age in &ages {
            let verdict = if !age.too_old {
                "fresh enough"
            } else if age.age_days < 0 {
                "in the future"
            } else {
                "too old"
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
    Ok(if ages.iter().any(|age| age.too_old) { ExitCode::No } else { ExitCode::Yes })
}
