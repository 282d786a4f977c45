//! Patterns of names.

use super::affix;

/// A pattern in lower case. `*` matches any text, `#` one digit, and `?` one character. All other characters match
/// themselves. `~` at the start matches optional [beginnings](affix::is_beginning) that do not change the model. `~` at
/// the end matches optional [endings](affix::is_ending) that do not change the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    /// The number of bytes before the first `*`, `#` or `?`. These bytes are compared first, because most names
    /// already differ there.
    plain: usize,
    /// True if a `~` is in front of the text.
    any_beginning: bool,
    /// True if a `~` is after the text.
    any_ending: bool,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let (any_beginning, text) = text.strip_prefix('~').map_or((false, text.as_str()), |rest| (true, rest));
        let (any_ending, text) = text.strip_suffix('~').map_or((false, text), |rest| (true, rest));
        let plain = text.find(['*', '#', '?']).unwrap_or(text.len());
        Self { text: text.to_owned(), plain, any_beginning, any_ending }
    }

    /// Returns true if the pattern has no wildcards and its text is `name`.
    fn is(&self, name: &str) -> bool {
        self.plain == self.text.len() && !self.any_beginning && !self.any_ending && self.text == name
    }

    /// Returns true if the pattern matches `name`, which is in lower case.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.matches_from(name) {
            return true;
        }
        self.any_beginning
            && affix::positions(name).any(|at| self.matches_from(&name[at..]) && affix::is_beginning(&name[..at]))
    }

    fn matches_from(&self, name: &str) -> bool {
        if !self.any_ending {
            return self.matches_whole(name);
        }
        if !name.starts_with(&self.text[..self.plain]) {
            return false;
        }
        // Without wildcards, the text of the pattern can end at only one position.
        let last = if self.plain == self.text.len() { self.plain } else { name.len() };
        (self.plain..=last)
            .any(|end| name.is_char_boundary(end) && self.matches_whole(&name[..end]) && affix::is_ending(name, end))
    }

    fn matches_whole(&self, name: &str) -> bool {
        let (plain, pattern) = self.text.as_bytes().split_at(self.plain);
        let Some(name) = name.as_bytes().strip_prefix(plain) else { return false };
        let (mut p, mut n) = (0, 0);
        // The position in the pattern after the last `*`, and the position in the name up to which this `*` matches. If
        // the remaining pattern does not match, the `*` matches one more byte.
        let mut retry = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p + 1, n));
                    p += 1;
                    continue;
                }
                Some(b'?') => {
                    p += 1;
                    n += utf8_len(name[n]);
                    continue;
                }
                Some(&wanted) if wanted == name[n] || wanted == b'#' && name[n].is_ascii_digit() => {
                    p += 1;
                    n += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after_star, taken)) = retry else { return false };
            retry = Some((after_star, taken + 1));
            p = after_star;
            n = taken + 1;
        }
        pattern[p..].iter().all(|&byte| byte == b'*')
    }
}

/// Returns the number of bytes of the character that begins with `first`.
fn utf8_len(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// Patterns of names, with exceptions.
#[derive(Debug, Clone, Default)]
pub(in crate::cost) struct Rule {
    pub(in crate::cost) like: Vec<Pattern>,
    pub(in crate::cost) unlike: Vec<Pattern>,
}

impl Rule {
    pub(in crate::cost) fn is_empty(&self) -> bool {
        self.like.is_empty()
    }

    /// Returns true if `name`, which is in lower case, matches a pattern in `like` and does not match any pattern in
    /// `unlike`.
    pub(in crate::cost) fn matches(&self, name: &str) -> bool {
        self.like.iter().any(|pattern| pattern.matches(name)) && !self.excludes(name)
    }

    /// Like [`matches`](Self::matches), but ignores the patterns in `like` that contain a `*`.
    pub(in crate::cost) fn matches_closely(&self, name: &str) -> bool {
        let mut close = self.like.iter().filter(|pattern| !pattern.text.contains('*'));
        close.any(|pattern| pattern.matches(name)) && !self.excludes(name)
    }

    /// Returns true if a pattern in `like` has no wildcards and is `name` itself.
    pub(in crate::cost) fn lists(&self, name: &str) -> bool {
        self.like.iter().any(|pattern| pattern.is(name))
    }

    fn excludes(&self, name: &str) -> bool {
        self.unlike.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Implements the definition of a match directly, to check the faster code.
    fn textbook(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => textbook(rest, name) || !name.is_empty() && textbook(pattern, &name[1..]),
            (Some(('?', rest)), Some((_, others))) => textbook(rest, others),
            (Some(('#', rest)), Some((digit, others))) if digit.is_ascii_digit() => textbook(rest, others),
            (Some((wanted, rest)), Some((found, others))) => wanted == found && textbook(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(pattern in "[ab1é*#?]{0,8}", name in "[ab1é#]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = textbook(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), expected);
        }
    }

    #[test]
    fn patterns_match_names_of_models() {
        for (pattern, name, expected) in [
            ("claude-opus-4-5*", "claude-opus-4-5-20251101", true),
            ("gpt-5.4-####-##-##", "gpt-5.4-2026-03-05", true),
            ("gpt-5.4-####-##-##", "gpt-5.4-mini", false),
            ("*-tts", "gemini-2.5-pro-preview-tts", true),
            ("o1*", "gpt-4o1", false),
            ("GPT-4", "gpt-4", true),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
        let rule = Rule { like: vec![Pattern::new("gemini-*")], unlike: vec![Pattern::new("*-tts")] };
        assert!(rule.matches("gemini-2.5-pro") && !rule.matches("gemini-2.5-pro-tts") && !rule.matches("o3"));
    }
}
