//! Promise: a process may be killed at any of its system calls, and any of them may fail, and still every execution that
//! was begun has exactly one record, and every answer that was given is true.
//!
//! Shown with strace, which kills the child or fails the call at the first, second, … call of each kind, until a run gets
//! through unharmed. Without strace, or where it may not trace, the tests say so and do nothing.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod children;

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use children::{Report, arguments, contents, is_interrupted, ledger_path, prepare, report, segments, task};
use runledger::ledger::FaultKind;
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Records, Skill, Timestamp, Uuid, verify};

/// The calls that change what is on the disk, or decide whether it may be changed. strace passes over a name that the
/// machine's architecture does not have.
const CALLS: [&str; 10] = [
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
    "?mkdir,?mkdirat",
    "openat",
    "flock",
];
/// Making the commit area takes 257 writes of a page each, all alike: few of them are tried.
const ALIKE: std::ops::Range<usize> = 6..250;
/// No run makes as many calls of one kind; a test that comes here does not end.
const CALLS_MAX: usize = 500;
const SIGKILL: i32 = 9;

/// Whether strace is there and may trace; says once and loudly if not.
fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
        let why = match traced {
            Ok(output) if output.status.success() => return true,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("NOT TESTED: what a kill or a failure at each system call leaves. strace cannot be used: {why}");
        false
    })
}

/// What the child finds.
#[derive(Debug, Clone, Copy)]
enum Scene {
    /// Nothing: it makes the ledger.
    New,
    /// What a killed process left: an execution without a record, and a torn line.
    AfterKill,
    /// A ledger whose every line begins a new segment.
    Rotating,
}

/// One run of the child under strace, in a directory of its own.
struct Run {
    directory: tempfile::TempDir,
    status: ExitStatus,
    harmed: bool,
    at: String,
}

impl Run {
    /// `when`: `3` is the third call, `3+` the third and all after it.
    fn new(scene: Scene, call: &str, fault: &str, when: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare_scene(scene, directory.path());
        let log = directory.path().join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&log).args(["-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:{fault}:when={when}")]).args(arguments());
        let status =
            prepare(&mut strace, &format!("{scene:?}"), directory.path()).stderr(Stdio::null()).status().unwrap();
        let harmed = status.signal() == Some(SIGKILL) || std::fs::read_to_string(log).unwrap().contains("INJECTED");
        let at = format!("{scene:?}, {fault} at {call} number {when}");
        Self { directory, status, harmed, at }
    }

    fn path(&self) -> PathBuf {
        ledger_path(self.directory.path())
    }

    fn told(&self) -> Told {
        Told::read(&self.directory.path().join("report"))
    }
}

/// What the child said before it ended.
#[derive(Debug, Default)]
struct Told {
    /// Whether it came to its own work: a fault may also meet the test harness.
    started: bool,
    panicked: bool,
    done: bool,
    /// Executions whose `begin` returned.
    begun: Vec<Uuid>,
    /// What became of a record: `durable`, `spilled` or `lost`, and its line number, 0 without one.
    answers: HashMap<Uuid, (String, u64)>,
    /// Executions that were not marked as begun.
    unmarked: Vec<Uuid>,
}

impl Told {
    fn read(path: &Path) -> Self {
        let mut told = Self::default();
        for line in report(path) {
            let id = || line[1].parse::<Uuid>().unwrap();
            match line[0].as_str() {
                "started" => told.started = true,
                "panicked" => told.panicked = true,
                "refused" => {}
                "done" => told.done = true,
                "begun" => told.begun.push(id()),
                "unmarked" => told.unmarked.push(id()),
                answer => _ = told.answers.insert(id(), (answer.to_owned(), line[2].parse().unwrap())),
            }
        }
        told
    }
}

