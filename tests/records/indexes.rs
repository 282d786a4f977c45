//! Promise: whatever the ledger looks like when an index is built, the index causes no error and no wrong answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::cost::{CostBy, Report};
use runledger::governance::Gate;
use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::RunIds;
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Uuid};

fn record(id: u128, run: &str, parent_run: Option<&str>) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 64), "draw", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.run = RunIds::new(run);
    record.run.parent_run_id = parent_run.map(str::to_owned);
    record
}

fn open(path: &Path, rotate_bytes: u64) -> Ledger {
    Options::new().durability(Durability::Flushed).rotate_bytes(Some(rotate_bytes)).open(path).unwrap()
}

fn index_of(path: &Path, segment: u64) -> PathBuf {
    path.with_extension("ledger").join(format!("sealed/{segment:06}.index"))
}

/// The index of an empty active segment must not mark the lines that are appended later as damaged.
#[test]
fn an_empty_segment_is_clean_and_gets_an_index_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 1 << 30);
    let reader = LedgerReader::open(&path).unwrap();
    assert_eq!(reader.rebuild_index().unwrap().unclean, [0; 0]);
    let mut long = record(1, "run-7", None);
    long.skill_name = "x".repeat(100_000);
    for id in 1..60 {
        long.execution_id = Uuid::from_u128(id << 64);
        ledger.append(&long).unwrap();
    }
    assert_eq!(reader.find(long.execution_id).unwrap(), Some(long));
    let bytes = fs::read(index_of(&path, 1)).unwrap();
    assert_eq!((bytes[72], fs::metadata(&path).unwrap().len().to_le_bytes()), (1, bytes[40..48].try_into().unwrap()));
}

/// A recovery cuts torn bytes from the active segment. An index from before says that the segment is not clean.
#[test]
fn a_segment_whose_torn_bytes_were_cut_gets_an_index_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let append = |ids: std::ops::Range<u128>| {
        drop(open(&path, 1 << 30));
        // A ledger would look for the ids in the index first, and so build it.
        let journal = Journal::open(&path, JournalOptions::new(Arc::new(|| 0))).unwrap();
        for id in ids {
            let mut long = record(id, "run-7", None);
            long.skill_name = "x".repeat(100_000);
            journal.append(long.to_json().unwrap().as_bytes()).unwrap();
        }
    };
    append(1..60);
    let whole = fs::metadata(&path).unwrap().len();
    let mut torn = fs::read(&path).unwrap();
    torn.extend_from_slice(b"torn\0\n");
    fs::write(&path, torn).unwrap();
    let reader = LedgerReader::open(&path).unwrap();
    let is_clean = || {
        assert!(reader.find(Uuid::from_u128(1 << 64)).unwrap().is_some());
        fs::read(index_of(&path, 1)).unwrap()[72] == 1
    };
    assert!(!is_clean());
    append(60..61);
    assert!(fs::metadata(&path).unwrap().len() > whole && !is_clean());
    append(61..120);
    assert!(is_clean());
}

/// The executions in flight and those in the spill can name a parent run too.
#[test]
fn the_verdict_is_the_same_if_a_spilled_record_of_a_child_run_has_a_record_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 1_000);
    for id in 1..9 {
        ledger.append(&record(id, if id == 2 { "run-9" } else { "run-7" }, None)).unwrap();
    }
    let gate = Gate::new("run-7").spilled(vec![record(2, "run-8", Some("run-7"))]);
    let reader = LedgerReader::open(&path).unwrap();
    let by_pass = reader.gate(&gate.clone().verify_every_line()).unwrap().report;
    assert_eq!(reader.gate(&gate).unwrap().report, by_pass);
}

