//! Promises about OTLP: what collectors read is what the records say, and a collector gets each record at least once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[cfg(feature = "cli")]
#[path = "../commands/mod.rs"]
mod commands;
#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "cli")]
mod export;
mod hostile;
mod ids;
#[cfg(feature = "cli")]
mod killed;
mod metrics;
#[cfg(feature = "cli")]
mod ship;
mod spans;
#[cfg(feature = "cli")]
mod stub;
mod support;
// The server of the test uses the library that the feature postgres-tls brings.
#[cfg(all(feature = "cli", feature = "otlp-tls", feature = "postgres-tls"))]
mod tls;
