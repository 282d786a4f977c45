//! Where shipped files are stored: a directory, or an object store behind the feature `object-store`.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{
    Access, Disk, FileType, Storage, absolute, append_all, if_there, make_directory, read_between, unless_missing,
};
use crate::error::{Error, Result};

/// A place for files that never change. A name is a path with `/`, relative to the root of the store.
///
/// # Errors
/// Every method fails with [`ErrorKind::Io`](crate::ErrorKind::Io) if the store cannot be reached or refuses the call.
/// If a put fails, the file may have been stored nevertheless.
pub trait Store: Debug + Send + Sync {
    /// Returns the address of the store, without credentials.
    fn address(&self) -> String;
    /// Returns the names of all files below `folder`, sorted.
    fn list(&self, folder: &str) -> Result<Vec<String>>;
    /// Stores a file durably unless a file with this name exists. Returns false if one exists. Of several calls at the
    /// same time with the same name, only one returns true.
    fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool>;
    /// Returns the bytes of a file, or `None` if it does not exist.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Returns the last `len` bytes of a file, or the whole file if it is shorter. `None` if it does not exist.
    fn get_end(&self, name: &str, len: usize) -> Result<Option<Vec<u8>>>;
    /// Returns the bytes of a file from `start` on and before `end`, or fewer bytes if the file ends earlier. `None` if it
    /// does not exist.
    fn get_range(&self, name: &str, start: u64, end: u64) -> Result<Option<Vec<u8>>>;
}

/// A store in a directory, such as one that a network file system shares between machines.
///
/// A new file is written under another name, whose first character is a dot, and then gets its name. A process that is
/// killed can leave a file with such a name, which can be removed.
#[derive(Debug)]
pub struct DirectoryStore {
    storage: Arc<dyn Storage>,
    root: PathBuf,
}

impl DirectoryStore {
    /// Returns the store in `root`. The directory is created with its first file, but not the directory that contains it.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self::on(Arc::new(Disk), root)
    }

    /// Like [`new`](Self::new), but on any disk.
    pub fn on(storage: Arc<dyn Storage>, root: impl AsRef<Path>) -> Self {
        Self { storage, root: absolute(root.as_ref()) }
    }

    fn add_below(&self, folder: &str, names: &mut Vec<String>) -> Result<()> {
        let path = self.root.join(folder);
        let failed = |source| Error::io("list the shipped files", &path, source);
        for name in self.storage.list(&path).map_err(failed)? {
            // A name that is not UTF-8 or begins with a dot does not belong to the store.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let name = format!("{folder}/{name}");
            match self.storage.stat(&self.root.join(&name)).map_err(failed)?.map(|stat| stat.file_type) {
                Some(FileType::Directory) => self.add_below(&name, names)?,
                Some(FileType::File) => names.push(name),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that the folder with the root exists. It is missing if the root is below a mount that is gone.
    fn check_parent(&self) -> Result<()> {
        let Some(parent) = self.root.parent() else { return Ok(()) };
        let found = self.storage.stat(parent).and_then(|found| found.ok_or_else(|| io::ErrorKind::NotFound.into()));
        let failed = |source| {
            let error = Error::io("store a shipped file", parent, source);
            error.detail(
                "only the last folder of a store is created. Check whether it is mounted, or create this folder",
            )
        };
        found.map(drop).map_err(failed)
    }

    /// Reads a part of a file. `part` returns where the part begins and ends in a file of this length.
    fn read(&self, name: &str, part: impl Fn(u64) -> (u64, u64)) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        let failed = |source| Error::io("read a shipped file", &path, source);
        let Some(file) = if_there(self.storage.open(&path, Access::Read)).map_err(failed)? else { return Ok(None) };
        let (start, end) = part(file.length().map_err(failed)?);
        read_between(&*file, start, end).map(Some).map_err(failed)
    }

    /// Writes the bytes to a new file with a hidden name, and returns its path.
    fn part(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf> {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1_u32.. {
            let part = path.with_file_name(format!(".{file_name}.part-{number}"));
            let failed = |source| Error::io("write a shipped file", &part, source);
            let file = match self.storage.open(&part, Access::AppendNew) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file.map_err(failed)?,
            };
            if let Err(source) = append_all(&*file, bytes).and_then(|()| file.sync()) {
                let _ = self.storage.remove(&part);
                return Err(failed(source));
            }
            return Ok(part);
        }
        Err(Error::io("write a shipped file", path, io::ErrorKind::AlreadyExists.into()))
    }
}

impl Store for DirectoryStore {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.add_below(folder, &mut names)?;
        names.sort_unstable();
        Ok(names)
    }

    fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let path = self.root.join(name);
        let directory = path.parent().unwrap_or(&self.root);
        self.check_parent()?;
        make_directory(&*self.storage, directory)?;
        let synced = || {
            let synced = self.storage.sync_dir(directory);
            synced.map_err(|source| Error::io("store a shipped file", directory, source))
        };
        let there = self.storage.stat(&path).map_err(|source| Error::io("store a shipped file", &path, source))?;
        if there.is_some() {
            // The process that stored it may not have synced the directory yet.
            return synced().map(|()| false);
        }
        let part = self.part(&path, &bytes)?;
        let linked = self.storage.link(&part, &path);
        let removed = unless_missing(self.storage.remove(&part));
        let is_new = match linked {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(source) => {
                let error = Error::io("store a shipped file", &path, source);
                return Err(error.detail("the file system must support hard links. Choose another directory"));
            }
        };
        removed.map_err(|source| Error::io("remove a temporary file", &part, source))?;
        synced().map(|()| is_new)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.get_end(name, usize::MAX)
    }

    fn get_end(&self, name: &str, len: usize) -> Result<Option<Vec<u8>>> {
        self.read(name, |length| (length.saturating_sub(len as u64), length))
    }

    fn get_range(&self, name: &str, start: u64, end: u64) -> Result<Option<Vec<u8>>> {
        self.read(name, |length| (start, end.min(length)))
    }
}
