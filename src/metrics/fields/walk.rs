//! A fast parser for lines in exactly the form in which this crate writes them.
//!
//! The parser walks once over a line and compares it with the expected form. In this form, the first 29 keys of a
//! record come in their order, and all other keys follow in any order. If the line deviates from this form, the walk
//! ends with `None`, and `serde_json` then parses the line from its beginning. Examples of deviations are:
//!
//! - one of the first 29 keys that is missing or out of order, or a second key of a returned field;
//! - an escape in a text that is returned;
//! - a returned number in an unusual form, such as `1e3`;
//! - white space.
//!
//! So the walk needs no rules for unusual lines, and no error messages. But the walk must never accept a line that
//! `serde_json` would refuse or read differently.

use std::borrow::Cow;

use uuid::Uuid;

use super::Fields;
use super::bytes::{leading_digits, power_of_ten, same, special};
use super::time::time;
use crate::metrics::{Timestamp, Usd};

/// The maximum depth of nested arrays and objects in a walk.
const DEPTH_MAX: u32 = 32;

/// A line and the part of it that has not been read yet. Each method reads something at the beginning of the unread
/// part, or returns `None` to end the walk.
#[derive(Debug)]
pub(super) struct Walk<'l> {
    /// The line from its beginning.
    whole: &'l [u8],
    /// The part that has not been read yet.
    rest: &'l [u8],
}

impl<'l> Walk<'l> {
    /// Returns the fields of the record at the beginning of `bytes`, and the position at which the members of the
    /// record end.
    ///
    /// The members end at a closing brace, or at the key `seq`, which a ledger adds to each record. The caller must
    /// check the bytes from this position on.
    pub(super) fn fields(bytes: &'l [u8]) -> Option<(Fields<'l>, usize)> {
        let mut walk = Self { whole: bytes, rest: bytes };
        walk.expect(b"{\"execution_id\":\"")?;
        let execution_id = walk.uuid()?;
        walk.expect(b"\",\"skill_name\":\"")?;
        let (skill_name, skill_version) = walk.two_texts(b",\"skill_version\":\"")?;
        walk.pass(b",\"orchestrator_version\":")?;
        walk.expect(b",\"timestamp_start\":\"")?;
        let (start_text, timestamp_start) = walk.time(Timestamp::from_written)?;
        walk.expect(b",\"timestamp_end\":")?;
        let timestamp_end = if walk.null() {
            None
        } else {
            walk.expect(b"\"")?;
            Some(walk.time(|text| Timestamp::from_written_beside(text, (start_text, timestamp_start)))?.1)
        };
        let environment = match walk.expect(b",\"operator\":\"human\",\"environment\":\"prod\"") {
            Some(()) => Cow::Borrowed("prod"),
            None => {
                walk.pass(b",\"operator\":")?;
                walk.expect(b",\"environment\":\"")?;
                walk.text()?
            }
        };
        let succeeded = walk.expect(
            b",\"execution_succeeded\":true,\"execution_failed\":false,\"error_category\":null,\"error_code\":null,\"error_reason\":null",
        );
        let (execution_succeeded, execution_failed, error_category) = match succeeded {
            Some(()) => (Some(true), Some(false), None),
            None => {
                walk.expect(b",\"execution_succeeded\":")?;
                let succeeded = walk.flag()?;
                walk.expect(b",\"execution_failed\":")?;
                let failed = walk.flag()?;
                walk.expect(b",\"error_category\":")?;
                let category = walk.optional_text()?;
                walk.pass(b",\"error_code\":")?;
                walk.pass(b",\"error_reason\":")?;
                (succeeded, failed, category)
            }
        };
        walk.expect(b",\"total_latency_ms\":")?;
        let total_latency_ms = walk.count()?;
        walk.pass_number(b",\"wall_clock_time_ms\":")?;
        walk.expect(b",\"tokens_used\":")?;
        let tokens_used = walk.count()?;
        walk.pass_number(b",\"tokens_input\":")?;
        walk.pass_number(b",\"tokens_output\":")?;
        walk.expect(b",\"cost_usd\":")?;
        let cost_usd = walk.usd()?;
        walk.pass(b",\"cost_tier\":")?;
        let unmeasured = walk
            .expect(b",\"free_tier_quota_remaining\":null,\"free_tier_quota_pct_used\":null,\"output_correct\":null");
        if unmeasured.is_none() {
            walk.pass(b",\"free_tier_quota_remaining\":")?;
            walk.pass(b",\"free_tier_quota_pct_used\":")?;
            walk.pass(b",\"output_correct\":")?;
        }
        walk.pass_number(b",\"confidence_score\":")?;
        let undescribed = walk.expect(
            b",\"decision_made\":null,\"input_hash\":null,\"output_hash\":null,\"skill_path_in_dag\":null,\"tags\":",
        );
        if undescribed.is_none() {
            walk.pass(b",\"decision_made\":")?;
            walk.pass(b",\"input_hash\":")?;
            walk.pass(b",\"output_hash\":")?;
            walk.pass(b",\"skill_path_in_dag\":")?;
            walk.expect(b",\"tags\":")?;
        }
        if walk.expect(b"{}").is_none() {
            walk.value(0)?;
        }
        // Most records have this status.
        let _ = walk.expect(b",\"status\":\"success\"");
        let mut model = match walk.expect(b",\"model\":") {
            Some(()) => Some(walk.model_name()?),
            None => None,
        };
        while !walk.rest.starts_with(b"}") && !walk.rest.starts_with(b",\"seq\":") {
            walk.expect(b",\"")?;
            match walk.key()? {
                b"model" if model.is_none() => model = Some(walk.model_name()?),
                key if Fields::KEYS.contains(&key) => return None,
                _ => walk.value(0)?,
            }
        }
        let end = walk.place();
        let fields = Fields {
            execution_id,
            skill_name,
            skill_version,
            timestamp_start,
            timestamp_end,
            environment,
            execution_succeeded,
            execution_failed,
            error_category,
            total_latency_ms,
            tokens_used,
            cost_usd,
            model_name: model.flatten(),
        };
        Some((fields, end))
    }

