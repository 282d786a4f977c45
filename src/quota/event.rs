//! The lines of a quota's journal. This module does no I/O and reads no clock.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::Limit;
use super::scope::Scope;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;

/// One line of the quota's journal: an event, its time, and the `api` and the `unit` for which the event counts.
///
/// The unit is text here, so that a version can also read lines with a unit that only newer versions have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) api: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) unit: Cow<'a, str>,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

/// What happened. Amounts are whole numbers of the line's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    /// An amount was used without a reservation.
    Consume {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// A caller requests a reservation. The line contains the limit. So every reader decides in the same way whether
    /// the reservation is granted, even if the reader's table has another limit.
    Hold {
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        expires_at: Timestamp,
        limit: NonZeroU64,
        period: Scope,
    },
    /// The reservation that line number `hold` requested at `held_at` ends, because the call for which it was made has
    /// used `amount`. That amount counts in the window (the day, for example) that contains `held_at`.
    Settle {
        hold: u64,
        amount: u64,
        #[serde(default, skip_serializing_if = "Certainty::is_known")]
        certainty: Certainty,
        held_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
    /// The reservation that line number `hold` requested ends without any use.
    Release { hold: u64 },
}

/// Returns the payload of a line.
pub(super) fn payload(limit: &Limit, at: Timestamp, event: Event) -> Result<Vec<u8>> {
    let line = Line { api: limit.api.as_str().into(), unit: limit.unit.step().into(), at, event };
    serde_json::to_vec(&line)
        .map_err(|source| Error::new(ErrorKind::Invalid, "write a line of the quota").source(source))
}

/// Whether the amount of a line is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Certainty {
    /// The caller knows the amount.
    #[default]
    Known,
    /// The caller does not know the amount, and the line's amount is an assumption.
    Assumed,
    /// The amount is neither known nor assumed, and the line has an amount of 0.
    Unknown,
}

impl Certainty {
    fn is_known(&self) -> bool {
        *self == Self::Known
    }
}

/// The thresholds that the line's writer watches, in percent of a limit. The writer reports a threshold if its line is
/// the first in the window with which the consumption reaches the threshold.
///
/// The thresholds and their limit are stored in the line, so that all readers agree on which line was the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) limit: NonZeroU64,
    pub(super) period: Scope,
    pub(super) percent: BTreeSet<NonZeroU16>,
}

impl Watch {
    /// Returns the watch of a line that counts against `limit` at `at`. Returns `None` if a watch is not needed: the
    /// limit has no thresholds, and its period is one that every reader counts. Readers count any other period only if
    /// a line names it. So if a limit has such another period, each of its lines has a watch.
    pub(super) fn of(limit: &Limit, at: Timestamp) -> Option<Self> {
        let period = Scope::of(limit, at);
        let is_needed = !limit.thresholds.is_empty() || !period.is_always_counted();
        is_needed.then(|| Self { limit: limit.most, period, percent: limit.thresholds.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Limits;

    /// Returns the lines for a hold, a consumption and a settlement against a limit with this period. The lines have no
    /// `api`, `unit` and `at`.
    fn written(period: &str) -> Vec<String> {
        let table = format!(
            r#"[{{"api":"a","limit":9,"unit":"calls",{period},"source":"us","as_of":"2026-02-14","thresholds":[]}}]"#
        );
        let limits = Limits::from_json(&table).unwrap();
        let limit = limits.get("a").unwrap();
        let at: Timestamp = "2026-02-14T12:00:00Z".parse().unwrap();
        let certainty = Certainty::Known;
        let hold =
            Event::Hold { amount: 1, certainty, expires_at: at, limit: limit.most, period: Scope::of(limit, at) };
        let consume = Event::Consume { amount: 1, certainty, watch: Watch::of(limit, at) };
        let settle = Event::Settle { hold: 1, amount: 1, certainty, held_at: at, watch: Watch::of(limit, at) };
        [hold, consume, settle].map(|event| serde_json::to_string(&event).unwrap()).to_vec()
    }

    const AT: &str = "2026-02-14T12:00:00.000Z";

    /// The types of an earlier version, which knew only these five periods.
    mod old {
        use super::*;

        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub(super) enum Period {
            Minute,
            Hour,
            Day,
            Week,
            Month,
        }

        #[derive(Debug, Deserialize)]
        pub(super) struct Watch {
            #[serde(rename = "period")]
            pub(super) _period: Period,
        }

        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub(super) enum Event {
            Consume { watch: Option<Watch> },
            Hold { period: Period },
            Settle { watch: Option<Watch> },
        }

        impl Event {
            pub(super) fn names_no_new_period(&self) -> bool {
                match self {
                    Self::Consume { watch } | Self::Settle { watch } => watch.is_none(),
                    Self::Hold { period } => {
                        matches!(period, Period::Minute | Period::Hour | Period::Day | Period::Week | Period::Month)
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_of_an_old_form_writes_lines_of_the_old_form() {
        for period in ["minute", "hour", "day", "week", "month"] {
            let lines = written(&format!(r#""period":"{period}""#));
            assert_eq!(
                lines,
                [
                    format!(r#"{{"hold":{{"amount":1,"expires_at":"{AT}","limit":9,"period":"{period}"}}}}"#),
                    r#"{"consume":{"amount":1}}"#.to_owned(),
                    format!(r#"{{"settle":{{"hold":1,"amount":1,"held_at":"{AT}"}}}}"#),
                ]
            );
            for line in lines {
                assert!(serde_json::from_str::<old::Event>(&line).unwrap().names_no_new_period());
                let event: Event = serde_json::from_str(&line).unwrap();
                assert_eq!(serde_json::to_string(&event).unwrap(), line);
            }
        }
    }

    /// An old reader must refuse these lines, because it would count a reservation in the wrong window.
    #[test]
    fn an_old_reader_refuses_each_line_of_a_new_form() {
        for (period, stated) in [
            (r#""period":"quarter""#, r#""quarter""#),
            (r#""period":"year""#, r#""year""#),
            (r#""period":"total""#, r#""total""#),
            (r#""period":"5h""#, r#""5h""#),
            (
                r#""period":"day","zone":"+05:45""#,
                r#"{"of":"day","zone":"+05:45","start_ms":1771006500000,"end_ms":1771092900000}"#,
            ),
        ] {
            let lines = written(period);
            let watch = format!(r#""watch":{{"limit":9,"period":{stated},"percent":[]}}"#);
            assert_eq!(
                lines,
                [
                    format!(r#"{{"hold":{{"amount":1,"expires_at":"{AT}","limit":9,"period":{stated}}}}}"#),
                    format!(r#"{{"consume":{{"amount":1,{watch}}}}}"#),
                    format!(r#"{{"settle":{{"hold":1,"amount":1,"held_at":"{AT}",{watch}}}}}"#),
                ]
            );
            for line in lines {
                assert!(serde_json::from_str::<old::Event>(&line).is_err(), "{line}");
                let event: Event = serde_json::from_str(&line).unwrap();
                assert_eq!(serde_json::to_string(&event).unwrap(), line);
            }
        }
    }

    #[test]
    fn a_period_of_a_newer_version_is_refused() {
        for period in
            [r#""decade""#, r#""0h""#, r#"{"of":"decade","zone":"UTC","start_ms":0,"end_ms":1}"#, r#"{"of":"day"}"#]
        {
            let line = format!(r#"{{"hold":{{"amount":1,"expires_at":"{AT}","limit":9,"period":{period}}}}}"#);
            assert!(serde_json::from_str::<Event>(&line).is_err(), "{line}");
        }
    }
}
