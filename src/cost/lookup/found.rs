//! The row of the price table that prices a call, and how the row was found.

use std::collections::BTreeMap;

use super::layer::Layer;
use crate::cost::breakdown::Cost;
use crate::cost::price::overflow;
use crate::cost::row::{Priced, Row};
use crate::error::Result;
use crate::metrics::{Timestamp, Usage, Usd};

/// A row that was found for a call.
#[derive(Clone)]
pub(in crate::cost) struct Match<'t> {
    pub(super) layer: &'t Layer,
    pub(super) row: &'t Row,
    /// True if the provider of the row served the call. If false, another provider may have served it, so only the
    /// standard prices of the row apply.
    pub(super) at_home: bool,
    /// The region of the call, if the table has no row for this region and `row` is used instead.
    pub(super) region_unpriced: Option<String>,
    /// The routing at the end of the model's name, such as `online`, which OpenRouter offers.
    pub(super) routing: Option<&'static str>,
    /// The names of the rules that led from the model's name to the row.
    pub(super) by: Vec<&'static str>,
}

impl<'t> Match<'t> {
    /// Returns the cost of `usage` at `at`. `call` has the properties of the call that say how it was served, such as
    /// `region`.
    pub(in crate::cost) fn price(
        &self,
        call: &BTreeMap<String, String>,
        usage: &Usage,
        at: Timestamp,
    ) -> Result<Cost<'t>> {
        let (layer, row) = (self.layer, self.row);
        let standard = BTreeMap::new();
        let priced_variant = if self.at_home { call } else { &standard };
        let Priced { rates, variant } = row.priced(at, priced_variant).ok_or_else(|| row.not_yet(at))?;
        let parts = rates.parts(&row.model, usage)?;
        let usd = parts.iter().try_fold(Usd::ZERO, |sum, part| sum.checked_add(part.usd));
        let is_standard = |value: &str| ["default", "standard"].contains(&value);
        let is_used = |value: &str| variant.values().any(|used| used.eq_ignore_ascii_case(value));
        // The key `region` is skipped, because the region was already looked up together with the name.
        let unpriced = call.iter().filter(|(key, value)| *key != "region" && !is_standard(value) && !is_used(value));
        let mut variant_unpriced: BTreeMap<_, _> = unpriced.map(|(key, value)| (key.clone(), value.clone())).collect();
        variant_unpriced.extend(self.routing.map(|routing| ("routing".to_owned(), routing.to_owned())));
        Ok(Cost {
            usd: usd.ok_or_else(|| overflow(&row.model))?,
            tier: row.tier(&rates),
            provider: &row.provider,
            matched: &row.model,
            matched_by: self.by.clone(),
            is_of_server: self.at_home,
            table: &layer.version,
            tier_above: rates.tier_from(usage.input).map(|from| from - 1),
            variant_unpriced,
            region_unpriced: self.region_unpriced.clone(),
            part_unpriced: rates.part_unpriced(usage),
            parts,
            variant,
            at,
        })
    }
}
