//! Promise: with a deadline, a disk that does not answer costs a call the deadline and no more; what was answered as late
//! is stored when the disk answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use runledger::journal::storage::{Access, Disk, Stat, Storage, StorageFile};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Options, Recorded, Records, Skill, Uuid, verify};

/// Much shorter than the disk is stuck, and much longer than it takes when it is not.
const DEADLINE: Duration = Duration::from_millis(500);

/// The real disk, whose syncs and, if so wished, writes do not return while it is held.
#[derive(Debug, Clone, Default)]
struct HeldDisk(Arc<Hold>);

#[derive(Debug, Default)]
struct Hold {
    held: Mutex<Held>,
    freed: Condvar,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Nothing,
    Syncs,
    Everything,
}

impl HeldDisk {
    fn hold(&self, held: Held) {
        *self.0.held.lock().unwrap() = held;
        self.0.freed.notify_all();
    }

    fn pass(&self, least: Held) {
        let held = self.0.held.lock().unwrap();
        drop(self.0.freed.wait_while(held, |held| *held == Held::Everything || *held == least).unwrap());
    }
}

impl Storage for HeldDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.pass(Held::Everything);
        Ok(Box::new(HeldFile { file: Disk.open(path, access)?, disk: self.clone() }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.pass(Held::Everything);
        Disk.stat(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Held::Everything);
        Disk.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.pass(Held::Everything);
        Disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Held::Everything);
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass(Held::Everything);
        Disk.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.pass(Held::Syncs);
        Disk.sync_dir(directory)
    }
}

#[derive(Debug)]
struct HeldFile {
    file: Box<dyn StorageFile>,
    disk: HeldDisk,
}

impl StorageFile for HeldFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.pass(Held::Everything);
        self.file.read_at(buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.pass(Held::Everything);
        self.file.append(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.pass(Held::Everything);
        self.file.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.pass(Held::Everything);
        self.file.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.pass(Held::Syncs);
        self.file.sync()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.disk.pass(Held::Everything);
        self.file.stat()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.pass(Held::Everything);
        self.file.length()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.file.try_lock_shared()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

struct Scene {
    _directory: tempfile::TempDir,
    path: PathBuf,
    disk: HeldDisk,
    ledger: Ledger,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let (disk, warnings) = (HeldDisk::default(), Arc::<Mutex<Vec<String>>>::default());
        let heard = Arc::clone(&warnings);
        let ledger = Options::new()
            .storage(Arc::new(disk.clone()))
            .deadline(Some(DEADLINE))
            .on_warning(move |error| heard.lock().unwrap().push(error.to_string()))
            .open(&path)
            .unwrap();
        Self { _directory: directory, path, disk, ledger, warnings }
    }

    fn execute(&self) -> (Uuid, Recorded) {
        let run = self.ledger.begin(Skill::new("s", "1.0.0"));
        (run.id(), run.succeed())
    }

    /// Lets the disk go, waits until nobody is at it any more, and gives the records.
    fn records(self) -> (Vec<ExecutionMetrics>, Vec<String>) {
        self.disk.hold(Held::Nothing);
        let Self { ledger, path, warnings, .. } = &self;
        // A call that has come through shows that those before it have: each takes its turn.
        assert!(self.execute().1.is_durable());
        let _ = ledger;
        assert!(verify(path, &[]).unwrap().is_clean());
        let records = Records::open(path).unwrap().map(Result::unwrap).collect();
        (records, warnings.lock().unwrap().clone())
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
    scene.disk.hold(Held::Syncs);
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
    scene.disk.hold(Held::Everything);
    let (id, recorded) = scene.execute();
    assert!(is_late(&recorded.answer), "{recorded:?}");
    assert_eq!(recorded.unmarked.as_ref().map(runledger::Error::kind), Some(ErrorKind::Timeout));
    let text = recorded.unmarked.unwrap().to_string();
    assert!(text.contains("the disk has not answered for 500 ms"), "{text}");
    let (records, _) = scene.records();
    assert_eq!(records.iter().filter(|record| record.execution_id == id).count(), 1);
}
