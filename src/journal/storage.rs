//! Everything the journal asks of a disk, as one narrow seam; the only file that names `std::fs`.
//!
//! [`Disk`] is the real file system. `SimulatedDisk` (feature `simulation`) implements the same seam in memory and
//! replays every state that a crash can leave.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{lock, platform};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only; the file must exist.
    Read,
    /// Reading, and appending at whatever the end is at the time of the write; the file must exist.
    Append,
    /// Reading, and overwriting at given offsets; the file must exist.
    Write,
    /// As `Append`, on a file that must not exist and is made with mode 0600, or as [`Disk`] says.
    AppendNew,
    /// As `Write`, on a file that must not exist and is made with mode 0600, or as [`Disk`] says.
    WriteNew,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket, a device.
    Special,
}

/// Identity, type and length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type of the file.
    pub file_type: FileType,
    /// Device and inode: equal exactly when two handles or paths mean the same file.
    pub id: (u64, u64),
    /// Length in bytes.
    pub len: u64,
    /// How many names the file has.
    pub links: u64,
    /// When the names in a directory, or the bytes of a file, last changed. Only equality means something; a disk that
    /// does not tell of files has the same for all.
    pub changed: (i64, i64),
    /// Of a directory: whether every user may remove and replace the names in it, others' too.
    pub lawless: bool,
}

/// A disk: files by path. Every method does one operation and says how it ended; none retries.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;
    /// What stands at `path`, not following a symlink there; `None` if nothing does.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// Makes a directory and its missing parents, with mode 0700, or as [`Disk`] says; one that exists is left as it is.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order; an empty list if there is no such directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Renames a file, replacing what stands at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `directory` durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
    /// Gives a file a second name in its directory; fails, and changes nothing, if something stands at `to`. Only exports
    /// need it: a disk may have no such names.
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The longest that a write may make a file; `None`: no limit is known.
    fn file_bytes_max(&self) -> Option<u64> {
        None
    }
}

/// An open file.
pub trait StorageFile: fmt::Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes from `offset` on; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Appends with one write; may write less than all.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Overwrites from `offset` on with one write; may write less than all.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts or extends (with NULs) to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes everything written to the file durable, its length too: `fdatasync`.
    fn sync(&self) -> io::Result<()>;
    /// Identity and length of the open file.
    ///
    /// Not for each write: see [`length`](Self::length).
    fn stat(&self) -> io::Result<Stat>;
    /// Length of the open file in bytes, without looking at its times.
    ///
    /// Since Linux 6.13 a file whose times were looked at gets a fine-grained time with its next change, which then
    /// counts as the earliest time for all others. So after each such look every write dirties its file's inode, and on
    /// ext4 without a journal a sync of an overwrite writes two blocks instead of one: measured, 214 µs for 152 µs.
    fn length(&self) -> io::Result<u64>;
    /// Takes the file's exclusive advisory lock if it is free.
    fn try_lock(&self) -> io::Result<bool>;
    /// Takes the file's shared advisory lock, in exchange for the exclusive one if this handle has that, unless another
    /// has the exclusive one.
    fn try_lock_shared(&self) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
}

