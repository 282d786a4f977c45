//! Promise: a ledger can be read, verified and opened without a panic, whatever its files contain. Each of these ends
//! with a result or a clear error. Damage affects only the damaged line.
//!
//! A case is a list of changes to the ledger of a killed process. The cases in `tests/data/corpus` are tried first, and
//! then random ones. `RUNLEDGER_FUZZ_CASES` sets the number of random cases, and `RUNLEDGER_FUZZ_SEED` their seed. A
//! case that fails is printed in the format of the corpus files.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use runledger::{Answer, Error, ErrorKind, Ledger, LedgerReader, Options, Uuid};

use crate::tree::change::{Change, How, Random, script};
use crate::tree::{ACTIVE, Killed, Tree, append, in_memory, record};

/// The result of reading each record: its execution, or the place of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    Record(Uuid),
    None(ErrorKind, Option<u64>, Option<u64>),
}

fn read(records: impl Iterator<Item = Result<runledger::ExecutionMetrics, Error>>) -> Vec<Read> {
    let read = |record: Result<runledger::ExecutionMetrics, Error>| match record {
        Ok(record) => Read::Record(record.execution_id),
        Err(error) => Read::None(error.kind(), error.line(), error.byte()),
    };
    records.map(read).collect()
}

/// Asserts that a person can act on the error, because it names the operation and the file.
fn assert_clear(error: &Error, root: &Path) {
    let expected = [ErrorKind::Io, ErrorKind::Malformed, ErrorKind::Newer, ErrorKind::Overflow, ErrorKind::Unsuitable];
    assert!(expected.contains(&error.kind()), "{error:?}");
    assert!(error.file().is_some_and(|file| file.starts_with(root)), "{error:?}");
}

/// Returns true if the changes only change, remove or add bytes in a file, like a failing disk. Others need intent.
fn of_bytes_only(changes: &[Change]) -> bool {
    changes.iter().all(|Change { how, .. }| {
        use How::*;
        matches!(
            how,
            Flip { .. } | Set { .. } | Insert { .. } | Delete { .. } | Zero { .. } | Cut { .. } | Append { .. }
        )
    })
}

/// Checks the property: after `changes`, the ledger is read, verified, opened, and opened again.
fn check(killed: &Killed, changes: &[Change], root: &Path) {
    let mut damaged = killed.tree.clone();
    changes.iter().for_each(|change| change.apply(&mut damaged));
    let path = damaged.write(root);
    let intact = |part: &str| {
        let under = |(name, bytes): (&String, &Vec<u8>)| name.contains(part).then(|| (name.clone(), bytes.clone()));
        let of = |tree: &Tree| tree.files.iter().filter_map(under).collect::<Vec<_>>();
        of(&damaged) == of(&killed.tree) && damaged.directories == killed.tree.directories
    };
    // The executions of the lines that were not changed.
    let (lines, there) = (killed.tree.lines(), damaged.lines());
    let whole: BTreeSet<Uuid> = lines.intersection(&there).map(|line| execution_of(line)).collect();
    let all_whole = lines.is_subset(&there);
    let natural = of_bytes_only(changes);

    // Before the ledger is opened, only readers use it.
    match LedgerReader::open(&path).and_then(|reader| reader.verify(std::slice::from_ref(&killed.head))) {
        Ok(found) => {
            assert_eq!(found.fault_count as usize, found.faults.len());
            assert!(!found.is_clean() || all_whole, "a changed line, and no fault");
            if intact("sealed") && intact(ACTIVE) && intact("ledger.json") {
                assert!(found.is_clean(), "no changed line, and faults: {:?}", found.faults);
            }
        }
        Err(error) => assert_clear(&error, root),
    }
    if damaged.files.contains_key(ACTIVE) {
        let before = read(LedgerReader::open(&path).unwrap().records());
        assert_eq!(read(LedgerReader::open(&path).unwrap().records()), before, "read twice");
        let found: BTreeSet<Uuid> = executions(&before).collect();
        assert!(!natural || whole.is_subset(&found), "hidden from a reader: {:?}", whole.difference(&found));
    }

    let open = || Options::new().on_warning(|_| {}).open(&path);
    let ledger = match open() {
        Ok(ledger) => ledger,
        Err(error) => {
            assert_clear(&error, root);
            assert!(!(natural && intact("ledger.json")), "its identity is whole: {error}");
            assert!(damaged.lines().is_subset(&Tree::read(root).lines()), "refused, and a line is gone");
            return;
        }
    };
    match ledger.append(&record(200)).unwrap() {
        Answer::Durable { .. } => {}
        // Only a deliberate change can give a last line the largest number.
        Answer::Spilled(error) if error.kind() == ErrorKind::Overflow && !natural => return assert_clear(&error, root),
        other => panic!("{other:?}"),
    }
    let after = read(ledger.reader().records());
    assert_eq!(read(ledger.reader().records()), after, "read twice");
    let found: BTreeSet<Uuid> = executions(&after).collect();
    // A segment that cannot be read at all ends the reading, with an error.
    let ended = after.last().is_some_and(|last| matches!(last, Read::None(ErrorKind::Io, ..)));
    // Lines that were moved may have the numbers that come next.
    let moved =
        changes.iter().any(|change| matches!(change.how, How::Copy { .. } | How::Swap { .. } | How::Seal { .. }));
    assert!(ended || moved || found.contains(&Uuid::from_u128(200)), "acknowledged, and not read: {after:?}");
    assert_eq!(ledger.reader().verify(&[]).is_err(), ended, "what ends the reading ends the verification");
    if natural {
        let kept = quarantined(root);
        // Two changes may leave a line that cannot be shown to belong to the chain.
        let lost = |id: &&Uuid| !found.contains(id) && (intact("commit") || !kept.contains(id));
        assert_eq!(whole.iter().find(lost), None, "lost by opening");
        assert!(!intact("spill") || found.contains(&killed.spilled), "a spilled record is lost");
        let begun = killed.begun.iter().all(|begun| found.contains(begun));
        assert!(!intact("inflight") || begun, "a begun execution is lost");
    }
    drop(ledger);

    // Everything is repaired, so a second opening changes nothing.
    let repaired = lasting(root);
    let ledger = open().unwrap();
    assert_eq!(read(ledger.reader().records()), after, "read by the second opener");
    drop(ledger);
    let again = lasting(root);
    let changed = |name: &&String| again.files.get(*name) != repaired.files.get(*name);
    let names = again.files.keys().chain(repaired.files.keys());
    assert_eq!(names.filter(changed).collect::<Vec<_>>(), [""; 0], "the second opening changed something");
}

