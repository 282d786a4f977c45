//! What is left: limits as dated data, and a tracker of what was used and reserved of them.
//!
//! A **limit** is what an API allows in one calendar **period**; a **window** is one such period. What is used is
//! **consumed**; what is **reserved** beforehand is a **hold**, until it is settled, released or expires. A **budget** is
//! a quota of US dollars.

mod amount;
mod budget;
mod event;
mod fold;
mod limit;
mod progress;
mod reservation;
mod status;
mod tracker;
mod window;
mod windows;

pub use amount::{Amount, Unit};
pub use budget::Budget;
pub use limit::{Limit, Limits};
pub use reservation::{DenialReason, Denied, Grant, Hold};
pub use status::{QuotaStatus, WarningLevel};
pub use tracker::{Quota, QuotaOptions};
pub use window::Period;
