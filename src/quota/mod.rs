//! Quotas: dated limits, and a tracker of the amounts that were used or are reserved.
//!
//! - A **limit** is the most that an API allows in one calendar **period**, such as a day. A **window** is one such
//!   period, such as today.
//! - An amount that was used is **consumed**.
//! - A **hold** is an amount that is **reserved** before a call. It ends when it is settled with the amount that was
//!   used, when it is released, or when it expires.
//! - A **budget** is a quota of US dollars.

mod amount;
mod budget;
mod denial;
mod event;
mod fold;
mod handle;
mod limit;
mod options;
mod progress;
mod reservation;
mod status;
mod sums;
mod tracker;
mod window;
mod windows;

pub use amount::{Amount, Unit};
pub use budget::Budget;
pub use denial::{DenialReason, Denied};
pub use handle::Quota;
pub use limit::{Limit, Limits};
pub use options::QuotaOptions;
pub use reservation::{Grant, Hold};
pub use status::{QuotaStatus, WarningLevel};
pub use window::Period;
