//! Markdown logs of runs for people, a registry of the errors in these logs, and rules for how long the logs are kept.
//!
//! A [`Run`] holds the records of one run, which is a group of executions. A [`RunLog`] holds the facts about a run. A
//! `RunLog` can be written as Markdown and read back. A directory of run logs has an [`ErrorRegistry`], which gives
//! each error a number. The registry [exports](ErrorRegistry::export) the log of a run with these numbers.

mod export;
mod log;
mod markdown;
mod minute;
mod name;
mod parse;
mod prices;
mod registry;
pub mod retention;
mod run;
mod signature;
mod text;

pub use export::Exported;
pub use log::{LogStatus, RunLog};
pub use name::LogName;
pub use prices::{PriceBasis, PriceLine};
pub use registry::{ErrorId, ErrorRegistry, ErrorStatus, RegisteredError, Severity};
pub use run::Run;
pub use signature::signature;
pub use text::escape_markdown;
