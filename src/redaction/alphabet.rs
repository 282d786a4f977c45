//! Sets of ASCII characters.

/// A set of ASCII characters, such as the characters that a token may consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alphabet(u128);

pub(super) const HEX: Alphabet = Alphabet::of("0123456789abcdefABCDEF");
pub(super) const LETTERS: Alphabet = Alphabet::of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
pub(super) const ALNUM: Alphabet = LETTERS.with("0123456789");
/// Upper-case letters and digits.
pub(super) const UPPER: Alphabet = Alphabet::of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
/// The characters of a word: letters, digits and underscores.
pub(super) const WORD: Alphabet = ALNUM.with("_");
/// The characters of base64 for URLs.
pub(super) const URL: Alphabet = WORD.with("-");
pub(super) const URL_DOTS: Alphabet = URL.with(".");
pub(super) const BASE64: Alphabet = ALNUM.with("+/=");
/// The characters of a path in the URL of a webhook.
pub(super) const PATH: Alphabet = URL.with("/.@%");
/// The characters of a token in a header or an assignment.
pub(super) const TOKEN: Alphabet = ALNUM.with("-._~+/=%");
/// The characters of a password in an assignment without quotes.
pub(super) const PASSWORD: Alphabet = ALNUM.with("-._~+/=%!@#$^*?:");

impl Alphabet {
    pub(super) const fn of(characters: &str) -> Self {
        Self(0).with(characters)
    }

    /// Returns the set with `characters` added. Characters that are not ASCII are ignored.
    pub(super) const fn with(self, characters: &str) -> Self {
        let (bytes, mut set, mut at) = (characters.as_bytes(), self.0, 0);
        while at < bytes.len() {
            if bytes[at] < 128 {
                set |= 1 << bytes[at];
            }
            at += 1;
        }
        Self(set)
    }

    #[inline]
    pub(super) fn has(self, byte: u8) -> bool {
        byte < 128 && self.0 >> byte & 1 == 1
    }
}
