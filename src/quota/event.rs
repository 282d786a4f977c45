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
/// The unit is text here, so that this version can also read lines with a unit that only newer versions know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) api: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) unit: Cow<'a, str>,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

/// An event in the journal. Amounts are whole numbers of the line's unit.
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
        /// The caller's text about who holds the amount. It changes no sum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<String>,
    },
    /// The reservation that line number `hold` requested at `held_at` ends. The call for which it was made has used
    /// `amount`, which counts in the window (for example, the day) that contains `held_at`.
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
    /// A source, such as the file of a session, was read from byte `from` to byte `to`. The line counts only if
    /// earlier lines have counted exactly the bytes before `from`. So if several processes read the same bytes, only
    /// the first of their lines counts.
    Meter {
        source: String,
        from: u64,
        to: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uses: Vec<Use>,
        /// The state that the reader of the bytes after `to` needs.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        state: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
    },
}

/// A use: the amount that a source used at one time. If this time is after the time of the line, the time of the line
/// is used instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Use {
    pub(super) at: Timestamp,
    pub(super) amount: u64,
    /// The number of calls whose amount is unknown. They add nothing to `amount`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unknown: u64,
    /// The number of calls whose amount is assumed. The assumed amounts are part of `amount`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) assumed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
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
    /// The caller does not know the amount, and no amount is assumed. The line has an amount of 0.
    Unknown,
}

impl Certainty {
    fn is_known(&self) -> bool {
        *self == Self::Known
    }
}

/// The thresholds that the line's writer watches, in percent of a limit. Among the lines with a certain threshold, the
/// first one after which the consumption has reached this threshold counts. The writer of this line reports the
/// threshold.
///
/// The thresholds and their limit are stored in the line, so that all readers agree on which line was the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) limit: NonZeroU64,
    pub(super) period: Scope,
    pub(super) percent: BTreeSet<NonZeroU16>,
}

impl Watch {
    /// Returns the watch of a line that counts against `limit` at `at`. Returns `None` if the line needs no watch. It
    /// needs a watch in two cases:
    ///
    /// - The limit has thresholds.
    /// - The period of the limit is not [always counted](Scope::is_always_counted). Readers count such a period only
    ///   after a line has named it, so each line has a watch that names it.
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

    /// Returns the events of a hold, a consumption and a settlement against a limit with this period, as in a line of
    /// the journal.
    fn written(period: &str) -> Vec<String> {
        let table = format!(
            r#"[{{"api":"a","limit":9,"unit":"calls",{period},"source":"us","as_of":"2026-02-14","thresholds":[]}}]"#
        );
        let limits = Limits::from_json(&table).unwrap();
        let limit = limits.get("a").unwrap();
        let at: Timestamp = "2026-02-14T12:00:00Z".parse().unwrap();
        let certainty = Certainty::Known;
        let (limit_of_line, period, holder) = (limit.most, Scope::of(limit, at), None);
        let hold = Event::Hold { amount: 1, certainty, expires_at: at, limit: limit_of_line, period, holder };
        let consume = Event::Consume { amount: 1, certainty, watch: Watch::of(limit, at) };
        let settle = Event::Settle { hold: 1, amount: 1, certainty, held_at: at, watch: Watch::of(limit, at) };
        [hold, consume, settle].map(|event| serde_json::to_string(&event).unwrap()).to_vec()
    }

    const AT: &str = "2026-02-14T12:00:00.000Z";

    /// The types of an earlier version of this crate, which knew only these five periods.
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

    /// An old reader must refuse this line. Otherwise it would ignore what a session used.
    #[test]
    fn an_old_reader_refuses_a_meter_line() {
        let uses = vec![Use { at: AT.parse().unwrap(), amount: 5, unknown: 1, assumed: 0 }];
        let event = Event::Meter { source: "s".to_owned(), from: 0, to: 90, uses, state: "{}".to_owned(), watch: None };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            format!(
                r#"{{"meter":{{"source":"s","from":0,"to":90,"uses":[{{"at":"{AT}","amount":5,"unknown":1}}],"state":"{{}}"}}}}"#
            )
        );
        assert!(serde_json::from_str::<old::Event>(&line).is_err());
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    /// An old reader must refuse these lines. Otherwise it would count a reservation in the wrong window.
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
