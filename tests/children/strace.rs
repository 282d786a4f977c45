//! Runs the child under strace, which kills it or fails one of its system calls.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::executions::{Run, Scene};
use super::not_tested;

/// The calls that change the disk, or decide whether it may be changed. strace skips a name that the machine's
/// architecture does not have.
pub(crate) const CALLS: [&str; 10] =
    ["write", "pwrite64", "fdatasync", "fsync", "ftruncate", RENAME, UNLINK, MKDIR, "openat", "flock"];
pub(crate) const RENAME: &str = "?rename,?renameat,?renameat2";
pub(crate) const UNLINK: &str = "?unlink,?unlinkat";
pub(crate) const MKDIR: &str = "?mkdir,?mkdirat";
/// Creating the commit area takes 257 equal writes of one page each, of which only a few are tried.
const ALIKE: std::ops::Range<usize> = 6..250;
/// No run makes as many calls of one kind. A test that reaches this number fails.
pub(crate) const CALLS_MAX: usize = 500;

/// Returns true if strace is installed and may trace. Otherwise prints that once.
pub(crate) fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
        let why = match traced {
            Ok(output) if output.status.success() => return true,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        not_tested("what a kill or a failure at a system call leaves", &format!("strace cannot be used: {why}"));
        false
    })
}

/// Runs the child in `directory`, which is prepared, with `fault` at the calls that `when` selects. In `when`, `3` is
/// the third call, `3+` the third and all later calls, and `3..4` the third and the fourth call. strace writes the log
/// of the calls to the file `strace`.
#[track_caller]
pub(crate) fn run_in(directory: &Path, scene: Scene, call: &str, fault: &str, when: &str) -> Run {
    let log = directory.join("strace");
    let log = log.to_str().unwrap();
    let (trace, inject) = (format!("trace={call},{RENAME}"), format!("inject={call}:{fault}:when={when}"));
    let wrapper = ["strace", "-f", "-qq", "-y", "-o", log, "-e", &trace, "-e", &inject];
    Run::new(scene, directory, &wrapper, format!("{scene:?}, {fault} at {call} number {when}"))
}

/// Returns true if strace has injected the fault.
pub(crate) fn harmed(run: &Run) -> bool {
    run.was_killed() || calls(run).iter().any(|call| call.contains("INJECTED") || call.contains("DELAYED"))
}

/// Returns the child's calls of the traced kind, and its renames, with the paths of their descriptors.
pub(crate) fn calls(run: &Run) -> Vec<String> {
    let log = std::fs::read_to_string(run.directory.join("strace")).unwrap();
    log.lines().map(str::to_owned).collect()
}

/// Returns the numbers of the calls of this kind that get a run of their own.
pub(crate) fn places(scene: Scene, call: &str) -> impl Iterator<Item = usize> {
    let makes_area = call == "pwrite64" && matches!(scene, Scene::New | Scene::Rotating);
    (1..CALLS_MAX).filter(move |when| !makes_area || !ALIKE.contains(when) || when % 50 == 0)
}

/// Runs the child with `fault` at the first, second, … of `call`, each time in a new directory. Returns the number of
/// runs with a fault. A run without a fault is the last one.
#[track_caller]
pub(crate) fn at_each(scene: Scene, call: &str, fault: &str, check: impl Fn(&Run)) -> usize {
    for (harmed_before, when) in places(scene, call).enumerate() {
        let directory = tempfile::tempdir().unwrap();
        scene.prepare(directory.path());
        let run = run_in(directory.path(), scene, call, fault, &when.to_string());
        let reported = run.reported();
        if !harmed(&run) {
            assert!(run.status.success() && reported.done, "{}: the child failed without a fault", run.at);
            check(&run);
            return harmed_before;
        }
        // A failure in the test harness proves nothing. A kill there equals one at any time.
        if reported.started || run.was_killed() {
            check(&run);
        }
    }
    panic!("{scene:?}: more than {CALLS_MAX} calls of {call}");
}
