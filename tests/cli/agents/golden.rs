//! The import of real sessions makes the records in `tests/data/transcripts/`. With `RUNLEDGER_WRITE=1`, each test
//! first replaces its file of records.

use std::path::Path;

use runledger::import::claude_code::Session;
use runledger::import::codex::Rollout;
use runledger::import::{Import, ImportCounts, KnownCalls, Transcript};

use super::{LATER, tokens};

/// Imports a file of the test data, and compares the records with the file `<name>.records.jsonl`.
fn check(name: &str, transcript: &mut dyn Transcript) -> (usize, super::Tokens, ImportCounts) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts");
    let text = std::fs::read_to_string(directory.join(format!("{name}.jsonl"))).unwrap();
    let mut import = Import::new(KnownCalls::default(), LATER.parse().unwrap());
    text.lines().for_each(|line| transcript.line(line.as_bytes(), &mut import));
    transcript.end(&mut import);
    let records = import.take_records();
    records.iter().for_each(|record| record.validate().unwrap());
    let found: String = records.iter().map(|record| record.to_json().unwrap() + "\n").collect();
    let golden = directory.join(format!("{name}.records.jsonl"));
    if std::env::var_os("RUNLEDGER_WRITE").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    (records.len(), tokens(&records), import.counts().clone())
}

#[test]
fn two_sessions_of_claude_code() {
    let (records, sums, counts) = check("claude-code", &mut Session::default());
    assert_eq!((records, sums), (5, (1_192_671, 3_860, 1_093_509, 99_004)));
    // This version wrote no stop reason, so no usage is known to be final.
    assert_eq!((counts.sessions, counts.calls, counts.lower_bounds, counts.repeated_lines), (2, 31, 31, 10));
    assert_eq!((counts.unreadable_lines, counts.unknown_kinds.len()), (0, 0));
}

#[test]
fn a_session_of_codex() {
    let (records, sums, counts) = check("codex-rollout", &mut Rollout::new("codex-rollout"));
    assert_eq!((records, sums), (1, (270_530, 12_551, 136_832, 0)));
    assert_eq!((counts.calls, counts.unreadable_lines, counts.unknown_kinds.len()), (19, 0, 0));
}

#[test]
fn a_part_of_a_session_of_codex_without_its_model() {
    let (records, sums, counts) = check("codex-rate-limits", &mut Rollout::new("codex-rate-limits"));
    assert_eq!((records, sums), (1, (200, 0, 0, 0)));
    assert_eq!((counts.calls, counts.unreadable_lines, counts.unknown_kinds.len()), (2, 0, 0));
}
