//! Facts that only Linux reports. In the library, this is the only file that depends on `/proc`.
//!
//! On other Unix systems these facts are unknown, which weakens some guarantees:
//!
//! - A process with a running execution holds a file lock. Only this lock shows that the process has died, because the
//!   lock becomes free then. A forked child shares the lock, so the lock becomes free only after the child has ended
//!   too.
//! - On Linux, the id of the boot shows whether a process died because the machine was restarted. On other systems, the
//!   reason is unknown.
//! - On Linux, a ledger on a network file system is refused by default. On other systems, such a ledger is accepted,
//!   although no guarantee holds for it.
//! - On Linux, a write beyond the file-size limit of the process fails with an error. On other systems, SIGXFSZ kills
//!   the process.

use std::path::Path;
use std::sync::LazyLock;

use super::system::{canonical, read_system_link, read_system_text};

/// Returns the id of the current boot of the machine, or `None` if it is unknown.
pub(crate) fn boot_id() -> Option<String> {
    Some(read_system_text("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Returns the PID and time namespaces of this process, or `None` if they are unknown.
pub(crate) fn namespaces() -> Option<String> {
    let namespace = |name| read_system_link(&format!("/proc/self/ns/{name}"));
    // Before Linux 5.6 there is only one time namespace.
    Some([namespace("pid")?, namespace("time").unwrap_or_default()].join(" "))
}

/// Returns when the process started, in clock ticks after the machine's boot. This time distinguishes a process from a
/// later process with the same pid. Returns `None` if the process does not exist, or if its start is unknown.
pub(crate) fn process_start(pid: u32) -> Option<u64> {
    let stat = read_system_text(&format!("/proc/{pid}/stat"))?;
    // proc_pid_stat(5): the second field is the name in parentheses and may hold any characters. The third field is the
    // state, the 20th is `num_threads`, and the 22nd is `starttime`. A zombie (`Z`) is treated as ended, because it
    // runs no code and has no open files. If only the main thread of a process has ended, the process looks like a
    // zombie too, but it has more than one thread.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    match (*fields.first()?, *fields.get(17)?) {
        ("Z" | "X", "0" | "1") => None,
        _ => fields.get(19)?.parse().ok(),
    }
}

/// Returns true if a `None` from [`process_start`] proves that the process is not running. This requires that `/proc`
/// shows the PID namespace of this process and hides no processes.
pub(crate) fn knows_processes() -> bool {
    let counts_alike = read_system_link("/proc/self").is_some_and(|pid| pid == std::process::id().to_string());
    let hides = |mounts: String| mounts.lines().any(|line| line.contains(" - proc ") && line.contains("hidepid="));
    counts_alike && !read_system_text("/proc/self/mountinfo").is_none_or(hides)
}

/// Returns the effective user id of this process, or `None` if it is unknown. When the process opens a file, the system
/// checks the permissions of this user.
pub(crate) fn effective_user() -> Option<u32> {
    // proc_pid_status(5): the fields are the real, effective, saved and file system user ids.
    let status = read_system_text("/proc/self/status")?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Returns the size in bytes to which this process may extend a file (`ulimit -f`), or `None` if no limit is known. The
/// limit is read once, at the first call.
pub(crate) fn file_bytes_max() -> Option<u64> {
    static FILE_BYTES_MAX: LazyLock<Option<u64>> =
        LazyLock::new(|| limit(&read_system_text("/proc/self/limits")?, "Max file size"));
    *FILE_BYTES_MAX
}

/// Returns how many files this process may have open (`ulimit -n`), or `None` if there is no limit or it is unknown.
pub(crate) fn open_files_max() -> Option<u64> {
    limit(&read_system_text("/proc/self/limits")?, "Max open files")
}

/// Returns the soft limit `name` from the text of `/proc/self/limits`. Returns `None` if the limit is missing or
/// "unlimited".
fn limit(limits: &str, name: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the type of the file system that holds `path`, or `None` if the type is unknown. If `path` does not exist
/// yet, returns the type of the file system on which it would be created.
pub(crate) fn file_system(path: &Path) -> Option<String> {
    let path = path.ancestors().find_map(canonical).or_else(|| canonical(Path::new(".")))?;
    let mounts = read_system_text("/proc/self/mountinfo")?;
    let file_system = mounts
        .lines()
        .filter_map(mount)
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())?
        .1;
    Some(file_system.to_owned())
}

/// Returns true for a file system whose files are reached over a network.
pub(crate) fn is_network(file_system: &str) -> bool {
    const NETWORK: [&str; 12] =
        ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "afs", "lustre", "gpfs"];
    NETWORK.contains(&file_system)
}

/// Returns the mount point and the type of the file system from one line of mountinfo. The mount point is the fifth
/// field. The type is the first field after the separator ` - `.
fn mount(line: &str) -> Option<(String, &str)> {
    let (fields, file_system) = line.split_once(" - ")?;
    let point = fields.split(' ').nth(4)?;
    // proc_pid_mountinfo(5): blanks, tabs, line feeds and backslashes are escaped in octal.
    let point = point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    Some((point, file_system.split(' ').next()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_linux_are_known_and_an_impossible_process_has_no_start() {
        assert!(knows_processes());
        assert_eq!(process_start(u32::MAX), None);
        assert!(boot_id().is_some_and(|id| id.len() == 36));
        assert!(namespaces().is_some_and(|both| both.starts_with("pid:[")));
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        let limits = |soft| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax file size  {soft}  9  bytes\nMax data size  7  8  bytes\n"
            )
        };
        assert_eq!(limit(&limits("4096"), "Max file size"), Some(4096));
        assert_eq!(limit(&limits("4096"), "Max data size"), Some(7));
        assert_eq!(limit(&limits("unlimited"), "Max file size"), None);
        assert_eq!(limit("", "Max file size"), None);
    }

    #[test]
    fn mount_points_and_types_of_file_systems_are_read() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - nfs4 server:/export rw";
        assert_eq!(mount(line), Some(("/mnt 2".to_owned(), "nfs4")));
        assert!(is_network("nfs4"));
        assert_eq!(file_system(Path::new("/proc/self/no such file")).as_deref(), Some("proc"));
        assert!(!is_network("proc"));
    }
}
