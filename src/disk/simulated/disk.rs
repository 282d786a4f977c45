//! The simulated disk, which implements [`Storage`].

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::call::{DiskCall, InjectedFault, Loss, Op, When};
use super::choices::Choices;
use super::directory::{Id, Node, ROOT};
use super::faults::Faults;
use super::pages::PAGE;
use super::state::State;
use crate::disk::{Access, Stat, Storage, StorageFile};
use crate::mutex::lock;

/// `EBADF`, which has no `ErrorKind`: the handle was not opened for this operation.
pub(super) const BAD_DESCRIPTOR: i32 = 9;

/// A disk in memory. A clone refers to the same disk.
///
/// The root directory always exists, and relative paths start there too. `..` removes the name before it, even if that
/// name does not exist.
///
/// Three operations are likely to be mistakes, so they fail here, although a real disk performs them:
///
/// - appending through a handle opened for [`Access::Write`],
/// - writing at an offset through a handle opened for [`Access::Append`],
/// - `sync_dir` of a file.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// Creates an empty disk.
    pub fn new() -> Self {
        Self::with(State::new())
    }

    fn with(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Returns every call that changed or synced the disk, in order. The list also has such calls that failed because
    /// of an injected fault or a full disk. Calls that failed for any other reason are left out.
    pub fn calls(&self) -> Vec<DiskCall> {
        self.state().calls.clone()
    }

    /// Returns the number of operations so far, including those that change nothing.
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    /// Returns a new disk in the state after a crash. The crash happens after the first `calls` entries of
    /// [`calls`](Self::calls), or after all entries if there are fewer. The new disk has no calls, locks, faults or
    /// capacity limit yet, and shares nothing with the original disk.
    pub fn crash_after(&self, calls: usize, loss: Loss) -> Self {
        Self::with(self.state().after_crash(calls, Choices::new(loss, calls).as_mut()))
    }

    /// Returns the losses that a crash right after the first `calls` entries of [`calls`](Self::calls) can cause.
    ///
    /// [`Loss::Nothing`] comes first. A numbered loss, [`Loss::Numbered`], affects only whole pages, lengths and names.
    /// The losses after the first one depend on the number of possible numbered losses:
    ///
    /// - If at most `limit` numbered losses are possible, all of them follow. Random losses, which can also tear pages,
    ///   are then added until there are `limit` losses after the first one. If only one numbered loss is possible, no
    ///   random losses are added.
    /// - If more numbered losses are possible, [`Loss::Unsynced`] and `limit` random losses follow.
    ///
    /// `seed` determines the random losses.
    pub fn losses(&self, calls: usize, limit: usize, seed: u64) -> impl Iterator<Item = Loss> + use<> {
        let numbered = self.numbered_losses(calls, limit);
        let random = match &numbered {
            Some(all) if all.len() == 1 => 0,
            Some(all) => limit - all.len(),
            None => limit,
        };
        let random = (0..random as u64).map(move |number| Loss::Random(seed.wrapping_add(number)));
        iter::once(Loss::Nothing).chain(numbered.unwrap_or_else(|| vec![Loss::Unsynced])).chain(random)
    }

    /// Returns every numbered loss, or `None` if there are more than `limit` of them.
    fn numbered_losses(&self, calls: usize, limit: usize) -> Option<Vec<Loss>> {
        let state = self.state();
        let mut losses = Vec::new();
        let mut number = 0;
        while losses.len() < limit {
            let mut choices = Choices::numbered(number);
            state.after_crash(calls, Some(&mut choices));
            losses.push(Loss::Numbered(number));
            if choices.are_last() {
                return Some(losses);
            }
            number = choices.next_number()?;
        }
        None
    }

    /// Returns a hash of all readable content, including names. Equal disks have equal hashes. Different disks almost
    /// always have different hashes.
    pub fn fingerprint(&self) -> u64 {
        self.state().fingerprint(ROOT)
    }

    /// Injects a fault into one later operation. If several faults match the same operation, the fault that was
    /// injected first is used, and the others stay pending.
    ///
    /// A call that fails changes nothing, except for a failed sync of a file: see point 7 of the [model](super).
    pub fn inject(&self, when: When, fault: InjectedFault) {
        self.state().faults.once.push((when, fault));
    }

    /// Injects a fault into every operation for which `meant` returns true, until [`lift_faults`](Self::lift_faults) is
    /// called.
    ///
    /// `meant` receives the operation's number (as in [`When::Operation`]), its kind and its path. `meant` may be
    /// called twice for one operation. Faults that [`inject`](Self::inject) has set for a single operation take
    /// precedence.
    ///
    /// ```
    /// use std::path::Path;
    /// use runledger::disk::simulated::{InjectedFault, Op, SimulatedDisk};
    /// use runledger::disk::{Access, Storage};
    ///
    /// let disk = SimulatedDisk::new();
    /// let dead = disk.operations() + 1;
    /// let meant = move |number, op, path: &Path| number >= dead && op != Op::Read && path.ends_with("a");
    /// disk.inject_lasting(meant, InjectedFault::Os(5));
    /// let file = disk.open(Path::new("a"), Access::AppendNew)?;
    /// assert!(file.append(b"x").is_err() && file.sync().is_err());
    /// disk.lift_faults();
    /// assert_eq!(file.append(b"x")?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn inject_lasting(
        &self,
        meant: impl Fn(usize, Op, &Path) -> bool + Send + Sync + 'static,
        fault: InjectedFault,
    ) {
        self.state().faults.lasting.push((Box::new(meant), fault));
    }

    /// Removes all lasting faults, and all other faults that have not been used yet.
    pub fn lift_faults(&self) {
        self.state().faults = Faults::default();
    }

    /// Sets the capacity of the disk in bytes. With `None`, the default, the capacity is unlimited.
    ///
    /// Only the pages of named files, and of the file that is being written, take space. Each page takes 4096 bytes.
    /// The pages of a removed file are free immediately. A write that does not fit writes as many bytes as there is
    /// room for, or fails with `ENOSPC` if there is no room. Overwriting existing pages succeeds.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_pages = bytes.map(|bytes| bytes / PAGE as u64);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDisk").field("calls", &self.state().calls.len()).finish_non_exhaustive()
    }
}

