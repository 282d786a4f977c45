//! A cost as JSON.

use std::collections::BTreeMap;

use runledger::{Cost, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A cost. Amounts are decimal strings with all digits.
#[derive(Serialize)]
pub(crate) struct Priced<'p> {
    usd: String,
    parts: Parts<'p>,
    provider: &'p str,
    matched: &'p str,
    matched_by: Vec<&'static str>,
    table: &'p str,
    cost_tier: String,
    tier_above: Option<u64>,
    variant: BTreeMap<&'p str, &'p str>,
    variant_unpriced: BTreeMap<String, String>,
    region_unpriced: Option<String>,
    parts_unpriced: Vec<&'static str>,
    at: Timestamp,
}

/// The parts of a cost, written as an object with one amount for each meter.
struct Parts<'p>(Cost<'p>);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.parts.len()))?;
        for part in &self.0.parts {
            map.serialize_entry(part.meter.name(), &part.usd.to_string())?;
        }
        map.end()
    }
}

impl<'p> From<Cost<'p>> for Priced<'p> {
    fn from(cost: Cost<'p>) -> Self {
        Self {
            usd: cost.usd.to_string(),
            provider: cost.provider,
            matched: cost.matched,
            matched_by: cost.matched_by.clone(),
            table: cost.table,
            cost_tier: cost.tier.to_string(),
            tier_above: cost.tier_above,
            variant: cost.variant.clone(),
            variant_unpriced: cost.variant_unpriced.clone(),
            region_unpriced: cost.region_unpriced.clone(),
            parts_unpriced: cost.parts_unpriced.iter().map(|part| part.name()).collect(),
            at: cost.at,
            parts: Parts(cost),
        }
    }
}
