//! Finds secrets that only their name reveals, such as the value in `password = VALUE`.

use std::ops::Range;

use super::alphabet::*;
use super::cursor::Cursor;
use super::entropy::{kinds, looks_random};
use super::placeholder::{JUDGED_BYTES_MAX, is_variable};

/// The words that end the name of a secret.
const WORDS: [&str; 11] =
    ["token", "secret", "password", "passwd", "passphrase", "passwort", "pass", "pwd", "key", "auth", "credential"];
/// Words that may follow one of the [`WORDS`] in the name of a secret, as in `token_value`.
const SUFFIXES: [&str; 16] = [
    "value",
    "prod",
    "production",
    "dev",
    "staging",
    "test",
    "live",
    "base64",
    "b64",
    "raw",
    "new",
    "old",
    "current",
    "default",
    "main",
    "plain",
];
/// Words before `key` that make it the name of a secret.
const SECRET_KEYS: [&str; 20] = [
    "api",
    "access",
    "secret",
    "private",
    "account",
    "master",
    "auth",
    "encryption",
    "signing",
    "service",
    "client",
    "admin",
    "shared",
    "subscription",
    "license",
    "app",
    "application",
    "storage",
    "webhook",
    "hmac",
];
/// Words before `key` that make it the name of something public.
const PUBLIC_KEYS: [&str; 32] = [
    "public",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "idempotency",
    "object",
    "row",
    "group",
    "lookup",
    "hash",
    "map",
    "dict",
    "json",
    "unique",
    "index",
    "event",
    "message",
    "routing",
    "s3",
    "file",
    "path",
    "dedup",
    "shard",
    "host",
    "registry",
    "config",
    "i18n",
    "translation",
    "restore",
    "pub",
];
/// Words before `token` that make it the name of something public.
const PUBLIC_TOKENS: [&str; 14] = [
    "next",
    "page",
    "continuation",
    "sync",
    "cancel",
    "cancellation",
    "pad",
    "eos",
    "bos",
    "unk",
    "mask",
    "stop",
    "resume",
    "change",
];
const NAME_BYTES_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 4096;
/// Only this many words at the end of a name are examined.
const NAME_WORDS_MAX: usize = 4;

/// The kind of a secret's name. It decides what a value must look like to count as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Password,
    Token,
    /// `key` without one of the [`SECRET_KEYS`] before it. Such a name can also name something public.
    Key,
}

/// Returns the secret whose name has one of the [`WORDS`] at `at`.
pub(super) fn find(cursor: &mut Cursor<'_>, at: usize) -> Option<(&'static str, Range<usize>)> {
    let (name, start, end) = name_at(cursor, at)?;
    let (value, quote) = separator(cursor, end, needs_no_sign(cursor, start))?;
    let end = match quote {
        Some(quote) => {
            let rest = cursor.text.get(value..)?;
            let rest = rest.get(..VALUE_BYTES_MAX).unwrap_or(rest);
            value + rest.iter().position(|byte| *byte == quote || *byte == b'\\' || byte.is_ascii_control())?
        }
        None => unquoted_end(cursor, value, name)?,
    };
    let text = cursor.text.get(value..end)?;
    is_secret(name, text, quote.is_some()).then(|| (name.rule(), value..end))
}

/// Returns the end of a value without quotes. Returns `None` if an opening bracket follows, as in a call or an index.
fn unquoted_end(cursor: &mut Cursor<'_>, value: usize, name: Name) -> Option<usize> {
    let alphabet = if name == Name::Password { PASSWORD } else { TOKEN };
    let end = cursor.run_end(alphabet, value);
    if matches!(cursor.byte(end), b'(' | b'[' | b'{') {
        return None;
    }
    Some(cursor.without_punctuation(value, end, b".:?%"))
}

/// Returns true if the JSON may assign a secret to a name with one of the [`WORDS`] at `at`.
pub(super) fn hint(cursor: &mut Cursor<'_>, at: usize) -> bool {
    is_in_key(cursor, at)
        || bounds_at(cursor, at).is_some_and(|(start, end)| {
            let is_name = |start: usize| cursor.text.get(start..end).is_some_and(|name| kind_of(name).is_some());
            // The letter of an escape such as `\n` is not a part of the name.
            let is_escape = start > 0 && cursor.byte(start - 1) == b'\\';
            let has_value = |start: usize| separator(cursor, end, needs_no_sign(cursor, start)).is_some();
            let begins = |start: usize| is_name(start) && (has_value(start) || cursor.has(end, b"\\t"));
            begins(start) || is_escape && begins(start + 1)
        })
}

