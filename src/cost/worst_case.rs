//! Computes the highest amount that a call can cost. A part, such as audio input, belongs to a whole, such as all
//! input.

use super::breakdown::Cost;
use super::lookup::found::Match;
use crate::error::Result;
use crate::metrics::{Call, Meter, Timestamp, Usage};

/// Returns the highest cost that `call` can have. A usage can lack the count of a part, such as audio. The units that
/// are in no reported part are then priced as the most expensive part to which they can belong.
pub(super) fn price<'t>(row: &Match<'t>, call: &Call, at: Timestamp) -> Result<Cost<'t>> {
    let price = |usage: &Usage| row.price(&call.variant, usage, call.at.unwrap_or(at));
    let mut usage = call.usage;
    // A cache hit is not guaranteed, so reported cache reads do not lower the price.
    usage.parts.cache_read = None;
    usage.parts.cache_read_audio = None;
    usage.parts.cache_read_image = None;
    let mut highest = price(&usage)?;
    for whole in [Meter::Input, Meter::Output] {
        let before = usage;
        for part in whole.parts().filter(|&part| before.get(part).is_none()) {
            let with_part = before.with(part, unreported(&before, part));
            // Pricing fails if the part has no price. The vendor then does not offer this part, so the part is skipped.
            if let Ok(cost) = price(&with_part)
                && cost.usd > highest.usd
            {
                usage = with_part;
                highest = cost;
            }
        }
    }
    Ok(highest)
}

/// Returns the number of units that may belong to `part`: the units of its whole, such as all input, that are in no
/// reported part.
fn unreported(usage: &Usage, part: Meter) -> u64 {
    let whole = match part.wholes() {
        [Meter::CacheWrite] if usage.get(Meter::CacheWrite).is_none() => Meter::Input,
        wholes => wholes.first().copied().unwrap_or(part),
    };
    let beside = Meter::ALL.into_iter().filter(|meter| meter.wholes().contains(&whole));
    let reported = beside.filter_map(|meter| usage.get(meter)).fold(0, u64::saturating_add);
    usage.get(whole).unwrap_or(0).saturating_sub(reported)
}
