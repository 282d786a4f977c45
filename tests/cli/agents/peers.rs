//! The sums of tokens per day and model equal those of ccusage 20.0.24. The exceptions are calls that ccusage counts
//! twice or not at all, and models for which ccusage assumes another name.
//!
//! `benches/peers/transcripts.py` makes 200 sessions with every known trap. It knows their true usage, and says which
//! traps ccusage does not handle. The output of ccusage for these sessions is in `tests/data/transcripts/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use runledger::{LedgerReader, Usd};

use crate::commands::{Place, command, output};

/// The tokens and the cost by day and model. The tokens are input without cached input, output, cache writes and cache
/// reads.
type Rows = BTreeMap<(String, String), ([u64; 4], Usd)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn rows_of(text: &str) -> Rows {
    let row = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [day, model, counts @ .., usd] = &words[..] else { panic!("{line}") };
        let counts: Vec<u64> = counts.iter().map(|count| count.parse().unwrap()).collect();
        (((*day).to_owned(), (*model).to_owned()), (counts.try_into().unwrap(), usd.parse().unwrap()))
    };
    text.lines().map(row).collect()
}

fn kept(name: &str) -> Rows {
    let path = root().join("tests/data/transcripts").join(format!("ccusage-20.0.24-{name}.txt"));
    rows_of(&std::fs::read_to_string(path).unwrap())
}

/// Imports what the agents wrote in the home directory of the place, and sums up the calls.
fn imported(place: &Place) -> Rows {
    let mut import = command();
    import.env("HOME", place.path("home")).env_remove("CLAUDE_CONFIG_DIR").env_remove("CODEX_HOME");
    import.current_dir(place.directory.path()).args(["import", "--json"]);
    assert_eq!(output(&mut import).code, Some(0));
    let mut rows = Rows::new();
    for record in LedgerReader::open(place.ledger()).unwrap().records() {
        let record = record.unwrap();
        for call in record.calls() {
            let count = |part: Option<u64>| part.unwrap_or(0);
            let (read, written) = (count(call.parts.cache_read), count(call.parts.cache_write));
            let input = call.tokens_input.unwrap() - read - written;
            let day = record.timestamp_start.to_string()[..10].to_owned();
            let (sums, usd) = rows.entry((day, call.model_name.clone())).or_default();
            for (sum, count) in sums.iter_mut().zip([input, call.tokens_output.unwrap(), written, read]) {
                *sum += count;
            }
            *usd = usd.checked_add(call.exact_cost().unwrap_or_default()).unwrap();
        }
    }
    rows
}

/// Returns the imported rows of generated sessions, and what the generator says that they used.
fn generated(which: &str) -> (Rows, Rows) {
    let place = Place::empty();
    let script = root().join("benches/peers/transcripts.py");
    let mut generate = Command::new("python3");
    generate.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg("generate").arg(place.path("home")).arg(which);
    let output = output(&mut generate);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    (imported(&place), rows_of(&output.stdout))
}

fn tokens(rows: &Rows) -> BTreeMap<&(String, String), [u64; 4]> {
    rows.iter().map(|(key, (counts, _))| (key, *counts)).collect()
}

#[test]
fn the_sums_are_those_of_ccusage() {
    let (ours, used) = generated("agreed");
    let theirs = kept("agreed");
    assert_eq!(ours.len(), 90);
    assert_eq!(tokens(&ours), tokens(&used));
    assert_eq!(tokens(&ours), tokens(&theirs));
    for (key, (_, usd)) in &ours {
        let (_, other) = theirs[key];
        // Amounts of ccusage are floating-point numbers.
        let difference = usd.pico().abs_diff(other.pico());
        assert!(difference < 2_000_000, "{key:?}: {usd} and {other}");
    }
}

#[test]
fn where_ccusage_differs_the_sums_are_those_of_the_generator() {
    let (ours, used) = generated("all");
    let theirs = kept("all");
    assert_eq!(tokens(&ours), tokens(&used));
    let different = ours.iter().filter(|(key, row)| theirs.get(*key).is_none_or(|other| other.0 != row.0));
    assert_eq!((ours.len(), different.count()), (95, 15));
}

#[test]
fn the_sums_of_real_sessions_are_those_of_ccusage() {
    let place = Place::empty();
    let data = root().join("tests/data/transcripts");
    for (name, directory) in [
        ("claude-code", ".claude/projects/p"),
        ("codex-rollout", ".codex/sessions/2025/09/19"),
        ("codex-rate-limits", ".codex/sessions/2026/06/09"),
    ] {
        let directory = place.path("home").join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(data.join(format!("{name}.jsonl")), directory.join(format!("{name}.jsonl"))).unwrap();
    }
    let ours = imported(&place);
    let mut theirs = kept("samples");
    // If a file names no model, ccusage assumes gpt-5. The imported call has an empty name and an unknown cost.
    let (counts, _) = theirs.remove(&("2026-06-09".to_owned(), "gpt-5".to_owned())).unwrap();
    theirs.insert(("2026-06-09".to_owned(), String::new()), (counts, Usd::ZERO));
    assert_eq!(tokens(&ours), tokens(&theirs));
    let claude = ("2025-08-28".to_owned(), "claude-sonnet-4-20250514".to_owned());
    assert_eq!((ours[&claude].1.to_string(), theirs[&claude].1.to_string()), ("0.7576917".into(), "0.757692".into()));
    // ccusage prices `aide-gpt-5` as gpt-5. The name is that of another server, whose prices are unknown.
    assert_eq!(ours[&("2025-09-19".to_owned(), "aide-gpt-5".to_owned())].1, Usd::ZERO);
}
