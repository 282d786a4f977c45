//! The statistics of a baseline. They are computed from integers where possible, and do not depend on the order of the
//! data.

use super::bytes::{Reader, Writer};
use super::wide::Wide;
use crate::error::Result;

/// The number of parts into which [`percentiles`] divides a rank, so that a percentage gives an integer.
const HUNDRED: u128 = 100;

/// Returns percentiles, 0–100, of `count` values; `None` if there are no values.
///
/// Ranks count from 0. For a rank, `doubled_at` returns twice the value at this rank, and twice the value at the next
/// rank. For the last rank, it returns the same number twice.
///
/// This is definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50
/// (1996), 361–365. With `h = (n − 1) · percent / 100` and values counted from 0, the percentile is
/// `x[⌊h⌋] + (h − ⌊h⌋) · (x[⌊h⌋ + 1] − x[⌊h⌋])`. This definition is the default of numpy and R, and the definition
/// of Excel's `PERCENTILE.INC`. So anyone can check a baseline with these programs.
///
/// The values are doubled and the percentages are integers, so the exact result is a multiple of 1/200. It is computed
/// as an integer number of two-hundredths. Only the conversion to `f64` and the division by 200 round.
///
/// If latencies are counted in buckets, the value at a rank is the middle of a bucket. The middle differs from the
/// exact value by less than one part in 256, and so does a percentile between two middles.
pub(super) fn percentiles<const N: usize>(
    doubled_at: impl Fn(u64) -> Option<(u128, u128)>,
    count: u64,
    percents: [u8; N],
) -> [Option<f64>; N] {
    percents.map(|percent| {
        let place = u128::from(count.checked_sub(1)?) * u128::from(percent);
        let index = (place / HUNDRED) as u64;
        let (low, high) = doubled_at(index)?;
        let two_hundredths = low * HUNDRED + place % HUNDRED * (high - low);
        Some(two_hundredths as f64 / (2 * HUNDRED) as f64)
    })
}

/// The count, the sum, and the sum of squares of integers: enough for the mean and the standard deviation.
///
/// The sums are integers. So they are exact, and they do not depend on the order of the values or on how the values are
/// split into parts.
///
/// The sum of the values never overflows. The sum of squares overflows if it exceeds 2²⁵⁶ − 1, which happens only with
/// huge values, such as four values of −2¹²⁷. Then the mean is still known, but the standard deviation is not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    count: u64,
    /// `None` if an earlier version of this crate stored only the count, because a sum exceeded 128 bits.
    sums: Option<Sums>,
}

#[derive(Debug, Clone, Copy)]
struct Sums {
    positive: Wide,
    /// The sum of the magnitudes of all negative values.
    negative: Wide,
    /// The sum of the squares; `None` if it exceeded 2²⁵⁶ − 1.
    squares: Option<Wide>,
}

impl Default for Moments {
    fn default() -> Self {
        let zero = Wide::default();
        Self { count: 0, sums: Some(Sums { positive: zero, negative: zero, squares: Some(zero) }) }
    }
}

impl Moments {
    #[inline]
    pub(crate) fn add(&mut self, value: i128) {
        self.count += 1;
        let Some(sums) = &mut self.sums else { return };
        let magnitude = value.unsigned_abs();
        let square = match u64::try_from(magnitude) {
            // The product of two `u64` is one instruction; the product of two `u128` is not.
            Ok(magnitude) => Wide::of(u128::from(magnitude) * u128::from(magnitude)),
            Err(_) => Wide::product(magnitude, magnitude),
        };
        sums.squares = sums.squares.and_then(|squares| squares.plus(square));
        let sum = if value < 0 { &mut sums.negative } else { &mut sums.positive };
        // The sum of 2⁶⁴ values of at most 2¹²⁷ fits in 256 bits, so the addition cannot fail.
        *sum = sum.plus(Wide::of(magnitude)).unwrap_or(*sum);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sums = self.sums.zip(other.sums).and_then(|(a, b)| {
            let squares = a.squares.zip(b.squares).and_then(|(a, b)| a.plus(b));
            Some(Sums { positive: a.positive.plus(b.positive)?, negative: a.negative.plus(b.negative)?, squares })
        });
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean and the sample variance as exactly as `f64` allows. Returns `None` for fewer than two values,
    /// or if the sums are out of range.
    pub(crate) fn mean_and_variance(&self) -> Option<(f64, f64)> {
        let (is_negative, sum) = self.sums?.value();
        let mean = sum.to_f64() / self.count as f64;
        Some((if is_negative { -mean } else { mean }, self.variance()?))
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.count.into());
        out.byte(self.sums.is_some().into());
        let Some(sums) = self.sums else { return };
        let (is_negative, sum) = sums.value();
        out.byte(is_negative.into());
        out.byte(sums.squares.is_some().into());
        [Some(sum), sums.squares].into_iter().flatten().for_each(|Wide { high, low }| {
            out.number(high);
            out.number(low);
        });
    }

