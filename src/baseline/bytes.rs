//! Writes and reads the compact bytes of an accumulator, which holds the counts and sums that baselines are computed
//! from. The length of a text is stored before the text. Single numbers are stored in LEB128, which uses fewer bytes
//! for smaller numbers. Long rows of numbers are stored in words of equal width.

use crate::error::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Writes a number in LEB128: seven bits per byte, the lowest first. The highest bit of a byte says that more bytes
    /// follow.
    pub(super) fn number(&mut self, mut number: u128) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Writes a number in zigzag encoding: 0, −1, 1, −2, … become 0, 1, 2, 3, …, so that numbers near 0 are short.
    pub(super) fn signed(&mut self, number: i128) {
        self.number(((number << 1) ^ (number >> 127)) as u128);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u128);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes numbers in little-endian words of equal width. The width is the smallest of 0, 1, 2, 4 and 8 bytes in
    /// which the largest number fits. A width of 0 means that all numbers are 0. The width is written before the words.
    pub(super) fn words(&mut self, numbers: &[u64]) {
        let most = numbers.iter().fold(0, |all, number| all | number);
        match (u64::BITS - most.leading_zeros()).div_ceil(8) {
            0 => self.byte(0),
            1 => self.put(numbers, |number| [number as u8]),
            2 => self.put(numbers, |number| (number as u16).to_le_bytes()),
            3 | 4 => self.put(numbers, |number| (number as u32).to_le_bytes()),
            _ => self.put(numbers, u64::to_le_bytes),
        }
    }

    fn put<const N: usize>(&mut self, numbers: &[u64], word: impl Fn(u64) -> [u8; N]) {
        self.byte(N as u8);
        numbers.iter().for_each(|number| self.0.extend_from_slice(&word(*number)));
    }
}

/// Numbers in words of equal width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'b> {
    bytes: &'b [u8],
    /// The width in bytes.
    width: usize,
    len: usize,
}

impl Words<'_> {
    /// Copies as many numbers as `numbers` has room for.
    pub(super) fn copy_to(&self, numbers: &mut [u64]) {
        let bytes = self.bytes;
        match self.width {
            1 => copy(bytes, numbers, |byte: &[u8; 1]| byte[0].into()),
            2 => copy(bytes, numbers, |word| u16::from_le_bytes(*word).into()),
            4 => copy(bytes, numbers, |word| u32::from_le_bytes(*word).into()),
            8 => copy(bytes, numbers, |word| u64::from_le_bytes(*word)),
            _ => numbers.fill(0),
        }
    }

    /// Returns the sum of the numbers, or `u64::MAX` if the sum is larger.
    pub(super) fn sum(&self) -> u64 {
        let bytes = self.bytes;
        match self.width {
            1 => sum(bytes, |byte: &[u8; 1]| byte[0].into()),
            2 => sum(bytes, |word| u16::from_le_bytes(*word).into()),
            4 => bytes.as_chunks().0.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum(),
            _ => bytes.as_chunks().0.iter().fold(0, |sum, word| sum.saturating_add(u64::from_le_bytes(*word))),
        }
    }

    pub(super) fn has_zero(&self) -> bool {
        match self.width {
            0 => self.len > 0,
            1 => self.bytes.contains(&0),
            width => self.bytes.chunks(width).any(|word| word.iter().all(|byte| *byte == 0)),
        }
    }
}

/// Adds up words of at most 16 bits. The sum of 2¹⁶ such words fits in 32 bits, which lets the compiler add many words
/// at once.
fn sum<const N: usize>(bytes: &[u8], number: impl Fn(&[u8; N]) -> u32) -> u64 {
    let sum_of = |words: &[[u8; N]]| u64::from(words.iter().map(&number).sum::<u32>());
    bytes.as_chunks().0.chunks(1 << 16).map(sum_of).sum()
}

