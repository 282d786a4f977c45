//! The limits of APIs. A limit has an amount, a unit and a period. It also states where it comes from, and the day on
//! which it was taken from there.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU64};

use chrono::{FixedOffset, NaiveDate, TimeZone};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::amount::Steps;
use super::name::name;
use super::{Amount, Period, Unit, Zone};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Usd;
use crate::redaction::Redactor;

/// The largest amount that may be used of one API in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The API's name in the table of limits, such as `openai-gpt4`.
    pub api: String,
    /// The unit of the limit.
    pub unit: Unit,
    /// The period after which counting restarts.
    pub period: Period,
    /// The zone in whose calendar the period begins. UTC if the period, such as an hour, follows no calendar.
    pub zone: Zone,
    /// The source of the limit, such as the vendor's page, the terms of an account, or an estimate.
    pub source: String,
    /// The day on which the limit was taken from `source`.
    pub as_of: NaiveDate,
    /// Percentages of the limit. When the consumption in one period first reaches such a percentage,
    /// [`QuotaStatus::crossed`](super::QuotaStatus::crossed) reports this percentage.
    pub thresholds: BTreeSet<NonZeroU16>,
    /// True if a program must deny a call for which too little of the quota remains. The field is for programs, such as
    /// `runledger hook`, that check calls before the calls are made. The methods of [`Quota`](super::Quota) ignore it.
    pub enforce: bool,
    /// A percentage of the limit, from 1 to 100. Once the consumption has reached it
    /// ([`QuotaStatus::has_reached`](super::QuotaStatus::has_reached)), a program that enforces the limit asks a
    /// person before each call. `None` if the program never asks.
    pub warn: Option<NonZeroU8>,
    /// The most that may be used in one period, in steps of the unit: tokens, calls or pico-dollars.
    pub(super) most: NonZeroU64,
    pub(super) unknown: Unknown,
}

/// The treatment of a call whose amount is unknown before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Deny,
    Allow,
    /// This many steps of the limit's unit are reserved for the call.
    Assume(NonZeroU64),
}

impl Limit {
    /// Returns the most that may be used in one period: a `u64` of tokens or calls, or [`Usd`]. Returns `None` if `A`
    /// is not the type for the limit's unit.
    pub fn limit<A: Amount>(&self) -> Option<A> {
        A::is_of(self.unit).then(|| A::from_steps(self.most.get()))
    }
}

/// Limits by API.
///
/// A table of limits is a JSON array with one object for each [`Limit`]. The keys `api`, `limit`, `unit` (tokens,
/// calls, usd), `period`, `source` and `as_of` are required. `period` is `minute`, `hour`, `day`, `week`, `month`,
/// `quarter`, `year`, `total`, or a number of hours from the first use, such as `5h` (see [`Period`]). Five more keys
/// are optional, and any other key is an error:
///
/// - `zone` is the time zone in which days, weeks, months, quarters and years begin. The value is `UTC`, which is the
///   default, or an offset such as `+05:45`. With [`from_json_with_zones`](Self::from_json_with_zones), `zone` can also
///   be the name of another zone. A limit with any other period, such as `hour`, must have the zone `UTC`.
/// - `thresholds` lists percentages of the limit, as whole numbers. Each of them is reported when the consumption in
///   one period first reaches it ([`QuotaStatus::crossed`](super::QuotaStatus::crossed)). The default is `[50, 80]`:
///   the percentages at which the [`WarningLevel`](super::WarningLevel) changes.
/// - `unknown` says how a call is treated if its amount, such as its cost, is unknown before the call:
///   - `"deny"` denies the call. This is the default of a limit that is not enforced.
///   - `"allow"` allows the call while any quota remains. This is the default of an enforced limit. The call counts as
///     unknown, unless its amount is known after the call.
///   - `{"assume": 0.25}` reserves that amount. The call counts as assumed, unless its amount is known after the call.
/// - `enforce` is `true` if a program must deny a call for which too little of the quota remains
///   ([`Limit::enforce`]). The default is `false`.
/// - `warn` is a percentage of an enforced limit, as a whole number from 1 to 100. Once the consumption in one period
///   has reached this percentage, a person is asked before each call ([`Limit::warn`]). By default, nobody is asked.
///
/// An amount in US dollars has up to 12 decimals and is at most 18,446,744.07. A program whose numbers are floats can
/// write the amount as a string in quotes.
///
/// ```
/// use runledger::Usd;
/// use runledger::quota::{Limits, Period};
///
/// let own = r#"[
///   {"api": "openai-gpt4", "limit": 2000000, "unit": "tokens", "period": "month", "source": "our contract", "as_of": "2026-03-01"},
///   {"api": "anthropic", "limit": 25.50, "unit": "usd", "period": "day", "source": "our budget", "as_of": "2026-03-01",
///    "thresholds": [50, 80, 95, 100], "unknown": {"assume": 0.25}}
/// ]"#;
/// let limits = Limits::bundled().with(Limits::from_json(own)?);
/// let limit = limits.get("openai-gpt4").expect("just added");
/// assert_eq!((limit.limit(), limit.period), (Some(2_000_000_u64), Period::Month));
/// assert_eq!(limits.get("anthropic").expect("just added").limit(), Some("25.5".parse::<Usd>()?));
/// assert_eq!(limits.iter().count(), 5); // the other three are still the bundled ones
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits(BTreeMap<String, Limit>);

