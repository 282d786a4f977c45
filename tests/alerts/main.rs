//! Promises about alerts: what causes them, and that each is sent once.

#![cfg(feature = "alerts")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod escalations;
mod kill_schedules;
mod limits;
