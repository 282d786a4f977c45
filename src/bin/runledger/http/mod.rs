//! Posts JSON to an HTTP server: a webhook or a collector. Only this folder uses the HTTP client.

#[cfg(not(any(feature = "alerts-tls", feature = "otlp-tls")))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(any(feature = "alerts-tls", feature = "otlp-tls"))]
mod tls;

use std::time::Duration;

use chrono::{DateTime, Utc};
use ureq::http::Response;
use ureq::{Agent, Body};

/// True if the build can connect to an address with `https`.
pub(crate) const HAS_TLS: bool = tls::IS_BUILT_IN;

/// Posts JSON. A clone shares its settings.
#[derive(Debug, Clone)]
pub(crate) struct Poster(Agent);

impl Poster {
    /// Returns a client whose requests take at most `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let config = tls::configured(Agent::config_builder())
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A redirect could lead to another machine, without encryption.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy from the environment variables would get the body and the address. Only the user may decide who
            // gets them.
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("runledger/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }

    /// Posts `json` to `address`, and waits for the answer.
    ///
    /// # Errors
    /// Fails with a text if there is no answer. The text has `origin` in place of the address, which can contain a
    /// password.
    pub(crate) fn post<'h>(
        &self,
        address: &str,
        origin: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        json: &[u8],
    ) -> Result<Response<Body>, String> {
        let mut request = self.0.post(address).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failed = |error: ureq::Error| {
            let text = error.to_string().replace(address, origin);
            format!("cannot post to {origin}: {text}")
        };
        request.send(json).map_err(failed)
    }
}

/// Returns the pause that the server asks for before the next request, or `None` if it asks for none. The current time
/// is `now_ms`, in milliseconds since 1970.
pub(crate) fn retry_after(answer: &Response<Body>, now_ms: i64) -> Option<Duration> {
    pause(answer.headers().get("retry-after")?.to_str().ok()?, now_ms)
}

/// Parses the header Retry-After, which is a number of seconds or a date. Returns the pause that it asks for.
fn pause(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date: DateTime<Utc> = DateTime::parse_from_rfc2822(text).ok()?.into();
    let ms = date.timestamp_millis().saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_of_seconds_or_a_date() {
        let now = "2026-02-14T12:00:00Z".parse::<runledger::Timestamp>().unwrap().unix_ms();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 14 Feb 2026 12:01:30 GMT", Some(90)),
            ("Sat, 14 Feb 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
