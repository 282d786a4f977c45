//! One file: its content in the page cache, its content on the disk, and every state in between that a crash can leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::choices::Choices;
use super::history::History;
use super::pages::{Content, PAGE, Page, PageBytes, PageWrite, SECTOR, same};
use super::random::{Lean, Random};

/// A file with all its versions.
#[derive(Debug)]
pub(super) struct File {
    versions: History<Version>,
    /// All changes of the file so far. Each version records which of these changes are unsynced.
    log: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct Version {
    cached: Content,
    durable: Content,
    /// The changes whose sync failed. Their pages are clean in the cache and may be on the disk. A later sync does not
    /// write these pages, but makes the length durable.
    abandoned: Vec<Change>,
    /// The number of changes in the log that were synced or abandoned.
    settled: usize,
    /// The number of changes in the log when this version was current.
    logged: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Page(PageWrite),
    Length { from: u64, to: u64 },
}

impl Change {
    fn page(&self) -> Option<&PageWrite> {
        match self {
            Self::Page(page) => Some(page),
            Self::Length { .. } => None,
        }
    }
}

impl File {
    /// Returns an empty file that call number `calls` has created.
    pub(super) fn new(calls: usize) -> Self {
        Self { versions: History::new(calls, Version::default()), log: Vec::new() }
    }

    /// Returns the content of the page cache.
    pub(super) fn cached(&self) -> &Content {
        &self.versions.now().cached
    }

    pub(super) fn write(&mut self, calls: usize, bytes: &[u8], offset: u64) {
        self.change(calls, |cached| cached.write(bytes, offset));
    }

    pub(super) fn truncate(&mut self, calls: usize, len: u64) {
        self.change(calls, |cached| cached.resize(len));
    }

    fn change(&mut self, calls: usize, change: impl FnOnce(&mut Content) -> Vec<PageWrite>) {
        let version = self.versions.change(calls);
        let from = version.cached.len;
        self.log.extend(change(&mut version.cached).into_iter().map(Change::Page));
        let to = version.cached.len;
        if from != to {
            self.log.push(Change::Length { from, to });
        }
        version.logged = self.log.len();
    }

    pub(super) fn sync(&mut self, calls: usize) {
        let version = self.versions.change(calls);
        let dirty: BTreeSet<u64> = pages(&self.log[version.settled..]).map(|page| page.index).collect();
        for &index in &dirty {
            version.durable.set(PageWrite { index, page: version.cached.page(index).cloned() });
        }
        version.durable.len = version.cached.len;
        version.abandoned.retain(|change| change.page().is_some_and(|page| !dirty.contains(&page.index)));
        version.settled = self.log.len();
    }

    pub(super) fn fail_sync(&mut self, calls: usize) {
        let version = self.versions.change(calls);
        version.abandoned.extend_from_slice(&self.log[version.settled..]);
        version.settled = self.log.len();
    }

    /// Returns the file as the next boot finds it, or `None` if the first `calls` calls had not created it yet. If
    /// `choices` is `None`, there was no power cut: only the process was killed, and the page cache survives.
    pub(super) fn after_crash(&self, calls: usize, choices: Option<&mut Choices>) -> Option<Self> {
        let version = self.versions.at(calls)?;
        let unsynced = &self.log[version.settled..version.logged];
        let Some(choices) = choices else {
            let log = unsynced.to_vec();
            let version = Version { settled: 0, logged: log.len(), ..version.clone() };
            return Some(Self { versions: History::new(0, version), log });
        };
        let doubtful: Vec<_> = version.abandoned.iter().chain(unsynced).cloned().collect();
        let on_disk = survivor(&version.durable, &doubtful, choices);
        let version = Version { cached: on_disk.clone(), durable: on_disk, ..Version::default() };
        Some(Self { versions: History::new(0, version), log: Vec::new() })
    }
}

fn pages(changes: &[Change]) -> impl Iterator<Item = &PageWrite> {
    changes.iter().filter_map(Change::page)
}

/// Returns what is on the disk after a power cut: `durable`, with the `doubtful` changes that `choices` selects.
fn survivor(durable: &Content, doubtful: &[Change], choices: &mut Choices) -> Content {
    let mut content = durable.clone();
    let len = surviving_len(durable.len, doubtful, choices);
    let mut versions: BTreeMap<u64, Vec<Option<Page>>> = BTreeMap::new();
    for PageWrite { index, page } in pages(doubtful).filter(|page| page.index * (PAGE as u64) < len) {
        let versions = versions.entry(*index).or_insert_with(|| vec![durable.page(*index).cloned()]);
        if !versions.iter().any(|version| same(version.as_ref(), page.as_ref())) {
            versions.push(page.clone());
        }
    }
    let lean = match choices {
        Choices::Random(random) => random.lean(),
        Choices::Numbered { .. } => Lean::Any,
    };
    for (index, versions) in versions {
        let page = match choices {
            Choices::Random(random) => surviving_page(&versions, lean, random),
            Choices::Numbered { .. } => choices.pick(&versions).cloned().flatten(),
        };
        content.set(PageWrite { index, page });
    }
    content.resize(len);
    content
}

/// Returns one of the `versions` of a page, or a mixture of the sectors of these versions. `versions` begins with the
/// oldest version.
fn surviving_page(versions: &[Option<Page>], lean: Lean, random: &mut Random) -> Option<Page> {
    let lean = if random.below(8) == 0 { Lean::Any } else { lean };
    match lean {
        Lean::Old => versions.first().cloned().flatten(),
        Lean::New => versions.last().cloned().flatten(),
        Lean::Any if random.below(3) == 0 => Some(torn_page(versions, random)),
        Lean::Any => random.pick(versions).cloned().flatten(),
    }
}

fn torn_page(versions: &[Option<Page>], random: &mut Random) -> Page {
    let mut torn = [0; PAGE];
    for (number, sector) in torn.chunks_exact_mut(SECTOR).enumerate() {
        if let Some(Some(page)) = random.pick(versions) {
            sector.copy_from_slice(&page[number * SECTOR..][..SECTOR]);
        }
    }
    Arc::new(PageBytes::new(torn))
}

/// Returns one of the lengths that the file had since the last successful sync, or a page boundary that the file passed
/// while it grew.
fn surviving_len(durable: u64, doubtful: &[Change], choices: &mut Choices) -> u64 {
    let mut lengths = vec![(durable, durable)];
    lengths.extend(doubtful.iter().filter_map(|change| match *change {
        Change::Page(_) => None,
        Change::Length { from, to } => Some((from, to)),
    }));
    if let Choices::Numbered { .. } = choices {
        let mut all = Vec::new();
        for len in lengths.into_iter().flat_map(|(from, to)| boundaries(from, to).chain([to])) {
            if !all.contains(&len) {
                all.push(len);
            }
        }
        return choices.pick(&all).copied().unwrap_or(durable);
    }
    let &(from, to) = choices.pick_leaning(&lengths).unwrap_or(&(durable, durable));
    let boundaries: Vec<_> = boundaries(from, to).collect();
    // The length `to` is chosen as often as all boundaries together.
    let at_boundary = choices.pick(&[true, false]) == Some(&true);
    choices.pick(&boundaries).copied().filter(|_| at_boundary).unwrap_or(to)
}

/// Returns the page boundaries between two lengths.
fn boundaries(from: u64, to: u64) -> impl Iterator<Item = u64> {
    (from / PAGE as u64 + 1..to.div_ceil(PAGE as u64)).map(|page| page * PAGE as u64)
}
