//! Promise: after any failure or crash during the export of a run, acknowledged work is kept, and another export
//! completes the rest. No error gets a second number or is counted twice, and every link leads to a complete log. The
//! tests use a simulated disk.

#![cfg(feature = "simulation")]

use std::path::Path;
use std::sync::Arc;

use runledger::disk::simulated::{InjectedFault, Loss, SimulatedDisk, When};
use runledger::disk::{Access, Storage};
use runledger::journal::JournalOptions;
use runledger::metrics::{Status, TracedError};
use runledger::runlog::{ErrorId, ErrorRegistry, ErrorStatus, Exported, Run, RunLog};
use runledger::{ExecutionMetrics, PriceTable, Uuid};

const DIRECTORY: &str = "/logs/run-logs";
const EIO: InjectedFault = InjectedFault::Os(5);
const ENOSPC: InjectedFault = InjectedFault::Os(28);

fn open(disk: &SimulatedDisk) -> runledger::Result<ErrorRegistry> {
    let options = JournalOptions::new(Arc::new(|| 1_771_079_000_000)).storage(Arc::new(disk.clone()));
    ErrorRegistry::open(DIRECTORY, options.on_warning(|_| {}))
}

/// Returns two runs. The second run meets one error of the first run again, and one of its own.
fn runs() -> [Run; 2] {
    let run = |number: u128, errors: [&str; 2]| {
        let mut record =
            ExecutionMetrics::new(Uuid::from_u128(number), "publish", "1", "2026-02-14T11:00:00Z".parse().unwrap());
        record.timestamp_end = Some(record.timestamp_start);
        record.set_status(Status::Failed);
        record.set_error_reason(errors[1]);
        record.trace.errors = vec![TracedError::new(record.timestamp_start, errors[0])];
        Run::new(format!("r-{number}"), [record]).unwrap()
    };
    [run(1, ["lock is held", "timed out after 30 s"]), run(2, ["timed out after 31 s", "refused"])]
}

fn export(registry: &ErrorRegistry, run: &Run) -> runledger::Result<Exported> {
    registry.export(run, PriceTable::bundled().unwrap())
}

fn read(disk: &SimulatedDisk, name: &str) -> String {
    let file = disk.open(&Path::new(DIRECTORY).join(name), Access::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

/// Asserts that acknowledged work is kept.
fn check(disk: &SimulatedDisk, registry: &ErrorRegistry, exported: &[Exported], resolved: bool, at: &str) {
    let errors = registry.errors().unwrap();
    for (place, error) in errors.iter().enumerate() {
        assert_eq!(error.id.to_string(), format!("ERR-{:03}", place + 1), "{at}");
        for name in &error.run_logs {
            let log = RunLog::parse(&read(disk, name)).unwrap_or_else(|what| panic!("{at}: {name}: {what}"));
            assert!(log.errors.iter().any(|met| met.registry_id == Some(error.id.to_string())), "{at}: {name}");
        }
    }
    for Exported { name, log, .. } in exported {
        assert_eq!(read(disk, &name.to_string()), log.to_markdown(), "{at}");
        for met in &log.errors {
            let error = errors.iter().find(|error| Some(error.id.to_string()) == met.registry_id).unwrap();
            assert!(error.run_logs.contains(&name.to_string()), "{at}: {name}");
        }
        assert!(read(disk, "error-registry.md").contains(&format!("| **Run Log** | `{name}` |")), "{at}: {name}");
    }
    if resolved {
        assert!(read(disk, "error-registry.md").contains("| **Status** | RESOLVED |"), "{at}");
        assert_eq!(errors[0].status, ErrorStatus::Resolved, "{at}");
    }
}

/// Asserts that another export ends like an undisturbed one.
fn complete(disk: &SimulatedDisk, registry: &ErrorRegistry, at: &str) {
    let exported = runs().map(|run| export(registry, &run).unwrap_or_else(|error| panic!("{at}: {}", error)));
    check(disk, registry, &exported, false, at);
    let listed: Vec<_> =
        registry.errors().unwrap().iter().map(|error| format!("{} {}", error.message, error.count)).collect();
    assert_eq!(listed.len(), 3, "{at}: {listed:?}");
    let counted = |message: &str| listed.iter().any(|listed| listed == message);
    assert!(counted("lock is held 1") && counted("refused 1"), "{at}: {listed:?}");
    assert!(counted("timed out after 30 s 2") || counted("timed out after 31 s 2"), "{at}: {listed:?}");
    assert!(read(disk, "error-registry.md").contains("**Errors:** 3 ("), "{at}");
}

#[test]
fn a_crash_at_each_call_of_an_export() {
    let disk = SimulatedDisk::new();
    let registry = open(&disk).unwrap();
    let begin = disk.calls().len();
    let mut exported = Vec::new();
    for run in &runs() {
        exported.push((export(&registry, run).unwrap(), disk.calls().len()));
    }
    registry.resolve("ERR-001".parse::<ErrorId>().unwrap(), "waits longer").unwrap();
    let end = disk.calls().len();
    let mut states = 0;
    for calls in begin..=end {
        // None, all, and some of the unsynced writes are lost.
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Numbered(1 + calls as u64)] {
            let at = format!("after {calls} of {begin} to {end} calls, {loss:?}");
            let after = disk.crash_after(calls, loss);
            let listed: Vec<_> = exported.iter().filter(|(_, by)| *by <= calls).map(|(it, _)| it.clone()).collect();
            let registry = open(&after).unwrap_or_else(|error| panic!("{at}: {error}"));
            check(&after, &registry, &listed, calls == end, &at);
            complete(&after, &registry, &at);
            states += 1;
        }
    }
    assert!(states > 100, "{states} states");
    println!("{states} states after {} calls", end - begin);
}

#[test]
fn an_error_at_each_operation_of_an_export() {
    let made = SimulatedDisk::new();
    drop(open(&made).unwrap());
    let again = || made.crash_after(usize::MAX, Loss::Nothing);
    let whole = again();
    let registry = open(&whole).unwrap();
    let begin = whole.operations();
    runs().iter().for_each(|run| drop(export(&registry, run).unwrap()));
    let end = whole.operations();
    let mut refused = 0;
    for operation in begin..end {
        let fault = if operation % 2 == 0 { EIO } else { ENOSPC };
        let at = format!("{fault:?} at operation {operation} of {begin} to {end}");
        let disk = again();
        let registry = open(&disk).unwrap();
        disk.inject(When::Operation(operation), fault);
        let exported: Vec<_> = runs().iter().filter_map(|run| export(&registry, run).ok()).collect();
        refused += 2 - exported.len();
        disk.lift_faults();
        check(&disk, &registry, &exported, false, &at);
        complete(&disk, &registry, &at);
    }
    assert!(refused > 20, "{refused} exports refused");
    println!("{refused} exports refused, of {} operations", end - begin);
}
