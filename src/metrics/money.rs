//! An exact amount of US dollars. The type is not in the module `cost`, because records contain amounts and must not
//! depend on `cost`.

use std::fmt::{self, Write};
use std::iter::Sum;
use std::num::IntErrorKind;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::text::shortened;
use crate::error::{Error, ErrorKind};

/// An exact amount in US dollars. It is an integer number of pico-dollars (10⁻¹² USD) and never a float.
///
/// Vendors quote prices per million tokens with at most six decimals. So any whole number of tokens costs a whole
/// number of pico-dollars. A sum is therefore exact, and does not depend on the order of the amounts. In JSON, an
/// amount is a number with as many decimals as it needs. Only the `cost_usd` of a record is limited to eight decimals
/// ([`round_to_record`](Usd::round_to_record)).
///
/// Amounts can be added, subtracted and summed up. If the result is out of range, `+`, `-` and `sum` panic, as they
/// do for [`Duration`](std::time::Duration), because any returned amount would be wrong. The range is ±1.7 × 10²⁶
/// USD, which no real cost exceeds. For amounts from an untrusted source, use [`checked_add`](Usd::checked_add), as
/// this crate does. A sum of `Option<Usd>` is `None` if one of the amounts is unknown.
///
/// ```
/// use runledger::Usd;
///
/// let amount: Usd = "0.046875".parse()?;
/// assert_eq!(amount.pico(), 46_875_000_000);
/// assert_eq!(amount.to_string(), "0.046875");
/// assert_eq!(format!("{amount:?}"), "Usd(0.046875)");
/// assert!("0.0000000000001".parse::<Usd>().is_err()); // finer than a pico-dollar
///
/// let costs: [Usd; 3] = ["0.06".parse()?, "0.0075".parse()?, amount];
/// assert_eq!(costs.iter().sum::<Usd>(), "0.114375".parse()?);
/// assert_eq!(costs[0] - costs[1] + amount, "0.099375".parse()?);
/// assert_eq!([Some(amount), None].into_iter().sum::<Option<Usd>>(), None); // an unknown cost is not zero
/// let checked = costs.into_iter().try_fold(Usd::ZERO, Usd::checked_add);
/// assert_eq!(checked, Some("0.114375".parse()?));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd {
    pico: i128,
}

const PICO: u128 = PICO_SMALL as u128;
const PICO_SMALL: u64 = 1_000_000_000_000;
const DECIMALS: usize = 12;

impl Usd {
    /// Zero dollars. Use `None`, not zero, for an unknown price.
    pub const ZERO: Self = Self { pico: 0 };

    /// Returns the amount of `pico` × 10⁻¹² USD.
    pub const fn from_pico(pico: i128) -> Self {
        Self { pico }
    }

    /// Returns the amount in pico-dollars (10⁻¹² USD).
    pub const fn pico(self) -> i128 {
        self.pico
    }

    /// Returns the sum; `None` if it exceeds the range of ±1.7 × 10²⁶ USD.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.pico.checked_add(other.pico).map(Self::from_pico)
    }

    /// Returns the difference; `None` if it exceeds the range of ±1.7 × 10²⁶ USD.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.pico.checked_sub(other.pico).map(Self::from_pico)
    }

    /// Returns the nearest multiple of 10⁻⁸ USD, which is the precision of `cost_usd` in a record. An amount halfway
    /// between two multiples is rounded to the even multiple.
    ///
    /// ```
    /// use runledger::Usd;
    ///
    /// assert_eq!(Usd::from_pico(15_000).round_to_record(), Usd::from_pico(20_000));
    /// assert_eq!(Usd::from_pico(25_000).round_to_record(), Usd::from_pico(20_000));
    /// ```
    #[must_use]
    pub fn round_to_record(self) -> Self {
        self.round_to(10_000)
    }

    /// Returns the nearest multiple of `pico` pico-dollars. An amount halfway between two multiples is rounded to the
    /// even multiple.
    pub(crate) fn round_to(self, pico: u64) -> Self {
        let multiple = div_half_even(self.pico, pico);
        // If the product does not fit in an `i128`, which happens only at the ends of the range, the amount is not
        // rounded.
        multiple.checked_mul(i128::from(pico)).map_or(self, Self::from_pico)
    }

    /// Returns the amount × `count` ÷ `per`, rounded half to even to the pico-dollar; `None` if the product is out of
    /// range.
    pub(crate) fn times(self, count: u64, per: u64) -> Option<Self> {
        Some(Self::from_pico(div_half_even(self.pico.checked_mul(i128::from(count))?, per)))
    }
}

