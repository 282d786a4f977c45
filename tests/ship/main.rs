//! Promises about `runledger ship` and the Parquet files that it writes.

#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[cfg(feature = "cli")]
#[path = "../commands/mod.rs"]
mod commands;

#[cfg(feature = "object-store")]
mod answers;
mod changed_stores;
mod clash;
#[cfg(feature = "cli")]
mod command;
mod content;
mod fleet;
#[cfg(feature = "cli")]
mod fleet_command;
mod gaps;
#[cfg(feature = "simulation")]
mod power_cut;
mod repeated;
#[cfg(feature = "object-store")]
mod s3;
mod schedules;
mod support;
mod verified;
