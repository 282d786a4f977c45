//! Promise: a truncated ledger is reported if its internal files show that it had more lines. A copy of the lines alone
//! can be verified without the internal files.

#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::commands::{self, Place, records, time};
use runledger::ledger::{Fault, FaultKind};
use runledger::{Answer, ErrorKind, Ledger, LedgerReader, Options};
use serde_json::Value;

const LEDGER: &str = "logs/execution_metrics.jsonl";

/// The warnings of opening and using a ledger.
type Warnings = Arc<Mutex<Vec<String>>>;

fn open(place: &Place, rotate_bytes: Option<u64>) -> (Ledger, Warnings) {
    let warnings = Warnings::default();
    let taken = Arc::clone(&warnings);
    let options = Options::new()
        .clock(|| time("2026-02-14T15:00:00Z"))
        .rotate_bytes(rotate_bytes)
        .on_warning(move |warning| taken.lock().unwrap().push(warning.to_string()));
    (options.open(place.ledger()).unwrap(), warnings)
}

/// Appends one record, and returns the number of its line.
fn append(ledger: &Ledger) -> u64 {
    let [mut record, ..] = records();
    record.execution_id = runledger::new_id(0);
    match ledger.append(&record).unwrap() {
        Answer::Durable { seq } => seq,
        other => panic!("{other:?}"),
    }
}

/// Creates a ledger with one line in each segment: sealed ones from 1 on, and the active one, which is the last.
fn segments(count: u64) -> Place {
    let place = Place::empty();
    let (ledger, _) = open(&place, Some(1));
    (1..=count).for_each(|seq| assert_eq!(append(&ledger), seq));
    place
}

fn machinery(place: &Place, name: &str) -> PathBuf {
    place.path("logs/execution_metrics.ledger").join(name)
}

fn sealed(place: &Place, segment: u64) -> PathBuf {
    machinery(place, &format!("sealed/{segment:06}.jsonl"))
}

/// Truncates the file after its first `lines` lines, and returns its new length.
fn keep(path: &PathBuf, lines: usize) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let kept: String = text.split_inclusive('\n').take(lines).collect();
    fs::write(path, &kept).unwrap();
    kept.len() as u64
}

/// Returns the kind, file, line, number and text of each fault.
fn faults(place: &Place) -> Vec<(FaultKind, PathBuf, u64, Option<u64>, String)> {
    let found = LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap();
    found.faults.into_iter().map(|Fault { kind, path, line, seq, found, .. }| (kind, path, line, seq, found)).collect()
}

fn truncated(path: PathBuf, seq: Option<u64>, found: &str) -> (FaultKind, PathBuf, u64, Option<u64>, String) {
    (FaultKind::Truncated, path, 0, seq, found.to_owned())
}

/// Returns the faults that readers see without reading the lines.
fn seen(place: &Place) -> Vec<String> {
    LedgerReader::open(place.ledger()).unwrap().truncations().unwrap().into_iter().map(|fault| fault.found).collect()
}

fn end(place: &Place) -> (String, String) {
    let stdout = place.run(["doctor", "--json"]).stdout;
    let mut checks = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let end = checks.find(|check| check["name"] == "end").unwrap();
    (end["level"].as_str().unwrap().to_owned(), end["found"].as_str().unwrap().to_owned())
}

fn events(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(machinery(place, "events.jsonl")).unwrap_or_default();
    let damaged = text.lines().filter(|line| line.contains("\"event\":\"damaged\""));
    damaged.map(|line| line.split_once("\"event\"").unwrap().1.to_owned()).collect()
}

