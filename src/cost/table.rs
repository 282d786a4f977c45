//! The price table: the price of each model at each time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::breakdown::Cost;
use super::lookup::layers::Layers;
use super::{lookup, parse, worst_case};
use crate::error::{Error, Result};
use crate::metrics::{Call, Timestamp, Usage};

/// Prices of models, by name and by time. A table is plain data with a version and a source.
///
/// ```
/// use runledger::{Timestamp, Usage, cost::PriceTable};
///
/// let at: Timestamp = "2026-11-20T12:00:00Z".parse()?;
/// let cost = PriceTable::bundled()?.cost("gpt-4", &Usage::new(1_000, 500), at)?;
/// assert_eq!(cost.usd.to_string(), "0.06");
/// assert_eq!((cost.provider, cost.matched), ("openai", "gpt-4"));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Clone)]
pub struct PriceTable {
    layers: Layers,
}

/// The rows that this crate adds to the bundled price table, as JSON.
pub(super) const ADDITIONS: &str = include_str!("additions.json");

/// A file of prices that a [`PriceTable`] contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceFile<'t> {
    /// The version of the file, as records store it.
    pub version: &'t str,
    /// The day on which the prices were looked up, at 00:00 UTC.
    pub as_of: Timestamp,
    /// The origin and the licence of the prices.
    pub source: &'t str,
    /// The number of models in the file.
    pub models: usize,
}

impl fmt::Debug for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.layers.iter().map(|layer| (&layer.version, layer.rows.len()));
        f.debug_map().entries(files).finish()
    }
}

