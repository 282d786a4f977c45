//! Promises about money: prices, costs, quotas and budgets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../hooked/mod.rs"]
mod hooked;

mod budget;
mod budget_races;
mod cost;
mod cost_report;
#[cfg(feature = "cli")]
mod litellm;
mod lookup;
#[cfg(feature = "cli")]
mod meter;
mod observed;
#[cfg(feature = "cli")]
mod prices;
mod quota;
mod quota_async;
mod quota_periods;
mod quota_resume;
mod spellings;
