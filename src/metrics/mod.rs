//! The data that is recorded: one [`ExecutionMetrics`] for each execution. The module does no I/O and reads no clock.
//!
//! - **Unknown is never zero.** An unknown value is `None`, and totals report how many values were unknown.
//! - **Money** is an integer, [`Usd`]. **Times** are UTC with microseconds, [`Timestamp`]. The name of a duration ends
//!   in its unit (`_ms`, `_s`).
//! - **Tokens** are counted in the same way for every vendor, as [`Usage`] describes. Input includes cached tokens, and
//!   output includes reasoning.
//! - **Enums** have the variant `Other`, which keeps a value that this version does not define. So a value from a newer
//!   version of this crate can be written back unchanged.
//! - In **JSON**, a record is one line. [`to_json`](ExecutionMetrics::to_json) writes the line, and
//!   [`from_json`](ExecutionMetrics::from_json) reads it.
//! - **Validity** is not checked when JSON is read or written. [`validate`](ExecutionMetrics::validate) reports every
//!   fault at once. A ledger refuses an invalid record.

mod adapt;
mod answers;
mod call;
mod completion;
mod faults;
mod fields;
mod generation;
mod groups;
mod json;
mod keys;
mod meter;
mod money;
mod object;
mod plain_usage;
mod record;
mod redact;
mod run_log_columns;
pub mod schema;
mod status;
mod tags;
mod text;
mod timestamp;
mod traceparent;
mod unknown_keys;
mod usage;
mod validate;
mod vendor;
mod words;

pub use call::Call;
pub use fields::Fields;
pub use generation::{Attempt, QcResult, Routing};
pub use groups::{
    CostProvenance, CostSource, Decision, Feedback, LlmCall, Model, Production, Progress, QcOutcome, RunIds, Step,
    Trace, TracedError,
};
pub(crate) use json::text_of;
pub use meter::Meter;
pub use money::Usd;
pub use record::ExecutionMetrics;
pub use run_log_columns::run_log_columns;
pub(crate) use status::outcome;
pub use status::{CostTier, Environment, ErrorCategory, Kind, Status};
pub(crate) use text::{cut, shortened};
pub use timestamp::Timestamp;
pub use unknown_keys::UnknownKey;
pub use usage::{Usage, UsageParts};
pub use vendor::vendor_model;
