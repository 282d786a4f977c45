//! Promise: a process may fork, with or without exec, while a ledger is open or its lock is held. The parent and the
//! child share no state of the ledger. Each appends its own records to the same chain. If one of them ends, the other
//! does not keep its files or locks in use.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod children;
mod hooked;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use children::place::{PATIENCE, Place, record, skill, until};
use children::{Report, contents, is_interrupted, ledger_path, report, task};
use fork::Fork;
use hooked::{HookedDisk, Op};
use runledger::metrics::Status;
use runledger::{Answer, Durability, ErrorKind, ExecutionMetrics, Ledger, Options, Timestamp, Uuid};

/// The number of records that parent and child append each.
const EACH: usize = 50;
/// The number of records without syncs that each process appends. There are so many that lines of the two processes
/// would collide without a lock.
const EACH_FAST: usize = 3_000;
/// The number of tasks that use the async calls.
const TASKS: usize = 4;
/// The number of forks of a process whose threads append. Of 160 forks, three met a locked mutex.
const FORKS: usize = 250;

/// Forks. The child does `work`, and its exit status says whether `work` panicked.
fn forked(work: impl FnOnce()) -> i32 {
    match fork::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            let done = catch_unwind(AssertUnwindSafe(work));
            std::process::exit(i32::from(done.is_err()))
        }
    }
}

