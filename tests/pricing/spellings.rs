//! Promise: a model is found under the names that logs, libraries and gateways write, and never priced as another one.
//!
//! `data/spellings.jsonl` lists such names with the places where they were found, and the row that must price each.

use runledger::cost::PriceTable;
use runledger::metrics::Call;
use runledger::{ErrorKind, Timestamp, Usage};
use serde::Deserialize;

const SPELLINGS: &str = include_str!("../data/spellings.jsonl");

#[derive(Deserialize)]
struct Spelling {
    name: String,
    provider: Option<String>,
    /// The provider and the model of the row; `None` if no price can be right.
    row: Option<String>,
    note: String,
}

/// The row that prices a model; `None` if it is refused.
fn found(table: &PriceTable, name: &str, provider: Option<&str>) -> Option<String> {
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut call = Call::new(name, Usage::new(0, 0));
    call.provider = provider.map(str::to_owned);
    match table.cost_of(&call, at) {
        Ok(cost) => Some(format!("{}/{}", cost.provider, cost.matched)),
        // The row was found, but needs another usage.
        Err(error) if error.kind() == ErrorKind::Unpriced => {
            Some(error.to_string().split('"').nth(1).unwrap().to_owned())
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::UnknownModel, "{name}: {error}");
            None
        }
    }
}

#[test]
fn names_of_real_logs_are_priced_or_refused_as_they_should_be() {
    let table = PriceTable::bundled().unwrap();
    let (mut wrong, mut missed, mut right) = (Vec::new(), Vec::new(), 0);
    for line in SPELLINGS.lines() {
        let spelling: Spelling = serde_json::from_str(line).unwrap();
        let found = found(table, &spelling.name, spelling.provider.as_deref());
        let Spelling { name, provider, row, note } = spelling;
        let provider = provider.unwrap_or_default();
        match (found, row) {
            (found, row) if found == row => right += 1,
            (Some(found), Some(row)) if row.ends_with(&format!("/{found}")) => right += 1,
            (None, row) => missed.push(format!("{name} of {provider:?}: {row:?} ({note})")),
            (found, row) => wrong.push(format!("{name} of {provider:?}: {found:?}, not {row:?} ({note})")),
        }
    }
    for line in &wrong {
        println!("WRONG {line}");
    }
    for line in &missed {
        println!("MISSED {line}");
    }
    println!("{right} right, {} missed, {} wrong", missed.len(), wrong.len());
    assert!(wrong.is_empty() && missed.len() * 20 <= right);
}
