//! Reads and replaces the file of limits.
//!
//! A process that changes the file creates `limits.json.new`, locks it, writes the new text to it, and then renames it.
//! So a reader sees either the old text or the new text, even if the process is killed. The lock prevents two processes
//! from overwriting each other's changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runledger::disk::{Access, Disk, FileType, Storage, StorageFile};

use crate::failure::Failure;
use crate::links::{directory, target};

/// The longest wait for another process that changes the file.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);
/// The pause between two attempts to acquire the lock.
const PAUSE: Duration = Duration::from_millis(2);
const CHANGE: &str = "change the limits";

/// Returns the text of the file; `None` if the file does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    // A pipe is not read, because that would wait for its writer.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let source = io::Error::other("found something that is not a file; expected a file");
        return Err(Failure::File { operation: super::READ, path: path.to_owned(), source });
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(Failure::File { operation: super::READ, path: path.to_owned(), source }),
    }
}

/// Replaces the text of the file atomically and durably. `change` gets the current text, or `None` if the file does not
/// exist. `change` returns the new text, or `None` if the file stays as it is. No other `runledger` process can change
/// the file in the meantime.
pub(crate) fn change<T>(
    path: &Path,
    change: impl FnOnce(Option<&str>) -> Result<(Option<String>, T), Failure>,
) -> Result<T, Failure> {
    let path = &target(path);
    let failed = |source| Failure::File { operation: CHANGE, path: path.clone(), source };
    make_directory(directory(path)).map_err(failed)?;
    let new = New::lock(path, LOCK_DEADLINE)?;
    let changed = read(path).and_then(|text| change(text.as_deref()));
    match changed {
        Ok((Some(text), answer)) => new.replace(path, &text).map(|()| answer).map_err(failed),
        Ok((None, answer)) => new.discard().map(|()| answer).map_err(failed),
        Err(failure) => {
            // A failure of this step is ignored, because the first failure is reported.
            let _ = new.discard();
            Err(failure)
        }
    }
}

/// The locked file that will replace the file of limits. Dropping this value unlocks the file.
struct New {
    path: PathBuf,
    file: Box<dyn StorageFile>,
}

impl New {
    /// Creates and locks the file. If a killed process has left such a file, uses that file.
    fn lock(path: &Path, deadline: Duration) -> Result<Self, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let path = path.with_file_name(name);
        let failed = |source| Failure::File { operation: CHANGE, path: path.clone(), source };
        let begin = Instant::now();
        loop {
            let file = open(&path).map_err(failed)?;
            // Another process may have renamed or removed the file before it was locked here.
            if file.try_lock().map_err(failed)? && is_at(&*file, &path).map_err(failed)? {
                return Ok(Self { path, file });
            }
            if begin.elapsed() >= deadline {
                return Err(Failure::LimitsLocked { path, deadline_ms: deadline.as_millis() });
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn replace(self, path: &Path, text: &str) -> io::Result<()> {
        self.file.truncate(0)?;
        let mut file: &dyn StorageFile = &*self.file;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync()?;
        Disk.rename(&self.path, path)?;
        Disk.sync_dir(directory(path))
    }

    fn discard(self) -> io::Result<()> {
        Disk.remove(&self.path)
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // Unlocking fails only for an invalid descriptor. Closing the file also unlocks it.
        let _ = self.file.unlock();
    }
}

/// Opens the file, and creates it if it does not exist. Other processes may create and remove it at the same time.
fn open(path: &Path) -> io::Result<Box<dyn StorageFile>> {
    loop {
        if Disk.stat(path)?.is_some_and(|found| found.file_type != FileType::File) {
            return Err(io::Error::other(
                "found something that is not a regular file; expected a regular file. Remove it",
            ));
        }
        match Disk.open(path, Access::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        match Disk.open(path, Access::AppendNew) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Returns true if the path still names the file.
fn is_at(file: &dyn StorageFile, path: &Path) -> io::Result<bool> {
    let id = file.stat()?.id;
    Ok(Disk.stat(path)?.is_some_and(|found| found.id == id))
}

/// Creates the directory and its missing parents, and makes their names durable.
fn make_directory(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|ancestor| matches!(ancestor.try_exists(), Ok(false))).collect();
    let missing: Vec<_> = missing.into_iter().filter(|ancestor| !ancestor.as_os_str().is_empty()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Disk.create_dir(path)?;
    missing.into_iter().rev().try_for_each(|made| Disk.sync_dir(directory(made)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::text;

    #[test]
    fn a_lock_that_another_process_keeps_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("limits.json");
        let held = New::lock(&path, Duration::ZERO).unwrap();
        let Err(failure) = New::lock(&path, Duration::from_millis(20)) else { panic!("locked twice") };
        let at = path.with_file_name("limits.json.new");
        let why = "another process held the lock at every attempt within 20 ms";
        assert_eq!(text(&failure), format!("cannot change the limits: {}: {why}", at.display()));
        drop(held);
        New::lock(&path, Duration::ZERO).unwrap().discard().unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_written_through_a_link_in_the_place_of_the_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("limits.json");
        let target = directory.path().join("target");
        std::os::unix::fs::symlink(&target, path.with_file_name("limits.json.new")).unwrap();
        for content in [None, Some("kept")] {
            content.into_iter().for_each(|content| std::fs::write(&target, content).unwrap());
            let failure = change(&path, |_| Ok((Some("[]".to_owned()), ()))).unwrap_err();
            let why = "limits.json.new: found something that is not a regular file; expected a regular file. Remove it";
            assert!(text(&failure).ends_with(why), "{failure}");
            assert_eq!(read(&target).unwrap().as_deref(), content);
            assert!(!path.exists());
        }
    }
}
