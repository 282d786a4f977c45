//! What is left.
mod event;
mod fold;
mod limit;
mod status;
mod window;
pub use limit::{Limit, Limits, Unit};
pub use status::{QuotaStatus, WarningLevel};
pub use window::Period;
