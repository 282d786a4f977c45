//! Promise: a search for an execution or a run finds the same records as a pass over all lines, even if an index is
//! wrong. An execution with several lines counts once, by its last line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::FixedOffset;
use proptest::prelude::*;
use proptest::sample::Index;
use runledger::baseline::Skipped;
use runledger::cost::{CostBy, Report};
use runledger::governance::{Gate, Rule};
use runledger::journal::{Journal, JournalOptions};
use runledger::ledger::UnindexedVerification;
use runledger::metrics::{Fields, RunIds};
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Options, Timestamp, Usage, Usd, Uuid};
use tempfile::TempDir;

/// A few ids, some of which differ only in their last eight bytes.
const IDS: [u128; 6] = [1, 2, 1 << 64, 0x019c_5d2a_5a40_7000 << 64 | 1, 0x019c_5d2a_5a40_7000 << 64 | 2, u128::MAX];
const RUNS: [&str; 4] = ["run-7", "run \"8\"", "", "日"];

fn record(id: usize, run: usize, number: u64) -> ExecutionMetrics {
    // Some hours have several executions, and some executions are recorded later than others that started after them.
    let minutes = number * 25 % 60 + number * 15;
    let mut start = Timestamp::UNIX_EPOCH.plus_ms(minutes * 60_000);
    if number % 3 == 1 {
        // This is the last microsecond of an hour.
        start = Timestamp::from_unix_us(start.unix_us() + 20 * 60_000_000 - 1).unwrap();
    }
    let mut record = ExecutionMetrics::new(Uuid::from_u128(IDS[id % IDS.len()]), format!("s{number}"), "1.0.0", start);
    record.timestamp_end = Some(start);
    if id != 3 {
        record.set_usage(["model-a", "model-b"][id % 2], &Usage::new(number, 3));
        record.cost_usd = (run != 1).then(|| Usd::from_pico(i128::from(number) * 70_000));
    }
    if let Some(run) = RUNS.get(run) {
        record.run = RunIds::new(*run);
        record.run.parent_run_id = number.is_multiple_of(3).then(|| RUNS[number as usize / 3 % RUNS.len()].to_owned());
    }
    record.run.parent_execution_id =
        number.is_multiple_of(2).then(|| Uuid::from_u128(IDS[number as usize / 2 % IDS.len()]));
    record
}

struct Place {
    directory: TempDir,
}

impl Place {
    /// Creates a ledger with a few lines in each segment.
    fn with(records: &[(usize, usize)]) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let journal = place.journal();
        for (number, &(id, run)) in (0..).zip(records) {
            append(&journal, &record(id, run, number));
        }
        place
    }

    /// Opens the ledger as a journal, which does not compare ids. An older version let an execution have several lines.
    fn journal(&self) -> Journal {
        let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed).rotate_bytes(Some(4_000));
        Journal::open(self.path(), options).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log.jsonl")
    }

    fn open(&self) -> Ledger {
        Options::new().durability(Durability::Flushed).rotate_bytes(Some(4_000)).open(self.path()).unwrap()
    }

    fn reader(&self) -> LedgerReader {
        LedgerReader::open(self.path()).unwrap()
    }

    fn sealed(&self) -> PathBuf {
        self.path().with_extension("ledger").join("sealed")
    }

    /// Returns the sealed segments or the indexes, in order.
    fn files(&self, extension: &str) -> Vec<PathBuf> {
        files(&self.sealed(), extension)
    }
}

