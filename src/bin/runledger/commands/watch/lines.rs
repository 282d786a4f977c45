//! Prints the lines of `watch` about its alerts.

use std::io::{self, Write};

use runledger::Timestamp;
use runledger::alerts::Alert;
use serde::Serialize;

use crate::global::Global;
use crate::term::{output, printable};

/// An alert that was sent or has failed, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    outcome: &'static str,
    at: Timestamp,
    attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    alert: &'a Alert,
}

pub(super) fn sent(
    alert: &Alert,
    attempts: u64,
    at: Timestamp,
    global: &Global,
    out: &mut impl Write,
) -> io::Result<()> {
    write(&Line { outcome: "sent", at, attempts, why: None, alert }, global, out)
}

/// Writes the line of an alert that has failed and is not tried again. Also reports it on stderr.
pub(super) fn failed(
    alert: &Alert,
    attempts: u64,
    why: &str,
    at: Timestamp,
    global: &Global,
    out: &mut impl Write,
) -> io::Result<()> {
    let text = format!("cannot deliver the alert {}: attempt {attempts} was the last one: {why}", named(alert));
    output::error(&text, "alert", global.style());
    write(&Line { outcome: "failed", at, attempts, why: Some(why), alert }, global, out)
}

/// Warns that an alert was not delivered and is tried again.
pub(super) fn retry(alert: &Alert, why: &str, next_at: Timestamp, global: &Global) {
    let text = format!("the alert {} was not delivered: {why}; trying again at {next_at}", named(alert));
    output::warning(&text, "alert", global.style());
}

fn named(alert: &Alert) -> String {
    format!("{} {} ({})", alert.kind, alert.subject_text(), alert.id)
}

fn write(line: &Line<'_>, global: &Global, out: &mut impl Write) -> io::Result<()> {
    if global.json {
        return output::json_line(out, line);
    }
    let Line { outcome, at, alert, .. } = line;
    let text = format!("{at} {outcome} {} {} {}: {}", alert.severity, alert.kind, alert.subject_text(), alert.text);
    writeln!(out, "{}", printable(&text))
}
