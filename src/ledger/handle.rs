//! Opens a ledger, its quota and its frozen baselines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Ledger;
use super::commit::{LedgerCommitter, QUEUE_BYTES_MAX};
use super::deadline::Helpers;
use super::frozen::BaselineJournal;
use super::known::KnownIds;
use super::options::Options;
use super::pending::slots::Slots;
use super::pending::spill::Spill;
use super::places::Places;
use super::reader::LedgerReader;
use super::shared::{Lost, Shared};
use super::unpriced::Unpriced;
use crate::cost::{Cost, PriceTable};
use crate::disk::make_directory;
use crate::disk::per_process::PerProcess;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Durability, Head, Journal, JournalOptions};
use crate::metrics::{Call, Timestamp};
use crate::quota::{Limits, Quota, QuotaOptions};

impl Ledger {
    /// Opens a ledger with the default [`Options`]. `path` is the file to which new lines are appended (the active
    /// segment), such as `logs/execution_metrics.jsonl`. Creates the ledger and its directories if they do not exist.
    /// Repairs the damage of a crash, and records the executions of dead processes as interrupted. If another process
    /// holds the ledger's lock for too long, a later append does both.
    ///
    /// By default, only the user who creates the files may read them. To share a ledger with a group, give its
    /// directory the group's write bit and the setgid bit (`mkdir -m 2770 logs`). Files that root creates belong to the
    /// owner of their directory; see [`Disk`].
    ///
    /// [`Disk`]: crate::disk::Disk
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if `path` cannot hold a ledger, for one of these reasons:
    ///   - `path` exists but is not a regular file.
    ///   - The file at `path` belongs to another program.
    ///   - `path` ends in `.ledger`, like a ledger's internal directory.
    ///   - `path` is on a network file system.
    ///   - `path` is in a directory where every user may replace the file.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the ledger.
    /// - [`ErrorKind::Malformed`] if `ledger.json`, the file with the ledger's id, cannot be read.
    /// - [`ErrorKind::Timeout`] if the ledger has to be created and another process holds its lock for too long.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Returns a reader of this ledger. The reader's queries do not need the ledger's lock.
    pub fn reader(&self) -> LedgerReader {
        LedgerReader::new(Arc::clone(&self.shared.options.journal.storage), self.shared.journal.layout().clone())
    }

    /// Returns the ledger's head: the number and the hash of the last line. Store the head on another machine, and pass
    /// it to [`LedgerReader::verify`] later to detect a truncation or a rewrite of the ledger.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] if another process holds the lock for too long.
    /// - [`ErrorKind::Unsuitable`] if the active segment was replaced by anything but a regular file.
    /// - [`ErrorKind::Io`] if the files cannot be read or repaired.
    pub fn head(&self) -> Result<Head> {
        self.shared.journal.head()
    }

    /// Returns the price table from which costs are computed. This is the table in the [`Options`], or the bundled
    /// table if the options have none.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the bundled table cannot be read. A test checks that this never happens.
    pub fn prices(&self) -> Result<&PriceTable> {
        match &self.shared.options.prices {
            Some(prices) => Ok(prices),
            None => PriceTable::bundled(),
        }
    }

    /// Opens the ledger's quota, whose file is `quota.jsonl` in the directory of the ledger. The quota uses the
    /// ledger's clock, disk, warnings and redactor.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the redactor finds a secret in the name or the source of a limit.
    /// - [`ErrorKind::Unsuitable`] if the ledger itself is named `quota.jsonl`, or if the quota's path cannot hold a
    ///   journal.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the quota.
    /// - [`ErrorKind::Malformed`] if the file with the journal's id cannot be read, or if a line is not a line of a
    ///   quota. The error names the line.
    /// - [`ErrorKind::Timeout`] if another process holds the journal's lock for too long.
    /// - [`ErrorKind::Io`] if the journal cannot be created or read.
    pub fn quota(&self, limits: Limits) -> Result<Quota> {
        let path = self.beside("quota.jsonl", "open the quota")?;
        let journal = self.synced();
        let options = QuotaOptions::new(Arc::clone(&journal.clock)).journal(journal).limits(limits);
        Quota::open(path, options.redactor(self.shared.options.redactor.clone()))
    }

