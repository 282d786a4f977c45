//! Records that the ledger could not take, kept in a file of their own until it can: one per process, normally none.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::mutex::{lock, try_lock};
use super::pending::Pending;
use crate::error::{Error, Result};
use crate::journal::per_process::PerProcess;
use crate::journal::reader::Splitter;
use crate::journal::segment::Layout;
use crate::journal::storage::{Access, Storage, append_all, open_or_make, unless_missing};
use crate::journal::{Cursor, line, line::Link};

/// The spill of this process.
#[derive(Debug)]
pub(super) struct Spill {
    storage: Arc<dyn Storage>,
    layout: Layout,
    kept: PerProcess<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// Names the file: the in-flight file's.
    stem: Uuid,
    /// How many records stand in it.
    records: u64,
}

impl Spill {
    pub(super) fn new(storage: Arc<dyn Storage>, layout: Layout, stem: Uuid) -> Self {
        Self { storage, layout, kept: PerProcess::new(Mutex::new(Kept { stem, records: 0 })) }
    }

    /// Keeps a record, synced, in the spill that belongs to the in-flight file `stem`.
    pub(super) fn keep(&self, stem: Uuid, since: Cursor, record: &[u8]) -> Result<()> {
        // Begun with a line feed, so that what a failed write left before it is a line of its own, which is no record.
        let mut line = vec![b'\n'];
        line::seal(&Pending::to_json(since, record), &Link::START, &mut line);
        let kept = self.kept.get_or_make(|| Ok(Mutex::new(Kept { stem, records: 0 })))?;
        let mut kept = lock(kept);
        let path = path(&self.layout, &stem.to_string());
        let write = || -> io::Result<()> {
            let file = open_or_make(&*self.storage, &path, Access::Append, Access::AppendNew)?;
            let before = file.length()?;
            // On a full disk a part of a record would take the room of the next one. If it stays, it is a line of its own.
            append_all(&*file, &line).and_then(|()| file.sync()).inspect_err(|_| _ = file.truncate(before))?;
            self.storage.sync_dir(&self.layout.spill())?;
            // Whoever sweeps after a power cut finds the spill by the name of the in-flight file.
            self.storage.sync_dir(&self.layout.inflight())
        };
        write().map_err(|source| Error::io("spill a record", &path, source))?;
        kept.records += 1;
        Ok(())
    }

    /// Whether no record is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.get().is_none_or(|kept| lock(kept).records == 0)
    }

    /// Hands the kept records to `append`, and removes the file when that has taken them all. Says how many there were.
    /// Does nothing when another thread is at it.
    pub(super) fn give_back(&self, append: impl FnOnce(Vec<Pending>) -> Result<()>) -> Result<u64> {
        let Some(kept) = self.kept.get() else { return Ok(0) };
        let Some(mut kept) = try_lock(kept) else { return Ok(0) };
        if kept.records == 0 {
            return Ok(0);
        }
        let stem = kept.stem.to_string();
        let spilled = read(&*self.storage, &self.layout, &stem)?;
        append(spilled.records)?;
        remove(&*self.storage, &self.layout, &stem, spilled.rest)?;
        Ok(std::mem::take(&mut kept.records))
    }
}

/// What a spill file holds.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    pub(super) records: Vec<Pending>,
    /// Whether it holds anything else: what a failed write left, or a record that was damaged since.
    pub(super) rest: bool,
}

fn path(layout: &Layout, stem: &str) -> PathBuf {
    layout.spill().join(format!("{stem}.jsonl"))
}

/// The spill file `stem`; nothing if there is none.
pub(super) fn read(storage: &dyn Storage, layout: &Layout, stem: &str) -> Result<Spilled> {
    let path = path(layout, stem);
    let failed = |source| Error::io("read the spill", &path, source);
    let mut spilled = Spilled::default();
    let file = match storage.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(spilled),
        opened => opened.map_err(failed)?,
    };
    let mut lines = Splitter::new(Arc::from(file), 0);
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        let line = lines.bytes(piece);
        match line::check(line).and_then(|_| Pending::from_json(line)) {
            Some(record) if !piece.unfinished => spilled.records.push(record),
            _ => spilled.rest |= !line.is_empty(),
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(spilled)
}

/// Removes the spill file `stem`, whose records stand in the ledger now. One with a `rest` is kept in quarantine.
pub(super) fn remove(storage: &dyn Storage, layout: &Layout, stem: &str, rest: bool) -> Result<()> {
    let path = path(layout, stem);
    let removed = match rest {
        true => storage.rename(&path, &layout.quarantine().join(format!("spill-{stem}.jsonl"))),
        false => storage.remove(&path),
    };
    unless_missing(removed).map_err(|source| Error::io("remove the emptied spill", &path, source))
}