    /// Reads the moments of at most `most` values from bytes of [version 2](super::accumulator) or later.
    pub(super) fn read(from: &mut Reader<'_>, version: u8, most: u64) -> Result<Self> {
        let count = from.at_most(most)?;
        if !from.flag()? {
            return Ok(Self { count, sums: None });
        }
        let (is_negative, sum, squares);
        if version == 2 {
            let value = from.signed()?;
            (is_negative, sum) = (value < 0, Wide::of(value.unsigned_abs()));
            squares = Some(Wide::of(from.number()?));
        } else {
            is_negative = from.flag()?;
            let has_squares = from.flag()?;
            let mut wide = || Ok(Wide { high: from.number()?, low: from.number()? });
            sum = wide()?;
            squares = if has_squares { Some(wide()?) } else { None };
        }
        let zero = Wide::default();
        let (positive, negative) = if is_negative { (zero, sum) } else { (sum, zero) };
        let sums = Sums { positive, negative, squares };
        // `variance` relies on (Σx)² ≤ n · Σx², the inequality of Cauchy and Schwarz. Sums that violate it are refused.
        if sums.may_be_of(count) { Ok(Self { count, sums: Some(sums) }) } else { Err(from.malformed()) }
    }

    /// Returns the mean in units of `numerator / denominator`, rounded half to even. Returns `None` if there are no
    /// values, if the sum is unknown, or if the mean is out of range.
    pub(super) fn mean_in(&self, numerator: u32, denominator: u32) -> Option<i128> {
        let (is_negative, sum) = self.sums?.value();
        let divisor = u128::from(self.count) * u128::from(numerator);
        let (quotient, rest) = sum.times(denominator.into())?.divided_by(divisor)?;
        let up = match rest.cmp(&(divisor - rest)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        let mean = i128::try_from(quotient.checked_add(up.into())?).ok()?;
        Some(if is_negative { -mean } else { mean })
    }

    /// Returns the sample standard deviation, the root of the [variance](Self::variance).
    pub(super) fn std_dev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// Returns the sample variance, `Σ(x − mean)² / (n − 1)`. Returns `None` for fewer than two values, or if the sums
    /// are out of range.
    ///
    /// Let `Σx = n·q + r`, where `q` is the mean truncated towards zero, and let `s = Σ(x − q)² = Σx² − n·q² − 2·q·r`,
    /// which is an integer. Then `Σ(x − mean)² = s − r²/n = (s − |r|) + |r|·(n − |r|)/n`. Both terms are at least 0 and
    /// are computed from exact integers. So no digits are lost by cancellation, and the result is correct to within a
    /// few units in the last place.
    fn variance(&self) -> Option<f64> {
        let sums = self.sums?;
        let degrees = self.count.checked_sub(1).filter(|&degrees| degrees > 0)?;
        let n = u128::from(self.count);
        let (least, r) = sums.least_squares(self.count)?;
        let squared_deviations = sums.squares?.minus(least)?.to_f64() + (r * (n - r)) as f64 / n as f64;
        Some(squared_deviations / degrees as f64)
    }
}

impl Sums {
    /// Returns the sum of the values as two parts: true if it is negative, and its magnitude.
    fn value(self) -> (bool, Wide) {
        match self.positive.minus(self.negative) {
            Some(sum) => (false, sum),
            None => (true, self.negative.minus(self.positive).unwrap_or_default()),
        }
    }

