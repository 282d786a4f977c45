//! The most that a call can cost.

use super::breakdown::Cost;
use super::lookup::found::Match;
use crate::error::Result;
use crate::metrics::{Call, Meter, Timestamp, Usage};

/// Returns the highest cost that `call` can have. The usage may not report how many units belong to a part, such as
/// audio. The remaining units are then priced as the most expensive part to which they can belong.
pub(super) fn price<'t>(row: &Match<'t>, call: &Call, at: Timestamp) -> Result<Cost<'t>> {
    let price = |usage: &Usage| row.price(&call.variant, usage, call.at.unwrap_or(at));
    let mut usage = call.usage;
    usage.parts.cache_read = None;
    usage.parts.cache_read_audio = None;
    usage.parts.cache_read_image = None;
    let mut dearest = price(&usage)?;
    for whole in [Meter::Input, Meter::Output] {
        let before = usage;
        for part in whole.parts().filter(|&part| before.get(part).is_none()) {
            let with_part = before.with(part, unreported(&before, part));
            // Pricing can fail because a part has no price. Then the vendor does not offer this part, so the part is
            // skipped.
            if let Ok(cost) = price(&with_part)
                && cost.usd > dearest.usd
            {
                usage = with_part;
                dearest = cost;
            }
        }
    }
    Ok(dearest)
}

/// Returns how many units may belong to `part`: the units of its whole, such as all input, that belong to no reported
/// part.
fn unreported(usage: &Usage, part: Meter) -> u64 {
    let whole = match part.wholes() {
        [Meter::CacheWrite] if usage.get(Meter::CacheWrite).is_none() => Meter::Input,
        wholes => wholes.first().copied().unwrap_or(part),
    };
    let beside = Meter::ALL.into_iter().filter(|meter| meter.wholes().contains(&whole));
    let reported = beside.filter_map(|meter| usage.get(meter)).fold(0, u64::saturating_add);
    usage.get(whole).unwrap_or(0).saturating_sub(reported)
}
