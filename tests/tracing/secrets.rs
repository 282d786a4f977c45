//! Promise: a secret in a span or an event is in no file of the ledger.

use runledger::Ledger;
use runledger::tracing::LedgerLayer;
use tracing::{error, info_span};

use crate::support::traced;

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// The reason is shortened to 500 characters, which end within the secret. So the secret must be redacted first.
#[test]
fn an_error_that_is_shortened_has_no_part_of_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl")).unwrap();
    let message = format!("{} {SECRET} {}", "x".repeat(480), "y".repeat(100));
    traced(&LedgerLayer::new(ledger.clone()), || {
        info_span!("x", runledger.skill = "s", error.r#type = "e", error.message = %message).in_scope(|| ());
    });
    let record = ledger.reader().records().next().unwrap().unwrap();
    let reason = record.error_reason.unwrap();
    assert!(reason.starts_with("e: xxx") && !reason.contains("ghp_"), "{reason}");
}

#[test]
fn spans_have_no_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl")).unwrap();
    traced(&LedgerLayer::new(ledger.clone()), || {
        let span = info_span!(
            "x",
            runledger.skill = SECRET,
            runledger.version = SECRET,
            runledger.run_id = SECRET,
            other = SECRET
        );
        let _entered = span.enter();
        error!(error = SECRET, "failed with {SECRET}");
        info_span!("step", detail = SECRET).in_scope(|| ());
    });
    let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    assert!(records[0].skill_name.starts_with("[redacted:github-token:"), "{records:?}");
    let mut directories = vec![directory.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                assert!(
                    !String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(SECRET),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
