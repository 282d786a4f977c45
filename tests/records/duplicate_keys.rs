//! Promise: input from a user is refused if an object in it, at any depth, has a key twice. So no value is dropped
//! silently.

use runledger::cost::import::{Stamp, genai_prices, litellm};
use runledger::governance::{Expectations, Policy};
use runledger::quota::Limits;
use runledger::runlog::retention;
use runledger::{Error, ErrorKind, ExecutionMetrics, LedgerReader, PriceTable, Usage};

/// The fields that every record needs.
const RECORD: &str = r#""execution_id":"00000000-0000-0000-0000-000000000001","skill_name":"s","skill_version":"1","timestamp_start":"2026-02-14T14:23:00Z","timestamp_end":"2026-02-14T14:23:05Z""#;

fn stamp() -> Stamp {
    Stamp { version: "1".to_owned(), as_of: "2026-11-20".to_owned(), source: "a test".to_owned() }
}

fn source(error: &Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Malformed);
    error.cause().map_or_else(|| error.details().join("; "), ToString::to_string)
}

fn record(rest: &str) -> Result<ExecutionMetrics, Error> {
    ExecutionMetrics::from_json(&format!("{{{RECORD},{rest}}}"))
}

#[test]
fn a_record_has_no_key_twice() {
    for (rest, key) in [
        (r#""tags":{"a":1,"a":2}"#, "duplicate key \"a\""),
        (r#""tags":{"a":{"b":[{"c":1,"\u0063":2}]}}"#, "duplicate key \"c\""),
        (r#""model":{"variant":{"v":"1","v":"2"}}"#, "duplicate key \"v\""),
        (r#""unknown":1,"unknown":1"#, "duplicate key \"unknown\""),
        (r#""unknown":{"a":1,"a":2}"#, "duplicate key \"a\""),
        (r#""skill_name":"t""#, "skill_name: expected this key once"),
        (r#""model":{"name":"a","name":"b"}"#, "model.name: expected this key once"),
    ] {
        let found = source(&record(rest).unwrap_err());
        assert!(found.starts_with(key) && found.contains(" at column "), "{rest}: {found}");
    }
    assert_eq!(record(r#""tags":{"a":{"a":1},"b":{"a":2}}"#).unwrap().tags.len(), 2);
}

/// The position is the end of the second key.
#[test]
fn the_position_of_the_key_is_reported() {
    let text = format!("{{{RECORD},\n \"tags\": {{\"a\": 1,\n  \"a\": 2}}}}");
    let error = ExecutionMetrics::from_json(&text).unwrap_err();
    assert_eq!(source(&error), "duplicate key \"a\" at line 3 column 5");
}

/// Another program wrote the line. The lines that a ledger writes have no key twice.
#[test]
fn a_line_of_a_ledger_with_a_key_twice_is_malformed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.jsonl");
    let line = |rest: &str| format!("{{{RECORD},{rest}}}\n");
    let good = line(r#""tags":{"a":1}"#);
    // Another execution, whose id ends with another digit.
    let other = good.replacen("1\"", "2\"", 1);
    assert_ne!(other, good);
    std::fs::write(&path, [good.as_str(), &line(r#""tags":{"a":1,"a":2}"#), &other].concat()).unwrap();
    let read: Vec<_> = LedgerReader::open(&path).unwrap().records().collect();
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let error = read[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Malformed, Some(2), Some(good.len() as u64)));

    let scanned =
        LedgerReader::open(&path).unwrap().scan().fold_records(|| 0, |count, _| *count += 1, |a, b| *a += b).unwrap();
    assert_eq!((scanned.value, scanned.skipped.count()), (2, 1));
}

#[test]
fn tables_policies_and_usages_have_no_key_twice() {
    let key = "duplicate key \"a\"";
    for (error, expected) in [
        (
            PriceTable::from_json(
                r#"{"version": "1", "as_of": "2026-11-20", "source": "t", "models": [{"model": "m", "provider": "p",
                "prices": [{"input": 1}], "variants": [{"when": {"a": "1", "a": "2"}, "prices": [{"input": 2}]}]}]}"#,
            )
            .unwrap_err(),
            "models[0].variants[0].when.a: expected \"a\" once, found it again with the value \"2\"",
        ),
        (litellm(r#"{"m": {"a": 1, "a": 2}}"#, &stamp()).unwrap_err(), key),
        (litellm(r#"{"a": {}, "a": {}}"#, &stamp()).unwrap_err(), key),
        (
            genai_prices(r#"[{"id": "p", "name": "p", "models": [], "x": {"a": 1, "a": 2}}]"#, &stamp()).unwrap_err(),
            key,
        ),
        (Limits::from_json(r#"[{"api": "a", "api": "a"}]"#).unwrap_err(), "[0].api: expected this key once"),
        (Policy::from_json(r#"{"gate": {}, "gate": {}}"#).unwrap_err(), "gate: expected this key once"),
        (
            Expectations::from_json(r#"[{"skill": "a", "skill": "b"}]"#).unwrap_err(),
            "[0].skill: expected this key once",
        ),
        (
            retention::RetentionPolicy::from_json(r#"{"min_days": 30, "min_days": 31}"#).unwrap_err(),
            "min_days: expected this key once",
        ),
        (Usage::from_openai(r#"{"prompt_tokens": 1, "a": 1, "a": 2}"#).unwrap_err(), key),
    ] {
        let found = source(&error);
        assert!(found.starts_with(expected), "{found}");
    }
}

/// The byte is also reported if the whole table is on one line.
#[test]
fn the_byte_of_a_mistake_in_a_table_is_reported() {
    let place = |error: Error| (error.line().unwrap(), error.byte().unwrap());
    let limits =
        r#"[{"api": "a", "limit": 1, "unit": "calls", "period": "day", "source": "s", "as_of": "2026-02-14"},"#;
    assert_eq!(place(Limits::from_json(&format!("{limits} x]")).unwrap_err()), (1, limits.len() as u64 + 1));
    let zero = format!("{limits} {}]", limits.replace("\"limit\": 1", "\"limit\": 0").trim_end_matches(','));
    assert_eq!(place(Limits::from_json(&zero).unwrap_err()), (1, limits.len() as u64 + 1));
    assert_eq!(place(litellm("{\"a\": {},\n \"b\": x}", &stamp()).unwrap_err()), (2, 16));
    assert_eq!(place(genai_prices("[\n\n  x]", &stamp()).unwrap_err()), (3, 5));
    let table = r#"{"version": "1", "as_of": "2026-11-20", "source": "", "models": []}"#;
    let byte = table.find("\"\"").unwrap() as u64;
    assert_eq!(place(PriceTable::from_json(table).unwrap_err()), (1, byte));
}
