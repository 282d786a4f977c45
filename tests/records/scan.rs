//! Promise: a pass on all cores computes the same as reading the records one by one.

use crate::common;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use runledger::baseline::Accumulator;
use runledger::metrics::Fields;
use runledger::{Baselines, Durability, ErrorKind, ExecutionMetrics, LedgerReader, Options, Scan};

/// Computes baselines with a pass, and from the records.
fn baselines(path: &Path) -> [Baselines; 2] {
    let mut scanned = LedgerReader::open(path)
        .unwrap()
        .scan()
        .fold(Accumulator::new, Accumulator::add_fields, Accumulator::merge)
        .unwrap();
    scanned.value.skip_all(scanned.skipped);
    [scanned.value.finish(), Baselines::compute(LedgerReader::open(path).unwrap().records()).unwrap()]
}

fn assert_same([scanned, computed]: &[Baselines; 2]) {
    assert_eq!(scanned.to_json().unwrap(), computed.to_json().unwrap());
    let errors =
        |baselines: &Baselines| baselines.skipped().errors().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((scanned.skipped().count(), errors(scanned)), (computed.skipped().count(), errors(computed)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_fields_of_a_line_are_those_of_its_record(record in common::record()) {
        let json = record.to_json().unwrap();
        prop_assert_eq!(Fields::from_line(json.as_bytes()).unwrap(), Fields::of(&record));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn any_records_over_any_segments(records in prop::collection::vec(common::valid_record(), 1..40), rotate in 1_000..60_000_u64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        let options = Options::new().durability(Durability::Flushed).rotate_bytes(Some(rotate));
        let ledger = options.open(&path).unwrap();
        records.iter().for_each(|record| _ = ledger.append(record).unwrap());
        let ids = |scan: Scan| scan.fold(Vec::new, |ids, fields| ids.push(fields.execution_id), |ids, mut later| ids.append(&mut later));
        let expected: Vec<_> = records.iter().map(|record| record.execution_id).collect();
        prop_assert_eq!(&ids(LedgerReader::open(&path).unwrap().scan()).unwrap().value, &expected);
        prop_assert_eq!(&ids(ledger.reader().scan()).unwrap().value, &expected);
        assert_same(&baselines(&path));
    }
}

/// There are enough blocks for several threads, with malformed lines in many of them. The log is as the example
/// describes.
#[test]
fn a_generated_log_of_several_segments() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let generate = |path: &Path| {
        let test = std::env::current_exe().unwrap();
        let example = test.parent().unwrap().parent().unwrap().join("examples/generate_log");
        assert!(example.exists(), "{} is missing: build it with `cargo build --examples`", example.display());
        let arguments =
            ["--records", "9000", "--skills", "7", "--malformed", "0.02", "--rotate-mb", "3", "--seed", "5"];
        assert!(Command::new(example).arg(path).args(arguments).status().unwrap().success());
    };
    generate(&path);
    let found = LedgerReader::open(&path).unwrap().verify(&[]).unwrap();
    assert!(found.is_clean() && found.segments > 2 && found.lines == 9000, "{found:?}");
    let both = baselines(&path);
    assert_same(&both);
    let malformed = both[0].skipped().count();
    assert!((100..300).contains(&malformed), "{malformed}");
    assert_eq!(both[0].iter().count(), 7);
    assert_eq!(both[0].iter().map(|(_, baseline)| baseline.sample_size).sum::<u64>(), 9000 - malformed);
    assert!(both[0].iter().any(|(_, baseline)| baseline.cost_unknown == baseline.sample_size));
    assert!(both[0].iter().all(|(_, baseline)| baseline.latency_unknown > 0 && baseline.success_rate < Some(1.0)));

    let again = directory.path().join("again.jsonl");
    generate(&again);
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&path).unwrap());
}

#[test]
fn plain_lines_of_another_writer_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain.jsonl");
    let line = r#"{ "skill_name" : "s\u0041", "execution_id":"00000000-0000-0000-0000-000000000001","skill_version":"1","timestamp_start":"2026-02-14T15:23:00+01:00","cost_usd":1e-2}"#;
    let unfinished = r#"{"execution_id":"00000000-0000-0000-0000-000000000002","#;
    let other = line.replace("1\",\"skill_version", "3\",\"skill_version");
    std::fs::write(&path, format!("{line}\r\n\nno record\n{other}\n{unfinished}")).unwrap();
    let both = baselines(&path);
    assert_same(&both);
    assert_eq!((both[0].get("sA").unwrap().sample_size, both[0].skipped().count()), (2, 1));
    let error = &both[0].skipped().errors()[0];
    assert_eq!(
        (error.line(), error.byte(), error.kind()),
        (Some(3), Some(line.len() as u64 + 3), ErrorKind::Malformed)
    );
    assert!(ExecutionMetrics::from_json(unfinished).is_err());
}

#[test]
fn a_file_that_is_not_a_ledger_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(LedgerReader::open(directory.path()).unwrap_err().kind(), ErrorKind::Unsuitable);
    assert_eq!(LedgerReader::open(directory.path().join("none.jsonl")).unwrap_err().kind(), ErrorKind::Io);
}
