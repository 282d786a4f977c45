//! Secrets that a prefix alone does not describe, such as passwords in URLs.

use std::ops::Range;

use super::alphabet::*;
use super::assignment;
use super::cursor::Cursor;
use super::entropy::looks_random;
use super::marker::end_of_marker;
use super::placeholder::{JUDGED_BYTES_MAX, is_mixed, is_variable};
use super::places;

/// The maximum length of the user and the password in a URL.
const USERINFO_BYTES_MAX: usize = 1024;
/// The maximum length of a private key in a text. Of a longer key, only this many bytes are redacted.
const PEM_BYTES_MAX: usize = 16 * 1024;

/// A form of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `scheme://user:PASSWORD@host`
    UrlPassword,
    /// A private key between `-----BEGIN … PRIVATE KEY-----` and `-----END … PRIVATE KEY-----`.
    PrivateKey,
    /// A JSON Web Token: up to five parts with dots between them. A token of two parts has a second part that begins
    /// with `eyJ`.
    Jwt,
    /// `Authorization: SCHEME CREDENTIALS`
    Authorization,
    /// `Bearer TOKEN`, without the name of the header.
    Bearer,
    /// `Basic CREDENTIALS`, without the name of the header.
    Basic,
    /// A token of a Telegram bot, such as `123456789:AA…`.
    Telegram,
    /// A client secret of Azure, which has `Q~` after its first four characters.
    AzureClientSecret,
    /// The signature in the URL of an Azure storage: `sig=…`.
    AzureSignature,
    /// A key of Mailchimp, such as `…-us12`.
    Mailchimp,
    /// A key of Mailgun: `key-` and 32 hex digits.
    Mailgun,
    /// A token of HCP Terraform, with `.atlasv1.` after its first 14 characters.
    Terraform,
    /// A token of Airtable: `pat`, 14 characters, a dot, and at least 40 hex digits.
    Airtable,
    /// The password in an option of a command, such as `curl -u USER:PASSWORD`.
    Option,
    /// `Cookie: NAME=VALUE`
    Cookie,
    /// A line of `.pgpass`.
    Pgpass,
    /// A percent-encoded URL with a password.
    EncodedUrl,
    /// The signature of a presigned URL: `X-Amz-Signature=…`.
    Presigned,
    /// `name = VALUE`, where the name says that the value is a secret.
    Assignment,
}

/// For each shape, the groups of three bytes with which its literals begin.
pub(super) static SHAPES: &[(&[&[u8; 3]], Shape)] = &[
    (&[b"://", b":\\/", b":\\\\"], Shape::UrlPassword),
    (&[b"---"], Shape::PrivateKey),
    (&[b"eyJ"], Shape::Jwt),
    (&[b"aut"], Shape::Authorization),
    (&[b"bea"], Shape::Bearer),
    (&[b"bas"], Shape::Basic),
    (&[b":AA"], Shape::Telegram),
    (&[b"0Q~", b"1Q~", b"2Q~", b"3Q~", b"4Q~", b"5Q~", b"6Q~", b"7Q~", b"8Q~", b"9Q~"], Shape::AzureClientSecret),
    (&[b"sig"], Shape::AzureSignature),
    (&[b"-us"], Shape::Mailchimp),
    (&[b"key"], Shape::Mailgun),
    (&[b".at"], Shape::Terraform),
    (&[b"pat"], Shape::Airtable),
    (&[b" -u", b" --", b" -p", b" -a"], Shape::Option),
    (&[b"coo"], Shape::Cookie),
    (&[b":54"], Shape::Pgpass),
    (&[b"%3a"], Shape::EncodedUrl),
    (&[b"sig"], Shape::Presigned),
    (&[b"tok", b"sec", b"pas", b"pwd", b"key", b"aut", b"cre"], Shape::Assignment),
];

