//! Promises about this repository: its design, its pages, its examples and the format of its files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod architecture;
#[cfg(feature = "cli")]
mod disagreements;
mod english;
mod examples;
mod format;
mod guarantees;
mod readme;
