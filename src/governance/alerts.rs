//! Defines the policy for `runledger watch`: which alerts it sends, and where it sends them.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Trigger;
use crate::address::{HIDDEN, HttpAddress};
use crate::error::{Error, ErrorKind};

/// Which alerts `runledger watch` sends, and where it sends them.
///
/// At most one alert is sent for each kind, subject and window. For a limit, a window is one period of the limit, such
/// as a day. For an escalation or for damage, a window is a week. For a subscription, a window is the one that the
/// vendor reported, or a day if its end was not reported. The module `alerts`, behind the feature of the same name,
/// describes the alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AlertsPolicy {
    /// The triggers (reasons for an escalation) for which an alert is sent. The default is all triggers.
    pub escalations: Vec<Trigger>,
    /// The points of a budget at which an alert is sent. A limit counts as a budget if it is in US dollars or is
    /// enforced. The default is both points.
    pub budgets: Vec<BudgetPoint>,
    /// The levels of measured quotas at which an alert is sent. The default is both levels.
    pub quotas: Vec<AlertLevel>,
    /// The levels at which an alert is sent for the windows that vendors report. The default is both levels.
    pub observed: Vec<AlertLevel>,
    /// True if an alert is sent when lines of the ledger, of the quota's journal or of the reports of vendors cannot be
    /// read. Such an alert is sent once a week for each of these files. The default is true.
    pub damage: bool,
    /// A program and its arguments. The program is run once for each attempt to deliver an alert, with the alert as
    /// JSON on its stdin. The alert counts as delivered if the program exits with 0. The default is empty, which means
    /// no program.
    pub command: Vec<String>,
    /// An address to which each alert is posted as JSON. The alert counts as delivered if the response has a status
    /// from 200 to 299. Redirects are not followed. The default is `None`. Only one of `command` and `webhook` can be
    /// set.
    pub webhook: Option<WebhookUrl>,
    /// The longest time in seconds that one attempt to deliver an alert may take, from 1 to 300. The default is 10.
    pub timeout_s: u64,
    /// The number of attempts, from 1 to 1000, after which an alert has failed. The pause before the next attempt
    /// doubles each time, from about 1 second to at most 5 minutes. The receiver can ask for a longer pause, of up to a
    /// day. The default is 20. The pauses between 20 attempts add up to about half an hour to an hour.
    pub attempts_max: u64,
}

/// A point of a budget at which an alert is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetPoint {
    /// The percentage `warn` of the limit is used. A limit without `warn` never reaches this point.
    Warning,
    /// The whole limit is used.
    End,
}

/// The level of a quota at which an alert is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum AlertLevel {
    /// 50 % of the quota is used.
    Yellow,
    /// 80 % of the quota is used.
    Red,
}

impl AlertLevel {
    /// Returns the percentage at which the level begins.
    pub fn percent(self) -> u8 {
        match self {
            Self::Yellow => 50,
            Self::Red => 80,
        }
    }
}

impl fmt::Display for AlertLevel {
    /// Writes `YELLOW` or `RED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yellow => "YELLOW",
            Self::Red => "RED",
        })
    }
}

/// The receiver of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertReceiver<'p> {
    /// A program with its arguments, which gets each alert on its stdin.
    Command(&'p str, &'p [String]),
    /// An address to which each alert is posted.
    Webhook(&'p WebhookUrl),
}

impl Default for AlertsPolicy {
    fn default() -> Self {
        let levels = vec![AlertLevel::Yellow, AlertLevel::Red];
        Self {
            escalations: Trigger::ALL.to_vec(),
            budgets: vec![BudgetPoint::Warning, BudgetPoint::End],
            quotas: levels.clone(),
            observed: levels,
            damage: true,
            command: Vec::new(),
            webhook: None,
            timeout_s: 10,
            attempts_max: 20,
        }
    }
}

impl AlertsPolicy {
    /// Returns the longest time that one attempt to deliver an alert may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    /// Returns the receiver of alerts. If `has_tls` is false, a webhook must use `http`, and is then on this machine.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no command and no webhook, or if the
    /// webhook needs TLS and `has_tls` is false.
    pub fn receiver(&self, has_tls: bool) -> Result<AlertReceiver<'_>, Error> {
        let invalid = |what: String| Error::new(ErrorKind::Invalid, "find the receiver of alerts").detail(what);
        match (self.command.split_first(), &self.webhook) {
            (Some((program, args)), _) => Ok(AlertReceiver::Command(program, args)),
            (None, Some(url)) if url.is_encrypted() && !has_tls => Err(invalid(format!(
                "found the webhook {}; expected http to this machine, because this program was built without TLS for \
                 webhooks. Build it with --features alerts-tls",
                url.origin()
            ))),
            (None, Some(url)) => Ok(AlertReceiver::Webhook(url)),
            (None, None) => Err(invalid(
                "found neither a command nor a webhook; expected one of them under the key alerts".to_owned(),
            )),
        }
    }

    /// Returns each fault as `(key, what was expected, what was found)`.
    pub(super) fn faults(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut faults = Vec::new();
        if !(1..=300).contains(&self.timeout_s) {
            faults.push(("timeout_s", "1 to 300", self.timeout_s.to_string()));
        }
        if !(1..=1_000).contains(&self.attempts_max) {
            faults.push(("attempts_max", "1 to 1000", self.attempts_max.to_string()));
        }
        if self.command.first().is_some_and(String::is_empty) {
            faults.push(("command", "a program and its arguments", "an empty program".to_owned()));
        }
        if !self.command.is_empty() && self.webhook.is_some() {
            faults.push(("command", "either a command or a webhook", "both".to_owned()));
        }
        faults
    }
}