/// Opens the ledger and compares what it holds with what the child was told.
fn check(run: &Run) {
    let (at, told, path) = (&run.at, run.told(), run.path());
    assert!(!told.panicked, "{at}: the child panicked");
    let open = || Options::new().on_warning(|_| {}).open(&path).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    drop(open());
    let found = contents(&path, at);
    for id in &told.begun {
        let (seq, record) = found.get(id).unwrap_or_else(|| panic!("{at}: begun and without a record: {told:?}"));
        match told.answers.get(id) {
            Some((answer, _)) if answer == "lost" => assert!(is_interrupted(record) || succeeded(record), "{at}"),
            Some((answer, line)) => {
                assert!(succeeded(record), "{at}: {answer}, and then {record:?}");
                assert!(*line == 0 || line == seq, "{at}: told line {line}, found line {seq}");
            }
            // Killed within the call that ends it: the record may be there.
            None => assert!(is_interrupted(record) || succeeded(record), "{at}: {record:?}"),
        }
    }
    for (id, (answer, line)) in &told.answers {
        match found.get(id) {
            Some((seq, _)) => assert!(*line == 0 || line == seq, "{at}: told line {line}, found line {seq}"),
            None => assert_eq!(answer, "lost", "{at}: a record is not there"),
        }
    }
    let left = found.values().filter(|(_, record)| record.skill_name == "left behind");
    assert!(left.clone().all(|(_, record)| is_interrupted(record)), "{at}");
    assert_eq!(left.count(), usize::from(at.starts_with("AfterKill")), "{at}: what was left behind");
    // One execution may have been begun, and one record appended, without the child's word for it.
    let unknown = found.iter().filter(|(id, (_, record))| {
        record.skill_name != "left behind" && !told.begun.contains(id) && !told.answers.contains_key(id)
    });
    assert!(unknown.count() <= usize::from(!told.done), "{at}: {told:?}");

    let bytes = || segments(&path).iter().map(|segment| std::fs::read(segment).unwrap()).collect::<Vec<_>>();
    let once = bytes();
    drop(open());
    assert!(once == bytes(), "{at}: a second opening changed the ledger");
}

fn succeeded(record: &ExecutionMetrics) -> bool {
    record.status == Some(Status::Success) && record.execution_succeeded == Some(true)
}

/// Runs the child with `fault` at the first, second, … of `call`, and says how often it was harmed.
fn at_each(scene: Scene, call: &str, fault: &str, check: impl Fn(&Run)) -> usize {
    let makes_area = call == "pwrite64" && !matches!(scene, Scene::AfterKill);
    let tried = (1..CALLS_MAX).filter(|when| !makes_area || !ALIKE.contains(when) || when % 50 == 0);
    for (harmed, when) in tried.enumerate() {
        let run = Run::new(scene, call, fault, &when.to_string());
        let told = run.told();
        if !run.harmed {
            assert!(run.status.success() && told.done, "{}: the child failed unharmed", run.at);
            check(&run);
            return harmed;
        }
        // A failure that met the test harness says nothing; a kill is one at any time.
        if told.started || run.status.signal() == Some(SIGKILL) {
            check(&run);
        }
    }
    panic!("{scene:?}: more than {CALLS_MAX} calls of {call}");
}

fn killed_at_each_call(scene: Scene) {
    if !can_trace() {
        return;
    }
    let runs: Vec<_> = CALLS.iter().map(|call| (call, at_each(scene, call, "signal=SIGKILL", check))).collect();
    println!("{scene:?}: killed at {runs:?}");
    let killed = |name: &str| runs.iter().find(|(call, _)| call.contains(name)).map(|(_, count)| *count);
    assert!(["pwrite64", "fdatasync", "flock", "openat"].iter().all(|name| killed(name) > Some(3)), "{runs:?}");
}

#[test]
fn killed_at_each_call_on_a_new_ledger() {
    killed_at_each_call(Scene::New);
}

#[test]
fn killed_at_each_call_while_recovering_from_a_kill() {
    killed_at_each_call(Scene::AfterKill);
}

#[test]
fn killed_at_each_call_while_rotating() {
    killed_at_each_call(Scene::Rotating);
}

/// A call that fails costs an answer its promise at most, never a record, and a panic never.
#[test]
fn failed_at_each_call() {
    if !can_trace() {
        return;
    }
    for call in ["write", "pwrite64", "fdatasync"] {
        for fault in ["error=EIO", "error=ENOSPC"] {
            let runs = at_each(Scene::New, call, fault, check);
            println!("{fault} at {runs} calls of {call}");
            assert!(runs > 3);
        }
    }
    for call in ["fsync", CALLS[5], CALLS[6], "openat", "flock"] {
        let runs = at_each(Scene::Rotating, call, "error=EIO", check);
        println!("error=EIO at {runs} calls of {call}");
        assert!(runs > 0);
    }
}

/// A torn line that cannot be cut off stays as a line of its own, is named, and costs no record.
#[test]
fn a_torn_line_that_cannot_be_cut_off_stays() {
    if !can_trace() {
        return;
    }
    let run = Run::new(Scene::AfterKill, "ftruncate", "error=EIO", "1");
    let told = run.told();
    assert!(run.harmed && told.done && told.answers.values().all(|(answer, _)| answer == "durable"), "{told:?}");
    drop(Ledger::open(run.path()).unwrap());
    let found: Vec<_> = Records::open(run.path()).unwrap().filter_map(Result::ok).collect();
    assert_eq!(found.len(), 1 + told.answers.len());
    assert!(told.answers.keys().all(|id| found.iter().filter(|record| record.execution_id == *id).count() == 1));
    let faults = verify(run.path(), &[]).unwrap().faults;
    assert_eq!(faults.iter().map(|fault| (fault.kind, fault.line)).collect::<Vec<_>>(), [(FaultKind::Torn, 1)]);
}

