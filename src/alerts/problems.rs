//! Makes alerts from escalations. This module does no I/O and reads no clock.

use serde_json::json;
use uuid::Uuid;

use super::alert::{About, Alert, AlertKind};
use crate::governance::{AlertsPolicy, Escalation, EscalationReport};
use crate::metrics::Timestamp;
use crate::quota::Zone;

/// Returns an alert for each escalation in the report whose reason the policy names. `ledger` is the ledger's id, and
/// `at` the time of the examination. `skipped` is the number of lines and files that could not be read.
pub fn of_escalations(
    policy: &AlertsPolicy,
    ledger: Uuid,
    report: &EscalationReport,
    skipped: u64,
    at: Timestamp,
) -> Vec<Alert> {
    let found = report.escalations.iter().filter(|found| policy.escalations.contains(&found.trigger));
    let alert = |found: &Escalation| {
        let Escalation { trigger, ref subject, ref model, .. } = *found;
        let mut text = format!("{found}.");
        match skipped {
            0 => {}
            1 => text += " 1 line or file could not be read and is not included.",
            _ => text += &format!(" {skipped} lines or files could not be read and are not included."),
        }
        let figures = json!({
            "recipient": found.recipient,
            "why": found.why,
            "statistic": found.statistic,
            "evidence": found.evidence,
            "executions": report.executions,
            "skipped": skipped,
        });
        let subject = subject.iter().chain(model).cloned().collect();
        let times = [Some(report.since), report.until];
        let about = About { kind: AlertKind::Escalation(trigger), subject, times, zone: Zone::UTC, at };
        Alert::new(ledger, about, text, figures)
    };
    found.map(alert).collect()
}
