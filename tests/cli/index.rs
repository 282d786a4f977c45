//! Promise: commands that read a ledger print the same bytes with and without indexes, even if an index is damaged or
//! belongs to another segment.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::{RunIds, Status};
use runledger::{Durability, ExecutionMetrics, Timestamp, Usage, Usd, Uuid};

use crate::commands::{Output, Place};

const QUESTIONS: [&str; 21] = [
    "list --all",
    "list --since 2026-02-07 --status failed",
    "list --since 2026-02-06T12:30:00Z --until 2026-02-06T15:00:00Z --limit 3",
    "tail -n 4",
    "show 00000005",
    "show 0000",
    "show ffff",
    "cost",
    "cost --by day --json",
    "cost --by day --zone Asia/Kolkata",
    "cost --by week --since 2026-02-06T09:30:00Z",
    "cost --by run --until 2026-02-07",
    "gate --run run-1",
    "gate --run run-2 --json",
    "gate",
    "baseline --since 2026-02-07",
    "escalate --since 2026-02-01",
    "metrics",
    "list --all --json",
    "baseline",
    "export workflow",
];

/// Returns the record with this number, of the execution `execution`.
fn record(number: u64, execution: u64, minutes: u64) -> ExecutionMetrics {
    let start = Timestamp::from_unix_ms(1_770_360_000_000).unwrap().plus_ms(minutes * 60_000);
    let id = Uuid::from_u128(u128::from(execution) << 96);
    let mut record = ExecutionMetrics::new(id, format!("skill-{}", number % 3), "1.0.0", start);
    record.timestamp_end = Some(start.plus_ms(number * 10));
    record.total_latency_ms = Some(number * 10);
    record.set_status(if number.is_multiple_of(4) { Status::Failed } else { Status::Success });
    if !number.is_multiple_of(5) {
        record.set_usage(["model-a", "model-b"][number as usize % 2], &Usage::new(number, 7));
        record.cost_usd = (!number.is_multiple_of(7)).then(|| Usd::from_pico(i128::from(number) * 1_000_000));
    }
    record.run = if number.is_multiple_of(6) { RunIds::default() } else { RunIds::new(format!("run-{}", number % 3)) };
    record.run.parent_execution_id = (number > 2).then(|| Uuid::from_u128(u128::from(number / 2) << 96));
    record
}

fn sealed(place: &Place) -> PathBuf {
    place.ledger().with_extension("ledger").join("sealed")
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// Returns the exit code, the output and the warnings of each command.
fn answers(place: &Place) -> Vec<(Option<i32>, String, String)> {
    let answer = |Output { code, stdout, stderr, .. }| (code, stdout, stderr);
    QUESTIONS.map(|question| answer(place.run(question.split(' ')))).into()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 10, ..ProptestConfig::with_cases(4) })]

    #[test]
    fn each_command_prints_the_same_with_any_index(
        minutes in prop::collection::vec((0..2_000_u64, prop::option::weighted(0.3, 1..9_u64)), 1..50),
        segment_bytes in 1_500..12_000_u64,
        edit in prop::option::of((any::<Index>(), any::<Index>())),
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..4),
    ) {
        let place = Place::empty();
        // The journal of a ledger does not compare ids. An older version let an execution have several lines.
        drop(runledger::Ledger::open(place.ledger()).unwrap());
        let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed);
        let journal = Journal::open(place.ledger(), options.rotate_bytes(Some(segment_bytes))).unwrap();
        for (number, &(minutes, before)) in (1..).zip(&minutes) {
            let record = record(number, before.map_or(number, |before| number.saturating_sub(before).max(1)), minutes);
            journal.append(record.to_json().unwrap().as_bytes()).unwrap();
        }
        drop(journal);
        let directory = sealed(&place);
        if let (Some((segment, line)), segments @ [_, ..]) = (edit, &*files(&directory, "jsonl")) {
            let segment = segment.get(segments);
            let text = fs::read_to_string(segment).unwrap();
            let mut lines: Vec<_> = text.lines().collect();
            let line = line.index(lines.len());
            lines[line] = "not a record";
            fs::write(segment, lines.join("\n") + "\n").unwrap();
        }
        // A directory in place of each new index makes every build fail, so that all segments are scanned.
        fs::create_dir_all(&directory).unwrap();
        let last = files(&directory, "jsonl").len() as u64 + 1;
        let blocked: Vec<_> = (1..=last).map(|number| directory.join(format!("{number:06}.index.new"))).collect();
        blocked.iter().for_each(|path| fs::create_dir(path).unwrap());
        let expected = answers(&place);
        prop_assert!(files(&directory, "index").is_empty());
        blocked.iter().for_each(|path| fs::remove_dir(path).unwrap());

        prop_assert_eq!(&answers(&place), &expected, "the first call builds each index");
        place.run(["index", "rebuild"]).answer(0);
        prop_assert_eq!(&answers(&place), &expected, "with all indexes");
        for (file, byte, flipped) in damages {
            let indexes = files(&directory, "index");
            let path = file.get(&indexes);
            let mut bytes = fs::read(path).unwrap();
            let byte = byte.index(bytes.len());
            bytes[byte] ^= flipped | 1;
            fs::write(path, bytes).unwrap();
            prop_assert_eq!(&answers(&place), &expected, "with a damaged index");
        }
        if let [first, second, ..] = &*files(&directory, "index") {
            fs::copy(first, second).unwrap();
            prop_assert_eq!(&answers(&place), &expected, "with a foreign index");
        }
    }
}
