//! The format of lines and of their hash chain: pure functions over bytes.
//!
//! A line consists of a JSON object (the payload), to which three keys are added, and a line feed:
//!
//! ```text
//! {…payload…,"seq":42,"prev":"<64 hex>","hash":"<64 hex>"}\n
//! ```
//!
//! `hash` is the SHA-256 of the line's own bytes before `,"hash":"`. `prev` is the hash of line `seq` − 1, or 64 zeros
//! for the first line. So `hash` protects the content of a line. `prev` chains each line to the line before it, and so
//! protects the order of the lines. Hashes are computed from bytes, so no canonical form of JSON is needed.
//!
//! A text can be taken out of a line that was already written. Such a redacted line keeps its number and its hashes, so
//! the chain and all stored copies of the line's hash still match. A fourth key follows them:
//!
//! ```text
//! {…changed payload…,"seq":42,"prev":"<64 hex>","hash":"<64 hex>","redacted":"<64 hex>"}\n
//! ```
//!
//! `redacted` is the SHA-256 of the line's own bytes before `,"redacted":"`. It shows whether the line is damaged. It
//! does not show who changed the line. For this, a later line of the chain must state the value, and who changed the
//! line.

use crate::digest::{self, Hex};
use crate::error::{Error, ErrorKind, Result};

/// The maximum length of a payload in bytes. A longer payload is refused before anything is written.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The maximum length of a trailer, which is the part of a line after the payload: `,"seq":` with 20 digits, `prev`,
/// `hash`, `redacted`, the brace and the line feed.
pub(crate) const TRAILER_BYTES_MAX: usize =
    SEQ.len() + 20 + PREV.len() + 64 + HASH.len() + 1 + 64 + REDACTED_BYTES + END.len() + 1;

const SEQ: &[u8] = b",\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const REDACTED: &[u8] = b",\"redacted\":\"";
/// The length of `redacted` in the trailer of a redacted line.
const REDACTED_BYTES: usize = 1 + REDACTED.len() + 64;
const END: &[u8] = b"\"}";

/// A position in the chain: a line's sequence number and hash. The next line states this hash as its `prev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The sequence number of the line, counting from 1. It is 0 for the position before the first line.
    pub(crate) seq: u64,
    /// The hash of the line, in 64 lower-case hex digits.
    pub(crate) hash: [u8; 64],
}

impl Link {
    /// The position before the first line. Its hash is 64 zeros.
    pub(crate) const START: Self = Self { seq: 0, hash: [b'0'; 64] };

    /// Returns the hash as text.
    pub(crate) fn hash_str(&self) -> &str {
        // The hash consists of hex digits only.
        std::str::from_utf8(&self.hash).unwrap_or_default()
    }
}

/// The trailer of a line, and the end of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The line's own position in the chain.
    pub(crate) link: Link,
    /// The hash of the previous line.
    pub(crate) prev: Hex,
    /// The hash of the line as it is now, if a text was taken out of it. `link` still has the hash that the line had
    /// before.
    pub(crate) redacted: Option<Hex>,
    /// The payload is `line[..payload_end]`, followed by a closing brace.
    pub(crate) payload_end: usize,
}

impl Trailer {
    /// Returns true if this line directly follows `link`.
    pub(crate) fn follows(&self, link: &Link) -> bool {
        link.seq.checked_add(1) == Some(self.link.seq) && self.prev == link.hash
    }

    /// Returns true if the hash in the trailer is correct for `line`, which must be the line that ends with this
    /// trailer. In a redacted line, this is the hash `redacted`.
    pub(crate) fn seals(&self, line: &[u8]) -> bool {
        let hash = self.redacted.as_ref();
        let key = if hash.is_some() { REDACTED } else { HASH };
        let hashed = line.len() - key.len() - 64 - END.len();
        digest::hex(&line[..hashed]) == *hash.unwrap_or(&self.link.hash)
    }
}

