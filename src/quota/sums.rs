//! The sums of one window of a quota.

use std::num::NonZeroU64;

use super::event::Certainty;
use super::window::Window;

/// The sums of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) sums: Sums,
    /// The window. `None` if the period begins with its first use, and no use or reservation has begun a window yet.
    pub(super) window: Option<Window>,
}

/// The amounts that are consumed and held in one window at one moment, in steps of the unit: tokens, calls or
/// pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) consumed: u64,
    pub(super) held: u64,
    /// The number of finished calls whose amount is unknown.
    pub(super) unknown: u64,
    /// The number of finished calls whose amount is assumed.
    pub(super) assumed: u64,
    /// The number of held calls whose amount is unknown.
    pub(super) unknown_held: u64,
    /// The number of held calls whose amount is assumed.
    pub(super) assumed_held: u64,
}

impl Sums {
    /// Returns true if `amount` can be added without exceeding `most`. An unknown amount can be more than zero, so at
    /// least one step must remain for it.
    pub(super) fn leave_room(&self, amount: u64, certainty: Certainty, most: NonZeroU64) -> bool {
        let least = if certainty == Certainty::Unknown { amount.max(1) } else { amount };
        let taken = self.consumed.checked_add(self.held).and_then(|taken| taken.checked_add(least));
        taken.is_some_and(|taken| taken <= most.get())
    }
}
