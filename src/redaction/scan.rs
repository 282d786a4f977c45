//! Finds the secrets in a text.
//!
//! Each rule has triggers: the first three bytes of a literal that every secret of the rule contains. One pass over the
//! text looks up each group of three bytes in a bitmap. Only where the bitmap has the group, the rules are tried.

use std::borrow::Cow;
use std::ops::Range;

use super::alphabet::{ALNUM, Alphabet};
use super::entropy::{kinds, looks_random};
use super::rules::{Need, PREFIXED, Prefixed};
use super::shapes::{SHAPES, Shape};

/// The bytes of `…`, which ends a text that was shortened.
const ELLIPSIS: &[u8] = "…".as_bytes();
/// The number of bytes at the start of a value that are judged, so that a long text is not read again and again.
pub(super) const JUDGED_BYTES_MAX: usize = 256;
/// The number of bits of a hash of three bytes.
const HASH_BITS: u32 = 15;

/// The rules, prepared for a search.
#[derive(Debug)]
pub(super) struct Rules {
    bitmap: Vec<u64>,
    /// The triggers with their hashes, sorted by hash. Triggers with the same hash are in the order of the rules.
    triggers: Vec<(u16, Trigger)>,
    prefixed: Vec<Prefixed>,
}

#[derive(Debug, Clone, Copy)]
enum Trigger {
    /// The index of a rule in `prefixed`.
    Prefix(usize),
    Shape(Shape),
}

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match<'r> {
    pub(super) rule: Cow<'r, str>,
    pub(super) range: Range<usize>,
}

