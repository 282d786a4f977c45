//! The options with which a quota is opened.

use std::time::Duration;

use super::Limits;
use crate::journal::{Clock, JournalOptions};
use crate::redaction::Redactor;

/// The options with which a quota is opened.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use runledger::quota::{Limits, QuotaOptions};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let options = QuotaOptions::new(Arc::new(noon)).limits(Limits::bundled()).hold_life(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct QuotaOptions {
    pub(super) limits: Limits,
    pub(super) hold_life: Duration,
    pub(super) holder: Option<String>,
    pub(super) journal: JournalOptions,
    pub(super) redactor: Redactor,
}

impl QuotaOptions {
    /// Returns the defaults: the bundled limits, holds (reserved amounts) that expire after ten minutes, and
    /// [`JournalOptions::new`] with `clock`.
    pub fn new(clock: Clock) -> Self {
        let hold_life = Duration::from_secs(10 * 60);
        let (limits, journal) = (Limits::bundled(), JournalOptions::new(clock));
        Self { limits, hold_life, holder: None, journal, redactor: Redactor::new() }
    }

    /// Sets the limits of the APIs; [`Limits::bundled`] by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long a hold can stay open before it expires. A hold stays open, for example, if its process died. The
    /// default is ten minutes. Fractions of a millisecond are ignored.
    pub fn hold_life(mut self, life: Duration) -> Self {
        self.hold_life = life;
        self
    }

    /// Sets a text that is stored with each hold, and that [`Quota::holds`](super::Quota::holds) lists. It can say
    /// which program needs the hold, so that another program can find out whether that program has died. `None` by
    /// default.
    pub fn holder(mut self, holder: Option<String>) -> Self {
        self.holder = holder;
        self
    }

    /// Sets the redactor that looks for secrets in the names and the sources of the limits; [`Redactor::new`] by
    /// default. If it finds a secret, the quota is not opened.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Sets how the quota's journal is opened. The quota then uses the clock in `journal`, and not the clock that was
    /// passed to [`new`](Self::new).
    pub fn journal(mut self, journal: JournalOptions) -> Self {
        self.journal = journal;
        self
    }
}