/// Without the area, a truncation may be missed. So an area that is there and cannot be read is reported by every reader
/// that would use it.
#[test]
fn row_25_a_commit_area_that_cannot_be_read_is_a_fault_a_failed_check_and_a_warning() {
    for kind in ["directory", "fifo"] {
        let place = Place::new();
        keep(&place.ledger(), 2);
        let area = machinery(&place, "commit");
        fs::remove_file(&area).unwrap();
        if kind == "fifo" {
            assert!(std::process::Command::new("mkfifo").arg(&area).status().unwrap().success());
        } else {
            fs::create_dir(&area).unwrap();
        }
        let found = "found a directory, a FIFO or a device; expected a regular file";
        assert_eq!(faults(&place).len(), 1, "{kind}");
        let (fault, path, _, _, text) = faults(&place).remove(0);
        assert_eq!((fault, text.as_str()), (FaultKind::Unreadable, found), "{kind}");
        assert!(path.ends_with("execution_metrics.ledger/commit"), "{path:?}");
        assert!(LedgerReader::open(place.ledger()).unwrap().truncations().is_err());
        let (level, check) = end(&place);
        assert_eq!(level, "warning");
        assert!(check.starts_with("cannot read the commit area: ") && check.ends_with(found), "{check}");
        assert_eq!(place.run(["verify"]).code, Some(1));
        let gate = place.run(["gate", "--run", "r"]).stdout;
        assert!(gate.contains("broken integrity: unreadable: "), "{gate}");
        let list = place.run(["list"]);
        assert_eq!(list.code, Some(0));
        assert!(list.stderr.starts_with("runledger: warning: cannot read the commit area: "), "{}", list.stderr);
    }
}

// The active segment.

#[test]
fn row_25_a_cut_segment_is_a_fault_a_failed_check_and_a_warning_of_each_reader() {
    for lines in [0, 2] {
        let place = Place::new();
        let whole = fs::metadata(place.ledger()).unwrap().len();
        let kept = keep(&place.ledger(), lines);
        let found = format!("{kept} of {whole} synced bytes are there");

        let verified = place.run(["verify"]);
        assert_eq!((verified.code, verified.stderr.as_str()), (Some(1), ""));
        let expected = format!("faults    1\n  truncated: {LEDGER}: seq 5: {found}\n");
        assert!(verified.stdout.ends_with(&expected), "{}", verified.stdout);
        let directory = fs::canonicalize(place.directory.path()).unwrap();
        let path = directory.join(LEDGER);
        assert_eq!(end(&place), ("fault".to_owned(), format!("truncated: {found}: {}", path.display())));
        assert_eq!(
            place.run(["head"]).complaint(1),
            "runledger: cannot report the head: the ledger has faults (1), which `runledger verify` lists\n"
        );
        for reader in ["list", "cost", "baseline", "tail", "metrics"] {
            let read = place.run(reader.split(' '));
            let warning = format!("runledger: warning: truncated: {found}: {LEDGER}\n");
            assert_eq!((read.code, read.stderr), (Some(0), warning), "{reader}");
        }
        let json = place.run(["list", "--json"]).stderr;
        assert_eq!(json, format!("{{\"kind\":\"truncated\",\"warning\":\"truncated: {found}: {LEDGER}\"}}\n"));
    }
}

#[test]
fn the_next_writer_continues_after_the_gap_and_reports_it_once() {
    for (lines, fault) in [
        (0, (FaultKind::Missing, Some(1), "found line 6; expected line 1")),
        (2, (FaultKind::Gap, Some(3), "found line 6; expected line 3. Missing lines: 3")),
    ] {
        let place = Place::new();
        let hash = Ledger::open(place.ledger()).unwrap().head().unwrap().hash;
        let whole = fs::metadata(place.ledger()).unwrap().len();
        let kept = keep(&place.ledger(), lines);
        let (ledger, warnings) = open(&place, None);
        let found = format!("it has {kept} bytes, but {whole} bytes had been synced");
        let warned = format!(
            "cannot continue the ledger's last line: {}: it was truncated or changed: {found}. `runledger verify` reports \
             whether lines are missing",
            place.ledger().display()
        );
        assert_eq!(*warnings.lock().unwrap(), [warned]);
        assert_eq!(events(&place), [format!(":\"damaged\",\"segment\":1,\"found\":\"{found}\"}}")]);
        assert_eq!(append(&ledger), 6);
        drop(ledger);
        let (ledger, warnings) = open(&place, None);
        assert_eq!((warnings.lock().unwrap().len(), events(&place).len()), (0, 1), "reported once");
        drop(ledger);
        let line: Value = serde_json::from_str(&fs::read_to_string(place.ledger()).unwrap()).unwrap();
        assert_eq!((line["seq"].as_u64(), line["prev"].as_str()), (Some(6), Some(hash.as_str())));
        let (kind, seq, found) = fault;
        assert_eq!(faults(&place), [(kind, place.ledger(), 1, seq, found.to_owned())]);
    }
}

