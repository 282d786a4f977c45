//! Promise: an execution that has several lines counts once in every reader, by its last line. A verification lists
//! such executions.

use std::path::PathBuf;
use std::sync::Arc;

use runledger::baseline::BaselineBy;
use runledger::cost::{CostBy, Report};
use runledger::governance::Gate;
use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::{RunIds, Status};
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Timestamp, Usage, Usd, Uuid};
use tempfile::TempDir;

/// Returns a record whose version is `version` and whose cost is the same number of dollars.
fn record(id: u128, version: u64) -> ExecutionMetrics {
    let start = Timestamp::from_unix_ms(1_770_360_000_000).unwrap().plus_ms(version * 60_000);
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 64), "draw", version.to_string(), start);
    record.timestamp_end = Some(start);
    record.total_latency_ms = Some(version);
    record.set_status(Status::Success);
    record.set_usage("m", &Usage::new(version, 1));
    record.cost_usd = Some(Usd::from_pico(i128::from(version) * 1_000_000_000_000));
    record.run = RunIds::new("run-7");
    record
}

struct Place {
    directory: TempDir,
}

impl Place {
    /// Creates a ledger with a line for each of these records. An older version of this crate appended a line without
    /// comparing its id with those of earlier lines, as a journal does.
    fn with(records: &[ExecutionMetrics], segment_bytes: u64) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        drop(Ledger::open(place.path()).unwrap());
        place.append(records, segment_bytes);
        place
    }

    fn append(&self, records: &[ExecutionMetrics], segment_bytes: u64) {
        let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed);
        let journal = Journal::open(self.path(), options.rotate_bytes(Some(segment_bytes))).unwrap();
        for record in records {
            journal.append(record.to_json().unwrap().as_bytes()).unwrap();
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log.jsonl")
    }

    fn reader(&self) -> LedgerReader {
        LedgerReader::open(self.path()).unwrap()
    }
}

/// Asserts that each reader counts exactly the records with these versions, in this order.
fn assert_counted(reader: &LedgerReader, versions: &[u64]) {
    let version = |record: &ExecutionMetrics| record.skill_version.parse::<u64>().unwrap();
    let expected = versions.to_vec();
    let read = |records: runledger::Records| records.map(|record| version(&record.unwrap())).collect::<Vec<_>>();
    assert_eq!(read(reader.records()), expected);
    for count in 0..=versions.len() {
        let last = &versions[versions.len() - count..];
        assert_eq!(read(reader.records_from_last(count).unwrap()), last, "{count}");
        assert_eq!(reader.last(count, |record| Some(version(&record))).unwrap().records, last, "{count}");
    }
    assert_eq!(reader.run("run-7").unwrap().iter().map(version).collect::<Vec<_>>(), expected);
    let since = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(reader.last_between((since, None), 99, |record| Some(version(&record))).unwrap().records, expected);

    let add = |all: &mut Vec<u64>, later: Vec<u64>| all.extend(later);
    for scan in [reader.scan(), reader.scan().between(since, None)] {
        let records = scan.fold_records(Vec::new, |all, record| all.push(version(record)), add).unwrap();
        assert_eq!(records.value, expected);
        let take = |all: &mut Vec<u64>, fields: &runledger::metrics::Fields<'_>| {
            all.push(fields.skill_version.parse().unwrap());
        };
        assert_eq!(scan.fold(Vec::new, take, add).unwrap().value, expected);
        for by in [CostBy::Day, CostBy::Skill, CostBy::Run] {
            let totals = scan.sum_up(Report::new(by), |_| true).unwrap().value.totals().clone();
            let dollars = versions.iter().sum::<u64>();
            assert_eq!(totals.executions, versions.len() as u64, "{by:?}");
            assert_eq!(totals.cost, Some(Usd::from_pico(i128::from(dollars) * 1_000_000_000_000)), "{by:?}");
        }
    }
    let baselines = reader.baselines(BaselineBy::Skill).unwrap().baselines;
    assert_eq!(baselines.get("draw").map(|draw| draw.sample_size), Some(versions.len() as u64));
    for gate in [Gate::new("run-7"), Gate::new("run-7").verify_every_line()] {
        assert_eq!(reader.gate(&gate).unwrap().report.executions, versions.len() as u64);
    }
}

/// Returns the lines, and the versions that count. The executions 1 to 40 have a line each. Execution 3 has another
/// line directly after its first one, execution 1 has another line much later, and execution 5 has two more lines.
fn lines() -> (Vec<ExecutionMetrics>, Vec<u64>) {
    let mut ids: Vec<u128> = (1..=40).collect();
    ids.insert(3, 3);
    ids.insert(20, 1);
    ids.insert(30, 5);
    ids.insert(31, 5);
    let records = ids.iter().zip(1..).map(|(id, version)| record(*id, version)).collect();
    let is_last = |at: usize| ids[at + 1..].iter().all(|later| *later != ids[at]);
    let versions = (0..ids.len()).filter(|at| is_last(*at)).map(|at| at as u64 + 1).collect();
    (records, versions)
}

