//! Writes the parts of the status line, and shortens them until they fit.

use runledger::quota::ObservedWindow;
use runledger::{QuotaStatus, Timestamp, Usd};

use super::today::Today;
use crate::observed::reporter;
use crate::term::{cut, paint_like, printable, short, width};

const BETWEEN: &str = " | ";
/// The largest width of a name in columns.
const NAME_MAX: usize = 20;
/// The text of an unknown value.
const UNKNOWN: &str = "?";

/// A part of the line. It has three forms, the longest form first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    forms: [String; 3],
    /// The level whose colour the part has. Empty if the part has no colour.
    level: &'static str,
}

impl Part {
    fn new(forms: [String; 3]) -> Self {
        Self { forms, level: "" }
    }

    pub(super) fn session(usd: Usd) -> Self {
        let usd = dollars(usd);
        Self::new([format!("session {usd}"), usd.clone(), usd])
    }

    pub(super) fn today(today: &Today) -> Self {
        let text = match today.usd {
            Some(usd) if today.is_lower_bound() => format!("≥{}", dollars(usd)),
            Some(usd) => dollars(usd),
            None => UNKNOWN.to_owned(),
        };
        Self::named("today", &text)
    }

    /// Returns a part whose value is unknown.
    pub(super) fn unknown(name: &str) -> Self {
        Self::named(name, UNKNOWN)
    }

    fn named(name: &str, text: &str) -> Self {
        Self::new([(); 3].map(|()| format!("{name} {text}")))
    }

    /// Returns a part that shows what is left of a budget. If the cost of calls is unknown, the amount is an upper
    /// bound.
    pub(super) fn budget(status: &QuotaStatus<Usd>) -> Self {
        let bound = if status.unknown + status.unknown_held > 0 { "≤" } else { "" };
        let short = format!("{} {bound}{}", name(&status.api_name), dollars(status.remaining));
        let level = status.warning_level.to_string();
        let level = ["GREEN", "YELLOW", "RED"].into_iter().find(|word| *word == level).unwrap_or_default();
        Self { forms: [format!("{short} left"), short.clone(), short], level }
    }

    /// Returns a part that shows the used share of a window. At the end of a window, the vendor of a subscription
    /// counts from 0 again. `is_alone` is true if the line has windows of only one agent.
    pub(super) fn window(window: &ObservedWindow, is_alone: bool, now: Timestamp) -> Self {
        let label = match window.window.as_str() {
            ObservedWindow::FIVE_HOUR => "5h".into(),
            ObservedWindow::SEVEN_DAY => "7d".into(),
            other => name(other),
        };
        let label = match (is_alone, &window.limit_id) {
            (true, None) => label,
            (true, Some(limit)) => format!("{} {label}", name(limit)),
            (false, _) => format!("{} {label}", name(&reporter(window))),
        };
        let Some(percent) = window.used_percent_at(now) else { return Self::named(&label, UNKNOWN) };
        let shortest = format!("{label} {}", percentage(percent));
        let resets_in = window.resets_at.and_then(|at| at.ms_since(now)).map(short::remaining);
        let [full, short] = match resets_in {
            Some(age) => [format!("{shortest}, resets in {age}"), format!("{shortest} {age}")],
            None => [(); 2].map(|()| shortest.clone()),
        };
        Self { forms: [full, short, shortest], level: level(percent) }
    }
}

/// Returns the line in at most `columns` columns. If the parts do not fit in their long forms, uses shorter forms. If
/// the shortest forms do not fit either, leaves out the last parts, and ends in `…`.
pub(super) fn line(parts: &[Part], columns: usize) -> String {
    let width_of = |form: usize, parts: &[Part]| {
        let texts: usize = parts.iter().map(|part| width(&part.forms[form])).sum();
        texts + BETWEEN.len() * parts.len().saturating_sub(1)
    };
    let painted = |form: usize, parts: &[Part]| {
        let texts: Vec<_> = parts.iter().map(|part| paint_like(part.level, &part.forms[form])).collect();
        texts.join(BETWEEN)
    };
    if let Some(form) = (0..3).find(|form| width_of(*form, parts) <= columns) {
        return painted(form, parts);
    }
    let fits = |count: &usize| width_of(2, &parts[..*count]) + BETWEEN.len() < columns;
    match (1..parts.len()).rev().find(fits) {
        Some(count) => painted(2, &parts[..count]) + BETWEEN + "…",
        None => cut(&parts[0].forms[2], columns).into_owned(),
    }
}

fn name(text: &str) -> String {
    cut(&printable(text), NAME_MAX).into_owned()
}

/// Returns the amount with a dollar sign, as in `$1.23`, `<$0.0001` or `$0`.
fn dollars(usd: Usd) -> String {
    if usd == Usd::ZERO {
        return "$0".to_owned();
    }
    let text = short::usd(usd);
    let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let (sign, digits) = text.split_at(digits);
    format!("{sign}${digits}")
}

/// Returns the percentage with at most one decimal. It is rounded down, so 100 % is shown only when everything is used.
fn percentage(percent: f64) -> String {
    let tenths = (percent * 10.0).floor();
    match percent {
        _ if tenths % 10.0 == 0.0 => format!("{}%", tenths / 10.0),
        _ => format!("{:.1}%", tenths / 10.0),
    }
}

/// Returns the level of a percentage, with the thresholds of [`WarningLevel`](runledger::quota::WarningLevel).
fn level(percent: f64) -> &'static str {
    match percent {
        ..50.0 => "GREEN",
        ..80.0 => "YELLOW",
        _ => "RED",
    }
}
