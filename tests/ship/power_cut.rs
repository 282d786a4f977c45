//! A store in a directory survives a power cut at any moment, and each record is shipped once.

use std::sync::Arc;

use runledger::disk::simulated::SimulatedDisk;
use runledger::ship::DirectoryStore;

use crate::support::{append, assert_exactly_once, open, shipper};

#[test]
fn row_36_a_power_cut_of_the_store_at_each_call_loses_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=14);
    let disk = SimulatedDisk::new();
    let store = |disk: &SimulatedDisk| DirectoryStore::on(Arc::new(disk.clone()), "/fleet");
    assert!(shipper(&path, store(&disk)).ship(true).unwrap().files > 1);
    let calls = disk.calls().len();
    assert!(calls > 20);
    for after in 0..=calls {
        for loss in disk.losses(after, 3, after as u64) {
            let rebooted = disk.crash_after(after, loss);
            shipper(&path, store(&rebooted)).ship(true).unwrap();
            assert_exactly_once(&store(&rebooted), &path, 14);
        }
    }
}
