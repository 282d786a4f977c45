//! Lines that a segment has lost and the next segment repeats are shipped once.

use std::fs;

use runledger::Options;

use crate::support::{append, ship, shipped_numbers};

#[test]
fn a_line_that_the_active_segment_repeats_is_shipped_with_the_segment_that_lost_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&Options::new().open(&path).unwrap(), 1..=6);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    // A power cut has removed line 3 from the first segment, and a writer has repeated the last lines.
    let lost = "\0".repeat(lines[2].len() - 1) + "\n";
    let sealed = path.with_extension("ledger").join("sealed");
    fs::create_dir_all(&sealed).unwrap();
    fs::write(sealed.join("000001.jsonl"), [lines[0], lines[1], &lost, lines[3], lines[4]].concat()).unwrap();
    fs::write(&path, lines[2..].concat()).unwrap();
    let root = directory.path().join("fleet");
    assert_eq!(ship(&path, &root, false).unwrap().records, 5);
    assert_eq!(ship(&path, &root, true).unwrap().records, 1);
    assert_eq!(shipped_numbers(&root), [1, 2, 3, 4, 5, 6]);
}