#[test]
fn each_execution_counts_once_within_a_segment_and_across_segments() {
    let (records, versions) = lines();
    for segment_bytes in [2_000, 5_000, 9_000, 1 << 30] {
        let place = Place::with(&records, segment_bytes);
        assert_counted(&place.reader(), &versions);
        // Now the active segment has an index too.
        place.reader().rebuild_index().unwrap();
        assert_counted(&place.reader(), &versions);
    }
}

#[test]
fn lines_after_the_index_and_an_extended_index_supersede_earlier_ones() {
    let (records, versions) = lines();
    for (first, segment_bytes) in [(1, 1 << 30), (20, 1 << 30), (30, 1 << 30), (35, 1 << 30), (30, 5_000)] {
        let place = Place::with(&records[..first], segment_bytes);
        place.reader().rebuild_index().unwrap();
        place.append(&records[first..], segment_bytes);
        assert_counted(&place.reader(), &versions);
    }
}

#[test]
fn an_index_that_is_extended_finds_the_lines_that_it_had() {
    let place = Place::with(&[record(1, 1), record(2, 2), record(2, 3)], 1 << 30);
    place.reader().rebuild_index().unwrap();
    // An index is extended after 2 MiB.
    let mut long = record(3, 4);
    long.skill_name = "x".repeat(1 << 20);
    let mut more = Vec::new();
    for id in 10..15 {
        long.execution_id = record(id, 0).execution_id;
        more.push(long.clone());
    }
    more.extend([record(1, 5), record(10, 6)]);
    place.append(&more, 1 << 30);
    let count = place.reader().scan().fold(|| 0, |count, _| *count += 1, |count, later| *count += later).unwrap().value;
    let index = place.path().with_extension("ledger").join("sealed/000001.index");
    let bytes = std::fs::read(&index).unwrap();
    assert_eq!(u64::from_le_bytes(bytes[40..48].try_into().unwrap()), std::fs::metadata(place.path()).unwrap().len());
    let versions: Vec<_> = place.reader().records().map(|record| record.unwrap().skill_version).collect();
    assert_eq!((count, versions), (7, ["3", "4", "4", "4", "4", "5", "6"].map(str::to_owned).into()));
}

#[test]
fn plain_lines_and_a_reader_without_indexes_count_the_same() {
    let (records, versions) = lines();
    let place = Place::with(&records, 5_000);
    // A directory in place of each new index makes every build fail.
    let sealed = place.path().with_extension("ledger").join("sealed");
    for number in 1..=20 {
        std::fs::create_dir_all(sealed.join(format!("{number:06}.index.new"))).unwrap();
    }
    assert_counted(&place.reader(), &versions);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain.jsonl");
    let text: String = records.iter().map(|record| record.to_json().unwrap() + "\n").collect();
    std::fs::write(&path, text).unwrap();
    let plain = LedgerReader::open(&path).unwrap();
    assert_eq!(plain.records().count(), versions.len());
    assert_eq!(plain.last(99, Some).unwrap().records.len(), versions.len());
}