/// Waits until a forked child has ended successfully.
fn ended_well(child: i32) {
    let begun = Instant::now();
    loop {
        match fork::waitpid_nohang(child).unwrap() {
            Some(status) => return assert_eq!(status, 0, "the forked child failed"),
            None if begun.elapsed() > PATIENCE => {
                Command::new("kill").args(["-KILL", &child.to_string()]).status().unwrap();
                panic!("the forked child hangs");
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Returns the files of the ledger that a process has open.
fn open_files(pid: u32, directory: &Path) -> Vec<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let files = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.unwrap().path()).ok());
    files.filter(|file| file.starts_with(directory.canonicalize().unwrap())).collect()
}

/// Returns the pid that a child reports as `name`.
fn reported_pid(place: &Place, name: &str) -> u32 {
    until(name, || !report(&place.file(name)).is_empty());
    report(&place.file(name))[0][0].parse().unwrap()
}

/// Returns the number of ids in these reports, each of which must have a record of success, and the number of records.
fn succeeded(place: &Place, reports: &[&str]) -> (usize, usize) {
    let found = contents(&place.path(), "after the fork");
    let ids: Vec<_> = reports.iter().flat_map(|name| report(&place.file(name))).collect();
    for id in &ids {
        let record = found.get(&id[0].parse().unwrap()).unwrap_or_else(|| panic!("{id:?} is missing"));
        assert_eq!(record.1.status, Some(Status::Success), "{id:?}");
    }
    (ids.len(), found.len())
}

#[test]
fn row_16_fork_while_the_ledger_is_open() {
    let place = Place::new();
    place.spawn("open").succeed();
    // One execution of the parent was running in both. It belongs to the parent.
    assert_eq!(succeeded(&place, &["parent", "child"]), (2 * EACH_FAST + 1, 2 * EACH_FAST + 1));
    drop(place.open());
    assert_eq!(place.in_flight(), [""; 0].map(PathBuf::from));
}

/// The child's copy of the lock ends with the child, and the parent keeps the lock.
#[test]
fn row_16_fork_while_the_lock_is_held() {
    let place = Place::new();
    place.spawn("locked").succeed();
    assert_eq!(succeeded(&place, &["parent", "child"]), (2 * EACH, 2 * EACH));
}

/// Another thread holds the lock and leads all callers when the process forks. The child has the leader's state, but
/// not the leader.
#[test]
fn row_16_fork_while_another_thread_has_the_lock() {
    let place = Place::new();
    place.spawn("beside").succeed();
    assert_eq!(succeeded(&place, &["parent", "child"]), (2 * EACH, 2 * EACH));
}

/// With a deadline, there are threads that the child does not have, and mutexes that they may have locked.
#[test]
fn row_16_fork_while_threads_wait_with_a_deadline() {
    let place = Place::new();
    place.spawn("deadline").succeed();
    let (reported, _) = succeeded(&place, &["child"]);
    assert_eq!(reported, FORKS);
}

/// The parent reports the records that were lost before the fork.
#[test]
fn row_16_a_lost_record_is_not_counted_by_parent_and_child() {
    let place = Place::new();
    place.spawn("lost").succeed();
    let events = place.events();
    let lost: Vec<_> = events.lines().filter(|line| line.contains("\"lost\"")).collect();
    assert!(lost.len() == 1 && lost[0].contains("\"records\":1"), "{lost:?}");
}

/// Each fork happens while tasks of a runtime append.
#[test]
fn row_16_async_calls_in_a_forked_child_are_refused() {
    let place = Place::new();
    place.spawn("async").succeed();
    let (reported, found) = succeeded(&place, &["parent"]);
    assert!(reported > 0);
    // The parent reports one of its two executions for each fork, and those of its tasks that were not cancelled.
    assert!(found <= reported + FORKS + TASKS, "{found} records, {reported} reported");
    drop(place.open());
    assert_eq!(place.in_flight(), [""; 0].map(PathBuf::from));
}

/// A killed process releases the lock. A process that it started does not hold the lock, because exec closes the
/// descriptors.
#[test]
fn row_16_exec_leaks_no_descriptor() {
    let place = Place::new();
    let mut parent = place.spawn("exec");
    let orphan = reported_pid(&place, "spawned");
    assert_ne!(open_files(parent.0.id(), place.directory()), [""; 0].map(PathBuf::from));
    assert_eq!(open_files(orphan, place.directory()), [""; 0].map(PathBuf::from));
    parent.kill();
    let other = place.open();
    let found = contents(&place.path(), "beside the orphan");
    assert_eq!(found.len(), 1);
    assert!(found.values().all(|(_, record)| is_interrupted(record)), "{found:?}");
    record(&other);
    place.say("release");
}

/// The child holds the lock of the dead parent's begun executions, but they are swept nevertheless. The child records
/// its own executions. The one that it does not end is swept after its death.
#[test]
fn row_16_a_dead_parents_runs_are_swept_while_its_child_lives() {
    let place = Place::new();
    let mut parent = place.spawn("orphan");
    let orphan = reported_pid(&place, "forked");
    parent.kill();
    let begun = report(&place.file("begun"));
    assert_eq!(begun.len(), 3);
    drop(place.open());
    assert!(open_files(orphan, place.directory()).iter().any(|file| file.to_string_lossy().contains(".slots")));
    let found = contents(&place.path(), "beside the orphan");
    assert_eq!(found.len(), begun.len());
    assert!(begun.iter().all(|id| is_interrupted(&found[&id[0].parse().unwrap()].1)), "{found:?}");
    place.say("release");
    until("last", || !report(&place.file("last")).is_empty());
    assert_eq!(succeeded(&place, &["child"]), (EACH, EACH + begun.len()));
    assert!(Command::new("kill").args(["-KILL", &orphan.to_string()]).status().unwrap().success());
    let last = report(&place.file("last"))[0][0].parse().unwrap();
    until("the end of the child", || {
        drop(place.open());
        contents(&place.path(), "after the child's end").get(&last).is_some_and(|(_, record)| is_interrupted(record))
    });
}

/// A lock outlives its holder if a child is forked while the lock is held, and the parent is killed before it releases
/// the lock. Other processes keep their deadline and lose nothing.
#[test]
fn row_15_a_lock_that_a_forked_child_keeps() {
    let place = Place::new();
    let options = || Options::new().lock_deadline(Duration::from_millis(100)).on_warning(|_| {});
    let ledger = options().open(place.path()).unwrap();
    let mut parent = place.spawn("killed");
    place.wait_for("held");
    parent.kill();
    let run = ledger.begin(skill());
    let recorded = run.succeed();
    assert!(matches!(recorded.answer, Answer::Spilled(_)), "{recorded:?}");
    // Another ledger opens without the lock, and spills too.
    let opened = options().open(place.path()).unwrap();
    assert!(matches!(opened.begin(skill()).succeed().answer, Answer::Spilled(_)));
    drop(opened);
    place.say("release");
    place.wait_for("done");
    until("the lock", || ledger.head().is_ok());
    record(&ledger);
    drop(place.open());
    let found = contents(&place.path(), "after the child has ended");
    // The execution of the killed process was begun, but not appended.
    assert_eq!(found.values().filter(|(_, record)| is_interrupted(record)).count(), 1);
    assert_eq!(found.len(), 4);
}

/// Returns the real disk, which calls `hook` once after it was armed. The call takes place while the ledger's lock is
/// held, because the ledger's directory is examined then.
fn while_locked(directory: &Path, hook: impl FnMut() + Send + 'static) -> (Arc<HookedDisk>, Arc<AtomicBool>) {
    let directory = ledger_path(directory).parent().unwrap().to_owned();
    let (armed, hook) = (Arc::new(AtomicBool::new(false)), Mutex::new(hook));
    let is_armed = Arc::clone(&armed);
    let disk = HookedDisk::new(move |op, path| {
        if op == Op::Stat && path == directory && is_armed.swap(false, Ordering::AcqRel) {
            (hook.lock().unwrap())();
        }
        Ok(())
    });
    (Arc::new(disk), armed)
}

// The child processes.

fn say(directory: &Path, name: &str, line: &str) {
    Report::open(&directory.join(name)).say(line);
}

fn is_locked(directory: &Path) -> bool {
    let lock = std::fs::File::open(ledger_path(directory).with_extension("ledger").join("lock")).unwrap();
    lock.try_lock().is_err()
}

fn flushed(ledger: &Ledger) -> Uuid {
    let run = ledger.begin(skill());
    let id = run.id();
    let answer = run.succeed().answer;
    assert!(matches!(answer, Answer::Flushed { .. }), "{answer:?}");
    id
}

/// Appends records and reports them.
fn work(ledger: &Ledger, directory: &Path, name: &str) {
    (0..EACH).for_each(|_| say(directory, name, &record(ledger).to_string()));
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let options = || Options::new().lock_deadline(PATIENCE);
    let open = || options().open(ledger_path(&directory)).unwrap();
    match task.as_str() {
        "open" => {
            let ledger = options().durability(Durability::Flushed).open(ledger_path(&directory)).unwrap();
            fork_while_open(ledger, &directory);
        }
        "locked" => {
            let there = directory.clone();
            let child = Arc::new(Mutex::new(0));
            let forked_child = Arc::clone(&child);
            let (disk, armed) = while_locked(&directory, move || {
                // A child that ends at once drops nothing.
                ended_well(forked(|| assert!(is_locked(&there))));
                assert!(is_locked(&there));
                *forked_child.lock().unwrap() = forked(|| {
                    say(&there, "forked", "");
                    work(&Ledger::open(ledger_path(&there)).unwrap(), &there, "child");
                });
                until("forked", || there.join("forked").exists());
            });
            let ledger = options().storage(disk).open(ledger_path(&directory)).unwrap();
            armed.store(true, Ordering::Release);
            work(&ledger, &directory, "parent");
            ended_well(*child.lock().unwrap());
        }
        "beside" => {
            let ((held, is_held), (go, may_go)) = (mpsc::channel(), mpsc::channel());
            let (disk, armed) = while_locked(&directory, move || {
                held.send(()).unwrap();
                may_go.recv().unwrap();
            });
            let ledger = options().storage(disk).open(ledger_path(&directory)).unwrap();
            armed.store(true, Ordering::Release);
            std::thread::scope(|scope| {
                let appending = scope.spawn(|| work(&ledger, &directory, "parent"));
                is_held.recv().unwrap();
                let child = forked(|| {
                    say(&directory, "forked", "");
                    work(&ledger, &directory, "child");
                });
                until("forked", || directory.join("forked").exists());
                go.send(()).unwrap();
                appending.join().unwrap();
                ended_well(child);
            });
        }
        "exec" => {
            let ledger = open();
            let _run = ledger.begin(skill());
            // Ends by itself if the test fails before it creates the file.
            let script = "i=0; while [ $i -lt 400 ] && [ ! -e \"$0\" ]; do i=$((i+1)); sleep 0.05; done";
            let mut orphan = Command::new("sh");
            orphan.args(["-c", script]).arg(directory.join("release")).stderr(Stdio::null());
            let mut orphan = orphan.spawn().unwrap();
            say(&directory, "spawned", &orphan.id().to_string());
            orphan.wait().unwrap();
        }
        "orphan" => {
            let ledger = open();
            let runs: Vec<_> = (0..3).map(|_| ledger.begin(skill())).collect();
            runs.iter().for_each(|run| say(&directory, "begun", &run.id().to_string()));
            forked(|| {
                say(&directory, "forked", &std::process::id().to_string());
                until("release", || directory.join("release").exists());
                work(&ledger, &directory, "child");
                let last = ledger.begin(skill());
                say(&directory, "last", &last.id().to_string());
                std::thread::sleep(PATIENCE);
            });
            std::thread::sleep(PATIENCE);
        }
        "deadline" => {
            let options = options().durability(Durability::Flushed).deadline(Some(PATIENCE));
            let ledger = options.open(ledger_path(&directory)).unwrap();
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            flushed(&ledger);
                        }
                    });
                }
                let all = catch_unwind(AssertUnwindSafe(|| {
                    for _ in 0..FORKS {
                        ended_well(forked(|| say(&directory, "child", &flushed(&ledger).to_string())));
                    }
                }));
                done.store(true, Ordering::Relaxed);
                all.unwrap();
            });
        }
        "async" => {
            let options = options().durability(Durability::Flushed).on_warning(|_| {});
            fork_beside_tasks(&options.open(ledger_path(&directory)).unwrap(), &directory);
        }
        "lost" => {
            let options = Options::new().lock_deadline(Duration::from_millis(50));
            let ledger = options.open(ledger_path(&directory)).unwrap();
            let machinery = ledger_path(&directory).with_extension("ledger");
            let lock = std::fs::File::open(machinery.join("lock")).unwrap();
            lock.lock().unwrap();
            std::fs::rename(machinery.join("spill"), machinery.join("no-spill")).unwrap();
            let answer = ledger.begin(skill()).succeed().answer;
            assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
            std::fs::rename(machinery.join("no-spill"), machinery.join("spill")).unwrap();
            lock.unlock().unwrap();
            ended_well(forked(|| _ = record(&ledger)));
            record(&ledger);
        }
        "killed" => {
            let there = directory.clone();
            let (disk, armed) = while_locked(&directory, move || {
                forked(|| {
                    say(&there, "held", "");
                    until("release", || there.join("release").exists());
                    say(&there, "done", "");
                });
                std::thread::sleep(PATIENCE);
            });
            let ledger = options().storage(disk).open(ledger_path(&directory)).unwrap();
            armed.store(true, Ordering::Release);
            record(&ledger);
        }
        other => panic!("no task {other:?}"),
    }
}