    /// Reads exactly `bytes`, whose length is known at compile time.
    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        let (begin, rest) = self.rest.split_first_chunk::<N>()?;
        if !same(begin, bytes) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Reads this key, and skips its value.
    #[inline(always)]
    fn pass<const N: usize>(&mut self, key: &[u8; N]) -> Option<()> {
        self.expect(key)?;
        if self.null() { Some(()) } else { self.value(0) }
    }

    /// Like [`pass`](Self::pass), but faster for whole numbers of at most eight digits, and for numbers below 1 with at
    /// most eight decimals.
    #[inline(always)]
    fn pass_number<const N: usize>(&mut self, key: &[u8; N]) -> Option<()> {
        self.expect(key)?;
        if self.null() {
            return Some(());
        }
        let (fraction, digits) = match self.rest.strip_prefix(b"0.") {
            Some(decimals) => (true, decimals),
            None => (false, self.rest),
        };
        let count = digits.first_chunk().map_or(0, |eight| leading_digits(*eight).1);
        match digits.split_at_checked(count as usize) {
            Some(([first, ..], rest @ [b',', ..])) if fraction || *first != b'0' => self.rest = rest,
            _ => self.value(0)?,
        }
        Some(())
    }

    #[inline(always)]
    fn null(&mut self) -> bool {
        self.expect(b"null").is_some()
    }

    #[inline(always)]
    fn flag(&mut self) -> Option<Option<bool>> {
        if self.expect(b"true").is_some() {
            Some(Some(true))
        } else if self.expect(b"false").is_some() {
            Some(Some(false))
        } else {
            self.null().then_some(None)
        }
    }

    /// Reads a UUID in lower case with hyphens.
    #[inline(always)]
    fn uuid(&mut self) -> Option<Uuid> {
        let (text, rest) = self.rest.split_first_chunk::<36>()?;
        let mut digits = [0; 32];
        let mut hyphens = true;
        // For each part between hyphens: the position where the part begins in the text, and the positions of its
        // digits in `digits`.
        for (at, place) in [(0, 0..8), (9, 8..12), (14, 12..16), (19, 16..20), (24, 20..32)] {
            hyphens &= at == 0 || text[at - 1] == b'-';
            let len = place.len();
            digits[place].copy_from_slice(&text[at..at + len]);
        }
        // `fold` has no early exit, so the compiler can check many digits at once.
        let hex = digits.iter().fold(true, |all, digit| all & matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        // This is a loop because `map` of the array would not be inlined, and would convert one digit at a time.
        let mut values = [0; 32];
        for (value, digit) in values.iter_mut().zip(digits) {
            *value = (digit & 0x0f) + if digit > b'9' { 9 } else { 0 };
        }
        let mut bytes = [0; 16];
        for (byte, [high, low]) in bytes.iter_mut().zip(values.as_chunks().0) {
            *byte = high << 4 | low;
        }
        self.rest = rest;
        (hyphens && hex).then(|| Uuid::from_bytes(bytes))
    }

    /// Reads an ASCII text without escapes, and its closing quote. The caller has already read the opening quote.
    #[inline(always)]
    fn plain(&mut self) -> Option<&'l [u8]> {
        let (text, rest) = self.rest.split_at_checked(special(self.rest, 0)?)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    #[inline(always)]
    fn text(&mut self) -> Option<Cow<'l, str>> {
        let start = self.place();
        let len = self.plain()?.len();
        self.ascii(start, start + len).map(Cow::Borrowed)
    }

