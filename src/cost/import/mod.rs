//! Price tables of other projects, turned into the form of this crate's. Pure: text in, text out.

mod genai_prices;
mod litellm;
mod regex;

use serde_json::{Map, Value, json};

pub use genai_prices::genai_prices;
pub use litellm::litellm;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Meter, Usd};

/// What an importer cannot find in the file: what to call the table, and when its prices were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The table's version, as records will keep it: `genai-prices 0.2.3`.
    pub version: String,
    /// The day on which the prices were looked up: `2026-11-20`.
    pub as_of: String,
    /// Where they come from, and under which licence.
    pub source: String,
}

/// A table of another project, in the form of this crate's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The table, one line for each model, for [`PriceTable::from_json`](super::PriceTable::from_json).
    pub json: String,
    /// How many models it has.
    pub models: u64,
    /// How many prices were rounded to 6 decimals a million tokens, half to even: where the source says
    /// 1.0399999999999998 it means 1.04.
    pub rounded: u64,
    /// What was left out, and why, one entry each: `azure/phi-4: it has no price`.
    pub left_out: Vec<String>,
}

/// The table as it grows.
struct Draft {
    providers: Vec<Value>,
    models: Vec<Value>,
    rounded: u64,
    left_out: Vec<String>,
}

impl Draft {
    fn new() -> Self {
        Self { providers: Vec::new(), models: Vec::new(), rounded: 0, left_out: Vec::new() }
    }

    fn leave_out(&mut self, provider: &str, model: &str, why: impl std::fmt::Display) {
        self.left_out.push(format!("{provider}/{model}: {why}"));
    }

    /// A price in digits, for [`Meter::per`] of `meter`, rounded so that one of it costs whole pico-dollars.
    fn price(&mut self, meter: Meter, digits: &str) -> Result<Value> {
        let read: Usd = serde_json::from_str(digits)
            .map_err(|source| Error::new(ErrorKind::Malformed, format!("read the price {digits}")).source(source))?;
        // An hour may cost anything to the pico-dollar.
        let step = if meter.per() == Meter::AudioMs.per() { 1 } else { meter.per() };
        let rounded = read.round_to(step);
        self.rounded += u64::from(digits.parse::<Usd>().ok() != Some(rounded));
        Ok(Value::String(rounded.to_string()))
    }

    fn finish(self, stamp: &Stamp) -> Imported {
        let lines = |values: &[Value]| values.iter().map(|value| format!("  {value}")).collect::<Vec<_>>().join(",\n");
        let mut json = String::from("{\n");
        for (key, text) in [("version", &stamp.version), ("as_of", &stamp.as_of), ("source", &stamp.source)] {
            json += &format!(" \"{key}\": {},\n", json!(text));
        }
        json += &format!(" \"providers\": [\n{}\n ],\n", lines(&self.providers));
        json += &format!(" \"models\": [\n{}\n ]\n}}\n", lines(&self.models));
        Imported { json, models: self.models.len() as u64, rounded: self.rounded, left_out: self.left_out }
    }
}

/// Names by pattern, as a table writes them; nothing for no patterns.
#[derive(Debug, Default)]
struct Names {
    aliases: Vec<String>,
    like: Vec<String>,
    unlike: Vec<String>,
}

impl Names {
    fn rule(&self) -> Option<Value> {
        let mut rule = Map::new();
        rule.insert("like".to_owned(), json!(self.like));
        if !self.unlike.is_empty() {
            rule.insert("unlike".to_owned(), json!(self.unlike));
        }
        (!self.like.is_empty()).then_some(Value::Object(rule))
    }
}
