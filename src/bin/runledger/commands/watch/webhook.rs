//! Delivers an alert by posting it to a webhook.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use runledger::Uuid;
use runledger::alerts::Delivery;
use runledger::governance::WebhookUrl;

use super::wait::{Over, Wait, refused};
use crate::clock;
use crate::http::{Poster, retry_after};

/// How long the HTTP client may need to report that its time limit has passed.
const REPORT_TIME: Duration = Duration::from_millis(500);

pub(super) struct Webhook {
    url: WebhookUrl,
    poster: Poster,
}

impl Webhook {
    pub(super) fn new(url: &WebhookUrl, timeout: Duration) -> Self {
        Self { url: url.clone(), poster: Poster::new(timeout) }
    }

    /// Posts `json`, and waits for the answer. Another thread does the request, because it may look up the name of the
    /// host. Neither a signal nor a deadline can end such a lookup.
    pub(super) fn deliver(&self, json: Vec<u8>, id: Uuid, mut wait: Wait<'_>) -> Option<Delivery> {
        let (sender, answer) = channel();
        let (poster, url) = (self.poster.clone(), self.url.clone());
        thread::spawn(move || {
            // Ignore a failure: it means that nobody waits for the answer any longer.
            let _ = sender.send(post(&poster, &url, &json, id));
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

fn post(poster: &Poster, url: &WebhookUrl, json: &[u8], id: Uuid) -> Delivery {
    let origin = url.origin();
    if let Some(why) = elsewhere(&origin, |host, port| Ok((host, port).to_socket_addrs()?.collect())) {
        return refused(why);
    }
    let key = id.to_string();
    match poster.post(url.address(), &origin, [("idempotency-key", key.as_str())], json) {
        Ok(answer) if answer.status().is_success() => Delivery::Accepted,
        Ok(answer) => Delivery::Refused {
            why: format!("{origin} answered with status {}", answer.status()),
            retry_after: retry_after(&answer, clock::unix_ms()),
        },
        Err(why) => refused(why),
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
}
