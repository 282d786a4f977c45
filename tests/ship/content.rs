//! What the files contain.

use std::fs;
use std::path::{Path, PathBuf};

use parquet::record::Field;
use runledger::metrics::{LlmCall, Status, Step};
use runledger::ship::{DirectoryStore, FileName, Store};
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Options, Usd, Uuid};

use crate::support::{Row, append, footer_of, number, open, record, rows_of, ship, shipper, text, time};

fn ledger_of(records: &[ExecutionMetrics]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let ledger: Ledger = Options::new().durability(Durability::Flushed).open(&path).unwrap();
    records.iter().for_each(|record| _ = ledger.append(record).unwrap());
    (directory, path)
}

/// Ships the records, and returns the rows.
fn shipped(records: &[ExecutionMetrics]) -> Vec<Row> {
    let (directory, path) = ledger_of(records);
    let root = directory.path().join("fleet");
    ship(&path, &root, true).unwrap();
    let store = DirectoryStore::new(root);
    let mut names: Vec<_> = store.list("v=1").unwrap().iter().map(|name| FileName::parse(name).unwrap()).collect();
    names.sort_unstable_by_key(|name| name.first);
    names.iter().flat_map(|name| rows_of(&store.get(&name.to_string()).unwrap().unwrap())).collect()
}

/// A record in which every scalar has a value.
fn full() -> ExecutionMetrics {
    // The record is kept as a line, so that a new field of a record does not change it.
    ExecutionMetrics::from_json(include_str!("../data/shipped-1/record.json").trim_end()).unwrap()
}

#[test]
fn unknown_values_are_null_and_zero_is_zero() {
    let unknown = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", time("2026-02-14T22:00:00Z"));
    let mut zero = unknown.clone();
    zero.execution_id = Uuid::from_u128(2);
    (zero.tokens_input, zero.tokens_output, zero.cost_usd) = (Some(0), Some(0), Some(Usd::ZERO));
    zero.quality_score = Some(0.0);
    zero.model.parts.cache_read = Some(0);
    let mut records = [unknown, zero];
    for record in &mut records {
        record.timestamp_end = Some(record.timestamp_start);
        record.set_status(Status::Success);
    }
    let rows = shipped(&records);
    for column in ["tokens_input", "tokens_output", "cost_usd", "quality_score", "model_cache_read"] {
        assert_eq!(rows[0][column], Field::Null, "{column}");
        assert_ne!(rows[1][column], Field::Null, "{column}");
    }
    assert_eq!(number(&rows[1], "tokens_input"), 0);
    let known =
        ["seq", "prev", "hash", "execution_id", "skill_name", "skill_version", "timestamp_start", "timestamp_end"];
    let known = [&known[..], &["operator", "environment", "execution_succeeded", "execution_failed", "status", "kind"]]
        .concat();
    for (column, value) in &rows[0] {
        assert_eq!(*value == Field::Null, !known.contains(&&**column), "{column}: {value:?}");
    }
}

#[test]
fn amounts_are_exact_to_the_last_of_12_decimals() {
    let amounts =
        ["0.000000000001", "99999999999999999999999999.999999999999", "0.0675", "0", "123456789.123456789012"];
    let amounts: Vec<Usd> = amounts.iter().map(|amount| amount.parse().unwrap()).collect();
    let beyond: Usd = "100000000000000000000000000".parse().unwrap();
    let records: Vec<_> = amounts
        .iter()
        .chain([&beyond])
        .zip(1..)
        .map(|(&amount, number)| {
            let mut record = record(number);
            // `cost_usd` has at most 8 decimals.
            record.cost.estimated_usd = Some(amount);
            record
        })
        .collect();
    let (directory, path) = ledger_of(&records);
    let lines =
        LedgerReader::open(&path).unwrap().records().map(Result::unwrap).map(|record| record.cost.estimated_usd);
    let lines: Vec<_> = lines.collect();
    ship(&path, &directory.path().join("fleet"), true).unwrap();
    let store = DirectoryStore::new(directory.path().join("fleet"));
    let rows: Vec<_> =
        store.list("v=1").unwrap().iter().flat_map(|name| rows_of(&store.get(name).unwrap().unwrap())).collect();
    assert_eq!(rows.len(), lines.len());
    for row in rows {
        let line = lines[number(&row, "seq") as usize - 1].unwrap();
        if line == beyond {
            assert_eq!((&row["cost_estimated_usd"], text(&row, "beyond")), (&Field::Null, "[\"cost_estimated_usd\"]"));
            continue;
        }
        let Field::Decimal(decimal) = &row["cost_estimated_usd"] else { panic!("{row:?}") };
        assert_eq!((decimal.precision(), decimal.scale(), &row["beyond"]), (38, 12, &Field::Null));
        assert_eq!(i128::from_be_bytes(decimal.data().try_into().unwrap()), line.pico());
    }
}

#[test]
fn a_count_that_does_not_fit_is_null_and_named() {
    let mut record = record(1);
    record.free_tier_quota_remaining = Some(u64::MAX);
    record.total_latency_ms = Some(i64::MAX as u64);
    let row = &shipped(&[record])[0];
    assert_eq!(row["free_tier_quota_remaining"], Field::Null);
    assert_eq!(text(row, "beyond"), "[\"free_tier_quota_remaining\"]");
    assert_eq!(number(row, "total_latency_ms"), i64::MAX);
}

