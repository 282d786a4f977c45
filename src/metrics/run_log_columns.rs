//! The columns of a run log. Each column has the path of the key whose value it contains.

const RUN_LOG_COLUMNS: [(&str, &str); 15] = [
    ("run_id", "run.run_id"),
    ("parent_run_id", "run.parent_run_id"),
    ("timestamp", "timestamp_start"),
    ("skill_name", "skill_name"),
    ("scene_id", "production.scene_id"),
    ("shot_id", "production.shot_id"),
    ("model_used", "model.name"),
    ("tier", "model.tier"),
    ("estimated_cost", "cost.estimated_usd"),
    ("actual_cost", "cost_usd"),
    ("duration_s", "production.duration_s"),
    ("outcome", "production.outcome"),
    ("regen_count", "production.regen_count"),
    ("artifact_output", "production.artifact"),
    ("notes", "production.notes"),
];

/// Returns the columns of a run log `RUN_LOG_v###.csv` in order. Each column has the path of the key whose value it
/// contains. [`export::csv`](crate::export::csv) describes what a cell contains if this key is null.
///
/// ```
/// use runledger::metrics::run_log_columns;
///
/// let key_of = |column| run_log_columns().iter().find(|(name, _)| *name == column).map(|(_, key)| *key);
/// assert_eq!(key_of("model_used"), Some("model.name"));
/// assert_eq!(key_of("artifact_output"), Some("production.artifact"));
/// ```
pub const fn run_log_columns() -> &'static [(&'static str, &'static str); 15] {
    &RUN_LOG_COLUMNS
}
