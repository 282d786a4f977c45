//! Stores how far a ledger was shipped to a collector.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::digest::hash_bytes;
use crate::disk::lock::{LockFile, Locked};
use crate::disk::{Access, Storage, if_there, make_directory, read_between, replace};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Place;
use crate::journal::format::Layout;

const VERSION: u64 = 1;
const OPERATION: &str = "read how far the ledger was shipped";

/// The file with the last line that a collector has, in the directory `otlp` of the ledger's internal directory. One
/// process at a time holds its lock.
#[derive(Debug)]
pub(super) struct PlaceFile {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    address: String,
    _lock: Locked,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u64,
    ledger: Uuid,
    /// The address of the collector, without a password.
    address: String,
    seq: u64,
    hash: String,
    segment: u64,
    byte: u64,
    line: u64,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl PlaceFile {
    /// Opens the file for a ledger and an address, and acquires its lock.
    pub(super) fn open(storage: Arc<dyn Storage>, layout: &Layout, address: String) -> Result<Self> {
        let directory = layout.machinery().join("otlp");
        make_directory(&*storage, &directory)?;
        let name = &hash_bytes(&address)[..16];
        let lock_path = directory.join(format!("{name}.lock"));
        let lock = LockFile::open(Arc::clone(&storage), lock_path.clone())?.acquire(Duration::ZERO);
        let lock = lock.map_err(|error| match error.kind() {
            ErrorKind::Timeout => Error::new(ErrorKind::Timeout, "ship the ledger").path(&lock_path).detail(format!(
                "found another process that ships to {address}; expected none. End that process first"
            )),
            _ => error,
        })?;
        Ok(Self { storage, path: directory.join(format!("{name}.json")), address, _lock: lock })
    }

    /// Returns the last line that the collector has, or `None` if nothing was shipped.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] if the file belongs to another ledger.
    pub(super) fn read(&self, ledger: Uuid) -> Result<Option<Place>> {
        let read = || {
            let Some(file) = if_there(self.storage.open(&self.path, Access::Read))? else { return Ok(None) };
            let len = file.stat()?.len;
            read_between(&*file, 0, len).map(Some)
        };
        let Some(bytes) = read().map_err(|source| Error::io(OPERATION, &self.path, source))? else { return Ok(None) };
        let malformed = |source| {
            Error::new(ErrorKind::Malformed, OPERATION).path(&self.path).of_json(&bytes, &source).detail(
                "expected a file that was written by this crate. Remove it to ship the ledger from its first line again",
            )
        };
        let Version { version } = serde_json::from_slice(&bytes).map_err(malformed)?;
        if version > VERSION {
            let found = format!("found version {version}; expected at most {VERSION}");
            return Err(Error::new(ErrorKind::Newer, OPERATION).path(&self.path).detail(found));
        }
        let stored: Stored = serde_json::from_slice(&bytes).map_err(malformed)?;
        if stored.ledger != ledger {
            return Err(Error::new(ErrorKind::Diverged, OPERATION).path(&self.path).detail(format!(
                "found the place of ledger {}; expected ledger {ledger}. Remove the file to ship this ledger from its \
                 first line",
                stored.ledger
            )));
        }
        Ok(Some(Place::new(stored.seq, stored.hash, stored.segment, stored.byte, stored.line)))
    }

    /// Stores the last line that the collector has, durably.
    pub(super) fn write(&self, ledger: Uuid, last: &Place) -> Result<()> {
        let Place { seq, segment, byte, line, .. } = *last;
        let address = self.address.clone();
        let stored = Stored { version: VERSION, ledger, address, seq, hash: last.hash.clone(), segment, byte, line };
        let failed = |source| Error::io("store how far the ledger was shipped", &self.path, source);
        let mut json = serde_json::to_vec(&stored).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        replace(&*self.storage, &self.path, &json).map_err(failed)
    }
}
