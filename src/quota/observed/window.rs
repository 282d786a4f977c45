//! A report of a vendor about one window of a subscription.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::metrics::{Timestamp, cut};

/// The largest number of characters of a name in a report. Longer names are truncated.
const CHARS_MAX: usize = 60;
/// Two ends of windows count as equal if they differ by less than this.
const EQUAL_MS: u64 = 60_000;
const MINUTE_MS: u64 = 60_000;
/// The assumed length of a window whose name does not say its length. No known plan of a vendor has a longer window.
const LENGTH_MS_MAX: u64 = 31 * 24 * 60 * MINUTE_MS;
/// A larger percentage is treated as a mistake, and refused.
const PERCENT_MAX: f64 = 10_000.0;

/// A report of a vendor: how much of one window of a subscription was used at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservedWindow {
    /// The agent that got the report, such as `claude-code`.
    pub agent: String,
    /// The vendor's name of the limit. A vendor can have several limits with the same windows, for example one for
    /// each model. `None` means the general limit of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_id: Option<String>,
    /// The name of the window, such as [`FIVE_HOUR`](Self::FIVE_HOUR), or its length, such as `90_minutes`.
    pub window: String,
    /// The used share of the limit in percent, from 0 to 10,000. It can exceed 100.
    pub used_percent: f64,
    /// The end of the window, after which the vendor counts from 0 again. `None` if no end or an impossible end was
    /// reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// The time at which the vendor reported the use. The JSON that an agent passes to the command of its status line
    /// does not contain this time. The time at which the command ran is used instead.
    pub at: Timestamp,
    /// The plan of the subscription, such as `plus`, or `None` if it was not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl ObservedWindow {
    /// The name of the window of 5 hours.
    pub const FIVE_HOUR: &'static str = "five_hour";
    /// The name of the window of 7 days.
    pub const SEVEN_DAY: &'static str = "seven_day";

    /// Returns a report in which the end of the window is unknown. Returns `None` if the percentage is not from 0 to
    /// 10,000.
    pub fn new(agent: &str, window: &str, used_percent: f64, at: Timestamp) -> Option<Self> {
        let [agent, window] = [agent, window].map(short);
        let observed = Self { agent, limit_id: None, window, used_percent, resets_at: None, at, plan: None };
        observed.is_valid().then_some(observed)
    }

    /// Adds the end of the window, in seconds since 1970-01-01T00:00:00Z. The end is ignored if it is more than a
    /// minute later than the time of the report plus the length of the window. The minute allows for rounding by the
    /// agent.
    #[must_use]
    pub fn resets_at_unix(self, seconds: Option<i64>) -> Self {
        let resets_at = seconds.and_then(|seconds| Timestamp::from_unix_ms(seconds.checked_mul(1_000)?));
        Self { resets_at: resets_at.filter(|resets_at| *resets_at <= self.last_end()), ..self }
    }

    /// Adds the vendor's name of the limit.
    #[must_use]
    pub fn limit_id(self, limit_id: Option<&str>) -> Self {
        Self { limit_id: limit_id.map(short), ..self }
    }

    /// Adds the plan of the subscription.
    #[must_use]
    pub fn plan(self, plan: Option<&str>) -> Self {
        Self { plan: plan.map(short), ..self }
    }

    /// Returns the name of a window that is `minutes` long.
    pub fn name_of_minutes(minutes: u64) -> String {
        match minutes {
            300 => Self::FIVE_HOUR.to_owned(),
            10_080 => Self::SEVEN_DAY.to_owned(),
            _ => format!("{minutes}_minutes"),
        }
    }

    /// Returns true if the window ended at or before `now`. Its use at `now` is then unknown.
    ///
    /// A window of 5 hours, for example, ends at most 5 hours and one minute after the report. This is so even if no
    /// end or a later end was reported. The length follows from the name of the window. If the name does not say the
    /// length, the length is taken as 31 days.
    pub fn is_reset(&self, now: Timestamp) -> bool {
        let last = self.last_end();
        self.resets_at.map_or(last, |resets_at| resets_at.min(last)) <= now
    }

    /// Returns the latest time at which the window can end. A minute is added, because an agent can round the end up.
    fn last_end(&self) -> Timestamp {
        self.at.plus_ms(self.length_ms().saturating_add(EQUAL_MS))
    }

    fn length_ms(&self) -> u64 {
        let minutes = || self.window.strip_suffix("_minutes")?.parse::<u64>().ok();
        // Some plans have windows for one model, such as `seven_day_opus`.
        let minutes = match &self.window {
            name if name.starts_with(Self::FIVE_HOUR) => Some(300),
            name if name.starts_with(Self::SEVEN_DAY) => Some(10_080),
            _ => minutes(),
        };
        minutes.map_or(LENGTH_MS_MAX, |minutes| minutes.saturating_mul(MINUTE_MS))
    }

    /// Returns the used share in percent at `now`, or `None` if the window has ended since the report.
    pub fn used_percent_at(&self, now: Timestamp) -> Option<f64> {
        (!self.is_reset(now)).then_some(self.used_percent)
    }

    pub(super) fn is_valid(&self) -> bool {
        (0.0..=PERCENT_MAX).contains(&self.used_percent)
    }

    /// Returns true if both reports name the same agent, limit and kind of window. They can be about different periods.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    pub(super) fn key(&self) -> (&str, Option<&str>, &str) {
        (&self.agent, self.limit_id.as_deref(), &self.window)
    }

    /// Compares the ends of the windows. Returns `None` if one of them is unknown. Ends that differ by less than a
    /// minute count as equal. An agent can compute the end from a duration, and the result then varies a little.
    pub(super) fn compare_ends(&self, other: &Self) -> Option<Ordering> {
        let (mine, others) = self.resets_at.zip(other.resets_at)?;
        let is_equal = mine.unix_ms().abs_diff(others.unix_ms()) < EQUAL_MS;
        Some(if is_equal { Ordering::Equal } else { mine.cmp(&others) })
    }

    /// Returns true if the reports are equal except for `at`. Their ends may differ by less than a minute.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let is_same_end = self.resets_at == other.resets_at || self.compare_ends(other) == Some(Ordering::Equal);
        self.is_of_same(other) && is_same_end && (self.used_percent, &self.plan) == (other.used_percent, &other.plan)
    }
}

fn short(name: &str) -> String {
    cut(name.to_owned(), CHARS_MAX)
}