/// A build that fails leaves no file.
#[test]
fn an_index_that_cannot_replace_a_directory_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 1_000);
    for id in 1..9 {
        ledger.append(&record(id, "run-7", None)).unwrap();
    }
    let index = index_of(&path, 1);
    fs::create_dir(&index).unwrap();
    let reader = LedgerReader::open(&path).unwrap();
    assert_eq!(reader.run("run-7").unwrap().len(), 8);
    assert!(!index.with_extension("index.new").exists());
}

/// A segment has an index even if its sums are too large for one. The index then has no sums, and a report reads the
/// lines of this segment.
#[test]
fn a_segment_with_sums_that_are_too_large_has_an_index_without_sums() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 1 << 30);
    let append = |ids: std::ops::Range<u128>, tokens: u64| {
        for id in ids {
            let mut record = record(id, "run-7", None);
            record.cost_usd = Some("0.5".parse().unwrap());
            record.tokens_used = Some(tokens);
            record.tokens_output = Some(tokens);
            record.tokens_input = Some(0);
            ledger.append(&record).unwrap();
        }
    };
    append(1..3, 1);
    let reader = LedgerReader::open(&path).unwrap();
    reader.rebuild_index().unwrap();
    let kinds = || {
        let bytes = fs::read(index_of(&path, 1)).unwrap();
        let heads = bytes[224..].chunks(24).take(usize::from(bytes[76]));
        heads.map(|head| head[0]).collect::<Vec<_>>()
    };
    assert_eq!(kinds(), [1, 2, 3, 4, 7, 8, 5, 6]);
    let totals = || {
        let found = reader.scan().sum_up(Report::new(CostBy::Skill), |_| true).unwrap().value;
        (found.totals().executions, found.totals().cost.map(|cost| cost.to_string()))
    };
    assert_eq!(totals(), (2, Some("1".to_owned())));
    append(3..5, u64::MAX);
    assert_eq!(reader.rebuild_index().unwrap().unclean, [0; 0]);
    assert_eq!(kinds(), [1, 2, 3, 4, 7, 8]);
    let built = fs::read(index_of(&path, 1)).unwrap();
    assert_eq!(totals(), (4, Some("2".to_owned())));
    assert_eq!(fs::read(index_of(&path, 1)).unwrap(), built);
    assert!(reader.find(Uuid::from_u128(4 << 64)).unwrap().is_some());
}

/// The index finds an execution by its first 64 bits. If all ids share them, the gate finds the same records, and does
/// not read all lines for each execution: it would read 16 million lines here.
#[test]
fn the_verdict_is_the_same_if_all_ids_share_their_first_64_bits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = open(&path, 400_000);
    let id = |number: u128| Uuid::from_u128((1 << 64) | number);
    for number in 0..4_000 {
        let mut of = record(1, if number % 4 == 3 { "run-8" } else { "run-7" }, None);
        of.execution_id = id(number);
        match number % 4 {
            // Strays, some of them below another stray, and children of parents elsewhere.
            1 => (of.run.run_id, of.run.parent_execution_id) = (None, Some(id(number - 1))),
            2 if number > 100 => (of.run.run_id, of.run.parent_execution_id) = (None, Some(id(number - 1))),
            2 => of.run.parent_execution_id = Some(id(number + 1)),
            _ => {}
        }
        ledger.append(&of).unwrap();
    }
    let reader = LedgerReader::open(&path).unwrap();
    assert_eq!(reader.rebuild_index().unwrap().unclean, [0; 0]);
    let by_pass = reader.gate(&Gate::new("run-7").verify_every_line()).unwrap().report;
    let by_index = reader.gate(&Gate::new("run-7")).unwrap().report;
    assert_eq!(by_index, by_pass);
    assert_eq!(by_index.executions, 1_000 + 25);
    // The strays, and the executions whose parent belongs to another run.
    let unnamed = by_index.reasons.iter().filter(|reason| reason.found.contains("run_id is null"));
    assert_eq!(unnamed.map(|reason| reason.executions.len()).sum::<usize>(), (1_000 + 975) + 25);
}
