//! Delivers an alert by posting it to a webhook. Only this file, `tls.rs` and `no_tls.rs` use the HTTP client.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use runledger::Uuid;
use runledger::alerts::Delivery;
use runledger::governance::WebhookUrl;
use ureq::Agent;

use super::tls;
use super::wait::{Over, Wait, refused};
use crate::clock;

/// How long the HTTP client may need to report that its time limit has passed.
const REPORT_TIME: Duration = Duration::from_millis(500);

pub(super) struct Webhook {
    url: WebhookUrl,
    agent: Agent,
}

impl Webhook {
    pub(super) fn new(url: &WebhookUrl, timeout: Duration) -> Self {
        let config = tls::configured(Agent::config_builder())
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A redirect could lead to another machine, without encryption.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy from the environment variables would get the alert and the address. Only the policy may decide
            // who gets them.
            .proxy(None)
            .max_idle_connections(0)
            .user_agent(concat!("runledger/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { url: url.clone(), agent: config.into() }
    }

    /// Posts `json`, and waits for the answer. Another thread does the request, because it may look up the name of the
    /// host. Neither a signal nor a deadline can end such a lookup.
    pub(super) fn deliver(&self, json: Vec<u8>, id: Uuid, mut wait: Wait<'_>) -> Option<Delivery> {
        let (sender, answer) = channel();
        let (agent, url) = (self.agent.clone(), self.url.clone());
        thread::spawn(move || {
            // Ignore a failure: it means that nobody waits for the answer any longer.
            let _ = sender.send(post(&agent, &url, &json, id));
        });
        loop {
            let mut received = Err(RecvTimeoutError::Timeout);
            let over = wait.step(|pause| received = answer.recv_timeout(pause));
            if over.is_some() {
                // The HTTP client has the same deadline. Give it a moment to report what it was waiting for.
                received = answer.recv_timeout(REPORT_TIME);
            }
            match (received, over) {
                (Ok(delivery), _) => return Some(delivery),
                (Err(_), Some(Over::Stopped)) => return None,
                (Err(_), Some(Over::Deadline)) | (Err(RecvTimeoutError::Disconnected), None) => {
                    return Some(refused(format!("{} did not answer in time", self.url.origin())));
                }
                (Err(RecvTimeoutError::Timeout), None) => {}
            }
        }
    }
}

fn post(agent: &Agent, url: &WebhookUrl, json: &[u8], id: Uuid) -> Delivery {
    if let Some(why) = elsewhere(&url.origin(), |host, port| Ok((host, port).to_socket_addrs()?.collect())) {
        return refused(why);
    }
    let request =
        agent.post(url.address()).header("content-type", "application/json").header("idempotency-key", id.to_string());
    let origin = url.origin();
    match request.send(json) {
        Ok(answer) if answer.status().is_success() => Delivery::Accepted,
        Ok(answer) => {
            let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let retry_after = asked.and_then(|text| pause(text, clock::unix_ms()));
            Delivery::Refused { why: format!("{origin} answered with status {}", answer.status()), retry_after }
        }
        Err(error) => {
            // The text of an error must not contain the address, which can contain a password.
            let text = error.to_string().replace(url.address(), &origin);
            refused(format!("cannot post to {origin}: {text}"))
        }
    }
}

/// Returns why an alert must not be sent to `origin`, or `None` if it may be sent. It must not be sent if the scheme is
/// `http` and the host `localhost` may be another machine. The hosts file or a name server decides which addresses this
/// name has. The policy refuses `http` with any other host name.
fn elsewhere(origin: &str, resolve: impl FnOnce(&str, u16) -> io::Result<Vec<SocketAddr>>) -> Option<String> {
    let host = "localhost";
    let port = origin.strip_prefix("http://")?.strip_prefix(host)?;
    let port = port.strip_prefix(':').and_then(|port| port.parse().ok()).unwrap_or(80);
    match resolve(host, port) {
        Ok(found) => {
            let other = found.into_iter().map(|address| address.ip()).find(|ip| !ip.to_canonical().is_loopback())?;
            Some(format!("cannot post to {origin}: {host} is {other}; expected this machine. Name 127.0.0.1 instead"))
        }
        Err(error) => Some(format!("cannot find the address of {origin}: {error}")),
    }
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
    fn localhost_is_this_machine() {
        let is = |addresses: &'static [&str]| {
            move |_: &str, port| Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        };
        assert_eq!(elsewhere("http://localhost:8080", is(&["127.0.0.1", "::1", "::ffff:127.0.0.2"])), None);
        let refused = elsewhere("http://localhost", is(&["127.0.0.1", "10.0.0.1"])).unwrap();
        assert!(refused.contains("http://localhost: localhost is 10.0.0.1; expected this machine"), "{refused}");
        let unknown = elsewhere("http://localhost:1", |_, _| Err(io::Error::other("no such name"))).unwrap();
        assert!(unknown.ends_with("http://localhost:1: no such name"), "{unknown}");
        for origin in ["http://127.0.0.1:80", "http://[::1]", "https://localhost", "https://alerts.example"] {
            let ask = |_: &str, _| -> io::Result<Vec<SocketAddr>> { panic!("{origin} needs no look-up") };
            assert_eq!(elsewhere(origin, ask), None);
        }
        let mut asked = 0;
        let ask = |_: &str, port| {
            asked = port;
            Ok(Vec::new())
        };
        assert_eq!((elsewhere("http://localhost:8080", ask), asked), (None, 8080));
    }

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
