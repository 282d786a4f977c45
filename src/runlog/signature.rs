//! Computes the signature of an error message, which is the part that all messages of the same error share.

/// The maximum length of a signature, in characters. A longer signature is truncated, and a hash of the whole signature
/// is added.
const CHARS_MAX: usize = 500;
/// A closing quote must follow the opening quote within this number of characters. Without the limit, each unclosed
/// quote would cause a search to the end of the line.
const QUOTED_CHARS_MAX: usize = 300;

const TEXT: &str = "<text>";
const NUMBER: &str = "<n>";
const ID: &str = "<id>";
const TIME: &str = "<time>";
const PATH: &str = "<path>";
const URL: &str = "<url>";

/// After one of these words, a number or a quoted word identifies the error, as in `status 429` and `os error 2`.
const NAMING: [&str; 8] = ["http", "status", "code", "error", "errno", "exit", "signal", "type"];

/// Returns the signature of an error message. Two messages that differ only in values have the same signature. A
/// signature is in lower case, and each sequence of white space is one space. Each value is replaced by a placeholder:
///
/// | value | placeholder |
/// |---|---|
/// | a text in quotes or backticks, of up to 299 characters | `<text>` |
/// | a URL | `<url>` |
/// | a path | `<path>` |
/// | a date, with or without a time | `<time>` |
/// | an id | `<id>` |
/// | any other number, such as `1,024`, `-3.5` or `10:30:00`; also the digits in `250ms` and `worker3` | `<n>` |
///
/// A word is a path in each of these cases:
///
/// - It begins with `/`, `./`, `../`, `~/`, `C:\` or `\\`.
/// - It has a letter and at least two slashes (`/` or `\`).
/// - It has one slash, and ends with an extension such as `.json`.
///
/// These are ids:
///
/// - a UUID;
/// - an e-mail address;
/// - `0x` and hex digits;
/// - seven or more hex digits, if both letters and decimal digits are among them;
/// - letters and digits after `-`, `_`, `#` or `:`, as in `conv-abc123`, but not a number with a unit, as in
///   `run-250ms`;
/// - eight or more letters and digits, if a letter comes after a digit, but not a number with a unit.
///
/// Some values identify the error, and are kept:
///
/// - a code such as `E0308`: a capital letter, followed by at most seven capital letters and digits;
/// - a whole number or one quoted word after one of these words: `http`, `status`, `code`, `error`, `errno`, `exit`,
///   `signal`, `type`. But if a `:` or `=` follows `http`, `error`, `exit` or `signal`, the value is replaced. It may
///   be a count, as in `error: 5 files`.
///
/// Several values of the same kind in a row become one placeholder. A name without digits is replaced only in a path or
/// in quotes. So the same error on the hosts `alpha` and `beta` has two signatures.
///
/// ```
/// use runledger::runlog::signature;
///
/// assert_eq!(
///     signature("HTTP 429 for req_011CSHoEeqs5: retry in 12.5s at 2026-01-03T14:35:02Z"),
///     "http 429 for req_<id>: retry in <n>s at <time>"
/// );
/// assert_eq!(signature("cannot open '/tmp/a b.json' (os error 2)"), "cannot open <text> (os error 2)");
/// ```
pub fn signature(message: &str) -> String {
    compute(message, true)
}

/// Returns the signature that earlier versions computed. These versions replaced each part of a UUID on its own, so two
/// messages that differ only in a UUID could have different signatures.
pub(super) fn earlier_signature(message: &str) -> String {
    compute(message, false)
}

/// Computes a signature. `whole_uuids` is true if a UUID is one id.
fn compute(message: &str, whole_uuids: bool) -> String {
    let chars: Vec<char> = message.chars().collect();
    let mut found = Found { whole_uuids, ..Found::default() };
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if let Some(len) = quoted(rest, at.checked_sub(1).map(|before| chars[before])) {
            found.quoted(&rest[1..len - 1].iter().collect::<String>());
            at += len;
        } else if is_separator(rest[0]) {
            found.separator(rest[0]);
            at += 1;
        } else {
            let word = word(rest);
            at += word.chars().count();
            found.word(&word);
        }
    }
    short(collapsed(&found.text.to_lowercase()))
}

/// Returns the word at the beginning of `rest`. A URL may contain some of the separators.
fn word(rest: &[char]) -> String {
    let until = |ends: fn(char) -> bool| -> String {
        let len = rest.iter().skip(1).position(|c| ends(*c) || is_quote(*c)).map_or(rest.len(), |at| at + 1);
        rest[..len].iter().collect()
    };
    let word = until(is_separator);
    if word.contains("://") { until(|c| is_separator(c) && !",;|=!?".contains(c)) } else { word }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "()[]{}<>,;|=!?".contains(c)
}

