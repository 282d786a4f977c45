//! Reads `data.py`, the file with the price table in the Python package of genai-prices.
//!
//! The package has no JSON file. `data.py` is Python code that assigns a list of objects to the variable `providers`.
//! Each object is written as the call of a constructor. The reader converts the list to JSON. It accepts only these
//! elements of Python:
//!
//! * calls with named arguments;
//! * lists and dictionaries;
//! * strings and numbers;
//! * `True`, `False` and `None`;
//! * `Decimal('1.5')`, `datetime.date` and `datetime.time`.

use std::fmt::Write;

use serde_json::json;

use crate::error::{Error, ErrorKind, Result};

/// The largest depth of nested values. A deeper value is an error.
const DEPTH_MAX: u32 = 64;

/// Returns, as JSON, the list that the Python code in `text` assigns to the variable `providers`. Returns `None` if
/// `text` has no such assignment, or if `text` is JSON.
pub(super) fn providers(text: &str) -> Option<Result<String>> {
    const NAME: &str = "providers";
    let start = if text.starts_with(NAME) { 0 } else { text.find("\nproviders")? + 1 };
    // The variable can have a type annotation before the equals sign.
    let (declared, list) = text[start..].split_once('=')?;
    if declared.contains('\n') || text.trim_start().starts_with(['[', '{']) {
        return None;
    }
    let mut reader = Reader { text, rest: list, json: String::with_capacity(list.len()) };
    Some(reader.value(0).and_then(|()| reader.end()).map(|()| reader.json))
}

struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
    json: String,
}

