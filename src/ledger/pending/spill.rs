//! Stores the records that could not be appended to the ledger, until a later call appends them. Each process has its
//! own spill file, which is removed once its records are in the ledger.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::slots::unless_denied;
use super::stored::{self, Pending, Stored};
use crate::disk::per_process::PerProcess;
use crate::disk::{Access, Storage, open_or_make, unless_missing};
use crate::error::{Error, Result};
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::ledger::places::Places;
use crate::mutex::{lock, try_lock};

/// The spill of this process.
#[derive(Debug)]
pub(in crate::ledger) struct Spill {
    storage: Arc<dyn Storage>,
    layout: Layout,
    kept: PerProcess<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// The name of the spill file without its extension. The in-flight file, which holds the begin marks of the
    /// process, has the same name with another extension.
    stem: Uuid,
    /// The number of records in the file.
    records: u64,
}

impl Spill {
    pub(in crate::ledger) fn new(storage: Arc<dyn Storage>, layout: Layout, stem: Uuid) -> Self {
        Self { storage, layout, kept: PerProcess::new(Mutex::new(Kept { stem, records: 0 })) }
    }

    /// Stores a record in the spill file with the name `stem`, and syncs the file.
    pub(in crate::ledger) fn keep(&self, stem: Uuid, since: Cursor, record: &[u8]) -> Result<()> {
        let kept = self.kept.get_or_make(|| Ok(Mutex::new(Kept { stem, records: 0 })))?;
        let mut kept = lock(kept);
        let path = path(&self.layout, &stem.to_string());
        let write = || -> io::Result<()> {
            let file = open_or_make(&*self.storage, &path, Access::Append, Access::AppendNew)?;
            stored::append(&*file, since, record)?;
            self.storage.sync_dir(&self.layout.spill())?;
            // A sweep appends the spilled records of dead processes. It finds a spill file by the name of the process's
            // in-flight file. So the name of the in-flight file must survive a power cut too.
            self.storage.sync_dir(&self.layout.inflight())
        };
        write().map_err(|source| Error::io("spill a record", &path, source))?;
        kept.records += 1;
        Ok(())
    }

    /// Returns true if this process's spill holds no records.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.kept.get().is_none_or(|kept| lock(kept).records == 0)
    }

    /// Passes the records of this process's spill to `append`, and removes the file if `append` succeeds. Returns the
    /// number of records. Does nothing if another thread is using the spill.
    pub(in crate::ledger) fn drain(&self, append: impl FnOnce(Vec<Pending>) -> Result<()>) -> Result<u64> {
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

fn path(layout: &Layout, stem: &str) -> PathBuf {
    layout.spill().join(format!("{stem}.jsonl"))
}

/// Reads the spill file `stem`. Returns no records if the file does not exist.
pub(in crate::ledger) fn read(storage: &dyn Storage, layout: &Layout, stem: &str) -> Result<Stored> {
    let path = path(layout, stem);
    let stored = match storage.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
        opened => opened.and_then(|file| stored::read(Arc::from(file))),
    };
    stored.map_err(|source| Error::io("read the spill", &path, source))
}

/// Reads the spills of all processes. Adds an error to `denied` for each spill that this process has no permission to
/// read.
pub(in crate::ledger) fn all(storage: &dyn Storage, layout: &Layout, denied: &mut Vec<Error>) -> Result<Stored> {
    let directory = layout.spill();
    let names = storage.list(&directory).map_err(|source| Error::io("list the spills", &directory, source));
    let names = unless_denied(names, denied)?.unwrap_or_default();
    let mut all = Stored::default();
    for stem in names.iter().filter_map(|name| name.to_str()?.strip_suffix(".jsonl")) {
        let Some(Stored { records, rest }) = unless_denied(read(storage, layout, stem), denied)? else { continue };
        all.records.extend(records);
        all.rest |= rest;
    }
    Ok(all)
}

/// Removes the spill file `stem`, whose records are already in the ledger. If `rest` is true, the file also holds data
/// that is not a record. In that case, the file is moved to the quarantine, which is a directory for damaged data.
pub(in crate::ledger) fn remove(storage: &dyn Storage, layout: &Layout, stem: &str, rest: bool) -> Result<()> {
    let path = path(layout, stem);
    let removed = if rest {
        storage.rename(&path, &layout.quarantine().join(format!("spill-{stem}.jsonl")))
    } else {
        storage.remove(&path)
    };
    unless_missing(removed).map_err(|source| Error::io("remove the emptied spill", &path, source))
}