impl Shape {
    /// Returns the secret of this shape whose literal is at `at`, and the name of its rule.
    pub(super) fn find(self, cursor: &mut Cursor<'_>, at: usize) -> Option<(&'static str, Range<usize>)> {
        Some(match self {
            Self::UrlPassword => ("url-password", password_in_url(cursor, at)?),
            Self::PrivateKey => ("private-key", private_key(cursor, at)?),
            Self::Jwt => ("jwt", jwt(cursor, at)?),
            Self::Authorization => ("authorization", authorization(cursor, at)?),
            Self::Bearer => ("authorization", bearer(cursor, at)?),
            Self::Basic => ("authorization", basic(cursor, at)?),
            Self::Telegram => ("telegram-token", telegram(cursor, at)?),
            Self::AzureClientSecret => ("azure-client-secret", azure_client_secret(cursor, at)?),
            Self::AzureSignature => ("azure-signature", azure_signature(cursor, at)?),
            Self::Mailchimp => ("mailchimp-key", mailchimp(cursor, at)?),
            Self::Mailgun => ("mailgun-key", mailgun(cursor, at)?),
            Self::Terraform => ("terraform-token", terraform(cursor, at)?),
            Self::Airtable => ("airtable-token", airtable(cursor, at)?),
            Self::Option => ("password", places::of_option(cursor, at)?),
            Self::Cookie => ("cookie", places::cookie(cursor, at)?),
            Self::Pgpass => ("password", places::pgpass(cursor, at)?),
            Self::EncodedUrl => ("url-password", places::in_encoded_url(cursor, at)?),
            Self::Presigned => ("url-signature", places::presigned(cursor, at)?),
            Self::Assignment => assignment::find(cursor, at)?,
        })
    }

    /// Returns true if the secret is the value of a name or of a header, or the password in a URL. Such a secret can be
    /// a token that another rule finds too.
    pub(super) fn is_value(self) -> bool {
        matches!(self, Self::UrlPassword | Self::Authorization | Self::Bearer | Self::Assignment)
    }

    /// Returns true if the secret can be recognised without the text around it.
    pub(super) fn is_token(self) -> bool {
        matches!(
            self,
            Self::Jwt
                | Self::Telegram
                | Self::AzureClientSecret
                | Self::Mailchimp
                | Self::Mailgun
                | Self::Terraform
                | Self::Airtable
        )
    }

    /// Returns false only if no text in the JSON has a secret of this shape at `at`. The JSON can have more backslashes
    /// than the text.
    pub(super) fn hint(self, cursor: &mut Cursor<'_>, at: usize) -> bool {
        match self {
            Self::UrlPassword => {
                let rest = cursor.text.get(at + 1..).unwrap_or_default();
                let rest = rest.get(..USERINFO_BYTES_MAX).unwrap_or(rest);
                let slashes = rest.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
                let end = |byte: &u8| matches!(byte, b' ' | b'"') || byte.is_ascii_control();
                slashes > 1 && rest[slashes..].iter().take_while(|byte| !end(byte)).any(|byte| *byte == b'@')
            }
            Self::PrivateKey => cursor.has(at, b"-----BEGIN "),
            Self::Authorization => cursor.has_word(at, "authorization"),
            Self::Assignment => assignment::hint(cursor, at),
            Self::Option => places::option_hint(cursor, at),
            Self::Cookie => cursor.has_word(at, "cookie"),
            _ => self.find(cursor, at).is_some(),
        }
    }
}

fn password_in_url(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let slashes: &[u8] = if cursor.has(at, b"://") { b"://" } else { b":\\/\\/" };
    if !cursor.has(at, slashes) || cursor.run_start(ALNUM.with("+.-"), at, 32) == at {
        return None;
    }
    let start = at + slashes.len();
    let rest = cursor.text.get(start..)?;
    let rest = rest.get(..USERINFO_BYTES_MAX).unwrap_or(rest);
    let is_end =
        |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\') || byte.is_ascii_control();
    let word = rest.iter().position(is_end).unwrap_or(rest.len());
    let authority = rest[..word].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(word);
    // If the user was redacted before, the marker of the user has colons.
    let user = end_of_marker(rest, 0).unwrap_or(0);
    let colon = rest[..authority].iter().skip(user).position(|byte| *byte == b':').map(|colon| user + colon);
    let sign = match rest[..authority].iter().rposition(|byte| *byte == b'@') {
        Some(sign) => sign,
        // A port has only digits. So the text after the colon is the start of a password, and the `/`, `?` or `#` after
        // it belongs to the password.
        None if rest[colon? + 1..authority].iter().any(|byte| !byte.is_ascii_digit()) && !rest.starts_with(b"[") => {
            rest[..word].iter().position(|byte| *byte == b'@')?
        }
        None => return None,
    };
    let host = rest.get(sign + 1).copied().unwrap_or(0);
    if !(ALNUM.has(host) || matches!(host, b'[' | b'$' | b'{' | b'<' | b'_' | b'.') || host >= 0x80) {
        return None;
    }
    match colon.filter(|colon| *colon < sign) {
        Some(colon) => {
            let password = colon + 1..sign;
            (!is_variable(&rest[password.clone()])).then_some(start + password.start..start + password.end)
        }
        // Without a password, the user can be a token.
        None => (sign >= 16 && looks_random(&rest[..sign.min(JUDGED_BYTES_MAX)])).then_some(start..start + sign),
    }
}

