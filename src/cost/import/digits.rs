//! Converts prices that are written in decimal digits, without floats.

use crate::metrics::{Meter, Usd};

/// 10⁻⁹ US dollars, in pico-dollars.
const NINE_DECIMALS: u64 = 1_000;

/// Multiplies the price in `digits` by `factor`. Returns the product, and true if it was rounded. Returns `None` if
/// `digits` is not a number of at least 0, or if the product is out of range.
///
/// A product with too many decimals is rounded half to even:
///
/// * The price of a million units is rounded to 6 decimals, and the price of a thousand units to 9 decimals. So one
///   unit costs a whole number of pico-dollars.
/// * The price of an hour is rounded to 12 decimals if `factor` is 1. If `factor` is larger, `digits` is the price of
///   a second, such as 0.001333333333333. If the price of an hour is then exact with 12 decimals, it keeps them.
///   Otherwise, it is rounded to 9 decimals, because the price of a second is not precise enough for more.
pub(super) fn times(digits: &str, factor: u64, meter: Meter) -> Option<(Usd, bool)> {
    let is_hour = meter.per() == Meter::AudioMs.per();
    if !is_hour {
        return to_step(digits, factor, meter.per());
    }
    let exact = to_step(digits, factor, 1)?;
    if exact.1 && factor > 1 { to_step(digits, factor, NINE_DECIMALS) } else { Some(exact) }
}

/// Returns `factor` times the price in `digits`, rounded half to even to a multiple of `step` pico-dollars. The flag
/// is true if rounding changed the price.
fn to_step(digits: &str, factor: u64, step: u64) -> Option<(Usd, bool)> {
    // The computation uses millionths of a pico-dollar, so that only its result is rounded if `digits` has at most 18
    // decimals.
    const FINE: u64 = 1_000_000;
    let zeros = (1..).take_while(|&zeros| factor.is_multiple_of(10u64.pow(zeros))).last().unwrap_or(0);
    let rest = factor / 10u64.pow(zeros);
    let shifted = shift(digits, i64::from(zeros + FINE.ilog10()))?;
    let fine: Usd = serde_json::from_str(&shifted).ok().filter(|price: &Usd| *price >= Usd::ZERO)?;
    let steps = fine.times(rest, FINE * step)?;
    let price = Usd::from_pico(steps.pico().checked_mul(i128::from(step))?);
    let exact = shifted.parse::<Usd>().is_ok() && price.times(FINE, 1) == fine.times(rest, 1);
    Some((price, !exact))
}

/// Returns `digits` × 10^`places`. Changes only the exponent in the text.
fn shift(digits: &str, places: i64) -> Option<String> {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    Some(format!("{mantissa}e{}", exponent.parse::<i64>().ok()?.checked_add(places)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_is_multiplied_and_rounded_digit_by_digit() {
        for (digits, factor, meter, expected, rounded) in [
            ("1.25e-06", 1_000_000, Meter::Input, "1.25", false),
            ("0.00000125", 1_000_000, Meter::Input, "1.25", false),
            ("1.0399999999999998e-06", 1_000_000, Meter::Input, "1.04", true),
            ("2.857142857142857e-07", 1_000_000, Meter::Input, "0.285714", true),
            // The products of the next two prices are halfway between two results, so the even result is used. The
            // two products after them are not halfway.
            ("1.0000005e-6", 1_000_000, Meter::Input, "1", true),
            ("1.0000015e-6", 1_000_000, Meter::Input, "1.000002", true),
            ("1.00000049999999999e-6", 1_000_000, Meter::Input, "1", true),
            ("1.00000050000000001e-6", 1_000_000, Meter::Input, "1.000001", true),
            ("2.5e-8", 1_000_000, Meter::Characters, "0.025", false),
            ("0.01", 1_000, Meter::WebSearches, "10", false),
            ("2.5", 1, Meter::FileSearches, "2.5", false),
            ("3.083e-05", 3_600, Meter::AudioMs, "0.110988", false),
            ("0.001333333333333", 3_600, Meter::AudioMs, "4.8", true),
            // The price of an hour can have 12 decimals.
            ("0.000027777777775", 3_600, Meter::AudioMs, "0.09999999999", false),
            ("0.111000000001", 1, Meter::AudioMs, "0.111000000001", false),
            ("0.1110000000015", 1, Meter::AudioMs, "0.111000000002", true),
            // If this price were rounded to 7 decimals first, the result would be 1.000002.
            ("1.00000149999999999", 1, Meter::Input, "1.000001", true),
            ("1.0399999999999998", 1, Meter::Input, "1.04", true),
            ("0", 1_000_000, Meter::Input, "0", false),
        ] {
            assert_eq!(times(digits, factor, meter), Some((usd(expected), rounded)), "{digits}");
        }
        for digits in ["-1e-6", "\"1e-6\"", "null", "{}", "1e", "1e30", "1e9223372036854775807"] {
            assert_eq!(times(digits, 1_000_000, Meter::Input), None, "{digits}");
        }
    }

    proptest! {
        /// Computes the expected price with integers.
        #[test]
        fn the_result_is_exact_or_rounded_once(digits in 0u64..1_000_000_000_000, cut in 0u32..18, seconds: bool) {
            let (factor, meter, mut step) =
                if seconds { (3_600u64, Meter::AudioMs, 1i128) } else { (1_000_000, Meter::Input, 1_000_000) };
            // `over` / `under` is the expected number of steps: digits × factor × 10^(12 - cut) / step. `step` is the
            // size of a step in pico-dollars.
            let (mut over, mut under) = (i128::from(digits) * i128::from(factor), step);
            match cut {
                ..=12 => over *= 10i128.pow(12 - cut),
                _ => under *= 10i128.pow(cut - 12),
            }
            if seconds && over % under != 0 {
                (step, under) = (1_000, under * 1_000);
            }
            let (floor, rest) = (over / under, over % under);
            let up = 2 * rest > under || 2 * rest == under && floor % 2 == 1;
            let expected = Usd::from_pico((floor + i128::from(up)) * step);
            prop_assert_eq!(times(&format!("{digits}e-{cut}"), factor, meter), Some((expected, rest != 0)));
        }
    }
}
