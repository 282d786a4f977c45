//! Records that the ledger could not take, kept in a file of their own until it can: one per process, normally none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::inflight::Pending;
use crate::error::{Error, Result};
use crate::journal::reader::Splitter;
use crate::journal::segment::Layout;
use crate::journal::storage::{Access, Storage, append_all};
use crate::journal::{Cursor, line, line::Link};

/// The spill of this process.
#[derive(Debug)]
pub(super) struct Spill {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    directory: PathBuf,
    /// How many records stand in the file.
    records: Mutex<u64>,
}

impl Spill {
    pub(super) fn new(storage: Arc<dyn Storage>, layout: &Layout, stem: Uuid) -> Self {
        Self { storage, path: path(layout, &stem.to_string()), directory: layout.spill(), records: Mutex::new(0) }
    }

    /// Keeps a record, synced.
    pub(super) fn keep(&self, since: Cursor, record: &[u8]) -> Result<()> {
        let mut line = Vec::new();
        line::seal(&Pending::to_json(since, record), &Link::START, &mut line);
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || -> io::Result<()> {
            let file = match self.storage.open(&self.path, Access::Append) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.storage.open(&self.path, Access::AppendNew)?
                }
                opened => opened?,
            };
            let len = file.stat()?.len;
            if let Err(error) = append_all(&*file, &line) {
                // What stays of it is no line, and reading passes it over.
                let _ = file.truncate(len);
                return Err(error);
            }
            file.sync()?;
            self.storage.sync_dir(&self.directory)
        };
        write().map_err(|source| Error::io("spill a record", &self.path, source))?;
        *records += 1;
        Ok(())
    }

    /// Whether no record is kept.
    pub(super) fn is_empty(&self) -> bool {
        *self.records.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Hands the kept records to `append`, and removes the file when that has taken them all. Says how many there were.
    /// Does nothing when another thread is at it.
    pub(super) fn give_back(&self, append: impl FnOnce(Vec<Pending>) -> Result<()>) -> Result<u64> {
        let Ok(mut records) = self.records.try_lock() else { return Ok(0) };
        if *records == 0 {
            return Ok(0);
        }
        append(read(&*self.storage, &self.path)?)?;
        self.storage.remove(&self.path).map_err(|source| Error::io("remove the emptied spill", &self.path, source))?;
        Ok(std::mem::take(&mut *records))
    }
}

pub(super) fn path(layout: &Layout, stem: &str) -> PathBuf {
    layout.spill().join(format!("{stem}.jsonl"))
}

/// The records of a spill file; none if there is no such file. A torn line was never answered as spilled.
pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<Pending>> {
    let failed = |source| Error::io("read the spill", path, source);
    let file = match storage.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed)?,
    };
    let mut lines = Splitter::new(Arc::from(file), 0);
    let mut records = Vec::new();
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        if piece.unfinished {
            break;
        }
        records.extend(line::check(lines.bytes(piece)).and_then(|_| Pending::from_json(lines.bytes(piece))));
    }
    Ok(records)
}
