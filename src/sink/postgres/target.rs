//! Reads the address of the database, and opens connections to the database.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::client::{Client, Config, Failed, Host, NoTls, SslMode, SslNegotiation};
use super::{SinkOptions, tls};
use crate::error::{Error, ErrorKind, Result};

/// The database that an address names, with the user and the password.
pub(super) struct Target {
    config: Config,
    /// The file with the trusted certificates, or `None` if the certificates of the system are trusted.
    root: Option<PathBuf>,
    /// The password in two forms, the longer form first: decoded, and as it is written in the address. Both forms must
    /// be removed from errors.
    secrets: Vec<String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// Reads an address, which is a URL such as `postgres://user:password@host:5432/database`, or a list such as
    /// `host=… user=… password=…`.
    pub(super) fn parse(address: &str, tls_is_built_in: bool) -> Result<Self> {
        let (known, mut root) = split(address)?;
        // The parser's error is not used, since it may contain a part of the password.
        let mut config: Config = known.parse().map_err(|_| malformed())?;
        if config.get_ssl_negotiation() == SslNegotiation::Direct {
            return Err(refused("found sslnegotiation=direct, which is not supported"));
        }
        // If an @ in the password was not written as %40, the parser takes the text after this @ as a part of the host.
        // So a host with an @ may contain a part of the password, and must not be looked up or printed.
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(malformed());
        }
        // A certificate must be valid for the host. If there is no host, the IP address is used as the host.
        if config.get_hosts().is_empty() {
            for host in config.get_hostaddrs().to_vec() {
                config.host(host.to_string());
            }
        }
        // Clients of PostgreSQL do not encrypt connections over a local socket.
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
            root = None;
        }
        let is_checked = config.get_ssl_mode() == SslMode::Require;
        if !tls_is_built_in && (is_checked || root.is_some()) {
            return Err(refused(
                "found sslmode=require, sslmode=verify-full or sslrootcert; expected none of them, since this build is \
                 without TLS. Build it with --features postgres-tls",
            ));
        }
        if !is_checked && root.is_some() {
            return Err(refused(
                "found sslrootcert; expected sslmode=require or sslmode=verify-full with it, since no certificate is \
                 checked without them",
            ));
        }
        config.keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("runledger");
        }
        let secrets = secrets(address, &config);
        Ok(Self { config, root, secrets })
    }

    pub(super) fn connect(&self, options: &SinkOptions) -> Result<Client, Failed> {
        let mut config = self.config.clone();
        config.connect_timeout(options.connect_timeout);
        // Each host may take the whole timeout to accept the connection. The host that accepts the connection may take
        // the same time again for TLS and authentication.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
        let limit = options.connect_timeout.saturating_mul(hosts.saturating_add(1));
        let mut client = if config.get_ssl_mode() == SslMode::Disable {
            Client::connect(&config, &NoTls, limit, &self.secrets, |_| None)
        } else {
            let connector = tls::connector(config.get_ssl_mode() == SslMode::Require, self.root.as_deref())?;
            Client::connect(&config, &connector, limit, &self.secrets, |failure| tls::explained(&connector, failure))
        }?;
        client.limit_statements(options.statement_timeout)?;
        Ok(client)
    }
}

fn refused(detail: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read the database's address").detail(detail)
}

/// Returns the error for an address that cannot be read. The error contains no part of the address, because every part
/// may belong to the password.
fn malformed() -> Error {
    refused(
        "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / ? # and % in the password written as %40 %3A \
         %2F %3F %23 and %25, or a list such as host=HOST user=USER, without unknown keys",
    )
}

