//! The lines of a quota's journal. This module is pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::Limit;
use super::scope::Scope;
use crate::metrics::Timestamp;

/// One line of the quota's journal: an event of one `unit` of one `api`, and its time.
///
/// The unit is text here, so that a line with a newer unit does not disturb an older reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) api: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) unit: Cow<'a, str>,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

/// Amounts are whole numbers of the line's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    /// An amount was used without a reservation.
    Consume {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// A caller requests a reservation. The line contains the limit, so that every reader makes the same decision,
    /// whatever its own limits are.
    Hold {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        expires_at: Timestamp,
        limit: NonZeroU64,
        period: Scope,
    },
    /// `amount` of the reservation that line `hold` made at `held_at` was used. It counts in the window of `held_at`.
    Settle {
        hold: u64,
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        held_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// Nothing of the reservation that line `hold` made was used.
    Release { hold: u64 },
}

/// Where an amount comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Certainty {
    /// The caller knows the amount.
    #[default]
    Known,
    /// The caller does not know the amount, and this one is assumed instead.
    Assumed,
    /// The amount is unknown, and the line has an amount of 0.
    Unknown,
}

impl Certainty {
    fn is_known(&self) -> bool {
        *self == Self::Known
    }
}

/// The percentages of a limit of which the line's writer wants to learn the first crossing in a window. They are stored
/// in the line, like the limit of a hold, so that every reader agrees which line was the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) limit: NonZeroU64,
    pub(super) period: Scope,
    pub(super) percent: BTreeSet<NonZeroU16>,
}

impl Watch {
    /// Returns the watch of a line that counts against `limit` at `at`. Returns `None` if the limit has no thresholds and
    /// its period is always counted. Any other period is named in every line, so that readers count its window.
    pub(super) fn of(limit: &Limit, at: Timestamp) -> Option<Self> {
        let period = Scope::of(limit, at);
        let is_needed = !limit.thresholds.is_empty() || !period.is_always_counted();
        is_needed.then(|| Self { limit: limit.most, period, percent: limit.thresholds.clone() })
    }
}