/// The writer appends nothing, so no later line shows which lines are missing.
#[test]
fn row_25_a_writer_that_appends_nothing_does_not_make_a_truncated_ledger_whole() {
    let place = Place::new();
    keep(&place.ledger(), 2);
    drop(open(&place, None));
    assert_eq!(fs::metadata(place.ledger()).unwrap().len(), 0);
    let found = "found no line after 2; expected line 5, which was written, according to the commit area";
    assert_eq!(faults(&place), [truncated(place.ledger(), Some(5), found)]);
}

#[test]
fn row_25_a_deleted_active_segment_is_truncated_and_the_numbers_go_on() {
    let place = Place::new();
    let whole = fs::metadata(place.ledger()).unwrap().len();
    fs::remove_file(place.ledger()).unwrap();
    let found = format!("0 of {whole} synced bytes are there");
    assert_eq!(faults(&place), [truncated(place.ledger(), Some(5), &found)]);
    assert_eq!(end(&place).0, "fault");
    for reader in ["list", "tail", "cost"] {
        let read = place.run([reader]);
        assert_eq!((read.code, read.stderr), (Some(0), format!("runledger: warning: truncated: {found}: {LEDGER}\n")));
    }
    let (ledger, _) = open(&place, None);
    assert_eq!(append(&ledger), 6);
    drop(ledger);
    let missing = "found line 6; expected line 1".to_owned();
    assert_eq!(faults(&place), [(FaultKind::Missing, place.ledger(), 1, Some(1), missing)]);
}

/// Missing lines are reported at the line after them.
#[test]
fn a_shorter_segment_with_its_last_line_has_only_the_faults_of_its_lines() {
    let place = Place::new();
    let text = fs::read_to_string(place.ledger()).unwrap();
    let rest: String =
        text.split_inclusive('\n').enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line).collect();
    fs::write(place.ledger(), rest).unwrap();
    let gap = "found line 4; expected line 3. Missing lines: 1".to_owned();
    assert_eq!(faults(&place), [(FaultKind::Gap, place.ledger(), 3, Some(3), gap)]);
}

#[test]
fn the_area_of_another_ledger_causes_no_fault() {
    let (place, other) = (segments(1), segments(3));
    fs::copy(machinery(&other, "commit"), machinery(&place, "commit")).unwrap();
    keep(&other.ledger(), 0);
    assert_eq!((seen(&place), faults(&place)), (vec![], vec![]));
}

/// A rotation between two reads leaves a shorter file under the active segment's name.
#[test]
fn a_reader_beside_writers_that_rotate_sees_no_fault() {
    let place = segments(1);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (ledger, _) = open(&place, Some(1_000));
            (0..400).for_each(|_| _ = append(&ledger));
            ended.store(true, Ordering::Relaxed);
        });
        let mut looks = 0;
        while !ended.load(Ordering::Relaxed) || looks < 100 {
            assert_eq!(seen(&place), [""; 0]);
            looks += 1;
        }
    });
    assert_eq!(faults(&place), []);
    assert!(sealed(&place, 100).exists());
}

// Sealed segments.

#[test]
fn row_25_missing_sealed_segments_are_reported() {
    let gap = |expected: u64, found: u64| {
        let count = found - expected;
        format!("found line {found}; expected line {expected}. Missing lines: {count}")
    };
    for (gone, seen_as, kind, seq, named) in [
        (3..=3, "segment 3 is not there, nor in an archive", FaultKind::Gap, 3, gap(3, 4)),
        (2..=2, "segment 2 is not there, nor in an archive", FaultKind::Gap, 2, gap(2, 3)),
        (
            1..=3,
            "segments 1 to 3 are not there, nor in an archive",
            FaultKind::Missing,
            1,
            "found line 4; expected line 1".to_owned(),
        ),
    ] {
        let place = segments(4);
        let next = if *gone.end() == 2 { sealed(&place, 3) } else { place.ledger() };
        let first = sealed(&place, *gone.start());
        gone.for_each(|segment| fs::remove_file(sealed(&place, segment)).unwrap());
        assert_eq!(seen(&place), [seen_as]);
        assert_eq!(faults(&place), [(kind, next, 1, Some(seq), named)]);
        let (level, found) = end(&place);
        assert_eq!((level.as_str(), found.starts_with(&format!("truncated: {seen_as}"))), ("fault", true), "{found}");
        let warning = place.run(["list"]).stderr;
        let name = first.strip_prefix(place.directory.path()).unwrap();
        assert_eq!(warning, format!("runledger: warning: truncated: {seen_as}: {}\n", name.display()));
    }
}

