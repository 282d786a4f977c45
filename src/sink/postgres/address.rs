//! What a database's address says of TLS. It is taken out of the address, since the client's own parser knows less.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Never,
    /// When the server offers it, whoever it is.
    Offered,
    /// Always, and the certificate must be valid for the host.
    Checked,
}

/// `sslmode` and `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) mode: Mode,
    /// The certificates that are trusted; `None`: those that the system trusts.
    pub(super) root: Option<PathBuf>,
}

impl Security {
    /// Whether that makes sense, and this build can do it.
    pub(super) fn check(&self, tls_is_built_in: bool) -> Result<()> {
        if !tls_is_built_in && (self.mode == Mode::Checked || self.root.is_some()) {
            return Err(refused(
                "it asks for TLS (sslmode=require or verify-full, sslrootcert), which this build is without: build it \
                 with --features postgres-tls",
            ));
        }
        if self.mode != Mode::Checked && self.root.is_some() {
            return Err(refused(
                "it names an sslrootcert, and without sslmode=require or sslmode=verify-full no certificate is checked",
            ));
        }
        Ok(())
    }
}

pub(super) fn refused(detail: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read the database's address").detail(detail)
}

/// Without a word of the address, which may be a piece of the password.
pub(super) fn malformed() -> Error {
    refused(
        "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / ? # and % in the password written as %40 %3A \
         %2F %3F %23 and %25, or words such as host=HOST user=USER; a word that is not known is refused",
    )
}

/// The address without what it says of TLS, and that. Of a word that is there twice the last one counts.
pub(super) fn split(address: &str) -> Result<(String, Security)> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| address.starts_with(scheme));
    let found = scheme.map_or_else(|| split_words(address), |scheme| split_url(address, scheme.len()));
    let (rest, words) = found.ok_or_else(malformed)?;
    let mut security = Security { mode: Mode::Offered, root: None };
    for (key, value) in words {
        match (key, value.as_str()) {
            (Key::Mode, "disable") => security.mode = Mode::Never,
            (Key::Mode, "prefer") => security.mode = Mode::Offered,
            (Key::Mode, "require" | "verify-full") => security.mode = Mode::Checked,
            (Key::Mode, _) => {
                return Err(refused("expected sslmode to be disable, prefer, require or verify-full, found another"));
            }
            (Key::Root, path) => security.root = Some(path.into()),
        }
    }
    Ok((rest, security))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Mode,
    Root,
}

impl Key {
    fn of(word: &str) -> Option<Self> {
        match word {
            "sslmode" => Some(Self::Mode),
            "sslrootcert" => Some(Self::Root),
            _ => None,
        }
    }
}

type Words = Vec<(Key, String)>;

