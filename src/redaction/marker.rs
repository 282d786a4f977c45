//! The marker that takes the place of a secret.

use crate::digest;

/// The longest name of a rule, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 40;

/// How a marker begins.
pub(super) const START: &[u8] = b"[redacted:";

/// Returns the marker of a secret: `[redacted:RULE:4hex]`. The four hex digits are the start of the secret's SHA-256,
/// so equal secrets have equal markers. Many other texts have the same four digits.
pub(super) fn marker(rule: &str, secret: &[u8]) -> String {
    let digits: String = digest::hex(secret).iter().take(4).copied().map(char::from).collect();
    format!("[redacted:{rule}:{digits}]")
}

/// Returns the end of the marker that begins at `at`, or `None` if there is no marker.
pub(super) fn end_of_marker(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?.strip_prefix(START)?;
    let name = rest.iter().take(NAME_BYTES_MAX + 1).take_while(|byte| is_of_name(**byte)).count();
    let is_marker = match rest.get(name..name + 6)? {
        [b':', digits @ .., b']'] => digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')),
        _ => false,
    };
    (is_marker && (1..=NAME_BYTES_MAX).contains(&name)).then_some(at + START.len() + name + 6)
}

/// Returns true if a rule's name may have this character.
pub(super) fn is_of_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}