/// The last lines were in a missing segment, and the active one has none. Their numbers must not be used again.
#[test]
fn row_25_no_number_of_a_missing_last_segment_is_used_again() {
    let place = segments(2);
    keep(&place.ledger(), 0);
    drop(open(&place, None));
    // Segment 3 is the active one, without lines.
    fs::remove_file(sealed(&place, 2)).unwrap();
    let found = "segment 2 is not there, nor in an archive";
    assert_eq!(faults(&place), [truncated(sealed(&place, 2), None, found)]);
    fs::remove_file(machinery(&place, "events.jsonl")).unwrap();
    assert_eq!(faults(&place), [truncated(sealed(&place, 2), None, found)]);
    let (ledger, warnings) = open(&place, None);
    let warned = warnings.lock().unwrap().concat();
    assert!(warned.contains("it was truncated or changed: segment 2 is not there. "), "{warned}");
    assert_eq!(append(&ledger), 3);
    drop(ledger);
    let (_, warnings) = open(&place, None);
    assert_eq!(*warnings.lock().unwrap(), [""; 0], "reported once");
    assert_eq!(events(&place), [":\"damaged\",\"segment\":2,\"found\":\"segment 2 is not there\"}"]);
    let gap = "found line 3; expected line 2. Missing lines: 1".to_owned();
    assert_eq!(faults(&place), [(FaultKind::Gap, place.ledger(), 1, Some(2), gap)]);
}

#[test]
fn archived_segments_are_not_faults() {
    let place = segments(4);
    let (ledger, _) = open(&place, None);
    ledger.archive_segments(2, place.path("archive")).unwrap();
    drop(ledger);
    assert_eq!((seen(&place), faults(&place)), (vec![], vec![]));
    fs::remove_file(sealed(&place, 3)).unwrap();
    assert_eq!(seen(&place), ["segment 3 is not there, nor in an archive"]);
}

// The events, if the commit area is missing too.

#[test]
fn row_25_events_know_segments_and_lengths_without_the_commit_area() {
    for change in ["cut", "remove"] {
        let place = segments(3);
        fs::remove_file(machinery(&place, "commit")).unwrap();
        keep(&place.ledger(), 0);
        assert_eq!(faults(&place), [], "nothing knows of the active segment");
        let (path, whole) = (sealed(&place, 2), fs::metadata(sealed(&place, 2)).unwrap().len());
        let found = match change {
            "cut" => {
                keep(&path, 0);
                assert!(whole < 1_000, "{whole}");
                format!("0 of {whole} synced bytes are there")
            }
            _ => {
                fs::remove_file(&path).unwrap();
                "segment 2 is not there, nor in an archive".to_owned()
            }
        };
        assert_eq!(faults(&place), [truncated(path, None, &found)]);
        assert_eq!(end(&place).0, "fault");
        assert_eq!(seen(&place), [""; 0], "readers do not read the events");
    }
}

#[test]
fn a_missing_segment_that_was_damaged_or_abandoned_is_a_fault() {
    for event in [
        r#"{"at":"2026-02-14T15:00:00.000Z","event":"damaged","segment":2,"found":"NULs"}"#,
        r#"{"at":"2026-02-14T15:00:00.000Z","event":"abandoned","segment":2,"repeated_bytes":0,"error":"EIO"}"#,
    ] {
        let place = segments(2);
        fs::remove_file(machinery(&place, "commit")).unwrap();
        keep(&place.ledger(), 0);
        fs::write(machinery(&place, "events.jsonl"), format!("{event}\n")).unwrap();
        let found = "segment 2 is not there, nor in an archive";
        assert_eq!(faults(&place), [truncated(sealed(&place, 2), None, found)]);
    }
}

