//! Defines an alert and its parts. This module does no I/O and reads no clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::governance::Trigger;
use crate::metrics::{Timestamp, shortened};
use crate::quota::Zone;

/// Describes something that somebody must hear about, such as a budget that is used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// The id. It is a UUID of version 5. Its namespace is the ledger's id, and its name has the kind, the subject and
    /// the window. So an alert that is delivered again has the same id, and a receiver can ignore the repetition.
    pub id: Uuid,
    /// What happened.
    pub kind: AlertKind,
    /// How urgent the alert is.
    pub severity: AlertSeverity,
    /// The names of what the alert is about, such as an API, an agent and its window, a skill and its model, or a
    /// damaged file. The most general name comes first. Empty if the alert is about the ledger as a whole.
    pub subject: Vec<String>,
    /// The window of the alert. For the same kind and subject, only one alert is sent in a window.
    pub window: AlertWindow,
    /// When the cause of the alert happened. For a limit of a quota, this is the time of the line in the quota's
    /// journal that reached the level. For a window that a vendor reports, it is the time of the first report that
    /// reached the level. For an escalation or damage, this is the time of the examination that found the problem.
    pub at: Timestamp,
    /// The alert as one or more sentences for people. Names from records are quoted and escaped.
    pub text: String,
    /// The figures behind the alert, as a JSON object. The key `unknown` counts calls with an unknown amount, and the
    /// key `skipped` counts lines and files that could not be read.
    pub figures: Value,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// A budget has reached its percentage for a warning.
    BudgetWarning,
    /// A budget is used up.
    BudgetEnd,
    /// At least 50 % of a quota is used.
    QuotaYellow,
    /// At least 80 % of a quota is used.
    QuotaRed,
    /// A vendor reported that at least 50 % of a window is used.
    ObservedYellow,
    /// A vendor reported that at least 80 % of a window is used.
    ObservedRed,
    /// Lines cannot be read, so figures can be too low.
    Damage,
    /// An [escalation](crate::governance::Escalation) whose reason is this trigger.
    #[serde(untagged)]
    Escalation(Trigger),
}

impl AlertKind {
    fn name(self) -> &'static str {
        match self {
            Self::BudgetWarning => "budget_warning",
            Self::BudgetEnd => "budget_end",
            Self::QuotaYellow => "quota_yellow",
            Self::QuotaRed => "quota_red",
            Self::ObservedYellow => "observed_yellow",
            Self::ObservedRed => "observed_red",
            Self::Damage => "damage",
            Self::Escalation(trigger) => trigger.name(),
        }
    }

    fn severity(self) -> AlertSeverity {
        match self {
            Self::BudgetEnd | Self::QuotaRed | Self::ObservedRed => AlertSeverity::Critical,
            _ => AlertSeverity::Warning,
        }
    }
}

impl fmt::Display for AlertKind {
    /// Writes the kind as in JSON, such as `budget_end` or `cost_discrepancy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertSeverity {
    /// Somebody must look at the cause: an escalation, damage, the warning of a budget, or the level YELLOW.
    Warning,
    /// Calls fail, or may fail soon: the end of a budget, or the level RED.
    Critical,
}

impl fmt::Display for AlertSeverity {
    /// Writes `warning` or `critical`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// The window of an alert. The times have the offset of the zone, such as `2026-11-30T00:00:00.000+01:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertWindow {
    /// The start, inclusive. `None` if the window has no start, or if its start is unknown.
    pub start: Option<String>,
    /// The end, exclusive. `None` if the window never ends, or ends after the year 9999.
    pub end: Option<String>,
    /// The zone in whose calendar the window begins and ends.
    pub zone: String,
}

impl AlertWindow {
    /// Returns the end in UTC. Returns `None` if [`end`](Self::end) is `None`.
    pub fn end_utc(&self) -> Option<Timestamp> {
        self.end.as_ref()?.parse().ok()
    }
}

impl fmt::Display for AlertWindow {
    /// Writes the start and the end, separated by ` to `. Writes `-` in place of a time that is `None`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [start, end] = [&self.start, &self.end].map(|time| time.as_deref().unwrap_or("-"));
        write!(f, "{start} to {end}")
    }
}

/// The kind, the subject and the window, from which the id of an alert is computed; the zone in which the window is
/// written; and the time of the cause.
pub(super) struct About {
    pub(super) kind: AlertKind,
    pub(super) subject: Vec<String>,
    pub(super) times: [Option<Timestamp>; 2],
    pub(super) zone: Zone,
    pub(super) at: Timestamp,
}

