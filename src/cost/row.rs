//! The prices of one model, with the times and the variants for which they apply. A variant is a way of serving a call,
//! such as in a batch.

use std::collections::BTreeMap;
use std::panic::UnwindSafe;
use std::sync::LazyLock;

use chrono::{Datelike, Timelike};

use super::lookup::pattern::Rule;
use super::price::{Rate, Rates};
use crate::error::{Error, ErrorKind};
use crate::metrics::{CostTier, Timestamp, Usd};

/// A row of the price table: one model of one provider, with its prices.
#[derive(Debug)]
pub(super) struct Row {
    /// The index of this row among the rows of its file.
    pub(super) place: usize,
    pub(super) model: String,
    pub(super) provider: String,
    /// Patterns of other names for the model, besides its aliases.
    pub(super) rule: Rule,
    pub(super) prices: RowPrices,
}

/// The prices of a row. They can be parsed from the text of the table when they are first needed.
pub(super) type RowPrices = LazyLock<Prices, Box<dyn FnOnce() -> Prices + Send + UnwindSafe>>;

/// The prices of a row.
#[derive(Debug, Clone, Default)]
pub(super) struct Prices {
    /// The tier that the table states. `None` if the table states no tier. The tier then follows from the price.
    pub(super) tier: Option<CostTier>,
    /// The standard prices. If several periods apply, the last one is used.
    pub(super) standard: Vec<Period>,
    /// The prices for other ways of serving a call. Several variants can fit a call and its time. For each meter, the
    /// last fitting variant with a rate for this meter replaces the rate in `standard`.
    pub(super) variants: Vec<Variant>,
}

/// Prices, and the time at which they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    /// The first moment at which the prices apply. `None` if the prices apply from the beginning.
    pub(super) from: Option<Timestamp>,
    pub(super) window: Window,
    pub(super) rates: Vec<Rate>,
}

/// Prices for calls that were not served in the standard way.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// The pairs that the variant of a call must have. The call may have more pairs.
    pub(super) when: BTreeMap<String, String>,
    pub(super) period: Period,
}

/// Hours of the day and days of the week, in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// The first minute of the window, and the first minute after the window, both counted from 00:00. If the second
    /// number is smaller than the first, the window spans midnight. `None` if the window is the whole day.
    pub(super) minutes: Option<(u32, u32)>,
    /// The days of the window, Monday first; `None` for every day. A window that spans midnight belongs to the day on
    /// which it begins.
    pub(super) weekdays: Option<[bool; 7]>,
}

/// A model is premium if a million output tokens cost at least this much.
const PREMIUM: Usd = Usd::from_pico(25_000_000_000_000);

impl Window {
    pub(super) fn is_always(&self) -> bool {
        self.minutes.is_none() && self.weekdays.is_none()
    }

    fn contains(&self, at: Timestamp) -> bool {
        let at = at.to_chrono();
        let minute = at.hour() * 60 + at.minute();
        let weekday = at.weekday().num_days_from_monday() as usize;
        let on = |weekday: usize| self.weekdays.is_none_or(|days| days[weekday]);
        match self.minutes {
            None => on(weekday),
            Some((start, end)) if start < end => (start..end).contains(&minute) && on(weekday),
            Some((start, end)) => minute >= start && on(weekday) || minute < end && on((weekday + 6) % 7),
        }
    }
}

impl Period {
    fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.window.contains(at)
    }
}

/// The prices of a row that apply to a call.
pub(super) struct Priced<'t> {
    pub(super) rates: Rates<'t>,
    /// The pairs of the call's variant for which the row has prices.
    pub(super) variant: BTreeMap<&'t str, &'t str>,
}

impl Variant {
    fn fits(&self, call: &BTreeMap<String, String>) -> bool {
        self.when.iter().all(|(key, value)| says(call, key, value))
    }
}

