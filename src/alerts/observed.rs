//! Finds the alerts of the windows that vendors report. This module does no I/O and reads no clock.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::alert::{About, Alert, AlertKind, quoted};
use crate::governance::{AlertLevel, AlertsPolicy};
use crate::metrics::Timestamp;
use crate::quota::{ObservedWindow, Zone};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Two ends that differ by less than this are ends of the same window. The ends can differ a little, because an agent
/// can compute the end from a duration.
const EQUAL_MS: u64 = 60_000;

/// Finds, for each window, the first report that reaches a level. Add the reports in the order of their lines, from the
/// first line on.
///
/// A window is identified by its end. The ends in the reports of one window can differ by less than a minute. The end
/// in the first report counts. If a report has no end, its window is the day of the report in UTC.
#[derive(Debug, Default)]
pub struct ObservedAlerts {
    /// The latest window of each subject.
    last: BTreeMap<Vec<String>, Seen>,
}

#[derive(Debug)]
struct Seen {
    times: [Option<Timestamp>; 2],
    /// The time of the latest report of the window.
    at: Timestamp,
    level: Option<AlertLevel>,
}

impl ObservedAlerts {
    /// Returns an alert if the report is the first report of its window that reaches a level. If the report reaches
    /// both levels, the alert is about the higher level. `ledger` is the ledger's id.
    pub fn add(&mut self, policy: &AlertsPolicy, ledger: Uuid, report: &ObservedWindow) -> Option<Alert> {
        if report.is_reset(report.at) {
            return None;
        }
        let limit = report.limit_id.iter();
        let subject: Vec<String> = [&report.agent].into_iter().chain(limit).chain([&report.window]).cloned().collect();
        let times = times(report);
        let seen = self.last.entry(subject.clone()).or_insert(Seen { times, at: report.at, level: None });
        if !is_same(seen.times, times) {
            // The report is about an earlier window and was repeated. So it does not replace the later window.
            if report.at < seen.at {
                return None;
            }
            *seen = Seen { times, at: report.at, level: None };
        }
        seen.at = seen.at.max(report.at);
        let reached =
            |level: &AlertLevel| policy.observed.contains(level) && report.used_percent >= f64::from(level.percent());
        let level = [AlertLevel::Red, AlertLevel::Yellow].into_iter().find(reached)?;
        if seen.level >= Some(level) {
            return None;
        }
        seen.level = Some(level);
        Some(of_level(ledger, report, subject, seen.times, level))
    }
}

fn of_level(
    ledger: Uuid,
    report: &ObservedWindow,
    subject: Vec<String>,
    times: [Option<Timestamp>; 2],
    level: AlertLevel,
) -> Alert {
    let kind = if level == AlertLevel::Red { AlertKind::ObservedRed } else { AlertKind::ObservedYellow };
    let (percent, end) = (report.used_percent, report.resets_at);
    let until = end.map_or_else(|| " Its end was not reported.".to_owned(), |end| format!(" It ends at {end}."));
    let text =
        format!("The window {} has reached {level}: {percent:.1} % was reported as used.{until}", quoted(&subject));
    let figures = json!({
        "agent": report.agent,
        "limit_id": report.limit_id,
        "window": report.window,
        "used_percent": percent,
        "resets_at": end,
        "plan": report.plan,
    });
    Alert::new(ledger, About { kind, subject, times, zone: Zone::UTC, at: report.at }, text, figures)
}

/// Returns the start and the end of the window of a report.
fn times(report: &ObservedWindow) -> [Option<Timestamp>; 2] {
    let at = |ms: i64| Timestamp::from_unix_ms(ms);
    let Some(end) = report.resets_at else {
        let day = report.at.unix_ms().div_euclid(DAY_MS) * DAY_MS;
        return [at(day), at(day + DAY_MS)];
    };
    let width_ms = match report.window.as_str() {
        ObservedWindow::FIVE_HOUR => Some(5 * HOUR_MS),
        ObservedWindow::SEVEN_DAY => Some(7 * DAY_MS),
        _ => None,
    };
    [width_ms.and_then(|width_ms| at(end.unix_ms() - width_ms)), Some(end)]
}

fn is_same(known: [Option<Timestamp>; 2], other: [Option<Timestamp>; 2]) -> bool {
    match (known[1], other[1]) {
        (Some(known), Some(other)) => known.unix_ms().abs_diff(other.unix_ms()) < EQUAL_MS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(percent: f64, at: &str, resets_at: Option<&str>) -> ObservedWindow {
        let time = |text: &str| format!("2026-02-14T{text}Z").parse::<Timestamp>().unwrap();
        let window = ObservedWindow::new("claude-code", ObservedWindow::FIVE_HOUR, percent, time(at)).unwrap();
        window.resets_at_unix(resets_at.map(|end| time(end).unix_ms() / 1000))
    }

    #[test]
    fn each_level_is_reported_once_in_a_window() {
        let (policy, mut alerts) = (AlertsPolicy::default(), ObservedAlerts::default());
        let mut found = Vec::new();
        for (percent, at, end) in [
            (49.9, "10:00:00", Some("14:00:00")),
            (50.0, "10:10:00", Some("14:00:00")),
            // The agent computes the end from a duration.
            (60.0, "10:20:00", Some("14:00:20")),
            (99.0, "11:00:00", Some("13:59:50")),
            (99.5, "12:00:00", Some("14:00:00")),
            // A report of the next window.
            (85.0, "15:00:00", Some("19:00:00")),
            // A report of the previous window, which is stored again.
            (99.5, "12:00:00", Some("14:00:00")),
            (85.0, "15:30:00", Some("19:00:00")),
            // An idle session repeats what was reported of a window that has ended.
            (99.0, "20:00:00", Some("19:00:00")),
            (55.0, "21:00:00", None),
        ] {
            let alert = alerts.add(&policy, Uuid::nil(), &report(percent, at, end));
            found.extend(alert.map(|alert| format!("{} {}", alert.kind, alert.window.end.unwrap())));
        }
        assert_eq!(
            found,
            [
                "observed_yellow 2026-02-14T14:00:00.000Z",
                "observed_red 2026-02-14T14:00:00.000Z",
                "observed_red 2026-02-14T19:00:00.000Z",
                "observed_yellow 2026-02-15T00:00:00.000Z",
            ]
        );
    }

    #[test]
    fn only_the_levels_of_the_policy_are_reported() {
        let policy = AlertsPolicy { observed: vec![AlertLevel::Red], ..AlertsPolicy::default() };
        let mut alerts = ObservedAlerts::default();
        let mut add = |percent| alerts.add(&policy, Uuid::nil(), &report(percent, "10:00:00", Some("14:00:00")));
        assert_eq!(add(79.9), None);
        let alert = add(80.0).unwrap();
        assert_eq!(alert.subject, ["claude-code", "five_hour"]);
        assert_eq!(alert.window.start.as_deref(), Some("2026-02-14T09:00:00.000Z"));
        assert_eq!(
            alert.text,
            "The window \"claude-code\"/\"five_hour\" has reached RED: 80.0 % was reported as used. It ends at 2026-02-14T14:00:00.000Z."
        );
    }
}
