//! Overwrites a text that was taken out in the quarantine, and removes derived files that may have it. Reports the
//! other lines and files of the ledger that still have the text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::segment::{COPY, forms, lines_of, mask, positions, wipe};
use crate::disk::{FileType, Stat, Storage};
use crate::error::{Error, Result};
use crate::journal::format::Layout;
use crate::ledger::index::Place;
use crate::ledger::json::id_of;
use crate::ledger::places::Places;
use crate::ledger::reader::has;

/// A text with fewer bytes is in many other places by chance, so it is not searched for.
const BYTES_MIN: usize = 6;
/// The largest number of executions that are listed for one file before the words "and others".
const LISTED_MAX: usize = 10;
/// The largest number of places that are overwritten in one file of the quarantine.
const MASKED_MAX: usize = 1_000_000;
/// The journal of alerts, which is in the internal directory.
const ALERTS: &str = "alerts.jsonl";
/// The journals next to a ledger. Their lines are not records.
pub(in crate::ledger) const JOURNALS_BESIDE: [&str; 3] = ["quota.jsonl", "observed.jsonl", "baselines.jsonl"];

/// Overwrites and removes derived files of `layout`: all checkpoints, and the indexes `index`. They can be computed
/// again from the lines.
pub(super) fn wipe_derived(storage: &dyn Storage, layout: &Layout, index: &[Place<'_>]) -> Result<()> {
    let directory = layout.machinery();
    let names = storage.list(directory).map_err(|source| Error::io("list the internal files", directory, source))?;
    let names = names.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with(".checkpoint"));
    let checkpoints = names.map(|name| directory.join(name));
    for path in checkpoints.chain(index.iter().flat_map(|index| index.paths())) {
        wipe(storage, &path).map_err(|source| Error::io("overwrite a derived file", &path, source))?;
    }
    Ok(())
}

/// Overwrites and removes the incomplete copies of segments that interrupted redactions left. A copy has the other texts
/// of its segment, and stays where it is if the segment is archived.
pub(super) fn remove_copies(storage: &dyn Storage, layouts: &[Layout]) -> Result<()> {
    for layout in layouts {
        for path in files_in(storage, &layout.sealed())? {
            if path.extension().is_some_and(|extension| extension == COPY) {
                wipe(storage, &path).map_err(|source| Error::io("remove an incomplete copy", &path, source))?;
            }
        }
    }
    Ok(())
}

/// Overwrites `texts` in the files of the quarantine, and returns the files that had one of them.
pub(super) fn mask_quarantine(storage: &dyn Storage, layout: &Layout, texts: &[String]) -> Result<Vec<PathBuf>> {
    let needles: Vec<_> = texts.iter().flat_map(|text| forms(text)).collect();
    let mut masked = Vec::new();
    for path in files_in(storage, &layout.quarantine())? {
        let failed = |source| Error::io("overwrite a text in the quarantine", &path, source);
        let places = positions(storage, &path, &needles, MASKED_MAX).map_err(failed)?.unwrap_or_default();
        if !places.is_empty() {
            mask(storage, &path, &places).map_err(failed)?;
            masked.push(path);
        }
    }
    Ok(masked)
}

/// Returns the paths of files that can have texts that no segment has. These are files with damaged bytes, begin marks
/// or spilled records, the events, the journal of alerts, and the journals next to the ledger with their events.
pub(in crate::ledger) fn files_beside(storage: &dyn Storage, layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let is_file = |path: &Path| {
        storage.stat(path).is_ok_and(|stat| stat.is_some_and(|stat: Stat| stat.file_type == FileType::File))
    };
    for directory in [layout.inflight(), layout.spill()] {
        files.extend(files_in(storage, &directory)?);
    }
    let alerts = Layout::new(&layout.machinery().join(ALERTS));
    let beside = JOURNALS_BESIDE.map(|name| Layout::new(&layout.active().with_file_name(name)));
    for journal in [layout, &alerts].into_iter().chain(&beside) {
        files.extend(files_in(storage, &journal.quarantine())?);
        files.extend([journal.events()].into_iter().filter(|path| is_file(path)));
        if journal.active() != layout.active() {
            files.extend(files_in(storage, &journal.sealed())?);
            files.extend([journal.active().to_owned()].into_iter().filter(|path| is_file(path)));
        }
    }
    Ok(files)
}

