//! Opens quotas and returns their status, each in the unit of its limit.

use std::sync::Arc;
use std::time::Duration;

use runledger::journal::JournalOptions;
use runledger::quota::{Limit, Limits, QuotaOptions, Unit};
use runledger::{Error, Quota, QuotaStatus, Timestamp, Usd};
use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits;
use crate::quota_text;
use crate::redaction::redactor;
use crate::warnings::warn;

/// The status of a quota in tokens or calls, or of a budget, which is a quota in dollars.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Status {
    Counts(QuotaStatus),
    Dollars(QuotaStatus<Usd>),
}

/// A status in JSON, with what the limit says about enforcement.
#[derive(Serialize)]
pub(crate) struct Shown<'s> {
    kind: &'static str,
    #[serde(flatten)]
    status: &'s Status,
    enforced: bool,
    /// If at least this percentage of the limit is used, a person is asked before a call. `None` if nobody is asked.
    warn: Option<u8>,
    /// True if the limit is one of the bundled limits, which nobody has set for this ledger.
    bundled: bool,
}

/// Returns true if the limit is a bundled one.
pub(crate) fn is_bundled(limit: &Limit) -> bool {
    Limits::bundled().get(&limit.api) == Some(limit)
}

impl Status {
    pub(crate) fn shown(&self, limit: Option<&Limit>) -> Shown<'_> {
        let warn = limit.and_then(|limit| limit.warn).map(std::num::NonZeroU8::get);
        let (enforced, bundled) = (limit.is_some_and(|limit| limit.enforce), limit.is_some_and(is_bundled));
        Shown { kind: "quota", status: self, enforced, warn, bundled }
    }

    /// Returns the status as a line of text.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Counts(status) => format!("{}: {}", status.api_name, quota_text::summary(status)),
            Self::Dollars(status) => format!("{}: {}", status.api_name, quota_text::summary(status)),
        }
    }
}

/// Opens the quota. Creates its journal if the journal does not exist. `hold_life` is how long a reservation lasts, or
/// `None` for the default.
pub(crate) fn open(limits: Limits, hold_life: Option<Duration>, global: &Global) -> Result<Quota, Failure> {
    let (clock, style) = (Arc::new(clock::unix_ms), global.style());
    let journal = JournalOptions::new(clock.clone()).on_warning(move |error: &Error| warn("", error, style));
    let options = QuotaOptions::new(clock).redactor(redactor().clone()).journal(journal).limits(limits);
    let options = hold_life.into_iter().fold(options, QuotaOptions::hold_life);
    Ok(Quota::open(limits::journal(global), options)?)
}

/// Like [`open`], but creates nothing. Returns `None` if the journal does not exist.
pub(crate) fn open_existing(limits: &Limits, global: &Global) -> Result<Option<Quota>, Failure> {
    let journal = limits::journal(global);
    let is_there = journal.try_exists().map_err(|source| Failure::File {
        operation: "look for the quota's journal",
        path: journal,
        source,
    })?;
    if is_there { open(limits.clone(), None, global).map(Some) } else { Ok(None) }
}

/// Returns true if the limit of the API is in dollars, and false if it is in tokens or calls. Fails if no limit has
/// this name.
pub(crate) fn is_in_dollars(limits: &Limits, api: &str) -> Result<bool, Failure> {
    Ok(limits.require(api)?.unit == Unit::Usd)
}

/// Returns the status of each API. Creates nothing.
pub(crate) fn of_all(apis: &[&str], limits: &Limits, global: &Global) -> Result<Vec<Status>, Failure> {
    let quota = open_existing(limits, global)?;
    let now = clock::now();
    apis.iter().map(|api| status(quota.as_ref(), api, limits, now)).collect()
}

/// Returns the status of the quota of an API. `quota` is `None` if nothing was used so far.
pub(crate) fn status(quota: Option<&Quota>, api: &str, limits: &Limits, now: Timestamp) -> Result<Status, Failure> {
    Ok(match (quota, is_in_dollars(limits, api)?) {
        (Some(quota), false) => Status::Counts(quota.status(api)?),
        (Some(quota), true) => Status::Dollars(quota.budget(api)?.status()?),
        (None, false) => Status::Counts(limits.unused(api, now)?),
        (None, true) => Status::Dollars(limits.unused(api, now)?),
    })
}
