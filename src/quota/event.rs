//! What a line of the quota journal says, pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::{Limit, Period};
use crate::metrics::Timestamp;

/// One line of the quota journal: what happened to what is counted, `unit` of `api`, and when.
///
/// The unit is text here: what a newer writer counts in a unit of its own does not disturb an older reader.
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
    /// Something was used, without a reservation.
    Consume {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// Somebody asks for a reservation. The line carries the limit it is asked against, so that every reader finds the
    /// same answer, whatever limits the reader has.
    Hold {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        expires_at: Timestamp,
        limit: NonZeroU64,
        period: Period,
    },
    /// Of what line `hold` reserved at `held_at`, `amount` was used; it counts in the window of `held_at`.
    Settle {
        hold: u64,
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        held_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// Nothing of what line `hold` reserved was used.
    Release { hold: u64 },
}

/// Where an amount comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Certainty {
    /// From the caller.
    #[default]
    Known,
    /// The caller does not know it; this much is taken in its place.
    Assumed,
    /// Nobody knows it, and the amount of the line is 0.
    Unknown,
}

impl Certainty {
    fn is_known(&self) -> bool {
        *self == Self::Known
    }
}

/// What the writer of a line wants to hear of: that what is consumed reaches so many percent of the limit, for the first
/// time in its window. Like the limit of a hold, it stands in the line, so that every reader finds the same line to be
/// the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) limit: NonZeroU64,
    pub(super) period: Period,
    pub(super) percent: BTreeSet<NonZeroU16>,
}

impl Watch {
    /// `None` if there is nothing to hear of.
    pub(super) fn of(limit: &Limit) -> Option<Self> {
        let Limit { most, period, ref thresholds, .. } = *limit;
        (!thresholds.is_empty()).then(|| Self { limit: most, period, percent: thresholds.clone() })
    }
}
