//! Promise: with a deadline, a disk that does not answer delays a call until the deadline and no longer. A record that
//! was answered as late is stored when the disk answers.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::children::{Report, arguments, contents, is_interrupted, ledger_path, prepare, report, strace, task};
use crate::hooked::{HookedDisk, Op};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Recorded, Skill, Uuid};

/// Much shorter than the disk is stuck, and much longer than a call takes otherwise.
const DEADLINE: Duration = Duration::from_millis(500);

/// The calls that the disk delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Syncs,
    Everything,
}

/// Delays calls of the disk until the test releases them.
#[derive(Debug, Clone, Default)]
struct Hold(Arc<(Mutex<Held>, Condvar)>);

impl Hold {
    fn set(&self, held: Held) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    /// Returns the real disk, whose calls this hold delays. It never delays the call that takes the lock.
    fn disk(&self) -> HookedDisk {
        let Self(hold) = self.clone();
        HookedDisk::new(move |op, _| {
            let keeps = |held: &mut Held| match held {
                Held::Nothing => false,
                Held::Syncs => op == Op::Sync,
                Held::Everything => op != Op::Lock,
            };
            drop(hold.1.wait_while(hold.0.lock().unwrap(), keeps).unwrap());
            Ok(())
        })
    }
}

struct Scene {
    _directory: tempfile::TempDir,
    path: PathBuf,
    hold: Hold,
    ledger: Ledger,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let (hold, warnings) = (Hold::default(), Arc::<Mutex<Vec<String>>>::default());
        let heard = Arc::clone(&warnings);
        let ledger = Options::new()
            .storage(Arc::new(hold.disk()))
            .deadline(Some(DEADLINE))
            .on_warning(move |error| heard.lock().unwrap().push(error.to_string()))
            .open(&path)
            .unwrap();
        Self { _directory: directory, path, hold, ledger, warnings }
    }

    fn execute(&self) -> (Uuid, Recorded) {
        let run = self.ledger.begin(Skill::new("s", "1.0.0"));
        (run.id(), run.succeed())
    }

    /// Releases the disk, waits until no call is in progress, and returns the records and the warnings.
    fn records(self) -> (Vec<ExecutionMetrics>, Vec<String>) {
        self.hold.set(Held::Nothing);
        // Calls take turns, so a call that has returned shows that those before it have too.
        assert!(self.execute().1.is_durable());
        assert!(LedgerReader::open(&self.path).unwrap().verify(&[]).unwrap().is_clean());
        let records = LedgerReader::open(&self.path).unwrap().records().map(Result::unwrap).collect();
        (records, self.warnings.lock().unwrap().clone())
    }
}

fn is_late(answer: &Answer) -> bool {
    matches!(answer, Answer::Late(error) if error.kind() == ErrorKind::Timeout)
}

/// The call keeps its deadline, the skill continues, and the record arrives.
#[test]
fn row_09_slow_disk() {
    let scene = Scene::new();
    assert!(scene.execute().1.is_durable());
    scene.hold.set(Held::Syncs);
    let late: Vec<_> = (0..3).map(|_| scene.execute()).collect();
    for (_, recorded) in &late {
        assert!(is_late(&recorded.answer), "{recorded:?}");
        assert!(recorded.unmarked.is_none(), "a begin mark needs no sync");
    }
    // The first of them was written before its sync was stuck, so it would survive a kill now.
    let ids = |records: &[ExecutionMetrics]| records.iter().map(|record| record.execution_id).collect::<Vec<_>>();
    let now: Vec<_> = LedgerReader::open(&scene.path).unwrap().records().map(Result::unwrap).collect();
    assert!(ids(&now).contains(&late[0].0), "{now:?}");
    let (records, warnings) = scene.records();
    let found = ids(&records);
    assert!(late.iter().all(|(id, _)| found.iter().filter(|found| *found == id).count() == 1), "{found:?}");
    assert_eq!(records.len(), 1 + late.len() + 1);
    // The ledger warned when the calls returned, and not again when the records arrived.
    let text = "a record is not stored yet: cannot append to the ledger: ";
    assert!(warnings.len() == late.len() && warnings.iter().all(|late| late.starts_with(text)), "{warnings:?}");
}

/// No call of the disk returns, except for locks. Each call of the ledger returns at its deadline.
#[test]
fn row_09_dead_disk() {
    let scene = Scene::new();
    scene.hold.set(Held::Everything);
    let (id, recorded) = scene.execute();
    assert!(is_late(&recorded.answer), "{recorded:?}");
    assert_eq!(recorded.unmarked.as_ref().map(runledger::Error::kind), Some(ErrorKind::Timeout));
    let text = recorded.unmarked.unwrap().to_string();
    assert!(text.contains("the disk has not answered for 500 ms"), "{text}");
    let (records, _) = scene.records();
    assert_eq!(records.iter().filter(|record| record.execution_id == id).count(), 1);
}

/// The kernel delays each sync of the commit area, and the process ends before the first sync is over. Records that
/// were written are there, and the others are interrupted executions.
#[test]
fn row_09_the_kernel_keeps_every_sync() {
    if !strace::can_trace() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = ledger_path(directory.path());
    // Opening a closed ledger syncs nothing.
    assert!(Ledger::open(&path).unwrap().begin(Skill::new("before", "1.0.0")).succeed().is_durable());
    let area = path.with_extension("ledger").join("commit");
    let delay = format!("inject=fdatasync:delay_enter={}s", KEPT.as_secs());
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-P", area.to_str().unwrap(), "-e", "trace=fdatasync", "-e", &delay]);
    let status = prepare(traced.args(arguments()), "record", directory.path()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    drop(Ledger::open(&path).unwrap());
    let found = contents(&path, "after the process has ended");
    let reported = report(&directory.path().join("report"));
    let ids: Vec<Uuid> = reported.iter().map(|line| line[1].parse().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(found.len(), 1 + ids.len());
    assert_eq!(found[&ids[0]].1.execution_succeeded, Some(true), "it was written before its sync");
    assert!(ids[1..].iter().all(|id| is_interrupted(&found[id].1)), "{found:?}");
}

/// Much longer than the deadline. Each of the three executions ends within this time.
const KEPT: Duration = Duration::from_secs(8);

/// The deadline is longer than the range of the clock.
#[test]
fn the_longest_deadline_works_like_no_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Options::new().deadline(Some(Duration::MAX)).open(directory.path().join("ledger.jsonl")).unwrap();
    assert!(ledger.begin(Skill::new("s", "1.0.0")).succeed().is_durable());
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((_, directory)) = task() else { return };
    let ledger = Options::new().deadline(Some(DEADLINE)).on_warning(|_| {}).open(ledger_path(&directory)).unwrap();
    let report = Report::open(&directory.join("report"));
    for _ in 0..3 {
        let begin = Instant::now();
        let run = ledger.begin(Skill::new("s", "1.0.0"));
        let id = run.id();
        let answer = run.succeed().answer;
        assert!(is_late(&answer), "{answer:?}");
        assert!(begin.elapsed() < KEPT, "{:?}", begin.elapsed());
        report.say(&format!("late {id}"));
    }
    std::process::exit(0);
}
