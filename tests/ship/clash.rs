//! If two ledgers claim one identity, nothing is shipped.

use std::fs;
use std::path::Path;

use runledger::ErrorKind;

use crate::support::{append, open, ship};

/// Returns the names and lengths of all files below `root`.
fn files(root: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push((entry.path().display().to_string(), entry.metadata().unwrap().len())),
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}

#[test]
fn row_37_two_ledgers_with_one_identity_ship_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).join("execution_metrics.jsonl");
    let root = directory.path().join("fleet");
    fs::create_dir(directory.path().join("one")).unwrap();
    append(&open(&at("one")), 1..=5);
    ship(&at("one"), &root, true).unwrap();
    for (name, more) in [("shorter", 0), ("same-length", 3), ("longer", 6)] {
        copy(&directory.path().join("one"), &directory.path().join(name));
        append(&open(&at(name)), 100..100 + more);
    }
    append(&open(&at("one")), 6..=8);
    ship(&at("one"), &root, true).unwrap();
    let before = files(&root);
    for name in ["shorter", "same-length", "longer"] {
        let error = ship(&at(name), &root, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged, "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains("two ledgers claim one identity") && text.contains("fleet"), "{name}: {text}");
        assert_eq!(files(&root), before, "{name}");
    }
    // The ledger itself continues.
    append(&open(&at("one")), 9..=9);
    assert_eq!(ship(&at("one"), &root, true).unwrap().records, 1);
}

#[test]
fn a_name_with_the_file_of_another_ledger_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).join("execution_metrics.jsonl");
    for name in ["one", "two"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        append(&open(&at(name)), 1..=3);
        ship(&at(name), &directory.path().join(format!("fleet-{name}")), true).unwrap();
    }
    let file = |name: &str| {
        let all = files(&directory.path().join(format!("fleet-{name}")));
        all.into_iter().find(|(path, _)| path.ends_with(".parquet")).unwrap().0
    };
    fs::copy(file("two"), file("one")).unwrap();
    let error = ship(&at("one"), &directory.path().join("fleet-one"), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Diverged);
    assert!(error.to_string().contains("Two ledgers claim one identity"), "{error}");
}

#[test]
fn a_file_that_is_not_parquet_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=3);
    let root = directory.path().join("fleet");
    ship(&path, &root, true).unwrap();
    let (file, _) = files(&root).into_iter().find(|(path, _)| path.ends_with(".parquet")).unwrap();
    fs::write(&file, "not a file of Parquet").unwrap();
    let error = ship(&path, &root, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains(&file), "{error}");
}