fn execution_of(line: &[u8]) -> Uuid {
    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
    value["execution_id"].as_str().unwrap().parse().unwrap()
}

fn executions(read: &[Read]) -> impl Iterator<Item = Uuid> {
    read.iter().filter_map(|read| match read {
        Read::Record(id) => Some(*id),
        Read::None(..) => None,
    })
}

/// Returns the executions of the lines in quarantine.
fn quarantined(root: &Path) -> BTreeSet<Uuid> {
    let tree = Tree::read(root);
    let kept = tree.files.iter().filter(|(name, _)| name.contains("quarantine"));
    let lines = kept.flat_map(|(_, bytes)| bytes.split(|&byte| byte == b'\n'));
    let id = |line| serde_json::from_slice::<serde_json::Value>(line).ok()?["execution_id"].as_str()?.parse().ok();
    lines.filter_map(id).collect()
}

/// Returns the tree without the files that each opening writes.
fn lasting(root: &Path) -> Tree {
    let mut tree = Tree::read(root);
    tree.files.retain(|name, _| !name.ends_with("/commit") && !name.ends_with("/sweep"));
    tree
}

/// Checks cases, and returns their number. Prints a case that fails or takes more than a minute.
fn run(killed: &Killed, cases: impl Iterator<Item = (String, Vec<Change>)> + Send, root: &Path) -> u64 {
    std::thread::scope(|scope| {
        let (say, said) = mpsc::channel::<String>();
        let worker = scope.spawn(move || {
            let mut count = 0;
            for (name, changes) in cases {
                let script: String = changes.iter().map(|change| format!("{change}\n")).collect();
                let case = format!("{name}:\n{script}");
                let _ = say.send(case.clone());
                let outcome = catch_unwind(AssertUnwindSafe(|| check(killed, &changes, root)));
                assert!(outcome.is_ok(), "this case failed, see above: {case}");
                count += 1;
            }
            count
        });
        let mut last = String::new();
        loop {
            match said.recv_timeout(Duration::from_secs(60)) {
                Ok(case) => last = case,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // The worker cannot be stopped, so the whole test ends.
                    eprintln!("this case hangs: {last}");
                    std::process::abort();
                }
            }
        }
        worker.join().unwrap_or_else(|_| panic!("a case failed, see above"))
    })
}

fn from_environment<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn row_03_every_case_of_the_corpus() {
    let killed = Killed::make();
    let root = in_memory();
    let mut paths: Vec<_> = fs::read_dir("tests/data/corpus").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases = paths.iter().map(|path| {
        let changes = script(&fs::read_to_string(path).unwrap(), &killed.tree);
        (path.display().to_string(), changes)
    });
    let count = run(&killed, cases, &root.path().join("case"));
    assert!(count > 10, "{count} cases");
}

#[test]
fn row_03_random_damage_of_every_file() {
    let seed = from_environment("RUNLEDGER_FUZZ_SEED").unwrap_or(20_260_214u64);
    let cases = from_environment("RUNLEDGER_FUZZ_CASES").unwrap_or(2_000u64);
    println!("RUNLEDGER_FUZZ_SEED={seed} RUNLEDGER_FUZZ_CASES={cases}");
    let killed = Killed::make();
    let root = in_memory();
    let cases = (0..cases).map(|case| {
        let mut random = Random(seed ^ case.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut tree = killed.tree.clone();
        let bytes_only = random.below(2) == 0;
        let changes: Vec<_> = (0..=random.below(5))
            .map(|_| {
                let change = Change::generate(&tree, &mut random, bytes_only);
                change.apply(&mut tree);
                change
            })
            .collect();
        (format!("seed {seed}, case {case}"), changes)
    });
    run(&killed, cases, &root.path().join("case"));
}

/// The property holds for an unchanged ledger.
#[test]
fn the_property_holds_for_an_unchanged_ledger() {
    let killed = Killed::make();
    let root = in_memory();
    check(&killed, &[], &root.path().join("case"));
    assert_eq!(killed.tree.lines().len(), killed.lines.len());
    let ledger = Ledger::open(root.path().join("case").join(ACTIVE)).unwrap();
    let mut expected = killed.lines.clone();
    expected.extend([killed.spilled, killed.begun[0], killed.begun[1], Uuid::from_u128(200)]);
    assert_eq!(
        ledger.reader().records().map(|record| record.unwrap().execution_id).collect::<BTreeSet<_>>(),
        expected.into_iter().collect()
    );
    assert_eq!(append(&ledger, 201), 12);
}

/// A script has the same effect as the changes from which it was written.
#[test]
fn a_case_is_read_back_from_its_script() {
    let killed = Killed::make();
    let mut random = Random(7);
    for _ in 0..500 {
        let change = Change::generate(&killed.tree, &mut random, false);
        assert_eq!(script(&change.to_string(), &killed.tree), [change]);
    }
}