/// Returns true if `at` is in a key of an object, and the whole key is the name of a secret or has a backslash.
fn is_in_key(cursor: &Cursor<'_>, at: usize) -> bool {
    const KEY_BYTES_MAX: usize = 256;
    let rest = cursor.text.get(at..).unwrap_or_default();
    let Some(end) = rest.iter().take(KEY_BYTES_MAX).position(|byte| *byte == b'"') else { return false };
    if rest.get(end + 1) != Some(&b':') {
        return false;
    }
    let before = cursor.text.get(at.saturating_sub(KEY_BYTES_MAX)..at).unwrap_or_default();
    let Some(quote) = before.iter().rposition(|byte| *byte == b'"') else { return false };
    let key = &cursor.text[at - (before.len() - quote - 1)..at + end];
    key.contains(&b'\\') || kind_of(key).is_some()
}

/// Returns the kind of the name that has one of the [`WORDS`] at `at`, and where the name begins and ends.
fn name_at(cursor: &mut Cursor<'_>, at: usize) -> Option<(Name, usize, usize)> {
    let (start, end) = bounds_at(cursor, at)?;
    let kind = kind_of(cursor.text.get(start..end)?)?;
    Some((kind, start, end))
}

/// Returns where the name that has one of the [`WORDS`] at `at` begins and ends.
fn bounds_at(cursor: &mut Cursor<'_>, at: usize) -> Option<(usize, usize)> {
    let word = WORDS.into_iter().find(|word| cursor.has_word(at, word))?;
    let mut end = at + word.len();
    if cursor.byte(end) | 0x20 == b's' {
        end += 1;
    }
    let next = cursor.byte(end);
    if next.is_ascii_lowercase() {
        return None;
    }
    if URL.has(next) {
        end = cursor.run_end(URL, end).min(end + NAME_BYTES_MAX);
        // Most names continue with another word, such as `tokens_input`.
        let last = cursor.text.get(at..end)?.rsplit(|byte| matches!(byte, b'_' | b'-')).next()?;
        let is_suffix = |word: &str| last.eq_ignore_ascii_case(word.as_bytes());
        if matches!(next, b'_' | b'-') && !SUFFIXES.into_iter().any(is_suffix) && !last.iter().all(u8::is_ascii_digit) {
            return None;
        }
    }
    Some((cursor.run_start(URL_DOTS, at, NAME_BYTES_MAX), end))
}

/// Returns the kind of a secret's name, or `None` if the name does not say that its value is a secret.
pub(super) fn kind_of(name: &[u8]) -> Option<Name> {
    let mut words = words_of(name);
    let is_suffix = |word: &str| SUFFIXES.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    while words.len() > 1 && words.first().is_some_and(|word| is_suffix(word)) {
        words.remove(0);
    }
    let last = words.first()?.as_str();
    let before = words.get(1).map(String::as_str);
    let is_before = |list: &[&str]| before.is_some_and(|word| list.contains(&word));
    let ends = |list: &[&str]| list.iter().any(|end| last.ends_with(end));
    if ends(&["password", "passwd", "passphrase", "pwd", "passwort"]) || last == "pass" && before.is_some() {
        return Some(Name::Password);
    }
    let joined = last.strip_suffix("key").is_some_and(|first| SECRET_KEYS.iter().any(|word| first.ends_with(word)));
    if ends(&["secret", "secrets"]) || joined || matches!(last, "auth" | "credential" | "credentials") {
        return Some(Name::Token);
    }
    if ends(&["token", "tokens"]) {
        return (!is_before(&PUBLIC_TOKENS)).then_some(Name::Token);
    }
    if last != "key" || is_before(&PUBLIC_KEYS) {
        return None;
    }
    Some(if is_before(&SECRET_KEYS) { Name::Token } else { Name::Key })
}

/// Returns the last words of a name in lower case, last word first. Words are separated by characters that are not
/// letters or digits, or by a change to upper case.
fn words_of(name: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut end = name.len();
    while end > 0 && words.len() < NAME_WORDS_MAX {
        let mut start = end;
        while start > 0 && ALNUM.has(name[start - 1]) {
            start -= 1;
            let byte = name[start];
            let before = if start == 0 { 0 } else { name[start - 1] };
            let next = if start + 1 < end { name[start + 1] } else { 0 };
            // `apiKey` and `APIKey`
            if byte.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && next.is_ascii_lowercase())
            {
                break;
            }
        }
        if start < end {
            words.push(name[start..end].iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect());
            end = start;
        } else {
            end -= 1;
        }
    }
    words
}

/// Returns true if a space is enough between the value and the name at `start`: an option of a command, a variable in
/// `set -x NAME VALUE`, or a password in `.netrc`.
fn needs_no_sign(cursor: &Cursor<'_>, start: usize) -> bool {
    const BEFORE_BYTES_MAX: usize = 300;
    let before = cursor.text.get(start.saturating_sub(BEFORE_BYTES_MAX)..start).unwrap_or_default();
    let has = |word: &[u8]| before.windows(word.len()).any(|part| part == word);
    let is_set = || [&b"set -x "[..], b"set -gx ", b"set -Ux ", b"setx "].iter().any(|set| before.ends_with(set));
    let is_netrc = || cursor.has(start, b"password ") && has(b"login ") && (has(b"machine ") || has(b"default "));
    cursor.byte(start) == b'-' || is_set() || is_netrc()
}

