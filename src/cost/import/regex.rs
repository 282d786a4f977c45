//! Regular expressions over names of models, as patterns. Only the few forms that price tables use: literal text, groups
//! of alternatives, classes of characters, digits, repetition by number, optional parts, anchors, and a negative look
//! ahead at the beginning.

/// What a regular expression means, in patterns: names that are like one of `like` and unlike all of `unlike`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) like: Vec<String>,
    pub(super) unlike: Vec<String>,
}

/// The patterns that stand for `regex`; `None` if it has a form that is not known here.
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

/// The end of the text, among patterns.
const END: char = '$';

/// What a regular expression does not anchor may go on.
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
    /// What stands up to the end or the next `)`, as every text that it may be.
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
        // What follows an end cannot be.
        texts.iter().all(|text| !text.trim_end_matches(END).contains(END)).then_some(texts)
    }

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
                    // Any text without slashes, before a slash: the name's first slash, wherever that is.
                    "^/" => Some(vec!["?".to_owned()]),
                    class if class.starts_with('^') || class.contains('-') && class.len() > 2 => None,
                    // In lower case, as all names are compared.
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

    /// What follows an atom and says how often it stands there.
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

/// A character that stands for itself in a pattern too.
fn literal(c: char) -> Option<String> {
    (!matches!(c, '*' | '#' | '?' | '$')).then(|| c.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_price_tables() {
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
    fn what_is_not_known_is_not_guessed() {
        for regex in [r"^a\w", "^a(?=b)", "^a{2,3}", "^[a-z]x", "^(ab)*", "^a(", "^a)", "^a$b", r"^a\*", "a+", "^(?!b"]
        {
            assert_eq!(patterns(regex), None, "{regex}");
        }
    }
}