fn copy<const N: usize>(bytes: &[u8], numbers: &mut [u64], number: impl Fn(&[u8; N]) -> u64) {
    bytes.as_chunks().0.iter().zip(numbers).for_each(|(word, into)| *into = number(word));
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    length: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the error for bytes that cannot be read.
    pub(super) fn malformed(&self) -> Error {
        Error::new(ErrorKind::Malformed, "read an accumulator of baselines").detail(format!(
            "found malformed bytes before byte {} of {}",
            self.length - self.rest.len(),
            self.length
        ))
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let Some((&byte, rest)) = self.rest.split_first() else { return Err(self.malformed()) };
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    pub(super) fn number(&mut self) -> Result<u128> {
        let (mut number, mut shift) = (0_u128, 0);
        loop {
            let byte = self.byte()?;
            let digits = u128::from(byte & 0x7f);
            // The first 18 bytes hold 126 bits, so the 19th byte can hold only 2 more.
            if shift > 126 || (shift == 126 && digits > 3) {
                return Err(self.malformed());
            }
            number |= digits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    pub(super) fn signed(&mut self) -> Result<i128> {
        let number = self.number()?;
        Ok((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    /// Reads a number that is at most `most` and fits in its type.
    pub(super) fn at_most<T: TryFrom<u128>>(&mut self, most: u64) -> Result<T> {
        let number = self.number()?;
        let fitting = (number <= most.into()).then(|| T::try_from(number).ok()).flatten();
        fitting.ok_or_else(|| self.malformed())
    }

    pub(super) fn text(&mut self) -> Result<&'b str> {
        let length: usize = self.at_most(self.rest.len() as u64)?;
        let Some((text, rest)) = self.rest.split_at_checked(length) else { return Err(self.malformed()) };
        self.rest = rest;
        std::str::from_utf8(text).map_err(|source| self.malformed().source(source))
    }

    pub(super) fn words(&mut self, len: usize) -> Result<Words<'b>> {
        let width = match self.byte()? {
            width @ (0 | 1 | 2 | 4 | 8) => usize::from(width),
            _ => return Err(self.malformed()),
        };
        let Some((bytes, rest)) = self.rest.split_at_checked(width * len) else { return Err(self.malformed()) };
        self.rest = rest;
        Ok(Words { bytes, width, len })
    }

    /// Returns the bytes between the position of this reader and that of `later`.
    pub(super) fn bytes_until(&self, later: &Self) -> &'b [u8] {
        &self.rest[..self.rest.len() - later.rest.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_values_are_read_back(number in any::<u128>(), small in 0..300_u128, signed in any::<i128>(), text in ".*") {
            let mut out = Writer::default();
            out.number(number);
            out.number(small);
            out.signed(signed);
            out.text(&text);
            let bytes = out.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!((reader.number().unwrap(), reader.number().unwrap()), (number, small));
            prop_assert_eq!((reader.signed().unwrap(), reader.text().unwrap()), (signed, text.as_str()));
            prop_assert!(reader.is_empty());
            prop_assert!(reader.byte().is_err());
        }
    }

    proptest! {
        #[test]
        fn words_of_the_least_width_are_read_back(digits in 0..=64_u32, seeds in prop::collection::vec(any::<u64>(), 0..300)) {
            let mask = 1_u64.checked_shl(digits).unwrap_or(0).wrapping_sub(1);
            let numbers: Vec<u64> = seeds.iter().map(|seed| seed & mask).collect();
            let mut out = Writer::default();
            out.words(&numbers);
            let bytes = out.into_bytes();
            let width = usize::from(bytes[0]);
            prop_assert_eq!(bytes.len(), 1 + width * numbers.len());
            prop_assert!(width == 0 || numbers.iter().any(|number| number >> (width / 2 * 8) > 0), "{}", width);
            let mut reader = Reader::new(&bytes);
            let words = reader.words(numbers.len()).unwrap();
            prop_assert!(reader.is_empty());
            let mut read = vec![1; numbers.len()];
            words.copy_to(&mut read);
            prop_assert_eq!(words.has_zero(), numbers.contains(&0));
            prop_assert_eq!(words.sum(), numbers.iter().fold(0, |sum: u64, number| sum.saturating_add(*number)));
            prop_assert_eq!(read, numbers);
        }
    }

    #[test]
    fn words_of_other_widths_and_truncated_words_are_malformed() {
        assert!(Reader::new(&[2, 1, 0, 2, 0]).words(2).is_ok());
        for bad in [&[][..], &[1, 1], &[2, 1, 0, 2], &[3, 1, 0, 0, 2, 0, 0], &[16, 0]] {
            assert!(Reader::new(bad).words(2).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_of_more_than_128_bits_are_malformed() {
        let mut longest = [0xff; 19];
        longest[18] = 3;
        assert_eq!(Reader::new(&longest).number().unwrap(), u128::MAX);
        longest[18] = 4;
        assert!(Reader::new(&longest).number().is_err());
        assert!(Reader::new(&[0x80; 40]).number().is_err());
    }
}