/// Returns true if the line with this trailer is redacted, and had the payload `payload` when it was written.
pub(crate) fn was(payload: &[u8], trailer: &Trailer) -> bool {
    let previous = Link { seq: trailer.link.seq.saturating_sub(1), hash: trailer.prev };
    trailer.redacted.is_some() && seal(payload, &previous, &mut Vec::new()) == trailer.link
}

/// Refuses a payload that cannot become one line.
pub(crate) fn check_payload(payload: &[u8]) -> Result<()> {
    let refuse = |found: String| {
        Err(Error::new(ErrorKind::Invalid, "append a line").detail(format!("found {found}; expected one JSON object")))
    };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return refuse(format!("a payload of {} bytes, more than the limit of {PAYLOAD_BYTES_MAX}", payload.len()));
    }
    if !payload.starts_with(b"{") || !payload.ends_with(b"}") || payload.len() < 2 {
        return refuse("a payload that is not in braces".to_owned());
    }
    if payload.contains(&b'\n') {
        return refuse("a payload with a line feed".to_owned());
    }
    Ok(())
}

/// Appends `payload`, which [`check_payload`] has accepted, to `out` as the line after `previous`. Returns the position
/// of the new line in the chain.
pub(crate) fn seal(payload: &[u8], previous: &Link, out: &mut Vec<u8>) -> Link {
    let start = out.len();
    out.extend_from_slice(payload);
    seal_from(start, previous, out)
}

/// Like [`seal`], but for the payload that `out` holds from `start` on.
pub(crate) fn seal_from(start: usize, previous: &Link, out: &mut Vec<u8>) -> Link {
    out.pop_if(|last| *last == b'}');
    // If the payload is an empty object, `seq` is the first key and has no comma before it.
    out.extend_from_slice(if out.len() > start + 1 { SEQ } else { &SEQ[1..] });
    let seq = previous.seq.saturating_add(1);
    push_decimal(out, seq);
    out.extend_from_slice(PREV);
    out.extend_from_slice(&previous.hash);
    out.push(b'"');
    let hash = digest::hex(&out[start..]);
    out.extend_from_slice(HASH);
    out.extend_from_slice(&hash);
    out.extend_from_slice(END);
    out.push(b'\n');
    Link { seq, hash }
}

/// Returns `line`, which ends with `trailer` and has no line feed, with another payload. The line gets the form of a
/// redacted line, and is never shorter than before: if necessary, blanks come before the trailer. Also returns the
/// value of `redacted`, the hash of the new line.
pub(crate) fn redact(payload: &[u8], trailer: &Trailer, line: &[u8]) -> (Vec<u8>, Hex) {
    let mut out = payload.strip_suffix(b"}").unwrap_or(payload).to_vec();
    let chained = line.len() - trailer.payload_end - trailer.redacted.map_or(0, |_| REDACTED_BYTES) - END.len();
    let end = chained + REDACTED_BYTES + END.len();
    out.resize(out.len().max(line.len().saturating_sub(end)), b' ');
    out.extend_from_slice(&line[trailer.payload_end..trailer.payload_end + chained]);
    out.push(b'"');
    let hash = digest::hex(&out);
    out.extend_from_slice(REDACTED);
    out.extend_from_slice(&hash);
    out.extend_from_slice(END);
    (out, hash)
}

fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Reads a trailer at the start of `bytes` and the line feed after it. The payload of the line, without its closing
/// brace, comes just before `bytes`. Returns the line's sequence number, and the length of the trailer with the line
/// feed. Returns `None` if there is no such trailer. The trailer after an empty object begins without a comma, so this
/// function does not find it.
pub(crate) fn trailer_ahead(bytes: &[u8]) -> Option<(u64, usize)> {
    let digits = bytes.strip_prefix(SEQ)?;
    let (mut rest, mut seq) = (digits, 0u64);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        seq = seq.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    // Every number of up to 19 digits fits into a `u64`. No journal has enough lines for a longer number.
    if digits.len() - rest.len() > 19 {
        return None;
    }
    // Numbers are written without leading zeros, and start at 1.
    if matches!(bytes.get(SEQ.len()), Some(b'0')) {
        return None;
    }
    let rest = skip_hex(rest.strip_prefix(PREV)?)?.strip_prefix(b"\"")?;
    let rest = skip_hex(rest.strip_prefix(HASH)?)?.strip_prefix(b"\"")?;
    let rest = match rest.strip_prefix(REDACTED) {
        Some(redacted) => skip_hex(redacted)?.strip_prefix(b"\"")?,
        None => rest,
    };
    let rest = rest.strip_prefix(b"}\n")?;
    Some((seq, bytes.len() - rest.len()))
}

