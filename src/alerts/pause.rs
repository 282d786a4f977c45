//! Computes the pauses between the attempts to deliver an alert. This module does no I/O and reads no clock.

use uuid::Uuid;

/// The pause after the first attempt, before it is shortened.
const FIRST_MS: u64 = 1_000;
/// The longest pause, unless the receiver asks for a longer one.
const LONGEST_MS: u64 = 5 * 60_000;
/// The longest pause that a receiver can ask for.
const ASKED_MS_MAX: u64 = 24 * 60 * 60_000;

/// Returns the pause in milliseconds after attempt number `attempt`, counted from 1. `asked_ms` is the pause that the
/// receiver asked for, or 0 if it asked for none.
///
/// The pause doubles with each attempt, and is then shortened by up to a half. How much it is shortened depends only on
/// the id and the number of the attempt. So alerts that failed at the same time are tried again at different times.
pub(super) fn after(id: Uuid, attempt: u64, asked_ms: u64) -> u64 {
    let doubled = FIRST_MS.checked_shl(u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let whole_ms = doubled.filter(|ms| attempt <= 32 && *ms < LONGEST_MS).unwrap_or(LONGEST_MS);
    let scattered = Uuid::new_v5(&id, &attempt.to_le_bytes()).as_u128() as u64;
    let pause_ms = whole_ms / 2 + scattered % (whole_ms / 2 + 1);
    pause_ms.max(asked_ms.min(ASKED_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let id = Uuid::from_u128(5);
        for (attempt, most) in [(1, 1_000), (2, 2_000), (5, 16_000), (9, 256_000), (10, 300_000), (1_000, 300_000)] {
            for id in [id, Uuid::nil(), Uuid::max()] {
                let pause = after(id, attempt, 0);
                assert!((most / 2..=most).contains(&pause), "{attempt}: {pause}");
                assert_eq!(pause, after(id, attempt, 0));
            }
        }
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|id| after(Uuid::from_u128(id), 9, 0)).collect();
        assert!(pauses.len() > 95, "{}", pauses.len());
        assert!((1..=20).map(|attempt| after(id, attempt, 0)).sum::<u64>() < 61 * 60_000);
    }

    #[test]
    fn a_receiver_can_ask_for_a_longer_pause() {
        assert_eq!(after(Uuid::nil(), 1, 90_000), 90_000);
        assert!(after(Uuid::nil(), 1, 1) >= 500);
        assert_eq!(after(Uuid::nil(), 1, u64::MAX), 24 * 60 * 60_000);
    }
}