// Copies.

#[test]
fn a_copy_without_its_machinery_is_verified_and_what_is_missing_noted() {
    let (place, heads) = (Place::new(), Place::empty());
    fs::copy(place.ledger(), place.path("copy.jsonl")).unwrap();
    fs::write(heads.path("head"), place.run(["head", "--json"]).answer(0)).unwrap();
    let kept = heads.path("head").display().to_string();
    let copy = |name: &str| place.run(["verify", "--ledger", name, "--head", &kept]);
    let whole = copy("copy.jsonl").answer(0);
    let notes = "note      copy.ledger: found no such directory; the identity, the commit area and the sealed segments \
                 cannot be verified\n\
                 note      the first line is line 1, so no line comes before it\n\
                 faults    0\n";
    assert!(whole.starts_with("lines     5\n") && whole.ends_with(notes), "{whole}");
    assert_eq!(
        place.run(["head", "--ledger", "copy.jsonl"]).complaint(2),
        "runledger: cannot report the head: copy.jsonl: found no ledger id; expected a ledger with its internal directory, which stores the id\n"
    );
    // The copy is truncated, and edited.
    keep(&place.path("copy.jsonl"), 4);
    let cut = copy("copy.jsonl");
    assert_eq!(cut.code, Some(1));
    let fault = "  truncated: copy.jsonl: seq 5: found no line after 4; expected line 5, the line of a kept head\n";
    assert!(cut.stdout.ends_with(fault), "{}", cut.stdout);
    let edited =
        fs::read_to_string(place.path("copy.jsonl")).unwrap().replacen("\"skill_name\":\"", "\"skill_name\":\"x", 1);
    fs::write(place.path("copy.jsonl"), edited).unwrap();
    let found = LedgerReader::open(place.path("copy.jsonl")).unwrap().verify(&[]).unwrap();
    assert_eq!(found.faults.iter().map(|fault| (fault.kind, fault.line)).collect::<Vec<_>>(), [(FaultKind::Edited, 1)]);
}

#[test]
fn a_copy_of_a_later_segment_says_that_lines_come_before_it() {
    let place = segments(4);
    let head = Ledger::open(place.ledger()).unwrap().head().unwrap();
    for (path, name, seq) in [(sealed(&place, 3), "000003.jsonl", 3), (place.ledger(), "active.jsonl", 4)] {
        fs::copy(path, place.path(name)).unwrap();
        let mut early = head.clone();
        early.seq = 1;
        let found = LedgerReader::open(place.path(name)).unwrap().verify(std::slice::from_ref(&early)).unwrap();
        assert_eq!((found.lines, found.fault_count, found.head.seq, found.head.ledger.is_nil()), (1, 0, seq, true));
        let before = "the lines before it are in earlier segments, which are not here";
        assert_eq!(
            found.notes[1..],
            [
                format!("the first line is line {seq}; {before}"),
                "kept heads of earlier lines, which cannot be compared here: 1".to_owned()
            ]
        );
    }
    // A copy in the place of the ledger.
    assert_eq!(LedgerReader::open(sealed(&place, 3)).unwrap().verify(&[]).unwrap().lines, 1);
}

#[test]
fn a_missing_file_or_one_that_is_not_a_ledger_is_still_an_error() {
    let place = Place::empty();
    fs::write(place.path("plain.jsonl"), commands::lines(&records())).unwrap();
    fs::write(place.path("empty.jsonl"), "").unwrap();
    fs::write(place.path("removed.jsonl"), "").unwrap();
    for name in ["plain.jsonl", "empty.jsonl", "removed.jsonl"] {
        let reader = LedgerReader::open(place.path(name)).unwrap();
        if name == "removed.jsonl" {
            fs::remove_file(place.path(name)).unwrap();
        }
        let error = reader.verify(&[]).unwrap_err().to_string();
        assert!(error.ends_with("; expected the file of a ledger"), "{error}");
    }
    let error = LedgerReader::open(place.path("none.jsonl")).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
}
