//! Promise: whatever a real disk refuses, the process continues, the answers are right, and no acknowledged record is
//! lost. These tests need no root. Tests that need a file system of their own are in `mounted.rs`.
//!
//! Some tests make system calls of a child process fail, with strace. Others set limits of a process. If strace is
//! missing or must not trace, the tests that use it say so and do nothing.

#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use crate::children::executions::{Reported, Run, Scene, check, record};
use crate::children::strace::{CALLS_MAX, MKDIR, RENAME, UNLINK, at_each, calls, can_trace, harmed, run_in};
use crate::children::{self, Report, arguments, contents, has_tool, ledger_path, prepare, segments, task};
use runledger::ledger::FaultKind;
use runledger::{Answer, ErrorKind, Ledger, LedgerReader, Options, Skill};

/// Lets each call fail in turn. The answers may promise less durability, but no acknowledged record is lost, and
/// nothing panics.
fn failed_at_each(scene: Scene, all: &[&str], faults: &[&str]) {
    if !can_trace() {
        return;
    }
    for call in all {
        for fault in faults {
            let runs = at_each(scene, call, fault, check);
            println!("{fault} at {runs} calls of {call}");
            assert!(runs > 0);
        }
    }
}

#[test]
fn row_07_a_sync_fails_at_each_call() {
    failed_at_each(Scene::New, &["fdatasync"], &["error=EIO"]);
    failed_at_each(Scene::Rotating, &["fsync"], &["error=EIO"]);
}

/// Bytes whose sync failed may be lost, although the next sync succeeds.
#[test]
fn row_07_no_file_is_synced_again_after_its_sync_failed() {
    if !can_trace() {
        return;
    }
    let runs = at_each(Scene::Large, "fdatasync", "error=EIO", |run| {
        check(run);
        let calls = calls(run);
        let Some(failed) = calls.iter().position(|call| call.contains("INJECTED")) else { return };
        let file = synced_file(&calls[failed]).unwrap();
        let rest = &calls[failed + 1..];
        let again = rest.iter().position(|call| synced_file(call) == Some(file)).unwrap_or(rest.len());
        // The file was moved away, or another was moved there, so the name belongs to another file.
        let renamed = rest[..again].iter().any(|call| call.contains(&format!("{file}\"")));
        assert!(again == rest.len() || renamed, "{}: {calls:#?}", run.at);
        assert_eq!(run.reported().count("durable"), 4, "{}: {:?}", run.at, run.reported());
    });
    assert!(runs > 3);
}

/// Returns the path in `1234 fdatasync(5</path>) = 0`.
fn synced_file(call: &str) -> Option<&str> {
    Some(call.split_once("fdatasync(")?.1.split_once('<')?.1.split_once('>')?.0)
}

