//! The price table: which model, at what time, at what price.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::nearest::nearest;
use super::price::{CostParts, Prices, overflow};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{CostSource, CostTier, ExecutionMetrics, Timestamp, Usage, Usd};

/// Prices of models, by name and by time: plain data with a version and a source.
///
/// ```
/// use runledger::{Timestamp, Usage, cost::PriceTable};
///
/// let at: Timestamp = "2026-11-20T12:00:00Z".parse()?;
/// let cost = PriceTable::bundled()?.cost("gpt-4", &Usage::new(1_000, 500), at)?;
/// assert_eq!(cost.usd.to_string(), "0.06");
/// assert_eq!((cost.provider, cost.matched, cost.table), ("openai", "gpt-4", "2026-11-20"));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PriceTable {
    pub(super) version: String,
    pub(super) as_of: Timestamp,
    pub(super) source: String,
    pub(super) rows: Vec<Row>,
    /// Every model's name and aliases, to its place in `rows`.
    pub(super) names: HashMap<String, usize>,
}

/// One model.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) tier: CostTier,
    /// In order of time.
    pub(super) periods: Vec<Period>,
}

#[derive(Debug, Clone)]
pub(super) struct Period {
    /// `None`: since ever.
    pub(super) from: Option<Timestamp>,
    pub(super) prices: Prices,
}

/// What a call cost, and by which row of which table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost<'t> {
    /// The exact amount in US dollars, not rounded.
    pub usd: Usd,
    /// What it is the sum of.
    pub parts: CostParts,
    /// The tier of the model at the time.
    pub tier: CostTier,
    /// Whose prices these are.
    pub provider: &'t str,
    /// The model as the table names it, even if it was asked for by an alias.
    pub matched: &'t str,
    /// The table's version.
    pub table: &'t str,
}

impl Cost<'_> {
    /// Writes the cost into `record`: `cost_usd` rounded to 8 decimals, half to even, `cost_tier`, where they come from,
    /// and the provider unless the record names one already.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.cost_usd = Some(self.usd.round_to_record());
        record.cost_tier = Some(self.tier.clone());
        record.cost.source = Some(CostSource::Computed);
        record.cost.table = Some(self.table.to_owned());
        record.cost.matched = Some(self.matched.to_owned());
        record.model.provider.get_or_insert_with(|| self.provider.to_owned());
    }
}

impl PriceTable {
    /// The table that comes with the crate, read once.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json); a released crate's table reads, since its tests read it.
    pub fn bundled() -> Result<&'static Self> {
        static BUNDLED: LazyLock<Result<PriceTable>> =
            LazyLock::new(|| PriceTable::from_json(include_str!("prices.json")));
        BUNDLED.as_ref().map_err(Error::clone)
    }

    /// The table's own version, as records keep it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The day on which its prices were looked up, at 00:00 UTC.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Where its prices come from, and under which licence.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of the models without their aliases, in the table's order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.model.as_str())
    }

    /// What `usage` of `model` costs at the prices of the time `at` when the call was made.
    ///
    /// The [module](crate::cost#rules) states the rules.
    ///
    /// ```
    /// use runledger::{ErrorKind, Usage, cost::PriceTable};
    ///
    /// let (prices, at) = (PriceTable::bundled()?, "2026-11-20T12:00:00Z".parse()?);
    /// let usage = Usage::new(10_000, 500).cache_read(8_000); // 2,000 × $5 + 8,000 × $0.50 + 500 × $25, each a million
    /// assert_eq!(prices.cost("claude-opus-4-5", &usage, at)?.usd.to_string(), "0.0265");
    ///
    /// let error = prices.cost("claude-opus-4.5", &usage, at).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnknownModel);
    /// assert_eq!(error.details()[0], "claude-opus-4-5");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::UnknownModel`]: the table does not know the model (the nearest known names are in the
    ///   [`details`](Error::details)), its first price begins after `at`, or cache writes have no price.
    /// * [`ErrorKind::Invalid`]: the cached parts exceed the input, or the reasoning exceeds the output.
    /// * [`ErrorKind::Overflow`]: the amount leaves the range of [`Usd`].
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Result<Cost<'_>> {
        let row = self.row(model).ok_or_else(|| self.unknown(model))?;
        let prices = row.prices_at(at)?;
        let parts = prices.parts(&row.model, usage)?;
        Ok(Cost {
            usd: parts.total().ok_or_else(|| overflow(&row.model))?,
            parts,
            tier: if prices.is_free() { CostTier::Free } else { row.tier.clone() },
            provider: &row.provider,
            matched: &row.model,
            table: &self.version,
        })
    }

    fn row(&self, model: &str) -> Option<&Row> {
        self.named(model).or_else(|| {
            let (provider, name) = model.split_once('/')?;
            self.named(name).filter(|row| row.provider == provider)
        })
    }

    fn named(&self, name: &str) -> Option<&Row> {
        self.rows.get(*self.names.get(name)?)
    }

    fn unknown(&self, model: &str) -> Error {
        let near = nearest(model, self.names.keys().map(String::as_str));
        let operation = match near.is_empty() {
            true => format!("price the unknown model {model:?}"),
            false => format!("price the unknown model {model:?}, nearest known names"),
        };
        near.into_iter().fold(Error::new(ErrorKind::UnknownModel, operation), Error::detail)
    }
}

impl Row {
    fn prices_at(&self, at: Timestamp) -> Result<&Prices> {
        let period = self.periods.iter().rfind(|period| period.from.is_none_or(|from| from <= at));
        period.map(|period| &period.prices).ok_or_else(|| {
            let error = Error::new(ErrorKind::UnknownModel, format!("price the model {:?} at {at}", self.model));
            match self.periods.first().and_then(|first| first.from) {
                Some(from) => error.detail(format!("its first price begins at {from}")),
                None => error,
            }
        })
    }
}
