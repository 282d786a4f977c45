//! Promises about the command `runledger`. Each call of it is a process of its own.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../commands/mod.rs"]
mod commands;
#[path = "../production/mod.rs"]
mod production;
#[path = "../tree/mod.rs"]
mod tree;

mod answers;
mod bar;
mod baseline;
mod cat;
mod checkpoint;
mod clock;
mod cost;
mod doctor;
mod door;
mod export;
mod golden;
mod governance;
mod help;
mod index;
mod killed;
mod long_list;
mod metrics;
mod pipe;
mod pipe_calls;
mod pipe_costs;
mod pipe_words;
mod price;
mod prices_import;
mod promises;
mod quota;
mod refused;
mod repeated;
mod reprice;
mod retention;
mod run;
mod runlog;
mod signals;
mod start;
mod tail;
mod unreadable;
mod width;
mod workflow;
