//! The address of a collector.

use std::fmt;
use std::str::FromStr;

use crate::address::HttpAddress;
use crate::export::otlp::OtlpSignal;

/// The address of a collector, without the path of a signal, such as `http://localhost:4318`.
///
/// When the address is printed, `***` replaces its password. Only [`address`](Self::address) returns the address with
/// its password.
///
/// ```
/// use runledger::export::otlp::OtlpSignal;
/// use runledger::sink::otlp::CollectorUrl;
///
/// let url: CollectorUrl = "https://agent:secret@collector.example/otlp/".parse()?;
/// assert_eq!(url.to_string(), "https://agent:***@collector.example/otlp/");
/// assert_eq!(url.address(OtlpSignal::Traces), "https://agent:secret@collector.example/otlp/v1/traces");
/// assert!("collector.example:4318".parse::<CollectorUrl>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CollectorUrl(HttpAddress);

impl CollectorUrl {
    /// Returns the whole address to which a signal is posted, with its password.
    pub fn address(&self, signal: OtlpSignal) -> String {
        format!("{}{}", self.0.as_str().trim_end_matches('/'), path(signal))
    }

    /// Returns true if the address begins with `https:`.
    pub fn is_encrypted(&self) -> bool {
        self.0.is_encrypted()
    }

    /// Returns the scheme, the host and the port, such as `http://localhost:4318`. The rest of the address can be secret.
    pub fn origin(&self) -> String {
        self.0.origin()
    }

    /// Returns the address to which a signal is posted, without the name and the password.
    pub(super) fn public_address(&self, signal: OtlpSignal) -> String {
        let address = self.address(signal);
        let rest = address.split_once("://").unwrap_or_default().1;
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("{}{path}", self.origin())
    }
}

fn path(signal: OtlpSignal) -> &'static str {
    match signal {
        OtlpSignal::Traces => "/v1/traces",
        OtlpSignal::Metrics => "/v1/metrics",
    }
}

impl FromStr for CollectorUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // An error must not repeat the address, which can contain a password.
        let expected = "expected an address such as http://localhost:4318";
        let address = HttpAddress::parse(text, expected)?;
        if text.contains(['?', '#']) {
            return Err(format!("{expected}, found a query or a fragment"));
        }
        let named = [OtlpSignal::Traces, OtlpSignal::Metrics].map(path);
        if let Some(path) = named.into_iter().find(|path| text.trim_end_matches('/').ends_with(path)) {
            return Err(format!("{expected}, found {path} at its end, which is added to the address"));
        }
        Ok(Self(address))
    }
}

impl fmt::Display for CollectorUrl {
    /// Writes the address, with `***` in place of a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_only_in_the_address() {
        let url: CollectorUrl = "http://agent:s3cr3t@[::1]:4318/a@b".parse().unwrap();
        assert_eq!(url.address(OtlpSignal::Metrics), "http://agent:s3cr3t@[::1]:4318/a@b/v1/metrics");
        assert_eq!(url.public_address(OtlpSignal::Traces), "http://[::1]:4318/a@b/v1/traces");
        assert_eq!((url.origin().as_str(), url.is_encrypted()), ("http://[::1]:4318", false));
        assert!(!format!("{url:?}{url}").contains("s3cr3t"));
    }

    #[test]
    fn an_error_says_what_is_wrong_and_not_the_address() {
        for (text, why) in [
            ("http://agent:s3cr3t@host:4318/v1/traces", "found /v1/traces at its end"),
            ("http://host/v1/metrics/", "found /v1/metrics at its end"),
            ("http://host/?token=s3cr3t", "found a query"),
            ("ftp://s3cr3t", "found another scheme"),
            ("s3cr3t:4318", "expected an address such as http://localhost:4318"),
            ("http://:4318", "found no host"),
        ] {
            let error = text.parse::<CollectorUrl>().unwrap_err();
            assert!(error.contains(why) && !error.contains("s3cr3t"), "{text}: {error}");
        }
    }
}
