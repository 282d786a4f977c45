//! Describes the machine: kernel, processor, cores and file system. A value that cannot be read is "unknown".

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;

use crate::Result;

/// Describes the kernel, the processor and the number of cores.
pub(crate) fn describe() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = thread::available_parallelism().map_or("unknown".to_owned(), |cores| cores.to_string());
    format!(
        "{} {}, {model}, cores: {cores}",
        std::env::consts::OS,
        kernel.as_deref().unwrap_or("unknown kernel").trim()
    )
}

/// The file system that holds a directory.
pub(crate) struct FileSystem {
    /// The type, such as `ext4`; `None` if it is unknown.
    kind: Option<String>,
    /// True if the file system has a journal, which a sync of a file that has grown must commit. `None` if it is
    /// unknown whether there is a journal.
    journaled: Option<bool>,
}

impl FileSystem {
    /// Examines the file system of `dir`.
    ///
    /// # Errors
    /// Fails if `dir` does not exist.
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some((kind, device)) = mount_of(&dir, &mounts) else {
            return Ok(Self { kind: None, journaled: None });
        };
        Ok(Self { kind: Some(kind.to_owned()), journaled: if kind == "ext4" { ext4_journal(device) } else { None } })
    }

    /// Returns true if the file system keeps its files only in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.kind.as_deref(), Some("tmpfs" | "ramfs"))
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_deref().unwrap_or("unknown file system"))?;
        match self.journaled {
            Some(true) => f.write_str(" with a journal"),
            Some(false) => f.write_str(" without a journal"),
            None => Ok(()),
        }
    }
}

/// Returns the type and the source of the innermost mount above `dir`. A line of mountinfo (proc(5)) has the mount
/// point as its fifth field, and the type and the source after a hyphen. A later mount hides an earlier one at the same
/// point.
fn mount_of<'m>(dir: &Path, mounts: &'m str) -> Option<(&'m str, &'m str)> {
    let mount = |line: &'m str| {
        let (place, file_system) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
        let mut fields = file_system.split(' ');
        dir.starts_with(&point).then_some((point.len(), (fields.next()?, fields.next()?)))
    };
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, found)| found)
}

/// Returns whether the device has a journal. The kernel lists a journal as `device-inode` or `device-8`. Returns `None`
/// if the kernel does not show the list.
fn ext4_journal(device: &str) -> Option<bool> {
    let (_, device) = device.rsplit_once('/')?;
    fs::metadata(format!("/proc/fs/ext4/{device}")).ok()?;
    let journals = fs::read_dir("/proc/fs/jbd2").ok()?;
    let prefix = format!("{device}-");
    Some(journals.flatten().any(|journal| journal.file_name().to_string_lossy().starts_with(&prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                          31 27 0:28 / /mnt/a\\040b rw shared:7 - tmpfs none rw\n\
                          32 27 8:1 / /mnt/disk rw - xfs /dev/sda1 rw\n\
                          33 27 8:2 / /mnt/disk rw - btrfs /dev/sdb1 rw\n";

    #[test]
    fn the_innermost_and_latest_mount_counts() {
        let kind = |dir: &str| mount_of(Path::new(dir), MOUNTS);
        assert_eq!(kind("/mnt/disk/x"), Some(("btrfs", "/dev/sdb1")));
        assert_eq!(kind("/mnt/a b"), Some(("tmpfs", "none")));
        assert_eq!(kind("/mnt/disks"), Some(("ext4", "/dev/vda")));
        assert_eq!(mount_of(Path::new("/"), ""), None);
    }
}
