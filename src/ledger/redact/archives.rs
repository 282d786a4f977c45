//! Finds the archives of a ledger, and the ledger of an archive. Their events name each other.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use crate::disk::Storage;
use crate::error::Result;
use crate::journal::format::{Layout, identity};
use crate::journal::read::each_line;

/// Returns the paths of the archives that the events of a ledger name. An archive has no active segment, so there is no
/// file at its path.
pub(in crate::ledger) fn archives_of(storage: &dyn Storage, layout: &Layout) -> Result<BTreeSet<PathBuf>> {
    #[derive(Deserialize)]
    struct Archived {
        event: String,
        segment: u64,
        to: PathBuf,
    }
    let mut paths = BTreeSet::new();
    each_line(storage, layout, |line| {
        if let Ok(Archived { event, segment, to }) = serde_json::from_slice(line)
            && event == "archived"
            && segment > 0
        {
            paths.insert(to);
        }
    })?;
    Ok(paths)
}

/// Returns the layouts that may continue the chain of an archive: the ledgers that its events name, and all archives of
/// these ledgers. Leaves out the archive itself. Also returns the paths at which there is no ledger with the identity
/// of the archive.
pub(in crate::ledger) fn ledgers_after(storage: &dyn Storage, layout: &Layout) -> Result<(Vec<Layout>, Vec<PathBuf>)> {
    #[derive(Deserialize)]
    struct OfLedger {
        event: String,
        ledger: PathBuf,
    }
    let mut ledgers = BTreeSet::new();
    each_line(storage, layout, |line| {
        if let Ok(OfLedger { event, ledger }) = serde_json::from_slice(line)
            && matches!(&*event, "redacted" | "redacted_before")
        {
            ledgers.insert(ledger);
        }
    })?;
    let mut paths = ledgers.clone();
    for ledger in &ledgers {
        paths.extend(archives_of(storage, &Layout::new(ledger)).unwrap_or_default());
    }
    let own = identity::read(storage, layout)?;
    let is_other = |path: &PathBuf| path != layout.active();
    let is_same = |other: &Layout| own.is_some() && identity::read(storage, other).ok().flatten() == own;
    let others = paths.into_iter().filter(is_other);
    let (same, absent): (Vec<_>, Vec<_>) =
        others.map(|path| (Layout::new(&path), path)).partition(|(of, _)| is_same(of));
    Ok((same.into_iter().map(|(of, _)| of).collect(), absent.into_iter().map(|(_, path)| path).collect()))
}
