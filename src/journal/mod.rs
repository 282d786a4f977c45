//! How bytes become durable lines. Knows nothing of executions.
//!
//! A [`Journal`] is a file of JSON lines that only grows. Threads and processes append to it at the same time; each line
//! carries its number, its hash and the hash of the line before. What survives which crash is [`Durability`]'s to say.
//!
//! The ledger and the quota tracker stand on it. Everything that it asks of a disk goes through [`Storage`].

mod area;
pub(crate) mod blocks;
pub(crate) mod events;
mod follow;
mod group;
pub(crate) mod identity;
pub(crate) mod last;
pub(crate) mod line;
mod primitives;
pub(crate) mod probe;
pub(crate) mod reader;
pub(crate) mod recovery;
pub(crate) mod segment;
mod sync;
mod tail;
pub(crate) mod truncation;
mod turnover;
pub(crate) mod warnings;
pub(crate) mod workers;
mod writer;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use events::Event;
pub use follow::{Followed, Follower, Place};
pub use line::PAYLOAD_BYTES_MAX;
pub use reader::{Cursor, Line, Lines};
use segment::Layout;
use serde::{Deserialize, Serialize};
use tail::Tail;
use uuid::Uuid;
pub use warnings::{Warning, Warnings};
use writer::Writer;

use crate::disk::per_process::PerProcess;
use crate::disk::{Disk, Storage, make_directory, platform};
use crate::error::{Error, ErrorKind, Result};

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Synced before the call returns: survives a panic, `kill -9`, a crash of the operating system, and a power cut,
    /// as far as the disk does not lie about its cache.
    #[default]
    Synced,
    /// In the operating system's page cache when the call returns: survives a panic and `kill -9`; the last seconds
    /// before a crash of the operating system or a power cut may be lost.
    Flushed,
}

/// Milliseconds after 1970-01-01T00:00:00Z. The journal reads no clock of its own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Takes what went wrong and could not be answered to a caller.
pub type Warn = Arc<dyn Fn(&Error) + Send + Sync>;

/// From which length on a segment is sealed, unless the options say otherwise.
pub(crate) const ROTATE_BYTES: u64 = 256 * 1024 * 1024;

/// How a journal is opened.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// What an acknowledged line survives.
    pub durability: Durability,
    /// Seal the active segment once it has this many bytes; `None`: never by size.
    pub rotate_bytes: Option<u64>,
    /// Seal the active segment with the first line of a new day (UTC).
    pub rotate_daily: bool,
    /// How long an append waits for another process's lock before it fails.
    pub lock_deadline: Duration,
    /// Whether the ledger may stand on a network file system, where nothing is promised.
    pub allow_network: bool,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// The time, for rotation and events.
    pub clock: Clock,
    /// Where warnings go; by default to stderr, as [`Warnings`] lets them through.
    pub warn: Warn,
}

impl Options {
    /// Synced, rotated at 256 MiB but not by day, a deadline of one second, the real disk, warnings on stderr.
    pub fn new(clock: Clock) -> Self {
        Self {
            durability: Durability::Synced,
            rotate_bytes: Some(ROTATE_BYTES),
            rotate_daily: false,
            lock_deadline: Duration::from_secs(1),
            allow_network: false,
            storage: Arc::new(Disk),
            clock,
            warn: Arc::new(warnings::hook()),
        }
    }
}

/// Refuses a place where no journal can stand, whatever the file system; nothing is made.
pub(crate) fn check_place(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    recovery::check_directories(storage, layout)?;
    recovery::check_active(storage, layout)?;
    if layout.machinery() == layout.active() {
        return Err(Error::new(ErrorKind::Unsuitable, "open the ledger")
            .path(layout.active())
            .detail("expected the name of a file such as x.jsonl, whose machinery can stand beside it in x.ledger"));
    }
    identity::refuse_foreign(storage, layout)
}

