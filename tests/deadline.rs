//! Promise: with a deadline, a disk that does not answer costs a call the deadline and no more; what was answered as late
//! is stored when the disk answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod hooked;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hooked::{HookedDisk, Op};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Options, Recorded, Records, Skill, Uuid, verify};

/// Much shorter than the disk is stuck, and much longer than it takes when it is not.
const DEADLINE: Duration = Duration::from_millis(500);

/// What the disk keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Syncs,
    Everything,
}

/// Keeps calls of the disk until it is told to let them go.
#[derive(Debug, Clone, Default)]
struct Hold(Arc<(Mutex<Held>, Condvar)>);

impl Hold {
    fn set(&self, held: Held) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    /// The disk itself; the lock is no matter of the disk.
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

    /// Lets the disk go, waits until nobody is at it any more, and gives the records.
    fn records(self) -> (Vec<ExecutionMetrics>, Vec<String>) {
        self.hold.set(Held::Nothing);
        // A call that has come through shows that those before it have: each takes its turn.
        assert!(self.execute().1.is_durable());
        assert!(verify(&self.path, &[]).unwrap().is_clean());
        let records = Records::open(&self.path).unwrap().map(Result::unwrap).collect();
        (records, self.warnings.lock().unwrap().clone())
    }
}

fn is_late(answer: &Answer) -> bool {
    matches!(answer, Answer::Late(error) if error.kind() == ErrorKind::Timeout)
}

/// The call keeps its deadline, the skill goes on, and the record arrives.
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
    // The first of them was written before its sync was stuck: a kill now would not take it.
    let ids = |records: &[ExecutionMetrics]| records.iter().map(|record| record.execution_id).collect::<Vec<_>>();
    let now: Vec<_> = Records::open(&scene.path).unwrap().map(Result::unwrap).collect();
    assert!(ids(&now).contains(&late[0].0), "{now:?}");
    let (records, warnings) = scene.records();
    let found = ids(&records);
    assert!(late.iter().all(|(id, _)| found.iter().filter(|found| *found == id).count() == 1), "{found:?}");
    assert_eq!(records.len(), 1 + late.len() + 1);
    assert_eq!(warnings, [""; 0]);
}

/// A disk on which no call returns: each call of ours does, and takes a thread at most.
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
