//! Converts regular expressions that match names of models to the patterns of this crate's tables.
//!
//! Only the syntax that price tables use is supported:
//!
//! * literal text, digits and character classes;
//! * groups of alternatives, repetition and optional parts;
//! * anchors, and a negative look-ahead at the beginning.

/// The patterns that a regular expression becomes. The expression matches a name if a pattern in `like` matches the
/// name and no pattern in `unlike` does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) like: Vec<String>,
    pub(super) unlike: Vec<String>,
}

/// Returns the patterns that match the same names as `regex`. Returns `None` if the syntax of `regex` is not supported.
pub(super) fn patterns(regex: &str) -> Option<Patterns> {
    let (anchored, mut rest) = match regex.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, regex),
    };
    let mut unlike = Vec::new();
    if let Some(inner) = rest.strip_prefix("(?!").filter(|_| anchored) {
        let mut parser = Parser { rest: inner };
        unlike = parser.alternatives()?;
        rest = parser.rest.strip_prefix(')')?;
    }
    let mut parser = Parser { rest };
    let like = parser.alternatives()?;
    parser.rest.is_empty().then(|| Patterns { like: open_ended(like, anchored), unlike: open_ended(unlike, true) })
}

/// Marks the end of a name in an unfinished pattern. Finished patterns do not contain `END`.
const END: char = '$';

/// Adds a `*` at the start of each pattern if the regular expression is not `anchored` there. Adds a `*` at the end
/// of each pattern without [`END`]. Removes [`END`] from all other patterns.
fn open_ended(patterns: Vec<String>, anchored: bool) -> Vec<String> {
    let start = if anchored { "" } else { "*" };
    let mut open: Vec<_> = patterns
        .into_iter()
        .map(|pattern| match pattern.strip_suffix(END) {
            Some(whole) => format!("{start}{whole}"),
            None => format!("{start}{pattern}*"),
        })
        .map(|pattern| pattern.replace("**", "*"))
        .collect();
    open.sort();
    open.dedup();
    open
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// Reads alternatives, up to the end of the expression or the next `)`. Returns one unfinished pattern for each
    /// combination of choices, such as `o1` and `o3` for `o[13]`.
    fn alternatives(&mut self) -> Option<Vec<String>> {
        let mut all = self.sequence()?;
        while let Some(rest) = self.rest.strip_prefix('|') {
            self.rest = rest;
            all.extend(self.sequence()?);
        }
        Some(all)
    }

    fn sequence(&mut self) -> Option<Vec<String>> {
        let mut texts = vec![String::new()];
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let once = self.atom()?;
            let choices = self.repeated(once)?;
            texts = texts.iter().flat_map(|text| choices.iter().map(move |choice| format!("{text}{choice}"))).collect();
        }
        // An anchor `$` before other text is not supported.
        texts.iter().all(|text| !text.trim_end_matches(END).contains(END)).then_some(texts)
    }

    /// Reads one element: a group, a character class or one character.
    fn atom(&mut self) -> Option<Vec<String>> {
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest.strip_prefix("?:").unwrap_or(rest);
            let inner = self.alternatives()?;
            self.rest = self.rest.strip_prefix(')')?;
            return Some(inner);
        }
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        let one = match first {
            '[' => {
                let (class, rest) = chars.as_str().split_once(']')?;
                self.rest = rest;
                return match class {
                    // Price tables use this class only in `[^/]+/`, which means some text and a slash. The pattern
                    // `?*/` means the same.
                    "^/" => Some(vec!["?".to_owned()]),
                    class if class.starts_with('^') || class.contains('-') && class.len() > 2 => None,
                    // The letters become lower case, because names are compared in lower case.
                    class => {
                        let mut letters: Vec<_> = class.to_lowercase().chars().map(String::from).collect();
                        letters.sort();
                        letters.dedup();
                        Some(letters)
                    }
                };
            }
            '\\' => match chars.next()? {
                'd' => "#".to_owned(),
                escaped if !escaped.is_alphanumeric() => literal(escaped)?,
                _ => return None,
            },
            '.' => "?".to_owned(),
            END => END.to_string(),
            '^' | '*' | '+' | '?' | '{' | '}' | ']' => return None,
            other => literal(other)?,
        };
        self.rest = chars.as_str();
        Some(vec![one])
    }

    /// Returns the patterns for an element with its repetition. `once` has the patterns for the element alone. If a
    /// repetition such as `?` or `{4}` follows, reads it; otherwise returns `once`. Returns `None` if the repetition is
    /// not supported.
    fn repeated(&mut self, once: Vec<String>) -> Option<Vec<String>> {
        let any = |once: &[String]| once.len() == 1 && once[0] == "?";
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            return Some([vec![String::new()], once].concat());
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            let (times, rest) = rest.split_once('}')?;
            self.rest = rest;
            let times: usize = times.parse().ok().filter(|&times| times <= 16)?;
            return Some(once.iter().map(|text| text.repeat(times)).collect()).filter(|_| once.len() == 1);
        }
        for (sign, text) in [('*', "*"), ('+', "?*")] {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return any(&once).then(|| vec![text.to_owned()]);
            }
        }
        Some(once)
    }
}

/// Returns `c` as a pattern. Returns `None` if `c` has a special meaning in patterns.
fn literal(c: char) -> Option<String> {
    (!matches!(c, '*' | '#' | '?' | '$')).then(|| c.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_of_price_tables_is_supported() {
        for (regex, like, unlike) in [
            (r"^claude-opus-5[-@]\d{4}$", vec!["claude-opus-5-####", "claude-opus-5@####"], vec![]),
            (
                r"^(typesafe/)?jev-1\.13(-\d{2})?$",
                vec!["jev-1.13", "jev-1.13-##", "typesafe/jev-1.13", "typesafe/jev-1.13-##"],
                vec![],
            ),
            (r"^gemini-4-argon-\d", vec!["gemini-4-argon-#*"], vec![]),
            (r"^(?!.*-[tT][tT][sS](?:$|-))", vec!["*"], vec!["*-tts", "*-tts-*"]),
            (r"^o[134]", vec!["o1*", "o3*", "o4*"], vec![]),
            (
                r"^(?![^/]+/)(?:labs-)?mi(?:ni|s)tral",
                vec!["labs-minitral*", "labs-mistral*", "minitral*", "mistral*"],
                vec!["?*/*"],
            ),
            (r"\[fast=true\]$", vec!["*[fast=true]"], vec![]),
            ("a|b", vec!["*a*", "*b*"], vec![]),
        ] {
            let found = patterns(regex).unwrap();
            assert_eq!(
                (found.like, found.unlike),
                (like.into_iter().map(String::from).collect(), unlike.into_iter().map(String::from).collect()),
                "{regex}"
            );
        }
    }

    #[test]
    fn other_syntax_is_not_supported() {
        for regex in [r"^a\w", "^a(?=b)", "^a{2,3}", "^[a-z]x", "^(ab)*", "^a(", "^a)", "^a$b", r"^a\*", "a+", "^(?!b"]
        {
            assert_eq!(patterns(regex), None, "{regex}");
        }
    }
}
