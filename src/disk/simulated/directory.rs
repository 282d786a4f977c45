//! Directories: the names in them, which of these names are durable, and which changes a crash can undo.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::choices::Choices;

/// The inode number of a file or directory.
pub(super) type Id = u64;

/// The root directory, which always exists.
pub(super) const ROOT: Id = 1;

pub(super) type Entries = BTreeMap<OsString, Node>;

/// The target of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    File(Id),
    Directory(Id),
}

/// The names in one directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    /// The parent directory, or `None` for the root.
    parent: Option<Id>,
    /// The names that a running program sees.
    entries: Entries,
    /// The names that are on the disk, without the changes in `pending`.
    durable: Entries,
    /// The changes since `durable`, in order.
    pending: Vec<EntryChange>,
    /// The number of changes so far.
    changes: i64,
}

/// One atomic change of a directory. It removes a name, adds or replaces a name, or does both.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryChange {
    /// A number shared by the two halves of a move between directories, or 0 for other changes.
    pub(super) serial: u64,
    /// The name that is removed.
    pub(super) unset: Option<OsString>,
    /// The name that is added or replaced, and its new target.
    pub(super) set: Option<(OsString, Node)>,
    /// The directory to which the file was moved, if it was moved to another directory.
    pub(super) moved_to: Option<Id>,
}

impl EntryChange {
    fn apply(&self, entries: &mut Entries) {
        if let Some(name) = &self.unset {
            entries.remove(name);
        }
        if let Some((name, node)) = &self.set {
            entries.insert(name.clone(), *node);
        }
    }
}

impl Directory {
    pub(super) fn within(parent: Id) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    pub(super) fn changes(&self) -> i64 {
        self.changes
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(super) fn get(&self, name: &OsStr) -> Option<Node> {
        self.entries.get(name).copied()
    }

    pub(super) fn change(&mut self, change: EntryChange) {
        self.changes += 1;
        change.apply(&mut self.entries);
        self.pending.push(change);
    }

    /// Makes the first `count` pending changes durable.
    pub(super) fn settle(&mut self, count: usize) {
        for change in self.pending.drain(..count.min(self.pending.len())) {
            change.apply(&mut self.durable);
        }
    }

    /// Returns the directory as the next boot finds it if only the first `count` pending changes reached the disk.
    fn survivor(&self, count: usize) -> Self {
        let mut survivor = self.clone();
        survivor.settle(count);
        survivor.pending.clear();
        survivor.entries = survivor.durable.clone();
        survivor
    }

    /// Returns the number of pending changes up to and including the first change that `wanted` accepts. Returns 0 if
    /// `wanted` accepts no change.
    fn count_to(&self, wanted: impl Fn(&EntryChange) -> bool) -> usize {
        self.pending.iter().position(wanted).map_or(0, |index| index + 1)
    }
}

/// Returns how many pending changes of each directory become durable if the directory `synced` is synced. A move
/// between directories can make changes of another directory durable too.
pub(super) fn counts_to_sync(directories: &BTreeMap<Id, &Directory>, synced: Id) -> BTreeMap<Id, usize> {
    let all = directories.get(&synced).map_or(0, |directory| directory.pending.len());
    with_moves_complete(directories, BTreeMap::from([(synced, all)]))
}

/// Returns the directories that the next boot finds after a power cut.
pub(super) fn after_cut(directories: &BTreeMap<Id, &Directory>, choices: &mut Choices) -> BTreeMap<Id, Directory> {
    let counts = directories.iter().map(|(&id, directory)| {
        let counts: Vec<_> = (0..=directory.pending.len()).collect();
        (id, choices.pick_leaning(&counts).copied().unwrap_or(0))
    });
    let counts = with_moves_complete(directories, counts.collect());
    let survivor = |(id, directory): (&Id, &&Directory)| (*id, directory.survivor(count(&counts, *id)));
    reachable(directories.iter().map(survivor).collect())
}

/// Returns the directories that can be reached from the root.
fn reachable(mut directories: BTreeMap<Id, Directory>) -> BTreeMap<Id, Directory> {
    let mut reached = BTreeMap::new();
    let mut next = vec![ROOT];
    while let Some(id) = next.pop() {
        let Some(directory) = directories.remove(&id) else { continue };
        next.extend(directory.entries.values().filter_map(|node| match *node {
            Node::Directory(id) => Some(id),
            Node::File(_) => None,
        }));
        reached.insert(id, directory);
    }
    reached
}

/// Raises `counts` until no moved file can be lost. `counts` says how many pending changes of each directory become
/// durable. If the removal of a file's old name is durable, the new name and all directories on its path must be
/// durable too.
fn with_moves_complete(directories: &BTreeMap<Id, &Directory>, mut counts: BTreeMap<Id, usize>) -> BTreeMap<Id, usize> {
    loop {
        let moves = directories
            .iter()
            .flat_map(|(id, directory)| directory.pending.iter().take(count(&counts, *id)))
            .filter_map(|change| Some((change.moved_to?, change.serial)));
        let needed: Vec<_> = moves.flat_map(|(to, serial)| arrival(directories, to, serial)).collect();
        let mut raised = false;
        for (id, needed) in needed {
            let count = counts.entry(id).or_default();
            raised |= *count < needed;
            *count = needed.max(*count);
        }
        if !raised {
            return counts;
        }
    }
}

/// The move `serial` has brought a file to the directory `to`. Returns how many pending changes of `to`, and of each
/// directory above it, must be durable, so that a crash cannot lose this file.
fn arrival(directories: &BTreeMap<Id, &Directory>, to: Id, serial: u64) -> Vec<(Id, usize)> {
    let mut needed = Vec::new();
    let Some(mut directory) = directories.get(&to) else { return needed };
    needed.push((to, directory.count_to(|change| change.serial == serial)));
    let mut child = to;
    while let Some((id, parent)) = directory.parent.and_then(|id| Some((id, directories.get(&id)?))) {
        let makes_child = |change: &EntryChange| matches!(change.set, Some((_, Node::Directory(id))) if id == child);
        needed.push((id, parent.count_to(makes_child)));
        child = id;
        directory = parent;
    }
    needed
}

fn count(counts: &BTreeMap<Id, usize>, id: Id) -> usize {
    counts.get(&id).copied().unwrap_or(0)
}
