//! Writes the status of a quota as text.

use runledger::QuotaStatus;
use runledger::quota::{self, Amount};

use crate::zone::Zone;

/// Returns a text such as `12.5 of 20 usd used in the current day in Europe/Zurich, 1 held, 6.5 left until 2026-02-15
/// 00:00 Europe/Zurich`.
pub(crate) fn summary<A: Amount>(status: &QuotaStatus<A>) -> String {
    let QuotaStatus { consumed, limit, unit, held, remaining, unknown, unknown_held, .. } = status;
    let mut text = format!("{consumed} of {limit} {unit} used {}, {held} held", per(status));
    for (count, state) in [(*unknown, ""), (*unknown_held, " in flight")] {
        if count > 0 {
            let calls = if count == 1 { "call" } else { "calls" };
            text += &format!(", {count} {calls}{state} of unknown amount");
        }
    }
    text += &format!(", {remaining} left");
    if let Some((resets_at, zone)) = reset(status) {
        text += &format!(" until {resets_at} {zone}");
    }
    text
}

/// Returns when the period ends, such as `2026-02-15 00:00`, and the zone in which this time is stated. The zone is
/// that of the limit, or UTC if the zone of the limit is unknown. Returns `None` if the period does not end.
pub(crate) fn reset<A>(status: &QuotaStatus<A>) -> Option<(String, &str)> {
    let resets_at = status.resets_at?.to_chrono();
    let (local, zone) = match status.zone.name().parse::<Zone>() {
        Ok(zone) => (resets_at.with_timezone(&zone).naive_local(), status.zone.name()),
        Err(_) => (resets_at.naive_utc(), "UTC"),
    };
    Some((local.format("%Y-%m-%d %H:%M").to_string(), zone))
}

/// Returns the period with a preposition, as in `in the current day in Europe/Zurich` or `in total`.
fn per<A>(status: &QuotaStatus<A>) -> String {
    match status.period {
        quota::Period::Total => "in total".to_owned(),
        _ => format!("in the current {}", period(status)),
    }
}

/// Returns the period, and its zone if that is not UTC.
pub(crate) fn period<A>(status: &QuotaStatus<A>) -> String {
    let QuotaStatus { period, zone, .. } = status;
    if *zone == quota::Zone::UTC { period.to_string() } else { format!("{period} in {zone}") }
}
