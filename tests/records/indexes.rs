//! Promise: an index is never in the way, whatever the ledger looks like when it is built.

use std::fs;
use std::path::{Path, PathBuf};

use runledger::metrics::RunIds;
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid};

fn record(id: u128, run: &str, parent_run: Option<&str>) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 64), "draw", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.run = RunIds::new(run);
    record.run.parent_run_id = parent_run.map(str::to_owned);
    record
}

fn open(path: &Path, rotate_bytes: u64) -> Ledger {
    Options::new().durability(Durability::Flushed).rotate_bytes(Some(rotate_bytes)).open(path).unwrap()
}

fn index_of(path: &Path, segment: u64) -> PathBuf {
    path.with_extension("ledger").join(format!("sealed/{segment:06}.index"))
}

/// An index of an empty active segment does not say that the lines that follow are not clean.
#[test]
fn an_empty_segment_is_clean_and_gets_an_index_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 1 << 30);
    let reader = LedgerReader::open(&path).unwrap();
    assert_eq!(reader.rebuild_index().unwrap().unclean, [0; 0]);
    let mut long = record(1, "run-7", None);
    long.skill_name = "x".repeat(100_000);
    for id in 1..60 {
        long.execution_id = Uuid::from_u128(id << 64);
        ledger.append(&long).unwrap();
    }
    assert_eq!(reader.find(long.execution_id).unwrap(), Some(long));
    let bytes = fs::read(index_of(&path, 1)).unwrap();
    assert_eq!((bytes[72], fs::metadata(&path).unwrap().len().to_le_bytes()), (1, bytes[40..48].try_into().unwrap()));
}
