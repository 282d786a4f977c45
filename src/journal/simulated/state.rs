//! The whole disk: what each call does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use super::directory::{self, Directory, EntryChange, Id, Node, ROOT};
use super::file::File;
use super::history::History;
use super::random::Random;
use super::{Call, Fault, Loss, Op, When};
use crate::journal::storage::{FileType, Stat};

/// The number of the only device.
const DEVICE: u64 = 1;

#[derive(Debug)]
pub(super) struct State {
    calls: Vec<Call>,
    files: BTreeMap<Id, File>,
    directories: BTreeMap<Id, History<Directory>>,
    /// Which handle holds the lock of a file.
    locks: BTreeMap<Id, u64>,
    faults: Vec<(When, Fault)>,
    /// The last number given to an inode, a handle or a change of a directory.
    last_serial: u64,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            calls: Vec::new(),
            files: BTreeMap::new(),
            directories: BTreeMap::from([(ROOT, History::new(0, Directory::default()))]),
            locks: BTreeMap::new(),
            faults: Vec::new(),
            last_serial: ROOT,
        }
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn inject(&mut self, when: When, fault: Fault) {
        self.faults.push((when, fault));
    }

    pub(super) fn after_crash(&self, calls: usize, loss: Loss) -> Self {
        let mut random = match loss {
            Loss::Random(seed) => Random::new(Random::new(seed).next() ^ calls as u64),
            Loss::Nothing | Loss::Unsynced => Random::new(0),
        };
        let directories: BTreeMap<_, _> =
            self.directories.iter().filter_map(|(&id, history)| Some((id, history.at(calls)?))).collect();
        let directories = directory::after_crash(&directories, loss, &mut random);
        let named: BTreeSet<_> = directories.values().flat_map(|directory| directory.entries().values()).collect();
        // After a mere kill, a removed file may still come back at a later power cut.
        let kept = |id: &Id| loss == Loss::Nothing || named.contains(&Node::File(*id));
        let files = self.files.iter().filter(|(id, _)| kept(id));
        let files = files.filter_map(|(&id, file)| Some((id, file.after_crash(calls, loss, &mut random)?)));
        Self {
            files: files.collect(),
            directories: directories.into_iter().map(|(id, directory)| (id, History::new(0, directory))).collect(),
            last_serial: self.last_serial,
            ..Self::new()
        }
    }

    pub(super) fn serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    // Names.

    pub(super) fn find(&self, path: &Path) -> io::Result<Option<Node>> {
        self.walk(&names(path))
    }

    fn walk(&self, names: &[&OsStr]) -> io::Result<Option<Node>> {
        let mut node = Node::Directory(ROOT);
        for name in names {
            let Node::Directory(id) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
            match self.directory(id)?.get(name) {
                Some(found) => node = found,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// The file at `path`.
    pub(super) fn find_file(&self, path: &Path) -> io::Result<Id> {
        match self.find(path)? {
            Some(Node::File(id)) => Ok(id),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory at `path`.
    fn find_directory(&self, path: &Path) -> io::Result<Id> {
        match self.find(path)? {
            Some(Node::Directory(id)) => Ok(id),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory in which `path` stands or would stand, and its name there.
    fn place(&self, path: &Path) -> io::Result<(Id, OsString)> {
        let names = names(path);
        let (name, above) = names.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        match self.walk(above)? {
            Some(Node::Directory(id)) => Ok((id, (*name).to_owned())),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        match self.find_directory(path) {
            Ok(id) => Ok(self.directory(id)?.entries().keys().cloned().collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn stat(&self, node: Node) -> io::Result<Stat> {
        let all_entries = self.directories.values().flat_map(|directory| directory.now().entries().values());
        let links = all_entries.filter(|&&entry| entry == node).count() as u64;
        let (file_type, id, len, changed) = match node {
            Node::File(id) => (FileType::File, id, self.file(id)?.cached().len, 0),
            Node::Directory(id) => {
                let changes = self.directories.get(&id).map_or(0, |directory| directory.now().changes());
                (FileType::Directory, id, 0, changes)
            }
        };
        Ok(Stat { file_type, id: (DEVICE, id), len, links, changed: (changed, 0), lawless: false })
    }

    // Changes of directories.

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Id> {
        if self.find(path)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (directory, name) = self.place(path)?;
        self.call(Op::Create, path, "")?;
        let id = self.serial();
        self.files.insert(id, File::new(self.calls.len()));
        self.change(directory, EntryChange { set: Some((name, Node::File(id))), ..EntryChange::default() })?;
        Ok(id)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        match self.find(path)? {
            Some(Node::Directory(_)) => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => self.call(Op::CreateDir, path, "")?,
        }
        let mut parent = ROOT;
        for name in names(path) {
            parent = match self.directory(parent)?.get(name) {
                Some(Node::Directory(id)) => id,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => self.create_dir_in(parent, name)?,
            };
        }
        Ok(())
    }

    fn create_dir_in(&mut self, parent: Id, name: &OsStr) -> io::Result<Id> {
        let id = self.serial();
        self.directories.insert(id, History::new(self.calls.len(), Directory::within(parent)));
        let set = Some((name.to_owned(), Node::Directory(id)));
        self.change(parent, EntryChange { set, ..EntryChange::default() })?;
        Ok(id)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ((source, old), (target, new)) = (self.place(from)?, self.place(to)?);
        let node = Node::File(self.find_file(from)?);
        match self.find(to)? {
            Some(Node::Directory(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            // POSIX: two names of one file both stay.
            Some(replaced) if replaced == node => return Ok(()),
            _ => {}
        }
        self.call(Op::Rename, from, &format!("to {}", to.display()))?;
        let (unset, set) = (Some(old), Some((new, node)));
        if source == target {
            return self.change(source, EntryChange { unset, set, ..EntryChange::default() });
        }
        let serial = self.serial();
        self.change(source, EntryChange { serial, unset, set: None, moved_to: Some(target) })?;
        self.change(target, EntryChange { serial, unset: None, set, moved_to: None })
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find_file(path)?;
        let (directory, name) = self.place(path)?;
        self.call(Op::Remove, path, "")?;
        self.change(directory, EntryChange { unset: Some(name), ..EntryChange::default() })
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find_directory(path)?;
        self.call(Op::SyncDir, path, "")?;
        let now: BTreeMap<_, _> = self.directories.iter().map(|(&id, directory)| (id, directory.now())).collect();
        for (id, count) in directory::counts_to_sync(&now, id) {
            self.directory_mut(id)?.settle(count);
        }
        Ok(())
    }

    fn change(&mut self, directory: Id, change: EntryChange) -> io::Result<()> {
        self.directory_mut(directory)?.change(change);
        Ok(())
    }

    // Changes of files.

    /// Appends to a file that was opened at `path`, or writes at `offset`, and says how much was written.
    pub(super) fn write(&mut self, id: Id, path: &Path, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
        let op = if offset.is_some() { Op::WriteAt } else { Op::Append };
        let offset = offset.unwrap_or(self.file(id)?.cached().len);
        let bytes = match self.short_write(op) {
            Some(limit) => bytes.get(..limit).unwrap_or(bytes),
            None => bytes,
        };
        // The length of a file is a signed number.
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.call(op, path, &format!("{} bytes at {offset}", bytes.len()))?;
        let calls = self.calls.len();
        if !bytes.is_empty() {
            self.file_mut(id)?.write(calls, bytes, offset);
        }
        Ok(bytes.len())
    }

    pub(super) fn truncate(&mut self, id: Id, path: &Path, len: u64) -> io::Result<()> {
        if i64::try_from(len).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.call(Op::Truncate, path, &format!("to {len} bytes"))?;
        let calls = self.calls.len();
        self.file_mut(id)?.truncate(calls, len);
        Ok(())
    }

    pub(super) fn sync(&mut self, id: Id, path: &Path) -> io::Result<()> {
        let called = self.call(Op::Sync, path, "");
        let calls = self.calls.len();
        let file = self.file_mut(id)?;
        match &called {
            Ok(()) => file.sync(calls),
            // A signal interrupts the wait; it does not lose the pages.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => file.fail_sync(calls),
        }
        called
    }

    // Locks.

    pub(super) fn try_lock(&mut self, id: Id, handle: u64) -> bool {
        *self.locks.entry(id).or_insert(handle) == handle
    }

    pub(super) fn unlock(&mut self, id: Id, handle: u64) {
        if self.locks.get(&id) == Some(&handle) {
            self.locks.remove(&id);
        }
    }

    // Calls and faults.

    /// Enters a call in the list; fails if that was injected.
    fn call(&mut self, op: Op, path: &Path, detail: &str) -> io::Result<()> {
        let fault = self.take_fault(op, |fault| match *fault {
            Fault::Error(kind) => Some(io::Error::from(kind)),
            Fault::Os(code) => Some(io::Error::from_raw_os_error(code)),
            Fault::Short(_) => None,
        });
        let error = fault.as_ref().map(io::Error::kind);
        self.calls.push(Call { op, path: path.to_owned(), detail: detail.to_owned(), error });
        fault.map_or(Ok(()), Err)
    }

    fn short_write(&mut self, op: Op) -> Option<usize> {
        self.take_fault(op, |fault| match *fault {
            Fault::Short(bytes) => Some(bytes),
            Fault::Error(_) | Fault::Os(_) => None,
        })
    }

    /// The first fault that is meant for this call and that `select` wants.
    fn take_fault<T>(&mut self, op: Op, select: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let call = self.calls.len();
        let (index, selected) = self.faults.iter().enumerate().find_map(|(index, (when, fault))| {
            let meant = match *when {
                When::Call(number) => number == call,
                When::Next(wanted) => wanted == op,
            };
            if meant { Some((index, select(fault)?)) } else { None }
        })?;
        self.faults.remove(index);
        Some(selected)
    }

    // Inodes: none that has a name or a handle ever goes, so none of these fails.

    pub(super) fn file(&self, id: Id) -> io::Result<&File> {
        self.files.get(&id).ok_or_else(no_inode)
    }

    fn file_mut(&mut self, id: Id) -> io::Result<&mut File> {
        self.files.get_mut(&id).ok_or_else(no_inode)
    }

    fn directory(&self, id: Id) -> io::Result<&Directory> {
        self.directories.get(&id).map(History::now).ok_or_else(no_inode)
    }

    fn directory_mut(&mut self, id: Id) -> io::Result<&mut Directory> {
        let calls = self.calls.len();
        self.directories.get_mut(&id).map(|directory| directory.change(calls)).ok_or_else(no_inode)
    }
}

fn no_inode() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The names on the way from the root; the current directory is the root too.
fn names(path: &Path) -> Vec<&OsStr> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => _ = names.pop(),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    names
}