#[test]
fn calls_steps_and_tags_are_json_and_calls_are_a_list_too() {
    let (mut one, mut two, none) = (record(1), record(2), record(3));
    let mut call = LlmCall::new(1, "gpt-4");
    call.prompt = Some("a prompt".to_owned());
    (call.tokens_input, call.cost_usd) = (Some(7), Some("0.06".parse().unwrap()));
    one.trace.llm_calls = vec![call.clone(), LlmCall::new(2, "gpt-5")];
    one.trace.steps = vec![Step::new("parse", time("2026-02-14T22:00:00Z"))];
    one.tags.insert("team".to_owned(), "search".into());
    two.trace.llm_calls = vec![call];
    let rows = shipped(&[one.clone(), two, none]);
    assert_eq!(text(&rows[0], "llm_calls"), serde_json::to_string(&one.trace.llm_calls).unwrap());
    assert_eq!(text(&rows[0], "steps"), serde_json::to_string(&one.trace.steps).unwrap());
    assert_eq!(text(&rows[0], "tags"), r#"{"team":"search"}"#);
    let calls = |row: &Row| match &row["calls"] {
        Field::ListInternal(list) => list
            .elements()
            .iter()
            .map(|element| match element {
                Field::Group(call) => call.get_column_iter().map(|(_, field)| field.clone()).collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>(),
        Field::Null => Vec::new(),
        other => panic!("{other:?}"),
    };
    let found = [0, 1, 2].map(|at| calls(&rows[at]));
    assert_eq!([2, 1, 0], [found[0].len(), found[1].len(), found[2].len()]);
    assert_eq!((&found[0][0][1], &found[0][0][3]), (&Field::Str("gpt-4".to_owned()), &Field::Long(7)));
    assert_eq!((&found[0][1][0], &found[0][1][3]), (&Field::Long(2), &Field::Null));
    assert_eq!(rows[2]["calls"], Field::Null);
}

#[test]
fn the_same_lines_give_the_same_bytes() {
    let (directory, path) = ledger_of(&(1..=50).map(record).collect::<Vec<_>>());
    let files = |root: &str| {
        let root = directory.path().join(root);
        shipper(&path, DirectoryStore::new(&root)).ship(true).unwrap();
        let store = DirectoryStore::new(root);
        let name = |name: String| (store.get(&name).unwrap().unwrap(), name);
        ["v=1", "claims"].map(|folder| store.list(folder).unwrap().into_iter().map(name).collect::<Vec<_>>())
    };
    let [first, second] = ["one", "two"].map(files);
    assert!(first[0].len() > 3, "the ledger has {} files", first[0].len());
    assert_eq!(first, second);
}

#[test]
fn without_active_only_sealed_segments_are_shipped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=60);
    let root = directory.path().join("fleet");
    let shipped = ship(&path, &root, false).unwrap();
    let active = fs::read_to_string(&path).unwrap().lines().count() as u64;
    assert_eq!((shipped.records, shipped.is_more), (60 - active, true));
    assert_eq!(ship(&path, &root, false).unwrap().records, 0);
    assert_eq!(ship(&path, &root, true).unwrap().records, active);
}

#[test]
fn a_line_that_was_redacted_is_shipped_as_it_is_now() {
    let mut secret = record(1);
    secret.decision_made = Some("call Jane Doe".to_owned());
    let (directory, path) = ledger_of(&[secret.clone(), record(2)]);
    let ledger = Ledger::open(&path).unwrap();
    let redact = runledger::ledger::Redact::new("decision_made", "me", "a name").text("Jane Doe");
    let redaction = ledger.redact(secret.execution_id, &redact).unwrap();
    assert!(redaction.left.iter().any(|left| left.contains("`runledger ship`")), "{:?}", redaction.left);
    ship(&path, &directory.path().join("fleet"), true).unwrap();
    let store = DirectoryStore::new(directory.path().join("fleet"));
    let rows: Vec<_> =
        store.list("v=1").unwrap().iter().flat_map(|name| rows_of(&store.get(name).unwrap().unwrap())).collect();
    let row = rows.iter().find(|row| number(row, "seq") == 1).unwrap();
    assert!(!text(row, "decision_made").contains("Jane"), "{row:?}");
    assert_eq!(text(row, "redacted").len(), 64);
}

/// A file that the first version wrote. It is never written again, so that later versions are tested against it.
const KEPT: &str = "tests/data/shipped-1";

#[test]
fn files_of_version_1_can_be_read() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT);
    let store = DirectoryStore::new(&directory);
    if std::env::var_os("RUNLEDGER_WRITE").is_some() && store.list("v=1").unwrap().is_empty() {
        let (_directory, path) = ledger_of(&[full(), record(1)]);
        let options = runledger::ship::ShipperOptions::new().machine("build-7").user("ann");
        let follower = LedgerReader::open(&path).unwrap().follow().unwrap();
        let mut shipper = runledger::ship::Shipper::new(follower, Box::new(DirectoryStore::new(&directory)), options);
        shipper.ship(true).unwrap();
    }
    let names = store.list("v=1").unwrap();
    assert_eq!(names.len(), 1);
    let name = FileName::parse(&names[0]).unwrap();
    let file = store.get(&names[0]).unwrap().unwrap();
    let (footer, rows) = (footer_of(&file), rows_of(&file));
    assert_eq!((footer.ledger, footer.first, footer.last, footer.records), (name.ledger, 1, 2, 2));
    let record = full();
    let row = &rows[0];
    assert_eq!(text(row, "execution_id"), record.execution_id.to_string());
    assert_eq!((text(row, "machine"), text(row, "user")), ("build-7", "ann"));
    assert_eq!(number(row, "timestamp_start"), record.timestamp_start.unix_us());
    assert_eq!(number(row, "tokens_input"), record.tokens_input.unwrap() as i64);
    // This version writes at least the columns of version 1, with the same types and values.
    let now = &shipped(&[record])[0];
    for (column, value) in row.iter().filter(|(column, _)| !["hash", "machine", "user"].contains(&column.as_str())) {
        assert_eq!(&now[column], value, "{column}");
    }
}
