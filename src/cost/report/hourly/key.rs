//! The keys of rows. A row is a sum of executions by hour, skill and model.

use crate::metrics::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// The key of a row. Skills and models are stored as the numbers of their names.
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

    /// Returns the key for an hour; `None` if the hour is not in the years 0 to 9999.
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

/// A [`Place`](super::Place) as a number. The numbers 0 and 1 are the places without a model. From 2 on, each model
/// has two numbers: the even number is [`Place::Model`](super::Place), and the odd number is
/// [`Place::Both`](super::Place). The numbers 2 and 3 are for an unknown model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(pub(super) u32);

impl Spot {
    pub(super) const WITHOUT_MODEL: Self = Self(0);
    pub(super) const WHOLE: Self = Self(1);

    pub(super) fn of_model(model: Option<u32>, in_whole: bool) -> Self {
        Self(2 + 2 * model.map_or(0, |number| number + 1) + u32::from(in_whole))
    }

    /// Returns the number of the model's name (`None` if the model is unknown), and true if the place is
    /// [`Place::Both`](super::Place). Returns `None` if the place has no model.
    pub(super) fn model(self) -> Option<(Option<u32>, bool)> {
        let pair = self.0.checked_sub(2)?;
        Some(((pair / 2).checked_sub(1), pair % 2 == 1))
    }
}
