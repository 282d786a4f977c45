//! The paths of a journal's files.

use std::path::{Path, PathBuf};

use crate::disk::Storage;
use crate::error::{Error, Result};

/// The paths of one journal. New lines go to the active segment. The internal directory, which is next to the active
/// segment, holds the sealed segments, which get no more lines.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    active: PathBuf,
    machinery: PathBuf,
}

impl Layout {
    /// Returns the layout of the journal whose active segment is `active`. The internal files of `x.jsonl` are in
    /// `x.ledger/`.
    pub(crate) fn new(active: &Path) -> Self {
        Self { active: active.to_owned(), machinery: active.with_extension("ledger") }
    }

    pub(crate) fn active(&self) -> &Path {
        &self.active
    }

    pub(crate) fn machinery(&self) -> &Path {
        &self.machinery
    }

    /// Returns the directory that holds the active segment.
    pub(crate) fn parent(&self) -> &Path {
        match self.active.parent() {
            // If the path is only a file name, the file is in the current directory.
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.machinery.join("ledger.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.machinery.join("lock")
    }

    pub(crate) fn commit(&self) -> PathBuf {
        self.machinery.join("commit")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.machinery.join("events.jsonl")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.machinery.join("quarantine")
    }

    pub(crate) fn sealed(&self) -> PathBuf {
        self.machinery.join("sealed")
    }

    pub(crate) fn sealed_segment(&self, segment: u64) -> PathBuf {
        self.sealed().join(sealed_name(segment))
    }

    /// Returns the number of the sealed segment at `path`, or `None` for any other path.
    pub(crate) fn number_of_sealed(&self, path: &Path) -> Option<u64> {
        number_of(path.strip_prefix(self.sealed()).ok()?.to_str()?)
    }

    /// Returns the numbers of the sealed segments in ascending order. The number of the active segment is normally one
    /// higher than the last of these numbers.
    pub(crate) fn sealed_segments(&self, storage: &dyn Storage) -> Result<Vec<u64>> {
        let directory = self.sealed();
        let names =
            storage.list(&directory).map_err(|source| Error::io("list the sealed segments", &directory, source))?;
        let mut segments: Vec<u64> = names.iter().filter_map(|name| number_of(name.to_str()?)).collect();
        segments.sort_unstable();
        Ok(segments)
    }
}

/// Returns the number in the file name of a sealed segment, or `None` for any other name. The highest `u64` is refused,
/// because the next segment needs a number too.
fn number_of(name: &str) -> Option<u64> {
    let segment: u64 = name.strip_suffix(".jsonl")?.parse().ok()?;
    (segment < u64::MAX && sealed_name(segment) == name).then_some(segment)
}

fn sealed_name(segment: u64) -> String {
    format!("{segment:06}.jsonl")
}