/// Returns `dividend` ÷ `divisor`, rounded half to even to a whole number. `divisor` is not 0.
fn div_half_even(dividend: i128, divisor: u64) -> i128 {
    let divisor = i128::from(divisor);
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = 2 * rest > divisor || (2 * rest == divisor && floor % 2 != 0);
    floor + i128::from(up)
}

impl fmt::Display for Usd {
    /// Writes plain digits with as many decimals as needed, such as `0.06`, `1200` or `-0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.pico.unsigned_abs();
        let (whole, rest) = match u64::try_from(magnitude) {
            // For amounts up to 18 million dollars, 64-bit divisions suffice. They are ten times as fast as 128-bit
            // divisions.
            Ok(small) => (u128::from(small / PICO_SMALL), small % PICO_SMALL),
            Err(_) => (magnitude / PICO, (magnitude % PICO) as u64),
        };
        let mut digits = whole.to_string();
        if rest != 0 {
            write!(digits, ".{rest:0DECIMALS$}")?;
            digits.truncate(digits.trim_end_matches('0').len());
        }
        f.pad_integral(self.pico >= 0, "", &digits)
    }
}

impl fmt::Debug for Usd {
    /// Writes the amount in US dollars, such as `Usd(0.0675)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd({self})")
    }
}

/// Returns the result of an addition or subtraction. Panics if the result is out of range.
#[expect(clippy::expect_used, reason = "an operator has no other way to report an amount that does not exist")]
fn in_range(amount: Option<Usd>) -> Usd {
    amount.expect("the amount of US dollars is out of range")
}

impl Add for Usd {
    type Output = Self;

    /// Returns the exact sum.
    ///
    /// # Panics
    /// Panics if the sum exceeds the range of ±1.7 × 10²⁶ USD. [`checked_add`](Self::checked_add) does not panic.
    fn add(self, other: Self) -> Self {
        in_range(self.checked_add(other))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;

    /// Returns the exact difference, which may be negative.
    ///
    /// # Panics
    /// Panics if the difference exceeds the range of ±1.7 × 10²⁶ USD. [`checked_sub`](Self::checked_sub) does not
    /// panic.
    fn sub(self, other: Self) -> Self {
        in_range(self.checked_sub(other))
    }
}

impl SubAssign for Usd {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Usd {
    /// Returns the exact sum. The sum of no amounts is zero.
    ///
    /// # Panics
    /// Panics if a partial sum exceeds the range of ±1.7 × 10²⁶ USD.
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl<'a> Sum<&'a Self> for Usd {
    fn sum<I: Iterator<Item = &'a Self>>(amounts: I) -> Self {
        amounts.copied().sum()
    }
}

/// Reads a number of dollars. Returns the number of pico-dollars, rounded half to even, and true if no rounding was
/// needed.
///
/// Returns `None` if the text is not a JSON number, or if the amount is out of range.
fn parse_pico(text: &str) -> Option<(i128, bool)> {
    let Decimal { negative, digits, point } = Decimal::parse(text)?;
    if digits.is_empty() {
        return Some((0, true));
    }
    let Ok(point) = usize::try_from(point.saturating_add(DECIMALS as i64)) else {
        return Some((0, false)); // less than a tenth of a pico-dollar
    };
    let (kept, dropped) = digits.split_at(point.min(digits.len()));
    let kept = if kept.is_empty() { 0 } else { kept.parse::<u128>().ok()? };
    let zeros = u32::try_from(point.saturating_sub(digits.len())).ok()?;
    let floor = kept.checked_mul(10u128.checked_pow(zeros)?)?;
    let magnitude = floor.checked_add(u128::from(rounds_up(floor, dropped)))?;
    let pico = if negative {
        // The smallest `i128` has no positive counterpart, so it cannot be computed by negating an `i128`. The
        // magnitude is therefore subtracted from 0.
        0i128.checked_sub_unsigned(magnitude)?
    } else {
        i128::try_from(magnitude).ok()?
    };
    Some((pico, dropped.is_empty()))
}

/// A decimal number 0.d₁d₂d₃… × 10^`point`, where d₁d₂d₃… are the `digits`. The first and the last digit are not
/// zero. The number 0 has no digits.
struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// Reads a sign, digits, a fraction and an exponent in the form of JSON.
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        let leading_zeros = all.len() - digits.len();
        // The position of the point among the digits, before the exponent moves it.
        let place = i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(leading_zeros).ok()?)?;
        let point = place.saturating_add(exponent);
        Some(Self { negative, digits: digits.trim_end_matches('0').to_owned(), point })
    }
}

