//! What distinguishes the rows of a segment, which are its sums by hour, skill and model.

use crate::metrics::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// The key of a row. Skills and models are numbers of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    hour: i32,
    pub(super) skill: u32,
    pub(super) spot: Spot,
}

impl Key {
    pub(super) fn new(start: Timestamp, skill: u32, spot: Spot) -> Self {
        // The hours of the years 0 to 9999 are from -17,268,672 to 70,389,527.
        Self { hour: start.unix_ms().div_euclid(HOUR_MS) as i32, skill, spot }
    }

    /// Returns `None` if the hour is not in the years 0 to 9999.
    pub(super) fn of_hour(hour: i64, skill: u32, spot: Spot) -> Option<Self> {
        Some(Self::new(start_of(hour)?, skill, spot))
    }

    /// Returns the hours since 1970-01-01T00:00:00Z.
    pub(super) fn hour(self) -> i64 {
        self.hour.into()
    }
}

/// Returns the first moment of an hour; `None` if the hour is not in the years 0 to 9999.
pub(super) fn start_of(hour: i64) -> Option<Timestamp> {
    Timestamp::from_unix_ms(hour.checked_mul(HOUR_MS)?)
}

/// A [`Place`](super::Place) as a number. Models have pairs of numbers from 2 on: even without the sum of the group,
/// odd with it. The first pair is for an unknown model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(pub(super) u32);

impl Spot {
    pub(super) const WITHOUT_MODEL: Self = Self(0);
    pub(super) const WHOLE: Self = Self(1);

    pub(super) fn of_model(model: Option<u32>, in_whole: bool) -> Self {
        Self(2 + 2 * model.map_or(0, |number| number + 1) + u32::from(in_whole))
    }

    /// Returns the model, which is unknown if it is `None`, and whether the sum of the group is included. Returns
    /// `None` if the spot is not that of a model.
    pub(super) fn model(self) -> Option<(Option<u32>, bool)> {
        let pair = self.0.checked_sub(2)?;
        Some(((pair / 2).checked_sub(1), pair % 2 == 1))
    }
}
