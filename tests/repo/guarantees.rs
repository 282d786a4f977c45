//! Promise: for each failure in its table, the page on guarantees names all tests that cover this failure, and no other
//! tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const ROWS: u32 = 37;

/// The names `file::test` of each row.
type Tests = BTreeMap<u32, BTreeSet<String>>;

/// Returns the tests in `tests/` whose names are `row_NN_…`.
fn written() -> Tests {
    fn collect(directory: &Path, tests: &mut Tests) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, tests);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // A test is named by its file, or by its directory if the file is `main.rs`.
                let is_main = path.file_name().unwrap() == "main.rs";
                let file = if is_main { directory } else { &path }.file_stem().unwrap().to_str().unwrap().to_owned();
                for name in tests_in(&fs::read_to_string(&path).unwrap()) {
                    let row = name["row_".len()..].split('_').next().unwrap().parse().unwrap();
                    assert!(tests.entry(row).or_default().insert(format!("{file}::{name}")), "{name} is there twice");
                }
            }
        }
    }
    let mut tests = Tests::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut tests);
    tests
}

/// Returns the names after `fn` that begin with `row_` and have the attribute of a test.
fn tests_in(code: &str) -> Vec<String> {
    let lines: Vec<_> = code.lines().map(str::trim).collect();
    let mut names = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("fn row_") else { continue };
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
        let mut before = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        assert!(before.any(|line| *line == "#[test]"), "{line}: it is named as a test and is none");
        names.push(format!("row_{}", &rest[..end]));
    }
    names
}

/// Reads the last column of the table.
fn stated() -> Tests {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/guarantees.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let row = cells[0].parse().ok()?;
        assert_eq!(cells.len(), 4, "{line}");
        Some((row, cells[3].split(", ").map(|name| name.trim_matches('`').to_owned()).collect()))
    });
    rows.collect()
}

#[test]
fn the_page_names_the_tests_of_each_row() {
    let (written, stated) = (written(), stated());
    assert_eq!(stated.keys().copied().collect::<Vec<_>>(), (1..=ROWS).collect::<Vec<_>>());
    for row in 1..=ROWS {
        assert_eq!(stated.get(&row), written.get(&row), "row {row}: the page, and tests/");
    }
    assert_eq!(written.len(), stated.len());
}
