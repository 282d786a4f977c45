//! The result of an import, and the unfinished table during an import.

use serde_json::{Map, Value, json};

use super::digits::times;
use super::minimum;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Meter, Usd};

/// The version, the day and the source of an imported table. The caller states them, because the imported file does
/// not contain them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The table's version, as records will store it, such as `genai-prices 0.2.3`.
    pub version: String,
    /// The day on which the prices were looked up, such as `2026-11-20`.
    pub as_of: String,
    /// The origin and the licence of the prices.
    pub source: String,
}

/// A table of another project, converted to the format of this crate's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The table as JSON, with one line for each model. Pass it to
    /// [`PriceTable::from_json`](crate::PriceTable::from_json).
    pub json: String,
    /// The number of models in the table.
    pub models: u64,
    /// The number of prices that were rounded half to even, because they have too many decimals. For example, the
    /// imported file may have 1.0399999999999998 instead of 1.04. The price of a million tokens can have 6 decimals,
    /// the price of a thousand requests 9, and the price of an hour 12. All other prices are exact.
    pub rounded: u64,
    /// What was left out: models, prices, and rules for names. Each text names the model or the provider and states the
    /// reason, such as `azure/phi-4: it has no price`.
    pub left_out: Vec<String>,
}

/// The unfinished table during an import.
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

    /// Converts a price to JSON. `digits` is the price of [`Meter::per`] units, such as a million tokens. The price is
    /// rounded if it has more decimals than a table can have. Returns `None` if a positive price would be rounded to 0.
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

/// The aliases of a model or a provider, and patterns of other names, in the format of a table.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) aliases: Vec<String>,
    pub(super) like: Vec<String>,
    pub(super) unlike: Vec<String>,
}

impl Names {
    /// Returns the patterns as JSON; `None` if `like` is empty.
    pub(super) fn rule(&self) -> Option<Value> {
        let mut rule = Map::new();
        rule.insert("like".to_owned(), json!(self.like));
        if !self.unlike.is_empty() {
            rule.insert("unlike".to_owned(), json!(self.unlike));
        }
        (!self.like.is_empty()).then_some(Value::Object(rule))
    }
}
