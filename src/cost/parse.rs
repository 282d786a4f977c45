//! A price table from JSON: all of it, or an error with the line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::price::Prices;
use super::table::{Period, PriceTable, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{CostTier, Timestamp, Usd};

/// A price of the table is for this many tokens.
const TOKENS_PRICED: i128 = 1_000_000;

// What the file says. The values stay as they are written: where they lie in the text tells their line, and digits do
// not pass through a float.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText<'a> {
    #[serde(borrow)]
    version: &'a RawValue,
    #[serde(borrow)]
    as_of: &'a RawValue,
    #[serde(borrow)]
    source: &'a RawValue,
    #[serde(borrow)]
    models: Vec<RowText<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
    #[serde(borrow, default)]
    aliases: Vec<&'a RawValue>,
    #[serde(borrow)]
    provider: &'a RawValue,
    #[serde(borrow)]
    tier: &'a RawValue,
    #[serde(borrow)]
    prices: Vec<PeriodText<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeriodText<'a> {
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    output: &'a RawValue,
    #[serde(borrow)]
    cache_read: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write_1h: Option<&'a RawValue>,
}

impl PriceTable {
    /// The table that `text` holds, in the form that the [module](crate::cost#the-table) describes.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable};
    ///
    /// let table = PriceTable::from_json(
    ///     r#"{"version": "1", "as_of": "2026-11-20", "source": "our contract", "models": [
    ///         {"model": "m-1", "provider": "example", "tier": "Standard", "prices": [{"input": 3, "output": "15"}]}]}"#,
    /// )?;
    /// let cost = table.cost("m-1", &Usage::new(1_000, 100), "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!(cost.usd.to_string(), "0.0045");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with the [line](Error::line) of the first fault: no JSON, a missing, doubled or unknown
    /// key, an empty name, a name given twice, an unknown tier, no price, a negative one or one with more than six
    /// decimals, periods out of order, a price in a `Free` row. Nothing of a faulty table is used.
    pub fn from_json(text: &str) -> Result<Self> {
        let table: TableText = serde_json::from_str(text).map_err(|source| {
            let line = source.line();
            malformed(text, line).source(source)
        })?;
        Reader { text }.table(&table)
    }
}

/// An error about the line that is `line`th, counted from 1.
fn malformed(text: &str, line: usize) -> Error {
    let byte: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    Error::new(ErrorKind::Malformed, "read a price table").at(line as u64, byte as u64)
}

/// Turns values into what they mean, and knows where in `text` each of them stands.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn table(&self, table: &TableText) -> Result<PriceTable> {
        let mut names = HashMap::new();
        let mut rows = Vec::with_capacity(table.models.len());
        for row in &table.models {
            for &value in [row.model].iter().chain(&row.aliases) {
                match names.entry(self.name(value)?) {
                    Entry::Vacant(entry) => entry.insert(rows.len()),
                    Entry::Occupied(_) => return Err(self.fault(value, "expected a new name, found")),
                };
            }
            rows.push(self.row(row)?);
        }
        let (version, source) = (self.name(table.version)?, self.name(table.source)?);
        Ok(PriceTable { version, as_of: self.day(table.as_of)?, source, rows, names })
    }

    fn row(&self, row: &RowText) -> Result<Row> {
        let mut periods: Vec<Period> = Vec::with_capacity(row.prices.len());
        for period in &row.prices {
            let from = period.from.map(|value| self.day(value)).transpose()?;
            if periods.last().is_some_and(|last| from <= last.from) {
                let value = period.from.unwrap_or(period.input);
                return Err(self.fault(value, "expected each \"from\" to be later than the last, at"));
            }
            periods.push(Period { from, prices: self.prices(period)? });
        }
        if periods.is_empty() {
            return Err(self.fault(row.model, "expected at least one price for"));
        }
        let tier = self.tier(row.tier, periods.iter().all(|period| period.prices.is_free()))?;
        Ok(Row { model: self.name(row.model)?, provider: self.name(row.provider)?, tier, periods })
    }

    fn prices(&self, period: &PeriodText) -> Result<Prices> {
        let optional = |value: Option<&RawValue>| value.map(|value| self.price(value)).transpose();
        Ok(Prices {
            input: self.price(period.input)?,
            output: self.price(period.output)?,
            cache_read: optional(period.cache_read)?,
            cache_write: optional(period.cache_write)?,
            cache_write_1h: optional(period.cache_write_1h)?,
        })
    }

    fn tier(&self, value: &RawValue, is_free: bool) -> Result<CostTier> {
        match (CostTier::from(self.name(value)?.as_str()), is_free) {
            (tier @ CostTier::Free, true) | (tier @ (CostTier::Standard | CostTier::Premium), false) => Ok(tier),
            (_, true) => Err(self.fault(value, "expected \"Free\", since every price is zero, found")),
            (_, false) => {
                Err(self.fault(value, "expected \"Standard\" or \"Premium\", since a price is not zero, found"))
            }
        }
    }

    /// A string that is not blank.
    fn name(&self, value: &RawValue) -> Result<String> {
        let name = serde_json::from_str::<String>(value.get()).ok().filter(|name| !name.trim().is_empty());
        name.ok_or_else(|| self.fault(value, "expected a string that is not blank, found"))
    }

    /// A day such as 2026-11-20, as its first moment in UTC.
    fn day(&self, value: &RawValue) -> Result<Timestamp> {
        let day = format!("{}T00:00:00Z", self.name(value)?).parse();
        day.map_err(|_| self.fault(value, "expected a day such as \"2026-11-20\", found"))
    }

    /// What one token costs, from the price of a million.
    fn price(&self, value: &RawValue) -> Result<Usd> {
        let digits = match value.get().starts_with('"') {
            true => self.name(value)?,
            false => value.get().to_owned(),
        };
        let whole = |million: &Usd| million.pico() >= 0 && million.pico() % TOKENS_PRICED == 0;
        match digits.parse::<Usd>().ok().filter(whole) {
            Some(million) => Ok(Usd::from_pico(million.pico() / TOKENS_PRICED)),
            None => Err(self.fault(value, "expected a price of at least 0 with at most 6 decimals, found")),
        }
    }

    /// An error about `value`, at the line where it begins.
    fn fault(&self, value: &RawValue, expected: &str) -> Error {
        let offset = value.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let line = 1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        malformed(self.text, line).detail(format!("{expected} {}", value.get()))
    }
}