/// Returns the paths of the regular files in a directory, sorted.
fn files_in(storage: &dyn Storage, directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::io("list the internal files", directory, source);
    let mut paths: Vec<_> = storage.list(directory).map_err(failed)?.iter().map(|name| directory.join(name)).collect();
    paths.retain(|path| matches!(storage.stat(path), Ok(Some(stat)) if stat.file_type == FileType::File));
    paths.sort();
    Ok(paths)
}

/// Searches all files of a ledger for `texts`, and returns a sentence for each file that has one of them. Returns one
/// more sentence if a text is too short to search for. The words of the statement were checked before, so the search
/// does not find the statement.
pub(super) fn search(storage: &dyn Storage, layout: &Layout, texts: &[String]) -> Result<Vec<String>> {
    let (short, long): (Vec<_>, Vec<_>) = texts.iter().partition(|text| text.len() < BYTES_MIN);
    let mut left = Vec::new();
    if !short.is_empty() {
        left.push(format!("a text shorter than {BYTES_MIN} bytes was not searched for in other lines and files"));
    }
    let needles: Vec<_> = long.iter().flat_map(|text| forms(text)).collect();
    if needles.is_empty() {
        return Ok(left);
    }
    let mut files = vec![layout.active().to_owned()];
    for directory in [&*layout.sealed(), layout.machinery(), &layout.machinery().join("alerts.ledger")] {
        files.extend(files_in(storage, directory)?);
    }
    let known: BTreeSet<_> = files.iter().cloned().collect();
    files.extend(files_beside(storage, layout)?.into_iter().filter(|path| !known.contains(path)));
    for beside in JOURNALS_BESIDE {
        let beside = Layout::new(&layout.active().with_file_name(beside));
        let known = |path: &PathBuf| *path == beside.events();
        files.extend(files_in(storage, beside.machinery())?.into_iter().filter(|path| !known(path)));
    }
    for path in files {
        let failed = |source| Error::io("search a file for the text", &path, source);
        if positions(storage, &path, &needles, 1).map_err(failed)?.is_none_or(|places| places.is_empty()) {
            continue;
        }
        let is_segment = path == layout.active() || layout.number_of_sealed(&path).is_some();
        let ids = if is_segment { ids_in(storage, &path, &needles)? } else { Vec::new() };
        left.push(match ids.is_empty() {
            true => format!("{} still has the text", path.display()),
            false => format!("{} still has the text, in lines of {}", path.display(), ids.join(", ")),
        });
    }
    Ok(left)
}

/// Returns the ids of the executions whose lines in a segment have one of `needles`, at most [`LISTED_MAX`] of them. If
/// there are more, the last text says so.
fn ids_in(storage: &dyn Storage, path: &Path, needles: &[Vec<u8>]) -> Result<Vec<String>> {
    let failed = |source| Error::io("search a segment for the text", path, source);
    let Some(mut lines) = lines_of(storage, path).map_err(failed)? else { return Ok(Vec::new()) };
    let mut ids: Vec<String> = Vec::new();
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        let line = lines.bytes(piece);
        if needles.iter().any(|needle| has(line, needle)) {
            let id = id_of(line).map_or_else(|| "an unknown execution".to_owned(), |id| id.to_string());
            if ids.contains(&id) {
                continue;
            }
            if ids.len() == LISTED_MAX {
                ids.push("and others".to_owned());
                break;
            }
            ids.push(id);
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(ids)
}