    /// Returns the least sum of squares that `count` values with this sum can have, and `|r|`. The least sum of squares
    /// is `n·q² + 2·q·|r| + |r|`, where the names have the same meaning as in [`variance`](Moments::variance). Returns
    /// `None` if `count` is 0, or if the sum of squares is out of range.
    fn least_squares(self, count: u64) -> Option<(Wide, u128)> {
        // q and r have the same sign, so their magnitudes suffice.
        let (q, r) = self.value().1.divided_by(count.into())?;
        let least = Wide::product(q, q).times(count.into())?.plus(Wide::product(q, 2 * r))?.plus(Wide::of(r))?;
        Some((least, r))
    }

    fn may_be_of(self, count: u64) -> bool {
        if count == 0 {
            return self.value().1 == Wide::default() && self.squares == Some(Wide::default());
        }
        match (self.least_squares(count), self.squares) {
            (Some((least, _)), Some(squares)) => least <= squares,
            (_, squares) => squares.is_none(),
        }
    }
}

/// Returns the quotient, rounded half to even; `None` if the divisor is 0. The divisor must not be negative.
pub(super) fn divide_half_even(dividend: i128, divisor: i128) -> Option<i128> {
    let (floor, rest) = (dividend.checked_div_euclid(divisor)?, dividend.checked_rem_euclid(divisor)?);
    let up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    Some(floor + i128::from(up))
}

/// Returns `part / whole` with 4 decimals, rounded half to even; `None` if `whole` is 0.
pub(super) fn rate(part: u64, whole: u64) -> Option<f64> {
    let scaled = divide_half_even(i128::from(part) * 10_000, i128::from(whole))?;
    Some(scaled as f64 / 10_000.0)
}

/// Returns the standard error of the rate `part / whole`, `√(p · (1 − p) / n)`, with 4 decimals; `None` if `whole` is
/// 0.
pub(super) fn rate_standard_error(part: u64, whole: u64) -> Option<f64> {
    let other = whole.checked_sub(part).filter(|_| whole > 0)?;
    let n = whole as f64;
    Some(round_to((part as f64 * other as f64 / n).sqrt() / n, 10_000.0))
}

/// Rounds `value` to the nearest multiple of `1 / scale`, half to even.
pub(super) fn round_to(value: f64, scale: f64) -> f64 {
    (value * scale).round_ties_even() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[i128]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments
    }

    #[test]
    fn a_percentile_needs_values_and_lies_between_them() {
        let of = |values: &[u64]| {
            let doubled = |rank: u64| values.get(rank as usize).map(|&value| 2 * u128::from(value));
            percentiles(
                |rank| Some((doubled(rank)?, doubled(rank + 1).or(doubled(rank))?)),
                values.len() as u64,
                [0, 50, 100],
            )
        };
        assert_eq!(of(&[]), [None; 3]);
        assert_eq!(of(&[1, 2]), [1.0, 1.5, 2.0].map(Some));
        assert_eq!(of(&[0, u64::MAX]), [0.0, 9_223_372_036_854_775_807.5, u64::MAX as f64].map(Some));
        let pairs = [(2, 2), (2, 2), (2, 40), (40, 40)];
        assert_eq!(percentiles(|rank| pairs.get(rank as usize).copied(), 4, [0, 50, 99]), [1.0, 1.0, 19.43].map(Some));
    }

    #[test]
    fn deviations_of_either_sign_do_not_cancel() {
        // By hand: the mean is −0.25, and the squared deviations add up to 0.5625 + 3 · 0.0625 = 0.75. Divided by n − 1
        // = 3, this gives a variance of 0.25.
        assert_eq!(moments(&[-1, 0, 0, 0]).std_dev(), Some(0.5));
        assert_eq!(moments(&[1, 0, 0, 0]).std_dev(), Some(0.5));
        // The values are so large that a sum of squares in `f64` would have no digits left for the deviations.
        let far = 1_000_000_000_000_000;
        assert_eq!(moments(&[far - 1, far, far, far]).std_dev(), Some(0.5));
        assert_eq!(moments(&[-far, -far, -far, -far - 1]).std_dev(), Some(0.5));
    }

