//! One file: what the page cache holds, what the disk holds, and every state in between that a crash can leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Loss;
use super::history::History;
use super::pages::{Content, PAGE, Page, PageWrite, SECTOR};
use super::random::{Lean, Random};

/// A file with all its versions.
#[derive(Debug)]
pub(super) struct File {
    versions: History<Version>,
    /// Every change ever made; a version says which part of it is not synced.
    log: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct Version {
    cached: Content,
    durable: Content,
    /// What a failed sync gave up: clean in the cache, maybe on the disk, written by no later sync.
    abandoned: Vec<Change>,
    /// How much of the log was synced or abandoned.
    settled: usize,
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
    /// An empty file, made by the last of `calls` calls.
    pub(super) fn new(calls: usize) -> Self {
        Self { versions: History::new(calls, Version::default()), log: Vec::new() }
    }

    /// What the page cache holds.
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

    /// The file at the next boot; `None` if it was not yet made after the first `calls` calls.
    pub(super) fn after_crash(&self, calls: usize, loss: Loss, random: &mut Random) -> Option<Self> {
        let version = self.versions.at(calls)?;
        let unsynced = &self.log[version.settled..version.logged];
        let on_disk = match loss {
            Loss::Nothing => {
                let log = unsynced.to_vec();
                let version = Version { settled: 0, logged: log.len(), ..version.clone() };
                return Some(Self { versions: History::new(0, version), log });
            }
            Loss::Unsynced => version.durable.clone(),
            Loss::Random(_) => {
                let doubtful: Vec<_> = version.abandoned.iter().chain(unsynced).cloned().collect();
                survivor(&version.durable, &doubtful, random)
            }
        };
        let version = Version { cached: on_disk.clone(), durable: on_disk, ..Version::default() };
        Some(Self { versions: History::new(0, version), log: Vec::new() })
    }
}

fn pages(changes: &[Change]) -> impl Iterator<Item = &PageWrite> {
    changes.iter().filter_map(Change::page)
}

/// `durable` with some of the `doubtful` changes.
fn survivor(durable: &Content, doubtful: &[Change], random: &mut Random) -> Content {
    let mut versions: BTreeMap<u64, Vec<Option<Page>>> = BTreeMap::new();
    for PageWrite { index, page } in pages(doubtful) {
        versions.entry(*index).or_insert_with(|| vec![durable.page(*index).cloned()]).push(page.clone());
    }
    let lean = random.lean();
    let mut content = durable.clone();
    for (index, versions) in versions {
        content.set(PageWrite { index, page: surviving_page(&versions, lean, random) });
    }
    content.resize(surviving_len(durable.len, doubtful, random));
    content
}

/// One of the versions of a page, the oldest first, or a mixture of their sectors.
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
    Arc::new(torn)
}

/// One of the lengths that the file had, or a page boundary that a growing file came past.
fn surviving_len(durable: u64, doubtful: &[Change], random: &mut Random) -> u64 {
    let mut lengths = vec![(durable, durable)];
    lengths.extend(doubtful.iter().filter_map(|change| match *change {
        Change::Page(_) => None,
        Change::Length { from, to } => Some((from, to)),
    }));
    let length = match random.lean() {
        Lean::Old => lengths.first(),
        Lean::New => lengths.last(),
        Lean::Any => random.pick(&lengths),
    };
    let &(from, to) = length.unwrap_or(&(durable, durable));
    let (first, end) = (from / PAGE as u64 + 1, to.div_ceil(PAGE as u64));
    // A uniform new length is as common as the boundaries together.
    if first < end && random.below(2) == 0 { (first + random.below(end - first)) * PAGE as u64 } else { to }
}