fn append(journal: &Journal, record: &ExecutionMetrics) {
    journal.append(record.to_json().unwrap().as_bytes()).unwrap();
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

/// Returns the records of all lines, so that an execution can have several.
fn records_of_all_lines(reader: &LedgerReader) -> Vec<ExecutionMetrics> {
    let mut lines = Vec::new();
    reader.write_lines(&mut lines).unwrap();
    let texts = lines.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    texts.filter_map(|text| ExecutionMetrics::from_json(text).ok()).collect()
}

/// Returns the last record of each execution, in ledger order.
fn last_of_each(all: &[ExecutionMetrics]) -> Vec<ExecutionMetrics> {
    let is_last = |(at, record): &(usize, &ExecutionMetrics)| {
        all[at + 1..].iter().all(|later| later.execution_id != record.execution_id)
    };
    all.iter().enumerate().filter(is_last).map(|(_, record)| record.clone()).collect()
}

/// Compares all answers with a pass over all lines.
fn assert_answers(reader: &LedgerReader) {
    let lines = records_of_all_lines(reader);
    let all: Vec<_> = reader.records().filter_map(Result::ok).collect();
    assert_eq!(all, last_of_each(&lines));
    let last = |id: Uuid| all.iter().rfind(|record| record.execution_id == id).cloned();
    for id in IDS.iter().chain(&[3, 0x019c_5d2a_5a40_7000 << 64]).copied().map(Uuid::from_u128) {
        assert_eq!(reader.find(id).unwrap(), last(id), "{id}");
    }
    for count in 0..=IDS.len() {
        let ids: BTreeSet<_> = IDS.iter().rev().take(count).chain(&[3]).copied().map(Uuid::from_u128).collect();
        let expected = ids.iter().filter_map(|id| Some((*id, last(*id)?))).collect();
        assert_eq!(reader.find_all(&ids).unwrap(), expected, "{ids:?}");
    }
    for run in RUNS.iter().chain(&["run-9", "run"]) {
        let expected: Vec<_> =
            all.iter().filter(|record| record.run.run_id.as_deref() == Some(*run)).cloned().collect();
        assert_eq!(reader.run(run).unwrap(), expected, "{run:?}");
        for count in [0, 1, 2, 100] {
            let last = reader.last_of_run(run, count, Some).unwrap().records;
            assert_eq!(last, expected[expected.len().saturating_sub(count)..], "{run:?} {count}");
        }
        let names = |record: &&ExecutionMetrics| {
            [&record.run.run_id, &record.run.parent_run_id].into_iter().flatten().any(|name| name == run)
        };
        let naming: Vec<_> = all.iter().filter(names).cloned().collect();
        for most in [1, usize::MAX] {
            let mut found = Vec::new();
            let take = |record| {
                found.push(record);
                found.len() < most
            };
            reader.each_naming_run(run, take).unwrap();
            assert_eq!(found, naming[..naming.len().min(most)], "{run:?} {most}");
        }
    }
    for parents in [&IDS[..], &IDS[..1], &IDS[4..], &[7]] {
        let parents: BTreeSet<_> = parents.iter().copied().map(Uuid::from_u128).collect();
        let is_stray = |record: &&ExecutionMetrics| {
            record.run.run_id.is_none() && record.run.parent_execution_id.is_some_and(|id| parents.contains(&id))
        };
        let mut found = Vec::new();
        let take = |record| {
            found.push(record);
            true
        };
        reader.each_stray(&parents, take).unwrap();
        assert_eq!(found, all.iter().filter(is_stray).cloned().collect::<Vec<_>>(), "{parents:?}");
    }
    for digits in ["0", "00000000", "019c5d2a5A40", "019c5d2a5a4070000000000000000001", "f", "7"] {
        for limit in [1, 2, 10] {
            let found = reader.find_prefix(digits, limit).unwrap();
            let has = |record: &&ExecutionMetrics| {
                record.execution_id.simple().to_string().starts_with(&digits.to_ascii_lowercase())
            };
            let mut ids: Vec<Uuid> = Vec::new();
            for record in lines.iter().filter(has) {
                if !ids.contains(&record.execution_id) {
                    ids.push(record.execution_id);
                }
            }
            assert_eq!(found.has_more, ids.len() > limit, "{digits}, at most {limit}");
            ids.truncate(limit);
            assert_eq!(found.records.iter().map(|record| record.execution_id).collect::<Vec<_>>(), ids);
            if !found.has_more {
                assert_eq!(found.records, ids.into_iter().filter_map(last).collect::<Vec<_>>());
            }
        }
    }
}

/// Compares the verdicts on runs with those of a pass that verifies every line.
fn assert_verdicts(reader: &LedgerReader) {
    for run in ["run-7", "", "run-9"] {
        let gated = [Gate::new(run), Gate::new(run).verify_every_line()].map(|gate| reader.gate(&gate).unwrap());
        let [by_index, by_pass] = gated.map(|gated| (gated.report, gated.archived));
        assert_eq!(by_index, by_pass, "{run:?}");
    }
}

/// Compares the answers about periods with a pass over all records.
fn assert_periods(reader: &LedgerReader) {
    let all = last_of_each(&records_of_all_lines(reader));
    let minute = |minute: u64| Some(Timestamp::UNIX_EPOCH.plus_ms(minute * 60_000));
    for (since, until) in [
        (None, minute(61)),
        (minute(59), minute(60)),
        (minute(60), minute(120)),
        (None, Timestamp::from_unix_us(60 * 60_000_000 - 500)),
        (Timestamp::from_unix_us(60 * 60_000_000 - 1), minute(90)),
        (minute(130), None),
        (minute(1_500), minute(1_650)),
        (minute(9_999_999), None),
    ] {
        let has =
            |start: Timestamp| since.is_none_or(|since| since <= start) && until.is_none_or(|until| start < until);
        let expected: Vec<_> = all.iter().filter(|record| has(record.timestamp_start)).cloned().collect();
        let scan = reader.scan().between(since, until);
        let add = |found: &mut Vec<ExecutionMetrics>, later: Vec<_>| found.extend(later);
        let found = scan.fold_records(Vec::new, |found, record| found.push(record.clone()), add).unwrap();
        assert_eq!(found.value, expected, "{since:?} {until:?}");
        let add = |found: &mut Vec<String>, later: Vec<_>| found.extend(later);
        let take = |found: &mut Vec<String>, fields: &Fields<'_>| {
            if has(fields.timestamp_start) {
                found.push(fields.skill_name.to_string());
            }
        };
        let [fields, of_all] = [scan.clone(), reader.scan()].map(|scan| scan.fold(Vec::new, take, add).unwrap());
        assert_eq!(fields.value, of_all.value, "{since:?} {until:?}");
        assert_eq!(texts(&fields.skipped), texts(&of_all.skipped));
        let whole = reader.scan().fold_records(|| (), |_, _| (), |_, _| ()).unwrap().skipped;
        assert_eq!(texts(&found.skipped), texts(&whole));
        const REPORTS: [(CostBy, i32); 6] = [
            (CostBy::Day, 0),
            (CostBy::Week, 5 * 3600),
            (CostBy::Month, 5 * 3600 + 1800),
            (CostBy::Model, 0),
            (CostBy::Skill, 5 * 3600 + 1800),
            (CostBy::Run, 0),
        ];
        for (by, zone) in REPORTS {
            let empty = Report::in_zone(by, FixedOffset::east_opt(zone).unwrap());
            let mut report = empty.clone();
            expected.iter().for_each(|record| report.add(record).unwrap());
            let found = reader.scan().between(since, until).sum_up(empty.clone(), |_| true).unwrap();
            assert_eq!(found.value, report, "{by:?} {zone} {since:?} {until:?}");
            assert_eq!(texts(&found.skipped), texts(&whole));
            // The same period, as a condition.
            let found = reader.scan().sum_up(empty, has).unwrap();
            assert_eq!(found.value, report, "{by:?} {zone} {since:?} {until:?}");
        }
        for count in [0, 1, 3, 100] {
            let last = reader.last_between((since, until), count, Some).unwrap().records;
            assert_eq!(last, expected[expected.len().saturating_sub(count)..], "{since:?} {until:?} {count}");
        }
    }
}

