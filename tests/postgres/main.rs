//! Promises about the PostgreSQL sink. Most of its tests share one server.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[cfg(feature = "cli")]
#[path = "../commands/mod.rs"]
mod commands;
#[path = "../postgres_server/mod.rs"]
mod postgres_server;

mod command;
mod killed;
mod sink;
mod stopped;
mod tls;
