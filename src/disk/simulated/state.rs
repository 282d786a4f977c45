//! The complete disk, and the effect of each call on it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use super::call::{DiskCall, InjectedFault, Op};
use super::choices::Choices;
use super::directory::{self, Directory, EntryChange, Id, Node, ROOT};
use super::faults::Faults;
use super::file::File;
use super::history::History;
use super::random::mixed;
use crate::disk::{FileType, Stat};

/// The number of the only device.
const DEVICE: u64 = 1;
/// `ENOSPC`.
const NO_SPACE: i32 = 28;

/// The handles that hold the lock on a file.
#[derive(Debug, Default)]
struct Holders {
    exclusive: bool,
    handles: BTreeSet<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) calls: Vec<DiskCall>,
    files: BTreeMap<Id, File>,
    directories: BTreeMap<Id, History<Directory>>,
    locks: BTreeMap<Id, Holders>,
    pub(super) faults: Faults,
    /// The number of operations so far, including those that change nothing.
    pub(super) operations: usize,
    /// The number of pages that the files may take.
    pub(super) capacity_pages: Option<u64>,
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
            faults: Faults::default(),
            operations: 0,
            capacity_pages: None,
            last_serial: ROOT,
        }
    }

    /// Returns the disk after a crash. If `choices` is `None`, there was no power cut: only the process was killed, and
    /// the page cache survives.
    pub(super) fn after_crash(&self, calls: usize, mut choices: Option<&mut Choices>) -> Self {
        let directories: BTreeMap<_, _> =
            self.directories.iter().filter_map(|(&id, history)| Some((id, history.at(calls)?))).collect();
        let directories = match &mut choices {
            Some(choices) => directory::after_cut(&directories, choices),
            None => directories.into_iter().map(|(id, directory)| (id, directory.clone())).collect(),
        };
        let named: BTreeSet<_> = directories.values().flat_map(|directory| directory.entries().values()).collect();
        // After a kill, a removed file is kept, because a later power cut may undo its removal.
        let was_killed = choices.is_none();
        let files = self.files.iter().filter(|(id, _)| was_killed || named.contains(&Node::File(**id)));
        let files = files.filter_map(|(&id, file)| Some((id, file.after_crash(calls, choices.as_deref_mut())?)));
        Self {
            files: files.collect(),
            directories: directories.into_iter().map(|(id, directory)| (id, History::new(0, directory))).collect(),
            last_serial: self.last_serial,
            ..Self::new()
        }
    }

    /// Returns a hash of the names in `directory` and of the files and directories that they name. Ignores inode
    /// numbers, and which changes are unsynced.
    pub(super) fn fingerprint(&self, directory: Id) -> u64 {
        let Ok(directory) = self.directory(directory) else { return 0 };
        directory.entries().iter().fold(1, |so_far, (name, node)| {
            let name = name.as_encoded_bytes().iter().fold(so_far, |so_far, &byte| mixed(so_far, byte.into()));
            mixed(
                name,
                match *node {
                    Node::File(id) => self.file(id).map_or(0, |file| file.cached().fingerprint()),
                    Node::Directory(id) => !self.fingerprint(id),
                },
            )
        })
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

    /// Returns the inode number of the file at `path`.
    pub(super) fn find_file(&self, path: &Path) -> io::Result<Id> {
        match self.find(path)? {
            Some(Node::File(id)) => Ok(id),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Returns the inode number of the directory at `path`.
    fn find_directory(&self, path: &Path) -> io::Result<Id> {
        match self.find(path)? {
            Some(Node::Directory(id)) => Ok(id),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Returns the directory above `path`, and the last name of `path`. That name need not exist.
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
        self.call(Op::Create, path, "", None)?;
        let id = self.serial();
        self.files.insert(id, File::new(self.calls.len()));
        self.change(directory, EntryChange { set: Some((name, Node::File(id))), ..EntryChange::default() })?;
        Ok(id)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        match self.find(path)? {
            Some(Node::Directory(_)) => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => self.call(Op::CreateDir, path, "", None)?,
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
            // POSIX: if both names belong to the same file, a rename does nothing.
            Some(replaced) if replaced == node => return Ok(()),
            _ => {}
        }
        self.call(Op::Rename, from, &format!("to {}", to.display()), None)?;
        let (unset, set) = (Some(old), Some((new, node)));
        if source == target {
            return self.change(source, EntryChange { unset, set, ..EntryChange::default() });
        }
        let serial = self.serial();
        self.change(source, EntryChange { serial, unset, set: None, moved_to: Some(target) })?;
        self.change(target, EntryChange { serial, unset: None, set, moved_to: None })
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = Node::File(self.find_file(from)?);
        if self.find(to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (directory, name) = self.place(to)?;
        self.call(Op::Link, from, &format!("to {}", to.display()), None)?;
        self.change(directory, EntryChange { set: Some((name, node)), ..EntryChange::default() })
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find_file(path)?;
        let (directory, name) = self.place(path)?;
        self.call(Op::Remove, path, "", None)?;
        self.change(directory, EntryChange { unset: Some(name), ..EntryChange::default() })
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find_directory(path)?;
        self.call(Op::SyncDir, path, "", None)?;
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

    /// Writes at `offset`, or appends if `offset` is `None`. Returns the number of bytes written. `path` is the path at
    /// which the file was opened.
    pub(super) fn write(&mut self, id: Id, path: &Path, bytes: &[u8], offset: Option<u64>) -> io::Result<usize> {
        let op = if offset.is_some() { Op::WriteAt } else { Op::Append };
        let offset = offset.unwrap_or(self.file(id)?.cached().len);
        let bytes = self.short(op, path).and_then(|limit| bytes.get(..limit)).unwrap_or(bytes);
        // The length of a file is a signed 64-bit number.
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = self.room_for(id, bytes.len(), offset)?;
        let full = room == 0 && !bytes.is_empty();
        let bytes = bytes.get(..room).unwrap_or(bytes);
        self.call(
            op,
            path,
            &format!("{} bytes at {offset}", bytes.len()),
            full.then_some(InjectedFault::Os(NO_SPACE)),
        )?;
        let calls = self.calls.len();
        if !bytes.is_empty() {
            self.file_mut(id)?.write(calls, bytes, offset);
        }
        Ok(bytes.len())
    }

    /// Returns how many bytes of a write of `len` bytes at `offset` fit on the disk.
    fn room_for(&self, id: Id, len: usize, offset: u64) -> io::Result<usize> {
        let Some(capacity) = self.capacity_pages else { return Ok(len) };
        let directories = self.directories.values().flat_map(|directory| directory.now().entries().values());
        let named: BTreeSet<_> = directories.copied().chain([Node::File(id)]).collect();
        let files = self.files.iter().filter(|(id, _)| named.contains(&Node::File(**id)));
        let used: u64 = files.map(|(_, file)| file.cached().pages()).sum();
        Ok(self.file(id)?.cached().room_for(len, offset, capacity.saturating_sub(used)))
    }

    /// Reads from a file that was opened at `path`.
    pub(super) fn read(&mut self, id: Id, path: &Path, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Reading zero bytes would mean that the file ends there.
        let limit = self.short(Op::Read, path).map_or(buffer.len(), |limit| limit.max(1).min(buffer.len()));
        self.look(Op::Read, path)?;
        Ok(self.file(id)?.cached().read(&mut buffer[..limit], offset))
    }

    pub(super) fn truncate(&mut self, id: Id, path: &Path, len: u64) -> io::Result<()> {
        if i64::try_from(len).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.call(Op::Truncate, path, &format!("to {len} bytes"), None)?;
        let calls = self.calls.len();
        self.file_mut(id)?.truncate(calls, len);
        Ok(())
    }

    pub(super) fn sync(&mut self, id: Id, path: &Path) -> io::Result<()> {
        let called = self.call(Op::Sync, path, "", None);
        let calls = self.calls.len();
        let file = self.file_mut(id)?;
        match &called {
            Ok(()) => file.sync(calls),
            // A signal interrupts only the wait for the sync. The pages stay dirty.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => file.fail_sync(calls),
        }
        called
    }

    // Locks.

    pub(super) fn try_lock(&mut self, id: Id, path: &Path, handle: u64) -> io::Result<bool> {
        self.look(Op::Lock, path)?;
        let holders = self.locks.entry(id).or_default();
        let free = holders.handles.iter().all(|&holder| holder == handle);
        if free {
            *holders = Holders { exclusive: true, handles: BTreeSet::from([handle]) };
        }
        Ok(free)
    }

    pub(super) fn try_lock_shared(&mut self, id: Id, path: &Path, handle: u64) -> io::Result<bool> {
        self.look(Op::Lock, path)?;
        let holders = self.locks.entry(id).or_default();
        let free = !holders.exclusive || holders.handles.contains(&handle);
        if free {
            holders.exclusive = false;
            holders.handles.insert(handle);
        }
        Ok(free)
    }

    pub(super) fn unlock(&mut self, id: Id, handle: u64) {
        if let Some(holders) = self.locks.get_mut(&id)
            && holders.handles.remove(&handle)
        {
            holders.exclusive = false;
        }
    }

    // Calls and faults.

    /// Adds a call to the list. Fails with the injected error if there is one. Otherwise fails with the error of `own`
    /// if it is given. `own` is an error of the disk itself, such as a full disk.
    fn call(&mut self, op: Op, path: &Path, detail: &str, own: Option<InjectedFault>) -> io::Result<()> {
        let injected = self.faults.take_error((self.operations, self.calls.len()), op, path);
        self.operations += 1;
        let fault = injected.or(own.as_ref().and_then(InjectedFault::error));
        let error = fault.as_ref().map(io::Error::kind);
        self.calls.push(DiskCall { op, path: path.to_owned(), detail: detail.to_owned(), error });
        fault.map_or(Ok(()), Err)
    }

    /// Counts an operation that changes nothing. Does not add the operation to the list of calls. Fails with the
    /// injected error if there is one.
    pub(super) fn look(&mut self, op: Op, path: &Path) -> io::Result<()> {
        // No call has the index `usize::MAX`, so a fault for a call never matches.
        let injected = self.faults.take_error((self.operations, usize::MAX), op, path);
        self.operations += 1;
        injected.map_or(Ok(()), Err)
    }

    /// Returns the injected limit on the number of bytes of the next read or write, if there is one.
    fn short(&mut self, op: Op, path: &Path) -> Option<usize> {
        let call = if op == Op::Read { usize::MAX } else { self.calls.len() };
        self.faults.take_short((self.operations, call), op, path)
    }

    // Inodes. While a disk is in use, its inodes are never removed, so these functions never fail.

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

/// Returns the names on the path from the root to `path`. A relative path starts at the root too.
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
