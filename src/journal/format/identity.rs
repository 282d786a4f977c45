//! The identity of a ledger, stored in `ledger.json`.

use std::io;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout::Layout;
use crate::disk::{Access, Storage, if_there, read_full_at, unless_missing, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::id::new_id;

/// The version of the format on disk that this crate writes. This crate reads this version and all earlier versions.
const FORMAT: u32 = 1;

/// The field of `ledger.json` that every version of this crate writes. It is parsed first, because a newer format may
/// have other fields.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    format: u32,
    id: Uuid,
    /// The file name of the active segment. [`read`] compares this name with the name of the ledger that is opened.
    /// Without this check, two ledgers whose names differ only in the extension would share one internal directory.
    file: String,
}

/// Returns the ledger's id, and creates an id if the ledger has none yet. The caller must hold the lock.
pub(crate) fn read_or_make(storage: &dyn Storage, layout: &Layout, unix_ms: i64) -> Result<Uuid> {
    match read(storage, layout)? {
        Some(id) => Ok(id),
        None => make(storage, layout, unix_ms),
    }
}

/// Returns the ledger's id, or `None` if the ledger has no identity yet.
pub(crate) fn read(storage: &dyn Storage, layout: &Layout) -> Result<Option<Uuid>> {
    let path = layout.identity();
    let failed = |source| Error::io("read the ledger's identity", &path, source);
    let Some(file) = if_there(storage.open(&path, Access::Read)).map_err(failed)? else { return Ok(None) };
    let mut bytes = vec![0; 4096];
    let read = read_full_at(&*file, &mut bytes, 0).map_err(failed)?;
    let malformed = |error| {
        let malformed = Error::new(ErrorKind::Malformed, "read the ledger's identity").of_json(&bytes[..read], &error);
        malformed.path(&path).detail(
            "restore the file, or remove it. Without the file, the ledger gets a new identity and keeps its lines",
        )
    };
    let Format { format } = serde_json::from_slice(&bytes[..read]).map_err(malformed)?;
    if format > FORMAT {
        return Err(Error::new(ErrorKind::Newer, "open the ledger")
            .path(&path)
            .detail(format!("found format {format}; expected at most {FORMAT}. Use a newer runledger")));
    }
    let identity: Identity = serde_json::from_slice(&bytes[..read]).map_err(malformed)?;
    if identity.file != file_name(layout) {
        return Err(Error::new(ErrorKind::Unsuitable, "open the ledger")
            .path(layout.machinery())
            .detail(format!("the directory belongs to {:?}. Choose another name for the new ledger", identity.file)));
    }
    Ok(Some(identity.id))
}

fn file_name(layout: &Layout) -> String {
    layout.active().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn make(storage: &dyn Storage, layout: &Layout, unix_ms: i64) -> Result<Uuid> {
    let path = layout.identity();
    let new = path.with_extension("new");
    let identity = Identity { format: FORMAT, id: new_id(unix_ms), file: file_name(layout) };
    let write = || -> io::Result<()> {
        unless_missing(storage.remove(&new))?;
        let file = storage.open(&new, Access::WriteNew)?;
        write_all_at(&*file, &serde_json::to_vec(&identity)?, 0)?;
        file.sync()?;
        storage.rename(&new, &path)?;
        storage.sync_dir(layout.machinery())
    };
    write().map_err(|source| Error::io("write the ledger's identity", &path, source))?;
    Ok(identity.id)
}
