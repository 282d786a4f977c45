//! What a line of the quota journal says, pure.

use std::borrow::Cow;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::Period;
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    /// Something was used, without a reservation.
    Consume { amount: u64 },
    /// Somebody asks for a reservation. The line carries the limit it is asked against, so that every reader finds the
    /// same answer, whatever limits the reader has.
    Hold { amount: u64, expires_at: Timestamp, limit: NonZeroU64, period: Period },
    /// Of what line `hold` reserved at `held_at`, `amount` was used; it counts in the window of `held_at`.
    Settle { hold: u64, amount: u64, held_at: Timestamp },
    /// Nothing of what line `hold` reserved was used.
    Release { hold: u64 },
}
