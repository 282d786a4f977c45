//! The views of runs that people read: Markdown run logs, and the registry of the errors that they met; and how long they
//! are kept.
//!
//! A [`Run`] is what a ledger recorded of one run. Its [`RunLog`] has the facts of its log, whose Markdown reads back to
//! the same facts. The [`ErrorRegistry`] of a directory of run logs gives each error its number, and
//! [exports](ErrorRegistry::export) the log of a run with these numbers in it.

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