impl<'t> Reader<'t> {
    fn value(&mut self, depth: u32) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(self.fault("fewer nested objects"));
        }
        self.skip_blanks();
        match self.rest.as_bytes().first() {
            Some(b'[') => self.sequence('[', ']', '[', ']', |reader| reader.value(depth + 1)),
            Some(b'{') => self.sequence('{', '}', '{', '}', |reader| {
                reader.string()?;
                reader.expect(':')?;
                reader.json.push(':');
                reader.value(depth + 1)
            }),
            Some(b'\'' | b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.named(depth),
        }
    }

    /// Fails if anything other than white space and comments remains.
    fn end(&mut self) -> Result<()> {
        self.skip_blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault("the end of the file")) }
    }

    /// Reads `True`, `False`, `None` or a call.
    fn named(&mut self, depth: u32) -> Result<()> {
        let name = self.word();
        match name {
            "True" => self.json.push_str("true"),
            "False" => self.json.push_str("false"),
            "None" => self.json.push_str("null"),
            "" => return Err(self.fault("a value")),
            "Decimal" => self.decimal()?,
            "datetime.date" => self.date()?,
            "datetime.time" => self.time()?,
            // Any other name is a constructor. Its call becomes a JSON object whose keys are the named arguments. The
            // argument `or_` ends with an underscore, because `or` is a keyword of Python. The key in the JSON has no
            // underscore.
            _ => self.sequence('(', ')', '{', '}', |reader| {
                let key = reader.word();
                if key.is_empty() {
                    return Err(reader.fault("a named argument"));
                }
                reader.expect('=')?;
                let _ = write!(reader.json, "{}:", json!(key.trim_end_matches('_')));
                reader.value(depth + 1)
            })?,
        }
        Ok(())
    }

    /// Reads entries that are separated by commas and enclosed in `open` and `close`. Writes the entries to the JSON,
    /// enclosed in `json_open` and `json_close`.
    fn sequence(
        &mut self,
        open: char,
        close: char,
        json_open: char,
        json_close: char,
        mut entry: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.expect(open)?;
        self.json.push(json_open);
        let mut is_first = true;
        loop {
            self.skip_blanks();
            if self.rest.starts_with(close) {
                break;
            }
            if !is_first {
                self.json.push(',');
            }
            is_first = false;
            entry(self)?;
            self.skip_blanks();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        self.expect(close)?;
        self.json.push(json_close);
        Ok(())
    }

    /// Reads the argument of `Decimal`, such as `('1.5')`, and writes the number without quotes.
    fn decimal(&mut self) -> Result<()> {
        self.expect('(')?;
        let digits = self.text_value()?;
        if serde_json::from_str::<serde_json::Number>(&digits).is_err() {
            return Err(self.fault("a decimal number"));
        }
        self.json.push_str(&digits);
        self.expect(')')
    }

    /// Reads the arguments of `datetime.date`, such as `(2026, 9, 10)`.
    fn date(&mut self) -> Result<()> {
        let (numbers, false) = self.numbers()? else { return Err(self.fault("a date without a time zone")) };
        let [year, month, day] = numbers[..] else { return Err(self.fault("a year, a month and a day")) };
        let _ = write!(self.json, "\"{year:04}-{month:02}-{day:02}\"");
        Ok(())
    }

    /// Reads the arguments of `datetime.time`, such as `(16, 30, tzinfo=datetime.timezone.utc)`. The time must be in
    /// UTC.
    fn time(&mut self) -> Result<()> {
        let start = self.rest;
        let (numbers, in_utc) = self.numbers()?;
        if !in_utc {
            self.rest = start;
            return Err(self.fault("a time with tzinfo=datetime.timezone.utc"));
        }
        let [hour, minute, second] = [0, 1, 2].map(|place| numbers.get(place).copied().unwrap_or(0));
        if numbers.is_empty() || numbers.len() > 3 {
            return Err(self.fault("an hour, a minute and a second"));
        }
        let _ = write!(self.json, "\"{hour:02}:{minute:02}:{second:02}+00:00\"");
        Ok(())
    }

    /// Reads whole numbers in parentheses. Returns the numbers, and true if the argument `tzinfo` is among them. Fails
    /// if `tzinfo` is not UTC.
    fn numbers(&mut self) -> Result<(Vec<u32>, bool)> {
        self.expect('(')?;
        let (mut numbers, mut in_utc) = (Vec::new(), false);
        loop {
            self.skip_blanks();
            let word = self.word();
            if word == "tzinfo" {
                self.expect('=')?;
                self.skip_blanks();
                let zone = self.word();
                if !matches!(zone, "datetime.timezone.utc" | "datetime.UTC" | "timezone.utc" | "UTC") {
                    return Err(self.fault("the time zone UTC"));
                }
                in_utc = true;
            } else if !word.is_empty() {
                numbers.push(word.parse().map_err(|_| self.fault("a whole number"))?);
            }
            self.skip_blanks();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        self.expect(')')?;
        Ok((numbers, in_utc))
    }

    fn number(&mut self) -> Result<()> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let digits = digits.replace('_', "");
        if serde_json::from_str::<serde_json::Number>(&digits).is_err() {
            return Err(self.fault("a number"));
        }
        self.rest = rest;
        self.json.push_str(&digits);
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        let text = self.text_value()?;
        let _ = write!(self.json, "{}", json!(text));
        Ok(())
    }

    /// Reads one string, or several adjacent strings, which Python joins to one.
    fn text_value(&mut self) -> Result<String> {
        let mut text = String::new();
        let mut is_first = true;
        loop {
            self.skip_blanks();
            let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
                return if is_first { Err(self.fault("a string")) } else { Ok(text) };
            };
            is_first = false;
            self.rest = &self.rest[1..];
            loop {
                // A line feed inside a string is an error if there is no backslash before it.
                let next = if self.rest.starts_with('\n') { None } else { self.next() };
                match next {
                    Some('\\') => text.extend(self.escaped()?),
                    Some(c) if c == quote => break,
                    Some(c) => text.push(c),
                    None => return Err(self.fault("the end of a string")),
                }
            }
        }
    }

    /// Reads the part of an escape that follows the backslash, and returns the character that the escape means.
    /// Returns `None` for an escaped line feed, after which the string continues on the next line.
    fn escaped(&mut self) -> Result<Option<char>> {
        let c = self.next().ok_or_else(|| self.fault("the end of a string"))?;
        let digits = match c {
            '\n' => return Ok(None),
            '\\' | '\'' | '"' => return Ok(Some(c)),
            'n' => return Ok(Some('\n')),
            't' => return Ok(Some('\t')),
            'r' => return Ok(Some('\r')),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(self.fault("a known escape")),
        };
        let code = self.rest.get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let c = code.and_then(char::from_u32).ok_or_else(|| self.fault("the code of a character"))?;
        self.rest = &self.rest[digits..];
        Ok(Some(c))
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    /// Reads letters, digits, underscores and dots, such as `datetime.date`. Returns an empty text if there are none.
    fn word(&mut self) -> &'t str {
        self.skip_blanks();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('#') else { return };
            self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn expect(&mut self, c: char) -> Result<()> {
        self.skip_blanks();
        self.rest = self.rest.strip_prefix(c).ok_or_else(|| self.fault(&format!("{c:?}")))?;
        Ok(())
    }

    /// Returns an error that says that `expected` is missing at the current position.
    fn fault(&self, expected: &str) -> Error {
        let found: String = self.rest.chars().take(20).collect();
        Error::new(ErrorKind::Malformed, "read a price table of genai-prices")
            .at_part(self.text, self.rest)
            .detail(format!("expected {expected}, found {found:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> std::result::Result<String, String> {
        let text = format!("\"\"\"A file.\"\"\"\n\nfrom .types import *\n\nproviders: list[Provider] = {list}\n");
        providers(&text).unwrap().map_err(|error| format!("line {:?}: {}", error.line().unwrap(), error.details()[0]))
    }

    #[test]
    fn each_supported_element_of_python_becomes_json() {
        for (python, json) in [
            ("[]", "[]"),
            ("[\n    Provider(\n        id='a',\n    ),\n]", r#"[{"id":"a"}]"#),
            ("[A(b=True, c=False, d=None, e=5, f=[1, 2,])]", r#"[{"b":true,"c":false,"d":null,"e":5,"f":[1,2]}]"#),
            ("[A(b=Decimal('1.25'), c=Decimal('1E-7'))]", r#"[{"b":1.25,"c":1E-7}]"#),
            ("[A(b=datetime.date(2026, 9, 10))]", r#"[{"b":"2026-09-10"}]"#),
            ("[A(b=datetime.time(16, 30, tzinfo=datetime.timezone.utc))]", r#"[{"b":"16:30:00+00:00"}]"#),
            ("[A(b=datetime.time(0, 0, tzinfo=datetime.timezone.utc))]", r#"[{"b":"00:00:00+00:00"}]"#),
            ("[A(or_=[B(equals='x')], when={'a': 'b'})]", r#"[{"or":[{"equals":"x"}],"when":{"a":"b"}}]"#),
            (r#"['\\.\'"\n', "it's \"é\" \u00e9\xe9", 'a' 'b']"#, r#"["\\.'\"\n","it's \"é\" éé","ab"]"#),
            ("[  # a comment with ]\n 1]", "[1]"),
            ("[1]  # the end\n\n# really", "[1]"),
        ] {
            assert_eq!(read(python).as_deref(), Ok(json), "{python}");
            assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn any_other_python_is_an_error_with_its_line() {
        for (python, expected) in [
            ("[open('x')]", "line 5: expected a named argument, found \"'x')]\\n\""),
            ("[A(b=1\n c=2)]", "line 6: expected ')', found \"c=2)]\\n\""),
            ("[A(b='x", "line 5: expected the end of a string, found \"\\n\""),
            ("[Decimal('x')]", "line 5: expected a decimal number, found \")]\\n\""),
            ("[datetime.time(1, tzinfo=zone)]", "line 5: expected the time zone UTC, found \")]\\n\""),
            ("['\\q']", "line 5: expected a known escape, found \"']\\n\""),
            (
                "[datetime.time(16,30)]",
                "line 5: expected a time with tzinfo=datetime.timezone.utc, found \"(16,30)]\\n\"",
            ),
            ("[datetime.date(2026, 9, 10, tzinfo=UTC)]", "line 5: expected a date without a time zone, found \"]\\n\""),
            ("[1]\n# more\nproviders += [2]", "line 7: expected the end of the file, found \"providers += [2]\\n\""),
            ("[1] + more", "line 5: expected the end of the file, found \"+ more\\n\""),
            ("[1]]", "line 5: expected the end of the file, found \"]\\n\""),
            ("[1 + 2]", "line 5: expected ']', found \"+ 2]\\n\""),
        ] {
            assert_eq!(read(python).as_ref().map_err(String::as_str), Err(expected), "{python}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(&deep).unwrap_err().contains("expected fewer nested objects"));
        for text in ["", "import x", "providers", "models = []"] {
            assert!(providers(text).is_none(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "[\\[\\](){}'\"=:,\\\\aé1.# \n]{0,40}") {
            let _ = read(&text);
        }
    }
}
