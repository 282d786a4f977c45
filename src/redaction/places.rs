//! Finds secrets that only their place reveals, such as the password after `curl -u`.

use std::ops::Range;

use super::alphabet::*;
use super::assignment;
use super::cursor::Cursor;
use super::entropy::{kinds, looks_random};
use super::marker;
use super::placeholder::{JUDGED_BYTES_MAX, is_variable};

/// How far before an option the name of its command may be, in bytes.
const COMMAND_BYTES_MAX: usize = 1536;
/// The maximum length of a password in a command or a line of a file.
const PASSWORD_BYTES_MAX: usize = 256;
/// The maximum length of a cookie. Of a longer one, only this many bytes are redacted.
const COOKIE_BYTES_MAX: usize = 8192;

/// An option of a command whose value is a password.
struct Opt {
    /// The option, with the blank before it.
    text: &'static [u8],
    commands: &'static [&'static [u8]],
    /// True if the value begins with a user and a colon.
    has_user: bool,
    /// True if a blank or `=` can be between the option and its value, and if one of them has to be there.
    is_apart: (bool, bool),
}

/// `mysql -p VALUE` asks for the password, and the value is the name of a database.
const OPTIONS: [Opt; 5] = [
    Opt { text: b" -u", commands: &[b"curl"], has_user: true, is_apart: (true, false) },
    Opt { text: b" --user", commands: &[b"curl"], has_user: true, is_apart: (true, true) },
    Opt { text: b" -p", commands: &[b"sshpass"], has_user: false, is_apart: (true, false) },
    Opt { text: b" -p", commands: &[b"mysql", b"mariadb"], has_user: false, is_apart: (false, false) },
    Opt { text: b" -a", commands: &[b"redis-cli"], has_user: false, is_apart: (true, true) },
];

/// Returns the option at `at` if its command has a password as its value, and whether a user comes before the password.
fn option_at(cursor: &Cursor<'_>, at: usize) -> Option<(usize, bool)> {
    let before = cursor.text.get(at.saturating_sub(COMMAND_BYTES_MAX)..at)?;
    let line = before.rsplit(|byte| matches!(byte, b'\n' | b';' | b'|')).next()?;
    let is_there = |command: &&[u8]| line.windows(command.len()).any(|part| part == *command);
    let option = OPTIONS.iter().find(|option| {
        let end = at + option.text.len();
        let is_apart = matches!(cursor.byte(end), b' ' | b'=');
        let (can, must) = option.is_apart;
        cursor.has(at, option.text) && (is_apart && can || !is_apart && !must) && option.commands.iter().any(is_there)
    })?;
    Some((at + option.text.len(), option.has_user))
}

/// Returns true if the text may have a password as the value of the option at `at`.
pub(super) fn option_hint(cursor: &Cursor<'_>, at: usize) -> bool {
    option_at(cursor, at).is_some()
}

