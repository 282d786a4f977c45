//! Promises about conclusions from records: baselines, gates, escalations, run logs, retention.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../common/mod.rs"]
mod common;
#[path = "../production/mod.rs"]
mod production;

mod baseline;
mod baseline_compare;
mod derived_metrics;
mod error_registry;
mod error_registry_crashes;
mod error_registry_races;
mod escalation;
mod gate;
mod governance_any;
mod log_kinds;
mod retention;
mod run_log;
