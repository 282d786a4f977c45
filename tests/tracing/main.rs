//! Promises about the layer that records spans.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;

mod endings;
mod failing_disk;
mod killed;
mod load;
mod overflow;
mod replay;
mod secrets;
mod shapes;
mod support;
mod trees;
