//! Finds the secrets in a text.
//!
//! Each rule has triggers, which are groups of three bytes. A rule can find a secret only where the text has one of the
//! rule's triggers. One pass over the text looks up each group of three bytes in a bitmap. The rules are tried only
//! where the bitmap has the group.

use std::borrow::Cow;
use std::ops::Range;

use super::cursor::{Cursor, ELLIPSIS};
use super::entropy::looks_random;
use super::marker::end_of_marker;
use super::placeholder::{JUDGED_BYTES_MAX, is_mixed, is_placeholder};
use super::rules::{Need, PREFIXED, Prefixed};
use super::shapes::{SHAPES, Shape};

/// The number of bits of the hash of a group.
const HASH_BITS: u32 = 16;
/// The number of `u64` in the bitmap, which has a bit for each possible hash.
const WORDS: usize = 1 << (HASH_BITS - 6);

/// The rules, prepared for a search.
#[derive(Debug)]
pub(super) struct Rules {
    bitmap: Box<[u64; WORDS]>,
    /// For each `u64` of the bitmap, the index of the first trigger whose bit is in this `u64` or in a later one.
    first: Vec<u16>,
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

/// Returns the hash of the first three of four bytes. The hash does not depend on the case of letters.
#[inline(always)]
fn hash(four: [u8; 4]) -> u16 {
    let three = (u32::from_le_bytes(four) | 0x0020_2020) & 0x00ff_ffff;
    (three.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as u16
}

fn group([a, b, c]: [u8; 3]) -> u16 {
    hash([a, b, c, 0])
}

impl Rules {
    /// Prepares the rules of the user, `own`, and the built-in rules. If several rules fit at one position, a rule of
    /// the user applies.
    pub(super) fn new(own: Vec<Prefixed>) -> Self {
        let prefixed: Vec<_> = own.into_iter().chain(PREFIXED.iter().cloned()).collect();
        let mut triggers = Vec::new();
        for (index, rule) in prefixed.iter().enumerate() {
            match *rule.prefix.as_bytes() {
                [a, b, c, ..] => triggers.push((group([a, b, c]), Trigger::Prefix(index))),
                // The first character after the prefix completes the group.
                [a, b] => {
                    let next = (0..128).filter(|byte| rule.alphabet.has(*byte));
                    triggers.extend(next.map(|c| (group([a, b, c]), Trigger::Prefix(index))));
                }
                _ => {}
            }
        }
        for (literals, shape) in SHAPES {
            for literal in *literals {
                triggers.push((group(**literal), Trigger::Shape(*shape)));
            }
        }
        triggers.sort_by_key(|(hash, _)| *hash);
        triggers.dedup_by_key(|(hash, trigger)| match trigger {
            Trigger::Prefix(index) => (*hash, *index),
            Trigger::Shape(shape) => (*hash, usize::MAX - *shape as usize),
        });
        let mut bitmap = Box::new([0; WORDS]);
        let marker = group(*b"[re");
        for hash in triggers.iter().map(|(hash, _)| *hash).chain([marker]) {
            bitmap[usize::from(hash >> 6) % WORDS] |= 1 << (hash & 63);
        }
        let first = (0..WORDS).map(|word| triggers.partition_point(|(hash, _)| usize::from(*hash >> 6) < word) as u16);
        Self { bitmap, first: first.collect(), triggers, prefixed }
    }

    /// Returns the position of the next group of three bytes that the bitmap has, and the hash of the group.
    #[inline]
    fn next_group(&self, text: &[u8], from: usize) -> Option<(usize, u16)> {
        let rest = text.get(from..)?;
        // Four bytes are read at once, so that the processor need not wait for the hash of the previous position.
        for (at, four) in rest.windows(4).enumerate() {
            let hash = hash([four[0], four[1], four[2], four[3]]);
            if self.has(hash) {
                return Some((from + at, hash));
            }
        }
        let last = rest.len().checked_sub(3)?;
        let hash = group(rest.get(last..)?.try_into().ok()?);
        self.has(hash).then_some((from + last, hash))
    }

    #[inline(always)]
    fn has(&self, hash: u16) -> bool {
        self.bitmap[usize::from(hash >> 6) % WORDS] >> (hash & 63) & 1 == 1
    }

    fn triggers_of(&self, group: u16) -> impl Iterator<Item = Trigger> {
        let first = self.first.get(usize::from(group >> 6)).copied().unwrap_or(0);
        let rest = self.triggers.get(usize::from(first)..).unwrap_or_default().iter();
        let of_group = rest.skip_while(move |(hash, _)| *hash < group).take_while(move |(hash, _)| *hash == group);
        of_group.map(|(_, trigger)| *trigger)
    }

    /// Returns false only if no text in the JSON has a secret. `json` must escape only quotes, backslashes and control
    /// characters.
    pub(super) fn may_match(&self, json: &[u8]) -> bool {
        let mut cursor = Cursor::new(json);
        let mut from = 0;
        while let Some((at, group)) = self.next_group(json, from) {
            let is_hint = self.triggers_of(group).any(|trigger| match trigger {
                Trigger::Prefix(index) => {
                    self.prefixed.get(index).is_some_and(|rule| body(&mut cursor, rule, at).is_some())
                }
                Trigger::Shape(shape) => shape.hint(&mut cursor, at),
            });
            if is_hint {
                return true;
            }
            from = at + 1;
        }
        false
    }

    /// Returns the secret that begins at `at`, if the rule with a prefix at `index` finds one there.
    fn token(&self, cursor: &mut Cursor<'_>, index: usize, at: usize) -> Option<Match<'_>> {
        let rule = self.prefixed.get(index)?;
        if !cursor.begins(at) {
            return None;
        }
        let end = body(cursor, rule, at)?;
        Some(Match { rule: Cow::Borrowed(&rule.name), range: at..end })
    }

    /// Returns the secret of a shape. If its value is a token that another rule knows, the marker names that rule.
    fn of_shape(&self, cursor: &mut Cursor<'_>, shape: Shape, at: usize) -> Option<Match<'_>> {
        let (rule, range) = shape.find(cursor, at)?;
        let token = if shape.is_value() { self.token_in(cursor, range.clone()) } else { None };
        Some(token.unwrap_or(Match { rule: Cow::Borrowed(rule), range }))
    }

    /// Returns the token that begins where `value` begins, and ends where `value` ends or later.
    fn token_in(&self, cursor: &mut Cursor<'_>, value: Range<usize>) -> Option<Match<'_>> {
        let mut from = value.start;
        while let Some((at, group)) = self.next_group(cursor.text, from).filter(|(at, _)| *at < value.end) {
            for trigger in self.triggers_of(group) {
                let found = match trigger {
                    Trigger::Prefix(index) if at == value.start => self.token(cursor, index, at),
                    Trigger::Shape(shape) if shape.is_token() => self.of_shape(cursor, shape, at),
                    _ => None,
                };
                if found.as_ref().is_some_and(|found| found.range.start == value.start && found.range.end >= value.end)
                {
                    return found;
                }
            }
            // The trigger of a token is near its start.
            if at - value.start > 40 {
                return None;
            }
            from = at + 1;
        }
        None
    }
}

/// Returns the end of the token with a prefix that begins at `at`. Does not check the byte before the token.
fn body(cursor: &mut Cursor<'_>, rule: &Prefixed, at: usize) -> Option<usize> {
    if !cursor.has(at, rule.prefix.as_bytes()) {
        return None;
    }
    let start = at + rule.prefix.len();
    let run_end = cursor.run_end(rule.alphabet, start);
    let end = cursor.without_punctuation(start, run_end, b".%@");
    let body = cursor.text.get(start..end)?;
    let (min, max) = rule.len;
    if body.len() > max {
        return None;
    }
    if body.len() < min {
        // The token is shorter than the rule says if the text, or the string in the JSON, was shortened here. The user
        // knows that the prefix is not a word.
        let is_likely = || rule.prefix.len() > 3 && body.len() > 3 && is_mixed(body);
        let escape = run_end + usize::from(cursor.byte(run_end) == b'\\');
        let quote = escape + usize::from(matches!(cursor.byte(escape), b'"' | b'`' | b'\''));
        let is_cut = cursor.has(quote, ELLIPSIS) && !body.is_empty();
        return (is_cut && (rule.is_own || is_likely())).then_some(run_end);
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

/// A search in one text.
pub(super) struct Scanner<'r, 't> {
    rules: &'r Rules,
    cursor: Cursor<'t>,
    /// The position from which on the next group of three bytes is searched for.
    from: usize,
}

impl<'r, 't> Scanner<'r, 't> {
    pub(super) fn new(rules: &'r Rules, text: &'t [u8]) -> Self {
        Self { rules, cursor: Cursor::new(text), from: 0 }
    }
}

impl<'r> Iterator for Scanner<'r, '_> {
    type Item = Match<'r>;

    fn next(&mut self) -> Option<Match<'r>> {
        let (rules, cursor) = (self.rules, &mut self.cursor);
        while let Some((at, group)) = rules.next_group(cursor.text, self.from) {
            self.from = at + 1;
            if let Some(end) = end_of_marker(cursor.text, at) {
                self.from = end;
                continue;
            }
            for trigger in rules.triggers_of(group) {
                let found = match trigger {
                    Trigger::Prefix(index) => rules.token(cursor, index, at),
                    Trigger::Shape(shape) => rules.of_shape(cursor, shape, at),
                };
                if let Some(found) = found.filter(|found| found.range.start >= cursor.done && !found.range.is_empty()) {
                    cursor.done = found.range.end;
                    self.from = found.range.end;
                    return Some(found);
                }
            }
        }
        None
    }
}
