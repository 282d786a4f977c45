//! Promise: any number of processes and threads can share one ledger, and any of them may be killed or stopped at any
//! time. Every acknowledged record is in the ledger once, in one chain. Readers get whole records, in order.

#![cfg(target_os = "linux")]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::children::place::{PATIENCE, Place, Running, record, skill, until};
use crate::children::{Random, Report, contents, is_interrupted, ledger_path, report, task};
use crate::hooked::{HookedDisk, Op};
use runledger::journal::{Journal, Lines};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, LedgerReader, Options, Uuid, hash_bytes};

const PROCESSES: usize = 16;
const THREADS: usize = 8;
/// Small enough that the test seals many segments.
const ROTATE_BYTES: u64 = 100_000;

/// Processes that work at the same time. Some of them are killed, and some of those are replaced.
struct Crew<'p> {
    place: &'p Place,
    task: &'static str,
    size: usize,
    running: Vec<Running>,
    spawned: usize,
    killed: usize,
    random: Random,
}

impl<'p> Crew<'p> {
    fn new(place: &'p Place, task: &'static str, size: usize, seed: u64) -> Self {
        let mut crew = Self { place, task, size, running: vec![], spawned: 0, killed: 0, random: Random(seed) };
        (0..size).for_each(|_| crew.spawn());
        crew
    }

    fn spawn(&mut self) {
        self.spawned += 1;
        self.running.push(self.place.spawn(&format!("{} {}", self.task, self.spawned)));
    }

    /// Kills one process after a while. Three in four are replaced, and at least half of them continue to work.
    fn kill_one(&mut self) {
        std::thread::sleep(Duration::from_millis(20 + self.random.below(400)));
        let victim = self.random.below(self.running.len() as u64) as usize;
        self.running.swap_remove(victim).kill();
        self.killed += 1;
        if self.random.below(4) > 0 || self.running.len() < self.size / 2 {
            self.spawn();
        }
    }

    fn stop(&mut self) {
        self.place.say("stop");
        self.running.drain(..).for_each(Running::succeed);
    }
}

fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("RUNLEDGER_TEST_SEED").map_or(now, |text| text.parse().unwrap()).max(1);
    println!("RUNLEDGER_TEST_SEED={seed}");
    seed
}

/// The processes work until each thread has a thousand acknowledged records. `RUNLEDGER_TEST_SEED` repeats the kills.
#[test]
fn row_14_many_processes_and_threads_with_random_kills() {
    let wanted = (1_000 * PROCESSES * THREADS) as u64;
    let seed = new_seed();
    let place = Place::new();
    let mut crew = Crew::new(&place, "work", PROCESSES, seed);
    while acknowledged_bytes(place.directory()) < wanted * ANSWER_BYTES {
        crew.kill_one();
    }
    crew.stop();

    // The next opener records the executions of the last killed processes.
    drop(place.open());
    let found = contents(&place.path(), &format!("seed {seed}"));
    let (mut begun, mut acknowledged) = (HashSet::new(), HashMap::new());
    for process in 1..=crew.spawned {
        for line in report(&place.file(&format!("begun.{process}"))) {
            assert!(begun.insert(line[0].parse::<Uuid>().unwrap()));
        }
        for line in report(&place.file(&format!("answers.{process}"))) {
            acknowledged.insert(line[0].parse::<Uuid>().unwrap(), line[1].parse::<u64>().unwrap());
        }
    }
    let killed = crew.killed;
    println!("{} records, {} acknowledged, {killed} processes killed", found.len(), acknowledged.len());
    assert!(acknowledged.len() as u64 >= wanted && killed > 0);
    for (id, seq) in &acknowledged {
        let (line, record) = found.get(id).unwrap_or_else(|| panic!("seed {seed}: line {seq} is missing"));
        assert_eq!((line, &record.status), (seq, &Some(Status::Success)), "seed {seed}");
    }
    let missing = begun.iter().filter(|id| !found.contains_key(id)).count();
    assert_eq!(missing, 0, "seed {seed}: begun and without a record");
    let unknown = found.iter().filter(|(id, _)| !begun.contains(id));
    assert!(unknown.clone().all(|(_, (_, record))| is_interrupted(record)), "seed {seed}");
    // Each thread of a killed process may have begun one execution that it did not report.
    assert!(unknown.count() <= killed * THREADS, "seed {seed}");
}

