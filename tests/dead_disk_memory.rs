//! Promise: if the disk is dead, records do not pile up in memory. This file has only one test, because the test
//! measures the memory of its whole process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod hooked;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hooked::HookedDisk;
use runledger::{Answer, ExecutionMetrics, Options, Timestamp, Uuid};

/// Returns the memory in use by this process, in bytes; `None` if the system does not report it.
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
    let dead = Arc::new(AtomicBool::new(false));
    let dies = Arc::clone(&dead);
    let disk = HookedDisk::new(move |_, _| match dies.load(Ordering::Relaxed) {
        true => Err(io::Error::from_raw_os_error(5)),
        false => Ok(()),
    });
    let options = Options::new().storage(Arc::new(disk)).on_warning(|_| {});
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
    dead.store(true, Ordering::Relaxed);
    lose(30);
    let before = resident_bytes().unwrap();
    lose(RECORDS);
    let grown = resident_bytes().unwrap().saturating_sub(before);
    assert!(grown < RECORDS * RECORD_BYTES as u64 / 3, "{grown} bytes more after {RECORDS} lost records");
    dead.store(false, Ordering::Relaxed);
    drop(ledger);
    let events = std::fs::read_to_string(directory.path().join("execution_metrics.ledger/events.jsonl")).unwrap();
    assert!(events.contains(&format!("\"event\":\"lost\",\"records\":{}", RECORDS + 30)), "{events}");
}