/// Returns the address in a form that the client crate supports, and the file of `sslrootcert`. The client crate
/// supports neither `sslrootcert`, which is removed, nor `sslmode=verify-full`, which is replaced by `require`.
fn split(address: &str) -> Result<(String, Option<PathBuf>)> {
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    // As in the client crate, the host begins after the first @.
    let host = address.find('@').map_or(0, |at| at + 1);
    let query = address[host..].find('?').map_or(address.len(), |at| host + at + 1);
    let (known, mut rest) = address.split_at(if is_url { query } else { 0 });
    let (mut known, mut root) = (known.to_owned(), None);
    let decoded = |text: &str| decoded(text, is_url).ok_or_else(malformed);
    while !rest.is_empty() {
        let (key, value, behind) = parameter(rest, is_url).ok_or_else(malformed)?;
        rest = behind;
        let value = match decoded(key)?.as_str() {
            "sslrootcert" => {
                root = Some(decoded(value)?.into());
                continue;
            }
            "sslmode" => match decoded(value)?.as_str() {
                "verify-full" => "require",
                "disable" | "prefer" | "require" => value,
                _ => {
                    return Err(refused(
                        "found an unknown sslmode; expected sslmode to be disable, prefer, require or verify-full",
                    ));
                }
            },
            _ => value,
        };
        known += &format!("{key}={value}{}", if is_url { '&' } else { ' ' });
    }
    Ok((known, root))
}

/// Returns the first key of `text`, its value, and the text after the value. The key and the value are still encoded.
/// Returns `None` if `text` has no `=`.
fn parameter(text: &str, is_url: bool) -> Option<(&str, &str, &str)> {
    let (key, rest) = text.split_once('=')?;
    if is_url {
        let (value, behind) = rest.split_once('&').unwrap_or((rest, ""));
        return Some((key, value, behind));
    }
    let rest = rest.trim_start();
    let is_quoted = rest.starts_with('\'');
    let mut is_escaped = false;
    let end = rest.char_indices().skip(usize::from(is_quoted)).find(|&(_, c)| {
        let ends = !is_escaped && if is_quoted { c == '\'' } else { c.is_whitespace() };
        is_escaped = !is_escaped && c == '\\';
        ends
    });
    let (value, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at + usize::from(is_quoted)));
    Some((key, value, behind.trim_start()))
}

/// Decodes a key or a value as the client crate does. To do so, passes `text` to the client crate as the name of a
/// database, and returns the name that the client crate read.
fn decoded(text: &str, is_url: bool) -> Option<String> {
    let begin = if is_url { "postgres://@?dbname=" } else { "dbname=" };
    let config: Config = format!("{begin}{text}").parse().ok()?;
    config.get_dbname().map(str::to_owned)
}

