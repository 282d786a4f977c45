//! Stores that are not as the last call left them.

use std::fs;

use runledger::ship::FileName;

use crate::support::{append, open, ship};

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