    /// Reads two texts and the bytes between them. Both texts are converted to `str` at once, which is faster.
    #[inline(always)]
    fn two_texts<const N: usize>(&mut self, between: &[u8; N]) -> Option<(Cow<'l, str>, Cow<'l, str>)> {
        let start = self.place();
        let first = self.plain()?.len();
        self.expect(between)?;
        let second = first + 1 + N;
        let end = second + self.plain()?.len();
        let text = self.ascii(start, start + end)?;
        Some((Cow::Borrowed(text.get(..first)?), Cow::Borrowed(text.get(second..)?)))
    }

    /// Returns the position of the first byte that has not been read yet.
    #[inline(always)]
    fn place(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// Returns the bytes from `start` to `end`, which must be ASCII, as text.
    ///
    /// The standard library checks aligned bytes in groups, and the bytes before the first and after the last group
    /// one by one. The number of single bytes differs from line to line, so the processor would mispredict the
    /// branches. This method therefore checks a longer range around the text. The range is aligned, and its length is
    /// a multiple of 64 bytes. The other bytes in this range are usually ASCII too.
    #[inline(always)]
    fn ascii(&self, start: usize, end: usize) -> Option<&'l str> {
        const PIECE: usize = 64;
        let before = self.whole.get(start..)?.as_ptr().addr() % 16;
        let from = start.saturating_sub(before);
        let to = from + (end - from).next_multiple_of(PIECE);
        let around = self.whole.get(from..to).and_then(|around| std::str::from_utf8(around).ok());
        match around {
            Some(around) => around.get(start - from..end - from),
            None => std::str::from_utf8(self.whole.get(start..end)?).ok(),
        }
    }

