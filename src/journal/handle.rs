//! An open journal.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::format::{Layout, line};
use super::read::{Cursor, Lines};
use super::write::refusals::{check_place, sync_ancestors};
use super::write::{Key, KnownKeys, NotAppended, Rewriting, Tail, Writer};
use super::{Appended, Head, JournalOptions};
use crate::disk::per_process::PerProcess;
use crate::disk::{Storage, absolute, make_directory, platform};
use crate::error::{Error, ErrorKind, Result};

/// An append-only, hash-chained sequence of JSON lines. Several threads and processes can append to it at the same
/// time. Clones share the open files.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: Arc<PerProcess<Writer>>,
    options: JournalOptions,
    layout: Layout,
    id: Uuid,
}

impl Journal {
    /// Returns the lines of the journal at `path`, starting with the first. Returns `None` if there is no journal.
    /// Takes no lock, and creates and repairs nothing.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if the path is a directory, a symbolic link, a FIFO or a device.
    /// - [`ErrorKind::Io`] if the path cannot be examined.
    pub(crate) fn lines_if_there(path: &Path, options: &JournalOptions) -> Result<Option<Lines>> {
        match Layout::to_read(path) {
            Ok(layout) => Ok(Some(Lines::from_start(Arc::clone(&options.storage), layout))),
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the journal at `path`, creates the journal if it is missing, and repairs any damage from a crash. `path`
    /// is the active segment, which is the file to which new lines are appended.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if no journal can be at `path`. For example, `path` is a symbolic link, the file of
    ///   another program, or in a directory in which every user may replace files. By default, a network file system is
    ///   refused too.
    /// - [`ErrorKind::Malformed`] if the journal's identity cannot be parsed.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Timeout`] if the lock could not be acquired within [`JournalOptions::lock_deadline`].
    /// - [`ErrorKind::Io`] if the disk refuses an operation.
    pub fn open(path: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        Self::open_at(path.as_ref(), options, true)
    }

    /// Like [`open`](Self::open), but does not wait for the lock if the journal exists and has an active segment. The
    /// first append then repairs any damage from a crash.
    pub(crate) fn open_without_lock(path: &Path, options: JournalOptions) -> Result<Self> {
        Self::open_at(path, options, false)
    }

    fn open_at(path: &Path, options: JournalOptions, waits_for_lock: bool) -> Result<Self> {
        let path = absolute(path);
        let layout = Layout::new(&path);
        let storage = Arc::clone(&options.storage);
        if let Some(file_system) = platform::file_system(layout.active())
            && platform::is_network(&file_system)
            && !options.allow_network
        {
            return Err(Error::new(ErrorKind::Unsuitable, "open the ledger").path(layout.active()).detail(format!(
                "found a network file system ({file_system}), whose locks and syncs cannot be trusted; \
                 expected a local disk. Choose another path, or allow network file systems in the options"
            )));
        }
        let known = check_place(&*storage, &layout)?;
        for directory in [layout.machinery().to_owned(), layout.sealed(), layout.quarantine()] {
            make_directory(&*storage, &directory)?;
        }
        if known.is_none() {
            sync_ancestors(&*storage, &layout)?;
        }
        let without_lock = match known {
            Some(id) if !waits_for_lock => Tail::open_without_lock(layout.clone(), options.clone(), id)?,
            _ => None,
        };
        let tail = match without_lock.map_or_else(|| Tail::open(layout.clone(), options.clone(), known), Ok) {
            // This process waited for the lock to create the journal or its active segment. While it waited, another
            // process may have created both. The lock is then no longer needed.
            Err(error) if error.kind() == ErrorKind::Timeout && !waits_for_lock => {
                let id = check_place(&*storage, &layout)?.ok_or_else(|| error.clone())?;
                Tail::open_without_lock(layout.clone(), options.clone(), id)?.ok_or(error)?
            }
            opened => opened?,
        };
        let id = tail.id;
        Ok(Self { writer: Arc::new(PerProcess::new(Writer::new(tail))), options, layout, id })
    }

    /// Returns false if the next append must first look for damage from a crash. This can be the case after the journal
    /// was opened without the lock, after a failed append, or in a forked child.
    pub(crate) fn is_recovered(&self) -> bool {
        self.writer.get().is_some_and(Writer::is_recovered)
    }

    /// Repairs any damage from a crash if this process has not done so yet. A crash may lose the last lines of the
    /// active segment, because an append normally syncs only the commit area. The commit area is a file with a copy of
    /// these lines, from which the repair restores them.
    pub(crate) fn recover(&self) -> Result<()> {
        if !self.is_recovered() {
            self.writer()?.end()?;
        }
        Ok(())
    }

    /// Returns the writer of this process. In a forked child, the first call opens the files again.
    fn writer(&self) -> Result<&Writer> {
        self.writer.get_or_make(|| Tail::open(self.layout.clone(), self.options.clone(), None).map(Writer::new))
    }

    /// Appends `payload`, which must be one JSON object without line feeds. Does not check that the text between its
    /// braces is valid JSON. Returns once the line is as durable as the options require.
    ///
    /// While one batch of lines is being written and synced, the payloads of further calls form the next batch. Each
    /// batch is written and synced as a whole.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if `payload` is not in braces, contains a line feed, or is longer than
    ///   [`PAYLOAD_BYTES_MAX`](super::PAYLOAD_BYTES_MAX). Nothing is written in these cases.
    /// - [`ErrorKind::Timeout`] if the lock could not be acquired within [`JournalOptions::lock_deadline`].
    /// - [`ErrorKind::Io`] if the line cannot be written or synced.
    /// - [`ErrorKind::Unsuitable`] if the active segment was replaced by anything but a regular file.
    /// - [`ErrorKind::Overflow`] if the last line has the highest possible number.
    /// - [`ErrorKind::Abandoned`] if another thread panicked while it was writing the batch with this payload.
    pub fn append(&self, payload: &[u8]) -> Result<Appended> {
        self.append_all(&[payload])
    }

    /// Appends `payloads` as consecutive lines and returns the number of the first line. If the call fails, none of the
    /// payloads counts as appended.
    pub(crate) fn append_all(&self, payloads: &[&[u8]]) -> Result<Appended> {
        payloads.iter().try_for_each(|payload| self.check_payload(payload))?;
        self.writer()?.append(payloads)
    }

    /// Like [`append_all`](Self::append_all), but skips a payload if a line already has the key of this payload, unless
    /// the payload replaces that line. `known` is the index of the keys of all lines. All calls for a journal must pass
    /// the same `known`. Returns one result for each payload.
    pub(crate) fn append_new(
        &self,
        payloads: &[(&[u8], Option<Key>)],
        known: &Arc<dyn KnownKeys>,
    ) -> Result<Vec<std::result::Result<Appended, NotAppended>>> {
        payloads.iter().try_for_each(|(payload, _)| self.check_payload(payload))?;
        self.writer()?.append_new(payloads, known)
    }

    /// Refuses a payload that cannot become a line, or whose line would be longer than the largest file that this
    /// process may write.
    pub(crate) fn check_payload(&self, payload: &[u8]) -> Result<()> {
        line::check_payload(payload)?;
        let bytes = (payload.len() + line::TRAILER_BYTES_MAX) as u64;
        match self.options.storage.file_bytes_max() {
            Some(limit) if bytes > limit => {
                Err(Error::io("append to the ledger", self.layout.active(), io::ErrorKind::FileTooLarge.into()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the lines, starting with the first.
    pub fn lines(&self) -> Lines {
        Lines::from_start(Arc::clone(&self.options.storage), self.layout.clone())
    }

    /// Returns the lines after `cursor`, the position at which another reader stopped.
    pub fn lines_from(&self, cursor: Cursor) -> Lines {
        Lines::resume(Arc::clone(&self.options.storage), self.layout.clone(), cursor)
    }

    /// Returns a cursor at the end of the journal as this process last saw it. Every line that is appended later comes
    /// after that cursor.
    ///
    /// Does not wait for the journal's lock or for a sync. In a forked child that has not appended yet, the cursor is
    /// at the start.
    pub(crate) fn seen_end(&self) -> Cursor {
        self.writer.get().map_or(Cursor::START, Writer::seen_end)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Runs `work` while no other thread or process appends.
    pub(crate) fn under_lock<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.writer()?.under_lock(work)
    }

    /// Like [`under_lock`](Self::under_lock), but `work` may also change the sealed segments.
    pub(crate) fn rewrite<T>(&self, work: impl FnOnce(&mut Rewriting<'_>) -> Result<T>) -> Result<T> {
        self.writer()?.rewrite(work)
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.options.storage
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the number and the hash of the last line, and where the journal ends. First repairs any damage from a
    /// crash.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] if the lock could not be acquired within [`JournalOptions::lock_deadline`].
    /// - [`ErrorKind::Unsuitable`] if the active segment was replaced by anything but a regular file.
    /// - [`ErrorKind::Io`] if the files cannot be read or repaired.
    pub fn head(&self) -> Result<Head> {
        let end = self.writer()?.end()?;
        Ok(Head {
            ledger: self.id,
            seq: end.link.seq,
            hash: end.link.hash_str().to_owned(),
            segment: end.segment,
            bytes: end.len,
        })
    }
}