fn private_key(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const KEY: &[u8] = b"PRIVATE KEY";
    if !cursor.has(at, BEGIN) {
        return None;
    }
    let label = cursor.run_end(UPPER.with(" "), at + BEGIN.len());
    let words = cursor.text.get(at..label)?;
    if label - at > 80 || !words.windows(KEY.len()).any(|part| part == KEY) || !cursor.has(label, b"-----") {
        return None;
    }
    let start = label + 5;
    let rest = cursor.text.get(start..)?;
    let near = rest.iter().take(400).take_while(|byte| is_in_pem(**byte)).count();
    let content = rest[..near].iter().filter(|byte| BASE64.has(**byte)).count();
    let window = rest.get(..PEM_BYTES_MAX).unwrap_or(rest);
    let end = window.windows(9).position(|part| part[0] == b'-' && part == b"-----END ");
    let end = end.and_then(|end| {
        let after = window.get(end + 9..)?;
        let close = after.iter().take(80).position(|byte| *byte == b'-')?;
        Some(end + 9 + close + after[close..].iter().take_while(|byte| **byte == b'-').count().min(5))
    });
    // If the key has no end, at least one line of it must follow. The words of a sentence are shorter than such a line.
    let has_line = || rest[..near].split(|byte| !BASE64.has(*byte)).any(|line| line.len() >= 16 && is_mixed(line));
    if !cursor.is_cut(start + near) && (content < 16 || end.is_none() && !has_line()) {
        return None;
    }
    let end = end.unwrap_or_else(|| window.iter().take_while(|byte| is_in_pem(**byte)).count());
    Some(at..start + end)
}

/// Returns true if a private key may have this byte, which can belong to base64, a line break, its escape or a header.
fn is_in_pem(byte: u8) -> bool {
    BASE64.has(byte) || matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'\\' | b':' | b',' | b'-')
}

fn jwt(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b"eyJ") || !cursor.begins(at) {
        return None;
    }
    let mut end = cursor.run_end(URL, at);
    if end - at < 10 || cursor.byte(end) != b'.' {
        return None;
    }
    let has_object = cursor.has(end + 1, b"eyJ");
    let mut parts = 1;
    while parts < 5 && cursor.byte(end) == b'.' {
        let next = cursor.run_end(URL, end + 1);
        // The second part of an encrypted token may be empty.
        if next == end + 1 && !(parts == 1 && ALNUM.has(cursor.byte(next + 1))) {
            break;
        }
        end = next;
        parts += 1;
    }
    (end - at >= 24 && (parts > 2 || parts == 2 && has_object)).then_some(at..end)
}

/// Returns the credentials after the name `Authorization`.
fn authorization(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    const NAME: &str = "authorization";
    const SCHEMES: [&str; 8] = ["bearer", "basic", "token", "apikey", "api-key", "bot", "negotiate", "ntlm"];
    if !cursor.has_word(at, NAME) {
        return None;
    }
    let (start, _) = assignment::separator(cursor, at + NAME.len(), false)?;
    let scheme =
        SCHEMES.into_iter().find(|scheme| cursor.has_word(start, scheme) && cursor.byte(start + scheme.len()) == b' ');
    let value = start + scheme.map_or(0, |scheme| scheme.len() + 1);
    let end = end_of_token(cursor, value);
    let token = cursor.text.get(value..end.min(value + JUDGED_BYTES_MAX))?;
    let is_secret = if scheme.is_some() { token.len() >= 8 } else { token.len() >= 16 && looks_random(token) };
    (is_secret && !is_variable(token)).then_some(value..end)
}

