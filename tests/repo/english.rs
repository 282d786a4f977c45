//! Promise: the code, the help and the documents are written in plain English. They do not use phrases at which readers
//! stopped.

use std::fs;
use std::path::{Path, PathBuf};

/// Each phrase, and what to write instead. A phrase matches whole words, however they are capitalised.
const BANNED: &[(&str, &str)] = &[
    ("told", "reported, given, known"),
    ("untold", "unknown"),
    ("stands", "is, is stored, lives"),
    ("stand", "be, be stored, live"),
    ("anew", "again"),
    ("whoever", "any process that"),
    ("believed", "trusted"),
    ("mended", "repaired, resolved"),
    ("mends", "repairs"),
    ("taken in", "read, accepted"),
    ("takes in", "reads, accepts"),
    ("given up", "cancelled"),
    ("held against", "compared with"),
    ("of itself", "by itself"),
    ("passed over", "skipped"),
    ("passes over", "skips"),
    ("gives back", "returns"),
    ("given back", "returned"),
    ("is no record", "is not a record"),
    ("are no records", "are not records"),
    ("is no line", "is not a line"),
    ("is no file", "is not a file"),
    ("is no ledger", "is not a ledger"),
    ("to be had", "acquired"),
    ("at hand", "available"),
];

/// Lines that keep a phrase: names in formats that other programs or earlier versions read.
const KEPT: [&str; 2] = ["where it comes from is not told", "which is not at hand"];

fn texts() -> Vec<PathBuf> {
    fn collect(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| collect(&entry.unwrap().path(), found));
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "md") {
            found.push(path.to_owned());
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    collect(&root.join("src"), &mut found);
    collect(&root.join("examples"), &mut found);
    found.sort();
    assert!(found.len() > 300, "found only {} files", found.len());
    found
}

/// Returns true if `line` has `phrase` as whole words. Names in code, such as `is_told`, are one word.
fn has(line: &str, phrase: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(phrase).any(|(at, _)| {
        let after = &line[at + phrase.len()..];
        let before = &line[..at];
        // "There is no record" is a plain sentence; "it is no record" is not.
        let is_there = phrase.contains(" no ") && before.ends_with("there ");
        !is_there && !before.ends_with(part_of_word) && !after.starts_with(part_of_word)
    })
}

/// Joins the lines of a comment, so that a phrase is found over a line's end.
fn lines(text: &str) -> Vec<(usize, String)> {
    let comment = |line: &str| line.trim_start().starts_with("//");
    let mut found: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words = line.trim_start().trim_start_matches(['/', '!']).trim();
        match found.last_mut() {
            Some((_, last)) if comment(line) && at > 0 && text.lines().nth(at - 1).is_some_and(comment) => {
                last.push(' ');
                last.push_str(words);
            }
            _ => found.push((at + 1, words.to_owned())),
        }
    }
    found
}

#[test]
fn no_text_has_a_banned_phrase() {
    let mut found = Vec::new();
    for path in texts() {
        let text = fs::read_to_string(&path).unwrap();
        // The page for contributors has a table of the words not to use.
        let is_table = |line: &str| path.ends_with("docs/contributing.md") && line.starts_with('|');
        for (number, line) in lines(&text).into_iter().filter(|(_, line)| !is_table(line)) {
            let line = KEPT.iter().fold(line, |line, kept| line.replace(kept, ""));
            for (phrase, instead) in BANNED.iter().filter(|(phrase, _)| has(&line.to_lowercase(), phrase)) {
                found.push(format!("{}:{number}: \"{phrase}\"; write: {instead}", path.display()));
            }
            if line.contains("As [`") {
                found.push(format!("{}:{number}: \"As [`…`]\"; write: Like …, but", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}\n{} places", found.join("\n"), found.len());
}

#[test]
fn a_phrase_is_found_over_a_line_end_and_not_in_a_name() {
    let text = "/// A line that is\n/// no record.\nlet is_told = 1;\n";
    let all = lines(text);
    assert!(has(&all[0].1.to_lowercase(), "is no record"), "{all:?}");
    assert!(!has(&all[1].1, "told"), "{all:?}");
}
