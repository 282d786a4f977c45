//! Mounts file systems for a test, on a loop device or in memory. This needs root.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::not_tested;

/// A mounted file system, which is unmounted when this is dropped, also by a failing test.
#[derive(Debug)]
pub(crate) struct Mount {
    point: PathBuf,
    options: String,
    source: PathBuf,
    mounted: bool,
}

impl Mount {
    /// Mounts a file system in memory, of `kib` KiB.
    pub(crate) fn tmpfs(point: &Path, kib: u64) -> Self {
        fs::create_dir_all(point).unwrap();
        let mut mount = Self {
            point: point.to_owned(),
            options: format!("size={kib}k,nr_inodes=1000"),
            source: "tmpfs".into(),
            mounted: false,
        };
        mount.again();
        mount
    }

    /// Mounts ext4 on a loop device on `image`, of which every block is written.
    pub(crate) fn ext4(point: &Path, image: &Path, journal: Journal, options: &str) -> Self {
        const IMAGE_BYTES: usize = 24 * 1024 * 1024;
        fs::create_dir_all(point).unwrap();
        fs::write(image, vec![0; IMAGE_BYTES]).unwrap();
        let features = if journal == Journal::With { "has_journal" } else { "^has_journal" };
        let words = ["-q", "-F", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0", "-O", features];
        let words = words.into_iter().filter(|word| journal == Journal::With || !["-J", "size=4"].contains(word));
        run("mkfs.ext4", words.map(OsStr::new).chain([image.as_os_str()]));
        let options = ["loop", options].join(if options.is_empty() { "" } else { "," });
        let mut mount = Self { point: point.to_owned(), options, source: image.to_owned(), mounted: false };
        mount.again();
        mount
    }

    /// Mounts a file system that was unmounted.
    pub(crate) fn again(&mut self) {
        let file_system = if self.source == Path::new("tmpfs") { "tmpfs" } else { "ext4" };
        let words = [OsStr::new("-t"), file_system.as_ref(), "-o".as_ref(), self.options.as_ref()];
        run("mount", words.into_iter().chain([self.source.as_os_str(), self.point.as_os_str()]));
        self.mounted = true;
    }

    pub(crate) fn unmount(&mut self) {
        once_free("umount", &[self.point.as_os_str()]);
        self.mounted = false;
    }

    /// Unmounts and mounts the file system, so that the page cache is empty.
    pub(crate) fn forget_cache(&mut self) {
        self.unmount();
        self.again();
    }

    pub(crate) fn remount(&self, options: &str) {
        once_free("mount", &["-o".as_ref(), format!("remount,{options}").as_ref(), self.point.as_os_str()]);
    }

    /// Stops the file system at once, like a power cut.
    pub(crate) fn shut_down(&self, how: ShutDown) {
        const SCRIPT: &str =
            "open F, '<', $ARGV[0] or die $!; my $how = pack 'L', $ARGV[1]; ioctl F, 0x8004587D, $how or die $!";
        run("perl", ["-e".as_ref(), SCRIPT.as_ref(), self.point.as_os_str(), (how as u32).to_string().as_ref()]);
    }

    /// Makes ext4 report damage in itself. Its mount option `errors` says what it does then.
    pub(crate) fn damage(&self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let point = self.point.to_str().unwrap();
        let device = mounts.lines().find_map(|line| line.split_once(' ').filter(|(_, rest)| rest.starts_with(point)));
        let name = device.unwrap().0.trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted && !Command::new("umount").arg(&self.point).status().is_ok_and(|status| status.success()) {
            // The file system stays until the last process that has it open ends.
            let _ = Command::new("umount").arg("--lazy").arg(&self.point).status();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    With,
    Without,
}

/// The effect on ext4's own journal. The numbers are those of `EXT4_IOC_SHUTDOWN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShutDown {
    /// The whole file system is synced first.
    Synced = 0,
    /// The journal in memory is written, which has sizes and names but no data.
    JournalWritten = 1,
    /// Nothing more is written.
    AtOnce = 2,
}

/// Runs a command that must succeed once no process has a file open. The child of another test may have one between its
/// fork and its exec.
fn once_free(program: &str, words: &[&OsStr]) {
    for _ in 0..500 {
        if Command::new(program).args(words).output().unwrap().status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    run(program, words);
}

/// Runs a command that must succeed.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) {
    let mut command = Command::new(program);
    let output = command.args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns true if file systems can be mounted here. Otherwise prints that for each test.
pub(crate) fn can_mount(untested: &str) -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    match WHY_NOT.get_or_init(why_not) {
        None => true,
        Some(why) => {
            not_tested(untested, why);
            false
        }
    }
}

fn why_not() -> Option<String> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout != b"0\n" {
        return Some("mounting needs root".to_owned());
    }
    for (tool, words) in [("mkfs.ext4", "-V"), ("umount", "-V"), ("fstrim", "-V"), ("chattr", ""), ("perl", "-v")] {
        if let Err(error) = Command::new(tool).args(words.split_whitespace()).output() {
            return Some(format!("{tool}: {error}"));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    // These are the calls of the tests. Their output on failure is the reason.
    let tried = std::panic::catch_unwind(|| {
        let place = directory.path();
        drop(Mount::ext4(&place.join("mounted"), &place.join("image"), Journal::With, ""));
        drop(Mount::tmpfs(&place.join("memory"), 64));
    });
    let why = tried.err()?;
    Some(why.downcast_ref::<String>().map_or_else(|| "a trial failed".to_owned(), String::clone))
}
