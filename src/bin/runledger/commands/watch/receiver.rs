//! Delivers alerts to their receiver: a program or a webhook.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use runledger::alerts::{Alert, Delivery};
use runledger::governance::{AlertReceiver, AlertsPolicy};

use super::program::Program;
use super::wait::{Wait, refused};
use super::webhook::Webhook;
use crate::failure::Failure;
use crate::http::HAS_TLS;

pub(super) enum Receiver {
    Program(Program),
    Webhook(Webhook),
}

impl Receiver {
    /// Returns the receiver that the policy in the file `path` names.
    pub(super) fn new(policy: &AlertsPolicy, path: &Path) -> Result<Self, Failure> {
        Ok(match policy.receiver(HAS_TLS).map_err(|error| error.path(path))? {
            AlertReceiver::Command(name, args) => Self::Program(Program::new(name, args)),
            AlertReceiver::Webhook(url) => Self::Webhook(Webhook::new(url, policy.timeout())),
        })
    }

    /// Makes one attempt to deliver the alert. The attempt takes little longer than `timeout`. Returns `None` if `stop`
    /// was set before the attempt had a result.
    pub(super) fn deliver(&self, alert: &Alert, timeout: Duration, stop: &AtomicBool) -> Option<Delivery> {
        let json = match serde_json::to_vec(alert) {
            Ok(json) => json,
            Err(error) => return Some(refused(format!("the alert cannot be written as JSON: {error}"))),
        };
        let wait = Wait::new(timeout, stop);
        match self {
            Self::Program(program) => program.deliver(json, timeout, wait),
            Self::Webhook(webhook) => webhook.deliver(json, alert.id, wait),
        }
    }
}