/// Returns true if the variant of a call has this pair. The case of the value is ignored. The pair `processing=batch`
/// also matches `service_tier=batch`, which Anthropic and Groq report for a batch.
fn says(call: &BTreeMap<String, String>, key: &str, value: &str) -> bool {
    let is = |key: &str| call.get(key).is_some_and(|said| said.eq_ignore_ascii_case(value));
    is(key) || (key, value) == ("processing", "batch") && is("service_tier")
}

impl Prices {
    /// Returns true if every price is zero, at all times and in all variants.
    pub(super) fn is_free(&self) -> bool {
        let periods = self.standard.iter().chain(self.variants.iter().map(|variant| &variant.period));
        periods.flat_map(|period| &period.rates).all(Rate::is_free)
    }
}

impl Row {
    /// Returns the prices that apply at `at` to a call with this variant; `None` if the model has no prices at that
    /// time.
    pub(super) fn priced(&self, at: Timestamp, variant: &BTreeMap<String, String>) -> Option<Priced<'_>> {
        let standard = self.prices.standard.iter().rfind(|period| period.holds(at))?;
        let mut priced = Priced { rates: Rates::new(&standard.rates), variant: BTreeMap::new() };
        if !variant.is_empty() {
            for one in self.prices.variants.iter().filter(|one| one.fits(variant) && one.period.holds(at)) {
                priced.rates.replace(&one.period.rates);
                priced.variant.extend(one.when.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            }
        }
        Some(priced)
    }

    /// Returns the tier of the model at these rates. The tier is free if all rates are zero. For other rates, the
    /// tier that the table states is used. If the table states no tier, the tier follows from the price of output.
    pub(super) fn tier(&self, rates: &Rates<'_>) -> CostTier {
        match (&self.prices.tier, rates.output()) {
            _ if rates.is_free() => CostTier::Free,
            (Some(tier), _) => tier.clone(),
            (None, Some(output)) if output >= PREMIUM => CostTier::Premium,
            (None, _) => CostTier::Standard,
        }
    }

    /// Returns true if the standard prices of the two rows are the same at all times.
    pub(super) fn prices_like(&self, other: &Self) -> bool {
        self.prices.standard == other.prices.standard
    }

    /// Returns true if the prices of the row apply to the service in a region, but not to the global service. In
    /// genai-prices, the names of such rows begin with `regional.`.
    pub(super) fn is_for_every_region(&self) -> bool {
        self.model.starts_with("regional.")
    }

    /// Returns the provider and the model.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// Returns the error for a call at a time at which the model has no price.
    pub(super) fn not_yet(&self, at: Timestamp) -> Error {
        let error = Error::new(ErrorKind::Unpriced, format!("price the model {:?} at {at}", self.model));
        match self.prices.standard.iter().filter_map(|period| period.from).min() {
            Some(from) if from > at => error.detail(format!("its first price begins at {from}")),
            _ => error.detail("it has no price at that hour"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(window: &Window, at: &str) -> bool {
        window.contains(format!("{at}Z").parse().unwrap())
    }

    #[test]
    fn a_window_has_the_minute_of_its_start_and_not_that_of_its_end() {
        let window = Window { minutes: Some((30, 16 * 60 + 30)), weekdays: None };
        assert!(within(&window, "2026-11-20T00:30:00") && within(&window, "2026-11-20T16:29:59.999"));
        assert!(!within(&window, "2026-11-20T00:29:59.999") && !within(&window, "2026-11-20T16:30:00"));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        // 2026-11-20 is a Friday.
        let mut friday = [false; 7];
        friday[4] = true;
        let night = Window { minutes: Some((22 * 60, 6 * 60)), weekdays: Some(friday) };
        assert!(within(&night, "2026-11-20T22:00:00") && within(&night, "2026-11-21T05:59:59"));
        assert!(!within(&night, "2026-11-20T05:59:59") && !within(&night, "2026-11-21T22:00:00"));
        assert!(!within(&night, "2026-11-20T12:00:00") && !within(&night, "2026-11-21T06:00:00"));
        let day = Window { minutes: None, weekdays: Some(friday) };
        assert!(within(&day, "2026-11-20T00:00:00") && !within(&day, "2026-11-21T00:00:00"));
    }
}
