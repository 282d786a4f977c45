//! Reports of vendors about the windows of a subscription, such as the use of a window of 5 hours in percent. These
//! reports are never mixed with the amounts that a [`Quota`](super::Quota) measures.

mod journal;
mod known;
mod window;

pub use journal::{ObservedJournal, ObservedReports};
pub use known::Observed;
pub use window::ObservedWindow;
