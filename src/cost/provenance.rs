//! Combines the provenances and the tiers of several amounts. A provenance says how an amount was determined.

use crate::metrics::{CostProvenance, CostSource, CostTier};

/// Returns the provenance of the sum of two amounts. The result keeps each value that is the same in both provenances,
/// except the amounts `estimated_usd` and `exact_usd`. If the sources differ and one of them is
/// [`CostSource::Computed`], the source of the sum is `Computed`.
pub(crate) fn common(a: &CostProvenance, b: &CostProvenance) -> CostProvenance {
    fn same<T: Clone + PartialEq>(a: &Option<T>, b: &Option<T>) -> Option<T> {
        a.clone().filter(|_| a == b)
    }
    let computed = || [&a.source, &b.source].contains(&&Some(CostSource::Computed)).then_some(CostSource::Computed);
    CostProvenance {
        source: same(&a.source, &b.source).or_else(computed),
        table: same(&a.table, &b.table),
        provider: same(&a.provider, &b.provider),
        matched: same(&a.matched, &b.matched),
        tier_above: same(&a.tier_above, &b.tier_above),
        variant: same(&a.variant, &b.variant),
        variant_unpriced: same(&a.variant_unpriced, &b.variant_unpriced),
        region_unpriced: same(&a.region_unpriced, &b.region_unpriced),
        part_unpriced: same(&a.part_unpriced, &b.part_unpriced),
        matched_by: same(&a.matched_by, &b.matched_by),
        at: same(&a.at, &b.at),
        ..CostProvenance::default()
    }
}

/// Returns the tier with the higher prices. An unknown tier counts as the highest.
pub(crate) fn dearer(a: CostTier, b: CostTier) -> CostTier {
    let rank = |tier: &CostTier| match tier {
        CostTier::Free => 0,
        CostTier::Standard => 1,
        CostTier::Premium => 2,
        _ => 3,
    };
    if rank(&b) >= rank(&a) { b } else { a }
}
