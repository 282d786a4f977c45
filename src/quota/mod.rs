//! Quotas: dated limits, and a tracker of the amounts that were used or are reserved.
//!
//! - A **limit** is the most that an API allows in one **period**, such as a day in a time **zone**. A **window** is
//!   one such period, such as a certain day.
//! - An amount that was used is **consumed**.
//! - A **hold** is an amount that is **reserved** before a call. A hold ends when it is **settled**, when it is
//!   **released**, or when it expires. Of these three, only a settlement consumes an amount: the amount that the call
//!   has used. A hold can also be **kept** beyond its process, so that another process **resumes** and ends it.
//! - A **budget** is a quota of US dollars.
//! - A **source** is a file that grows, such as the file of a session. A **reading** reports what was used according to
//!   some bytes of a source.
//! - An **observed** window is a vendor's report of how much of a subscription is used. A quota never adds observed
//!   amounts to the amounts that it counts itself.

mod amount;
mod background;
mod budget;
mod denial;
mod ending;
mod event;
mod first_use;
mod fold;
mod handle;
mod limit;
mod name;
mod observed;
mod open_holds;
mod options;
mod period;
mod progress;
mod reading;
mod replay;
mod reservation;
mod resume;
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
pub use observed::{Observed, ObservedJournal, ObservedReports, ObservedWindow};
pub use options::QuotaOptions;
pub use period::Period;
pub use reading::{Metered, Reading, ReadingUse};
pub use replay::{LimitAmount, LimitUse, QuotaReplay};
pub use reservation::{Grant, Hold};
pub use resume::{ListedHold, OpenHold, Resumed};
pub use status::{QuotaStatus, WarningLevel};
pub use zone::Zone;
