//! Log-linear buckets, as in Gil Tene's HdrHistogram (2012). Each bucket has a score, which is a coarse logarithm of
//! its values.
//!
//! A bucket is a range of values that are counted together. An octave reaches from a power of two to the next. All
//! buckets of an octave have the same width.

/// The bucket of a value depends on the position of its leading 1, and on this number of binary digits after the 1.
const DIGITS: u32 = 7;
/// The number of buckets in an octave of values from 128 on.
pub(super) const BUCKETS_PER_OCTAVE: u64 = 1 << DIGITS;

/// Returns the number of a value's bucket. Each value below 256 has its own bucket.
#[inline]
pub(super) fn bucket(value: u64) -> u32 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS + 1);
    // The largest bucket number is 7423, so every number fits in 32 bits.
    (u64::from(shift) * BUCKETS_PER_OCTAVE + (value >> shift)) as u32
}

/// Returns twice the middle of a bucket: the sum of its smallest and its largest value.
pub(super) fn doubled_middle(bucket: u32) -> u128 {
    let octave = u64::from(bucket) / BUCKETS_PER_OCTAVE;
    let shift = octave.saturating_sub(1);
    let low = u128::from(u64::from(bucket) - shift * BUCKETS_PER_OCTAVE) << shift;
    2 * low + (1 << shift) - 1
}

/// Returns the score of a bucket: approximately `128 · (1 + log₂ x)` for the values `x` of the bucket. Within an
/// octave, a straight line replaces the logarithm. This is the approximation of Mitchell ("Computer Multiplication and
/// Division Using Binary Logarithms", IRE Transactions on Electronic Computers EC-11 (1962), 512–517). The value 0 has
/// the score 0, as if it were ½. A score is an integer, so it is the same on every machine.
#[inline]
pub(super) fn score(bucket: u32) -> u32 {
    if u64::from(bucket) >= BUCKETS_PER_OCTAVE {
        // The bucket number grows by 128 in each octave, like the score, so the difference of the two is constant.
        return bucket + DIGITS * BUCKETS_PER_OCTAVE as u32;
    }
    let octave = bucket.checked_ilog2().map_or(0, |octave| octave + 1);
    // A value `2^k · (1 + f)` has the score `128 · (k + 1 + f)`.
    match octave.checked_sub(1) {
        Some(k) => (octave << DIGITS) + ((bucket - (1 << k)) << (DIGITS - k)),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks every bucket, from its first value to its last.
    #[test]
    fn buckets_follow_one_another_and_their_middle_is_close() {
        let mut low = 0_u64;
        for number in 0..=bucket(u64::MAX) {
            assert_eq!(bucket(low), number);
            let high = u64::try_from(doubled_middle(number) - u128::from(low)).unwrap();
            assert_eq!(bucket(high), number);
            // Each value must differ from the middle by less than `value / 256`. If the lowest value of a bucket
            // differs by less, so do all values of the bucket.
            assert!((high - low) as u128 * 128 < low.max(1).into(), "{low}..={high}");
            assert!(low >= 256 || high == low);
            low = match high.checked_add(1) {
                Some(next) => next,
                None => return assert_eq!(number, 7423, "the last bucket"),
            };
        }
        panic!("the buckets end at {low}");
    }

    #[test]
    fn scores_are_close_to_logarithms_and_ascend() {
        assert_eq!([0, 1, 2, 3, 4, 6, 7].map(score), [0, 128, 256, 320, 384, 448, 480]);
        for number in 1..=bucket(u64::MAX) {
            assert!(score(number) > score(number - 1));
            let logarithm = 128.0 * (1.0 + (doubled_middle(number) as f64 / 2.0).log2());
            // The straight line lies at most 0.0861 of an octave below the logarithm. This is a score difference of 11.
            assert!((logarithm - f64::from(score(number)) - 5.5).abs() < 6.2, "{number}");
        }
    }
}
