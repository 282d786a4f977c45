//! Promise: any number of processes and threads share one ledger, any of them may be killed or stopped at any moment, and
//! strangers may meddle with its files: every acknowledged record is there once, and what was done to it is said.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod children;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use children::{Report, arguments, contents, is_interrupted, ledger_path, prepare, report, segments, task};
use runledger::journal::storage::{Access, Disk, Stat, Storage, StorageFile};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Records, Skill, Uuid, verify};

const PROCESSES: usize = 4;
const THREADS: usize = 4;
/// Longer than any test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        ledger_path(self.directory.path())
    }

    fn machinery(&self, name: &str) -> PathBuf {
        self.path().with_extension("ledger").join(name)
    }

    fn open(&self) -> Ledger {
        Options::new().lock_deadline(PATIENCE).on_warning(|_| {}).open(self.path()).unwrap()
    }

    fn events(&self) -> String {
        std::fs::read_to_string(self.machinery("events.jsonl")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn spawn(&self, task: &str) -> Running {
        let mut command = Command::new(&arguments()[0]);
        Running(prepare(command.args(&arguments()[1..]), task, self.directory.path()).spawn().unwrap())
    }

    /// Waits until `file` is there.
    fn wait_for(&self, file: &str) {
        until(file, || self.file(file).exists());
    }
}

/// A child that does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        assert_eq!(self.0.wait().unwrap().signal(), Some(9));
    }

    fn succeed(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, in all tests that pass.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

/// Records one execution, durably, and returns its id.
fn record(ledger: &Ledger) -> Uuid {
    let run = ledger.begin(skill());
    let id = run.id();
    let recorded = run.succeed();
    assert!(recorded.is_durable(), "{recorded:?}");
    id
}

fn in_file(path: &Path) -> Vec<Uuid> {
    Records::open(path).unwrap().filter_map(|record| Some(record.ok()?.execution_id)).collect()
}

/// A generator of Marsaglia's xorshift family, for schedules that a printed seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// The issue's size by default, or `RUNLEDGER_TEST_RECORDS` for each thread; the kills by `RUNLEDGER_TEST_SEED`.
#[test]
fn killed_processes_leave_each_record_once() {
    let records = number("RUNLEDGER_TEST_RECORDS").unwrap_or(2_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("RUNLEDGER_TEST_SEED").unwrap_or(now).max(1);
    println!("RUNLEDGER_TEST_SEED={seed}");
    let mut random = Random(seed);
    let wanted = records * (PROCESSES * THREADS) as u64;

    let place = Place::new();
    let mut spawned = 0;
    let mut spawn = || {
        spawned += 1;
        place.spawn(&format!("work {spawned}"))
    };
    let mut running: Vec<_> = (0..PROCESSES).map(|_| spawn()).collect();
    let mut killed = 0;
    while acknowledged_bytes(place.directory.path()) < wanted * ANSWER_BYTES {
        std::thread::sleep(Duration::from_millis(20 + random.below(400)));
        let victim = random.below(PROCESSES as u64) as usize;
        running[victim].kill();
        running[victim] = spawn();
        killed += 1;
    }
    std::fs::write(place.file("stop"), "").unwrap();
    running.into_iter().for_each(Running::succeed);

    // Whoever opens it next records what the last killed ones left.
    drop(place.open());
    let found = contents(&place.path(), &format!("seed {seed}"));
    let (mut begun, mut acknowledged) = (HashSet::new(), HashMap::new());
    for process in 1..=spawned {
        for line in report(&place.file(&format!("begun.{process}"))) {
            assert!(begun.insert(line[0].parse::<Uuid>().unwrap()));
        }
        for line in report(&place.file(&format!("answers.{process}"))) {
            acknowledged.insert(line[0].parse::<Uuid>().unwrap(), line[1].parse::<u64>().unwrap());
        }
    }
    println!("{} records, {} acknowledged, {killed} processes killed", found.len(), acknowledged.len());
    assert!(acknowledged.len() as u64 >= wanted && killed > 0);
    for (id, seq) in &acknowledged {
        let (line, record) = found.get(id).unwrap_or_else(|| panic!("seed {seed}: line {seq} is not there"));
        assert_eq!((line, &record.status), (seq, &Some(Status::Success)), "seed {seed}");
    }
    let missing = begun.iter().filter(|id| !found.contains_key(id)).count();
    assert_eq!(missing, 0, "seed {seed}: begun and without a record");
    let unknown = found.iter().filter(|(id, _)| !begun.contains(id));
    assert!(unknown.clone().all(|(_, (_, record))| is_interrupted(record)), "seed {seed}");
    // A thread that was killed between its begin and its word for it.
    assert!(unknown.count() <= killed * THREADS, "seed {seed}");
}

/// A line of an answers file: an id, a number of ten digits, a blank and a line feed.
const ANSWER_BYTES: u64 = 36 + 1 + 10 + 1;

fn acknowledged_bytes(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("answers."))
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

/// Records executions in all threads until told to stop.
fn work(directory: &Path, process: &str) {
    let ledger = Options::new().lock_deadline(PATIENCE).open(ledger_path(directory)).unwrap();
    let begun = Report::open(&directory.join(format!("begun.{process}")));
    let answers = Report::open(&directory.join(format!("answers.{process}")));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !directory.join("stop").exists() {
                    let run = ledger.begin(skill());
                    let id = run.id();
                    begun.say(&id.to_string());
                    match run.succeed().answer {
                        Answer::Durable { seq } => answers.say(&format!("{id} {seq:010}")),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
}

#[test]
fn a_reader_beside_writers_sees_whole_lines_in_order() {
    let place = Place::new();
    drop(place.open());
    let writers: Vec<_> = (0..2).map(|process| place.spawn(&format!("work {process}"))).collect();
    let begun = Instant::now();
    let (mut rounds, mut seen) = (0, 0);
    while begun.elapsed() < Duration::from_secs(3) || seen == 0 {
        assert!(begun.elapsed() < PATIENCE);
        let records: Vec<ExecutionMetrics> = Records::open(place.path()).unwrap().map(Result::unwrap).collect();
        assert!(records.len() >= seen, "{} records, where {seen} had been", records.len());
        assert!(records.iter().all(|record| record.status == Some(Status::Success)));
        let verification = verify(place.path(), &[]).unwrap();
        assert!(verification.is_clean(), "{:?}", verification.faults);
        assert!(verification.head.seq >= records.len() as u64);
        (rounds, seen) = (rounds + 1, records.len());
    }
    std::fs::write(place.file("stop"), "").unwrap();
    writers.into_iter().for_each(Running::succeed);
    assert!(rounds > 1 && contents(&place.path(), "afterwards").len() >= seen);
}

/// A stopped process keeps the lock for as long as it is stopped: the others keep their deadline.
#[test]
fn a_stopped_lock_holder_costs_a_deadline_and_no_record() {
    let place = Place::new();
    let deadline = Duration::from_millis(100);
    let ledger = Options::new().lock_deadline(deadline).on_warning(|_| {}).open(place.path()).unwrap();
    let before = record(&ledger);
    let holder = place.spawn("hold");
    place.wait_for("held");
    holder.signal("-STOP");

    let run = ledger.begin(skill());
    let spilled = run.id();
    let begun = Instant::now();
    let recorded = run.succeed();
    let took = begun.elapsed();
    assert!(matches!(recorded.answer, Answer::Spilled(_)), "{recorded:?}");
    assert!(took >= deadline && took < deadline * 20, "{took:?}");
    assert_eq!(in_file(&place.path()), [before]);

    std::fs::write(place.file("release"), "").unwrap();
    holder.signal("-CONT");
    holder.succeed();
    let after = record(&ledger);
    assert_eq!(in_file(&place.path()), [before, after, spilled]);
    assert!(place.events().contains(r#""event":"returned","records":1"#), "{}", place.events());
    contents(&place.path(), "after the spill has returned");
}

/// A killed process gives the lock back, and a process that it started does not have it: exec closes the descriptor.
#[test]
fn a_spawned_process_inherits_no_lock() {
    let place = Place::new();
    let mut parent = place.spawn("spawn");
    place.wait_for("spawned");
    parent.kill();
    let other = place.open();
    let found = contents(&place.path(), "beside the orphan");
    assert_eq!(found.len(), 1);
    assert!(found.values().all(|(_, record)| is_interrupted(record)), "{found:?}");
    record(&other);
    std::fs::write(place.file("release"), "").unwrap();
}

#[test]
fn two_openers_record_an_interrupted_execution_once() {
    for _ in 0..5 {
        let place = Place::new();
        let mut owner = place.spawn("leave");
        place.wait_for("begun.leave");
        until("the begun executions", || report(&place.file("begun.leave")).len() == 20);
        owner.kill();
        let openers: Vec<_> = (0..4).map(|_| place.spawn("open")).collect();
        std::fs::write(place.file("go"), "").unwrap();
        openers.into_iter().for_each(Running::succeed);
        let found = contents(&place.path(), "after both");
        assert_eq!(found.len(), 20);
        assert!(found.values().all(|(_, record)| is_interrupted(record)), "{found:?}");
        assert_eq!(std::fs::read_dir(place.machinery("inflight")).unwrap().count(), 0);
    }
}

/// A sweeper that is slow, or stopped, keeps nobody from opening.
#[test]
fn an_opener_does_not_depend_on_another_ones_sweep() {
    let place = Place::new();
    let mut owner = place.spawn("leave");
    place.wait_for("begun.leave");
    until("the begun executions", || report(&place.file("begun.leave")).len() == 20);
    owner.kill();
    let sweeping = std::fs::File::create(place.machinery("sweep")).unwrap();
    sweeping.lock().unwrap();
    let ledger = Options::new().lock_deadline(Duration::from_millis(100)).open(place.path()).unwrap();
    record(&ledger);
    assert_eq!(contents(&place.path(), "beside the sweeper").len(), 1);
    sweeping.unlock().unwrap();
    drop(place.open());
    assert_eq!(contents(&place.path(), "after the sweep").len(), 21);
}

/// The real disk, with a sweeper that examines the first file of begun executions between its making and its locking.
#[derive(Debug, Default)]
struct Examined(Mutex<Option<Box<dyn StorageFile>>>);

impl Storage for Examined {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let file = Disk.open(path, access)?;
        let mut examined = self.0.lock().unwrap();
        if examined.is_none() && access == Access::WriteNew && path.extension().is_some_and(|end| end == "slots") {
            let sweeper = Disk.open(path, Access::Write)?;
            assert!(sweeper.try_lock()?);
            *examined = Some(sweeper);
        }
        Ok(file)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Disk.stat(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        Disk.sync_dir(directory)
    }
}

#[test]
fn an_opener_whose_new_file_is_examined_makes_another() {
    let place = Place::new();
    let disk = Arc::new(Examined::default());
    let ledger = Options::new().storage(disk.clone()).open(place.path()).unwrap();
    assert!(disk.0.lock().unwrap().take().is_some());
    record(&ledger);
    drop((ledger, place.open()));
    assert_eq!(std::fs::read_dir(place.machinery("inflight")).unwrap().count(), 0);
}

/// Starting processes look at each other's files of begun executions, some of which are only just made.
#[test]
fn processes_that_open_at_once_all_succeed() {
    let place = Place::new();
    let openers: Vec<_> = (0..12).map(|_| place.spawn("reopen")).collect();
    std::fs::write(place.file("go"), "").unwrap();
    openers.into_iter().for_each(Running::succeed);
    assert_eq!(contents(&place.path(), "after all").len(), 0);
}

#[test]
fn a_deleted_or_replaced_lock_file_is_noticed() {
    for replaced in [false, true] {
        let place = Place::new();
        let first = place.open();
        let mut ids = vec![record(&first)];
        std::fs::remove_file(place.machinery("lock")).unwrap();
        if replaced {
            std::fs::write(place.machinery("lock"), "").unwrap();
        }
        let second = place.open();
        for _ in 0..20 {
            ids.push(record(&second));
            ids.push(record(&first));
        }
        // Both wait for the file that is there now.
        let lock = std::fs::File::open(place.machinery("lock")).unwrap();
        lock.lock().unwrap();
        let waiting = [&first, &second].map(|ledger| {
            let ledger = ledger.clone();
            std::thread::spawn(move || record(&ledger))
        });
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(in_file(&place.path()), ids);
        lock.unlock().unwrap();
        ids.extend(waiting.map(|thread| thread.join().unwrap()));
        let found = contents(&place.path(), "after the lock was replaced");
        assert_eq!(found.len(), ids.len());
        assert!(ids.iter().all(|id| found.contains_key(id)));
    }
}

/// Two ledgers with the same eleven records, so that one can be meddled with while both are open.
fn two_writers(place: &Place) -> (Ledger, Ledger, Vec<Uuid>) {
    let (first, second) = (place.open(), place.open());
    let mut ids = vec![record(&first)];
    for _ in 0..5 {
        ids.push(record(&second));
        ids.push(record(&first));
    }
    (first, second, ids)
}

/// Both go on, and what they append stands in the ledger that is there now.
fn both_go_on(place: &Place, (first, second): (Ledger, Ledger)) -> Vec<Uuid> {
    let new = [&second, &first, &second, &first].map(record);
    drop((first, second));
    drop(place.open());
    let found = in_file(&place.path());
    assert!(found.ends_with(&new), "{found:?} does not end with {new:?}");
    assert!(place.path().metadata().unwrap().len() > 0);
    found
}

#[test]
fn a_deleted_ledger_is_noticed_and_said() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    std::fs::remove_file(place.path()).unwrap();
    let found = both_go_on(&place, (first, second));
    // All from the last move of the commit area's base on, which was the second opening, is still there.
    assert_eq!(found[..found.len() - 4], ids, "the commit area has every line");
    let events = place.events();
    assert!(events.contains(r#""event":"recovered""#), "{events}");
    assert!(verify(place.path(), &[]).unwrap().is_clean());
}

#[test]
fn what_is_lost_with_a_deleted_ledger_is_said() {
    let place = Place::new();
    // Opening moves the base of the commit area: what came before stands in the ledger alone.
    let early = record(&place.open());
    let (first, second, ids) = two_writers(&place);
    std::fs::remove_file(place.path()).unwrap();
    let found = both_go_on(&place, (first, second));
    assert!(!found.contains(&early));
    assert_eq!(found[..found.len() - 4], ids);
    assert!(place.events().contains(r#""event":"damaged""#), "{}", place.events());
    let kinds: Vec<_> = verify(place.path(), &[]).unwrap().faults.iter().map(|fault| fault.kind.to_string()).collect();
    assert_eq!(kinds, ["missing"]);
}

#[test]
fn an_editor_that_replaces_the_ledger_is_noticed() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    let text = std::fs::read(place.path()).unwrap();
    std::fs::write(place.file("edited"), &text).unwrap();
    std::fs::rename(place.file("edited"), place.path()).unwrap();
    let found = both_go_on(&place, (first, second));
    assert_eq!(found[..found.len() - 4], ids);
    assert!(verify(place.path(), &[]).unwrap().is_clean());
}

/// `logrotate` with `copytruncate`: the copy has the lines, the ledger says that they are gone.
#[test]
fn a_truncated_ledger_is_noticed_and_said() {
    for left in [0, 100] {
        let place = Place::new();
        let early = record(&place.open());
        let (first, second, ids) = two_writers(&place);
        std::fs::File::options().write(true).open(place.path()).unwrap().set_len(left).unwrap();
        let found = both_go_on(&place, (first, second));
        assert!(!found.contains(&early));
        assert_eq!(found[..found.len() - 4], ids, "what the commit area has is written again");
        assert!(place.events().contains(r#""event":"damaged""#), "{}", place.events());
        assert!(!verify(place.path(), &[]).unwrap().is_clean());
    }
}

#[test]
fn what_a_stranger_appends_is_kept_and_said() {
    for foreign in ["half a li", "a whole foreign line\n", "{\"execution_id\":7}\n", "one\ntwo\nthr"] {
        let place = Place::new();
        let (first, second, ids) = two_writers(&place);
        std::fs::File::options().append(true).open(place.path()).unwrap().write_all(foreign.as_bytes()).unwrap();
        let found = both_go_on(&place, (first, second));
        assert_eq!(found[..found.len() - 4], ids);
        assert!(place.events().contains(r#""event":"recovered""#), "{}", place.events());
        let kept: Vec<_> = std::fs::read_dir(place.machinery("quarantine"))
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert_eq!(kept, [foreign]);
        contents(&place.path(), foreign);
    }
}

/// A stranger repeats the ledger's own last line: its hash is right, and its place is not.
#[test]
fn a_repeated_line_is_not_taken_for_the_end() {
    let place = Place::new();
    let (first, second, ids) = two_writers(&place);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let last = format!("{}\n", text.lines().last().unwrap());
    std::fs::File::options().append(true).open(place.path()).unwrap().write_all(last.as_bytes()).unwrap();
    let found = both_go_on(&place, (first, second));
    assert_eq!(found[..found.len() - 4], ids);
    contents(&place.path(), "after the repeated line");
    assert_eq!(segments(&place.path()).len(), 1);
}

// The children.

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let wait_for = |name: &str| until(name, || directory.join(name).exists());
    let said = |name: &str| std::fs::write(directory.join(name), "").unwrap();
    let open = || Options::new().lock_deadline(PATIENCE).open(ledger_path(&directory)).unwrap();
    match task.split_once(' ').unwrap_or((&task, "")) {
        ("work", process) => work(&directory, process),
        ("hold", _) => {
            let lock = ledger_path(&directory).with_extension("ledger").join("lock");
            let lock = std::fs::File::open(lock).unwrap();
            lock.lock().unwrap();
            said("held");
            wait_for("release");
        }
        ("spawn", _) => {
            let ledger = open();
            let _run = ledger.begin(skill());
            // Ends by itself, should the test fail before it says so.
            let script = "i=0; while [ $i -lt 400 ] && [ ! -e \"$0\" ]; do i=$((i+1)); sleep 0.05; done";
            let mut orphan = Command::new("sh");
            orphan.args(["-c", script]).arg(directory.join("release")).stderr(Stdio::null());
            let mut orphan = orphan.spawn().unwrap();
            said("spawned");
            orphan.wait().unwrap();
        }
        ("leave", _) => {
            let ledger = open();
            let begun = Report::open(&directory.join("begun.leave"));
            let runs: Vec<_> = (0..20).map(|_| ledger.begin(skill())).collect();
            runs.iter().for_each(|run| begun.say(&run.id().to_string()));
            std::thread::sleep(PATIENCE);
        }
        ("open", _) => {
            wait_for("go");
            drop(open());
        }
        ("reopen", _) => {
            wait_for("go");
            (0..10).for_each(|_| drop(open()));
        }
        other => panic!("no task {other:?}"),
    }
}
