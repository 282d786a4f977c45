//! Stores and shows the reports of vendors about subscriptions. A report says how much of a window is used. At the end
//! of a window, the vendor counts from 0 again. The reports are in `observed.jsonl` next to the ledger.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use runledger::Timestamp;
use runledger::journal::JournalOptions;
use runledger::quota::{Observed, ObservedJournal, ObservedWindow};
use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{Column, Table, cell, minutes, output, short};
use crate::warnings::warn;

/// The name of Claude Code, which `runledger import` also uses.
pub(crate) const CLAUDE_CODE: &str = "claude-code";

/// Returns the journal of the reports. The file need not exist.
pub(crate) fn journal(global: &Global) -> ObservedJournal {
    let style = global.style();
    let options = JournalOptions::new(Arc::new(clock::unix_ms))
        .on_warning(move |error: &runledger::Error| warn("", error, style));
    ObservedJournal::new(global.ledger.with_file_name("observed.jsonl"), options)
}

/// Returns the latest report of each window. Warns of lines that cannot be read.
pub(crate) fn latest(global: &Global) -> runledger::Result<Observed> {
    let known = journal(global).latest()?;
    known.skipped().errors().iter().for_each(|error| records::name(error, global));
    Ok(known)
}

/// Adds the reports `windows` to `known`, except those that say nothing new. Stores the added reports if the directory
/// of the ledger exists. Warns if they cannot be stored.
pub(crate) fn record(known: &mut Observed, windows: &[ObservedWindow], global: &Global) {
    let directory = global.ledger.parent().filter(|directory| !directory.as_os_str().is_empty());
    if !directory.is_none_or(Path::is_dir) {
        return known.learn(windows);
    }
    let before = known.skipped().errors().len();
    if let Err(error) = journal(global).record(known, windows) {
        warn("the use of a subscription was not recorded", &error, global.style());
    }
    known.skipped().errors().iter().skip(before).for_each(|error| records::name(error, global));
}

/// Stores reports that contain the time at which they were made. Warns if this fails.
pub(crate) fn record_dated(windows: &[ObservedWindow], global: &Global) {
    match latest(global) {
        Ok(mut known) => record(&mut known, windows, global),
        Err(error) => warn("the use of a subscription was not recorded", &error, global.style()),
    }
}

/// Writes a table of the reports. With --json, writes one line for each report instead.
pub(crate) fn write(known: &Observed, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'w> {
        kind: &'static str,
        observed: Shown<'w>,
    }
    let now = clock::now();
    if global.json {
        let mut lines = known.windows().map(|window| Line { kind: "observed", observed: Shown::of(window, now) });
        return Ok(lines.try_for_each(|line| output::json_line(out, &line))?);
    }
    let mut table = Table::new([
        Column::Name("observed by"),
        Column::Name("window"),
        Column::Number("used %"),
        Column::Text("resets (UTC)"),
        Column::Number("age"),
        Column::Text("plan"),
    ]);
    for window in known.windows() {
        table.row([
            reporter(window),
            window.window.clone(),
            cell(window.used_percent_at(now)),
            if window.is_reset(now) { "has reset".to_owned() } else { cell(window.resets_at.map(minutes)) },
            cell(now.ms_since(window.at).map(short::age)),
            cell(window.plan.as_deref()),
        ]);
    }
    Ok(table.write(out)?)
}

/// A report as JSON.
#[derive(Serialize)]
pub(crate) struct Shown<'w> {
    agent: &'w str,
    limit_id: Option<&'w str>,
    window: &'w str,
    /// The used share in percent. `None` if the window has ended since the report.
    used_percent: Option<f64>,
    reported_percent: f64,
    resets_at: Option<Timestamp>,
    is_reset: bool,
    at: Timestamp,
    /// The age of the report. `None` if the report seems to be from the future, because a clock was set back.
    age_ms: Option<u64>,
    plan: Option<&'w str>,
}

impl<'w> Shown<'w> {
    pub(crate) fn of(window: &'w ObservedWindow, now: Timestamp) -> Self {
        Self {
            agent: &window.agent,
            limit_id: window.limit_id.as_deref(),
            window: &window.window,
            used_percent: window.used_percent_at(now),
            reported_percent: window.used_percent,
            resets_at: window.resets_at,
            is_reset: window.is_reset(now),
            at: window.at,
            age_ms: now.ms_since(window.at),
            plan: window.plan.as_deref(),
        }
    }
}

/// Returns the reporter of a window as text: the name of the agent, followed by the id of the limit if the report has
/// one.
pub(crate) fn reporter(window: &ObservedWindow) -> String {
    match &window.limit_id {
        Some(limit) => format!("{}/{limit}", window.agent),
        None => window.agent.clone(),
    }
}
