//! A damaged or missing line holds back only the lines that a writer could still restore.

use std::fs;
use std::path::{Path, PathBuf};

use runledger::ship::{DirectoryStore, FileName, Store};
use runledger::{Durability, Options, Timestamp};

use crate::clash::copy;
use crate::support::{append, assert_exactly_once, number, open, record, rows_of, ship, shipped_numbers};

/// A ledger with `lines` lines, a store, and the path of the active segment.
fn ledger(lines: u64) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=lines);
    let root = directory.path().join("fleet");
    (directory, path, root)
}

/// Flips a bit in a line of a segment. `choose` gets the number of lines.
fn damage(segment: &Path, choose: impl Fn(usize) -> usize) -> i64 {
    let text = fs::read_to_string(segment).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let at = choose(lines.len());
    let offset: usize = lines[..at].iter().map(|line| line.len()).sum();
    let line: serde_json::Value = serde_json::from_str(lines[at]).unwrap();
    let mut bytes = text.clone().into_bytes();
    bytes[offset + 30] ^= 1;
    fs::write(segment, bytes).unwrap();
    line["seq"].as_i64().unwrap()
}

fn all_but(damaged: i64, lines: i64) -> Vec<i64> {
    (1..=lines).filter(|&number| number != damaged).collect()
}

#[test]
fn a_damaged_line_of_the_active_segment_holds_back_only_the_lines_after_it_until_a_writer_restores_it() {
    let (directory, before, root) = ledger(0);
    let ledger = open(&before);
    append(&ledger, 1..=40);
    // The files as a crash leaves them. A ledger that is closed moves the base of the commit area to its end.
    let path = directory.path().join("crashed/execution_metrics.jsonl");
    copy(&before.with_extension("ledger"), &path.with_extension("ledger"));
    fs::copy(&before, &path).unwrap();
    let damaged = damage(&path, |lines| lines - 2);
    let shipped = ship(&path, &root, true).unwrap();
    assert_eq!((shipped.records as i64, shipped.is_more), (damaged - 1, true));
    assert_eq!(shipped.skipped.count(), 1, "{:?}", shipped.skipped);
    // The next call says it too.
    let again = ship(&path, &root, true).unwrap();
    assert_eq!((again.records, again.is_more, again.skipped.count()), (0, true, 1));
    append(&open(&path), 41..=41);
    let last = ship(&path, &root, true).unwrap();
    assert_eq!((last.is_more, last.skipped.count()), (false, 0));
    assert_exactly_once(&DirectoryStore::new(root), &path, 41);
}

#[test]
fn a_line_that_no_writer_can_restore_holds_nothing_back() {
    let (_directory, path, root) = ledger(40);
    let damaged = damage(&path, |lines| lines - 2);
    fs::remove_file(path.with_extension("ledger").join("commit")).unwrap();
    let shipped = ship(&path, &root, true).unwrap();
    assert_eq!((shipped.is_more, shipped.skipped.count()), (false, 1));
    assert_eq!(shipped_numbers(&root), all_but(damaged, 40));
    assert_eq!(ship(&path, &root, true).unwrap().records, 0);
}

#[test]
fn files_end_by_their_size_after_a_lost_line() {
    let (_directory, path, root) = ledger(0);
    append(&Options::new().durability(Durability::Flushed).open(&path).unwrap(), 1..=60);
    let damaged = damage(&path, |_| 1);
    fs::remove_file(path.with_extension("ledger").join("commit")).unwrap();
    let shipped = ship(&path, &root, true).unwrap();
    assert!(shipped.files > 3, "{} files", shipped.files);
    assert_eq!(shipped_numbers(&root), all_but(damaged, 60));
}

#[test]
fn a_damaged_last_line_of_a_sealed_segment_holds_nothing_back() {
    for active in [true, false] {
        let (_directory, path, root) = ledger(60);
        let sealed = path.with_extension("ledger").join("sealed");
        let damaged = damage(&sealed.join("000001.jsonl"), |lines| lines - 1);
        let rest = if active { 0 } else { fs::read_to_string(&path).unwrap().lines().count() as i64 };
        let shipped = ship(&path, &root, active).unwrap();
        assert_eq!((shipped.is_more, shipped.skipped.count()), (!active, 1));
        assert_eq!(shipped_numbers(&root), all_but(damaged, 60 - rest));
    }
}

#[test]
fn the_date_of_a_file_is_the_latest_day_even_if_a_line_is_missing() {
    let (_directory, path, root) = ledger(0);
    let ledger = Options::new().durability(Durability::Flushed).open(&path).unwrap();
    // One record a day.
    append(&ledger, (0..5).map(|day| 1 + day * 192));
    ledger.append(&record(2)).unwrap();
    drop(ledger);
    damage(&path, |_| 2);
    fs::remove_file(path.with_extension("ledger").join("commit")).unwrap();
    ship(&path, &root, true).unwrap();
    let store = DirectoryStore::new(&root);
    let mut shipped = 0;
    for name in store.list("v=1").unwrap() {
        for row in rows_of(&store.get(&name).unwrap().unwrap()) {
            let start = Timestamp::from_unix_us(number(&row, "timestamp_start")).unwrap().to_string();
            assert!(*start.get(..10).unwrap() <= *FileName::parse(&name).unwrap().date.to_string(), "{name}: {start}");
            shipped += 1;
        }
    }
    assert_eq!(shipped, 5);
}

#[test]
fn a_segment_that_repeats_a_line_of_an_earlier_day_gives_the_file_the_latest_day() {
    let (_directory, path, root) = ledger(0);
    append(&Options::new().open(&path).unwrap(), (0..6).map(|day| 1 + day * 192));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    // A power cut has removed line 2 from the first segment, and a writer has repeated the last lines.
    let lost = "\0".repeat(lines[1].len() - 1) + "\n";
    let sealed = path.with_extension("ledger").join("sealed");
    fs::create_dir_all(&sealed).unwrap();
    fs::write(sealed.join("000001.jsonl"), [lines[0], &lost, lines[2], lines[3]].concat()).unwrap();
    fs::write(&path, lines[1..].concat()).unwrap();
    ship(&path, &root, true).unwrap();
    assert_eq!(shipped_numbers(&root), [1, 2, 3, 4, 5, 6]);
    let names = DirectoryStore::new(&root).list("v=1").unwrap();
    let dates: Vec<_> = names.iter().map(|name| FileName::parse(name).unwrap()).map(|it| (it.first, it.date)).collect();
    let second = record(1 + 3 * 192).timestamp_start.to_string();
    assert!(dates.iter().any(|(first, date)| *first <= 2 && date.to_string() == second[..10]), "{dates:?}");
}
