//! Stores that are not as the last call left them.

use std::fs;
use std::path::Path;

use runledger::ErrorKind;
use runledger::ship::{DirectoryStore, FileName};

use crate::support::{append, assert_exactly_once, open, ship, shipper};

#[test]
fn names_with_line_0_are_other_files() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root) = (directory.path().join("execution_metrics.jsonl"), directory.path().join("fleet"));
    append(&open(&path), 1..=3);
    let id = runledger::LedgerReader::open(&path).unwrap().follow().unwrap().id();
    let claims = root.join(format!("claims/ledger={id}"));
    fs::create_dir_all(&claims).unwrap();
    let claim = serde_json::json!({
        "version": 1, "ledger": id, "date": "2026-02-14", "first": 0, "last": 0, "hash": "0".repeat(64),
        "segment": 1, "byte": 0, "line": 1,
    });
    fs::write(claims.join(format!("{:020}.json", 0)), claim.to_string()).unwrap();
    assert_eq!(ship(&path, &root, true).unwrap().records, 3);
    let name = format!("v=1/date=2026-11-30/ledger={id}/0-250-0123456789abcdef.parquet");
    assert_eq!(FileName::parse(&name), None);
}

/// Moves a directory, as a mount that comes and goes.
fn mount(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}

#[test]
fn nothing_is_shipped_to_the_directory_below_a_mount_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let (mounted, away) = (directory.path().join("mnt"), directory.path().join("away"));
    let root = mounted.join("fleet");
    fs::create_dir(&mounted).unwrap();
    append(&open(&path), 1..=20);
    let mut shipper = shipper(&path, DirectoryStore::new(&root));
    assert_eq!(shipper.ship(true).unwrap().records, 20);
    mount(&mounted, &away);
    fs::create_dir(&mounted).unwrap();
    append(&open(&path), 21..=25);
    for _ in 0..2 {
        let error = shipper.ship(true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("mounted"), "{error}");
        assert!(!root.exists());
    }
    fs::remove_dir(&mounted).unwrap();
    mount(&away, &mounted);
    assert_eq!(shipper.ship(true).unwrap().records, 5);
    assert_exactly_once(&DirectoryStore::new(&root), &path, 25);
}

#[test]
fn only_the_last_folder_of_a_store_is_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=3);
    // The mount `mnt` is gone, so the folder in it is missing.
    let root = directory.path().join("mnt/team/fleet");
    fs::create_dir(directory.path().join("mnt")).unwrap();
    let error = ship(&path, &root, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("mnt/team"), "{error}");
    fs::create_dir(directory.path().join("mnt/team")).unwrap();
    assert_eq!(ship(&path, &root, true).unwrap().records, 3);
}