fn fork_while_open(ledger: Ledger, directory: &Path) {
    let fast = |ledger: &Ledger, name: &str| {
        let said = Report::open(&directory.join(name));
        (0..EACH_FAST).for_each(|_| said.say(&flushed(ledger).to_string()));
    };
    let run = ledger.begin(skill());
    let mut open = Some((ledger, run));
    let child = forked(|| {
        let (ledger, run) = open.take().unwrap();
        drop(run);
        fast(&ledger, "child");
        drop(ledger);
    });
    let (ledger, run) = open.unwrap();
    fast(&ledger, "parent");
    say(directory, "parent", &run.id().to_string());
    assert!(matches!(run.succeed().answer, Answer::Flushed { .. }));
    ended_well(child);
}

fn fork_beside_tasks(ledger: &Ledger, directory: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let said = Arc::new(Report::open(&directory.join("parent")));
    for _ in 0..TASKS {
        let (ledger, said) = (ledger.clone(), Arc::clone(&said));
        runtime.spawn(async move {
            loop {
                let run = ledger.begin_async(skill()).await;
                let id = run.id();
                assert!(matches!(run.succeed_async().await.answer, Answer::Flushed { .. }));
                said.say(&id.to_string());
            }
        });
    }
    for _ in 0..FORKS {
        let run = runtime.block_on(ledger.begin_async(skill()));
        let id = run.id();
        let mut inherited = Some((ledger.clone(), run, runtime.block_on(ledger.begin_async(skill())).succeed_async()));
        let child = forked(|| {
            let (ledger, run, recording) = inherited.take().unwrap();
            drop((run, recording));
            refused(&ledger);
            drop(ledger);
        });
        ended_well(child);
        let (_, run, recording) = inherited.unwrap();
        assert!(matches!(runtime.block_on(run.succeed_async()).answer, Answer::Flushed { .. }));
        said.say(&id.to_string());
        assert!(matches!(runtime.block_on(recording).answer, Answer::Flushed { .. }));
    }
}

/// Asserts that the calls answer at once, and write nothing.
fn refused(ledger: &Ledger) {
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the call waits for a thread that is not in this process"),
        }
    }
    let recorded = now(async { ledger.begin_async(skill()).await.succeed_async().await });
    assert!(recorded.unmarked.is_some_and(|error| error.kind() == ErrorKind::Unsuitable));
    let Answer::Lost(error) = recorded.answer else { panic!("{:?}", recorded.answer) };
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert!(error.to_string().contains("found a forked process"), "{error}");
    let mut finished = ExecutionMetrics::new(Uuid::now_v7(), "s", "1", Timestamp::UNIX_EPOCH);
    finished.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(now(ledger.append_async(&finished)).unwrap_err().kind(), ErrorKind::Unsuitable);
}
