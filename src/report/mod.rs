//! A report about a ledger: one HTML file that needs no network, or the same content as text.
//!
//! - [`Observations`] collects what the records show, in one pass over them.
//! - [`LedgerReport`] has every number of the report. It is the source of the page, of the JSON in the page, and of
//!   the text of the command.
//! - [`html::page`](html::page()) writes the page.
//!
//! The numbers are computed by the same functions that the other commands use: costs from
//! [`Report`](crate::cost::Report), latencies from [`Baselines`](crate::Baselines), verdicts from
//! [`Comparison`](crate::baseline::Comparison) and [`GateReport`](crate::governance::GateReport). An unknown value is
//! `None`, and the report counts the unknown values of each figure.
//!
//! Long lists have only their first rows, and most lists count the remaining rows. So the page stays small for any
//! ledger. Names are shortened. Prompts, outputs and error messages of executions never appear.

mod costs;
mod data;
mod findings;
pub mod html;
mod latency;
mod names;
mod numbers;
mod observed;
mod sentences;

pub use costs::{CostOverTime, CostSeries, SkillCosts, SkillRow, StackBy, TimeSlice, costs, report_over_time};
pub use data::{
    ComparisonSummary, GateSummary, Integrity, LedgerReport, QuotaBar, ReportedPeriod, UnknownCount, WorseMetric,
};
pub use findings::{Finding, Tone};
pub use latency::{Latencies, LatencyRow};
pub use observed::{ExecutionRow, Failures, Observations};