#[test]
fn after_segments_were_archived_both_parts_count_their_own_lines() {
    let (records, versions) = lines();
    let place = Place::with(&records, 5_000);
    assert_counted(&place.reader(), &versions);
    let archive = place.directory.path().join("archive");
    let ledger = Ledger::open(place.path()).unwrap();
    let segments = ledger.sealed_segments().unwrap();
    ledger.archive_segments(segments[segments.len() / 2].number, &archive).unwrap();
    let mut lines = Vec::new();
    for reader in [LedgerReader::open(archive.join("log.jsonl")).unwrap(), place.reader()] {
        let mut text = Vec::new();
        reader.write_lines(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let all: Vec<_> = text.lines().map(|line| ExecutionMetrics::from_json(line).unwrap()).collect();
        let is_last = |at: &usize| all[at + 1..].iter().all(|later| later.execution_id != all[*at].execution_id);
        let expected: Vec<u64> =
            (0..all.len()).filter(is_last).map(|at| all[at].skill_version.parse().unwrap()).collect();
        assert_counted(&reader, &expected);
        lines.push(all.len());
    }
    assert_eq!(lines.iter().sum::<usize>(), records.len());
}

/// The sweep records an execution as interrupted. If the execution ends later, its final record follows.
#[test]
fn an_interrupted_record_that_a_final_one_follows_does_not_count() {
    let mut interrupted = record(1, 1);
    interrupted.set_status(Status::Interrupted);
    for segment_bytes in [1_000, 1 << 30] {
        let place = Place::with(&[interrupted.clone(), record(2, 2), record(1, 3)], segment_bytes);
        assert_counted(&place.reader(), &[2, 3]);
        let report = place.reader().gate(&Gate::new("run-7")).unwrap().report;
        assert!(report.reasons.iter().all(|reason| !reason.found.contains("interrupted")), "{report:?}");
        assert!(report.reasons.iter().all(|reason| !reason.found.contains("differ")), "{report:?}");
    }
}

#[test]
fn a_verification_lists_the_lines_and_has_no_fault() {
    let (records, _) = lines();
    for segment_bytes in [5_000, 1 << 30] {
        let found = Place::with(&records, segment_bytes).reader().verify(&[]).unwrap();
        assert!(found.is_clean());
        let listed: Vec<_> =
            found.repeated.iter().map(|found| (found.execution_id.as_u128() >> 64, found.lines.clone())).collect();
        assert_eq!(listed, [(1, vec![1, 21]), (3, vec![3, 4]), (5, vec![6, 31, 32])]);
        assert_eq!((found.repeated_count, found.copied), (4, 0));
    }
    let once = Place::with(&records[..2], 1 << 30).reader().verify(&[]).unwrap();
    assert_eq!((once.repeated_count, once.repeated), (0, vec![]));
}

/// A verification finds more repeated executions, and more lines of one execution, than its lists can hold.
#[test]
fn a_verification_bounds_its_lists() {
    let mut records: Vec<_> = (1..=150).map(|version| record(1, version)).collect();
    records.extend((2..=130).flat_map(|id| [record(id, 1), record(id, 2)]));
    let place = Place::with(&records, 50_000);
    let found = place.reader().verify(&[]).unwrap();
    assert_eq!((found.repeated_count, found.repeated.len()), (149 + 129, 100));
    let expected: Vec<u64> = (1..=99).chain([150]).collect();
    assert_eq!(found.repeated[0].lines, expected);
    assert_eq!(place.reader().records().count(), 130);
}

/// If the indexes cover at least 16 MiB, a file says which of them were compared with each other.
#[test]
fn indexes_that_were_compared_are_not_compared_again() {
    let long = |(id, version): (u128, u64)| {
        let mut record = record(id, version);
        record.tags.insert("prompt".to_owned(), "x".repeat(1 << 20).into());
        record
    };
    let ids = [1, 2, 3, 4, 5, 6, 1, 7, 8, 2, 9, 10, 11, 12, 2, 13, 14, 15, 16, 7];
    let records: Vec<_> = ids.into_iter().zip(1..).map(long).collect();
    let place = Place::with(&records, 5 << 20);
    let assert_versions = |expected: &[u64]| {
        let version = |record: &ExecutionMetrics| record.skill_version.parse::<u64>().unwrap();
        let found: Vec<_> = place.reader().records().map(|record| version(&record.unwrap())).collect();
        assert_eq!(found, expected);
        let count = place.reader().scan().fold(|| 0, |count, _| *count += 1, |count, later| *count += later);
        assert_eq!(count.unwrap().value, expected.len());
    };
    let first = [3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
    let file = place.path().with_extension("ledger").join("compared.checkpoint");
    assert_versions(&first);
    let kept = std::fs::read(&file).unwrap();
    assert_versions(&first);
    assert_eq!(std::fs::read(&file).unwrap(), kept);
    // Later lines supersede lines of segments that were compared.
    place.append(&[record(3, 21), record(16, 22)], 5 << 20);
    let second = [4, 5, 6, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22];
    assert_versions(&second);
    // The active segment grows, and another one begins.
    place.append(
        &[long((17, 23)), long((18, 24)), long((4, 25)), long((19, 26)), long((20, 27)), record(21, 28)],
        5 << 20,
    );
    let third = [5, 6, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28];
    assert_versions(&third);
    let grown = std::fs::read(&file).unwrap();
    assert_ne!(grown, kept);
    for other in [kept, Vec::new(), grown[..grown.len() - 1].to_vec(), [&grown[..], b"x"].concat()] {
        std::fs::write(&file, other).unwrap();
        assert_versions(&third);
        assert_eq!(std::fs::read(&file).unwrap(), grown);
    }
    let ledger = Ledger::open(place.path()).unwrap();
    ledger.archive_segments(1, place.directory.path().join("archive")).unwrap();
    let left: Vec<_> = third.into_iter().filter(|version| *version > 5).collect();
    assert_versions(&left);
}
