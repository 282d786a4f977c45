//! Integers of 256 bits, for sums that do not fit in 128 bits.

/// An integer from 0 to 2²⁵⁶ − 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide {
    // The derived order compares the high half first.
    pub(super) high: u128,
    pub(super) low: u128,
}

impl Wide {
    pub(super) fn of(low: u128) -> Self {
        Self { high: 0, low }
    }

    /// Returns the product of two integers, which always fits.
    pub(super) fn product(a: u128, b: u128) -> Self {
        let half = |number: u128| (number >> 64, number & u128::from(u64::MAX));
        let ((a_high, a_low), (b_high, b_low)) = (half(a), half(b));
        let low = a_low * b_low;
        // Each product is at most 2¹²⁸ − 2⁶⁵ + 1, and each number added to it is below 2⁶⁴. So these sums do not
        // overflow.
        let middle = a_high * b_low + (low >> 64);
        let (carry, rest) = half(middle);
        let middle = a_low * b_high + rest;
        Self { high: a_high * b_high + carry + (middle >> 64), low: (middle << 64) | half(low).1 }
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.checked_add(other.high)?.checked_add(carry.into())?;
        Some(Self { high, low })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.checked_sub(other.high)?.checked_sub(borrow.into())?;
        Some(Self { high, low })
    }

    pub(super) fn times(self, factor: u128) -> Option<Self> {
        let (low, high) = (Self::product(self.low, factor), Self::product(self.high, factor));
        let high = if high.high == 0 { high.low } else { return None };
        Some(Self { high: high.checked_add(low.high)?, low: low.low })
    }

    /// Returns the quotient and the remainder, by long division. Returns `None` if the quotient does not fit in 128
    /// bits, or if the divisor is 0. Also returns `None` if the divisor is 2¹²⁷ or more and `self` does not fit in 128
    /// bits.
    pub(super) fn divided_by(self, divisor: u128) -> Option<(u128, u128)> {
        if self.high == 0 {
            return Some((self.low.checked_div(divisor)?, self.low % divisor));
        }
        if self.high >= divisor || divisor >> 127 == 1 {
            return None;
        }
        let (mut quotient, mut rest) = (0, self.high);
        for digit in (0..128).rev() {
            rest = (rest << 1) | ((self.low >> digit) & 1);
            quotient <<= 1;
            if rest >= divisor {
                rest -= divisor;
                quotient |= 1;
            }
        }
        Some((quotient, rest))
    }

    pub(super) fn to_f64(self) -> f64 {
        self.high as f64 * 2f64.powi(128) + self.low as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn products_and_sums_at_the_ends_of_the_range() {
        let most = Wide { high: u128::MAX, low: u128::MAX };
        // (2¹²⁸ − 1)² = 2²⁵⁶ − 2¹²⁹ + 1
        let square = Wide { high: u128::MAX - 1, low: 1 };
        assert_eq!(Wide::product(u128::MAX, u128::MAX), square);
        assert_eq!(square.plus(Wide::product(u128::MAX, 2)), Some(most));
        assert_eq!(most.plus(Wide::of(1)), None);
        assert_eq!((Wide::of(1).minus(Wide::of(2)), most.times(2)), (None, None));
        assert_eq!(Wide { high: 1, low: 0 }.minus(Wide::of(1)), Some(Wide::of(u128::MAX)));
        assert_eq!(Wide { high: 7, low: 0 }.divided_by(7), None);
        assert_eq!(Wide::of(5).divided_by(0), None);
        assert_eq!(Wide { high: 1, low: 0 }.to_f64(), 2f64.powi(128));
    }

    proptest! {
        #[test]
        fn division_reverses_the_product(a: u128, b in 1..u128::MAX >> 1, rest: u128) {
            let rest = rest % b;
            let whole = Wide::product(a, b).plus(Wide::of(rest)).unwrap();
            prop_assert_eq!(whole.divided_by(b), Some((a, rest)));
            prop_assert_eq!(whole.minus(Wide::of(rest)), Wide::of(a).times(b));
        }
    }
}