/// `None`: what it says of TLS is no text.
fn split_url(address: &str, scheme: usize) -> Option<(String, Words)> {
    // As the client finds it: the host begins behind the first @, if there is one.
    let host = address.find('@').map_or(scheme, |at| at + 1);
    let Some(query) = address[host..].find('?').map(|at| host + at + 1) else {
        return Some((address.to_owned(), Words::new()));
    };
    let (mut kept, mut words, mut rest) = (Vec::new(), Words::new(), &address[query..]);
    while !rest.is_empty() {
        // A key ends at its =, wherever that is; one without a value is the client's to refuse.
        let Some(equals) = rest.find('=') else {
            kept.push(rest);
            break;
        };
        let end = rest[equals..].find('&').map_or(rest.len(), |at| equals + at);
        match Key::of(&decoded(&rest[..equals])?) {
            Some(key) => words.push((key, decoded(&rest[equals + 1..end])?)),
            None => kept.push(&rest[..end]),
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Some((address[..query].to_owned() + &kept.join("&"), words))
}

/// What `%` and two digits stand for. A `%` without them stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| (*byte as char).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// `None`: it is no list of `key = value`.
fn split_words(address: &str) -> Option<(String, Words)> {
    let (mut kept, mut words, mut rest) = (Vec::new(), Words::new(), address);
    while !rest.trim_start().is_empty() {
        let (key, value, behind) = word(rest)?;
        match Key::of(key) {
            Some(key) => words.push((key, value)),
            None => kept.push(rest[..rest.len() - behind.len()].trim_start()),
        }
        rest = behind;
    }
    Some((kept.join(" "), words))
}

/// The first `key = value`, and what is behind it. A value may stand in quotes, and a backslash before any character.
fn word(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start();
    let (key, rest) = text.split_at(text.find(|c: char| c == '=' || c.is_whitespace())?);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quoted = rest.strip_prefix('\'');
    let mut value = String::new();
    let mut chars = quoted.unwrap_or(rest).chars();
    let behind = loop {
        let before = chars.as_str();
        match chars.next() {
            Some('\'') if quoted.is_some() => break chars.as_str(),
            Some(c) if quoted.is_none() && c.is_whitespace() => break before,
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
            None if quoted.is_none() => break before,
            None => return None,
        }
    };
    (!key.is_empty()).then_some((key, value, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> (String, Mode, Option<String>) {
        let (rest, Security { mode, root }) = split(address).unwrap();
        (rest, mode, root.map(|path| path.to_str().unwrap().to_owned()))
    }

    #[test]
    fn both_words_are_taken_out_of_a_url() {
        let root = Some("/ca root/é&.pem".to_owned());
        for (address, rest, mode, root) in [
            ("postgres://h/d", "postgres://h/d", Mode::Offered, None),
            ("postgresql://h?sslmode=disable", "postgresql://h?", Mode::Never, None),
            ("postgres://u:p?w@h/d?sslmode=prefer&port=1", "postgres://u:p?w@h/d?port=1", Mode::Offered, None),
            (
                "postgres://h/d?port=1&ssl%6dode=require&user=sslmode",
                "postgres://h/d?port=1&user=sslmode",
                Mode::Checked,
                None,
            ),
            (
                "postgres://h/d?sslrootcert=/ca%20root/%C3%a9%26.pem&x=y&sslmode=verify-full",
                "postgres://h/d?x=y",
                Mode::Checked,
                root,
            ),
            // The last one counts; a value with a = in it; a % without digits; what the client will refuse.
            ("postgres://h?sslmode=require&sslmode=disable", "postgres://h?", Mode::Never, None),
            (
                "postgres://h?options=-c%20a=b&sslrootcert=a=b%zz",
                "postgres://h?options=-c%20a=b",
                Mode::Offered,
                Some("a=b%zz".into()),
            ),
            ("postgres://h?sslmode=require&secret", "postgres://h?secret", Mode::Checked, None),
            ("postgres://h?secret&sslmode=require", "postgres://h?secret&sslmode=require", Mode::Offered, None),
        ] {
            assert_eq!(found(address), (rest.to_owned(), mode, root), "{address}");
        }
    }

    #[test]
    fn both_words_are_taken_out_of_a_list() {
        for (address, rest, mode, root) in [
            ("host=h", "host=h", Mode::Offered, None),
            (" host = h  sslmode = require\tuser=u ", "host = h user=u", Mode::Checked, None),
            ("user=a sslmode='disable'host=h", "user=a host=h", Mode::Never, None),
            (
                r"password='it\'s sslmode=require' sslrootcert='/a b/\\c\'.pem'",
                r"password='it\'s sslmode=require'",
                Mode::Offered,
                Some(r"/a b/\c'.pem"),
            ),
            (r"password=a\ b\'c sslrootcert=a\ b sslmode=verify-full", r"password=a\ b\'c", Mode::Checked, Some("a b")),
            ("sslmode=verify-full sslmode=prefer", "", Mode::Offered, None),
        ] {
            assert_eq!(found(address), (rest.to_owned(), mode, root.map(str::to_owned)), "{address}");
        }
    }

    #[test]
    fn a_build_without_tls_refuses_what_asks_for_it_and_names_the_feature() {
        let refusal = |address: &str, is_built_in| {
            split(address).unwrap().1.check(is_built_in).err().map_or_else(String::new, |error| error.to_string())
        };
        for words in ["sslmode=require", "sslmode=verify-full", "sslrootcert=f", "sslrootcert=f sslmode=require"] {
            assert!(refusal(words, false).ends_with("with --features postgres-tls"), "{words}");
            assert_eq!(refusal(words, true).is_empty(), words.contains("sslmode"), "{words}");
        }
        for words in ["host=h", "sslmode=disable", "sslmode=prefer"] {
            assert_eq!((refusal(words, false), refusal(words, true)), Default::default(), "{words}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_and_not_repeated() {
        for address in [
            "secret",
            "=secret",
            "host=h secret",
            "host='secret",
            "host=h =secret sslmode=require",
            "postgres://h?sslrootcert=%ffsecret",
        ] {
            assert_eq!(split(address).unwrap_err().to_string(), malformed().to_string(), "{address}");
        }
        for mode in ["allow", "verify-ca", "secret", ""] {
            assert_eq!(
                split(&format!("postgres://h?sslmode={mode}")).unwrap_err().to_string(),
                "cannot read the database's address: expected sslmode to be disable, prefer, require or verify-full, found another"
            );
        }
    }
}