/// Returns the hash of three bytes, which does not depend on the case of letters.
#[inline(always)]
fn hash(three: [u8; 3]) -> u16 {
    let [a, b, c] = three.map(|byte| u32::from(byte | 0x20));
    ((a << 16 | b << 8 | c).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as u16
}

impl Rules {
    /// Prepares the built-in rules after `own`, so that a rule of the user applies first.
    pub(super) fn new(own: Vec<Prefixed>) -> Self {
        let prefixed: Vec<_> = own.into_iter().chain(PREFIXED.iter().cloned()).collect();
        let mut triggers = Vec::new();
        for (index, rule) in prefixed.iter().enumerate() {
            match *rule.prefix.as_bytes() {
                [a, b, c, ..] => triggers.push((hash([a, b, c]), Trigger::Prefix(index))),
                // The first character after the prefix completes the group.
                [a, b] => {
                    let next = (0..128).filter(|byte| rule.alphabet.has(*byte));
                    triggers.extend(next.map(|c| (hash([a, b, c]), Trigger::Prefix(index))));
                }
                _ => {}
            }
        }
        for (literals, shape) in SHAPES {
            for literal in *literals {
                triggers.push((hash(**literal), Trigger::Shape(*shape)));
            }
        }
        triggers.sort_by_key(|(hash, _)| *hash);
        triggers.dedup_by_key(|(hash, trigger)| match trigger {
            Trigger::Prefix(index) => (*hash, *index),
            Trigger::Shape(shape) => (*hash, usize::MAX - *shape as usize),
        });
        let mut bitmap = vec![0; 1 << (HASH_BITS - 6)];
        let marker = hash(*b"[re");
        for hash in triggers.iter().map(|(hash, _)| *hash).chain([marker]) {
            bitmap[usize::from(hash >> 6)] |= 1 << (hash & 63);
        }
        Self { bitmap, triggers, prefixed }
    }

    /// Returns the position of the next group of three bytes that a rule begins with, and the hash of the group.
    #[inline]
    fn next_group(&self, text: &[u8], from: usize) -> Option<(usize, u16)> {
        let groups = text.get(from..)?.windows(3).map(|three| hash([three[0], three[1], three[2]]));
        groups
            .enumerate()
            .find(|(_, hash)| self.bitmap.get(usize::from(hash >> 6)).is_some_and(|bits| bits >> (hash & 63) & 1 == 1))
            .map(|(at, hash)| (from + at, hash))
    }

    fn triggers_of(&self, group: u16) -> impl Iterator<Item = Trigger> {
        let first = self.triggers.partition_point(|(hash, _)| *hash < group);
        self.triggers[first..].iter().take_while(move |(hash, _)| *hash == group).map(|(_, trigger)| *trigger)
    }

    /// Returns false if no text in the JSON has a secret. `json` must escape only quotes, backslashes and control
    /// characters.
    pub(super) fn may_match(&self, json: &[u8]) -> bool {
        let mut scanner = Scanner::new(self, json);
        let mut from = 0;
        while let Some((at, group)) = self.next_group(json, from) {
            let is_hint = self.triggers_of(group).any(|trigger| match trigger {
                Trigger::Prefix(index) => self.prefixed.get(index).is_some_and(|rule| scanner.body(rule, at).is_some()),
                Trigger::Shape(shape) => shape.hint(&mut scanner, at),
            });
            if is_hint {
                return true;
            }
            from = at + 1;
        }
        false
    }
}

/// A search in one text.
pub(super) struct Scanner<'r, 't> {
    rules: &'r Rules,
    pub(super) text: &'t [u8],
    /// The position after the last secret.
    done: usize,
    /// Where the next group of three bytes is looked for.
    from: usize,
    /// For an alphabet, the last run of its characters that was read. So a long run is not read again and again.
    runs: Vec<(Alphabet, Range<usize>)>,
}

impl<'r, 't> Scanner<'r, 't> {
    pub(super) fn new(rules: &'r Rules, text: &'t [u8]) -> Self {
        Self { rules, text, done: 0, from: 0, runs: Vec::new() }
    }

    /// Returns the byte at `at`, or 0 after the end of the text.
    #[inline]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// Returns the byte before `at`, or `None` at the start of the text and after a secret.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        if at <= self.done { None } else { self.text.get(at - 1).copied() }
    }

    /// Returns true if the text has `literal` at `at`, in this case.
    #[inline]
    pub(super) fn has(&self, at: usize, literal: &[u8]) -> bool {
        self.text.get(at..).is_some_and(|rest| rest.starts_with(literal))
    }

    /// Like [`has`](Self::has), but in any case.
    pub(super) fn has_word(&self, at: usize, word: &str) -> bool {
        self.text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Returns the end of the run of characters of `alphabet` that begins at `at`.
    pub(super) fn run_end(&mut self, alphabet: Alphabet, at: usize) -> usize {
        if let Some((_, run)) = self.runs.iter().find(|(of, run)| *of == alphabet && run.contains(&at)) {
            return run.end;
        }
        let len = self.text.get(at..).unwrap_or_default().iter().take_while(|byte| alphabet.has(**byte)).count();
        let run = at..at + len;
        match self.runs.iter_mut().find(|(of, _)| *of == alphabet) {
            Some((_, last)) => *last = run,
            None => self.runs.push((alphabet, run)),
        }
        at + len
    }

    /// Returns the start of a token that has `len` characters of `alphabet` before `at`.
    pub(super) fn token_start(&self, alphabet: Alphabet, at: usize, len: usize) -> Option<usize> {
        let start = at.checked_sub(len)?;
        let is_token = self.text.get(start..at)?.iter().all(|byte| alphabet.has(*byte)) && self.begins(start);
        (is_token && start >= self.done).then_some(start)
    }

    /// Returns the start of the run of at most `max` characters of `alphabet` that ends at `at`.
    pub(super) fn run_start(&self, alphabet: Alphabet, at: usize, max: usize) -> usize {
        let before = self.text.get(self.done.max(at.saturating_sub(max))..at).unwrap_or_default();
        at - before.iter().rev().take_while(|byte| alphabet.has(**byte)).count()
    }

    /// Returns true if a token can begin at `at`: the byte before is not a letter or a digit, except as the end of an
    /// escape.
    pub(super) fn begins(&self, at: usize) -> bool {
        let Some(last) = self.before(at) else { return true };
        if !ALNUM.has(last) {
            return true;
        }
        let before = self.text.get(self.done.max(at.saturating_sub(20))..at).unwrap_or_default();
        match before {
            // `\n` in a text that was escaped, such as JSON in JSON
            [.., b'\\', b'n' | b'r' | b't' | b'f' | b'b'] => true,
            // `%3D` in a URL
            [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
            // `\u003d`
            [.., b'\\', b'u', a, b, c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => true,
            // the end of a colour on a terminal, such as `ESC[31m` or `\u001b[31m`
            [.., b'm'] => {
                let color = before.iter().rev().skip(1).find(|byte| !matches!(byte, b'0'..=b'9' | b';'));
                color == Some(&b'[') && (before.contains(&0x1b) || before.windows(3).any(|part| part == b"1b["))
            }
            _ => false,
        }
    }

    /// Returns true if the text ends at `at`, because it was shortened.
    pub(super) fn is_cut(&self, at: usize) -> bool {
        self.text.get(at..).is_some_and(|rest| rest == ELLIPSIS)
    }

    /// Returns the end of a token with a prefix, without the check of the byte before.
    fn body(&mut self, rule: &Prefixed, at: usize) -> Option<usize> {
        if !self.has(at, rule.prefix.as_bytes()) {
            return None;
        }
        let start = at + rule.prefix.len();
        let mut end = self.run_end(rule.alphabet, start);
        // A full stop at the end belongs to the sentence.
        while end > start && matches!(self.byte(end - 1), b'.' | b'%' | b'@') {
            end -= 1;
        }
        let body = self.text.get(start..end)?;
        let (min, max) = rule.len;
        if body.len() > max {
            return None;
        }
        if body.len() < min {
            // The end of a shortened text, or in JSON the end of a shortened string.
            let is_cut = self.has(end, ELLIPSIS) && rule.prefix.len() > 3 && body.len() > 3;
            return (is_cut && is_mixed(body)).then_some(end);
        }
        // The first characters of a long text show whether it is random.
        let body = body.get(..JUDGED_BYTES_MAX).unwrap_or(body);
        let fits = match rule.need {
            Need::Any => true,
            Need::Mixed => is_mixed(body),
            Need::Random => looks_random(body),
        };
        (fits && !is_placeholder(body)).then_some(end)
    }

    /// Returns the token that begins at the start of `value`, and has at least the whole value.
    pub(super) fn token_in(&mut self, value: Range<usize>) -> Option<Match<'r>> {
        let rules = self.rules;
        let mut from = value.start;
        while let Some((at, group)) = rules.next_group(self.text, from).filter(|(at, _)| *at < value.end) {
            for trigger in rules.triggers_of(group) {
                let found = match trigger {
                    Trigger::Prefix(index) if at == value.start => {
                        rules.prefixed.get(index).and_then(|rule| self.prefixed(rule, at))
                    }
                    Trigger::Shape(shape) if shape.is_token() => shape.find(self, at),
                    _ => None,
                };
                if found.as_ref().is_some_and(|found| found.range.start == value.start && found.range.end >= value.end)
                {
                    return found;
                }
            }
            // The literal of a token is in its first characters.
            if at - value.start > 40 {
                return None;
            }
            from = at + 1;
        }
        None
    }

    fn prefixed(&mut self, rule: &'r Prefixed, at: usize) -> Option<Match<'r>> {
        if !self.begins(at) {
            return None;
        }
        let end = self.body(rule, at)?;
        Some(Match { rule: Cow::Borrowed(&rule.name), range: at..end })
    }
}

impl<'r> Iterator for Scanner<'r, '_> {
    type Item = Match<'r>;

    fn next(&mut self) -> Option<Match<'r>> {
        let rules = self.rules;
        while let Some((at, group)) = rules.next_group(self.text, self.from) {
            self.from = at + 1;
            let marker = super::marker::end_of_marker(self.text, at);
            if let Some(end) = marker {
                self.from = end;
                continue;
            }
            for trigger in rules.triggers_of(group) {
                let found = match trigger {
                    Trigger::Prefix(index) => rules.prefixed.get(index).and_then(|rule| self.prefixed(rule, at)),
                    Trigger::Shape(shape) => shape.find(self, at),
                };
                if let Some(found) = found.filter(|found| found.range.start >= self.done && !found.range.is_empty()) {
                    self.done = found.range.end;
                    self.from = found.range.end;
                    return Some(found);
                }
            }
        }
        None
    }
}

/// Returns true if the text has a digit, or letters in both cases.
fn is_mixed(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
        || text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase)
}

/// Returns true if the text is a placeholder for a secret, such as `xxxxxxxx` or `your-key-here`.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [b"your-", b"your_", b"-here", b"_here", b"placeholder", b"xxxxxx", b"****", b"......"];
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    kinds(text) == 0
        || text.iter().all(|byte| matches!(byte, b'x' | b'X' | b'*' | b'.' | b'-' | b'_'))
        || WORDS.into_iter().any(has)
}
