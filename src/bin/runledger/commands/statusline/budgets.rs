//! Reads what is left of the budgets, which are the limits in US dollars.

use std::sync::Arc;
use std::time::Duration;

use runledger::journal::JournalOptions;
use runledger::quota::{QuotaOptions, Unit};
use runledger::{Quota, QuotaStatus, Timestamp, Usd};

use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits;
use crate::redaction::redactor;

/// How long the status line waits for the lock of the quota's journal.
const LOCK_DEADLINE: Duration = Duration::from_millis(10);

/// Returns the status of each limit in US dollars. The list is empty if there are no such limits.
pub(super) fn read(now: Timestamp, global: &Global) -> Result<Vec<QuotaStatus<Usd>>, Failure> {
    let limits = limits::load(global, None)?;
    let budgets: Vec<String> =
        limits.iter().filter(|limit| limit.unit == Unit::Usd).map(|limit| limit.api.clone()).collect();
    let journal = limits::journal(global);
    if budgets.is_empty() || !journal.exists() {
        return budgets.iter().map(|api| Ok(limits.unused(api, now)?)).collect();
    }
    let clock = Arc::new(clock::unix_ms);
    let options = QuotaOptions::new(clock.clone()).redactor(redactor().clone()).limits(limits);
    let quota = Quota::open(journal, options.journal(JournalOptions::new(clock).lock_deadline(LOCK_DEADLINE)))?;
    budgets.iter().map(|api| Ok(quota.budget(api)?.status()?)).collect()
}