impl Limits {
    /// Returns the limits that are bundled with this crate, all as of 2026-02-14:
    ///
    /// - `openai-gpt4`: 100,000 tokens a day
    /// - `openai-free`: 3,500,000 tokens a month
    /// - `github-rest`: 5,000 calls an hour
    /// - `github-rest-unauthenticated`: 60 calls an hour
    ///
    /// The two limits of OpenAI are estimates and vary by account. Replace them with the limits of your account
    /// ([`with`](Self::with)).
    pub fn bundled() -> Self {
        // A test checks that the bundle parses.
        Self::from_json(include_str!("limits.json")).unwrap_or_default()
    }

    /// Reads a table of limits, in which every zone is UTC or a fixed offset.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`], with the line and the byte, in these cases:
    ///
    /// - The text is not a JSON array of objects, or has a missing or unknown key.
    /// - A value has the wrong type. An amount or a percentage is zero or out of range. A name is empty. A date does not
    ///   exist or has another form than `2026-03-01`.
    /// - A unit, a period or a zone is unknown, or an API is listed twice.
    /// - A period that does not begin at 00:00, such as `hour`, has a zone other than UTC.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::from_json_with_zones(text, |_| None::<FixedOffset>)
    }

    /// Checks that `redactor` finds no secret in the name and in the source of each limit. The journal of a quota stores
    /// the names, and a quota finds uses by the name. So a secret is refused, and not redacted.
    /// [`Quota::open`](super::Quota::open) does this check with the redactor of its options.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there is a secret. The error does not contain the secret.
    pub fn check_secrets(&self, redactor: &Redactor) -> Result<()> {
        for limit in self.iter() {
            for (key, text) in [("api", &limit.api), ("source", &limit.source)] {
                let redacted = redactor.redact(text);
                if redacted.count > 0 {
                    let found =
                        format!("{key}: found a secret, such as a key, in {:?}; expected a name", redacted.text);
                    return Err(Error::new(ErrorKind::Invalid, "use a limit").detail(found));
                }
            }
        }
        Ok(())
    }

    /// Like [`from_json`](Self::from_json), but the table can also name zones that are neither UTC nor an offset.
    /// `zones` is called with each such name. It returns the zone's rules, or `None` if the name is unknown.
    ///
    /// The command `runledger` passes the zones of the IANA database in this way.
    ///
    /// ```
    /// use chrono::FixedOffset;
    /// use runledger::quota::{Limits, QuotaStatus};
    ///
    /// let own = r#"[{"api": "a", "limit": 100, "unit": "calls", "period": "day", "zone": "Asia/Kathmandu",
    ///                "source": "us", "as_of": "2026-03-01"}]"#;
    /// assert!(Limits::from_json(own).is_err());
    ///
    /// // A real program looks the name up in a database of zones.
    /// let zones = |name: &str| (name == "Asia/Kathmandu").then(|| FixedOffset::east_opt(20_700))?;
    /// let limits = Limits::from_json_with_zones(own, zones)?;
    /// let status: QuotaStatus = limits.unused("a", "2026-03-01T12:00:00Z".parse()?)?;
    /// assert_eq!(status.resets_at, Some("2026-03-01T18:15:00Z".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`from_json`](Self::from_json).
    pub fn from_json_with_zones<Z: TimeZone + Send + Sync + 'static>(
        text: &str,
        zones: impl Fn(&str) -> Option<Z>,
    ) -> Result<Self> {
        let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| malformed().at_json(text, &error))?;
        let zone = |name: &str| Zone::built_in(name).or_else(|| Some(Zone::with_rules(name, zones(name)?)));
        let mut limits = BTreeMap::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let refused =
                |why: String| malformed().at_part(text, entry_text(text, index)).detail(format!("[{index}].{why}"));
            let limit = entry.limit(zone).map_err(refused)?;
            if let Some(first) = limits.insert(limit.api.clone(), limit) {
                return Err(refused(format!("api: the API {:?} is listed twice", first.api)));
            }
        }
        Ok(Self(limits))
    }

    /// Adds the limits of `others` to these limits. If both have a limit for the same API, the limit in `others` is
    /// used.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Returns the limit of `api`, or `None` if the limit is unknown. An API that is not in the table may still have a
    /// limit.
    pub fn get(&self, api: &str) -> Option<&Limit> {
        self.0.get(api)
    }

    /// Returns all limits, sorted by API name.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.0.values()
    }

    /// Returns the limit of `api`. Fails if the limit is unknown.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownLimit`](crate::ErrorKind::UnknownLimit), with the known names in its details, if no limit
    /// has this name.
    pub fn require(&self, api: &str) -> Result<&Limit> {
        self.get(api).ok_or_else(|| {
            let unknown = Error::new(ErrorKind::UnknownLimit, format!("find the limit {api:?} among the known ones"));
            self.0.keys().fold(unknown, |error, known| error.detail(known))
        })
    }

    /// Returns the limit of `api`. Fails if the limit is unknown, or if its amounts are not of type `A`.
    pub(super) fn find<A: Amount>(&self, api: &str) -> Result<&Limit> {
        let limit = self.require(api)?;
        if !A::is_of(limit.unit) {
            let detail = match limit.unit {
                Unit::Usd => "the limit is in usd. Use Quota::budget".to_owned(),
                unit => format!("the limit is in {unit}. Use the quota itself, not a budget"),
            };
            return Err(Error::new(ErrorKind::Invalid, format!("read the limit of {api:?}")).detail(detail));
        }
        Ok(limit)
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::Malformed, "read a table of limits")
}