/// Makes the directories above the ledger durable, before its identity says that they are: a process may have made them
/// and died. The rest of its names [`Tail::recover`] sees to at each opening.
fn sync_ancestors(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    for ancestor in layout.parent().ancestors().skip(1) {
        match storage.sync_dir(ancestor) {
            // Nobody who makes a ledger here could have made a directory there.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            done => done.map_err(|source| Error::io("sync the directories above the ledger", ancestor, source))?,
        }
    }
    Ok(())
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("rotate_bytes", &self.rotate_bytes)
            .field("rotate_daily", &self.rotate_daily)
            .field("lock_deadline", &self.lock_deadline)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

/// Where a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The line's sequence number, from 1.
    pub seq: u64,
    /// What it survives from now on.
    pub durability: Durability,
}

/// The state of a journal at one moment: keep it elsewhere, and a later verification can tell whether the journal still
/// begins with what it held then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The ledger's id.
    pub ledger: Uuid,
    /// Number of the last line; 0: there is none yet.
    pub seq: u64,
    /// Hash of the last line, 64 lower-case hex digits; zeros if there is none.
    pub hash: String,
    /// Number of the active segment, from 1.
    pub segment: u64,
    /// Bytes in the active segment.
    pub bytes: u64,
}

/// An append-only, hash-chained file of JSON lines, safe across threads and processes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: Arc<PerProcess<Writer>>,
    options: Options,
    layout: Layout,
    id: Uuid,
}

impl Journal {
    /// Opens the journal whose active segment is `path`, and makes it if it is not there; mends what a crash left.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] when `path` is no regular file, holds something else, leaves its machinery no
    /// name, or stands in a directory where every user may replace it;
    /// [`ErrorKind::Newer`] for a format that this version does not know;
    /// [`ErrorKind::Timeout`] when another process keeps the lock;
    /// [`ErrorKind::Io`] when the disk refuses.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_by(path.as_ref(), options, Tail::open)
    }

    /// Like [`open`](Self::open), but does not wait for the lock if the journal exists: the first append then recovers what
    /// a crash left.
    pub(crate) fn open_without_lock(path: &Path, options: Options) -> Result<Self> {
        Self::open_by(path, options, |layout, options| {
            match Tail::open_without_lock(layout.clone(), options.clone())? {
                Some(tail) => Ok(tail),
                None => Tail::open(layout, options),
            }
        })
    }

    fn open_by(path: &Path, options: Options, open: impl FnOnce(Layout, Options) -> Result<Tail>) -> Result<Self> {
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
        check_place(&*storage, &layout)?;
        for directory in [layout.machinery().to_owned(), layout.sealed(), layout.quarantine()] {
            make_directory(&*storage, &directory)?;
        }
        if identity::read(&*storage, &layout)?.is_none() {
            sync_ancestors(&*storage, &layout)?;
        }
        let tail = open(layout.clone(), options.clone())?;
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

    /// The writer of this process: a forked child opens the files anew.
    fn writer(&self) -> Result<&Writer> {
        self.writer.get_or_make(|| Tail::open(self.layout.clone(), self.options.clone()).map(Writer::new))
    }

    /// Appends `payload`, one JSON object without line feeds, and returns when it is as durable as the options ask.
    ///
    /// Callers that come while a batch is being synced share the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with nothing written, when `payload` is no such object or longer
    /// than [`PAYLOAD_BYTES_MAX`]; [`ErrorKind::Timeout`] and
    /// [`ErrorKind::Io`] when it could not be written or synced;
    /// [`ErrorKind::Abandoned`] when the thread that wrote for this one panicked.
    pub fn append(&self, payload: &[u8]) -> Result<Appended> {
        self.append_all(&[payload])
    }

    /// Appends `payloads` as lines one after the other, and says where the first of them went. An error is
    /// one for all of them.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) fn append_all(&self, payloads: &[&[u8]]) -> Result<Appended> {
        payloads.iter().try_for_each(|payload| self.check_payload(payload))?;
        self.writer()?.append(payloads)
    }

    /// Refuses what can be no line, or none in a file of the length that this process may write.
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

    /// The lines from the first on.
    pub fn lines(&self) -> Lines {
        Lines::from_start(Arc::clone(&self.options.storage), self.layout.clone())
    }

    /// The lines from where another reader stopped.
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

    /// The journal's present state.
    ///
    /// # Errors
    /// As [`append`](Self::append).
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
