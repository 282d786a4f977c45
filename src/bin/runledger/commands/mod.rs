//! The commands, each in its own file or folder with its arguments and their help.

mod arguments;
mod baseline;
mod cat;
mod command;
mod compare;
mod complete;
mod completions;
mod cost;
mod doctor;
mod errors;
mod escalate;
mod export;
#[cfg(feature = "parquet")]
mod fleet;
#[cfg(not(feature = "parquet"))]
#[path = "no_fleet.rs"]
mod fleet;
mod gate;
mod head;
mod help;
mod hook;
mod import;
mod index;
mod list;
mod log;
mod man;
mod metrics;
mod open;
#[cfg(feature = "postgres")]
mod pg;
#[cfg(not(feature = "postgres"))]
#[path = "no_pg.rs"]
mod pg;
mod pipe;
mod policy;
mod price;
mod prices;
mod progress;
mod quota;
mod reading;
mod redact;
#[cfg(feature = "report")]
mod report;
#[cfg(not(feature = "report"))]
#[path = "no_report.rs"]
mod report;
mod retention;
mod run;
mod schema;
mod ship;
mod show;
mod start;
mod statusline;
mod tail;
#[cfg(feature = "tui")]
mod top;
#[cfg(not(feature = "tui"))]
#[path = "no_top.rs"]
mod top;
mod verify;
#[cfg(feature = "alerts")]
mod watch;
#[cfg(not(feature = "alerts"))]
#[path = "no_watch.rs"]
mod watch;

pub(crate) use command::{Command, CommandLine};
