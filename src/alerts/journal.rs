//! Stores alerts in a journal, so that no alert is forgotten or repeated after a restart.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::alert::Alert;
use super::pause;
use super::record::{Entry, Step};
use crate::disk::lock::{LockFile, Locked};
use crate::disk::make_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::{Layout, line};
use crate::journal::{Journal, JournalOptions};
use crate::metrics::Timestamp;

/// A new alert is not stored as due if its window ended at least this long ago, which is one day.
const LATE_MS: i64 = 24 * 60 * 60 * 1000;

/// The journal of the alerts of one ledger, in the ledger's internal directory. Only one process can use it at a time.
///
/// An alert is due if it has to be delivered. For each alert, the journal has at most one line `due` and at most one
/// line `sent`. When a failed alert becomes due [again](Self::retry_failed), the journal gets a line `again`.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// # runledger::Ledger::open(&path)?;
/// use std::sync::Arc;
///
/// use runledger::alerts::AlertJournal;
/// use runledger::journal::JournalOptions;
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let journal = AlertJournal::open(&path, "2026-02-14T12:00:00Z".parse()?, JournalOptions::new(Arc::new(noon)))?;
/// assert!(journal.next("2026-02-14T12:00:00Z".parse()?).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AlertJournal {
    journal: Journal,
    /// When watching began.
    began: Timestamp,
    /// The ids of all alerts that have ever become due.
    known: HashSet<Uuid>,
    /// The alerts that still have to be delivered. The key is the number of the line that made the alert due.
    pending: BTreeMap<u64, PendingAlert>,
    /// The alerts that have failed, with the same keys.
    failed: BTreeMap<u64, PendingAlert>,
    _lock: Locked,
}

/// An alert that has to be delivered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PendingAlert {
    /// The alert.
    pub alert: Alert,
    /// The number of attempts that did not deliver the alert.
    pub attempts: u64,
    /// When the next attempt is to be made.
    pub next_at: Timestamp,
    /// When `next_at` was computed.
    since: Timestamp,
}

impl PendingAlert {
    /// Returns true if an attempt is to be made at `now`. If the clock was set back since `next_at` was computed,
    /// `next_at` can be far ahead, so an attempt is made immediately.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_at <= now || now < self.since
    }
}

/// How an attempt to deliver an alert ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has accepted the alert.
    Accepted,
    /// The receiver has not accepted the alert, or nobody knows whether the receiver has accepted it.
    Refused {
        /// The reason, for people.
        why: String,
        /// The pause before the next attempt that the receiver asked for. `None` if it asked for no pause.
        retry_after: Option<Duration>,
    },
}

impl AlertJournal {
    /// Opens the journal of alerts of the ledger whose active segment is `ledger`. Creates the journal if it does not
    /// exist. `now` is the time at which watching begins, if the journal is new.
    ///
    /// Acquires a lock that only watchers use. So a process that writes to the ledger never waits for this lock.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] if another process uses the journal.
    /// - [`ErrorKind::Malformed`] if a line of the journal matches its hash but is not an entry. A line that does not
    ///   match its hash causes a warning, and is skipped.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Unsuitable`] if the ledger's internal directory cannot hold a journal.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn open(ledger: impl AsRef<Path>, now: Timestamp, options: JournalOptions) -> Result<Self> {
        let path = Layout::new(ledger.as_ref()).machinery().join("alerts.jsonl");
        let storage = Arc::clone(&options.storage);
        let machinery = Layout::new(&path).machinery().to_owned();
        make_directory(&*storage, &machinery)?;
        let lock_path = machinery.join("watcher");
        let lock = LockFile::open(storage, lock_path.clone())?.acquire(Duration::ZERO).map_err(|error| {
            if error.kind() != ErrorKind::Timeout {
                return error;
            }
            let found = "found another process that watches this ledger; expected none. End that process first";
            Error::new(ErrorKind::Timeout, "watch the ledger").path(&lock_path).detail(found)
        })?;
        let warn = Arc::clone(&options.warn);
        let journal = Journal::open(&path, options)?;
        let (known, pending, failed) = (HashSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut alerts = Self { journal, began: now, known, pending, failed, _lock: lock };
        let mut lines = alerts.journal.lines();
        let mut is_new = true;
        while let Some(found) = lines.next_line()? {
            let malformed = || found.locate(Error::new(ErrorKind::Malformed, "read a line of the alerts"));
            let Some(trailer) = line::check(found.bytes) else {
                let what = "found a line that does not match its hash; expected the line that was written";
                warn(&malformed().detail(what));
                continue;
            };
            let entry: Entry =
                serde_json::from_slice(found.bytes).map_err(|error| malformed().of_line(found.bytes, &error))?;
            is_new = false;
            alerts.apply(trailer.link.seq, entry);
        }
        if is_new {
            alerts.append(now, Step::Began {})?;
        }
        Ok(alerts)
    }

    /// Returns true if the alert may be sent at `now`. This is so in two cases:
    ///
    /// - The window of the alert is still open.
    ///
    /// - The window ended less than a day ago, and after watching began.
    pub fn is_timely(&self, alert: &Alert, now: Timestamp) -> bool {
        let day_ago = Timestamp::from_unix_ms(now.unix_ms() - LATE_MS).unwrap_or(Timestamp::UNIX_EPOCH);
        // If the clock was set back, watching seems to have begun in the future. Then `now` counts as its beginning.
        alert.is_open_after(day_ago.max(self.began.min(now)))
    }

