//! The library's verification of a fleet: a file that was removed, changed, doubled or replaced is found.

use std::fs;
use std::path::{Path, PathBuf};

use runledger::fleet::{Fleet, FleetFaultKind};
use runledger::ship::{DirectoryStore, FileName, Store};

use crate::support::{append, open, ship, time};

/// Ships a ledger of 60 records to `root`. Returns the names of the files, in the order of their lines.
fn shipped(directory: &Path, root: &Path, ledger: &str) -> Vec<FileName> {
    let path = directory.join(ledger).join("execution_metrics.jsonl");
    append(&open(&path), 1..=60);
    let before = names(root);
    ship(&path, root, true).unwrap();
    let mut names = names(root);
    names.retain(|name| !before.contains(name));
    names.sort_unstable_by_key(|name| name.first);
    assert!(names.len() > 4, "{names:?}");
    names
}

fn names(root: &Path) -> Vec<FileName> {
    DirectoryStore::new(root).list("v=1").unwrap().iter().filter_map(|name| FileName::parse(name)).collect()
}

fn faults(root: &Path) -> Vec<FleetFaultKind> {
    let now = time("2026-02-20T00:00:00Z");
    let found = Fleet::open(Box::new(DirectoryStore::new(root))).unwrap().verify(now, Some(2), true, || ()).unwrap();
    found.faults.iter().map(|fault| fault.kind).collect()
}

/// A store with one shipped ledger.
struct Shipped {
    directory: tempfile::TempDir,
    root: PathBuf,
    names: Vec<FileName>,
}

fn one() -> Shipped {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("fleet");
    let names = shipped(directory.path(), &root, "one");
    assert_eq!(faults(&root), []);
    Shipped { directory, root, names }
}

impl Shipped {
    fn path(&self, at: usize) -> PathBuf {
        self.root.join(self.names[at].to_string())
    }
}

#[test]
fn a_removed_file_is_a_gap_and_the_last_one_leaves_a_claim() {
    let fleet = one();
    let removed = fs::read(fleet.path(1)).unwrap();
    fs::remove_file(fleet.path(1)).unwrap();
    let kinds = faults(&fleet.root);
    assert_eq!(kinds.first(), Some(&FleetFaultKind::Gap), "{kinds:?}");
    fs::write(fleet.path(1), removed).unwrap();
    fs::remove_file(fleet.path(fleet.names.len() - 1)).unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::Claim]);
}

#[test]
fn a_changed_file_is_found_by_its_footer() {
    let fleet = one();
    let (first, second) = (fs::read(fleet.path(0)).unwrap(), fs::read(fleet.path(1)).unwrap());
    fs::write(fleet.path(0), &second).unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::Footer]);
    fs::write(fleet.path(0), &first[..first.len() - 9]).unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::NotParquet]);
    fs::write(fleet.path(0), b"").unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::NotParquet]);
}

#[test]
fn a_doubled_file_is_an_overlap() {
    let fleet = one();
    let FileName { date, ledger, first, last, hash16, .. } = &fleet.names[1];
    let doubled = FileName::new(date.succ_opt().unwrap(), *ledger, *first, *last, hash16);
    let path = fleet.root.join(doubled.to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(fleet.path(1), path).unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::Overlap]);
}

#[test]
fn files_of_two_ledgers_with_one_id_are_a_fork_or_break_the_chain() {
    let fleet = one();
    // Another ledger with the same id has other lines, so its files have other hashes.
    let other = fleet.directory.path().join("other");
    let path = fleet.directory.path().join("two/execution_metrics.jsonl");
    append(&open(&path), 61..=120);
    let id = fs::read(fleet.directory.path().join("one/execution_metrics.ledger/ledger.json")).unwrap();
    fs::write(path.with_extension("ledger").join("ledger.json"), id).unwrap();
    ship(&path, &other, true).unwrap();
    for name in names(&other) {
        let to = fleet.root.join(name.to_string());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(other.join(name.to_string()), to).unwrap();
    }
    let kinds = faults(&fleet.root);
    assert!(kinds.contains(&FleetFaultKind::Fork), "{kinds:?}");
}

#[test]
fn other_names_and_empty_stores_are_reported() {
    let fleet = one();
    fs::write(fleet.root.join("v=1/_SUCCESS"), b"").unwrap();
    assert_eq!(faults(&fleet.root), [FleetFaultKind::Foreign]);
    let empty = fleet.directory.path().join("none");
    let error = Fleet::open(Box::new(DirectoryStore::new(empty))).unwrap_err();
    assert!(error.to_string().contains("expected files that were shipped"), "{error}");
}
