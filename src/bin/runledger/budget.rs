//! Judges a tool call of an agent: the verdict says whether the enforced limits leave room for the call.
//!
//! Before the call, an amount is reserved against each enforced limit. This reserved amount is called a hold. So even
//! if many agents call tools at the same time, their holds together never exceed the limit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runledger::journal::JournalOptions;
use runledger::quota::{Amount, DenialReason, Denied, Grant, Hold, Limit, QuotaOptions, Resumed, Unit};
use runledger::{Error, ErrorKind, Quota, QuotaStatus, Usd};

use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits;
use crate::quota_text::summary;
use crate::redaction::redactor;
use crate::term::quoted;
use crate::warnings::warn;

/// How long a hold lasts if nobody ends it. A tool call is not expected to take longer. If an agent has died, the hook
/// can end its holds much earlier.
const HOLD_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Says whether a tool call may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call may be made.
    Allow,
    /// A person decides. The text says which limits are nearly used up.
    Ask(String),
    /// The call must not be made. The text says why.
    Deny(String),
}

/// The verdict on a tool call, and the holds of the call.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// The ids of the holds. Empty if nothing was reserved.
    pub(crate) holds: Vec<String>,
}

/// The enforced limits, and the quota that counts what is used of them.
#[derive(Debug)]
pub(crate) struct Budgets {
    quota: Quota,
    /// The path of the ledger.
    ledger: PathBuf,
    enforced: Vec<Limit>,
}

/// A hold against one limit, in the limit's unit. If the value is dropped, the hold is released.
enum Held {
    Counts(Hold, QuotaStatus),
    Dollars(Hold<Usd>, QuotaStatus<Usd>),
}

impl Budgets {
    /// Opens the quota of the ledger. Waits for the lock of the quota's journal for at most `lock_deadline`. `holder`
    /// is stored with each hold. If no limit is enforced, returns `None`, and does not open or create the journal.
    pub(crate) fn open(
        lock_deadline: Duration,
        holder: impl FnOnce() -> Option<String>,
        global: &Global,
    ) -> Result<Option<Self>, Failure> {
        let limits = limits::load(global, None)?;
        let enforced: Vec<_> = limits.iter().filter(|limit| limit.enforce).cloned().collect();
        if enforced.is_empty() {
            return Ok(None);
        }
        let (clock, style) = (Arc::new(clock::unix_ms), global.style());
        let journal = JournalOptions::new(clock.clone())
            .lock_deadline(lock_deadline)
            .on_warning(move |error: &Error| warn("", error, style));
        let options = QuotaOptions::new(clock)
            .redactor(redactor().clone())
            .limits(limits)
            .journal(journal)
            .hold_life(HOLD_LIFE)
            .holder(holder());
        let ledger = std::path::absolute(&global.ledger).unwrap_or_else(|_| global.ledger.clone());
        Ok(Some(Self { quota: Quota::open(limits::journal(global), options)?, ledger, enforced }))
    }

    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Returns the APIs of the enforced limits in dollars or tokens. How much an agent uses of these limits is known
    /// only from its transcript.
    pub(crate) fn metered(&self) -> Vec<&str> {
        self.enforced.iter().filter(|limit| limit.unit != Unit::Calls).map(|limit| &*limit.api).collect()
    }

    /// Returns the APIs whose enforced limits are in dollars and assume no amount for a call of unknown cost. Such a
    /// call uses up nothing of these limits.
    pub(crate) fn without_unknown(&self) -> Vec<&str> {
        let dollars = self.enforced.iter().filter(|limit| limit.unit == Unit::Usd && !limit.assumes());
        dollars.map(|limit| &*limit.api).collect()
    }

    /// Judges a tool call before it is made, and reserves an amount for it against each enforced limit: one call, or an
    /// unknown amount of dollars or tokens. If one limit denies the call, nothing stays reserved.
    ///
    /// Pass the ids of the holds to [`after`](Self::after) when the call has ended.
    pub(crate) fn before(&self) -> Result<Judged, Error> {
        let mut holds = Vec::new();
        for limit in &self.enforced {
            match self.reserve(limit)? {
                Ok(held) => holds.push((limit, held)),
                Err(why) => {
                    let why = format!("{why}. To look: {}", self.command_of(limit));
                    return Ok(Judged { verdict: Verdict::Deny(why), holds: Vec::new() });
                }
            }
        }
        let near: Vec<_> = holds.iter().filter_map(|(limit, held)| held.near(limit)).collect();
        let verdict = if near.is_empty() { Verdict::Allow } else { Verdict::Ask(near.join("; ")) };
        let holds = holds.into_iter().map(|(_, held)| held.keep().to_string()).collect();
        Ok(Judged { verdict, holds })
    }