fn is_quote(c: char) -> bool {
    closing(c).is_some()
}

fn closing(opening: char) -> Option<char> {
    match opening {
        '"' | '\'' | '`' => Some(opening),
        '“' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        _ => None,
    }
}

/// Returns the length of the quotation at the beginning of `rest`, including its quotes, or `None` if `rest` begins
/// with other text. An apostrophe in a word is not a quote.
fn quoted(rest: &[char], before: Option<char>) -> Option<usize> {
    let closing = closing(*rest.first()?).filter(|_| !before.is_some_and(char::is_alphanumeric))?;
    let line = rest[1..].iter().take(QUOTED_CHARS_MAX).take_while(|c| **c != '\n');
    let ends = |at: usize| !rest.get(at + 2).is_some_and(|c| c.is_alphanumeric());
    line.enumerate().find(|(at, c)| **c == closing && ends(*at)).map(|(at, _)| at + 2)
}

/// The state while a message is read.
#[derive(Default)]
struct Found {
    /// The signature of the part that was read.
    text: String,
    /// The last word that was read, as it is in the message.
    word: String,
    /// The separators that were read after the last word.
    between: String,
    /// True if a UUID is one id.
    whole_uuids: bool,
}

impl Found {
    /// Returns true if the last word is one of [`NAMING`], so that the next word identifies the error. Returns false if
    /// a `:` or `=` follows `error`, `http`, `exit` or `signal`, since the next word may be a count, as in `error: 5
    /// files`.
    fn names_next(&self) -> bool {
        let word = self.word.trim_end_matches([':', '.']).to_lowercase();
        let colon = self.word.ends_with(':') || self.between.contains('=');
        let naming = NAMING.contains(&word.as_str()) || word.starts_with("http/");
        naming && !(colon && matches!(word.as_str(), "error" | "http" | "exit" | "signal"))
    }

    fn separator(&mut self, c: char) {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        self.between.push(c);
        if c != ' ' || !self.text.ends_with(' ') {
            self.text.push(c);
        }
    }

    fn quoted(&mut self, content: &str) {
        let one_word = !content.is_empty() && content.chars().all(|c| c.is_alphabetic() || c == '_');
        self.text.push_str(if one_word && self.names_next() { content } else { TEXT });
        self.next(content);
    }

    fn word(&mut self, word: &str) {
        let body = word.trim_end_matches([':', '.', '\'', '"', '`', '…']);
        let whole_number = !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_digit());
        if body.is_empty() || (whole_number && self.names_next()) {
            self.text.push_str(word);
        } else {
            self.text.push_str(&value(body, self.whole_uuids));
            self.text.push_str(&word[body.len()..]);
        }
        // In `"status": 429`, the colon is a word of only punctuation, and belongs to the quoted word `status`.
        if body.is_empty() { self.word.push_str(word) } else { self.next(word) }
    }

    fn next(&mut self, word: &str) {
        word.clone_into(&mut self.word);
        self.between.clear();
    }
}

/// Returns the word, with placeholders in place of the values in it.
fn value(word: &str, whole_uuids: bool) -> String {
    if word.contains("://") {
        return URL.to_owned();
    }
    if is_path(word) {
        return PATH.to_owned();
    }
    if is_date(word) {
        return TIME.to_owned();
    }
    if word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
        return ID.to_owned();
    }
    if !word.contains(|c: char| c.is_ascii_digit()) {
        return word.to_owned();
    }
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || b".,:+-/%$#".contains(&byte));
    if is_number && !(whole_uuids && has_uuid_of_digits(word)) {
        return NUMBER.to_owned();
    }
    let is_code = word.len() <= 8 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_code && word.starts_with(|c: char| c.is_ascii_uppercase()) {
        return word.to_owned();
    }
    segments(word, whole_uuids)
}

/// Replaces the values in each part of the word. The parts are separated by `-`, `_`, `.`, `:`, `/`, `\`, `#`, `+`, `@`
/// and `%`. If `whole_uuids` is true, a UUID is one part.
fn segments(word: &str, whole_uuids: bool) -> String {
    let mut text = String::new();
    let (mut rest, mut before) = (word, None);
    loop {
        rest = if let Some(after) = after_uuid(rest).filter(|_| whole_uuids) {
            text.push_str(ID);
            after
        } else {
            let (part, after) = rest.split_at(rest.find(|c| "-_.:/\\#+@%".contains(c)).unwrap_or(rest.len()));
            text.push_str(&segment(part, before));
            after
        };
        let Some(c) = rest.chars().next() else { return text };
        text.push(c);
        before = Some(c);
        rest = &rest[c.len_utf8()..];
    }
}

