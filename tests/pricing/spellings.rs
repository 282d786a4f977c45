//! Promise: a model is found under almost all names that logs, libraries and gateways write, and is never priced as
//! another model.
//!
//! `data/spellings.jsonl` lists such names, the place where each name was found, and the row that must price it.

use runledger::cost::PriceTable;
use runledger::metrics::Call;
use runledger::{ErrorKind, ExecutionMetrics, Timestamp, Usage, Uuid};
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

/// Returns the row that prices a model; `None` if the model is refused.
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

/// Asserts that the name still has the same price if the call names the provider of that price. A record stores this
/// provider.
fn again_with_its_provider(table: &PriceTable, spelling: &Spelling) {
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut call = Call::new(&spelling.name, Usage::new(1, 1));
    call.provider.clone_from(&spelling.provider);
    let Ok(first) = table.cost_of(&call, at) else { return };
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", at);
    record.model.provider.clone_from(&spelling.provider);
    first.fill(&mut record);
    call.provider = record.model.provider;
    // Perplexity's agent has models such as `perplexity/sonar` beside `sonar`, which also has this name elsewhere.
    if call.provider.as_deref() == Some("perplexity") && call.model.starts_with("perplexity/") {
        return;
    }
    let second =
        table.cost_of(&call, at).unwrap_or_else(|error| panic!("{} of {:?}: {error}", call.model, call.provider));
    assert_eq!((second.provider, second.usd), (first.provider, first.usd), "{}", call.model);
}

#[test]
fn names_of_real_logs_are_priced_or_refused_as_they_should_be() {
    let table = PriceTable::bundled().unwrap();
    let (mut wrong, mut missed, mut right) = (Vec::new(), Vec::new(), 0);
    for line in SPELLINGS.lines() {
        let spelling: Spelling = serde_json::from_str(line).unwrap();
        let found = found(table, &spelling.name, spelling.provider.as_deref());
        again_with_its_provider(table, &spelling);
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

const PROVIDERS: &str = include_str!("../data/providers.jsonl");

#[derive(Deserialize)]
struct Provider {
    provider: String,
    /// The provider in the table; `the vendor` for a gateway, which charges what the vendor charges; `None` if the table
    /// has no prices of it.
    row_provider: Option<String>,
}

#[test]
fn providers_are_known_by_the_names_of_registries_libraries_and_gateways() {
    let table = PriceTable::bundled().unwrap();
    let mut wrong = Vec::new();
    for line in PROVIDERS.lines() {
        let Provider { provider, row_provider } = serde_json::from_str(line).unwrap();
        let Some(expected) = row_provider else {
            // A model that many providers have. The price of another provider would be wrong.
            let found = found(table, "gpt-4o", Some(&provider));
            wrong.extend(found.map(|found| format!("{provider}: {found}, although the table has no prices of it")));
            continue;
        };
        if expected == "the vendor" {
            assert_eq!(found(table, "gpt-4o", Some(&provider)).as_deref(), Some("openai/gpt-4o"), "{provider}");
            continue;
        }
        let (_, model) = table.models().find(|(provider, _)| *provider == expected).unwrap();
        let found = found(table, model, Some(&provider));
        let expected = format!("{expected}/{model}");
        if !found.as_deref().is_some_and(|found| expected.ends_with(found)) {
            wrong.push(format!("{provider}: {found:?}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
