//! An open journal.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::format::{Layout, line};
use super::read::{Cursor, Lines};
use super::write::place::{check_place, sync_ancestors};
use super::write::{Tail, Writer};
use super::{Appended, Head, JournalOptions};
use crate::disk::per_process::PerProcess;
use crate::disk::{make_directory, platform};
use crate::error::{Error, ErrorKind, Result};

/// An append-only, hash-chained file of JSON lines, safe across threads and processes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: Arc<PerProcess<Writer>>,
    options: JournalOptions,
    layout: Layout,
    id: Uuid,
}

impl Journal {
    /// Opens the journal whose active segment is `path`, and makes it if it is not there; repairs what a crash left.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] if `path` is not a regular file, holds something else, leaves its machinery no
    /// name, or is in a directory where every user may replace it;
    /// [`ErrorKind::Newer`] for a format that this version does not know;
    /// [`ErrorKind::Timeout`] if another process keeps the lock;
    /// [`ErrorKind::Io`] if the disk refuses.
    pub fn open(path: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        Self::open_by(path.as_ref(), options, Tail::open)
    }

    /// Like [`open`](Self::open), but does not wait for the lock if the journal exists: the first append then recovers what
    /// a crash left.
    pub(crate) fn open_without_lock(path: &Path, options: JournalOptions) -> Result<Self> {
        Self::open_by(path, options, |layout, options, id| {
            let tail = match id {
                Some(id) => Tail::open_without_lock(layout.clone(), options.clone(), id)?,
                None => None,
            };
            tail.map_or_else(|| Tail::open(layout, options, id), Ok)
        })
    }

    fn open_by(
        path: &Path,
        options: JournalOptions,
        open: impl FnOnce(Layout, JournalOptions, Option<Uuid>) -> Result<Tail>,
    ) -> Result<Self> {
        // Absolute, since the program may go to another directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let layout = Layout::new(&path);
        let storage = Arc::clone(&options.storage);
        if let Some(file_system) = platform::file_system(layout.active())
            && platform::is_network(&file_system)
            && !options.allow_network
        {
            return Err(Error::new(ErrorKind::Unsuitable, "open the ledger").path(layout.active()).detail(format!(
                "it is on a network file system ({file_system}), where locks and syncs cannot be trusted; \
                 choose a local disk, or allow it in the options"
            )));
        }
        let known = check_place(&*storage, &layout)?;
        for directory in [layout.machinery().to_owned(), layout.sealed(), layout.quarantine()] {
            make_directory(&*storage, &directory)?;
        }
        if known.is_none() {
            sync_ancestors(&*storage, &layout)?;
        }
        let tail = open(layout.clone(), options.clone(), known)?;
        let id = tail.id;
        Ok(Self { writer: Arc::new(PerProcess::new(Writer::new(tail))), options, layout, id })
    }

    /// False if this process has neither recovered the journal nor appended to it yet.
    pub(crate) fn is_recovered(&self) -> bool {
        self.writer.get().is_some_and(Writer::is_recovered)
    }

    /// Recovers what a crash left, if that was not done yet: until then the lines may lack one that the commit area has, and
    /// which the next append brings back.
    pub(crate) fn recover(&self) -> Result<()> {
        if !self.is_recovered() {
            self.writer()?.end()?;
        }
        Ok(())
    }

    /// Returns the writer of this process. A forked child opens the files again.
    fn writer(&self) -> Result<&Writer> {
        self.writer.get_or_make(|| Tail::open(self.layout.clone(), self.options.clone(), None).map(Writer::new))
    }

    /// Appends `payload`, one JSON object without line feeds, and returns when it is as durable as the options ask.
    ///
    /// Callers that come while a batch is being synced share the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with nothing written, if `payload` is no such object or longer
    /// than [`PAYLOAD_BYTES_MAX`](super::PAYLOAD_BYTES_MAX); [`ErrorKind::Timeout`] and
    /// [`ErrorKind::Io`] if it could not be written or synced;
    /// [`ErrorKind::Abandoned`] if the thread that wrote for this one panicked.
    pub fn append(&self, payload: &[u8]) -> Result<Appended> {
        self.append_all(&[payload])
    }

    /// Appends `payloads` as lines one after the other, and says where the first of them went. An error is
    /// one for all of them.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub(crate) fn append_all(&self, payloads: &[&[u8]]) -> Result<Appended> {
        payloads.iter().try_for_each(|payload| self.check_payload(payload))?;
        self.writer()?.append(payloads)
    }

    /// Refuses a payload that cannot be a line, or not in a file of the length that this process may write.
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

    /// Returns the lines from the first on.
    pub fn lines(&self) -> Lines {
        Lines::from_start(Arc::clone(&self.options.storage), self.layout.clone())
    }

    /// Returns the lines from where another reader stopped.
    pub fn lines_from(&self, cursor: Cursor) -> Lines {
        Lines::resume(Arc::clone(&self.options.storage), self.layout.clone(), cursor)
    }

    /// A cursor at an end that this process has seen: every line appended from now on comes after it. Takes no lock
    /// between processes and does not wait for a sync; so a forked child that has not appended has seen only the start.
    pub(crate) fn seen_end(&self) -> Cursor {
        self.writer.get().map_or(Cursor::START, Writer::seen_end)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Does `work` while neither a thread nor a process appends.
    pub(crate) fn under_lock<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.writer()?.under_lock(work)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the journal's present state.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
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