/// Returns the part of `text` that is the entry at `index`.
fn entry_text(text: &str, index: usize) -> &str {
    let entries: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    entries.get(index).map_or(text, |entry| entry.get())
}

/// An entry of a table of limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "name")]
    api: String,
    limit: Box<RawValue>,
    unit: Unit,
    period: Period,
    zone: Option<String>,
    #[serde(deserialize_with = "name")]
    source: String,
    #[serde(deserialize_with = "date")]
    as_of: NaiveDate,
    #[serde(default = "levels")]
    thresholds: BTreeSet<NonZeroU16>,
    #[serde(default)]
    unknown: Option<UnknownEntry>,
    #[serde(default)]
    enforce: bool,
    #[serde(default, deserialize_with = "percentage")]
    warn: Option<NonZeroU8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnknownEntry {
    Deny,
    Allow,
    Assume(Box<RawValue>),
}

impl Entry {
    fn limit(self, zones: impl Fn(&str) -> Option<Zone>) -> Result<Limit, String> {
        let Self { api, limit, unit, period, zone, source, as_of, thresholds, unknown, enforce, warn } = self;
        let zone = zone.map_or(Ok(Zone::UTC), |name| {
            zones(&name).ok_or_else(|| {
                format!(
                    "zone: found {name:?}, which is not a zone that this program knows; expected UTC, an offset such \
                     as +05:45 or, if this program has a database of zones, a name from that database"
                )
            })
        })?;
        if !zone.is_utc() && !period.begins_at_midnight() {
            return Err(format!(
                "zone: found {zone} with the period {period}; expected no zone, because only the periods day, week, month, \
                 quarter and year have one"
            ));
        }
        let most = steps("limit", unit, limit.get())?;
        let unknown = match unknown {
            // Enforced limits are checked before tool calls, whose cost is never known in advance. So `Deny` would deny
            // every tool call.
            None if enforce => Unknown::Allow,
            None | Some(UnknownEntry::Deny) => Unknown::Deny,
            Some(UnknownEntry::Allow) => Unknown::Allow,
            Some(UnknownEntry::Assume(amount)) => Unknown::Assume(steps("unknown.assume", unit, amount.get())?),
        };
        Ok(Limit { api, unit, period, zone, source, as_of, thresholds, enforce, warn, most, unknown })
    }
}

/// Converts `text`, the value of `key`, to steps of `unit`.
fn steps(key: &str, unit: Unit, text: &str) -> Result<NonZeroU64, String> {
    let unquoted = || text.strip_prefix('"')?.strip_suffix('"');
    let (steps, expected) = match unit {
        Unit::Tokens | Unit::Calls => (text.parse().ok(), "a whole number from 1 to 18446744073709551615"),
        Unit::Usd => (
            unquoted().unwrap_or(text).parse::<Usd>().ok().and_then(Usd::steps),
            "US dollars above 0 and up to 18446744.073709551615, with at most 12 decimals",
        ),
    };
    steps.and_then(NonZeroU64::new).ok_or_else(|| format!("{key}: found {text}; expected {expected}"))
}

/// Returns the percentages at which the warning level changes.
fn levels() -> BTreeSet<NonZeroU16> {
    [50, 80].into_iter().filter_map(NonZeroU16::new).collect()
}

/// Reads a whole percentage from 1 to 100.
fn percentage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU8>, D::Error> {
    let percent = u64::deserialize(deserializer)?;
    let within = u8::try_from(percent).ok().filter(|percent| *percent <= 100).and_then(NonZeroU8::new);
    let refused = || D::Error::invalid_value(Unexpected::Unsigned(percent), &"a whole number from 1 to 100");
    within.map(Some).ok_or_else(refused)
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    // chrono would also read other forms, such as 2026-2-14.
    let date: Option<NaiveDate> = text.parse().ok().filter(|date: &NaiveDate| date.to_string() == text);
    date.ok_or_else(|| D::Error::custom(format!("found {text:?}; expected a date such as 2026-02-14")))
}

#[cfg(test)]
mod tests;