/// The address of a webhook. With `http`, the webhook must be on this machine; with `https`, it can be anywhere.
///
/// An address can have a secret in its path, in its query, or as a password. So when the address is printed, only its
/// [origin](Self::origin) is shown, and `***` replaces the rest. Only [`address`](Self::address) returns all of it.
///
/// ```
/// use runledger::governance::WebhookUrl;
///
/// let url: WebhookUrl = "https://agent:secret@alerts.example/hook".parse()?;
/// assert_eq!(url.to_string(), "https://alerts.example/***");
/// assert!("http://alerts.example/hook".parse::<WebhookUrl>().is_err()); // not this machine
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(HttpAddress);

impl WebhookUrl {
    /// Returns the whole address with its secrets.
    pub fn address(&self) -> &str {
        self.0.as_str()
    }

    /// Returns true if the address begins with `https:`.
    pub fn is_encrypted(&self) -> bool {
        self.0.is_encrypted()
    }

    /// Returns the scheme, the host and the port, such as `https://alerts.example:8443`. These parts are the origin.
    /// The rest of the address can be secret, so messages contain only the origin.
    pub fn origin(&self) -> String {
        self.0.origin()
    }
}

impl std::str::FromStr for WebhookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected an address such as https://HOST/PATH or http://127.0.0.1:8080/PATH";
        let address = HttpAddress::parse(text, expected)?;
        if !address.is_encrypted() && !address.is_here() {
            return Err(format!(
                "expected https, or http to this machine (localhost, 127.0.0.1 or [::1]), found http to {}",
                address.host()
            ));
        }
        if address.as_str().contains(HIDDEN) {
            return Err(format!(
                "expected the whole address, found {HIDDEN}, which `runledger policy` prints in place of its secrets"
            ));
        }
        Ok(Self(address))
    }
}

impl fmt::Display for WebhookUrl {
    /// Writes the origin, and `/***` in place of the rest, if there is more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin();
        match self.address().strip_prefix(&origin) {
            Some("" | "/") => f.pad(self.address()),
            _ => f.pad(&format!("{origin}/{HIDDEN}")),
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_goes_only_to_this_machine() {
        for text in [
            "http://localhost/x",
            "http://localhost:8080",
            "http://127.0.0.1:1/x?y#z",
            "http://127.9.9.9/",
            "http://[::1]:8080/x",
            "https://alerts.example/x",
            "https://10.0.0.1:8443/x",
        ] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().address(), text);
        }
        for (text, why) in [
            ("http://alerts.example/x", "found http to alerts.example"),
            ("http://10.0.0.1/x", "found http to 10.0.0.1"),
            ("http://localhost.example/x", "found http to localhost.example"),
            ("http://localhost@alerts.example/x", "found http to alerts.example"),
            ("http://127.0.0.1:80@10.0.0.1/x", "found http to 10.0.0.1"),
            ("http://[::2]/x", "found http to ::2"),
            ("http://localhost:99999/x", "found a port that is not a number"),
            ("http:///x", "found no host"),
            ("ftp://localhost/x", "found another scheme"),
            ("localhost:80/x", "expected an address such as"),
            ("", "expected an address such as"),
            ("http://localhost/a b", "found the character ' '"),
            ("http://localhost/\n", "found the character '\\n'"),
            ("http://alerts.example\\@localhost/", "found the character '\\\\'"),
        ] {
            let refused = text.parse::<WebhookUrl>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let whole = "https://agent:s3cr3t@alerts.example:8443/s3cr3t?token=s3cr3t#s3cr3t";
        let url: WebhookUrl = whole.parse().unwrap();
        assert_eq!(url.address(), whole);
        assert_eq!(url.origin(), "https://alerts.example:8443");
        let policy = AlertsPolicy { webhook: Some(url.clone()), ..AlertsPolicy::default() };
        for shown in
            [url.to_string(), format!("{url:?}"), format!("{policy:?}"), serde_json::to_string(&policy).unwrap()]
        {
            assert!(!shown.contains("s3cr3t") && shown.contains("https://alerts.example:8443/***"), "{shown}");
        }
        let hidden = url.to_string().parse::<WebhookUrl>().unwrap_err();
        assert!(hidden.starts_with("expected the whole address, found ***"), "{hidden}");
        for (text, shown) in [
            ("https://alerts.example", "https://alerts.example"),
            ("https://alerts.example/", "https://alerts.example/"),
            ("https://agent:s3cr3t@alerts.example", "https://alerts.example/***"),
            ("https://alerts.example?s3cr3t", "https://alerts.example/***"),
        ] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().to_string(), shown);
        }
        for text in ["http://agent:s3cr3t@alerts.example/", "x://agent:s3cr3t@h/", "http://agent:s3cr3t@:1/"] {
            assert!(!text.parse::<WebhookUrl>().unwrap_err().contains("s3cr3t"), "{text}");
        }
    }
}
