//! Parses values that several commands take as arguments.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};
use runledger::{Usd, Uuid};
use serde_json::{Map, Value};

/// Returns a parser that accepts only these names.
pub(crate) fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|text| text.parse())
}

/// Reads the name of a skill or an agent. The name must not be blank, because every record needs a name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected a name, found none".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns a parser for the name of an output file. The name `-` is refused, because users expect it to mean stdout.
pub(crate) fn file_name() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("expected the name of a file; without --out, the output goes to stdout"),
        _ => Ok(path),
    })
}

/// Returns a parser of whole numbers from `least` to `most`. `T` must be able to hold all of these numbers.
pub(crate) fn whole<T>(least: u64, most: u64) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr,
{
    move |text| {
        let is_within = text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number));
        let number = text.parse().ok().filter(|_| is_within);
        number.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
    }
}

/// Reads a number that may have decimals.
pub(crate) fn decimal(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number such as 0.5".to_owned())
}

/// Reads a whole number of any size up to 2⁶⁴ − 1.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number such as 1000".to_owned())
}

/// Reads an amount of US dollars, with all its decimals.
pub(crate) fn usd(text: &str) -> Result<Usd, String> {
    let amount = text.parse().ok().filter(|amount| *amount >= Usd::ZERO);
    amount.ok_or_else(|| "expected an amount of at least 0 with at most 12 decimals, such as 0.05".to_owned())
}

/// Reads a number of seconds from 0 to 10⁹, which is about 30 years. The number may have decimals.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1e9).contains(number));
    number.ok_or_else(|| "expected a number of seconds from 0 to 1000000000, such as 7.5".to_owned())
}

/// Reads a duration from 1 second to 366 days. The unit is seconds, minutes, hours or days, as in `90s` or `10m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const YEAR_S: u64 = 366 * 86_400;
    let seconds = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit_s = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(unit_s)
    };
    let seconds = seconds().filter(|seconds| (1..=YEAR_S).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a duration from 1s to 366d, such as 90s, 10m, 2h or 1d".to_owned())
}

/// Returns why a line of input is not text.
pub(crate) fn not_utf8(error: &std::str::Utf8Error) -> String {
    format!("expected UTF-8, found an invalid byte at column {}", error.valid_up_to() + 1)
}

/// Reads the id of an execution. The first digits of an id are not enough.
pub(crate) fn id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "expected an id such as 019c5d2a-5a40-7000-8000-000000000001".to_owned())
}

/// Reads metadata, which is a JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    runledger::json::from_str(text)
        .map_err(|error| format!("expected a JSON object such as {{\"key\": \"value\"}}: {error}"))
}
