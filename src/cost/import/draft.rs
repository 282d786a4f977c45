//! A converted table, and the table while it is being converted.

use serde_json::{Map, Value, json};

use super::digits::times;
use super::minimum;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Meter, Usd};

/// The version, the day and the source of a table, which the imported file does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The table's version, as records will store it, such as `genai-prices 0.2.3`.
    pub version: String,
    /// The day on which the prices were looked up, such as `2026-11-20`.
    pub as_of: String,
    /// Where the prices come from, and under which licence.
    pub source: String,
}

/// A table of another project, converted to the form of this crate's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The table, with one line for each model, for [`PriceTable::from_json`](crate::PriceTable::from_json).
    pub json: String,
    /// The number of models in it.
    pub models: u64,
    /// The number of prices that were rounded half to even, because they have more decimals than a table can have. A
    /// table has 6 decimals for a million tokens, 9 for a thousand requests and 12 for an hour. For example, the source
    /// may have 1.0399999999999998 instead of 1.04. All other prices are exact.
    pub rounded: u64,
    /// Everything that was left out, and why, one entry each, such as `azure/phi-4: it has no price`.
    pub left_out: Vec<String>,
}

/// The table while it is being converted.
pub(super) struct Draft {
    pub(super) providers: Vec<Value>,
    pub(super) models: Vec<Value>,
    pub(super) rounded: u64,
    pub(super) left_out: Vec<String>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { providers: Vec::new(), models: Vec::new(), rounded: 0, left_out: Vec::new() }
    }

    pub(super) fn leave_out(&mut self, provider: &str, model: &str, why: impl std::fmt::Display) {
        self.left_out.push(format!("{provider}/{model}: {why}"));
    }

    /// Reads the price of [`Meter::per`] units, rounded if it has more decimals than a table can have. Returns `None` if
    /// a positive price would be rounded to 0.
    pub(super) fn price(&mut self, meter: Meter, digits: &str) -> Result<Option<Value>> {
        let price = times(digits, 1, meter);
        let (price, rounded) = price.ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("read the price {digits}"))
                .detail("expected a number of at least 0")
        })?;
        if rounded && price == Usd::ZERO {
            return Ok(None);
        }
        self.rounded += u64::from(rounded);
        Ok(Some(Value::String(price.to_string())))
    }

    pub(super) fn finish(mut self, stamp: &Stamp) -> Result<Imported> {
        minimum::add_to(&mut self.models)?;
        let lines = |values: &[Value]| values.iter().map(|value| format!("  {value}")).collect::<Vec<_>>().join(",\n");
        let mut json = String::from("{\n");
        for (key, text) in [("version", &stamp.version), ("as_of", &stamp.as_of), ("source", &stamp.source)] {
            json += &format!(" \"{key}\": {},\n", json!(text));
        }
        json += &format!(" \"providers\": [\n{}\n ],\n", lines(&self.providers));
        json += &format!(" \"models\": [\n{}\n ]\n}}\n", lines(&self.models));
        let (models, rounded) = (self.models.len() as u64, self.rounded);
        Ok(Imported { json, models, rounded, left_out: self.left_out })
    }
}

/// The aliases, and the patterns of other names, as a table writes them.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) aliases: Vec<String>,
    pub(super) like: Vec<String>,
    pub(super) unlike: Vec<String>,
}

impl Names {
    /// Returns the patterns as JSON; `None` if there are none.
    pub(super) fn rule(&self) -> Option<Value> {
        let mut rule = Map::new();
        rule.insert("like".to_owned(), json!(self.like));
        if !self.unlike.is_empty() {
            rule.insert("unlike".to_owned(), json!(self.unlike));
        }
        (!self.like.is_empty()).then_some(Value::Object(rule))
    }
}
