//! Promises about the export formats.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../production/mod.rs"]
mod production;

mod csv;
mod workflow;
