//! Whether a run was logged as it should be, and who must hear of what the log shows. Pure: no I/O, no clock.
//!
//! [`Gate::judge`] says PASS or FAIL for one run, with every reason and the records it concerns. [`Escalations`] says who is
//! to be told of a window of time, why, on what evidence and by which statistic. Both go by a [`Policy`], whose defaults are
//! documented value by value. [`derived`] has the figures that the records of a production give.

pub mod derived;
mod escalation;
mod expected;
mod field;
mod gate;
mod policy;

pub use escalation::{
    Association, Escalation, EscalationReport, Escalations, Evidence, Recipient, Share, ShareTest, Statistic, Trigger,
    Unjudged,
};
pub use expected::{Expectations, Expected};
pub use field::Field;
pub use gate::{Gate, GateReason, GateReport, GateVerdict, Rule};
pub use policy::{AllowedModels, EscalationPolicy, GatePolicy, Policy, RequiredFields};
