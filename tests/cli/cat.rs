//! `runledger cat` writes the lines of all segments as they are stored, each once, to a file or a pipe.

use std::io::Read;
use std::path::PathBuf;

use crate::commands::{Place, Running, command};
use runledger::{Ledger, LedgerReader, Options, Skill};
use serde_json::Value;

/// Creates a ledger of `count` records, two in each sealed segment.
fn segments(count: u64) -> (Place, Ledger) {
    let place = Place::empty();
    let ledger = Options::new().rotate_bytes(Some(1_000)).open(place.ledger()).unwrap();
    (0..count).for_each(|_| append(&ledger));
    (place, ledger)
}

fn append(ledger: &Ledger) {
    assert!(ledger.begin(Skill::new("blog-publish", "0.1.0")).succeed().is_durable());
}

fn sealed(place: &Place, number: u64) -> PathBuf {
    place.path(&format!("logs/execution_metrics.ledger/sealed/{number:06}.jsonl"))
}

fn seqs(text: &str) -> Vec<u64> {
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn cat_writes_what_the_segments_hold() {
    let (place, _ledger) = segments(9);
    let paths = (1..=4).map(|number| sealed(&place, number)).chain([place.ledger()]);
    let stored: String = paths.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(place.run(["cat"]).answer(0), stored);
    assert_eq!(place.run(["cat", "--json"]).answer(0), stored);
    let empty = Place::empty();
    assert!(empty.run(["cat"]).complaint(2).contains("logs/execution_metrics.jsonl"));
}

#[test]
fn cat_names_the_archive_of_the_lines_that_it_does_not_write() {
    let (place, ledger) = segments(9);
    let all = place.run(["cat"]).answer(0);
    ledger.archive_segments(3, place.path("archive")).unwrap();
    let rest = place.run(["cat"]);
    let archive = std::fs::canonicalize(place.path("archive")).unwrap().join("execution_metrics.jsonl");
    assert_eq!(rest.code, Some(0));
    assert_eq!(rest.stderr, format!("runledger: lines 1 to 6 were archived; they are in {}\n", archive.display()));
    let archived = place.run(["cat", "--ledger", "archive/execution_metrics.jsonl"]).answer(0);
    assert_eq!(archived + &rest.stdout, all);
}

#[test]
fn cat_names_a_damaged_segment_and_says_so_with_its_exit_code() {
    let (place, _ledger) = segments(9);
    let text = std::fs::read_to_string(sealed(&place, 2)).unwrap();
    std::fs::write(sealed(&place, 2), text.replacen("blog", "glob", 1)).unwrap();
    std::fs::remove_file(sealed(&place, 3)).unwrap();
    let found = place.run(["cat"]);
    assert_eq!((found.code, seqs(&found.stdout)), (Some(1), vec![1, 2, 3, 4, 7, 8, 9]));
    let named: Vec<_> = found.stderr.lines().collect();
    assert!(named.len() >= 2, "{named:?}");
    assert!(named[0].starts_with("runledger: warning: cannot read the lines of the ledger: "), "{named:?}");
    assert!(
        named[0].ends_with(
            "sealed/000002.jsonl: line 1 (byte 0): found a line that does not match its hash; written as it is stored"
        ),
        "{named:?}"
    );
    let missing = "000004.jsonl: line 1 (byte 0): lines 5 to 6 of the ledger are missing before this line";
    assert!(named[1].ends_with(missing), "{named:?}");
    let json: Value = serde_json::from_str(place.run(["cat", "--json"]).stderr.lines().next().unwrap()).unwrap();
    assert_eq!(json["kind"], "malformed");
}

#[test]
fn cat_ends_quietly_when_its_reader_does() {
    let (place, _ledger) = segments(400);
    let mut cat = Running::spawn(command().current_dir(place.directory.path()).arg("cat"));
    let mut first = [0; 1];
    cat.child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!((first, cat.end()), (*b"{", (Some(0), String::new())));
}

#[test]
fn cat_has_each_line_once_while_a_writer_rotates() {
    let (place, ledger) = segments(40);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).for_each(|_| append(&ledger)));
        let mut rounds = 0;
        while !writer.is_finished() || rounds < 2 {
            let before = LedgerReader::open(place.ledger()).unwrap().records().count() as u64;
            let written = seqs(&place.run(["cat"]).answer(0));
            assert_eq!(written, (1..=written.len() as u64).collect::<Vec<_>>());
            assert!(written.len() as u64 >= before);
            rounds += 1;
        }
    });
    assert_eq!(seqs(&place.run(["cat"]).answer(0)).len(), 240);
}

/// Reads the output of `cat` up to its last megabyte, and returns the peak of the memory until then, in kilobytes.
#[cfg(target_os = "linux")]
fn peak_of_cat(records: usize) -> u64 {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let mut all = vec![crate::commands::records()[0].clone(); records];
    (1..).zip(&mut all).for_each(|(id, record)| record.execution_id = runledger::Uuid::from_u128(id));
    assert!(ledger.append_all(&all).iter().all(Result::is_ok));
    drop(ledger);
    let len = std::fs::metadata(place.ledger()).unwrap().len();
    let mut cat = Running::spawn(command().current_dir(place.directory.path()).arg("cat"));
    let mut stdout = cat.child.stdout.take().unwrap();
    // The rest is larger than a pipe, so the command still runs.
    let read = std::io::copy(&mut stdout.by_ref().take(len - 1_000_000), &mut std::io::sink()).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", cat.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    assert_eq!(read + std::io::copy(&mut stdout, &mut std::io::sink()).unwrap(), len);
    assert_eq!(cat.end(), (Some(0), String::new()));
    peak.strip_suffix(" kB").unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_cat_does_not_grow_with_the_ledger() {
    let [small, large] = [2_000, 40_000].map(peak_of_cat);
    assert!(large < small + 1_000, "{large} kB, and {small} kB for a twentieth of the lines");
}
