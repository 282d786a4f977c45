//! Quotas: dated limits, and a tracker of the amounts that were used or are reserved.
//!
//! - A **limit** is the most that an API allows in one **period**, such as a day in a time **zone**. A **window** is
//!   one such period, such as a certain day.
//! - An amount that was used is **consumed**.
//! - A **hold** is an amount that is **reserved** before a call. A hold ends in one of three ways: it is **settled**,
//!   and the amount that was used is consumed; it is **released**, and nothing is consumed; or it expires.
//! - A **budget** is a quota of US dollars.

mod amount;
mod background;
mod budget;
mod denial;
mod event;
mod first_use;
mod fold;
mod handle;
mod limit;
mod options;
mod period;
mod progress;
mod reservation;
mod scope;
mod status;
mod sums;
mod tracker;
mod window;
mod windows;
mod zone;

pub use amount::{Amount, Unit};
pub use budget::Budget;
pub use denial::{DenialReason, Denied};
pub use handle::Quota;
pub use limit::{Limit, Limits};
pub use options::QuotaOptions;
pub use period::Period;
pub use reservation::{Grant, Hold};
pub use status::{QuotaStatus, WarningLevel};
pub use zone::Zone;
