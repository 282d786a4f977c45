//! The bundled table parses the prices of a row only when they are needed. These tests check that it gives the same
//! answers as a table that is parsed at once.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const FILES: [&str; 2] = [ADDITIONS, include_str!("../prices.json")];

/// Returns the texts in a list.
fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// Returns the patterns of a rule, with some text in place of the wildcards.
fn patterns(rule: &Value) -> impl Iterator<Item = String> {
    let all = texts(&rule["like"]).chain(texts(&rule["unlike"]));
    all.map(|pattern| pattern.replace('~', "").replace('*', "x").replace('#', "5").replace('?', "y"))
}

/// Returns the answers to a call, with errors if `with_errors` is true. Errors are slow, because they search for the
/// nearest models.
fn answers(table: &PriceTable, call: &Call, at: Timestamp, with_errors: bool) -> [String; 2] {
    let known = format!("{:?}", table.cost_if_known(call, at));
    let errors = with_errors.then(|| format!("{:?} {:?}", table.cost_of(call, at), table.worst_case(call, at)));
    [known, errors.unwrap_or_default()]
}

#[test]
fn all_names_providers_and_variants_have_the_answers_of_the_whole_table() {
    let [additions, snapshot] = FILES.map(|file| PriceTable::from_json(file).unwrap());
    let whole = additions.or(&snapshot);
    let bundled = PriceTable::bundled().unwrap();
    let files = FILES.map(|file| serde_json::from_str::<Value>(file).unwrap());
    let mut calls: Vec<(String, Option<String>, BTreeMap<String, String>)> = Vec::new();
    let mut providers = BTreeSet::new();
    for file in &files {
        for provider in file["providers"].as_array().unwrap() {
            let name = provider["provider"].as_str().unwrap().to_owned();
            providers.extend(std::iter::once(name).chain(patterns(&provider["names"])));
            calls.extend(patterns(&provider["serves"]).map(|model| (model, None, BTreeMap::new())));
        }
        for row in file["models"].as_array().unwrap() {
            let provider = row["provider"].as_str().unwrap();
            let model = row["model"].as_str().unwrap().to_owned();
            let whens = row["variants"].as_array().into_iter().flatten().map(|variant| {
                let when = variant["when"].as_object().unwrap();
                when.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
            });
            let whens: Vec<BTreeMap<_, _>> = whens.chain([BTreeMap::new()]).collect();
            for name in std::iter::once(model).chain(texts(&row["aliases"])).chain(patterns(&row["names"])) {
                for when in &whens {
                    calls.push((name.clone(), None, when.clone()));
                    calls.push((name.clone(), Some(provider.to_owned()), when.clone()));
                }
                calls.push((format!("{provider}/{name}"), None, BTreeMap::new()));
                calls.push((format!("{name}-latest").to_uppercase(), None, BTreeMap::new()));
            }
        }
    }
    calls.extend(providers.into_iter().map(|provider| ("gpt-4o".to_owned(), Some(provider), BTreeMap::new())));
    assert!(calls.len() > 10_000, "{}", calls.len());
    let times: [Timestamp; 2] = ["2024-01-01T03:00:00Z", "2026-11-25T03:00:00Z"].map(|at| at.parse().unwrap());
    let usage = Usage::new(300_000, 20_000).cache_read(100_000);
    for (number, (model, provider, variant)) in calls.into_iter().enumerate() {
        let mut call = Call::new(model.as_str(), usage);
        call.provider = provider;
        call.variant = variant;
        for at in times {
            let with_errors = number % 100 == 0;
            assert_eq!(answers(bundled, &call, at, with_errors), answers(&whole, &call, at, with_errors), "{call:?}");
        }
    }
}