    /// Stores an alert as due if it is new and [timely](Self::is_timely). Returns the number of alerts that were
    /// stored.
    ///
    /// # Errors
    /// The errors of [`Journal::append`].
    pub fn add(&mut self, alerts: impl IntoIterator<Item = Alert>, now: Timestamp) -> Result<usize> {
        let mut added = 0;
        for alert in alerts {
            if !self.known.contains(&alert.id) && self.is_timely(&alert, now) {
                self.append(now, Step::Due(Box::new(alert)))?;
                added += 1;
            }
        }
        Ok(added)
    }

    /// Each failed alert whose window has not ended at `now` becomes due again. Its attempts are counted from 0 again.
    /// Returns the number of these alerts.
    ///
    /// # Errors
    /// The errors of [`Journal::append`].
    pub fn retry_failed(&mut self, now: Timestamp) -> Result<usize> {
        let open = self.failed.values().filter(|failed| failed.alert.is_open_after(now));
        let ids: Vec<Uuid> = open.map(|failed| failed.alert.id).collect();
        ids.iter().try_for_each(|id| self.append(now, Step::Again { id: *id }))?;
        Ok(ids.len())
    }

    /// Returns an alert whose next attempt [is due](PendingAlert::is_due) at `now`. If there are several, returns the
    /// one whose next attempt has the earliest time.
    pub fn next(&self, now: Timestamp) -> Option<&PendingAlert> {
        self.pending.values().filter(|pending| pending.is_due(now)).min_by_key(|pending| pending.next_at)
    }

    /// Returns the alerts that still have to be delivered, in the order in which they became due.
    pub fn pending(&self) -> impl Iterator<Item = &PendingAlert> {
        self.pending.values()
    }

    /// Stores how an attempt to deliver the alert ended. If another attempt is to be made, returns the alert with the
    /// time of this attempt. Returns `None` in these cases:
    ///
    /// - The alert was sent.
    ///
    /// - The alert has failed, because this was attempt number `attempts_max`.
    ///
    /// - The alert is not pending.
    ///
    /// # Errors
    /// The errors of [`Journal::append`]. The alert is then delivered again with the same id.
    pub fn attempted(
        &mut self,
        id: Uuid,
        delivery: Delivery,
        attempts_max: u64,
        now: Timestamp,
    ) -> Result<Option<&PendingAlert>> {
        let Some((&due, pending)) = self.pending.iter().find(|(_, pending)| pending.alert.id == id) else {
            return Ok(None);
        };
        let attempt = pending.attempts + 1;
        let step = match delivery {
            Delivery::Accepted => Step::Sent { id, attempts: attempt },
            Delivery::Refused { why, .. } if attempt >= attempts_max => Step::Failed { id, attempts: attempt, why },
            Delivery::Refused { why, retry_after } => {
                let asked_ms = retry_after.map_or(0, |pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
                let next_at = now.plus_ms(pause::after(id, attempt, asked_ms));
                Step::Retry { id, attempt, next_at, why }
            }
        };
        self.append(now, step)?;
        Ok(self.pending.get(&due))
    }

    fn append(&mut self, at: Timestamp, event: Step) -> Result<()> {
        let payload = Entry::payload(at, event)?;
        let seq = self.journal.append(&payload)?.seq;
        // The state in memory is updated from the stored bytes. So it is the same as after a restart.
        let entry = serde_json::from_slice(&payload)
            .map_err(|source| Error::new(ErrorKind::Malformed, "read a line of the alerts").source(source))?;
        self.apply(seq, entry);
        Ok(())
    }

    fn apply(&mut self, seq: u64, Entry { at, event }: Entry) {
        match event {
            Step::Began {} => self.began = at,
            Step::Due(alert) => {
                if self.known.insert(alert.id) {
                    self.pending.insert(seq, PendingAlert { alert: *alert, attempts: 0, next_at: at, since: at });
                }
            }
            Step::Retry { id, attempt, next_at, .. } => {
                if let Some(pending) = self.pending.values_mut().find(|pending| pending.alert.id == id) {
                    (pending.attempts, pending.next_at, pending.since) = (attempt, next_at, at);
                }
            }
            Step::Sent { id, .. } => _ = take(&mut self.pending, id),
            Step::Failed { id, .. } => self.failed.extend(take(&mut self.pending, id)),
            Step::Again { id } => {
                let failed = take(&mut self.failed, id);
                let again = |failed| PendingAlert { attempts: 0, next_at: at, since: at, ..failed };
                self.pending.extend(failed.map(|(seq, failed)| (seq, again(failed))));
            }
        }
    }
}

/// Removes and returns the alert with this id.
fn take(alerts: &mut BTreeMap<u64, PendingAlert>, id: Uuid) -> Option<(u64, PendingAlert)> {
    let seq = *alerts.iter().find(|(_, one)| one.alert.id == id)?.0;
    alerts.remove_entry(&seq)
}