impl Storage for SimulatedDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.state();
        let id = match access {
            Access::Read | Access::Append | Access::Write => {
                state.look(Op::Open, path)?;
                state.find_file(path)?
            }
            Access::AppendNew | Access::WriteNew => state.create(path)?,
        };
        let handle = state.serial();
        Ok(Box::new(SimulatedFile { disk: self.clone(), id, handle, path: path.to_owned(), access }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let mut state = self.state();
        state.look(Op::Stat, path)?;
        state.find(path)?.map(|node| state.stat(node)).transpose()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut state = self.state();
        state.look(Op::List, directory)?;
        state.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.state().sync_dir(directory)
    }
}

/// An open file. Dropping this value releases the lock that the handle holds.
#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: Id,
    /// Distinguishes the handles of one file.
    handle: u64,
    path: PathBuf,
    access: Access,
}

impl SimulatedFile {
    fn open_for(&self, accesses: &[Access]) -> io::Result<()> {
        if accesses.contains(&self.access) { Ok(()) } else { Err(io::Error::from_raw_os_error(BAD_DESCRIPTOR)) }
    }
}

impl StorageFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().read(self.id, &self.path, buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.open_for(&[Access::Append, Access::AppendNew])?;
        self.disk.state().write(self.id, &self.path, bytes, None)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.open_for(&[Access::Write, Access::WriteNew])?;
        self.disk.state().write(self.id, &self.path, bytes, Some(offset))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.open_for(&[Access::Append, Access::AppendNew, Access::Write, Access::WriteNew])?;
        self.disk.state().truncate(self.id, &self.path, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state().sync(self.id, &self.path)
    }

    fn stat(&self) -> io::Result<Stat> {
        let mut state = self.disk.state();
        state.look(Op::Stat, &self.path)?;
        state.stat(Node::File(self.id))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(StorageFile::stat(self)?.len)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.disk.state().try_lock(self.id, &self.path, self.handle)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.disk.state().try_lock_shared(self.id, &self.path, self.handle)
    }

    fn unlock(&self) -> io::Result<()> {
        self.disk.state().unlock(self.id, self.handle);
        Ok(())
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.disk.state().unlock(self.id, self.handle);
    }
}
