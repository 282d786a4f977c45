//! Alerts: reports of limits and problems that somebody must hear about immediately. For each kind, subject and window,
//! at most one alert is sent. The window is the period of a limit, the window that a vendor reported, or a week. If one
//! use of a limit reaches several levels, one alert is sent, for the most serious level.
//!
//! - An [`Alert`] is made from an [`Escalation`](crate::governance::Escalation), from the use of a limit
//!   ([`LimitUse`](crate::quota::LimitUse)), from what a vendor reported
//!   ([`ObservedWindow`](crate::quota::ObservedWindow)), or from lines that cannot be read. The alert's id is computed
//!   from the ledger's id and the alert's kind, subject and window.
//! - An [`AlertJournal`] stores which alerts are due, which were sent, and when an alert is tried again.
//!
//! This module sends nothing and reads no clock. `runledger watch` uses this module, and delivers the alerts.
//!
//! # Delivery at least once
//!
//! An alert is first stored as due, then delivered, and then stored as sent. The line that stores the alert as due is
//! on stable storage before the alert is delivered. So after any crash, the journal has each alert at most once as due,
//! and at most once as sent. The process can die after the receiver got the alert and before the alert is stored as
//! sent. The alert is then delivered again with the same id. So each alert that is due reaches the receiver at least
//! once, unless all attempts fail. If the receiver ignores each alert whose id it already knows, it acts on no alert
//! twice.

mod alert;
mod damage;
mod journal;
mod limits;
mod observed;
mod pause;
mod problems;
mod record;

pub use alert::{Alert, AlertKind, AlertSeverity, AlertWindow};
pub use damage::of_damage;
pub use journal::{AlertJournal, Delivery, PendingAlert};
pub use limits::of_limit;
pub use observed::ObservedAlerts;
pub use problems::of_escalations;