    /// Reads a key, its closing quote and the colon. The caller has already read the opening quote.
    #[inline(always)]
    fn key(&mut self) -> Option<&'l [u8]> {
        let key = self.plain()?;
        self.expect(b":")?;
        Some(key)
    }

    /// Reads a time and its closing quote. Returns the first 24 bytes of its text, and the parsed time. `read` parses a
    /// text of 24 bytes, which is the usual length.
    #[inline(always)]
    fn time(&mut self, read: impl Fn(&[u8; 24]) -> Option<Timestamp>) -> Option<(&'l [u8; 24], Timestamp)> {
        let (text, time, rest) = time(self.rest, read)?;
        self.rest = rest;
        Some((text, time))
    }

    /// Reads `null`, or a whole number of at most 19 digits that fits in 64 bits.
    #[inline(always)]
    fn count(&mut self) -> Option<Option<u64>> {
        if self.null() { Some(None) } else { self.whole(19).map(Some) }
    }

    /// Reads `null` or a number of dollars below ten million with at most 12 decimals and without an exponent. Such
    /// an amount fits in 64 bits as a number of pico-dollars (10⁻¹² USD).
    #[inline(always)]
    fn usd(&mut self) -> Option<Option<Usd>> {
        if self.null() {
            return Some(None);
        }
        let mut pico = self.whole(7)? * 10u64.pow(12);
        if self.expect(b".").is_some() {
            let (decimals, places) = self.digits(12)?;
            pico += decimals * power_of_ten(12 - places);
        }
        Some(Some(Usd::from_pico(pico.into())))
    }

    /// Reads a whole number without a leading zero. The caller must check whether a decimal point or an exponent
    /// follows.
    #[inline(always)]
    fn whole(&mut self, digits_max: u32) -> Option<u64> {
        let zero = self.rest.first() == Some(&b'0');
        let (number, digits) = self.digits(digits_max)?;
        (!zero || digits == 1).then_some(number)
    }

    /// Reads at least one digit. Returns the number, and the number of its digits.
    #[inline(always)]
    fn digits(&mut self, digits_max: u32) -> Option<(u64, u32)> {
        let (mut number, mut digits) = (0, 0);
        loop {
            let (value, count) = leading_digits(*self.rest.first_chunk()?);
            digits += count;
            if digits > digits_max {
                return None;
            }
            // Most numbers end within the first eight bytes, so they need no multiplication.
            number = if number == 0 { value } else { number * power_of_ten(count) + value };
            self.rest = &self.rest[count as usize..];
            if count < 8 {
                return (digits > 0).then_some((number, digits));
            }
        }
    }

    /// Skips a JSON value that is nested at most [`DEPTH_MAX`] levels deep.
    #[inline(always)]
    fn value(&mut self, depth: u32) -> Option<()> {
        match self.rest.first()? {
            b'"' => self.string(),
            b'n' => self.expect(b"null"),
            b't' => self.expect(b"true"),
            b'f' => self.expect(b"false"),
            b'{' => self.members(depth),
            b'[' => self.items(depth),
            _ => self.number(),
        }
    }

    #[inline(never)]
    fn members(&mut self, depth: u32) -> Option<()> {
        self.expect(b"{")?;
        if depth == DEPTH_MAX || self.expect(b"}").is_some() {
            return (depth < DEPTH_MAX).then_some(());
        }
        loop {
            self.string()?;
            self.expect(b":")?;
            self.value(depth + 1)?;
            if self.expect(b"}").is_some() {
                return Some(());
            }
            self.expect(b",")?;
        }
    }

    #[inline(never)]
    fn items(&mut self, depth: u32) -> Option<()> {
        self.expect(b"[")?;
        if depth == DEPTH_MAX || self.expect(b"]").is_some() {
            return (depth < DEPTH_MAX).then_some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.expect(b"]").is_some() {
                return Some(());
            }
            self.expect(b",")?;
        }
    }

    /// Reads the object `model` and returns its name.
    fn model_name(&mut self) -> Option<Option<Cow<'l, str>>> {
        let before = self.rest;
        if self.expect(b"{\"name\":\"").is_some()
            && let Some((name, _)) = self.two_texts(b",\"provider\":\"")
            && self.expect(b"}").is_some()
        {
            return Some(Some(name));
        }
        self.rest = before;
        self.expect(b"{")?;
        let mut name = None;
        if self.expect(b"}").is_some() {
            return Some(None);
        }
        loop {
            if self.expect(b"\"name\":").is_some() {
                let again = name.replace(self.optional_text()?).is_some();
                if again {
                    return None;
                }
            } else if self.expect(b"\"provider\":").is_some() {
                self.value(1)?;
            } else {
                self.expect(b"\"")?;
                self.key()?;
                self.value(1)?;
            }
            if self.expect(b"}").is_some() {
                return Some(name.flatten());
            }
            self.expect(b",")?;
        }
    }

    fn optional_text(&mut self) -> Option<Option<Cow<'l, str>>> {
        if self.expect(b"\"").is_some() { self.text().map(Some) } else { self.null().then_some(None) }
    }

    /// Skips a string. Like `serde_json`, accepts any four hex digits after `\u`.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        self.expect(b"\"")?;
        let end = special(self.rest, 0)?;
        match self.rest[end..] {
            [b'"', ref rest @ ..] => self.rest = rest,
            _ => self.rest_of_string(end)?,
        }
        Some(())
    }

    /// Skips the rest of a string. `end` is the position of the first special byte, as [`special`] defines it.
    #[cold]
    fn rest_of_string(&mut self, mut end: usize) -> Option<()> {
        let whole = self.rest;
        loop {
            match whole[end..] {
                [b'"', ref rest @ ..] => {
                    self.rest = rest;
                    return std::str::from_utf8(&whole[..end]).is_ok().then_some(());
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => end += 2,
                [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(u8::is_ascii_hexdigit) => end += 6,
                [0x80..=0xff, ..] => end += 1,
                _ => return None,
            }
            end = special(whole, end)?;
        }
    }

    /// Skips a number.
    fn number(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        let zero = self.rest.first() == Some(&b'0');
        let whole = self.skip_digits();
        if whole == 0 || zero && whole > 1 {
            return None;
        }
        if self.expect(b".").is_some() && self.skip_digits() == 0 {
            return None;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            let sign = usize::from(matches!(rest, [b'+' | b'-', ..]));
            self.rest = &rest[sign..];
            if self.skip_digits() == 0 {
                return None;
            }
        }
        Some(())
    }

    #[inline(always)]
    fn skip_digits(&mut self) -> usize {
        let before = self.rest.len();
        while let Some((eight, rest)) = self.rest.split_first_chunk() {
            let (_, count) = leading_digits(*eight);
            if count < 8 {
                self.rest = &self.rest[count as usize..];
                return before - self.rest.len();
            }
            self.rest = rest;
        }
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[digits..];
        before - self.rest.len()
    }
}