/// The syncs of the area and the segment both fail. The segment is left, and its lines are repeated in a new one.
#[test]
fn row_07_both_syncs_fail_and_a_new_segment_repeats_the_lines() {
    if !can_trace() {
        return;
    }
    let mut abandoned = 0;
    for when in 1..CALLS_MAX {
        let directory = tempfile::tempdir().unwrap();
        Scene::New.prepare(directory.path());
        let run = run_in(directory.path(), Scene::New, "fdatasync", "error=EIO", &format!("{when}..{}", when + 1));
        let reported = run.reported();
        let events = std::fs::read_to_string(run.path().with_extension("ledger").join("events.jsonl"));
        let was_abandoned = events.unwrap_or_default().contains("\"abandoned\"");
        if was_abandoned {
            assert_eq!(reported.count("durable"), 4, "{}: {reported:?}", run.at);
            let bytes: Vec<_> = segments(&run.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
            let [left, new] = &bytes[..] else { panic!("{}: {} segments", run.at, bytes.len()) };
            // The base was at the start, so no byte of the first segment was known to be synced.
            assert!(new.starts_with(left), "{}: {} and {} bytes", run.at, left.len(), new.len());
            abandoned += usize::from(!left.is_empty());
        }
        check(&run);
        if !harmed(&run) {
            assert!(abandoned > 1, "only {abandoned} of {when} pairs of syncs met a record");
            return;
        }
    }
    panic!("more than {CALLS_MAX} syncs");
}

/// From one call on, every sync fails, like on a disk that is gone. Records that cannot be stored are answered as lost.
#[test]
fn row_07_every_sync_fails_from_one_on() {
    if !can_trace() {
        return;
    }
    for when in 1..CALLS_MAX {
        let directory = tempfile::tempdir().unwrap();
        let run = run_in(directory.path(), Scene::New, "fdatasync,fsync", "error=EIO", &format!("{when}+"));
        check(&run);
        if !harmed(&run) {
            println!("every sync failed from each of {} on", when - 1);
            assert!(when > 3);
            return;
        }
    }
    panic!("more than {CALLS_MAX} syncs");
}

#[test]
fn row_10_the_disk_is_full_at_each_call() {
    failed_at_each(Scene::New, &["write", "pwrite64", "fdatasync"], &["error=ENOSPC"]);
}

#[test]
fn row_12_eio_at_each_call() {
    failed_at_each(Scene::New, &["write", "pwrite64"], &["error=EIO"]);
    failed_at_each(Scene::Rotating, &[RENAME, UNLINK, MKDIR, "openat", "flock"], &["error=EIO"]);
}

#[test]
fn row_12_eacces_at_each_call() {
    failed_at_each(Scene::AfterKill, &["openat"], &["error=EACCES"]);
    failed_at_each(Scene::Rotating, &[RENAME], &["error=EACCES"]);
}

/// A torn line that cannot be cut off stays as a line of its own, is reported, and affects no record.
#[test]
fn row_12_a_torn_line_that_cannot_be_cut_off_stays() {
    if !can_trace() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    Scene::AfterKill.prepare(directory.path());
    let run = run_in(directory.path(), Scene::AfterKill, "ftruncate", "error=EIO", "1");
    let reported = run.reported();
    assert!(harmed(&run) && reported.done && reported.count("durable") == reported.answers.len(), "{reported:?}");
    drop(Ledger::open(run.path()).unwrap());
    let found: Vec<_> = LedgerReader::open(run.path()).unwrap().records().filter_map(Result::ok).collect();
    assert_eq!(found.len(), 1 + reported.answers.len());
    assert!(reported.answers.keys().all(|id| found.iter().filter(|record| record.execution_id == *id).count() == 1));
    let faults = LedgerReader::open(run.path()).unwrap().verify(&[]).unwrap().faults;
    assert_eq!(faults.iter().map(|fault| (fault.kind, fault.line)).collect::<Vec<_>>(), [(FaultKind::Torn, 1)]);
}

/// Asserts that a fault at each call does not change the answers, which are all durable.
fn not_seen_at_each(calls: &[&str], fault: &str) {
    if !can_trace() {
        return;
    }
    for call in calls {
        let runs = at_each(Scene::New, call, fault, |run| {
            let reported = run.reported();
            assert!(
                reported.done && reported.answers.len() == 4 && reported.count("durable") == 4,
                "{}: {reported:?}",
                run.at
            );
            assert!(reported.unmarked.is_empty(), "{}", run.at);
            check(run);
        });
        println!("{fault} at {runs} calls of {call}");
        assert!(runs > 3);
    }
}

#[test]
fn row_13_eintr_is_not_seen() {
    not_seen_at_each(&["write", "pwrite64", "fdatasync"], "error=EINTR");
}

/// Without a deadline, a call takes as long as the disk.
#[test]
fn row_09_a_delay_at_each_call() {
    not_seen_at_each(&["write", "pwrite64", "fdatasync", "flock"], "delay_enter=20000");
}

/// strace skips the call and returns ten written bytes. The short length is noticed.
#[test]
fn row_13_a_write_that_lies_about_its_length_is_noticed() {
    if !can_trace() {
        return;
    }
    let mut spilled = 0;
    for when in 1..CALLS_MAX {
        let directory = tempfile::tempdir().unwrap();
        let run = run_in(directory.path(), Scene::New, "write", "retval=10", &when.to_string());
        if run.reported().started {
            check(&run);
            spilled += run.reported().count("spilled");
        }
        if !harmed(&run) {
            assert!(spilled > 3, "{spilled}");
            return;
        }
    }
    panic!("more than {CALLS_MAX} writes");
}

/// For each file and directory in turn, the process may not write it, or may not even read it.
#[test]
fn row_12_eacces_at_each_file() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    // root may read and write any file. So the child runs without the two capabilities that allow this.
    if is_root() && !has_tool("setpriv", "files that may not be written") {
        return;
    }
    let wrapper: &[&str] = match is_root() {
        true => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"],
        false => &[],
    };
    let machinery = "logs/execution_metrics.ledger";
    let files = ["", "lock", "commit", "ledger.json", "sealed", "inflight", "spill", "quarantine"];
    let mut places: Vec<_> = files.iter().map(|file| format!("{machinery}/{file}")).collect();
    places.extend(["logs".to_owned(), "logs/execution_metrics.jsonl".to_owned()]);
    for place in places {
        for mode in [0o500, 0] {
            let directory = tempfile::tempdir().unwrap();
            Scene::AfterKill.prepare(directory.path());
            let place = directory.path().join(&place);
            let before = place.metadata().unwrap().permissions();
            set_permissions(&place, Permissions::from_mode(mode)).unwrap();
            let run = Run::new(Scene::AfterKill, directory.path(), wrapper, format!("{}, {mode:o}", place.display()));
            set_permissions(&place, before).unwrap();
            let reported = ended_well(&run);
            println!("{}: refused {}, {:?}", run.at, reported.refused, reported.answers.values());
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

// Limits of the process.

/// Runs the child with `prlimit`, in a prepared directory.
fn limited(scene: Scene, directory: &Path, limit: &str) -> Run {
    Run::new(scene, directory, &["prlimit", limit], format!("{scene:?}, {limit}"))
}

/// Returns the child's report, after it is clear that the child ended normally and that the ledger is whole.
fn ended_well(run: &Run) -> Reported {
    let reported = run.reported();
    assert!(run.status.success() && reported.started && reported.done, "{}: {:?}, {reported:?}", run.at, run.status);
    check(run);
    reported
}

/// The area has no space, so every batch is synced in the segment itself, which is left for a new one in time.
#[test]
fn row_11_file_size_limit_without_room_for_the_area() {
    if !has_tool("prlimit", "a file size limit") {
        return;
    }
    // With a smaller limit, the child could not even report.
    for kib in [1, 4, 5, 6, 8, 12, 64, 1024] {
        let directory = tempfile::tempdir().unwrap();
        let run = limited(Scene::New, directory.path(), &format!("--fsize={}", kib * 1024));
        let reported = ended_well(&run);
        println!("{}: refused {}, {:?}", run.at, reported.refused, reported.answers.values());
        assert_eq!(reported.refused, kib < 5, "{}", run.at);
        assert!(reported.refused || reported.answers.len() == 4, "{}: {reported:?}", run.at);
        assert!(kib < 8 || reported.count("durable") == 4, "{}: {reported:?}", run.at);
    }
}

/// A segment ends before the limit, and the records continue in a new segment.
#[test]
fn row_11_a_file_size_limit_only_makes_more_segments() {
    if !has_tool("prlimit", "a file size limit") {
        return;
    }
    for (bytes, segments_wanted) in [(2_500_000, 1), (1_500_000, 2)] {
        let directory = tempfile::tempdir().unwrap();
        Scene::Large.prepare(directory.path());
        let run = limited(Scene::Large, directory.path(), &format!("--fsize={bytes}"));
        let reported = ended_well(&run);
        assert_eq!(reported.count("durable"), 4, "{}: {reported:?}", run.at);
        assert!(reported.unmarked.is_empty(), "{}", run.at);
        assert_eq!(segments(&run.path()).len(), segments_wanted, "{}", run.at);
        assert!(segments(&run.path()).iter().all(|segment| segment.metadata().unwrap().len() <= bytes), "{}", run.at);
    }
}

/// Another process has made the ledger longer than this process may write.
#[test]
fn row_11_file_size_limit_below_the_existing_ledger() {
    if !has_tool("prlimit", "a file size limit") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(limited(Scene::Large, directory.path(), "--fsize=unlimited").reported().count("durable"), 4);
    let report = directory.path().join("report");
    let first = Reported::read(&report);
    std::fs::remove_file(report).unwrap();
    let run = limited(Scene::AfterKill, directory.path(), "--fsize=1200000");
    let reported = run.reported();
    assert!(run.status.success() && reported.count("durable") == 4, "{reported:?}");
    assert_eq!(segments(&run.path()).len(), 2);
    let found = contents(&run.path(), &run.at);
    assert_eq!(found.len(), 8);
    assert!(first.answers.keys().chain(reported.answers.keys()).all(|id| found.contains_key(id)));
}

/// The number of descriptors grows: at first there are too few to run, then to open, then to rotate or to spill, and
/// then enough.
#[test]
fn row_27_descriptors_exhausted() {
    if !has_tool("prlimit", "too few descriptors") {
        return;
    }
    for scene in [Scene::AfterKill, Scene::Rotating] {
        let (mut refused, mut worked) = (0, 0);
        for count in 3..64 {
            let directory = tempfile::tempdir().unwrap();
            scene.prepare(directory.path());
            let run = limited(scene, directory.path(), &format!("--nofile={count}"));
            if !run.reported().started {
                // The test harness itself had too few descriptors.
                assert_eq!((refused, worked), (0, 0), "{}", run.at);
                continue;
            }
            let reported = ended_well(&run);
            println!("{}: refused {}, {:?}", run.at, reported.refused, reported.answers.values());
            refused += usize::from(reported.refused);
            worked = if reported.count("durable") == 4 { worked + 1 } else { 0 };
            if worked == 3 {
                break;
            }
        }
        assert!(refused > 0 && worked == 3, "{scene:?}: {refused} {worked}");
    }
}

/// Descriptors run out while the ledger is open, and become available again.
#[test]
fn row_27_descriptors_run_out_for_a_while() {
    if !has_tool("prlimit", "too few descriptors") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let arguments = arguments();
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64").args(&arguments);
    assert!(prepare(&mut command, "starve", directory.path()).status().unwrap().success());
    let reported = Reported::read(&directory.path().join("report"));
    assert!(reported.done && !reported.panicked);
    let found = contents(&ledger_path(directory.path()), "starved");
    let durable = reported.answers.iter().filter(|(_, (answer, _))| answer == "durable");
    assert!(durable.clone().all(|(id, (_, seq))| found.get(id).is_some_and(|(found, _)| found == seq)), "{reported:?}");
    assert!(reported.begun.iter().all(|id| found.contains_key(id) || reported.answers[id].0 == "lost"), "{reported:?}");
}

/// Takes all free descriptors of the process. An append then needs no further descriptor, but a new segment needs one.
fn starve(directory: &Path) {
    let report = Report::open(&directory.join("report"));
    let open = |rotate| Options::new().on_warning(|_| {}).rotate_bytes(rotate).open(ledger_path(directory)).unwrap();
    let (ledger, rotating) = (open(None), open(Some(1)));
    let one = |ledger: &Ledger| record(&report, ledger, Skill::new("starved", "1.0.0"), 0);
    assert!(one(&ledger).is_durable());
    let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(one(&ledger).is_durable(), "an append");
    let answer = one(&rotating).answer;
    assert!(matches!(&answer, Answer::Lost(error) if error.kind() == ErrorKind::Io), "{answer:?}");
    drop(taken);
    assert!(one(&rotating).is_durable() && one(&ledger).is_durable(), "when they are back");
    report.say("done");
}

/// Rust ends a process whose memory is exhausted. This has the same effect as a kill.
#[test]
fn row_27_memory_exhausted() {
    if !has_tool("prlimit", "too little memory") {
        return;
    }
    const SIGABRT: i32 = 6;
    let mut aborted = 0;
    for mib in 4..256 {
        let directory = tempfile::tempdir().unwrap();
        Scene::Large.prepare(directory.path());
        let run = limited(Scene::Large, directory.path(), &format!("--as={}", mib * 1024 * 1024));
        let reported = run.reported();
        if !reported.started {
            continue;
        }
        check(&run);
        // Some calls report that memory is exhausted. Then the ledger is not opened.
        if run.status.success() && reported.refused {
            continue;
        }
        if run.status.success() {
            assert_eq!(reported.count("durable"), 4, "{}: {reported:?}", run.at);
            println!("aborted with {aborted} sizes of memory below {mib} MiB");
            assert!(aborted > 1);
            return;
        }
        assert_eq!(run.status.signal(), Some(SIGABRT), "{}", run.at);
        aborted += 1;
    }
    panic!("{aborted} aborted, and none had enough");
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.as_str() {
        "starve" => starve(&directory),
        _ => children::executions::child(&task, &directory),
    }
}