impl PriceTable {
    /// Reads the table in `text`, which has the format that the [module](crate::cost#the-table) describes.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable};
    ///
    /// let table = PriceTable::from_json(
    ///     r#"{"version": "1", "as_of": "2026-11-20", "source": "our contract", "models": [
    ///         {"model": "m-1", "provider": "example", "prices": [{"input": 3, "output": "15"}]}]}"#,
    /// )?;
    /// let cost = table.cost("m-1", &Usage::new(1_000, 100), "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!(cost.usd.to_string(), "0.0045");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) at the first fault, with its
    /// [line](Error::line) and [byte](Error::byte). Examples of faults are:
    ///
    /// * invalid JSON, and a key that is missing, unknown or given twice;
    /// * an empty name, a name given twice, and an unknown tier;
    /// * a price that is missing, is negative, or has too many decimals;
    /// * periods that are out of order;
    /// * a tier that contradicts the prices: a row is `Free` if and only if all its prices are zero.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(Self { layers: Layers::new(vec![Arc::new(parse::layer(text)?)]) })
    }

    /// Returns the table that comes with the crate: a snapshot of genai-prices, overridden by a few rows of this
    /// crate. The table is parsed once, on the first call. The prices of a model are parsed later, when they are
    /// first needed.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if the table cannot be parsed. Tests check that
    /// the table of each release can be parsed.
    pub fn bundled() -> Result<&'static Self> {
        static BUNDLED: LazyLock<Result<PriceTable>> = LazyLock::new(|| {
            let snapshot = parse::layer_of_unread_rows(include_str!("prices.json"))?;
            Ok(PriceTable::from_json(ADDITIONS)?.or(&PriceTable { layers: Layers::new(vec![Arc::new(snapshot)]) }))
        });
        BUNDLED.as_ref().map_err(Error::clone)
    }

    /// Returns this table with `other` as its fallback, which prices the models that this table does not have. Use
    /// this method to override the bundled table with your own table.
    ///
    /// The tables are combined row by row. A model that is in both tables has the prices of this table. All names,
    /// aliases and patterns of the model in both tables lead to these prices.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable};
    ///
    /// let own = r#"{"version": "contract 7", "as_of": "2026-11-01", "source": "our contract", "models": [
    ///     {"model": "gpt-4", "provider": "openai", "prices": [{"input": "24", "output": "48"}]}]}"#;
    /// let prices = PriceTable::from_json(own)?.or(PriceTable::bundled()?);
    /// let (usage, at) = (Usage::new(1_000, 500), "2026-11-20T12:00:00Z".parse()?);
    /// assert_eq!(prices.cost("gpt-4", &usage, at)?.table, "contract 7");
    /// assert_eq!(prices.cost("gpt-4o", &usage, at)?.table, "genai-prices 0.2.3");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self { layers: self.layers.or(&other.layers) }
    }

    /// Returns the files that the table was read from. Each file takes precedence over the files after it.
    ///
    /// ```
    /// let bundled = runledger::PriceTable::bundled()?;
    /// assert!(bundled.files().any(|file| file.version == "genai-prices 0.2.3" && file.models == 2_151));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn files(&self) -> impl Iterator<Item = PriceFile<'_>> {
        self.layers.iter().map(|layer| PriceFile {
            version: &layer.version,
            as_of: layer.as_of,
            source: &layer.source,
            models: layer.rows.len(),
        })
    }

    /// Returns the provider and the name of each model, without aliases, in the table's order.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        let rows = self.layers.iter().flat_map(|layer| &layer.rows);
        rows.map(|row| (row.provider.as_str(), row.model.as_str()))
    }

    /// Returns the cost of a call of `model` with this `usage`, at the prices of the time `at`. Assumes the standard
    /// service of the provider that usually serves this model.
    ///
    /// The [module](crate::cost#rules) documents the rules.
    ///
    /// ```
    /// use runledger::{ErrorKind, Usage, cost::PriceTable};
    ///
    /// let (prices, at) = (PriceTable::bundled()?, "2026-11-20T12:00:00Z".parse()?);
    /// let usage = Usage::new(10_000, 500).cache_read(8_000); // (2,000 × $5 + 8,000 × $0.50 + 500 × $25) ÷ 1,000,000
    /// assert_eq!(prices.cost("claude-opus-4-5", &usage, at)?.usd.to_string(), "0.0265");
    ///
    /// let error = prices.cost("gpt-4oo", &usage, at).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnknownModel);
    /// assert_eq!(error.details()[0], "gpt-4o");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`UnknownModel`](crate::ErrorKind::UnknownModel) if the table does not contain the model, or if several
    ///   providers serve it at different prices. In the first case, the [`details`](Error::details) are the nearest
    ///   known names. In the second case, each detail names the model and one of these providers. Also if the name is
    ///   another spelling of several models with different prices, which the details list.
    /// * [`Unpriced`](crate::ErrorKind::Unpriced) if the model has no price at `at`, or no price for a part of the
    ///   usage.
    /// * [`Invalid`](crate::ErrorKind::Invalid) if parts of the usage, such as cached input, exceed their whole,
    ///   such as all input ([`Usage::validate`]).
    /// * [`Overflow`](crate::ErrorKind::Overflow) if the amount exceeds the range of [`Usd`](crate::Usd).
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Result<Cost<'_>> {
        lookup::standard_row(&self.layers, model)?.price(&BTreeMap::new(), usage, at)
    }

    /// Returns the cost of `call`, at the prices that apply at the time of the call. If the call has no time, the
    /// prices that apply at `at` are used. The cost that the vendor reported is ignored.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable, metrics::Call};
    ///
    /// let call = Call::new("o3", Usage::new(1_000_000, 1_000_000)).variant("service_tier", "flex");
    /// let cost = PriceTable::bundled()?.cost_of(&call, "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!((cost.usd.to_string().as_str(), cost.variant["service_tier"]), ("5", "flex"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`UnknownModel`](crate::ErrorKind::UnknownModel) if the table does not contain the model or its provider, or
    ///   if the call names no provider and several providers serve the model at different prices. Also if the name is
    ///   another spelling of several models with different prices.
    /// * [`Unpriced`](crate::ErrorKind::Unpriced) if the model has no price at that time, or no price for a part of the
    ///   usage.
    /// * [`Invalid`](crate::ErrorKind::Invalid) if parts of the usage, such as cached input, exceed their whole,
    ///   such as all input ([`Usage::validate`]).
    /// * [`Overflow`](crate::ErrorKind::Overflow) if the amount exceeds the range of [`Usd`](crate::Usd).
    pub fn cost_of(&self, call: &Call, at: Timestamp) -> Result<Cost<'_>> {
        let row = lookup::row(&self.layers, call)?;
        row.price(&call.variant, &call.usage, call.at.unwrap_or(at))
    }

    /// Returns the highest amount that `call` can cost. Use it to reserve this amount before the call is made. The
    /// usage of `call` must have the input that will be sent, and the largest output that the model may return.
    ///
    /// If the count of a part is `None`, any unreported input or output can belong to this part. The unreported tokens
    /// are priced at the highest rate that is possible for the model. This can be, for example, the rate for audio, for
    /// reasoning, or for input that is written to a cache for an hour.
    ///
    /// Input is not assumed to be read from a cache, since a cache hit is not guaranteed. The only exceptions are
    /// models whose cached input costs more than other input. Separately billed items, such as searches, are included
    /// if the usage reports them.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable, metrics::Call};
    ///
    /// let call = Call::new("claude-opus-4-5", Usage::new(10_000, 4_096));
    /// let most = PriceTable::bundled()?.worst_case(&call, "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!(most.usd.to_string(), "0.2024"); // (10,000 × $10 + 4,096 × $25) ÷ 1,000,000
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`UnknownModel`](crate::ErrorKind::UnknownModel) if the table does not contain the model or its provider, or
    ///   if the call names no provider and several providers serve the model at different prices. Also if the name is
    ///   another spelling of several models with different prices.
    /// * [`Unpriced`](crate::ErrorKind::Unpriced) if the model has no price at that time, or no price for a part of the
    ///   usage.
    /// * [`Invalid`](crate::ErrorKind::Invalid) if parts of the usage, such as cached input, exceed their whole,
    ///   such as all input ([`Usage::validate`]).
    /// * [`Overflow`](crate::ErrorKind::Overflow) if the amount exceeds the range of [`Usd`](crate::Usd).
    pub fn worst_case(&self, call: &Call, at: Timestamp) -> Result<Cost<'_>> {
        worst_case::price(&lookup::row(&self.layers, call)?, call, at)
    }

    /// Like [`cost_of`](Self::cost_of), but returns `None` instead of an error, and does not search for similar names.
    pub(crate) fn cost_if_known(&self, call: &Call, at: Timestamp) -> Option<Cost<'_>> {
        let row = lookup::row_if_known(&self.layers, call)?;
        row.price(&call.variant, &call.usage, call.at.unwrap_or(at)).ok()
    }
}

#[cfg(test)]
mod tests;