    /// Opens the journal of frozen baselines. A frozen baseline is computed once for each week, and never changes
    /// afterwards. The journal's file is `baselines.jsonl` in the directory of the ledger. The journal uses the
    /// ledger's clock, disk and warnings.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if the ledger itself is named `baselines.jsonl`, or if the journal's path cannot
    ///   hold a journal.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Malformed`] if the file with the journal's id cannot be read.
    /// - [`ErrorKind::Timeout`] if another process holds the journal's lock for too long.
    /// - [`ErrorKind::Io`] if the journal cannot be created or read.
    pub fn frozen_baselines(&self) -> Result<BaselineJournal> {
        BaselineJournal::open(self.beside("baselines.jsonl", "open the frozen baselines")?, self.synced())
    }

    /// Returns the path of a file in the ledger's directory.
    fn beside(&self, name: &str, operation: &str) -> Result<PathBuf> {
        let ledger = self.shared.journal.layout().active();
        let path = ledger.with_file_name(name);
        if ledger == path {
            return Err(Error::new(ErrorKind::Unsuitable, operation)
                .path(&path)
                .detail("found the ledger itself; expected another file. Give the ledger another name"));
        }
        Ok(path)
    }

    /// Returns the options for the journals of the quota and of the frozen baselines. These journals sync every append.
    /// Their other options are those of the ledger.
    fn synced(&self) -> JournalOptions {
        JournalOptions { durability: Durability::Synced, ..self.shared.options.journal.clone() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.options.now()
    }

    /// Returns the cost of a call, or `None` if the cost is unknown.
    pub(super) fn priced(&self, call: &Call) -> Option<Cost<'_>> {
        self.prices().ok()?.cost_if_known(call, self.now())
    }

    /// Warns that the cost of `call` is unknown, unless this process has already warned about the model.
    pub(super) fn warn_of_unpriced(&self, call: &Call) {
        if self.shared.unpriced.is_new(call)
            && let Ok(prices) = self.prices()
            && let Err(error) = prices.cost_of(call, self.now())
        {
            self.shared.warn(&error.with_consequence("the cost of a call is unknown"));
        }
    }
}

impl Options {
    /// Opens the ledger whose active segment is `path`, and creates it if it does not exist.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if `path` cannot hold a ledger; see [`Ledger::open`].
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the ledger.
    /// - [`ErrorKind::Malformed`] if `ledger.json`, the file with the ledger's id, cannot be read.
    /// - [`ErrorKind::Timeout`] if the ledger has to be created and another process holds its lock for too long.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn open(mut self, path: impl AsRef<Path>) -> Result<Ledger> {
        let (warn, redactor) = (Arc::clone(&self.journal.warn), self.redactor.clone());
        self.journal.warn = Arc::new(move |error| match error.redacted(|text| redactor.changed(text)) {
            Some(redacted) => warn(&redacted),
            None => warn(error),
        });
        let journal = self.open_journal(path.as_ref())?;
        let storage = Arc::clone(&self.journal.storage);
        let layout = journal.layout().clone();
        for directory in [layout.inflight(), layout.spill()] {
            make_directory(&*storage, &directory)?;
        }
        let slots = Slots::open(Arc::clone(&storage), layout.clone(), self.sync_begin)?;
        let known = Arc::new(KnownIds::new(layout.clone(), &self.journal));
        let spill = Spill::new(storage, layout, slots.stem()?);
        let committer = LedgerCommitter::new(QUEUE_BYTES_MAX, self.deadline);
        let shared = Shared {
            helpers: self.deadline.map(Helpers::new),
            lost: PerProcess::new(Lost::default()),
            swept: AtomicBool::new(false),
            unpriced: Unpriced::default(),
            options: self,
            journal,
            slots,
            spill,
            known,
        };
        if shared.journal.is_recovered() {
            shared.sweep(shared.options.journal.lock_deadline);
        }
        Ok(Ledger { shared: Arc::new(shared), committer: Arc::new(committer) })
    }

    fn open_journal(&self, path: &Path) -> Result<Journal> {
        let without_lock = || Journal::open_without_lock(path, self.journal.clone());
        if !self.wait_at_open {
            return without_lock();
        }
        match Journal::open(path, self.journal.clone()) {
            // Another process holds the lock. Open the ledger without the lock: until this process can acquire it,
            // records are spilled.
            Err(error) if error.kind() == ErrorKind::Timeout => {
                let journal = without_lock().map_err(|_| error.clone())?;
                (self.journal.warn)(&error);
                Ok(journal)
            }
            opened => opened,
        }
    }
}
