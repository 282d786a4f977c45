//! Shows quotas as bars, and projects when a budget is used up. The projection uses the burn, which is the cost per
//! hour in the last hour.

use runledger::quota::{ObservedWindow, WarningLevel};
use runledger::{QuotaStatus, Timestamp, Usd};
use serde::Serialize;

use super::hour::Rate;
use crate::observed::reporter;
use crate::quotas::Status;
use crate::term::short;

/// The bar of a measured quota, or of a window of a subscription that a vendor reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct UsageBar {
    pub(super) name: String,
    /// The used share in percent; `None` if the window has ended since it was reported.
    pub(super) percent: Option<f64>,
    /// The level of a measured quota, which also counts what is held; `None` for a window that a vendor reported.
    #[serde(skip)]
    pub(super) warning: Option<WarningLevel>,
    /// What was used, in words.
    pub(super) used: String,
    /// The number of calls whose amount is unknown. The share does not include them.
    pub(super) unknown: u64,
    pub(super) resets_at: Option<Timestamp>,
    /// The amounts of a budget, which is a quota in US dollars.
    pub(super) budget: Option<SpentBudget>,
    /// When a vendor reported the window; `None` if the quota was measured.
    pub(super) reported_at: Option<Timestamp>,
}

/// How much of a budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct SpentBudget {
    pub(super) consumed: Usd,
    pub(super) limit: Usd,
}

/// How much of a budget will be used if the burn stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Projection {
    /// Nothing is left now.
    UsedUp,
    /// Nothing is left after this many milliseconds, before the budget resets.
    UsedUpInMs(u64),
    /// This share in percent is used when the budget resets.
    PercentAtReset(f64),
}

impl UsageBar {
    /// Returns the bar of a quota; `None` if the quota is not in use.
    pub(super) fn measured(status: &Status) -> Option<Self> {
        fn bar<A>(status: &QuotaStatus<A>, amount: fn(&A) -> String, budget: Option<SpentBudget>) -> UsageBar {
            let QuotaStatus { api_name, unit, unknown, pct_used, resets_at, .. } = status;
            UsageBar {
                name: api_name.clone(),
                percent: Some(*pct_used),
                warning: Some(status.warning_level),
                used: format!("{} of {} {unit}", amount(&status.consumed), amount(&status.limit)),
                unknown: *unknown,
                resets_at: *resets_at,
                budget,
                reported_at: None,
            }
        }
        match status {
            Status::Counts(status) if [status.consumed, status.held, status.unknown] == [0; 3] => None,
            Status::Counts(status) => Some(bar(status, |count| short::count((*count).into()), None)),
            // The user has set this budget, so its bar is shown even if nothing is used yet.
            Status::Dollars(status) => {
                let budget = SpentBudget { consumed: status.consumed, limit: status.limit };
                Some(bar(status, |amount| short::usd(*amount), Some(budget)))
            }
        }
    }

    /// Returns the bar of a window that a vendor reported.
    pub(super) fn reported(window: &ObservedWindow, now: Timestamp) -> Self {
        let name = match window.window.as_str() {
            ObservedWindow::FIVE_HOUR => "5h",
            ObservedWindow::SEVEN_DAY => "7d",
            other => other,
        };
        Self {
            name: format!("{} {name}", reporter(window)),
            percent: window.used_percent_at(now),
            warning: None,
            used: "reported".to_owned(),
            unknown: 0,
            resets_at: window.resets_at,
            budget: None,
            reported_at: Some(window.at),
        }
    }

