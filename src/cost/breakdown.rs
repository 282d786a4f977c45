//! The cost of a call, part by part.

use std::collections::BTreeMap;
use std::fmt;

use super::price::CostPart;
use crate::metrics::{CostProvenance, CostSource, CostTier, ExecutionMetrics, Meter, Timestamp, Usd};

/// The cost of a call, and the row of the price table that priced the call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost<'t> {
    /// The exact amount in US dollars, not rounded.
    pub usd: Usd,
    /// The parts that add up to `usd`, in the order of [`Meter::ALL`](crate::metrics::Meter::ALL). An unused meter has
    /// no part.
    pub parts: Vec<CostPart>,
    /// The tier of the model at the time of the call, such as free or premium.
    pub tier: CostTier,
    /// The provider whose prices were used. The call may have been served by another provider that falls back to these
    /// prices or has the same prices.
    pub provider: &'t str,
    /// The model as the table names it, even if the call used another name.
    pub matched: &'t str,
    /// The rules that led from the model's name to the row, such as `date with other separators`. Empty if the table
    /// has the name itself, or a pattern that matches it, so that no rule was needed.
    pub matched_by: Vec<&'static str>,
    /// The version of the file from which the prices come.
    pub table: &'t str,
    /// The number of input tokens above which the prices of the call's tier apply. `None` if the call reaches no tier.
    pub tier_above: Option<u64>,
    /// A variant is a set of key-value pairs that say how a call was served, such as `processing` with `batch`. These
    /// are the pairs of the call's variant for which the table has prices. Empty if only standard prices were used.
    pub variant: BTreeMap<&'t str, &'t str>,
    /// The pairs of the call's variant for which the table has no prices for this model. The standard prices were used
    /// instead. The standard prices are too low for a call with priority, and too high for a batch. Pairs with the
    /// value `default` or `standard` are left out, because they mean the standard service. If the model's name ends in
    /// a routing such as `:online`, the key `routing` has this word.
    pub variant_unpriced: BTreeMap<String, String>,
    /// The region of the call, if the table has no prices for this region. The region is stated in the model's name, or
    /// under the key `region` in the call's variant. The standard prices were used instead, and may be too low.
    pub region_unpriced: Option<String>,
    /// The parts of the usage that have no price of their own, such as audio input if there is a price for text only.
    /// Each of these parts was billed at the price of its whole, such as all input. This price may be too low. The
    /// parts are in the order of [`Meter::ALL`](crate::metrics::Meter::ALL).
    pub part_unpriced: Vec<Meter>,
    /// True if `provider` must have served the call. False if another provider may have served it.
    pub(super) is_of_server: bool,
    /// The time for which the prices were looked up.
    pub at: Timestamp,
}

impl Cost<'_> {
    /// Returns `provider`, or `None` if another provider may have served the call. Another provider is possible if
    /// several providers have the model at the same price, or if the call's provider falls back to the prices of
    /// `provider`.
    pub(crate) fn served_by(&self) -> Option<&str> {
        self.is_of_server.then_some(self.provider)
    }

    /// Returns the provenance of the amount, as a record stores it.
    pub fn provenance(&self) -> CostProvenance {
        CostProvenance {
            source: Some(CostSource::Computed),
            table: Some(self.table.to_owned()),
            provider: Some(self.provider.to_owned()),
            matched: Some(self.matched.to_owned()),
            tier_above: self.tier_above,
            variant: text_of(&self.variant),
            variant_unpriced: text_of(&self.variant_unpriced),
            region_unpriced: self.region_unpriced.clone(),
            part_unpriced: joined(self.part_unpriced.iter().map(|part| part.name())),
            matched_by: joined(self.matched_by.iter().copied()),
            at: Some(self.at),
            ..CostProvenance::default()
        }
    }

    /// Writes `cost_tier`, `cost_usd` (rounded half to even to 8 decimals) and their provenance into `record`. If the
    /// exact amount has more than 8 decimals, the provenance also stores the exact amount.
    ///
    /// If the record names no provider, and only one provider can have served the call, also sets the provider. The
    /// estimate in the record is not changed.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.cost_usd = Some(self.usd.round_to_record());
        record.cost_tier = Some(self.tier.clone());
        record.cost = CostProvenance {
            estimated_usd: record.cost.estimated_usd,
            exact_usd: Some(self.usd).filter(|exact| record.cost_usd != Some(*exact)),
            ..self.provenance()
        };
        if record.model.provider.is_none() {
            record.model.provider = self.served_by().map(str::to_owned);
        }
    }
}

/// Returns the names with commas between them; `None` if there are none.
fn joined<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns a variant as text such as `processing=batch`, with commas between its pairs; `None` if the variant has no
/// pairs.
fn text_of<T: fmt::Display>(variant: &BTreeMap<T, T>) -> Option<String> {
    let text = |(key, value): (&T, &T)| format!("{key}={value}");
    (!variant.is_empty()).then(|| variant.iter().map(text).collect::<Vec<_>>().join(","))
}