/// From a call on, every sync fails: the disk is gone for good. What cannot be kept is said to be lost.
#[test]
fn every_sync_fails_from_one_on() {
    if !can_trace() {
        return;
    }
    for when in 1..CALLS_MAX {
        let run = Run::new(Scene::New, "fdatasync,fsync", "error=EIO", &format!("{when}+"));
        check(&run);
        if !run.harmed {
            println!("every sync failed from each of {} on", when - 1);
            assert!(when > 3);
            return;
        }
    }
    panic!("more than {CALLS_MAX} syncs");
}

#[test]
fn interrupted_calls_are_not_seen() {
    if !can_trace() {
        return;
    }
    for call in ["write", "pwrite64", "fdatasync"] {
        let runs = at_each(Scene::New, call, "error=EINTR", |run| {
            let told = run.told();
            assert!(told.done, "{}: {told:?}", run.at);
            assert_eq!(told.answers.len(), 4, "{}", run.at);
            assert!(told.answers.values().all(|(answer, _)| answer == "durable"), "{}: {told:?}", run.at);
            assert!(told.unmarked.is_empty(), "{}", run.at);
            check(run);
        });
        println!("EINTR at {runs} calls of {call}");
        assert!(runs > 3);
    }
}

// The child.

/// Leaves what a process does that is killed while an execution runs and a line is being written.
fn prepare_scene(scene: Scene, directory: &Path) {
    if !matches!(scene, Scene::AfterKill) {
        return;
    }
    let mut child = Command::new(&arguments()[0]);
    let status = prepare(child.args(&arguments()[1..]), "leave", directory).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL));
    let path = ledger_path(directory);
    let mut torn = std::fs::read(&path).unwrap();
    assert_eq!(torn, b"");
    torn.extend_from_slice(b"{\"execution_id\":\"0199");
    std::fs::write(&path, torn).unwrap();
}

fn kill_myself() -> ! {
    Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status().unwrap();
    unreachable!("the signal has arrived before kill(1) ends")
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let mut options = Options::new();
    if task == "leave" {
        let ledger = options.open(ledger_path(&directory)).unwrap();
        let _left = ledger.begin(Skill::new("left behind", "1.0.0"));
        kill_myself();
    }
    if task == "Rotating" {
        options = options.rotate_bytes(Some(1));
    }
    let told = std::sync::Arc::new(Report::open(&directory.join("report")));
    told.say("started");
    let panicked = std::sync::Arc::clone(&told);
    std::panic::set_hook(Box::new(move |_| panicked.say("panicked")));
    // A ledger that cannot be opened promised nothing.
    match options.on_warning(|_| {}).open(ledger_path(&directory)) {
        Ok(ledger) => work(&ledger, &told),
        Err(_) => told.say("refused"),
    }
    told.say("done");
    // The test harness has calls of its own, which nobody is to count.
    std::process::exit(0);
}

fn work(ledger: &Ledger, told: &Report) {
    let begin = |run: runledger::ledger::Execution| {
        told.say(&format!("begun {}", run.id()));
        run
    };
    let finish = |run: runledger::ledger::Execution| {
        let id = run.id();
        let recorded = run.succeed();
        if recorded.unmarked.is_some() {
            told.say(&format!("unmarked {id}"));
        }
        answer(told, id, &recorded.answer);
    };
    let parent = begin(ledger.begin(Skill::new("parent", "1.0.0")));
    finish(begin(parent.child(Skill::new("nested", "1.0.0"))));
    finish(parent);
    finish(begin(ledger.begin(Skill::new("alone", "1.0.0"))));
    let mut record = ExecutionMetrics::new(Uuid::from_u128(7), "made elsewhere", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.set_status(Status::Success);
    answer(told, record.execution_id, &ledger.append(&record).unwrap());
}

fn answer(told: &Report, id: Uuid, answer: &Answer) {
    told.say(&match answer {
        Answer::Durable { seq } => format!("durable {id} {seq}"),
        Answer::Spilled(_) => format!("spilled {id} 0"),
        Answer::Lost(_) => format!("lost {id} 0"),
        other => format!("unexpected {id} {other:?}"),
    });
}
