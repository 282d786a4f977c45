//! Promise: on a dead disk nothing waits in memory. A file of one test, so that no other's memory is measured.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runledger::journal::storage::{Access, Disk, Stat, Storage, StorageFile};
use runledger::{Answer, ExecutionMetrics, Options, Timestamp, Uuid};

/// The real disk, until it dies.
#[derive(Debug, Clone, Default)]
struct MortalDisk(Arc<AtomicBool>);

#[derive(Debug)]
struct MortalFile(MortalDisk, Box<dyn StorageFile>);

impl MortalDisk {
    fn alive<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.0.load(Ordering::Relaxed) { Err(io::Error::from_raw_os_error(5)) } else { operation() }
    }
}

impl Storage for MortalDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        self.alive(|| Ok(Box::new(MortalFile(self.clone(), Disk.open(path, access)?)) as _))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.alive(|| Disk.stat(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.alive(|| Disk.create_dir(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.alive(|| Disk.list(directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.alive(|| Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.alive(|| Disk.remove(path))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.alive(|| Disk.sync_dir(directory))
    }
}

impl StorageFile for MortalFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.alive(|| self.1.read_at(buffer, offset))
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.alive(|| self.1.append(bytes))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.alive(|| self.1.write_at(bytes, offset))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.alive(|| self.1.truncate(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.0.alive(|| self.1.sync())
    }

    fn stat(&self) -> io::Result<Stat> {
        self.0.alive(|| StorageFile::stat(&*self.1))
    }

    fn length(&self) -> io::Result<u64> {
        self.0.alive(|| self.1.length())
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.alive(|| self.1.try_lock())
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.0.alive(|| self.1.try_lock_shared())
    }

    fn unlock(&self) -> io::Result<()> {
        self.1.unlock()
    }
}

/// The memory of this process that is in use, in bytes; `None` where the system does not say.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[test]
fn row_12_lost_records_take_no_memory() {
    const RECORDS: u64 = 300;
    const RECORD_BYTES: usize = 100_000;
    if resident_bytes().is_none() {
        println!("NOT TESTED: the system does not say how much memory a process uses");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disk = MortalDisk::default();
    let options = Options::new().storage(Arc::new(disk.clone())).on_warning(|_| {});
    let ledger = options.open(directory.path().join("execution_metrics.jsonl")).unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.tags.insert("filler".to_owned(), "x".repeat(RECORD_BYTES).into());
    let mut lose = |count| {
        for _ in 0..count {
            record.execution_id = Uuid::from_u128(record.execution_id.as_u128() + 1);
            assert!(matches!(ledger.append(&record).unwrap(), Answer::Lost(_)));
        }
    };
    disk.0.store(true, Ordering::Relaxed);
    lose(30);
    let before = resident_bytes().unwrap();
    lose(RECORDS);
    let grown = resident_bytes().unwrap().saturating_sub(before);
    assert!(grown < RECORDS * RECORD_BYTES as u64 / 3, "{grown} bytes more after {RECORDS} lost records");
    disk.0.store(false, Ordering::Relaxed);
    drop(ledger);
    let events = std::fs::read_to_string(directory.path().join("execution_metrics.ledger/events.jsonl")).unwrap();
    assert!(events.contains(&format!("\"event\":\"lost\",\"records\":{}", RECORDS + 30)), "{events}");
}
