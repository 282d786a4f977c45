//! Addresses of HTTP servers, which can contain a password. Errors and messages never repeat the password.

use std::fmt;
use std::net::IpAddr;

/// Replaces a password that is printed.
pub(crate) const HIDDEN: &str = "***";

/// An address that begins with `http://` or `https://`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpAddress {
    address: String,
    /// The position of the password in `address`, or `None` if there is none.
    password: Option<(usize, usize)>,
}

impl HttpAddress {
    /// Parses an address. `expected` says what is expected, for errors, which do not repeat the address.
    pub(crate) fn parse(text: &str, expected: &str) -> Result<Self, String> {
        if let Some(other) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '`')) {
            return Err(format!("{expected}, found the character {other:?}"));
        }
        let (scheme, rest) = text.split_once("://").ok_or(expected)?;
        if !matches!(scheme, "http" | "https") {
            return Err(format!("{expected}, found another scheme"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host_port) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        if host_of(host_port).is_empty() {
            return Err(format!("{expected}, found no host"));
        }
        let port = host_port.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(format!("{expected}, found a port that is not a number up to 65535"));
        }
        let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| {
            let start = password.as_ptr().addr() - text.as_ptr().addr();
            (start, start + password.len())
        });
        Ok(Self { address: text.to_owned(), password })
    }

    /// Returns the whole address with its password.
    pub(crate) fn as_str(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.address.starts_with("https:")
    }

    /// Returns the scheme, the host and the port, such as `https://alerts.example:8443`.
    pub(crate) fn origin(&self) -> String {
        let (scheme, rest) = self.address.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{host}")
    }

    /// Returns the host, without its port.
    pub(crate) fn host(&self) -> String {
        let origin = self.origin();
        host_of(origin.split_once("://").unwrap_or_default().1).to_owned()
    }

    /// Returns true if the host is this machine by its name or its address.
    pub(crate) fn is_here(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

fn host_of(host_port: &str) -> &str {
    match host_port.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => host_port.split(':').next().unwrap_or_default(),
    }
}

impl fmt::Display for HttpAddress {
    /// Writes the address, with `***` in place of a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.password {
            Some((start, end)) => write!(f, "{}{HIDDEN}{}", &self.address[..start], &self.address[end..]),
            None => f.pad(&self.address),
        }
    }
}
