//! Decides what the answer of a collector means.

use serde::Deserialize;

use crate::metrics::cut;

/// What the answer of a collector to a message means, by the specification of OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtlpAnswer {
    /// The collector has accepted the message, or a part of it.
    Accepted {
        /// The number of spans or points that the collector has refused. It would refuse them again.
        rejected: u64,
        /// What the collector said about this, if it said something.
        message: Option<String>,
    },
    /// The collector cannot accept the message now. The same message should be posted again.
    Busy,
    /// The collector refuses the message, and would refuse it again.
    Refused {
        /// What the collector said, if it said something.
        message: Option<String>,
    },
}

/// The longest message of a collector that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    partial_success: Option<PartialSuccess>,
    /// The message of a `google.rpc.Status`.
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PartialSuccess {
    rejected_spans: Option<Count>,
    rejected_data_points: Option<Count>,
    error_message: Option<String>,
}

/// A 64-bit integer, which JSON has as a string. Some collectors write a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Count {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl OtlpAnswer {
    /// Returns what an answer with this HTTP status and this body means.
    ///
    /// ```
    /// use runledger::sink::otlp::OtlpAnswer;
    ///
    /// assert_eq!(OtlpAnswer::of(200, "{}"), OtlpAnswer::Accepted { rejected: 0, message: None });
    /// assert_eq!(OtlpAnswer::of(503, ""), OtlpAnswer::Busy);
    /// let message = Some("invalid span id".to_owned());
    /// assert_eq!(OtlpAnswer::of(400, r#"{"code": 3, "message": "invalid span id"}"#), OtlpAnswer::Refused { message });
    /// ```
    pub fn of(status: u16, body: &str) -> Self {
        let read: Option<Body> = serde_json::from_str(body).ok();
        match status {
            200..=299 => {
                let partial = read.and_then(|body| body.partial_success).unwrap_or_default();
                let counts = [partial.rejected_spans, partial.rejected_data_points];
                let rejected = counts.iter().flatten().find_map(Count::number).unwrap_or(0);
                Self::Accepted { rejected, message: text(partial.error_message) }
            }
            429 | 502 | 503 | 504 => Self::Busy,
            _ => Self::Refused { message: text(read.map_or_else(|| Some(body.to_owned()), |body| body.message)) },
        }
    }
}

fn text(message: Option<String>) -> Option<String> {
    let message = message?.trim().to_owned();
    (!message.is_empty()).then(|| cut(message, MESSAGE_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_statuses_of_the_specification_are_tried_again() {
        let busy: Vec<_> = (100..600).filter(|status| OtlpAnswer::of(*status, "") == OtlpAnswer::Busy).collect();
        assert_eq!(busy, [429, 502, 503, 504]);
        let accepted = |status: &u16| matches!(OtlpAnswer::of(*status, ""), OtlpAnswer::Accepted { .. });
        assert!((100..600).filter(accepted).eq(200..300));
    }

    #[test]
    fn a_partial_success_has_its_count_as_a_string_or_a_number() {
        for (body, rejected, message) in [
            (r#"{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}"#, 3, Some("too old")),
            (r#"{"partialSuccess": {"rejectedDataPoints": 2}}"#, 2, None),
            (r#"{"partialSuccess": {"errorMessage": "slow down"}}"#, 0, Some("slow down")),
            (r#"{"partialSuccess": null}"#, 0, None),
            ("ok", 0, None),
        ] {
            let message = message.map(str::to_owned);
            assert_eq!(OtlpAnswer::of(200, body), OtlpAnswer::Accepted { rejected, message }, "{body}");
        }
    }

    #[test]
    fn a_long_message_is_shortened() {
        let OtlpAnswer::Refused { message: Some(message) } = OtlpAnswer::of(400, &"é".repeat(5_000)) else { panic!() };
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX);
        assert!(message.ends_with('…'));
    }
}