/// Wrappers of a secret, such as `Some("…")` in the `Debug` of Rust and `SecretStr('…')` in the `repr` of Python.
const WRAPPERS: [&[u8]; 5] = [b"Some(", b"SecretStr(", b"SecretString(", b"SecretBytes(", b"Secret("];

/// Returns where a value begins that is wrapped, is the `repr` of bytes, or is on the next line as in YAML.
fn unwrapped(cursor: &Cursor<'_>, value: usize) -> usize {
    let mut at = value;
    if matches!(cursor.byte(at), b'>' | b'|') {
        let sign = at + 1 + usize::from(matches!(cursor.byte(at + 1), b'-' | b'+'));
        let line = sign + usize::from(cursor.byte(sign) == b'\r');
        if cursor.byte(line) == b'\n' {
            let blanks = cursor.text.get(line + 1..).unwrap_or_default().iter().take(32);
            return line + 1 + blanks.take_while(|byte| **byte == b' ').count();
        }
    }
    at += WRAPPERS.into_iter().find(|wrapper| cursor.has(at, wrapper)).map_or(0, <[u8]>::len);
    let is_quoted = |at: usize| matches!(cursor.byte(at), b'"' | b'\'') || cursor.has(at, b"\\\"");
    match cursor.byte(at) {
        b'b' | b'r' | b'u' if is_quoted(at + 1) => at + 1,
        _ if is_quoted(at) => at,
        _ => value,
    }
}

/// Reads what is between a name and its value: the closing quote of the name, a sign such as `=`, `:` or `=>`, and the
/// opening quote of the value. After an option of a command, a space is enough as the sign. In XML, the sign can be in
/// ` value=`. Returns the start of the value, and its quote.
pub(super) fn separator(cursor: &Cursor<'_>, end: usize, is_option: bool) -> Option<(usize, Option<u8>)> {
    let skip = |mut at: usize, accepts: fn(u8) -> bool, max: usize| {
        let last = at + max;
        while at < last && accepts(cursor.byte(at)) {
            at += 1;
        }
        at
    };
    let is_space = |byte| matches!(byte, b' ' | b'\t');
    let at = skip(end, |byte| matches!(byte, b'\\' | b'"' | b'\'' | b'`' | b']' | b')'), 8);
    let is_quoted = at > end;
    let sign = skip(at, is_space, 8);
    let sign = if is_quoted && sign > at && cursor.has_word(sign, "value=") { sign + 5 } else { sign };
    let value = match cursor.byte(sign) {
        b'=' | b':' => skip(sign, |byte| matches!(byte, b'=' | b':' | b'>' | b'~'), 3),
        b'>' if sign == end => sign + 1,
        b',' if is_quoted => sign + 1,
        _ if is_option && sign > end => sign,
        _ => return None,
    };
    let value = unwrapped(cursor, skip(value, is_space, 8));
    let escaped = skip(value, |byte| byte == b'\\', 8);
    match cursor.byte(escaped) {
        quote @ (b'"' | b'\'' | b'`') => Some((escaped + 1, Some(quote))),
        _ => Some((value, None)),
    }
}

impl Name {
    /// Returns the name of the rule in the marker.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "secret",
            Self::Key => "key",
        }
    }
}

/// Returns true if a value that has a name of the kind `name` is a secret.
pub(super) fn is_secret(name: Name, value: &[u8], is_quoted: bool) -> bool {
    let value = value.get(..JUDGED_BYTES_MAX).unwrap_or(value);
    if value.len() < 8 || is_variable(value) || value.iter().any(|byte| byte.is_ascii_whitespace()) {
        return false;
    }
    if value.windows(2).any(|pair| matches!(pair, b"${" | b"{{" | b"$(" | b"</")) {
        return false;
    }
    // A value that begins with `/` is a path, unless it looks like base64 without a further `/`.
    let is_base64 =
        |value: &[u8]| value.len() >= 24 && value.iter().all(|byte| BASE64.has(*byte)) && looks_random(value);
    if value.starts_with(b"/") && !(is_base64(value) && kinds(value) >= 3 && !value[1..].contains(&b'/')) {
        return false;
    }
    let is_hash = || value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') || has_hex(value);
    match name {
        Name::Password => {
            let is_path = value.contains(&b'.') && value.iter().all(|byte| ALNUM.with("._").has(*byte));
            let is_call = is_quoted && value.ends_with(b")");
            kinds(value) >= 3 && !is_path && !is_call || value.len() >= 12 && looks_random(value)
        }
        Name::Token => value.len() >= 16 && looks_random(value),
        Name::Key => {
            let is_path = value.contains(&b'/') && value.contains(&b'.');
            value.len() >= 20 && looks_random(value) && !is_path && !is_hash()
        }
    }
}

/// Returns true if a part of the value is a hash in hex.
fn has_hex(value: &[u8]) -> bool {
    value.split(|byte| !byte.is_ascii_hexdigit()).any(|part| part.len() >= 16)
}
