//! Promise: a failing or slow disk does not affect the spans. When the disk works again, each of their records is
//! stored once. The tests use a simulated disk, and a ledger with a deadline.

#![cfg(feature = "simulation")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runledger::disk::simulated::{InjectedFault, Op, SimulatedDisk};
use runledger::tracing::LedgerLayer;
use runledger::{Ledger, LedgerReader, Options};
use tracing::info_span;

use crate::support::traced;

const PATH: &str = "/logs/execution_metrics.jsonl";

fn open(disk: &SimulatedDisk) -> Ledger {
    Options::new().storage(Arc::new(disk.clone())).on_warning(|_| {}).open(PATH).unwrap()
}

/// Returns the names of all records, each of which is there once.
fn names(reader: &LedgerReader) -> BTreeSet<String> {
    let names: Vec<_> = reader.records().map(|record| record.unwrap().skill_name).collect();
    let all: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(all.len(), names.len(), "{names:?}");
    assert_eq!(reader.verify(&[]).unwrap().repeated_count, 0);
    all
}

#[test]
fn records_of_spans_that_a_disk_refused_are_stored_later() {
    let mut spilled = 0;
    for number in 0..12 {
        let disk = SimulatedDisk::new();
        let ledger = open(&disk);
        let layer = LedgerLayer::new(ledger.clone());
        let before = disk.operations();
        // The spill is a file of its own, which can be written.
        let fails = move |at: usize, op: Op, path: &Path| {
            at >= before + number && op == Op::Append && !path.to_string_lossy().contains("spill")
        };
        disk.inject_lasting(fails, InjectedFault::Os(5));
        traced(&layer, || (0..20).for_each(|at| drop(info_span!("x", runledger.skill = format!("bad-{at}")))));
        spilled += ledger.reader().spilled().unwrap().records.len();
        disk.lift_faults();
        traced(&layer, || drop(info_span!("x", runledger.skill = "good")));
        assert_eq!(names(&ledger.reader()).len(), 21, "{number}");
        assert_eq!(ledger.reader().in_flight().unwrap().executions.len(), 0, "{number}");
    }
    assert!(spilled >= 20, "{spilled}");
}

#[test]
fn a_ledger_with_a_deadline_records_each_span() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().deadline(Some(Duration::from_secs(60)));
    let ledger = options.open(directory.path().join("execution_metrics.jsonl")).unwrap();
    let layer = LedgerLayer::new(ledger.clone());
    traced(&layer, || (0..50).for_each(|at| drop(info_span!("x", runledger.skill = format!("s{at}")))));
    assert_eq!(names(&ledger.reader()).len(), 50);
    assert_eq!(ledger.reader().in_flight().unwrap().executions.len(), 0);
}
