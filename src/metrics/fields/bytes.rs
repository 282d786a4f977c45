//! Reads several bytes at once, as one integer.
//!
//! All functions in this module are inlined, because calling them would take longer than running them.

const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Returns true if both arrays are equal.
///
/// Arrays of at least 16 bytes are compared 16 bytes at a time, because the compiler would call a function for longer
/// arrays. The last 16 bytes are compared first. Some of these bytes may be compared again.
#[inline(always)]
pub(super) fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let (Some(last_a), Some(last_b)) = (a.last_chunk(), b.last_chunk()) else { return a == b };
    let differ = |a: &[u8; 16], b: &[u8; 16]| u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
    let pieces = a.as_chunks().0.iter().zip(b.as_chunks().0);
    pieces.fold(differ(last_a, last_b), |all, (a, b)| all | differ(a, b)) == 0
}

/// Returns the value of the leading decimal digits of `eight`, and their number.
#[inline(always)]
pub(super) fn leading_digits(eight: [u8; 8]) -> (u64, u32) {
    // XOR turns each digit into its value. Adding 127 - 9 sets the highest bit of each byte from 10 to 127. Higher
    // bytes have this bit already. Only a byte that is not a digit can carry, and only the first such byte is used.
    let values = u64::from_le_bytes(eight) ^ u64::from_ne_bytes([b'0'; 8]);
    let others = (values.wrapping_add(u64::from_ne_bytes([127 - 9; 8])) | values) & HIGHS;
    let count = others.trailing_zeros() / 8;
    if count == 0 {
        return (0, 0);
    }
    // The shift puts zeros before the digits, so there are always eight digits, the first one in the lowest byte.
    // Then neighbours are combined: eight digits become four numbers of two digits, then two numbers of four digits,
    // and then the result.
    let aligned = values << (64 - count * 8);
    let pairs = (aligned.wrapping_mul(10) + (aligned >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff, count)
}

/// Returns 10^`exponent`, for an exponent of at most 15, from a table. A loop would be slower, because the exponent
/// differs from line to line. The processor would then mispredict the end of the loop.
#[inline(always)]
pub(super) fn power_of_ten(exponent: u32) -> u64 {
    const POWERS: [u64; 16] = {
        let mut powers = [1; 16];
        let mut exponent = 1;
        while exponent < 16 {
            powers[exponent] = powers[exponent - 1] * 10;
            exponent += 1;
        }
        powers
    };
    POWERS[exponent as usize % 16]
}

/// Returns the position of the first special byte at or after `start`: a quote, a backslash, a control character, or a
/// byte that is not ASCII. All other bytes are plain text in a JSON string.
#[inline(always)]
pub(super) fn special(text: &[u8], start: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    let mut at = start;
    let mut rest = text.get(start..)?;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        // Subtracting n from a byte that is less than n sets the highest bit of this byte, and borrows from the next
        // byte. Bytes that are not ASCII already have their highest bit set. A borrow can also set the highest bit of
        // the next byte, even if that byte is not special. So only the lowest byte whose highest bit is set is
        // certainly special.
        let below = |bytes: u64, n: u64| bytes.wrapping_sub(ONES * n);
        let equal = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
        // Flipping the bit 0x02 keeps control characters below 0x20, and turns only the quote into 0x20. So a flipped
        // byte below 0x21 was a control character or a quote.
        let control_or_quote = below(eight ^ (ONES * 0x02), 0x21);
        let found = (control_or_quote | equal(b'\\') | eight) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = after;
    }
    let is_special = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\' | 0x80..);
    rest.iter().position(is_special).map(|place| at + place)
}
