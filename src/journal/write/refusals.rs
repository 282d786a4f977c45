//! Refuses paths that cannot be a journal, such as a directory, a symbolic link, a FIFO or a file of another program.
//! Also opens the active segment, to which new lines are appended.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::disk::{Access, FileType, Storage, StorageFile, if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::{Layout, identity, line};
use crate::journal::read::Splitter;

/// Returns the id of the journal with this `layout`, or `None` if the journal does not exist yet. Creates nothing.
///
/// # Errors
/// - [`ErrorKind::Unsuitable`] if the path cannot hold a journal. The type of the file system is not checked here.
/// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
/// - [`ErrorKind::Malformed`] if the journal's identity cannot be parsed.
/// - [`ErrorKind::Io`] if a file cannot be examined or read.
pub(crate) fn check_place(storage: &dyn Storage, layout: &Layout) -> Result<Option<Uuid>> {
    check_directories(storage, layout)?;
    check_active(storage, layout)?;
    if layout.machinery() == layout.active() {
        return Err(Error::new(ErrorKind::Unsuitable, "open the ledger")
            .path(layout.active())
            .detail("expected a file name such as x.jsonl, so that the internal files fit next to it in x.ledger"));
    }
    let id = identity::read(storage, layout)?;
    if id.is_none() {
        refuse_foreign(storage, layout)?;
    }
    Ok(id)
}

/// Refuses the file of another program before anything is created next to it. A ledger whose internal directory was
/// lost is accepted, since its first line has a valid hash.
fn refuse_foreign(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    let path = layout.active();
    let failed = |source| Error::io("read the ledger", path, source);
    let Some(file) = if_there(storage.open(path, Access::Read)).map_err(failed)? else { return Ok(()) };
    let mut lines = Splitter::new(file.into(), 0);
    match lines.next_piece().map_err(failed)? {
        Some(piece) if line::check(lines.bytes(piece)).is_none() => {
            let is_json = lines.bytes(piece).trim_ascii().starts_with(b"{");
            let advice = if is_json {
                ". To import its records into a ledger, run `runledger import FILE --ledger OTHER`"
            } else {
                ". Choose another path"
            };
            let found = "found a file that is not a ledger: its first line has no valid hash";
            Err(Error::new(ErrorKind::Unsuitable, "open the ledger")
                .path(path)
                .at(1, 0)
                .detail(format!("{found}{advice}")))
        }
        _ => Ok(()),
    }
}

/// Makes the directories above the ledger durable, because a process may have created them and died before it synced
/// them. This happens before the ledger's identity is written, since a ledger with an identity is assumed to have
/// durable directories. Recovery syncs the ledger's own directories.
pub(crate) fn sync_ancestors(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    for ancestor in layout.parent().ancestors().skip(1) {
        match storage.sync_dir(ancestor) {
            // A process without permission to sync a directory has probably created nothing in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            done => done.map_err(|source| Error::io("sync the directories above the ledger", ancestor, source))?,
        }
    }
    Ok(())
}

/// Opens the active segment for appending, and creates it if it is missing.
pub(super) fn open_active(storage: &dyn Storage, layout: &Layout) -> Result<Arc<dyn StorageFile>> {
    let path = layout.active();
    let failed = |source| Error::io("open the ledger", path, source);
    check_active(storage, layout)?;
    if let Some(file) = if_there(storage.open(path, Access::Append)).map_err(failed)? {
        return Ok(Arc::from(file));
    }
    let file = storage.open(path, Access::AppendNew).map_err(failed)?;
    storage.sync_dir(layout.parent()).map_err(failed)?;
    Ok(Arc::from(file))
}

/// Refuses an active segment that is not a regular file, or that has several hard links. A segment whose sealing was
/// interrupted is accepted. Does not open the file, because opening a FIFO would block.
fn check_active(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    let path = layout.active();
    let stat = storage.stat(path).map_err(|source| Error::io("examine the ledger", path, source))?;
    let found = match stat {
        Some(stat) => match stat.file_type {
            FileType::File if stat.links > 1 && !half_sealed(storage, layout)? => "a file with several hard links",
            FileType::File => return Ok(()),
            FileType::Directory => "a directory",
            FileType::Symlink => "a symbolic link",
            FileType::Special => "a FIFO, a socket or a device",
        },
        None => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unsuitable, "open the ledger")
        .path(path)
        .detail(format!("found {found}; expected a regular file. Choose another path")))
}

/// Refuses directories in which every user could replace the files of the ledger.
pub(crate) fn check_directories(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    for directory in [layout.parent(), layout.machinery()] {
        // Because of the dot, `stat` examines the target if `directory` is a symbolic link.
        let stat = storage.stat(&directory.join("."));
        let stat = stat.map_err(|source| Error::io("examine the ledger's directory", directory, source))?;
        if stat.is_some_and(|stat| stat.lawless) {
            return Err(Error::new(ErrorKind::Unsuitable, "open the ledger").path(directory).detail(
                "found a directory in which every user may replace files; expected one that other users may not write to. \
                 Choose a directory within it, or remove that permission (chmod o-w)",
            ));
        }
    }
    Ok(())
}

/// Returns true if the active segment and the last sealed segment are the same file. A segment is sealed by a rename.
/// If a crash interrupts the rename, the file may have both names on a file system that does not journal its metadata,
/// such as ext2.
fn half_sealed(storage: &dyn Storage, layout: &Layout) -> Result<bool> {
    let Some(&last) = layout.sealed_segments(storage)?.last() else { return Ok(false) };
    let id = |path: &Path| {
        let stat = storage.stat(path).map_err(|source| Error::io("examine a segment", path, source))?;
        Ok(stat.map(|stat| stat.id))
    };
    Ok(id(layout.active())?
        .is_some_and(|active| id(&layout.sealed_segment(last)).is_ok_and(|last| last == Some(active))))
}

/// If a crash has left a segment under its active name and its sealed name, removes the active name.
pub(super) fn finish_sealing(storage: &dyn Storage, layout: &Layout) -> Result<()> {
    if half_sealed(storage, layout)? {
        let path = layout.active();
        let finish = || storage.remove(path).and_then(|()| storage.sync_dir(layout.parent()));
        finish().map_err(|source| Error::io("finish sealing a segment", path, source))?;
    }
    Ok(())
}