/// The length of a line in an answers file: an id, a number of ten digits, a blank and a line feed.
const ANSWER_BYTES: u64 = 36 + 1 + 10 + 1;

fn acknowledged_bytes(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("answers."))
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

/// Records executions in all threads until it is stopped.
fn work(directory: &Path, process: &str, options: Options) {
    let ledger = options.lock_deadline(PATIENCE).open(ledger_path(directory)).unwrap();
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
fn row_15_a_killed_lock_holder_frees_the_lock() {
    let place = Place::new();
    let ledger = Options::new().lock_deadline(Duration::from_millis(100)).open(place.path()).unwrap();
    let before = record(&ledger);
    let mut holder = place.spawn("hold");
    place.wait_for("held");
    // The lock is held.
    let run = ledger.begin(skill());
    let spilled = run.id();
    assert!(matches!(run.succeed().answer, Answer::Spilled(_)));
    holder.kill();
    let after = record(&ledger);
    assert_eq!(place.ids(), [before, after, spilled]);
    contents(&place.path(), "after the holder was killed");
}

/// A stopped process holds the lock as long as it is stopped. The others keep their deadline.
#[test]
fn row_15_a_stopped_lock_holder_costs_a_deadline_and_no_record() {
    const WAITERS: usize = 6;
    let place = Place::new();
    let deadline = Duration::from_millis(100);
    let open = || Options::new().lock_deadline(deadline).on_warning(|_| {}).open(place.path()).unwrap();
    let ledgers = [open(), open()];
    let before = record(&ledgers[0]);
    let holder = place.spawn("hold");
    place.wait_for("held");
    holder.signal("-STOP");

    let wait = |ledger: &Ledger| {
        let run = ledger.begin(skill());
        let spilled = run.id();
        let begun = Instant::now();
        let recorded = run.succeed();
        let took = begun.elapsed();
        assert!(matches!(recorded.answer, Answer::Spilled(_)), "{recorded:?}");
        // A caller may have to wait for the batch before its own.
        assert!(took >= deadline && took < deadline * 40, "{took:?}");
        spilled
    };
    let spilled: HashSet<Uuid> = std::thread::scope(|scope| {
        let ledgers = ledgers.iter().cycle().take(WAITERS);
        let waiters: Vec<_> = ledgers.map(|ledger| scope.spawn(|| wait(ledger))).collect();
        waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect()
    });
    assert_eq!(place.ids(), [before]);

    place.say("release");
    holder.signal("-CONT");
    holder.succeed();
    let after = ledgers.each_ref().map(record);
    let ids: HashSet<Uuid> = place.ids().into_iter().collect();
    assert_eq!(ids, spilled.into_iter().chain([before]).chain(after).collect());
    let returned = place.events().matches(r#""event":"returned""#).count();
    assert_eq!(returned, ledgers.len(), "{}", place.events());
    assert_eq!(contents(&place.path(), "after the spill has returned").len(), WAITERS + 3);
}

/// Many processes find no ledger and wait for the lock to create it. The first process creates the ledger, and others hold
/// the lock after that. A process that waits in vain can nevertheless open the ledger.
#[test]
fn row_15_a_ledger_that_another_process_creates_first_is_opened_without_its_lock() {
    let place = Place::new();
    let path = place.path();
    let holder = Arc::new(Mutex::new(None));
    let other = (path.clone(), Arc::clone(&holder));
    // The other process takes the lock just before this one tries.
    let disk = HookedDisk::new(move |op, at| {
        let (path, holder) = &other;
        let mut holder = holder.lock().unwrap();
        if op == Op::Lock && holder.is_none() {
            drop(Ledger::open(path).unwrap());
            let lock = std::fs::File::open(at).unwrap();
            lock.lock().unwrap();
            *holder = Some(lock);
        }
        Ok(())
    });
    let options = Options::new().wait_at_open(false).lock_deadline(Duration::from_millis(100)).on_warning(|_| {});
    let ledger = options.storage(Arc::new(disk)).open(&path).unwrap();
    let run = ledger.begin(skill());
    let spilled = run.id();
    assert!(matches!(run.succeed().answer, Answer::Spilled(_)));
    holder.lock().unwrap().as_ref().unwrap().unlock().unwrap();
    let after = record(&ledger);
    assert_eq!(place.ids(), [after, spilled]);
}

#[test]
fn row_28_a_reader_from_the_start_sees_whole_records_only() {
    let place = Place::new();
    drop(place.open());
    let mut crew = Crew::new(&place, "work", 2, 1);
    let begun = Instant::now();
    let (mut rounds, mut seen) = (0, 0);
    while begun.elapsed() < Duration::from_secs(2) || seen == 0 {
        assert!(begun.elapsed() < PATIENCE);
        let records: Vec<ExecutionMetrics> =
            LedgerReader::open(place.path()).unwrap().records().map(Result::unwrap).collect();
        assert!(records.len() >= seen, "{} records, where {seen} had been", records.len());
        assert!(records.iter().all(|record| record.status == Some(Status::Success)));
        let verification = LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap();
        assert!(verification.is_clean(), "{:?}", verification.faults);
        assert!(verification.head.seq >= records.len() as u64);
        (rounds, seen) = (rounds + 1, records.len());
    }
    crew.stop();
    assert!(rounds > 1 && contents(&place.path(), "afterwards").len() >= seen);
}

/// The lines that a continuing reader has read.
#[derive(Default)]
struct Read {
    seq: u64,
    hash: String,
    segments: HashSet<u64>,
}

impl Read {
    /// Reads new lines. Each must be whole, have the next number, and follow the one before.
    fn go_on(&mut self, lines: &mut Lines) {
        while let Some(line) = lines.next_line().unwrap() {
            let text = std::str::from_utf8(line.bytes).unwrap();
            ExecutionMetrics::from_json(text).unwrap();
            let (hashed, hash) = text.rsplit_once(",\"hash\":\"").unwrap();
            assert_eq!(hash.strip_suffix("\"}"), Some(&*hash_bytes(hashed)), "{text}");
            assert_eq!(line.seq, Some(self.seq + 1));
            assert!(self.seq == 0 || hashed.ends_with(&format!("\"prev\":\"{}\"", self.hash)), "{text}");
            self.seq += 1;
            self.hash = hash_bytes(hashed);
            self.segments.insert(line.segment);
        }
    }
}

/// The reader passes rotations, and the torn lines of killed writers, which the next writer repairs.
#[test]
fn row_28_a_continuing_reader_sees_each_line_once_in_order() {
    let seed = new_seed();
    let place = Place::new();
    drop(place.open());
    let options = runledger::journal::JournalOptions::new(std::sync::Arc::new(|| 0));
    let journal = Journal::open(place.path(), options).unwrap();
    let mut crew = Crew::new(&place, "rotate", 3, seed);
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut lines, mut read) = (journal.lines(), Read::default());
            while !stopped.load(std::sync::atomic::Ordering::Acquire) {
                read.go_on(&mut lines);
            }
            read.go_on(&mut lines);
            read
        });
        let begun = Instant::now();
        while (begun.elapsed() < Duration::from_secs(2) || crew.killed < 4) && !reader.is_finished() {
            crew.kill_one();
        }
        crew.stop();
        stopped.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap()
    });
    let head = LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().head;
    assert_eq!((read.seq, &read.hash), (head.seq, &head.hash));
    println!("{} lines in {} segments, {} writers killed", read.seq, read.segments.len(), crew.killed);
    assert!(read.segments.len() > 2);
}

// The child processes.

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.split_once(' ').unwrap_or((&task, "")) {
        ("work", process) => work(&directory, process, Options::new()),
        ("rotate", process) => work(&directory, process, Options::new().rotate_bytes(Some(ROTATE_BYTES))),
        ("hold", _) => {
            let lock = ledger_path(&directory).with_extension("ledger").join("lock");
            let lock = std::fs::File::open(lock).unwrap();
            lock.lock().unwrap();
            std::fs::write(directory.join("held"), "").unwrap();
            until("release", || directory.join("release").exists());
        }
        other => panic!("no task {other:?}"),
    }
}