    /// Returns the level as a word, which has a colour on the screen. The word is empty if the share is unknown.
    pub(super) fn level(&self) -> &'static str {
        match (self.warning, self.percent) {
            (Some(WarningLevel::Green), _) | (None, Some(..50.0)) => "GREEN",
            (Some(WarningLevel::Yellow), _) | (None, Some(..80.0)) => "YELLOW",
            (Some(_), _) | (None, Some(_)) => "RED",
            (None, None) => "",
        }
    }

    /// Returns how much of the budget will be used if the costs continue at `rate`. Returns `None` in these cases:
    ///
    /// - This is not a budget.
    ///
    /// - The budget never resets, and `rate` has no cost.
    ///
    /// - An amount exceeds the range of [`Usd`].
    pub(super) fn projection(&self, rate: Rate, now: Timestamp) -> Option<Projection> {
        let SpentBudget { consumed, limit } = self.budget?;
        let left = limit.checked_sub(consumed)?;
        if left <= Usd::ZERO {
            return Some(Projection::UsedUp);
        }
        let until_reset = self.resets_at.and_then(|at| at.ms_since(now));
        let until_empty = (rate.cost > Usd::ZERO)
            .then(|| left.pico().checked_mul(rate.ms.into()).map(|product| product / rate.cost.pico()))
            .flatten();
        match (until_empty, until_reset) {
            (Some(empty), reset) if reset.is_none_or(|reset| empty <= i128::from(reset)) => {
                Some(Projection::UsedUpInMs(u64::try_from(empty).unwrap_or(u64::MAX)))
            }
            (_, Some(reset)) => {
                let spent = consumed.checked_add(rate.over(reset)?)?;
                Some(Projection::PercentAtReset(spent.pico() as f64 * 100.0 / limit.pico() as f64))
            }
            (_, None) => None,
        }
    }

    /// Returns [`projection`](Self::projection) in words. `≥` and `≤` show that some costs are unknown or are lower
    /// bounds. Returns `None` if this is not a budget, or if there is no projection.
    pub(super) fn outlook(&self, rate: Option<Rate>, now: Timestamp) -> Option<String> {
        self.budget?;
        let Some(rate) = rate else { return Some("burn unknown".to_owned()) };
        let is_bound = rate.is_lower_bound || self.unknown > 0;
        let [most, least] = if is_bound { ["≤", "≥"] } else { [""; 2] };
        Some(match self.projection(rate, now)? {
            Projection::UsedUp => "used up".to_owned(),
            Projection::UsedUpInMs(ms) => format!("lasts {most}{}", short::remaining(ms)),
            Projection::PercentAtReset(percent) => format!("{least}{:.0}% at reset", percent.floor()),
        })
    }
}

#[cfg(test)]
impl UsageBar {
    /// Returns a budget in US dollars that never resets.
    pub(super) fn sample(name: &str, consumed: &str, limit: &str) -> Self {
        let [spent, most] = [consumed, limit].map(|amount| amount.parse::<Usd>().unwrap());
        Self {
            name: name.to_owned(),
            percent: Some(spent.pico() as f64 * 100.0 / most.pico() as f64),
            warning: None,
            used: format!("{} of {} usd", short::usd(spent), short::usd(most)),
            unknown: 0,
            resets_at: None,
            budget: Some(SpentBudget { consumed: spent, limit: most }),
            reported_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::time;
    use super::*;

    const HOUR_MS: u64 = super::super::hour::HOUR_MS;

    fn rate(cost: &str, is_lower_bound: bool) -> Option<Rate> {
        Some(Rate { cost: cost.parse().unwrap(), ms: HOUR_MS, is_lower_bound })
    }

    #[test]
    fn the_burn_is_projected_to_the_reset_of_the_budget() {
        let now = time("2026-11-30T12:00:00Z");
        let until = |reset: Option<&str>, consumed: &str, rate| {
            let bar = UsageBar { resets_at: reset.map(time), ..UsageBar::sample("team", consumed, "25") };
            bar.outlook(rate, now).unwrap_or_default()
        };
        let in_ten_hours = Some("2026-11-30T22:00:00Z");
        assert_eq!(until(in_ten_hours, "5", rate("1", false)), "60% at reset");
        assert_eq!(until(in_ten_hours, "5", rate("1", true)), "≥60% at reset");
        assert_eq!(until(in_ten_hours, "5", rate("0", false)), "20% at reset");
        assert_eq!(until(in_ten_hours, "5", rate("2", false)), "lasts 10h");
        assert_eq!(until(in_ten_hours, "5", rate("1.999", false)), "99% at reset");
        assert_eq!(until(in_ten_hours, "5", rate("8", false)), "lasts 2h30m");
        assert_eq!(until(in_ten_hours, "5", rate("8", true)), "lasts ≤2h30m");
        assert_eq!(until(in_ten_hours, "25", rate("0", false)), "used up");
        assert_eq!(until(None, "5", rate("8", false)), "lasts 2h30m");
        assert_eq!(until(None, "5", rate("0", false)), "", "it lasts");
        assert_eq!(until(in_ten_hours, "5", None), "burn unknown");
        let uncounted =
            UsageBar { unknown: 1, resets_at: in_ten_hours.map(time), ..UsageBar::sample("team", "5", "25") };
        assert_eq!(uncounted.outlook(rate("1", false), now).unwrap(), "≥60% at reset");
    }

    #[test]
    fn only_a_budget_is_projected() {
        let calls = UsageBar { budget: None, ..UsageBar::sample("calls", "5", "25") };
        assert_eq!(calls.outlook(rate("1", false), time("2026-11-30T12:00:00Z")), None);
    }
}
