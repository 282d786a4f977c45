//! Promises about the command `runledger`. Each call of it is a process of its own.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../commands/mod.rs"]
mod commands;
#[cfg(feature = "postgres")]
#[path = "../postgres_server/mod.rs"]
mod postgres_server;
#[path = "../production/mod.rs"]
mod production;
#[path = "../tree/mod.rs"]
mod tree;

mod agents;
mod answers;
mod bar;
mod baseline;
mod calls;
mod cat;
mod checkpoint;
mod clock;
mod cost;
mod descendants;
mod doctor;
mod door;
mod entrances;
mod export;
mod golden;
mod governance;
mod help;
mod hook;
mod hostile;
mod import;
mod index;
mod killed;
mod list;
mod log;
mod long_list;
mod markdown;
mod metrics;
mod pipe;
mod pipe_again;
mod pipe_calls;
mod pipe_conformance;
mod pipe_costs;
mod pipe_protocol;
mod pipe_words;
mod prefixes;
mod price;
mod prices_import;
mod promises;
mod quota;
mod quota_holds;
mod quota_killed;
mod quota_limits;
mod redact;
mod refused;
mod repeated;
#[cfg(feature = "report")]
mod report;
#[cfg(feature = "report")]
mod report_browser;
#[cfg(feature = "report")]
mod report_numbers;
#[cfg(feature = "report")]
mod report_screenshots;
#[cfg(feature = "report")]
mod report_words;
mod reprice;
mod retention;
mod run;
mod runlog;
mod schema;
mod secrets;
mod secrets_cut;
mod shell_production;
mod show;
mod signals;
mod skills;
mod start;
mod statusline;
mod tail;
#[cfg(feature = "tui")]
mod top;
#[cfg(feature = "tui")]
mod top_numbers;
mod unreadable;
#[cfg(feature = "alerts")]
mod watch;
mod width;
mod workflow;
