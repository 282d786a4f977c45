//! A cost as JSON, as `runledger price` prints it and `runledger pipe` reads it.

use std::collections::BTreeMap;

use runledger::metrics::{CostProvenance, CostSource, CostTier};
use runledger::{Cost, ExecutionMetrics, Timestamp, Usd};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

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
    part_unpriced: Vec<&'static str>,
    at: Timestamp,
}

/// The parts of a cost, written as an object. The object has one amount for each meter, which is a kind of usage such
/// as input tokens.
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
            part_unpriced: cost.part_unpriced.iter().map(|part| part.name()).collect(),
            at: cost.at,
            parts: Parts(cost),
        }
    }
}

/// The answer of `runledger price` to a call: a cost, or the reason why the call has no cost.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Answered {
    usd: Option<Box<RawValue>>,
    error: Option<String>,
    provider: Option<String>,
    matched: Option<String>,
    table: Option<String>,
    cost_tier: Option<String>,
    tier_above: Option<u64>,
    variant: Option<Value>,
    variant_unpriced: Option<Value>,
    region_unpriced: Option<Value>,
    part_unpriced: Option<Value>,
    matched_by: Option<Value>,
    at: Option<Timestamp>,
}

impl Answered {
    /// Writes the cost and its source into `record`, which must not have a cost yet. A known `cost_tier` is not
    /// changed. If the answer has no cost, the cost of the record becomes unknown, and the reason is returned.
    pub(crate) fn fill(self, record: &mut ExecutionMetrics) -> Result<Option<String>, String> {
        let estimated_usd = record.cost.estimated_usd;
        record.cost.estimated_usd = None;
        if record.cost_usd.is_some() || record.cost != CostProvenance::default() {
            return Err("expected no other cost in the record, found cost_usd or cost".to_owned());
        }
        let mut cost = CostProvenance::default();
        cost.estimated_usd = estimated_usd;
        match (&self.usd, &self.error) {
            (Some(usd), None) => {
                let exact = amount(usd)?;
                record.cost_usd = Some(exact.round_to_record());
                cost.exact_usd = Some(exact).filter(|exact| record.cost_usd != Some(*exact));
                cost.source = Some(CostSource::Computed);
            }
            (None, Some(_)) => cost.source = Some(CostSource::Unknown),
            _ => return Err("expected an object with usd or with error".to_owned()),
        }
        cost.table = self.table;
        cost.provider.clone_from(&self.provider);
        cost.matched = self.matched;
        cost.tier_above = self.tier_above;
        cost.variant = text_of(self.variant);
        cost.variant_unpriced = text_of(self.variant_unpriced);
        cost.region_unpriced = text_of(self.region_unpriced);
        cost.part_unpriced = text_of(self.part_unpriced);
        cost.matched_by = text_of(self.matched_by);
        cost.at = self.at;
        record.cost = cost;
        let known = record.cost_tier.take().filter(|tier| *tier != CostTier::Unknown);
        let tier = self.cost_tier.map(|tier| tier.as_str().into());
        record.cost_tier = known.or(tier).or(Some(CostTier::Unknown));
        record.model.provider = record.model.provider.take().or(self.provider);
        Ok(self.error)
    }
}

/// Reads an amount, which may be a string or a number. `runledger price` prints strings, but other programs may have
/// converted them to numbers.
fn amount(usd: &RawValue) -> Result<Usd, String> {
    let digits = serde_json::from_str(usd.get()).unwrap_or_else(|_| usd.get().to_owned());
    digits.parse().map_err(|error: runledger::Error| format!("usd: {}", error.details().join("; ")))
}

/// Returns the text that a record stores for a variant or a list, such as `service_tier=flex,speed=fast` or `a, b`.
/// Returns `None` if the text would be empty.
fn text_of(value: Option<Value>) -> Option<String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = match value? {
        Value::Null => String::new(),
        Value::Object(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
            pairs.join(",")
        }
        Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => plain(&other),
    };
    Some(text).filter(|text| !text.is_empty())
}