/// Returns the password in two forms, the longer form first: decoded, and as it is written in the URL. Returns one form
/// if both are equal.
fn secrets(url: &str, config: &Config) -> Vec<String> {
    let decoded = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
    let written = url.split_once("://").and_then(|(_, rest)| {
        let (user, _) = rest.rsplit_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    });
    let mut secrets: Vec<_> = decoded.into_iter().chain(written).filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> (String, Option<String>) {
        let (known, root) = split(address).unwrap();
        (known, root.map(|path| path.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_url_loses_sslrootcert_and_gets_a_mode_that_the_client_supports() {
        for (address, known, root) in [
            ("postgres://h/d", "postgres://h/d", None),
            ("postgresql://h?sslmode=disable", "postgresql://h?sslmode=disable&", None),
            ("postgres://u:p?w@h/d?sslmode=prefer&port=1", "postgres://u:p?w@h/d?sslmode=prefer&port=1&", None),
            (
                "postgres://h/d?port=1&ssl%6dode=verify-full&user=sslmode",
                "postgres://h/d?port=1&ssl%6dode=require&user=sslmode&",
                None,
            ),
            (
                "postgres://h/d?sslrootcert=/ca%20root/%C3%a9%26.pem&x=y&sslmode=verify-full",
                "postgres://h/d?x=y&sslmode=require&",
                Some("/ca root/é&.pem"),
            ),
            // If an address has a key twice, the last value is used.
            ("postgres://h?sslmode=verify-full&sslmode=disable", "postgres://h?sslmode=require&sslmode=disable&", None),
            ("postgres://u@h?sslrootcert=a&sslrootcert=b@c", "postgres://u@h?", Some("b@c")),
            // A value may contain =, and a % without digits.
            ("postgres://h?options=-c%20a=b&sslrootcert=a=b%zz", "postgres://h?options=-c%20a=b&", Some("a=b%zz")),
        ] {
            assert_eq!(found(address), (known.to_owned(), root.map(str::to_owned)), "{address}");
        }
    }

    #[test]
    fn a_list_loses_sslrootcert_and_gets_a_mode_that_the_client_supports() {
        for (address, known, root) in [
            ("host=h", "host=h ", None),
            (" host = h  sslmode = require\tuser=u ", " host =h sslmode =require user=u ", None),
            ("user=a sslmode='disable'host=h", "user=a sslmode='disable' host=h ", None),
            (
                r"password='it\'s sslmode=require' sslrootcert='/a b/\\c\'.pem'",
                r"password='it\'s sslmode=require' ",
                Some(r"/a b/\c'.pem"),
            ),
            (
                r"password=a\ b\'c sslrootcert=a\ b sslmode='verify\-full'",
                r"password=a\ b\'c sslmode=require ",
                Some("a b"),
            ),
            ("sslmode=verify-full sslmode=prefer", "sslmode=require sslmode=prefer ", None),
        ] {
            assert_eq!(found(address), (known.to_owned(), root.map(str::to_owned)), "{address}");
        }
    }

    #[test]
    fn the_client_reads_the_mode_and_all_other_parameters() {
        for (address, mode) in [
            ("postgres://u@h:7/d", SslMode::Prefer),
            ("postgres://u@h:7/d?sslmode=require&sslmode=disable", SslMode::Disable),
            ("postgres://u@h:7/d?ssl%6dode=verif%79-full&sslrootcert=f", SslMode::Require),
            (r"host=h user=u port = 7 dbname='d' sslmode='verify\-full'", SslMode::Require),
            ("host=h user=u port=7 dbname=d sslmode=verify-full sslmode=prefer", SslMode::Prefer),
        ] {
            let config = Target::parse(address, true).unwrap().config;
            assert_eq!(config.get_ssl_mode(), mode, "{address}");
            assert_eq!((config.get_user(), config.get_dbname()), (Some("u"), Some("d")), "{address}");
            assert_eq!((config.get_hosts(), config.get_ports()), (&[Host::Tcp("h".into())][..], &[7][..]), "{address}");
        }
    }

    #[test]
    fn a_build_without_tls_refuses_parameters_that_need_it_and_names_the_feature() {
        let refusal = |words: &str, is_built_in| {
            let parsed = Target::parse(&format!("host=h {words}"), is_built_in);
            parsed.err().map_or_else(String::new, |error| error.to_string())
        };
        for words in ["sslmode=require", "sslmode=verify-full", "sslrootcert=f", "sslrootcert=f sslmode=require"] {
            assert!(refusal(words, false).ends_with("with --features postgres-tls"), "{words}");
            assert_eq!(refusal(words, true).is_empty(), words.contains("sslmode"), "{words}");
        }
        for words in ["", "sslmode=disable", "sslmode=prefer"] {
            assert_eq!((refusal(words, false), refusal(words, true)), Default::default(), "{words}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused_and_not_printed() {
        for address in [
            "secret",
            "=secret",
            "host=h secret",
            "host='secret",
            "host=h =secret sslmode=require",
            "postgres://h?sslrootcert=%ffsecret",
            "postgres://h?sslmode=require&secret",
            "postgres://h?secret&sslmode=require",
        ] {
            assert_eq!(Target::parse(address, true).unwrap_err().to_string(), malformed().to_string(), "{address}");
        }
        for mode in ["allow", "verify-ca", "secret", ""] {
            assert_eq!(
                Target::parse(&format!("postgres://h?sslmode={mode}"), true).unwrap_err().to_string(),
                "cannot read the database's address: found an unknown sslmode; expected sslmode to be disable, prefer, require or \
                 verify-full"
            );
        }
    }
}