/// Returns the number and the texts of skipped lines.
fn texts(skipped: &Skipped) -> (u64, Vec<String>) {
    (skipped.count(), skipped.errors().iter().map(|error| format!("{error} {:?}", error.line())).collect())
}

/// Returns the number and the texts of the lines that a search skips.
fn skipped(reader: &LedgerReader) -> (u64, Vec<String>) {
    let skipped = reader.find_prefix("7", 1).unwrap().skipped;
    texts(&skipped)
}

/// A change of the files, by another program, a crash or a failed sync.
#[derive(Debug, Clone)]
enum Damage {
    /// A byte of a segment is changed.
    Segment(Index, Index, u8),
    /// A line of a segment is replaced by other text.
    Line(Index, Index, &'static str),
    /// The last lines of a segment are repeated at the start of the next one, as after a failed sync.
    Repeated(Index, usize),
    /// A byte of an index is changed.
    Byte(Index, Index, u8),
    Cut(Index, Index),
    /// An index replaces the index of another segment.
    Swapped(Index, Index),
    /// A newer version wrote an index.
    Newer(Index),
    Removed(Index),
    /// A build that did not end left a part of an index.
    Left(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        (index(), index(), any::<u8>()).prop_map(|(a, b, c)| Damage::Segment(a, b, c)),
        (index(), index(), prop_oneof![Just(""), Just("{}"), Just("x\ny"), Just("{\"a\":1}")])
            .prop_map(|(a, b, c)| Damage::Line(a, b, c)),
        (index(), 1..4_usize).prop_map(|(a, b)| Damage::Repeated(a, b)),
        (index(), index(), 1..=u8::MAX).prop_map(|(a, b, c)| Damage::Byte(a, b, c)),
        (index(), index()).prop_map(|(a, b)| Damage::Cut(a, b)),
        (index(), index()).prop_map(|(a, b)| Damage::Swapped(a, b)),
        index().prop_map(Damage::Newer),
        index().prop_map(Damage::Removed),
        index().prop_map(Damage::Left),
    ]
}

impl Damage {
    fn on(&self, place: &Place) {
        let (segments, indexes) = (place.files("jsonl"), place.files("index"));
        let read = |path: &Path| fs::read(path).unwrap();
        let pick = |files: &[PathBuf], at: &Index| (!files.is_empty()).then(|| at.get(files).clone());
        match self {
            Self::Segment(at, byte, value) => {
                let Some(path) = pick(&segments, at) else { return };
                let mut bytes = read(&path);
                let byte = byte.index(bytes.len());
                bytes[byte] = *value;
                fs::write(path, bytes).unwrap();
            }
            Self::Line(at, line, text) => {
                let Some(path) = pick(&segments, at) else { return };
                let old = String::from_utf8_lossy(&read(&path)).into_owned();
                let mut lines: Vec<_> = old.lines().collect();
                let line = line.index(lines.len());
                lines[line] = text;
                fs::write(path, lines.join("\n") + "\n").unwrap();
            }
            Self::Repeated(at, count) => {
                let Some(next) = pick(&segments, at).filter(|next| *next != segments[0]) else { return };
                let before = &segments[segments.iter().position(|path| *path == next).unwrap() - 1];
                let before = read(before);
                let lines: Vec<_> = before.split_inclusive(|byte| *byte == b'\n').collect();
                let repeated = lines[lines.len().saturating_sub(*count)..].concat();
                fs::write(&next, [repeated, read(&next)].concat()).unwrap();
            }
            Self::Byte(at, byte, flipped) => {
                let Some(path) = pick(&indexes, at) else { return };
                let mut bytes = read(&path);
                if !bytes.is_empty() {
                    let byte = byte.index(bytes.len());
                    bytes[byte] ^= flipped;
                    fs::write(path, bytes).unwrap();
                }
            }
            Self::Cut(at, len) => {
                let Some(path) = pick(&indexes, at) else { return };
                let bytes = read(&path);
                fs::write(path, &bytes[..len.index(bytes.len() + 1)]).unwrap();
            }
            Self::Swapped(a, b) => {
                let (Some(a), Some(b)) = (pick(&indexes, a), pick(&indexes, b)) else { return };
                fs::write(a, read(&b)).unwrap();
            }
            Self::Newer(at) => {
                let Some(path) = pick(&indexes, at) else { return };
                let mut bytes = read(&path);
                if bytes.len() > 12 {
                    bytes[8] = 3;
                    fs::write(path, bytes).unwrap();
                }
            }
            Self::Removed(at) => _ = pick(&indexes, at).map(|path| fs::remove_file(path).unwrap()),
            Self::Left(at) => {
                _ = pick(&segments, at).map(|path| fs::write(path.with_extension("index.new"), "x").unwrap())
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn the_answers_are_those_of_a_pass(
        records in prop::collection::vec((0..IDS.len(), 0..RUNS.len() + 2), 1..60),
        later in prop::collection::vec((0..IDS.len(), 0..RUNS.len() + 2), 0..9),
        damages in prop::collection::vec(damage(), 0..5),
        archived in 0..4_u64,
    ) {
        let place = Place::with(&records);
        assert_answers(&place.reader());
        prop_assert_eq!(place.files("index").len(), place.files("jsonl").len());
        // From now on, the active segment has an index too, which covers only the lines up to here.
        place.reader().rebuild_index().unwrap();
        prop_assert_eq!(place.files("index").len(), place.files("jsonl").len() + 1);
        assert_answers(&place.reader());
        let journal = place.journal();
        for (number, &(id, run)) in (100..).zip(&later) {
            append(&journal, &record(id, run, number));
            assert_answers(&place.reader());
            assert_verdicts(&place.reader());
        }
        assert_periods(&place.reader());
        drop(journal);
        let archive = place.directory.path().join("archive");
        let segments = place.open().sealed_segments().unwrap();
        if archived > 0 && archived < segments.len() as u64 {
            place.open().archive_segments(archived, &archive).unwrap();
            let moved = archive.join("log.ledger/sealed");
            // Indexes are moved with their segments and match them, so that they are not built again.
            let indexes: Vec<_> = files(&moved, "index").iter().map(|path| fs::read(path).unwrap()).collect();
            prop_assert_eq!(indexes.len() as u64, archived);
            assert_answers(&LedgerReader::open(archive.join("log.jsonl")).unwrap());
            let again: Vec<_> = files(&moved, "index").iter().map(|path| fs::read(path).unwrap()).collect();
            prop_assert_eq!(indexes, again);
            prop_assert!(place.files("jsonl").iter().all(|segment| segment.with_extension("index").exists()));
        }
        for damage in &damages {
            damage.on(&place);
            assert_answers(&place.reader());
            assert_verdicts(&place.reader());
        }
        assert_periods(&place.reader());
        let with = skipped(&place.reader());
        place.files("index").iter().for_each(|path| fs::remove_file(path).unwrap());
        // A directory in place of each new index makes every build fail, so that all segments are scanned.
        for segment in place.files("jsonl") {
            let new = segment.with_extension("index.new");
            let _ = fs::remove_file(&new);
            fs::create_dir(new).unwrap();
        }
        assert_answers(&place.reader());
        assert_periods(&place.reader());
        prop_assert_eq!(place.files("index").len(), 0);
        prop_assert_eq!(with, skipped(&place.reader()));
    }
}

/// Returns a ledger of twenty records in several segments, whose indexes exist.
fn indexed() -> Place {
    let place = Place::with(&(0..20).map(|number| (number, number)).collect::<Vec<_>>());
    place.reader().rebuild_index().unwrap();
    assert!(place.files("jsonl").len() > 2);
    place
}

/// The segment is edited in place, and keeps its length and even the time of its last change. Its index then has wrong
/// offsets or keys, so each hit is compared with what was looked for.
#[test]
fn an_index_that_lies_costs_only_time() {
    let place = indexed();
    let segments = place.files("jsonl");
    let changed = fs::metadata(&segments[0]).unwrap().modified().unwrap();
    let lines = fs::read_to_string(&segments[0]).unwrap();
    let mut swapped: Vec<_> = lines.split_inclusive('\n').collect();
    swapped.reverse();
    fs::write(&segments[0], swapped.concat()).unwrap();
    let file = fs::File::options().write(true).open(&segments[0]).unwrap();
    file.set_modified(changed).unwrap();
    drop(file);
    assert_answers(&place.reader());
    // By default, the gate trusts the lines of other runs. On request, it verifies every line.
    let is_intact = |gate: &Gate| {
        let reasons = place.reader().gate(gate).unwrap().report.reasons;
        reasons.iter().all(|reason| reason.rule != Rule::BrokenIntegrity)
    };
    assert!(is_intact(&Gate::new("run-9")));
    assert!(!is_intact(&Gate::new("run-9").verify_every_line()));
    assert_eq!(place.reader().verify_unindexed().unwrap(), UnindexedVerification::Intact { lines: 20 });
}

#[test]
fn damage_that_no_index_hides_is_found_by_verifying_every_line() {
    let place = indexed();
    assert_eq!(place.reader().verify_unindexed().unwrap(), UnindexedVerification::Intact { lines: 20 });
    let segments = place.files("jsonl");
    let lines = fs::read_to_string(&segments[1]).unwrap();
    fs::write(&segments[1], lines.replacen("\"prev\":\"", "\"prev\":\"0", 1)).unwrap();
    let complete = place.reader().verify(&[]).unwrap();
    assert!(!complete.is_clean());
    assert_eq!(place.reader().verify_unindexed().unwrap(), UnindexedVerification::Complete(complete));
}

#[test]
fn a_later_change_time_of_a_segment_makes_its_index_stale_and_the_next_call_builds_it_again() {
    let place = indexed();
    let (segments, indexes) = (place.files("jsonl"), place.files("index"));
    let before = fs::read(&indexes[1]).unwrap();
    let file = fs::File::options().write(true).open(&segments[1]).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    drop(file);
    assert_answers(&place.reader());
    assert_ne!(fs::read(&indexes[1]).unwrap(), before);
}

#[test]
fn an_index_of_a_newer_version_is_left_alone_and_one_of_another_ledger_is_replaced() {
    let (place, other) = (indexed(), indexed());
    let indexes = place.files("index");
    let mut newer = fs::read(&indexes[0]).unwrap();
    newer[8] += 1;
    fs::write(&indexes[0], &newer).unwrap();
    let foreign = fs::read(&other.files("index")[1]).unwrap();
    fs::write(&indexes[1], &foreign).unwrap();
    assert_answers(&place.reader());
    assert_eq!(fs::read(&indexes[0]).unwrap(), newer);
    assert_ne!(fs::read(&indexes[1]).unwrap(), foreign);
    place.reader().rebuild_index().unwrap();
    assert_ne!(fs::read(&indexes[0]).unwrap(), newer);
}

#[test]
fn an_index_is_private_and_removed_with_its_segment() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with(&[(0, 0); 400]);
    assert!(place.files("index").is_empty());
    let rebuilt = place.reader().rebuild_index().unwrap();
    let indexes = place.files("index");
    assert_eq!(rebuilt.segments, place.files("jsonl").len() as u64 + 1);
    assert_eq!(rebuilt.bytes, indexes.iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>());
    assert!(rebuilt.unclean.is_empty() && rebuilt.busy.is_empty());
    assert!(indexes.iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600));
    assert!(place.files("new").is_empty());
    // An orphan, as a crash could leave it.
    fs::copy(&indexes[0], place.sealed().join("999999.index")).unwrap();
    place.reader().rebuild_index().unwrap();
    assert_eq!(place.files("index"), indexes);
    let segments = place.open().sealed_segments().unwrap();
    place.open().archive_segments(segments[segments.len() - 2].number, place.directory.path().join("archive")).unwrap();
    assert_eq!((place.files("index").len(), place.files("jsonl").len()), (2, 1));
}

#[test]
fn plain_json_lines_have_no_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let lines: Vec<_> = (0..9).map(|number| record(number, number, number as u64).to_json().unwrap() + "\n").collect();
    fs::write(&path, lines.concat()).unwrap();
    let reader = LedgerReader::open(&path).unwrap();
    assert_answers(&reader);
    assert!(reader.rebuild_index().is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// After a failed sync, a segment begins with copies of the last lines of the segment before it. If a power cut took a
/// line of the earlier segment, its copy counts, after the lines that the earlier segment has. If a program
/// concatenates files, a segment can repeat lines twice.
#[test]
fn the_last_records_have_the_order_of_a_pass_if_a_segment_repeats_lines() {
    let place = Place { directory: tempfile::tempdir().unwrap() };
    let journal = place.journal();
    for number in 0..20 {
        let mut record = record(0, 0, number);
        record.execution_id = Uuid::from_u128(u128::from(number + 1) << 64);
        append(&journal, &record);
    }
    drop(journal);
    let segments = place.files("jsonl");
    let [first, second] = [0, 1].map(|at| fs::read_to_string(&segments[at]).unwrap());
    let lines: Vec<_> = first.split_inclusive('\n').collect();
    let len = lines.len();
    for (copies, lost, order) in [
        (&[1][..], None, vec![len - 2, len - 1]),
        (&[2], Some(2), vec![len - 1, len - 2]),
        (&[3], Some(2), vec![len - 3, len - 1, len - 2]),
        (&[2, 1], None, vec![len - 2, len - 1]),
        (&[1, 2], None, vec![len - 2, len - 1]),
        (&[2, 1], Some(1), vec![len - 2, len - 1]),
        (&[3, 2], Some(2), vec![len - 3, len - 1, len - 2]),
    ] {
        let copies_of = |count: &usize| lines[len - count..].concat();
        fs::write(&segments[1], copies.iter().map(copies_of).collect::<String>() + &second).unwrap();
        let is_left = |at: usize| lost.is_none_or(|lost| at != len - lost);
        let left: String = lines.iter().enumerate().filter(|(at, _)| is_left(*at)).map(|(_, line)| *line).collect();
        fs::write(&segments[0], left).unwrap();
        let before = (0..len).filter(|at| !order.contains(at));
        let expected: Vec<_> = before.chain(order.clone()).chain(len..20).map(|number| format!("s{number}")).collect();
        let reader = place.reader();
        let all: Vec<_> = reader.records().map(|record| record.unwrap().skill_name).collect();
        assert_eq!(all, expected, "{copies:?} {lost:?}");
        for count in 0..=20 {
            let last = &expected[20 - count..];
            let name = |record: ExecutionMetrics| Some(record.skill_name);
            assert_eq!(reader.last(count, name).unwrap().records, last, "{copies:?} {lost:?} {count}");
            assert_eq!(reader.last_of_run("run-7", count, name).unwrap().records, last, "{copies:?} {lost:?} {count}");
        }
    }
}