/// Repeats `operation` for as long as a signal interrupts it.
pub(super) fn uninterrupted<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Appends all of `bytes`; on an error, part of them may be there.
pub(crate) fn append_all(file: &dyn StorageFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.append(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`; on an error, part of them may be there.
pub(crate) fn write_all_at(file: &dyn StorageFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.write_at(bytes, offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// How a removal ended, if a file that is not there counts as removed.
pub(crate) fn unless_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        ended => ended,
    }
}

/// Opens a file, and makes it if it is not there; another process may make or remove it in between.
pub(crate) fn open_or_make(
    storage: &dyn Storage,
    path: &Path,
    there: Access,
    new: Access,
) -> io::Result<Box<dyn StorageFile>> {
    // A symbolic link to nothing is never there and always in the way.
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        match storage.open(path, there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        match storage.open(path, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes a file with `bytes` in it, where nothing may stand; durable when it returns, and gone if it fails.
fn create_new(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = storage.open(path, Access::AppendNew)?;
    let filled = append_all(&*file, bytes).and_then(|()| file.sync());
    if let Err(error) = filled.and_then(|()| storage.sync_dir(path.parent().unwrap_or(Path::new("")))) {
        // What is left of it is no worse than what a crash leaves.
        let _ = storage.remove(path);
        return Err(error);
    }
    Ok(())
}

/// Makes `bytes` the content of a file, whole or not at all, whatever it held; durable when it returns. One caller at a
/// time.
pub(crate) fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    unless_missing(storage.remove(&new))?;
    create_new(storage, &new, bytes)?;
    storage.rename(&new, path)?;
    storage.sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// Whether a regular file stands there that begins with `bytes`. No more of it is read.
pub(crate) fn begins_with(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let is_file = |there: Stat| there.file_type == FileType::File && there.len >= bytes.len() as u64;
    if !storage.stat(path)?.is_some_and(is_file) {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    let read = read_full_at(&*storage.open(path, Access::Read)?, &mut found, 0)?;
    Ok(found[..read] == *bytes)
}

/// Fills as much of `buffer` as the file has from `offset` on, and says how much that was.
pub(crate) fn read_full_at(file: &dyn StorageFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match uninterrupted(|| file.read_at(&mut buffer[filled..], offset + filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Another process may append between a look at the length and the write: an event, of which this is room for twenty.
const LIMIT_MARGIN_BYTES: u64 = 4096;

/// The real file system.
///
/// Where the process may write files of a certain length only (`ulimit -f`), a write or an extension beyond it fails
/// with [`io::ErrorKind::FileTooLarge`] here: the system would end the process with SIGXFSZ. The limit is the one that
/// the process had at the first write.
///
/// # Owner and mode of what it makes
///
/// They follow from the directory that holds the new file or directory, and not from the umask.
///
/// - A file has mode 0600 and a directory 0700.
/// - A group shares a directory that has the group's write bit and the setgid bit, and not the sticky bit (`mkdir -m 2770`).
///   There a file has mode 0660 and a directory 2770.
/// - What root makes gets the owner and the group of that directory, so that root locks nobody out. If root may not give it
///   away, making it fails, unless the directory's owner or the group that shares it can use it all the same.
///
/// An error of missing rights names the owner and the mode of the file or directory that refuses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => {}
            Access::Append | Access::AppendNew => _ = options.append(true),
            Access::Write | Access::WriteNew => _ = options.write(true),
        }
        let (opened, wanted) = match access {
            Access::Read => (open_file(path, &options), Right::Read),
            Access::Append | Access::Write => (open_file(path, &options), Right::Write),
            Access::AppendNew | Access::WriteNew => (make_file(path, &mut options), Right::Change),
        };
        Ok(Box::new(opened.map_err(|error| explained(error, path, wanted))?))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(stat(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explained(error, path, Right::Read)),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let is_missing = |directory: &&Path| {
            let found = fs::metadata(directory);
            !directory.as_os_str().is_empty() && found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
        let made = missing.into_iter().rev().try_for_each(make_dir);
        // Fails if something else than a directory is there.
        let made = made.and_then(|()| fs::DirBuilder::new().recursive(true).create(path));
        made.map_err(|error| explained(error, path, Right::Change))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        match fs::read_dir(directory) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(explained(error, directory, Right::Read)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Of two directories either may refuse, but not one of this user's that it may change.
        let refusing = || if is_own_to_change(parent(from)) { to } else { from };
        fs::rename(from, to).map_err(|error| explained(error, refusing(), Right::Change))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to).map_err(|error| explained(error, to, Right::Change))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|error| explained(error, path, Right::Change))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let synced = fs::File::open(or_here(directory)).and_then(|directory| directory.sync_all());
        synced.map_err(|error| explained(error, directory, Right::Read))
    }

    fn file_bytes_max(&self) -> Option<u64> {
        platform::file_bytes_max().map(|limit| limit.saturating_sub(LIMIT_MARGIN_BYTES))
    }
}

/// The directory itself: a relative path of one name has the empty path as its parent.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// The directory that holds `path`.
fn parent(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(path))
}

/// Opens a file that is there. What another process is just making is opened once it has its owner and mode.
fn open_file(path: &Path, options: &fs::OpenOptions) -> io::Result<fs::File> {
    // The maker needs microseconds; a file that stays like this is refused.
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_micros(100);
    // Opening a FIFO would wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file, found another thing"));
    }
    for _ in 0..TRIES {
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_just_made(path) => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
    options.open(path)
}

/// Whether a file is empty and has not the owner and mode that its directory asks for.
fn is_just_made(path: &Path) -> bool {
    let (Ok(file), Ok(directory)) = (fs::metadata(path), fs::metadata(parent(path))) else { return false };
    file.len() == 0 && (has_wrong_owner(&file, &directory) || file.mode() & 0o777 != mode_in(&directory, false))
}

/// Makes a file, with the owner and the mode that its directory asks for.
fn make_file(path: &Path, options: &mut fs::OpenOptions) -> io::Result<fs::File> {
    let directory = fs::metadata(parent(path))?;
    let file = options.create_new(true).mode(mode_in(&directory, false)).open(path)?;
    let settled = file.metadata().and_then(|found| {
        let give = |uid, gid| fchown(&file, Some(uid), Some(gid));
        settle(&found, &directory, give, |mode| file.set_permissions(fs::Permissions::from_mode(mode)))
    });
    match settled {
        Ok(()) => Ok(file),
        Err(error) => {
            // An empty file that others cannot use would be in their way.
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Makes a directory, with the owner and the mode that the one above it asks for.
fn make_dir(path: &Path) -> io::Result<()> {
    let directory = fs::metadata(parent(path))?;
    match fs::DirBuilder::new().mode(mode_in(&directory, true)).create(path) {
        // Another process was faster, and gives it its owner.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    let found = fs::symlink_metadata(path)?;
    // Through a handle: whose directory this is may replace what is in it, and root must not give away another thing.
    let made = || {
        let opened = fs::File::open(path)?;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        match id(&opened.metadata()?) == id(&found) && found.is_dir() {
            true => Ok(opened),
            false => Err(io::Error::other("another thing was put in the place of the new directory")),
        }
    };
    let give = |uid, gid| fchown(made()?, Some(uid), Some(gid));
    let set_mode = |mode| match found.uid() {
        0 => made()?.set_permissions(fs::Permissions::from_mode(mode)),
        // The umask may have taken the right to open it.
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
    };
    settle(&found, &directory, give, set_mode).inspect_err(|_| _ = fs::remove_dir(path))
}

/// Whether the users of a directory's group share it, and all that is made in it. With the sticky bit only the owner of a
/// file may rename or remove it, and then they cannot.
pub(crate) fn is_shared(mode: u32) -> bool {
    mode & 0o3020 == 0o2020
}

/// The mode of what is made in `directory`.
fn mode_in(directory: &fs::Metadata, makes_directory: bool) -> u32 {
    match (makes_directory, is_shared(directory.mode())) {
        (false, false) => 0o600,
        (false, true) => 0o660,
        (true, false) => 0o700,
        (true, true) => 0o2770,
    }
}

/// Whether root made it, in a directory of another owner or group.
fn has_wrong_owner(made: &fs::Metadata, directory: &fs::Metadata) -> bool {
    made.uid() == 0 && (made.uid(), made.gid()) != (directory.uid(), directory.gid())
}

/// Gives what was just made its owner and its mode, where they are not as `directory` asks for.
fn settle(
    made: &fs::Metadata,
    directory: &fs::Metadata,
    give: impl FnOnce(u32, u32) -> io::Result<()>,
    set_mode: impl FnOnce(u32) -> io::Result<()>,
) -> io::Result<()> {
    let shared = is_shared(directory.mode());
    let (uid, gid) = (directory.uid(), directory.gid());
    // What a file system without owners or modes refuses locks nobody out.
    if has_wrong_owner(made, directory)
        && let Err(error) = give(uid, gid)
        && (if shared { made.gid() != gid } else { made.uid() != uid })
    {
        let (kind, what) = (error.kind(), "root may not give the new file to the owner of its directory");
        return Err(io::Error::new(kind, format!("{what}: {error}; run as uid {uid}, or allow chown (CAP_CHOWN)")));
    }
    let (mode, found) = (mode_in(directory, made.is_dir()), made.mode() & 0o7777);
    // A directory inherits the setgid bit from one that has it.
    let mode = if made.is_dir() { mode | found & 0o2000 } else { mode };
    let set = if found == mode { Ok(()) } else { set_mode(mode) };
    set.or_else(|error| if shared && found & 0o060 != 0o060 { Err(error) } else { Ok(()) })
}

/// What a file or directory must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Reading the file or directory.
    Read,
    /// Reading and writing the file.
    Write,
    /// Changing the names in the directory that holds it.
    Change,
}

/// Whether this user owns a directory and may change the names in it.
fn is_own_to_change(directory: &Path) -> bool {
    let own = |found: fs::Metadata| Some(found.uid()) == platform::effective_user() && found.mode() & 0o300 == 0o300;
    fs::metadata(directory).is_ok_and(own)
}

/// An error of missing rights with who owns what refuses, its mode, and what to do. Other errors stay as they are.
fn explained(error: io::Error, path: &Path, wanted: Right) -> io::Error {
    // On all Unix systems. `EPERM` is of the same kind, and neither owner nor mode explains it.
    const EACCES: i32 = 13;
    if error.raw_os_error() != Some(EACCES) {
        return error;
    }
    // With the dot, a path asks what is in the directory.
    let is_within = path.as_os_str().as_encoded_bytes().ends_with(b"/.");
    let path = &*path.components().collect::<PathBuf>();
    // The first directory that this process may not enter, if there is one.
    let mut above: Vec<_> = path.ancestors().skip(usize::from(!is_within)).map(or_here).collect();
    above.reverse();
    let closed = above.into_iter().find(|directory| {
        let inside = fs::metadata(directory.join("."));
        inside.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    });
    let (obstacle, right, bits) = match (closed, wanted) {
        (Some(directory), _) => (directory, "enter", "x"),
        (None, Right::Change) => (parent(path), "change the names in", "wx"),
        (None, Right::Write) => (path, "read and write", "rw"),
        (None, Right::Read) => (path, "read", "r"),
    };
    let Ok(found) = fs::metadata(obstacle) else { return error };
    let owner = found.uid();
    let what =
        if obstacle == path && !is_within { "it".to_owned() } else { format!("the directory {}", obstacle.display()) };
    let (process, remedy) = match platform::effective_user() {
        Some(user) if user == owner => (format!(", as this process runs as uid {user}"), format!("chmod u+{bits} it")),
        Some(user) => (
            format!(", and this process runs as uid {user}"),
            "run as that user, or chown the ledger's directory and all in it".to_owned(),
        ),
        None => (String::new(), "run as that user".to_owned()),
    };
    let mode = found.mode() & 0o7777;
    let text = format!(
        "permission denied; found {what} owned by uid {owner} with mode {mode:04o}{process}; \
         expected the right to {right} it: {remedy}"
    );
    io::Error::new(error.kind(), text)
}

/// Refuses what would make a file too long; `end` is not asked for without a limit.
fn refuse_too_large(end: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
    match Disk.file_bytes_max() {
        Some(limit) if end()? > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    }
}

impl StorageFile for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        refuse_too_large(|| Ok(StorageFile::length(self)? + bytes.len() as u64))?;
        io::Write::write(&mut &*self, bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        refuse_too_large(|| Ok(offset + bytes.len() as u64))?;
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        // A file that is longer than the limit may be cut to a length that still is.
        refuse_too_large(|| Ok(if len > StorageFile::length(self)? { len } else { 0 }))?;
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat(&self.metadata()?))
    }

    fn length(&self) -> io::Result<u64> {
        // Reads name their offset and appends go to the end, so nobody uses the position.
        io::Seek::seek(&mut &*self, io::SeekFrom::End(0))
    }

    fn try_lock(&self) -> io::Result<bool> {
        lock::try_lock(self)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        lock::try_lock_shared(self)
    }

    fn unlock(&self) -> io::Result<()> {
        lock::unlock(self)
    }
}

fn stat(metadata: &fs::Metadata) -> Stat {
    let file_type = match metadata.file_type() {
        t if t.is_file() => FileType::File,
        t if t.is_dir() => FileType::Directory,
        t if t.is_symlink() => FileType::Symlink,
        _ => FileType::Special,
    };
    Stat {
        file_type,
        id: (metadata.dev(), metadata.ino()),
        len: metadata.len(),
        links: metadata.nlink(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        // Writable by others; the sticky bit, as /tmp has it, leaves the names to their owners.
        lawless: file_type == FileType::Directory && metadata.mode() & 0o1002 == 0o0002,
    }
}

/// The permission bits of what stands at `path`, or where a symbolic link there leads to; `None` if nothing does.
pub(crate) fn mode(path: &Path) -> io::Result<Option<u32>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.mode() & 0o7777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explained(error, path, Right::Read)),
    }
}

/// The text of a small file of the operating system, such as those under `/proc`; `None` if it cannot be read.
pub(super) fn read_system_text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Where a symbolic link of the operating system points to; `None` if it cannot be read.
pub(super) fn read_system_link(path: &str) -> Option<String> {
    fs::read_link(path).ok()?.into_os_string().into_string().ok()
}

/// The path without symbolic links and relative parts; `None` if it does not exist.
pub(crate) fn canonical(path: &Path) -> Option<std::path::PathBuf> {
    fs::canonicalize(path).ok()
}

/// Opens any file for reading from its start.
pub(crate) fn open_to_read(path: &Path) -> io::Result<impl io::Read> {
    fs::File::open(path).map_err(|error| explained(error, path, Right::Read))
}
