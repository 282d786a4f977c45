//! Posts messages to a collector until it has accepted them.

use std::thread;
use std::time::{Duration, Instant};

use runledger::export::otlp::OtlpSignal;
use runledger::sink::otlp::{CollectorUrl, OtlpAnswer};

use super::headers::Headers;
use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::http::{Poster, retry_after};
use crate::term::output;

/// How much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

pub(super) struct Collector {
    address: String,
    origin: String,
    headers: Headers,
    poster: Poster,
    retry_for: Option<Duration>,
}

/// Why a message was not accepted.
enum Attempt {
    Accepted {
        rejected: u64,
        message: Option<String>,
    },
    /// The message should be posted again, after the pause that the collector asks for.
    Again(String, Option<Duration>),
    Refused(String),
}

impl Collector {
    /// `retry_for` is how long a message is posted again, or `None` if there is no limit.
    pub(super) fn new(
        url: &CollectorUrl,
        signal: OtlpSignal,
        headers: Headers,
        timeout: Duration,
        retry_for: Option<Duration>,
    ) -> Self {
        Self { address: url.address(signal), origin: url.origin(), headers, poster: Poster::new(timeout), retry_for }
    }

    /// Posts a message until the collector has accepted it. Returns the number of spans or points that the collector has
    /// refused.
    pub(super) fn deliver(&self, message: &[u8], global: &Global) -> Result<u64, Failure> {
        let begin = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            let (why, asked) = match self.attempt(message) {
                Attempt::Accepted { rejected, message } => {
                    self.warn_of(rejected, message, global);
                    return Ok(rejected);
                }
                Attempt::Refused(why) => return Err(Failure::Collector(why)),
                Attempt::Again(why, asked) => (why, asked),
            };
            let wait = asked.unwrap_or_default().max(pause);
            if let Some(limit) = self.retry_for
                && begin.elapsed().saturating_add(wait) > limit
            {
                let asked =
                    asked.map_or_else(String::new, |asked| format!(", and asks for a pause of {} s", asked.as_secs()));
                return Err(Failure::Collector(format!(
                    "{why}{asked}; tried for {} s. The next call ships on from here",
                    begin.elapsed().as_secs()
                )));
            }
            let text = format!("{why}; trying again in {:.1} s", wait.as_secs_f64());
            output::warning(&text, "collector", global.style());
            thread::sleep(wait);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn attempt(&self, message: &[u8]) -> Attempt {
        let mut answer = match self.poster.post(&self.address, &self.origin, self.headers.iter(), message) {
            Ok(answer) => answer,
            Err(why) => return Attempt::Again(why, None),
        };
        let status = answer.status();
        // The status decides what happens. A body that cannot be read is left out.
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
        let said = |message: Option<String>| message.map(|text| format!(": {text:?}")).unwrap_or_default();
        match OtlpAnswer::of(status.as_u16(), &body) {
            OtlpAnswer::Accepted { rejected, message } => Attempt::Accepted { rejected, message },
            OtlpAnswer::Busy => {
                let asked = retry_after(&answer, clock::unix_ms());
                Attempt::Again(format!("{} answered with status {status}", self.origin), asked)
            }
            OtlpAnswer::Refused { message } => Attempt::Refused(format!(
                "{} refused the message with status {status}{}; it would refuse it again",
                self.origin,
                said(message)
            )),
        }
    }

    fn warn_of(&self, rejected: u64, message: Option<String>, global: &Global) {
        let said = message.map(|text| format!(": {text:?}"));
        let text = match (rejected, said) {
            (0, None) => return,
            (0, Some(said)) => format!("{} accepted a message and warned{said}", self.origin),
            (_, said) => format!("{} refused {rejected} items of a message{}", self.origin, said.unwrap_or_default()),
        };
        output::warning(&text, "partial_success", global.style());
    }
}
