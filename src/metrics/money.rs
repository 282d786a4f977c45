//! An exact amount of US dollars.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};

/// An exact amount in US dollars: an integer number of pico-dollars (10⁻¹² USD), never a float.
///
/// Vendors quote prices per million tokens with at most six decimals, so the price of any whole number of tokens is a
/// whole number of pico-dollars and sums are exact in any order. In JSON an amount is a number with as many decimals as
/// it needs; `cost_usd` has at most eight ([`round_to_record`](Usd::round_to_record)).
///
/// ```
/// use runledger::Usd;
///
/// let amount: Usd = "0.046875".parse()?;
/// assert_eq!(amount.pico(), 46_875_000_000);
/// assert_eq!(amount.to_string(), "0.046875");
/// assert!("0.0000000000001".parse::<Usd>().is_err()); // finer than a pico-dollar
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd {
    pico: i128,
}

const PICO: i128 = 1_000_000_000_000;
const DECIMALS: usize = 12;

impl Usd {
    /// Nothing. A sum of nothing is zero; an unknown price is not: it is `None`.
    pub const ZERO: Self = Self { pico: 0 };

    /// An amount of `pico` × 10⁻¹² USD.
    pub const fn from_pico(pico: i128) -> Self {
        Self { pico }
    }

    /// The amount in pico-dollars (10⁻¹² USD).
    pub const fn pico(self) -> i128 {
        self.pico
    }

    /// The sum, or `None` when it leaves the range of ±1.7 × 10²⁶ USD.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.pico.checked_add(other.pico).map(Self::from_pico)
    }

    /// The difference, or `None` when it leaves the range.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.pico.checked_sub(other.pico).map(Self::from_pico)
    }

    /// The amount at the nearest multiple of 10⁻⁸ USD, ties to the even one: the precision of a record.
    #[must_use]
    pub fn round_to_record(self) -> Self {
        const STEP: i128 = 10_000;
        let (floor, rest) = (self.pico.div_euclid(STEP), self.pico.rem_euclid(STEP));
        let up = rest > STEP / 2 || (rest == STEP / 2 && floor % 2 != 0);
        // At the very ends of the range the rounded value would not fit; there it stays as it is.
        (floor + i128::from(up)).checked_mul(STEP).map_or(self, Self::from_pico)
    }
}

impl fmt::Display for Usd {
    /// Plain digits with as many decimals as needed: `0.06`, `1200`, `-0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.pico.unsigned_abs();
        let (whole, rest) = (magnitude / PICO.unsigned_abs(), magnitude % PICO.unsigned_abs());
        let digits = match rest {
            0 => whole.to_string(),
            _ => format!("{whole}.{}", format!("{rest:0DECIMALS$}").trim_end_matches('0')),
        };
        f.pad_integral(self.pico >= 0, "", &digits)
    }
}

/// A decimal number in pico-dollars, rounded half to even, and whether nothing was rounded away.
///
/// Accepts what JSON calls a number: a sign, digits, a fraction, an exponent. `None` for anything else and beyond the
/// range.
fn parse_pico(text: &str) -> Option<(i128, bool)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) | Some(("", _)) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // How many digits of whole and fraction together stand before the pico-dollar's point.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(DECIMALS as i64)?;
    let mut pico: i128 = 0;
    let mut dropped = Vec::new();
    let mut place = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte - b'0';
        if place < point {
            pico = pico.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if place == point || digit != 0 {
            // Zeros between the point and the first digit count as a first dropped digit of zero.
            dropped.push(digit);
        }
        place += 1;
    }
    while place < point && pico != 0 {
        pico = pico.checked_mul(10)?;
        place += 1;
    }
    let dropped: &[u8] = if point < 0 { &[0, 1] } else { &dropped };
    let exact = pico == 0 && mantissa.bytes().all(|b| b == b'0' || b == b'.') || dropped.iter().all(|&d| d == 0);
    let tie = matches!(dropped, [5, rest @ ..] if rest.iter().all(|&d| d == 0));
    let above = dropped.first().is_some_and(|&d| d >= 5) && !tie;
    if above || (tie && pico % 2 == 1) {
        pico = pico.checked_add(1)?;
    }
    Some((if negative { -pico } else { pico }, exact))
}

impl FromStr for Usd {
    type Err = Error;

    /// Reads a decimal number of dollars; digits finer than a pico-dollar are refused.
    fn from_str(text: &str) -> Result<Self, Error> {
        match parse_pico(text) {
            Some((pico, true)) => Ok(Self { pico }),
            _ => Err(Error::new(ErrorKind::Malformed, "read an amount of US dollars")
                .detail(format!("expected a number with at most {DECIMALS} decimals, found {text:?}"))),
        }
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// From a JSON number, taken digit by digit. What is finer than a pico-dollar is rounded half to even, since other
    /// writers print floats such as 1.0399999999999998.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        let (pico, _) = parse_pico(raw.get()).ok_or_else(|| {
            serde::de::Error::custom(format!("expected an amount of US dollars, found {}", raw.get()))
        })?;
        Ok(Self { pico })
    }
}
