//! Makes alerts from lines that cannot be read. This module does no I/O and reads no clock.

use serde_json::json;
use uuid::Uuid;

use super::alert::{About, Alert, AlertKind};
use crate::error::Skipped;
use crate::governance::AlertsPolicy;
use crate::metrics::Timestamp;
use crate::quota::Zone;

/// Returns an alert if lines were skipped because they cannot be read, and if the policy asks for such alerts. `file`
/// is the name of the file with these lines, and `ledger` is the ledger's id. `times` are the start and the end of the
/// window of the alert, and `at` is the time at which the lines were read.
pub fn of_damage(
    policy: &AlertsPolicy,
    ledger: Uuid,
    file: &str,
    skipped: &Skipped,
    times: [Timestamp; 2],
    at: Timestamp,
) -> Option<Alert> {
    let number = skipped.count();
    if !policy.damage || number == 0 {
        return None;
    }
    let (lines, are) = if number == 1 { ("1 line".to_owned(), "is") } else { (format!("{number} lines"), "are") };
    let first = skipped.errors().first();
    let why = first.map_or_else(String::new, |error| format!(" The first one: {error}."));
    let text = format!("{lines} of {file} cannot be read and {are} not counted.{why}");
    let figures = json!({"file": file, "line": first.and_then(|error| error.line()), "skipped": number});
    let times = times.map(Some);
    let subject = vec![file.to_owned()];
    Some(Alert::new(ledger, About { kind: AlertKind::Damage, subject, times, zone: Zone::UTC, at }, text, figures))
}