impl Alert {
    pub(super) fn new(ledger: Uuid, about: About, text: String, figures: Value) -> Self {
        let About { kind, subject, times, zone, at } = about;
        let ms = times.map(|time| time.map(Timestamp::unix_ms));
        let name = serde_json::json!([kind.name(), subject, ms]).to_string();
        let [start, end] = times.map(|time| time.map(|time| zone.text(time)));
        Self {
            id: Uuid::new_v5(&ledger, name.as_bytes()),
            kind,
            severity: kind.severity(),
            subject,
            window: AlertWindow { start, end, zone: zone.name().to_owned() },
            at,
            text,
            figures,
        }
    }

    /// Returns the subject as a text, such as `claude-code/five_hour`, or `-` if the alert is about the ledger as a
    /// whole.
    pub fn subject_text(&self) -> String {
        if self.subject.is_empty() { "-".to_owned() } else { self.subject.join("/") }
    }

    /// Returns true if the window has no end, or ends after `since`.
    pub fn is_open_after(&self, since: Timestamp) -> bool {
        self.window.end_utc().is_none_or(|end| end > since)
    }
}

/// Returns a text about calls whose amount is unknown, and about calls with an assumed amount. The text is empty if
/// there are no such calls.
pub(super) fn of_unknown(unknown: u64, assumed: u64) -> String {
    let calls = |count: u64| if count == 1 { "1 call".to_owned() } else { format!("{count} calls") };
    let mut text = String::new();
    if unknown > 0 {
        text += &format!(" The amount of {} is unknown and not included.", calls(unknown));
    }
    if assumed > 0 {
        text += &format!(" The amount of {} is assumed.", calls(assumed));
    }
    text
}

/// Returns the names in quotes, separated by slashes.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| shortened(name)).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind, subject: &[&str], day: u32) -> Alert {
        let time = |day: u32| Some(format!("2026-02-{day:02}T00:00:00Z").parse().unwrap());
        let subject = subject.iter().map(|name| (*name).to_owned()).collect();
        let times = [time(day), time(day + 1)];
        let about = About { kind, subject, times, zone: Zone::UTC, at: time(day).unwrap() };
        Alert::new(Uuid::from_u128(7), about, String::new(), Value::Null)
    }

    #[test]
    fn the_id_depends_on_the_kind_the_subject_and_the_window() {
        let first = alert(AlertKind::QuotaRed, &["a", "b"], 14);
        assert_eq!(first.id.get_version_num(), 5);
        assert_eq!(first.id, alert(AlertKind::QuotaRed, &["a", "b"], 14).id);
        let others = [
            alert(AlertKind::QuotaYellow, &["a", "b"], 14),
            alert(AlertKind::QuotaRed, &["a/b"], 14),
            alert(AlertKind::QuotaRed, &["ab"], 14),
            alert(AlertKind::QuotaRed, &[], 14),
            alert(AlertKind::QuotaRed, &["a", "b"], 15),
        ];
        assert!(others.iter().all(|other| other.id != first.id));
        // A receiver can compute the same id.
        let name = r#"["quota_red",["a","b"],[1771027200000,1771113600000]]"#;
        assert_eq!(first.id, Uuid::new_v5(&Uuid::from_u128(7), name.as_bytes()));
    }

    #[test]
    fn an_alert_is_read_back() {
        let kinds = [
            AlertKind::BudgetWarning,
            AlertKind::BudgetEnd,
            AlertKind::QuotaYellow,
            AlertKind::QuotaRed,
            AlertKind::ObservedYellow,
            AlertKind::ObservedRed,
            AlertKind::Damage,
        ];
        for kind in kinds.into_iter().chain(Trigger::ALL.map(AlertKind::Escalation)) {
            let alert = alert(kind, &["a"], 14);
            let json = serde_json::to_string(&alert).unwrap();
            assert!(json.contains(&format!("\"kind\":\"{kind}\"")), "{json}");
            assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), alert);
        }
    }

    #[test]
    fn unknown_amounts_are_stated() {
        assert_eq!(of_unknown(0, 0), "");
        assert_eq!(
            of_unknown(1, 2),
            " The amount of 1 call is unknown and not included. The amount of 2 calls is assumed."
        );
    }
}
