//! The amounts that quotas count: whole tokens and calls, or exact dollars.

use std::fmt::{self, Debug, Display};

use serde::{Deserialize, Serialize};

use crate::metrics::Usd;

/// The unit of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Tokens of a language model, input and output together.
    Tokens,
    /// Calls of an API.
    Calls,
    /// US dollars, exact to the pico-dollar (10⁻¹² USD).
    Usd,
}

impl Unit {
    const ALL: [Self; 3] = [Self::Tokens, Self::Calls, Self::Usd];

    /// Returns the unit whose steps have this name in the lines of the journal; `None` if no unit has it.
    pub(super) fn of_step(step: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.step() == step)
    }

    /// Returns the name of the unit's steps in the lines of the journal.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Calls => "calls",
            // The journal counts whole pico-dollars. If the name were `usd`, readers could mistake these numbers for
            // dollars.
            Self::Usd => "pico_usd",
        }
    }
}

impl Display for Unit {
    /// Writes the name that the unit has in a table of limits, such as `tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tokens => "tokens",
            Self::Calls => "calls",
            Self::Usd => "usd",
        })
    }
}

/// A type of amounts: `u64` for tokens and calls, or [`Usd`] for money. No other type implements this trait. A hold (a
/// reserved amount) or a status is generic over the type of its amounts, so tokens and dollars cannot be mixed.
pub trait Amount: Debug + Display + Copy + PartialEq + Send + Sync + Steps {}

impl Amount for u64 {}
impl Amount for Usd {}

/// Converts amounts to and from steps. Amounts are counted internally and in the journal as whole numbers of steps: a
/// step is one token, one call, or one pico-dollar.
///
/// The number of steps is a `u64` for every unit. So all units share the same code and the same form of a journal
/// line. Lines that were written before budgets existed are still valid. In US dollars, a limit and the sum of one
/// period are at most `u64::MAX` pico-dollars, which are about 18,446,744.07 USD.
pub trait Steps: Sized {
    /// Returns the number of steps. Returns `None` if the number is below 0 or above `u64::MAX`.
    fn steps(self) -> Option<u64>;
    /// Returns the amount that consists of `steps` steps.
    fn from_steps(steps: u64) -> Self;
    /// Returns true if this is the type of amounts in `unit`.
    fn is_of(unit: Unit) -> bool;
}

impl Steps for u64 {
    fn steps(self) -> Option<u64> {
        Some(self)
    }

    fn from_steps(steps: u64) -> Self {
        steps
    }

    fn is_of(unit: Unit) -> bool {
        matches!(unit, Unit::Tokens | Unit::Calls)
    }
}

impl Steps for Usd {
    fn steps(self) -> Option<u64> {
        self.pico().try_into().ok()
    }

    fn from_steps(steps: u64) -> Self {
        Self::from_pico(steps.into())
    }

    fn is_of(unit: Unit) -> bool {
        unit == Unit::Usd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dollars_in_the_range_of_a_u64_have_steps() {
        for (text, steps) in [
            ("0", Some(0)),
            ("0.000000000001", Some(1)),
            ("25.50", Some(25_500_000_000_000)),
            ("18446744.073709551615", Some(u64::MAX)),
            ("18446744.073709551616", None),
            ("-0.000000000001", None),
        ] {
            let amount: Usd = text.parse().unwrap();
            assert_eq!(amount.steps(), steps, "{text}");
            assert!(steps.is_none_or(|steps| Usd::from_steps(steps) == amount), "{text}");
        }
    }
}
