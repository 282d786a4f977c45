//! Finds the alerts of measured quotas and budgets. This module does no I/O and reads no clock.

use serde_json::json;
use uuid::Uuid;

use super::alert::{About, Alert, AlertKind, of_unknown};
use crate::governance::{AlertLevel, AlertsPolicy, BudgetPoint};
use crate::metrics::shortened;
use crate::quota::{LimitUse, Period, Unit};

/// Returns the alert that one line of the quota's journal causes. `used` says what the line added to a window of a
/// limit. `ledger` is the ledger's id.
///
/// A line causes an alert if the window first reaches a level of the policy with this line. The levels of a quota are
/// YELLOW and RED. If the limit is enforced or in US dollars, it also has the levels of a budget: its warning and its
/// end. The alert is about the most serious level that the line reaches. The order, from the most serious level on, is:
/// the end of a budget, RED, the warning of a budget, and YELLOW. If the line reaches a level of a quota and a level of
/// a budget, the text names the more serious level of each.
pub fn of_limit(policy: &AlertsPolicy, ledger: Uuid, used: &LimitUse<'_>) -> Option<Alert> {
    let limit = used.limit;
    let reached = |level: AlertLevel| policy.quotas.contains(&level) && used.first_reaches(level.percent());
    let level = [(AlertLevel::Red, AlertKind::QuotaRed), (AlertLevel::Yellow, AlertKind::QuotaYellow)];
    let level = level.into_iter().find(|(level, _)| reached(*level));
    let mut kinds: Vec<_> = level.map(|(level, kind)| (kind, format!("has reached {level}"))).into_iter().collect();
    if limit.enforce || limit.unit == Unit::Usd {
        let warn = limit.warn.filter(|_| policy.budgets.contains(&BudgetPoint::Warning));
        if policy.budgets.contains(&BudgetPoint::End) && used.first_reaches(100) {
            kinds.push((AlertKind::BudgetEnd, "is used up".to_owned()));
        } else if let Some(percent) = warn.filter(|percent| used.first_reaches(percent.get())) {
            kinds.push((AlertKind::BudgetWarning, format!("has reached its warning at {percent} %")));
        }
    }
    kinds.sort_by_key(|(kind, _)| seriousness(*kind));
    let what = kinds.iter().map(|(_, what)| what.as_str()).rev().collect::<Vec<_>>().join(" and ");
    kinds.last().map(|(kind, _)| of_kind(ledger, used, *kind, &what))
}

fn seriousness(kind: AlertKind) -> u8 {
    match kind {
        AlertKind::BudgetEnd => 3,
        AlertKind::QuotaRed => 2,
        AlertKind::BudgetWarning => 1,
        _ => 0,
    }
}

fn of_kind(ledger: Uuid, used: &LimitUse<'_>, kind: AlertKind, what: &str) -> Alert {
    let limit = used.limit;
    let (consumed, most, unit, percent) = (used.consumed, used.most(), limit.unit, used.percent());
    let name = if limit.enforce || limit.unit == Unit::Usd { "budget" } else { "quota" };
    let span = match (limit.period, used.end) {
        (Period::Total, _) => "in total".to_owned(),
        (_, Some(end)) => format!("in the window that ends at {}", limit.zone.text(end)),
        (_, None) => "in this window".to_owned(),
    };
    let text = format!(
        "The {name} {} {what}: {consumed} of {most} {unit} are used ({percent:.1} %) {span}.{}",
        shortened(&limit.api),
        of_unknown(used.unknown, used.assumed)
    );
    let figures = json!({
        "api": limit.api,
        "unit": unit,
        "period": limit.period,
        "consumed": consumed,
        "limit": most,
        "percent": percent,
        "unknown": used.unknown,
        "assumed": used.assumed,
        "enforced": limit.enforce,
    });
    let times = [used.start, used.end];
    let about = About { kind, subject: vec![limit.api.clone()], times, zone: limit.zone.clone(), at: used.at };
    Alert::new(ledger, about, text, figures)
}