/// Returns the end of the token at `at`, without the punctuation after it.
fn end_of_token(cursor: &mut Cursor<'_>, at: usize) -> usize {
    let end = cursor.run_end(TOKEN.with(":"), at);
    cursor.without_punctuation(at, end, b".:%")
}

fn bearer(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has_word(at, "bearer ") || !cursor.begins(at) {
        return None;
    }
    let start = at + 7;
    let end = end_of_token(cursor, start);
    let token = cursor.text.get(start..end.min(start + JUDGED_BYTES_MAX))?;
    (token.len() >= 16 && looks_random(token) && !is_variable(token)).then_some(start..end)
}

fn basic(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has_word(at, "basic ") || !cursor.begins(at) {
        return None;
    }
    let start = at + 6;
    let end = cursor.run_end(BASE64, start);
    let credentials = cursor.text.get(start..end.min(start + JUDGED_BYTES_MAX))?;
    (credentials.len() >= 8 && is_user_and_password(credentials)).then_some(start..end)
}

/// Returns true if the base64 is `user:password` in ASCII.
fn is_user_and_password(base64: &[u8]) -> bool {
    let digits = base64.strip_suffix(b"==").or(base64.strip_suffix(b"=")).unwrap_or(base64);
    let (mut bits, mut count, mut colon) = (0_u32, 0, false);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = (bits >> count) as u8;
            if !(0x20..0x7f).contains(&byte) {
                return false;
            }
            colon |= byte == b':';
        }
    }
    colon
}

fn telegram(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b":AA") {
        return None;
    }
    let start = cursor.run_start(Alphabet::of("0123456789"), at, 12);
    let end = cursor.run_end(URL, at + 1);
    let is_token = (6..=11).contains(&(at - start)) && (33..=40).contains(&(end - at - 1));
    (is_token && looks_random(cursor.text.get(at + 3..end)?)).then_some(start..end)
}

fn azure_client_secret(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let characters = URL.with("~.");
    if !cursor.has(at + 1, b"Q~") {
        return None;
    }
    let start = cursor.token_start(characters, at, 3)?;
    let end = cursor.run_end(characters, at + 3);
    let end = cursor.without_punctuation(at + 3, end, b".");
    (30..=40).contains(&(end - at - 3)).then_some(start..end)
}

fn azure_signature(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b"sig=") || !matches!(cursor.before(at), Some(b'?' | b'&' | b';')) {
        return None;
    }
    let start = at + 4;
    let end = cursor.run_end(BASE64.with("%-_"), start);
    let signature = cursor.text.get(start..end.min(start + JUDGED_BYTES_MAX))?;
    (signature.len() >= 40 && looks_random(signature)).then_some(start..end)
}

fn mailchimp(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let start = cursor.token_start(HEX, at, 32)?;
    let end = cursor.run_end(Alphabet::of("0123456789"), at + 3);
    let fits = cursor.has(at, b"-us") && (1..=2).contains(&(end - at - 3));
    (fits && !ALNUM.has(cursor.byte(end))).then_some(start..end)
}

fn mailgun(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    let end = cursor.run_end(HEX, at + 4);
    let fits = cursor.has(at, b"key-") && end - at == 36 && !URL.has(cursor.byte(end));
    (fits && cursor.begins(at) && !matches!(cursor.before(at), Some(b'-' | b'_'))).then_some(at..end)
}

fn terraform(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b".atlasv1.") {
        return None;
    }
    let start = cursor.token_start(ALNUM, at, 14)?;
    let end = cursor.run_end(URL, at + 9);
    (end - at >= 40).then_some(start..end)
}

fn airtable(cursor: &mut Cursor<'_>, at: usize) -> Option<Range<usize>> {
    if !cursor.has(at, b"pat") || !cursor.begins(at) {
        return None;
    }
    let dot = cursor.run_end(ALNUM, at);
    if dot - at != 17 || cursor.byte(dot) != b'.' {
        return None;
    }
    let end = cursor.run_end(HEX, dot + 1);
    (end - dot > 40).then_some(at..end)
}
