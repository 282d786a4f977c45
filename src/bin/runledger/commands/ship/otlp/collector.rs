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

/// What the collector did with a message.
pub(super) enum Delivery {
    /// It accepted the message, except this number of spans or points.
    Accepted { rejected: u64 },
    /// It refused the message because of its content. The text says what the collector answered.
    Refused(String),
}

/// Why a message was not accepted.
enum Attempt {
    Accepted {
        rejected: u64,
        message: Option<String>,
    },
    /// The message should be posted again, after the pause that the collector asks for.
    Again(String, Option<Duration>),
    /// The collector refuses the message because of its content.
    Refused(String),
    /// The collector would refuse every message, for example because the credentials are wrong.
    Failed(String),
}

/// The statuses that are about the content of one message: malformed, too large, or not processable.
const OF_CONTENT: [u16; 3] = [400, 413, 422];

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

    /// Posts a message until the collector has accepted it, or has refused it because of its content.
    pub(super) fn deliver(&self, message: &[u8], global: &Global) -> Result<Delivery, Failure> {
        let begin = Instant::now();
        let mut pause = PAUSE_MIN;
        loop {
            let (why, asked) = match self.attempt(message) {
                Attempt::Accepted { rejected, message } => {
                    self.warn_of(rejected, message, global);
                    return Ok(Delivery::Accepted { rejected });
                }
                Attempt::Refused(why) => return Ok(Delivery::Refused(why)),
                Attempt::Failed(why) => return Err(Failure::Collector(why)),
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
            OtlpAnswer::Refused { message } => {
                let why = format!("{} refused the message with status {status}{}", self.origin, said(message));
                if OF_CONTENT.contains(&status.as_u16()) { Attempt::Refused(why) } else { Attempt::Failed(why) }
            }
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