/// Returns the value of the option at `at` if it has a password.
pub(super) fn of_option(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let (end, has_user) = option_at(cursor, at)?;
    let mut start = end;
    while matches!(cursor.byte(start), b' ' | b'=' | b'\\') && start < end + 4 {
        start += 1;
    }
    let quote = Some(cursor.byte(start)).filter(|byte| matches!(byte, b'"' | b'\''));
    start += usize::from(quote.is_some());
    let rest = cursor.text.get(start..)?;
    let is_end = |byte: &u8| match quote {
        Some(quote) => *byte == quote || *byte == b'\\' || byte.is_ascii_control(),
        None => byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\') || byte.is_ascii_control(),
    };
    // A longer value is not a password.
    let len = rest.iter().take(PASSWORD_BYTES_MAX + 1).position(is_end).unwrap_or(rest.len());
    let value = rest.get(..len).filter(|value| value.len() <= PASSWORD_BYTES_MAX)?;
    let user = if has_user { colon(value)? + 1 } else { 0 };
    let password = &value[user..];
    // `-u 1000:1000` has ids, and `-p3306:3306` ports.
    let is_number = password.iter().all(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.'));
    let is_secret = if has_user {
        user > 1 && password.len() >= 4 && !password.starts_with(b"/")
    } else {
        password.len() >= 6 && (kinds(password) >= 2 || password.len() >= 16) && !password.starts_with(b"-")
    };
    // The name of the user can be a token, so it is a part of the secret.
    let is_found = is_secret && !is_number && !has_marker(password) && !is_variable(password);
    is_found.then_some(start..start + value.len())
}

/// Returns the first bytes of a text, at most `max`. Does not cut a character, because a range that ends in a
/// character cannot be replaced.
fn at_most(text: &[u8], max: usize) -> &[u8] {
    let is_inside = |end: &usize| text.get(*end).is_some_and(|byte| matches!(byte, 0x80..=0xbf));
    let end = (0..=max.min(text.len())).rev().find(|end| !is_inside(end)).unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// Returns true if the value has a marker, because it was redacted before.
fn has_marker(value: &[u8]) -> bool {
    value.windows(marker::START.len()).any(|part| part == marker::START)
}

/// Returns the offset of the colon after the name of a user. The colons of a marker in the name do not count.
fn colon(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = value.get(at..)?;
        at += match rest {
            [b':', ..] => return Some(at),
            _ if rest.starts_with(marker::START) => rest.iter().position(|byte| *byte == b']')? + 1,
            [_, ..] => 1,
            [] => return None,
        };
    }
}

/// Returns the value of the header `Cookie` or `Set-Cookie` whose name is at `at`, if a cookie in it looks random. The
/// attributes of a `Set-Cookie` are not a part of it.
pub(super) fn cookie(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has_word(at, "cookie") {
        return None;
    }
    let (start, quote) = assignment::separator(cursor, at + 6, false)?;
    let rest = cursor.text.get(start..)?;
    let rest = at_most(rest, COOKIE_BYTES_MAX);
    let is_set = at >= 4 && cursor.has_word(at - 4, "set-");
    let is_end = |byte: &u8| {
        byte.is_ascii_control()
            || matches!(byte, b'"' | b'\'' | b'\\')
            || quote == Some(*byte)
            || is_set && *byte == b';'
    };
    let value = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
    let is_random = |pair: &[u8]| {
        let Some(sign) = pair.iter().position(|byte| *byte == b'=') else { return false };
        let value = &pair[sign + 1..];
        let value = value.get(..JUDGED_BYTES_MAX).unwrap_or(value);
        value.len() >= 16 && looks_random(value) && !has_marker(value) && !value.contains(&b' ') && !is_variable(value)
    };
    value.split(|byte| *byte == b';').any(is_random).then_some(start..start + value.len())
}

/// Returns the password in a line of `.pgpass`, such as `host:5432:database:user:PASSWORD`. The port is at `at`.
pub(super) fn pgpass(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b":5432:") || cursor.run_start(URL_DOTS.with("*"), at, 64) == at {
        return None;
    }
    let name = URL_DOTS.with("*");
    let database = cursor.run_end(name, at + 6);
    let user = cursor.run_end(name, database + 1);
    if database == at + 6 || user == database + 1 || cursor.byte(database) != b':' || cursor.byte(user) != b':' {
        return None;
    }
    let start = user + 1;
    let end = cursor.run_end(PASSWORD.with("&;,"), start);
    let password = cursor.text.get(start..end)?;
    (password.len() >= 6 && kinds(password) >= 2 && !is_variable(password)).then_some(start..end)
}

/// Returns the password of a URL that is percent-encoded, such as `https%3A%2F%2Fuser%3APASSWORD%40host`. The `%3A` of
/// the scheme is at `at`.
pub(super) fn in_encoded_url(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    const SIGN: &str = "%3a%2f%2f";
    if !cursor.has_word(at, SIGN) || cursor.run_start(ALNUM, at, 16) == at {
        return None;
    }
    let start = at + SIGN.len();
    let end = cursor.run_end(TOKEN.with("!*()"), start).min(start + PASSWORD_BYTES_MAX);
    let authority = cursor.text.get(start..end)?;
    let find = |sign: &[u8]| authority.windows(3).position(|part| part.eq_ignore_ascii_case(sign));
    let (colon, host) = (find(b"%3a")?, find(b"%40")?);
    if find(b"%2f").is_some_and(|slash| slash < host) || colon + 3 >= host {
        return None;
    }
    (!is_variable(&authority[colon + 3..host])).then_some(start + colon + 3..start + host)
}

/// Returns the signature of a presigned URL, such as `X-Amz-Signature=…`. `ignature` is at `at + 1`.
pub(super) fn presigned(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let start = at + "signature=".len();
    let is_presigned = cursor.has_word(at, "signature=")
        && ["x-amz-", "x-goog-"].iter().any(|before| at >= before.len() && cursor.has_word(at - before.len(), before));
    let end = cursor.run_end(HEX, start);
    (is_presigned && end - start >= 32).then_some(start..end)
}