/// Returns true if rounding half to even increases a number with the whole part `floor` and these decimals.
/// `decimals` must not end in 0.
fn rounds_up(floor: u128, decimals: &str) -> bool {
    match decimals {
        "" => false,
        "5" => floor % 2 == 1,
        // Decimals can be compared as text: "4999" < "5" < "50001".
        more_or_less => more_or_less > "5",
    }
}

/// Reads an exponent. An exponent outside the range of `i64` becomes the nearest `i64`. This does not change the
/// result, because no text has enough digits to compensate for such an exponent. The amount is out of range or rounds
/// to 0 in any case.
fn parse_exponent(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(exponent) => Some(exponent),
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => Some(i64::MAX),
            IntErrorKind::NegOverflow => Some(i64::MIN),
            _ => None,
        },
    }
}

impl FromStr for Usd {
    type Err = Error;

    /// Reads a number of dollars, written like a number in JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the text is not a JSON number, has more than 12 decimals, or is out of range.
    fn from_str(text: &str) -> Result<Self, Error> {
        let expected = match parse_pico(text) {
            Some((pico, true)) => return Ok(Self { pico }),
            None if Decimal::parse(text).is_some() => IN_RANGE.to_owned(),
            _ => format!("a number with at most {DECIMALS} decimals"),
        };
        Err(Error::new(ErrorKind::Malformed, "read an amount of US dollars")
            .detail(format!("expected {expected}, found {}", shortened(text))))
    }
}