    #[test]
    fn fewer_than_two_values_have_no_deviation() {
        assert_eq!(moments(&[]).std_dev(), None);
        assert_eq!(moments(&[]).mean_in(1, 1), None);
        assert_eq!(moments(&[7]).std_dev(), None);
        assert_eq!(moments(&[7]).mean_in(1, 1), Some(7));
        assert_eq!(moments(&[7, 7]).std_dev(), Some(0.0));
    }

    #[test]
    fn sums_at_the_end_of_the_range_and_beyond_it() {
        let most = i128::from(u64::MAX);
        assert_eq!(moments(&[most]).mean_in(1, 1), Some(most));
        assert_eq!(moments(&[most, most]).mean_in(1, 1), Some(most));
        assert_eq!(moments(&[i128::MAX; 5]).mean_in(1, 1), Some(i128::MAX));
        assert_eq!(moments(&[-i128::MAX; 5]).mean_in(3, 2), Some(-(i128::MAX / 3 * 2 + 1)));
        assert_eq!(moments(&[i128::MAX; 5]).mean_in(1, 1000), None);
        assert_eq!(moments(&[1 << 63, 0, 0, 0]).std_dev(), Some(2f64.powi(62)));
        // The squares of these values sum to 3 · 2²⁵⁰, and those of `beyond` to 2²⁵⁶.
        assert_eq!(moments(&[1 << 125, 0, -1 << 125, 0, 1 << 125]).std_dev(), Some(2f64.powi(125) * 0.7f64.sqrt()));
        let beyond = moments(&[i128::MIN; 4]);
        assert_eq!((beyond.count(), beyond.std_dev(), beyond.mean_in(2, 1)), (4, None, Some(i128::MIN / 2)));
    }

    /// Each cost is about 29 million dollars, in units of 10⁻¹² dollars. Its square exceeds 128 bits.
    #[test]
    fn large_costs_have_a_mean_and_a_deviation() {
        let dollar = 1_000_000_000_000;
        let costs: Vec<i128> = (0..3_000).map(|i| 29_000_000 * dollar + i128::from(i % 2) * 2 * dollar).collect();
        let moments = moments(&costs);
        assert_eq!(moments.mean_in(1, 1), Some(29_000_001 * dollar));
        let deviation = moments.std_dev().unwrap() / dollar as f64;
        assert!((deviation - (3_000.0_f64 / 2_999.0).sqrt()).abs() < 1e-12, "{deviation}");
    }

    #[test]
    fn written_moments_are_read_back_and_so_are_those_of_version_2() {
        for values in [&[][..], &[-7, 3], &[i128::MAX; 9], &[i128::MIN; 4], &[1 << 100, -5]] {
            let moments = moments(values);
            let mut out = Writer::default();
            moments.write(&mut out);
            let bytes = out.into_bytes();
            let read = Moments::read(&mut Reader::new(&bytes), 3, 9).unwrap();
            assert_eq!(format!("{:?}", read.sums.map(Sums::value)), format!("{:?}", moments.sums.map(Sums::value)));
            assert_eq!((read.count(), read.std_dev()), (moments.count(), moments.std_dev()));
        }
        let mut out = Writer::default();
        out.number(2);
        out.byte(1);
        out.signed(-4);
        out.number(10);
        let read = Moments::read(&mut Reader::new(&out.into_bytes()), 2, 2).unwrap();
        assert_eq!((read.mean_in(1, 1), read.std_dev()), (Some(-2), Some(2f64.sqrt())));
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let halves = [-5, -3, -1, 1, 3, 5].map(|odd| divide_half_even(odd, 2));
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2].map(Some));
        assert_eq!(divide_half_even(2, 3), Some(1));
        assert_eq!(divide_half_even(1, 3), Some(0));
        assert_eq!(divide_half_even(1, 0), None);
    }

    #[test]
    fn rates_have_four_decimals() {
        assert_eq!(rate(240, 245), Some(0.9796));
        assert_eq!(rate(0, 0), None);
        // √(240 · 5 / 245³) = 0.009033
        assert_eq!(rate_standard_error(240, 245), Some(0.009));
        assert_eq!(rate_standard_error(1, 4), Some(0.2165));
        assert_eq!(rate_standard_error(4, 4), Some(0.0));
        assert_eq!(rate_standard_error(0, 0), None);
    }
}
