//! Escapes the characters that JSON allows in a text, but that a terminal may obey.
//!
//! The characters are DEL, the controls from U+0080 to U+009F, U+2028 and U+2029, and those that change the direction
//! of writing. JSON has them only in texts, and their escapes, such as `\u009b`, have the same meaning there.

use std::borrow::Cow;
use std::io::{self, Write};
use std::str;

use super::printable::is_control;

/// The number of bytes of the longest of these characters.
const BYTES_MAX: usize = 3;

/// A writer that escapes these characters.
#[derive(Debug)]
pub(crate) struct Escaped<W> {
    out: W,
    /// True if all bytes are written as they are.
    is_off: bool,
    /// The beginning of a character whose other bytes were not written yet.
    begun: Vec<u8>,
}

impl<W: Write> Escaped<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, is_off: false, begun: Vec::new() }
    }

    /// Returns a writer that escapes nothing, because another program needs the bytes as they are.
    pub(crate) fn off(out: W) -> Self {
        Self { out, is_off: true, begun: Vec::new() }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_off || (self.begun.is_empty() && first(bytes).is_none()) {
            return self.out.write(bytes);
        }
        let all = [&*std::mem::take(&mut self.begun), bytes].concat();
        let mut rest = &*all;
        while let Some(at) = first(rest) {
            self.out.write_all(&rest[..at])?;
            rest = &rest[at..];
            if let Some((c, bytes)) = character(rest) {
                if is_escaped(c) {
                    write!(self.out, "\\u{:04x}", u32::from(c))?;
                } else {
                    self.out.write_all(&rest[..bytes])?;
                }
                rest = &rest[bytes..];
            } else if rest.len() < BYTES_MAX {
                self.begun = rest.to_vec();
                return Ok(bytes.len());
            } else {
                self.out.write_all(&rest[..1])?;
                rest = &rest[1..];
            }
        }
        self.out.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&std::mem::take(&mut self.begun))?;
        self.out.flush()
    }
}

/// Returns the text with these characters escaped.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return text.into();
    }
    let escape = |c: char| if is_escaped(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn is_escaped(c: char) -> bool {
    c >= '\u{7f}' && is_control(c)
}

/// Returns the position of the first byte that can begin one of these characters.
fn first(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2))
}

/// Returns the first character and its number of bytes, if the bytes begin with a whole character.
fn character(bytes: &[u8]) -> Option<(char, usize)> {
    let c = (1..=BYTES_MAX).find_map(|count| str::from_utf8(bytes.get(..count)?).ok()?.chars().next())?;
    Some((c, c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Escaped::new(&mut out);
        parts.iter().for_each(|part| writer.write_all(part).unwrap());
        writer.flush().unwrap();
        out
    }

    proptest! {
        #[test]
        fn the_escapes_have_the_same_meaning_in_json(text in "[\\PC\u{7f}-\u{a5}\u{600}-\u{620}\u{2000}-\u{2070}\n]{0,20}", cut in any::<prop::sample::Index>()) {
            let json = serde_json::Value::from(text.as_str()).to_string();
            let (first, second) = json.as_bytes().split_at(cut.index(json.len() + 1));
            let safe = written(&[first, second]);
            prop_assert_eq!(str::from_utf8(&safe).unwrap(), &*escaped(&json));
            prop_assert!(!escaped(&json).contains(is_control));
            prop_assert_eq!(serde_json::from_slice::<String>(&safe).unwrap(), text);
        }

        #[test]
        fn other_bytes_are_kept(bytes in prop::collection::vec(prop::sample::select(vec![0xc2, 0xe2, 0xd8, 0x41, 0xff, 0xa9]), 0..20)) {
            prop_assert_eq!(written(&[&bytes]), bytes.clone());
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(written(&each), bytes.clone());
        }
    }
}
