//! Promise: credentials in a text are replaced by markers, and ordinary texts stay as they are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod ordinary;
mod places;
mod properties;
mod random;
mod secrets;
mod user_rules;