fn skip_hex(bytes: &[u8]) -> Option<&[u8]> {
    let (hex, rest) = bytes.split_first_chunk::<64>()?;
    is_hex(hex).then_some(rest)
}

/// Returns true if all bytes are hex digits. Examines all bytes even if the first byte is not a hex digit, so that the
/// compiler can use SIMD instructions.
fn is_hex(hex: &Hex) -> bool {
    hex.iter().fold(true, |all, byte| all & matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Reads the trailer at the end of `line`, which must not include the line feed. Only the last [`TRAILER_BYTES_MAX`]
/// bytes of the line are needed. Checks the syntax of the trailer, but not whether its hash is correct.
pub(crate) fn trailer(line: &[u8]) -> Option<Trailer> {
    let (rest, last) = split_hex(line.strip_suffix(END)?)?;
    let (rest, hash, redacted) = match rest.strip_suffix(HASH) {
        Some(rest) => (rest, last, None),
        None => {
            let (rest, hash) = split_hex(rest.strip_suffix(REDACTED)?.strip_suffix(b"\"")?)?;
            (rest.strip_suffix(HASH)?, hash, Some(last))
        }
    };
    let (rest, prev) = split_hex(rest.strip_suffix(b"\"")?)?;
    let rest = rest.strip_suffix(PREV)?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, seq) = rest.split_at(rest.len() - digits);
    let payload_end = match rest.strip_suffix(SEQ) {
        Some(payload) => payload.len(),
        None => rest.strip_suffix(b"{\"seq\":")?.len() + 1,
    };
    let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
    Some(Trailer { link: Link { seq, hash }, prev, redacted, payload_end })
}

fn split_hex(bytes: &[u8]) -> Option<(&[u8], Hex)> {
    let (rest, hex) = bytes.split_last_chunk::<64>()?;
    is_hex(hex).then_some((rest, *hex))
}

/// Returns the trailer of `line`, which is a complete line without its line feed. Returns `None` if the line has no
/// trailer, or if the hash in the trailer is wrong.
pub(crate) fn check(line: &[u8]) -> Option<Trailer> {
    trailer(line).filter(|trailer| trailer.seals(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(payload: &[u8], previous: &Link) -> (Vec<u8>, Link) {
        let mut out = Vec::new();
        let link = seal(payload, previous, &mut out);
        (out, link)
    }

    #[test]
    fn a_line_has_exactly_these_bytes() {
        let (line, link) = sealed(br#"{"a":1}"#, &Link::START);
        let zeros = "0".repeat(64);
        // This command computes the hash: printf '%s' '{"a":1,"seq":1,"prev":"00…"' | sha256sum
        let body = format!(r#"{{"a":1,"seq":1,"prev":"{zeros}""#);
        let hash = crate::hash_bytes(&body);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{body},\"hash\":\"{hash}\"}}\n"));
        assert_eq!((link.seq, link.hash_str()), (1, hash.as_str()));
    }

    #[test]
    fn an_invalid_payload_is_refused() {
        for bad in ["", "{", "[]", "{}\n", "{\"a\":\n1}", "null"] {
            assert_eq!(check_payload(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
        let long = [b"{".as_slice(), &vec![b' '; PAYLOAD_BYTES_MAX], b"}"].concat();
        assert!(check_payload(&long).unwrap_err().to_string().contains("more than the limit"));
        check_payload(b"{}").unwrap();
    }

    #[test]
    fn a_redacted_line_has_exactly_these_bytes() {
        let (mut line, link) = sealed(br#"{"a":"a text that is long enough to leave room for blanks, since more than one hundred bytes are taken out of it"}"#, &Link::START);
        line.pop();
        let trailer = check(&line).unwrap();
        let zeros = "0".repeat(64);
        for (payload, blanks) in [
            (r#"{"a":"b"}"#, 27),
            (r#"{"a":"no longer so long, but it needs more room than there is left after it was taken out"}"#, 0),
        ] {
            let (redacted, hash) = redact(payload.as_bytes(), &trailer, &line);
            let start = payload.strip_suffix('}').unwrap();
            let blanks = " ".repeat(blanks);
            let body = format!(r#"{start}{blanks},"seq":1,"prev":"{zeros}","hash":"{}""#, link.hash_str());
            assert_eq!(crate::hash_bytes(&body).as_bytes(), hash);
            let text = String::from_utf8(redacted.clone()).unwrap();
            assert_eq!(text, format!("{body},\"redacted\":\"{}\"}}", crate::hash_bytes(&body)));
            assert!(redacted.len() >= line.len());
            serde_json::from_slice::<serde_json::Value>(&redacted).unwrap();

            // The redacted line has the same place in the chain, and can be redacted again.
            let read = check(&redacted).unwrap();
            assert_eq!((read.link, read.prev, read.redacted), (trailer.link, trailer.prev, Some(hash)));
            let (again, hash) = redact(b"{\"a\":\"\"}", &read, &redacted);
            assert_eq!(again.len(), redacted.len());
            let read = check(&again).unwrap();
            assert_eq!((read.link, read.redacted), (trailer.link, Some(hash)));
            for at in 0..again.len() {
                let mut changed = again.clone();
                changed[at] ^= 1;
                assert_eq!(check(&changed), None, "byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn sealed_lines_read_back(payload in "\\{(\"[a-z]\":(0|[1-9][0-9]{0,8}))?\\}", seq in 0..u64::MAX) {
            let previous = Link { seq, hash: digest::hex(b"x") };
            let (line, link) = sealed(payload.as_bytes(), &previous);
            let line = line.strip_suffix(b"\n").unwrap();
            prop_assert!(line.len() - payload.len() < TRAILER_BYTES_MAX);
            let trailer = check(line).unwrap();
            prop_assert_eq!(trailer.link, link);
            prop_assert!(trailer.follows(&previous));
            let ahead = [&line[trailer.payload_end..], b"\nmore"].concat();
            let known = (payload != "{}" && link.seq < 10u64.pow(19)).then_some((link.seq, ahead.len() - 4));
            prop_assert_eq!(trailer_ahead(&ahead), known);
            let zero = [SEQ, b"0", ahead.get(SEQ.len()..).unwrap_or_default()].concat();
            prop_assert_eq!(trailer_ahead(&zero), None, "not a JSON number");
            let body = [&line[..trailer.payload_end], b"}"].concat();
            prop_assert_eq!(body, payload.as_bytes());
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }

        #[test]
        fn one_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let (mut line, _) = sealed(br#"{"skill_name":"git-push"}"#, &Link::START);
            line.pop();
            let at = at.index(line.len());
            let payload_end = trailer(&line).unwrap().payload_end;
            line[at] ^= 1u8 << bit;
            prop_assert_eq!(check(&line), None);
            // If `trailer_ahead` finds a trailer after the payload, `trailer` must find the same trailer at the end of
            // the line.
            line.push(b'\n');
            if let Some((seq, len)) = trailer_ahead(&line[payload_end..]) {
                let hashes = [&line[line.len() - 67..][..64], &line[line.len() - 67 - HASH.len() - 65..][..64]].concat();
                prop_assert!(hashes.iter().all(|byte| b"0123456789abcdef".contains(byte)), "{:?}", hashes);
                let read = trailer(&line[..line.len() - 1]).unwrap();
                prop_assert_eq!((read.link.seq, read.payload_end, len), (seq, payload_end, line.len() - payload_end));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(check(&bytes), None);
        }
    }
}
