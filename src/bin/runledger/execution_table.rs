//! Builds the rows of tables of executions.

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Timestamp};

use crate::term::{Column, cell, minutes, short};

/// The columns that only executions of a production fill. [`production`] returns their cells.
pub(crate) const PRODUCTION: [Column; 4] = [
    Column::Extra(&Column::Level("outcome")),
    Column::Extra(&Column::Number("regen")),
    Column::Extra(&Column::Text("shot")),
    Column::Extra(&Column::Name("artifact")),
];

/// The columns of a table of executions. [`cells`] returns the cells of all columns except the last one, the id.
pub(crate) const COLUMNS: [Column; 11] = [
    Column::Text("start (UTC)"),
    Column::Name("skill"),
    Column::Level("status"),
    Column::Number("ms"),
    Column::Number("tokens"),
    Column::Number("usd"),
    PRODUCTION[0],
    PRODUCTION[1],
    PRODUCTION[2],
    PRODUCTION[3],
    Column::Text("id"),
];

/// The maximum number of rows that are held in memory. A longer table is written in parts of this many rows.
pub(crate) const ROWS_MAX: usize = 10_000;

/// Returns the cells of the columns [`PRODUCTION`]. The cell of a shot begins with its scene, as in `s-2/s-2-004`.
pub(crate) fn production(record: &ExecutionMetrics) -> [String; 4] {
    let production = &record.production;
    let shot = match (&production.scene_id, &production.shot_id) {
        (Some(scene), Some(shot)) => Some(format!("{scene}/{shot}")),
        (scene, shot) => shot.clone().or_else(|| scene.as_ref().map(|scene| format!("{scene}/"))),
    };
    [cell(production.outcome.as_ref()), cell(production.regen_count), cell(shot), cell(production.artifact.as_ref())]
}

/// Returns the cells of a row except the last one, the id.
pub(crate) fn cells(record: &ExecutionMetrics) -> [String; 10] {
    let [outcome, regen, shot, artifact] = production(record);
    let bounded = |text| short::bounded(text, record.is_lower_bound());
    let tokens = record.tokens_used.or_else(|| record.tokens_input?.checked_add(record.tokens_output?));
    [
        minutes(record.timestamp_start),
        record.skill_name.clone(),
        cell(status(record)),
        cell(record.total_latency_ms.map(|ms| short::count(ms.into()))),
        cell(tokens.map(|tokens| bounded(short::count(tokens.into())))),
        cell(record.cost_usd.map(|usd| bounded(short::usd(usd)))),
        outcome,
        regen,
        shot,
        artifact,
    ]
}

/// Returns how long before `now` the execution started, for the end of its first cell.
pub(crate) fn age(record: &ExecutionMetrics, now: Timestamp) -> String {
    // If another machine with a different clock recorded the start, it can be after `now`. No age is shown in that
    // case.
    let age_ms = now.ms_since(record.timestamp_start);
    age_ms.map_or_else(String::new, |age_ms| format!("  {:>4} ago", short::age(age_ms)))
}

/// Returns a row with its id.
pub(crate) fn with_id(
    [start, skill, status, ms, tokens, usd, outcome, regen, shot, artifact]: [String; 10],
    id: String,
) -> [String; COLUMNS.len()] {
    [start, skill, status, ms, tokens, usd, outcome, regen, shot, artifact, id]
}

/// Returns how the execution ended, or `None` if this is unknown. If the record has no status, the status is derived
/// from `execution_succeeded` and `execution_failed`.
pub(crate) fn status(record: &ExecutionMetrics) -> Option<Status> {
    let derived = match (record.execution_succeeded, record.execution_failed) {
        (Some(true), None | Some(false)) => Some(Status::Success),
        (None | Some(false), Some(true)) => Some(Status::Failed),
        _ => None,
    };
    record.status.clone().or(derived)
}
