//! The cost of a call, part by part.

use std::collections::BTreeMap;
use std::fmt;

use super::price::CostPart;
use crate::metrics::{CostProvenance, CostSource, CostTier, ExecutionMetrics, Meter, Timestamp, Usd};

/// The rule for a name that several providers have at one price.
pub(super) const SAME_PRICE: &str = "same price at every provider";

/// The cost of a call, and the row and the table that priced it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost<'t> {
    /// The exact amount in US dollars, not rounded.
    pub usd: Usd,
    /// The parts that add up to it, in the order of [`Meter::ALL`](crate::metrics::Meter::ALL). An unused meter has no
    /// part.
    pub parts: Vec<CostPart>,
    /// The tier of the model at the time.
    pub tier: CostTier,
    /// The provider whose prices these are. It differs from the one that served the call if the table says that other
    /// prices apply there.
    pub provider: &'t str,
    /// The model as the table names it, even if the call named it differently.
    pub matched: &'t str,
    /// The rules by which the model's name led to the row, such as `date with other separators`. Empty if the name is
    /// in the table, or fits a pattern there.
    pub matched_by: Vec<&'static str>,
    /// The table's version.
    pub table: &'t str,
    /// The prices apply to an input of more tokens than this. `None` if they apply to any input.
    pub tier_above: Option<u64>,
    /// The part of the call's variant to which these prices apply, such as `processing` batch. Empty for the standard
    /// prices.
    pub variant: BTreeMap<&'t str, &'t str>,
    /// The part of the call's variant for which the row has no prices, so that the standard prices were used. The
    /// amount is then too low for priority and too high for a batch. The standard service, which vendors call `default`
    /// or `standard`, is left out.
    pub variant_unpriced: BTreeMap<String, String>,
    /// The region that the model's name or the call's variant `region` states, if the table has no row for it. The
    /// standard prices were used, which may be too low.
    pub region_unpriced: Option<String>,
    /// The parts of the usage that have no price of their own, such as audio at a price for text. They cost the price of
    /// their whole, which may be too low. In the order of [`Meter::ALL`](crate::metrics::Meter::ALL).
    pub part_unpriced: Vec<Meter>,
    /// The time at which these prices apply.
    pub at: Timestamp,
}

impl Cost<'_> {
    /// Returns the provider that served the call, as far as it is known. Several providers may have the same price.
    pub(crate) fn served_by(&self) -> Option<&str> {
        (!self.matched_by.contains(&SAME_PRICE)).then_some(self.provider)
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

    /// Writes the cost into `record`: `cost_usd` rounded half to even to 8 decimals, `cost_tier` and their provenance.
    /// The provenance has the exact amount if it has more decimals.
    ///
    /// Also sets the provider unless the record already names one. The estimate is not changed.
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

/// Returns a variant as text such as `processing=batch`, with commas between its pairs; `None` if it is empty.
fn text_of<T: fmt::Display>(variant: &BTreeMap<T, T>) -> Option<String> {
    let text = |(key, value): (&T, &T)| format!("{key}={value}");
    (!variant.is_empty()).then(|| variant.iter().map(text).collect::<Vec<_>>().join(","))
}
