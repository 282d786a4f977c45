//! Decides whether a run (a group of executions) was logged completely, and whom to notify of problems in the log. This
//! module does no I/O and reads no clock.
//!
//! - [`Gate::judge`] returns PASS or FAIL for one run, with every reason to fail and the executions concerned.
//! - [`Escalations`] finds the problems in a time window. Each problem comes with the recipient to notify, a statistic,
//!   and the executions that are evidence for it.
//! - An [`AlertsPolicy`] says which problems are sent to somebody, and where.
//! - A [`Policy`] configures the gate, the escalations and the alerts. Its documentation has every default.
//! - [`derived`] computes metrics of a production, such as a film, from the records of its executions.

mod alerts;
pub mod derived;
mod escalation;
mod expected;
mod field;
mod gate;
mod policy;

pub use alerts::{AlertLevel, AlertReceiver, AlertsPolicy, BudgetPoint, WebhookUrl};
pub use escalation::{
    Association, Escalation, EscalationReport, Escalations, Evidence, Recipient, Share, ShareTest, Statistic, Trigger,
    Unjudged,
};
pub use expected::{Expectations, Expected};
pub use field::Field;
pub use gate::{Gate, GateReason, GateReport, GateVerdict, NotJudged, Rule};
pub use policy::{AllowedModels, EscalationPolicy, GatePolicy, Policy, RequiredFields};
