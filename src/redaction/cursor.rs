//! Reads a text at any position.

use std::ops::Range;

use super::alphabet::{ALNUM, Alphabet};

/// The bytes of `…`, which ends a text that was shortened.
pub(super) const ELLIPSIS: &[u8] = "…".as_bytes();

/// A text that is searched.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t [u8],
    /// The position after the last secret.
    pub(super) done: usize,
    /// For each alphabet, the last run of its characters that was read. So a long run is not read again and again.
    runs: Vec<(Alphabet, Range<usize>)>,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, done: 0, runs: Vec::new() }
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

    /// Returns true if the text has exactly `literal` at `at`.
    #[inline]
    pub(super) fn has(&self, at: usize, literal: &[u8]) -> bool {
        self.text.get(at..).is_some_and(|rest| rest.starts_with(literal))
    }

    /// Like [`has`](Self::has), but upper-case and lower-case letters count as equal.
    pub(super) fn has_word(&self, at: usize, word: &str) -> bool {
        self.text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Returns the end of the run of characters of `alphabet` that begins at `at`.
    pub(super) fn run_end(&mut self, alphabet: Alphabet, at: usize) -> usize {
        if let Some((_, run)) = self.runs.iter().find(|(of, run)| *of == alphabet && run.contains(&at)) {
            return run.end;
        }
        let len = self.text.get(at..).unwrap_or_default().iter().take_while(|byte| alphabet.has(**byte)).count();
        // An empty run must not replace a long one.
        if len == 0 {
            return at;
        }
        let run = at..at + len;
        match self.runs.iter_mut().find(|(of, _)| *of == alphabet) {
            Some((_, last)) => *last = run,
            None => self.runs.push((alphabet, run)),
        }
        at + len
    }

    /// Returns the end of a token without the punctuation after the token, which belongs to the sentence. Examines at
    /// most eight characters, so the time does not depend on the length of the text.
    pub(super) fn without_punctuation(&self, start: usize, end: usize, punctuation: &[u8]) -> usize {
        const CHARACTERS_MAX: usize = 8;
        let last = self.text.get(start.max(end.saturating_sub(CHARACTERS_MAX))..end).unwrap_or_default();
        end - last.iter().rev().take_while(|byte| punctuation.contains(byte)).count()
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

    /// Returns true if a token can begin at `at`. A token cannot begin just after a letter or a digit, unless this
    /// letter or digit ends an escape.
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

    /// Returns true if the text was shortened at `at`: only `…` follows.
    pub(super) fn is_cut(&self, at: usize) -> bool {
        self.text.get(at..).is_some_and(|rest| rest == ELLIPSIS)
    }
}