/// What an error expects if an amount is out of range.
const IN_RANGE: &str = "an amount in the range of ±1.7 × 10²⁶ US dollars";

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.to_string();
        let number: &RawValue = serde_json::from_str(&digits).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// Reads a JSON number digit by digit, not as a float. An amount with more than 12 decimals is rounded half to
    /// even. It is not refused, because other programs write floats such as 1.0399999999999998.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        let (pico, _) = parse_pico(raw.get()).ok_or_else(|| {
            let expected = Decimal::parse(raw.get()).map_or("an amount of US dollars", |_| IN_RANGE);
            serde::de::Error::custom(format!("expected {expected}, found {}", shortened(raw.get())))
        })?;
        Ok(Self { pico })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Generates amounts of every order of magnitude with equal probability. One in five amounts is 0, −1, or at an end
    /// of the range.
    fn pico() -> impl Strategy<Value = i128> {
        let ends = prop_oneof![Just(i128::MIN), Just(i128::MIN + 1), Just(i128::MAX), Just(0), Just(-1)];
        prop_oneof![4 => (any::<i128>(), 0u32..128).prop_map(|(pico, shift)| pico >> shift), 1 => ends]
    }

    /// Generates fewer than twenty amounts, and the same amounts in a different order. Each amount is at most about
    /// 10¹⁹ USD, so that the sum is in range.
    fn any_amounts_and_shuffled() -> impl Strategy<Value = (Vec<Usd>, Vec<Usd>)> {
        let amount = any::<i128>().prop_map(|pico| Usd::from_pico(pico >> 24));
        prop::collection::vec(amount, 0..20)
            .prop_flat_map(|amounts| (Just(amounts.clone()), Just(amounts).prop_shuffle()))
    }

    /// Rounds `digits` × 10^−`cut` half to even with a division of integers.
    fn reference_rounding(digits: u64, cut: u32) -> i128 {
        let divisor = 10i128.pow(cut);
        let (quotient, rest) = (i128::from(digits) / divisor, i128::from(digits) % divisor);
        match (rest * 2).cmp(&divisor) {
            std::cmp::Ordering::Less => quotient,
            std::cmp::Ordering::Equal => quotient + quotient % 2,
            std::cmp::Ordering::Greater => quotient + 1,
        }
    }

    proptest! {
        #[test]
        fn every_amount_is_read_back_from_its_text_and_its_json(pico in pico()) {
            let amount = Usd::from_pico(pico);
            prop_assert_eq!(amount.to_string().parse::<Usd>().unwrap(), amount);
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(&json, &amount.to_string());
            prop_assert_eq!(serde_json::from_str::<Usd>(&json).unwrap(), amount);
        }

        #[test]
        fn the_order_of_an_addition_does_not_matter((amounts, shuffled) in any_amounts_and_shuffled()) {
            let sum = |amounts: &[Usd]| amounts.iter().try_fold(Usd::ZERO, |sum, &amount| sum.checked_add(amount));
            prop_assert!(sum(&amounts).is_some());
            prop_assert_eq!(sum(&amounts), sum(&shuffled));
        }

        #[test]
        fn addition_and_subtraction_are_those_of_integers(a in pico(), b in pico()) {
            let (x, y) = (Usd::from_pico(a), Usd::from_pico(b));
            prop_assert_eq!(x.checked_add(y).map(Usd::pico), a.checked_add(b));
            prop_assert_eq!(x.checked_sub(y).map(Usd::pico), a.checked_sub(b));
            if let (Some(sum), Some(difference)) = (a.checked_add(b), a.checked_sub(b)) {
                prop_assert_eq!((x + y, x - y), (Usd::from_pico(sum), Usd::from_pico(difference)));
                let (mut added, mut subtracted) = (x, x);
                added += y;
                subtracted -= y;
                prop_assert_eq!((added, subtracted), (x + y, x - y));
                prop_assert_eq!([x, y].iter().sum::<Usd>(), [y, x].into_iter().sum());
            }
        }

        #[test]
        fn fractions_of_a_pico_dollar_are_rounded_in_json_and_refused_in_text(
            digits in prop_oneof![any::<u64>(), (0..1_000_000u64).prop_map(|n| n * 5)],
            cut in 0u32..22,
            negative: bool,
        ) {
            let sign = if negative { "-" } else { "" };
            let text = format!("{sign}{digits}e-{}", DECIMALS as u32 + cut);
            let expected = reference_rounding(digits, cut) * if negative { -1 } else { 1 };
            prop_assert_eq!(serde_json::from_str::<Usd>(&text).unwrap().pico(), expected);
            let exact = i128::from(digits) % 10i128.pow(cut) == 0;
            prop_assert_eq!(text.parse::<Usd>().ok(), exact.then_some(Usd::from_pico(expected)));
        }

        #[test]
        fn a_float_of_another_writer_is_read_to_the_pico_dollar(dollars in 0.0..1000.0f64) {
            let read: Usd = serde_json::from_str(&serde_json::to_string(&dollars).unwrap()).unwrap();
            prop_assert!((read.pico() as f64 / 1e12 - dollars).abs() < 1e-12);
        }

        #[test]
        fn an_amount_is_rounded_to_the_nearest_multiple_and_halves_to_even(pico in any::<i64>(), tie: bool) {
            let pico = if tie { i128::from(pico) / 10_000 * 10_000 + 5_000 } else { i128::from(pico) };
            let rounded = Usd::from_pico(pico).round_to_record().pico();
            prop_assert_eq!(rounded % 10_000, 0);
            let distance = (rounded - pico).abs();
            prop_assert!(distance < 5_000 || distance == 5_000 && rounded / 10_000 % 2 == 0);
        }

        #[test]
        fn any_amount_that_was_read_is_read_again(text in "-?[0-9]{1,50}([.][0-9]{1,50})?([eE][-+]?[0-9]{1,25})?") {
            match parse_pico(&text) {
                Some((pico, exact)) => {
                    prop_assert_eq!(parse_pico(&Usd::from_pico(pico).to_string()), Some((pico, true)));
                    prop_assert_eq!(text.parse::<Usd>().is_ok(), exact);
                }
                // Only an amount beyond ±1.7 × 10²⁶ USD is refused. A float is precise enough for this comparison.
                None => prop_assert!(text.parse::<f64>().unwrap().abs() > 1.7e26),
            }
        }
    }

    #[test]
    fn json_numbers_in_any_form_are_read() {
        for (text, pico) in [
            ("1e-05", 10_000_000),
            ("1.5E+3", 1_500_000_000_000_000),
            ("-2.50e-12", -2),
            ("0.35e-11", 4),
            ("5e-13", 0),
            ("15e-13", 2),
            ("0e99999999999999999999", 0),
            ("1e-99999999999999999999", 0),
            ("1.0399999999999998", 1_040_000_000_000),
            ("-0.0", 0),
        ] {
            assert_eq!(serde_json::from_str::<Usd>(text).unwrap().pico(), pico, "{text}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_read_and_amounts_beyond_it_are_refused() {
        let least = Usd::from_pico(i128::MIN);
        assert_eq!(least.to_string(), "-170141183460469231731687303.715884105728");
        assert_eq!("-170141183460469231731687303.715884105728".parse::<Usd>().unwrap(), least);
        assert_eq!(least.round_to_record(), least);
        assert_eq!(least.checked_sub(Usd::from_pico(1)), None);
        let range = "expected an amount in the range of ±1.7 × 10²⁶ US dollars, found ";
        for beyond in [&*format!("{}9", &least.to_string()[..40]), "170141183460469231731687303.715884105728", "1e27"] {
            let error = serde_json::from_str::<Usd>(beyond).unwrap_err();
            assert!(error.to_string().contains(range), "{beyond}: {error}");
            assert_eq!(beyond.parse::<Usd>().unwrap_err().details(), [format!("{range}{beyond:?}")]);
        }
    }

    #[test]
    fn debug_writes_dollars() {
        assert_eq!(format!("{:?}", Some(Usd::from_pico(67_500_000_000))), "Some(Usd(0.0675))");
        assert_eq!(format!("{:?} {:#?}", Usd::from_pico(-1), Usd::ZERO), "Usd(-0.000000000001) Usd(0)");
    }

    #[test]
    fn a_sum_is_never_wrapped_or_saturated() {
        let most = Usd::from_pico(i128::MAX);
        let panics = |sum: fn(Usd) -> Usd| std::panic::catch_unwind(move || sum(most)).unwrap_err();
        for message in [
            panics(|most| most + Usd::from_pico(1)),
            panics(|most| Usd::from_pico(-2) - most),
            panics(|most| [most, most].iter().sum()),
        ] {
            let text = message.downcast_ref::<&str>().copied().or(message.downcast_ref::<String>().map(|text| &**text));
            assert_eq!(text, Some("the amount of US dollars is out of range"));
        }
        assert_eq!([most, most].into_iter().try_fold(Usd::ZERO, Usd::checked_add), None);
        assert_eq!(std::iter::empty::<Usd>().sum::<Usd>(), Usd::ZERO);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", "-", "+1", ".5", "5.", "1e", "1e+", "--1", "1 ", "0x1", "1_000", "٣", "NaN", "1e1.5", "."] {
            assert!(text.parse::<Usd>().is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Usd>("\"1\"").is_err());
    }
}