/// Returns the text after the UUID at the beginning of `text`. Returns `None` if `text` does not begin with a UUID, or
/// if a letter or digit follows.
fn after_uuid(text: &str) -> Option<&str> {
    let (uuid, after) = text.split_at_checked(36)?;
    let is_uuid = uuid.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (is_uuid && !after.starts_with(char::is_alphanumeric)).then_some(after)
}

/// Returns true if the word, which has only digits and punctuation, contains a UUID.
fn has_uuid_of_digits(word: &str) -> bool {
    let begins = |at: usize| at.checked_sub(1).is_none_or(|before| !word.as_bytes()[before].is_ascii_digit());
    (0..word.len()).any(|at| begins(at) && after_uuid(&word[at..]).is_some())
}

fn segment(segment: &str, before: Option<char>) -> String {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let letters = segment.trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = digits + letters.len() == segment.len() && letters.len() <= 3 && letters.len() < segment.len();
    let hex = segment.strip_prefix("0x").map_or(segment.len() >= 7, |hex| !hex.is_empty())
        && segment.trim_start_matches("0x").bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits == 0 {
        return segment.to_owned();
    }
    if digits == segment.len() {
        return NUMBER.to_owned();
    }
    if hex {
        return ID.to_owned();
    }
    if unit {
        return format!("{NUMBER}{letters}");
    }
    if (segment.len() >= 8 && alternates(segment)) || before.is_some_and(|c| "-_#:".contains(c)) {
        return ID.to_owned();
    }
    let mut text = String::new();
    for c in segment.chars() {
        if !c.is_ascii_digit() {
            text.push(c);
        } else if !text.ends_with(NUMBER) {
            text.push_str(NUMBER);
        }
    }
    text
}

/// Returns true if a digit comes before the last letter, as in `a1b2`. Returns false for `worker12`.
fn alternates(segment: &str) -> bool {
    segment.trim_end_matches(|c: char| c.is_ascii_digit()).contains(|c: char| c.is_ascii_digit())
}

fn is_path(word: &str) -> bool {
    let drive = word.as_bytes();
    let drive = drive.len() > 2 && drive[0].is_ascii_alphabetic() && drive[1] == b':' && b"/\\".contains(&drive[2]);
    let begins =
        ["/", "./", "../", "~/", "\\\\"].iter().any(|begin| word.len() > begin.len() && word.starts_with(begin));
    let slashes = word.matches(['/', '\\']).count();
    let last = word.rsplit(['/', '\\']).next().unwrap_or_default();
    let extension = last.split_once('.').is_some_and(|(_, end)| end.starts_with(|c: char| c.is_ascii_alphabetic()));
    let numbers = !word.contains(|c: char| c.is_alphabetic());
    drive || begins || (!numbers && (slashes >= 2 || (slashes == 1 && extension)))
}

/// Returns true if the word is a date such as `2026-01-03`, with or without a time after it.
fn is_date(word: &str) -> bool {
    let form =
        |text: &str| text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect::<Vec<_>>();
    let Some((date, rest)) = word.split_at_checked(10) else { return false };
    form(date) == b"0000-00-00" && (rest.is_empty() || rest.starts_with(['T', 't', '_']))
}

/// Merges placeholders that follow each other.
fn collapsed(text: &str) -> String {
    let mut text = text.trim().to_owned();
    // A date and its time are one value. The parts of an id are one value too.
    let mut rules = vec![(format!("{TIME} {NUMBER}"), TIME), (format!("{TIME},{NUMBER}"), TIME)];
    for between in ["-", "_", ".", ":", "", "/"] {
        for (one, other) in [(ID, ID), (ID, NUMBER), (NUMBER, ID)] {
            rules.push((format!("{one}{between}{other}"), ID));
        }
    }
    rules.push((format!("{NUMBER}.{NUMBER}"), NUMBER));
    for one in [TEXT, NUMBER, ID, PATH, URL] {
        rules.extend([", ", ",", " "].map(|between| (format!("{one}{between}{one}"), one)));
    }
    for (several, one) in rules {
        while text.contains(&several) {
            text = text.replace(&several, one);
        }
    }
    text
}

fn short(signature: String) -> String {
    if signature.chars().count() <= CHARS_MAX {
        return signature;
    }
    let hash = crate::digest::hash_bytes(&signature);
    let begin: String = signature.chars().take(CHARS_MAX - 17).collect();
    format!("{begin}…{}", &hash[..16])
}
