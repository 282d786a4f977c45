//! The fast way through a line: for those that look as our own writer writes them.
//!
//! A line is walked from its first byte to its last, once, against what is expected: the 29 keys in their order, then
//! groups in any. Whatever is not exactly so (a key in another place or twice, an escape in a text that is asked for, a
//! number that is no plain one, white space) ends the walk with `None`, and `serde_json` reads the line from its
//! beginning. So the walk needs no rules of its own for what is strange, and need not tell what is wrong: it only must
//! never accept what `serde_json` would refuse, or take for something else.

use std::borrow::Cow;

use uuid::Uuid;

use super::Fields;
use crate::metrics::{Timestamp, Usd};

/// How many arrays and objects are walked inside each other.
const DEPTH_MAX: u32 = 32;

/// What is left of a line. Each method takes something from its beginning, or ends the walk.
#[derive(Debug)]
pub(super) struct Walk<'l> {
    /// From the line's beginning on.
    whole: &'l [u8],
    rest: &'l [u8],
}

impl<'l> Walk<'l> {
    /// The fields of the record that `bytes` begin with, and where its members end: at a closing brace, or at a `seq`, which
    /// no record has and a ledger adds. What stands there is for the caller to see.
    pub(super) fn fields(bytes: &'l [u8]) -> Option<(Fields<'l>, usize)> {
        let mut walk = Self { whole: bytes, rest: bytes };
        walk.expect(b"{\"execution_id\":\"")?;
        let execution_id = walk.uuid()?;
        walk.expect(b"\",\"skill_name\":\"")?;
        let (skill_name, skill_version) = walk.two_texts(b",\"skill_version\":\"")?;
        walk.pass(b",\"orchestrator_version\":")?;
        walk.expect(b",\"timestamp_start\":\"")?;
        let start_text = walk.time()?;
        let timestamp_start = Timestamp::from_written(start_text)?;
        walk.expect(b",\"timestamp_end\":")?;
        let timestamp_end = match walk.null() {
            true => None,
            false => {
                walk.expect(b"\"")?;
                Some(Timestamp::from_written_beside(walk.time()?, (start_text, timestamp_start))?)
            }
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
        let (execution_succeeded, execution_failed) = match succeeded {
            Some(()) => (Some(true), Some(false)),
            None => {
                walk.expect(b",\"execution_succeeded\":")?;
                let succeeded = walk.flag()?;
                walk.expect(b",\"execution_failed\":")?;
                let failed = walk.flag()?;
                walk.pass(b",\"error_category\":")?;
                walk.pass(b",\"error_code\":")?;
                walk.pass(b",\"error_reason\":")?;
                (succeeded, failed)
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
        // Of most records.
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
            total_latency_ms,
            tokens_used,
            cost_usd,
            model_name: model.flatten(),
        };
        Some((fields, end))
    }

    /// Of a length that is known to the compiler.
    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        let (begin, rest) = self.rest.split_first_chunk::<N>()?;
        if !same(begin, bytes) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// A key, and any value.
    #[inline(always)]
    fn pass<const N: usize>(&mut self, key: &[u8; N]) -> Option<()> {
        self.expect(key)?;
        if self.null() { Some(()) } else { self.value(0) }
    }

    /// A key, and any value: quickly where it is a whole number, or one below 1, of a few digits.
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

    /// As it is written: in lower case, with hyphens.
    #[inline(always)]
    fn uuid(&mut self) -> Option<Uuid> {
        let (text, rest) = self.rest.split_first_chunk::<36>()?;
        let mut digits = [0; 32];
        let mut hyphens = true;
        // Where each part begins in the text, and its digits among all.
        for (at, place) in [(0, 0..8), (9, 8..12), (14, 12..16), (19, 16..20), (24, 20..32)] {
            hyphens &= at == 0 || text[at - 1] == b'-';
            let len = place.len();
            digits[place].copy_from_slice(&text[at..at + len]);
        }
        // Every digit is looked at, so that the compiler can look at many at once.
        let hex = digits.iter().fold(true, |all, digit| all & matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        // Not by the array's `map`, which the compiler calls, and which then takes one digit at a time.
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

    /// What stands after a quote, up to the next and beyond it: as it is, so without escapes; of ASCII alone.
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

    /// Two texts and what stands between them, made sure of together.
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

    /// How far the line has been walked.
    #[inline(always)]
    fn place(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// What is known to be ASCII, as a text.
    ///
    /// The standard library looks at many bytes at once only where they are aligned, and at the rest one by one: how often,
    /// differs from line to line, and the processor would guess it wrong. So it is given what stands around the text, too,
    /// which is ASCII as a rule: whole pieces of 64 bytes, mostly one.
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

    /// After its quote, up to its value.
    #[inline(always)]
    fn key(&mut self) -> Option<&'l [u8]> {
        let key = self.plain()?;
        self.expect(b":")?;
        Some(key)
    }

    /// As long as `2026-02-14T14:23:00.000Z`, and the quote after it.
    #[inline(always)]
    fn time(&mut self) -> Option<&'l [u8; 24]> {
        let (text, rest) = self.rest.split_first_chunk()?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// A whole number of at most 19 digits, which 64 bits hold.
    #[inline(always)]
    fn count(&mut self) -> Option<Option<u64>> {
        match self.null() {
            true => Some(None),
            false => self.whole(19).map(Some),
        }
    }

    /// A number of dollars below ten million with at most 12 decimals and no exponent: its pico-dollars fit 64 bits.
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

    /// Without a leading zero. What must not follow, such as a fraction, is not what is expected next.
    #[inline(always)]
    fn whole(&mut self, digits_max: u32) -> Option<u64> {
        let zero = self.rest.first() == Some(&b'0');
        let (number, digits) = self.digits(digits_max)?;
        (!zero || digits == 1).then_some(number)
    }

    /// One digit at least: the number that they make, and how many they are.
    #[inline(always)]
    fn digits(&mut self, digits_max: u32) -> Option<(u64, u32)> {
        let (mut number, mut digits) = (0, 0);
        loop {
            let (value, count) = leading_digits(*self.rest.first_chunk()?);
            digits += count;
            if digits > digits_max {
                return None;
            }
            // Most numbers end within the first eight.
            number = if number == 0 { value } else { number * power_of_ten(count) + value };
            self.rest = &self.rest[count as usize..];
            if count < 8 {
                return (digits > 0).then_some((number, digits));
            }
        }
    }

    /// Any value of JSON.
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

    /// The name in a `model`, which is no `null`.
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
        match self.expect(b"\"") {
            Some(()) => self.text().map(Some),
            None => self.null().then_some(None),
        }
    }

    /// A string that is not asked for. `serde_json` too looks no closer at one than this: four hex digits after `\u` will do.
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

    /// From its first byte on that is an escape, or no ASCII.
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

    /// A number that is not asked for.
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

/// In pieces that fit a register, the last of which may overlap the one before: to compare more at once, the compiler would
/// call a function.
#[inline(always)]
fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let (Some(last_a), Some(last_b)) = (a.last_chunk(), b.last_chunk()) else { return a == b };
    let differ = |a: &[u8; 16], b: &[u8; 16]| u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
    let pieces = a.as_chunks().0.iter().zip(b.as_chunks().0);
    pieces.fold(differ(last_a, last_b), |all, (a, b)| all | differ(a, b)) == 0
}

/// The number that the digits make which come first, and how many they are.
#[inline(always)]
fn leading_digits(eight: [u8; 8]) -> (u64, u32) {
    // A digit becomes its value, and what is more than 9 gets its highest bit set by adding 127 less 9.
    let values = u64::from_le_bytes(eight) ^ u64::from_ne_bytes([b'0'; 8]);
    let others = (values.wrapping_add(u64::from_ne_bytes([127 - 9; 8])) | values) & HIGHS;
    let count = others.trailing_zeros() / 8;
    if count == 0 {
        return (0, 0);
    }
    // As if zeros stood before them: the first digit is the lowest byte. Then pairs, fours and eights are put together.
    let aligned = values << (64 - count * 8);
    let pairs = (aligned.wrapping_mul(10) + (aligned >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff, count)
}

/// Looked up, since how many digits a number has differs from line to line, and a branch for each would be guessed wrong.
#[inline(always)]
fn power_of_ten(exponent: u32) -> u64 {
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

const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Where in `text`, from `start` on, the first byte is that a string cannot hold as it is (a quote, a backslash, a control
/// character), or that is no ASCII. Eight bytes are looked at together, each in its place in a number.
#[inline(always)]
fn special(text: &[u8], start: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    let mut at = start;
    let mut rest = text.get(start..)?;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        // Subtracting n from a byte below n borrows, and so sets its highest bit; and one that is no ASCII has it. A borrow
        // also makes the next byte too small, but that one stands above: the lowest that is found is one.
        let below = |bytes: u64, n: u64| bytes.wrapping_sub(ONES * n);
        let equal = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
        // With that digit turned over, the control characters stay below 0x20, and the quote becomes 0x20: no other does.
        let control_or_quote = below(eight ^ (ONES * 0x02), 0x21);
        let found = (control_or_quote | equal(b'\\') | eight) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        (at, rest) = (at + 8, after);
    }
    let is_special = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\' | 0x80..);
    rest.iter().position(is_special).map(|place| at + place)
}