    /// Returns the command that shows the quota of the limit.
    fn command_of(&self, limit: &Limit) -> String {
        let ledger = self.ledger.display().to_string();
        format!("runledger quota {} --ledger {}", quoted(&limit.api), quoted(&ledger))
    }

    /// Ends the holds of a tool call that has ended. Counts one call if `was_made` is true, and nothing if the call was
    /// refused after the verdict. Dollars and tokens are counted from the agent's transcript, and not here.
    ///
    /// A hold that has already ended is ignored, so the end of a call can be reported several times. If a hold cannot
    /// be ended, the other holds are ended anyway, and the first error is returned.
    pub(crate) fn after(&self, holds: &[String], was_made: bool) -> Result<(), Error> {
        let ended = holds.iter().filter_map(|id| id.parse().ok()).map(|id| self.end(id, was_made));
        let is_failure = |ended: &Result<(), Error>| {
            ended.as_ref().is_err_and(|error| !matches!(error.kind(), ErrorKind::Ended | ErrorKind::UnknownHold))
        };
        // All holds must be ended before the first failure is returned.
        let failures: Vec<_> = ended.filter(is_failure).collect();
        failures.into_iter().next().unwrap_or(Ok(()))
    }

    fn end(&self, id: u64, was_made: bool) -> Result<(), Error> {
        match self.quota.resume(id)? {
            Resumed::Counts(hold) if was_made && hold.limit().unit == Unit::Calls => hold.settle(Some(1)).map(drop),
            Resumed::Counts(hold) => hold.release().map(drop),
            Resumed::Dollars(hold) => hold.release().map(drop),
        }
    }

    /// Reserves the amount of a tool call against the limit, or returns why the call is denied.
    fn reserve(&self, limit: &Limit) -> Result<Result<Held, String>, Error> {
        let api = &limit.api;
        Ok(match limit.unit {
            Unit::Usd => {
                let budget = self.quota.budget(api)?;
                match budget.reserve(None)? {
                    Grant::Held(hold) => Ok(Held::Dollars(hold, budget.status()?)),
                    Grant::Denied(denied) => Err(why(&denied)),
                }
            }
            unit => match self.quota.reserve(api, (unit == Unit::Calls).then_some(1))? {
                Grant::Held(hold) => Ok(Held::Counts(hold, self.quota.status(api)?)),
                Grant::Denied(denied) => Err(why(&denied)),
            },
        })
    }
}

impl Held {
    /// Returns a warning if at least `warn` percent of the limit is used. `warn` is a field of the limit.
    fn near(&self, limit: &Limit) -> Option<String> {
        let percent = limit.warn?;
        let (is_near, summary) = match self {
            Self::Counts(_, status) => (status.has_reached(percent.get().into()), summary(status)),
            Self::Dollars(_, status) => (status.has_reached(percent.get().into()), summary(status)),
        };
        is_near.then(|| format!("at least {percent} % of the limit {} is used: {summary}", limit.api))
    }

    fn keep(self) -> u64 {
        match self {
            Self::Counts(hold, _) => hold.keep(),
            Self::Dollars(hold, _) => hold.keep(),
        }
    }
}

fn why<A: Amount>(denied: &Denied<A>) -> String {
    let (api, summary) = (&denied.status.api_name, summary(&denied.status));
    match denied.reason {
        DenialReason::Unknown => {
            format!("the limit {api} denies calls whose amount is unknown in advance, such as tool calls: {summary}")
        }
        _ if denied.status.remaining.steps() == Some(0) => format!("nothing is left of the limit {api}: {summary}"),
        _ => format!("less is left of the limit {api} than this call may use: {summary}"),
    }
}

#[cfg(test)]
mod tests;
