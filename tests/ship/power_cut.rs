//! A ledger and a store in a directory survive a power cut at any moment, and each record is shipped once.

use std::sync::Arc;

use runledger::disk::simulated::SimulatedDisk;
use runledger::ship::{DirectoryStore, Shipper, ShipperOptions, Store};
use runledger::{Durability, Ledger, Options};

use crate::support::{append, assert_exactly_once, number, open, rows_of, shipper, text};

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

fn ledger_on(disk: &SimulatedDisk) -> Ledger {
    let options = Options::new().storage(Arc::new(disk.clone())).durability(Durability::Flushed);
    options.rotate_bytes(Some(10_000)).on_warning(|_| {}).open("/machine/execution_metrics.jsonl").unwrap()
}

fn ship_from(ledger: &Ledger, store: DirectoryStore) {
    let options = ShipperOptions::new().file_bytes(3_000);
    Shipper::new(ledger.reader().follow().unwrap(), Box::new(store), options).ship(true).unwrap();
}

/// The numbers and hashes of all lines in a store.
fn shipped(store: &DirectoryStore) -> Vec<(i64, String)> {
    let files = store.list("v=1").unwrap();
    let rows = files.iter().flat_map(|name| rows_of(&store.get(name).unwrap().unwrap()));
    let mut lines: Vec<_> = rows.map(|row| (number(&row, "seq"), text(&row, "hash").to_owned())).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn row_36_a_power_cut_of_the_ledger_at_each_call_ships_no_line_that_is_lost() {
    let disk = SimulatedDisk::new();
    let store = |disk: &SimulatedDisk| DirectoryStore::on(Arc::new(disk.clone()), "/fleet");
    let ledger = ledger_on(&disk);
    append(&ledger, 1..=8);
    let first = disk.calls().len();
    ship_from(&ledger, store(&disk));
    let calls = disk.calls().len();
    assert!(calls > first + 20);
    let mut lost = 0;
    for after in first..=calls {
        for loss in disk.losses(after, 1, after as u64) {
            let rebooted = disk.crash_after(after, loss);
            let ledger = ledger_on(&rebooted);
            // Lines that were lost get other lines in their place.
            append(&ledger, 101..=103);
            ship_from(&ledger, store(&rebooted));
            let mut follower = ledger.reader().follow().unwrap();
            let mut lines = Vec::new();
            while let Some(line) = follower.next_line().unwrap() {
                let json: serde_json::Value = serde_json::from_slice(line.line.bytes).unwrap();
                lines.push((line.seq.unwrap() as i64, json["hash"].as_str().unwrap().to_owned()));
            }
            lost += usize::from(lines.len() < 11);
            assert_eq!(shipped(&store(&rebooted)), lines, "{after}");
        }
    }
    assert!(lost > 0, "no power cut has lost a line");
}
