//! The lines of a quota's journal. This module does no I/O and reads no clock.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::{Limit, Period};
use crate::metrics::Timestamp;

/// One line of the quota's journal: an event of one `unit` of one `api`, and its time.
///
/// The unit is text here, so that an older version can also read a line with a newer unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) api: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) unit: Cow<'a, str>,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

/// What happened. Amounts are whole numbers of the line's unit.
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
    /// A caller requests a reservation. The line contains the limit, so that every reader makes the same decision, even
    /// if its own table has another limit.
    Hold {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        expires_at: Timestamp,
        limit: NonZeroU64,
        period: Period,
    },
    /// The call whose amount line `hold` reserved at `held_at` has used `amount`. That amount counts in the window of
    /// `held_at`.
    Settle {
        hold: u64,
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        held_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// The amount that line `hold` reserved was not used.
    Release { hold: u64 },
}

/// Where an amount comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Certainty {
    /// The caller knows the amount.
    #[default]
    Known,
    /// The caller does not know the amount, and the line's amount is an assumption.
    Assumed,
    /// The amount is unknown, and the line has an amount of 0.
    Unknown,
}

impl Certainty {
    fn is_known(&self) -> bool {
        *self == Self::Known
    }
}

/// The thresholds that the line's writer watches, in percent of a limit. The writer wants to know whether its line is
/// the first in the window to reach one of them.
///
/// They are stored in the line, like the limit of a hold, so that all readers agree on which line was the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) limit: NonZeroU64,
    pub(super) period: Period,
    pub(super) percent: BTreeSet<NonZeroU16>,
}

impl Watch {
    /// Returns the watch for the limit's thresholds; `None` if the limit has none.
    pub(super) fn of(limit: &Limit) -> Option<Self> {
        let Limit { most, period, ref thresholds, .. } = *limit;
        (!thresholds.is_empty()).then(|| Self { limit: most, period, percent: thresholds.clone() })
    }
}
