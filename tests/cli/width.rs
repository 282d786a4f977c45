//! Tables are at most as wide as the terminal. On a wide terminal, no name is cut. On a narrow one, names are cut and
//! columns move to a second line, so that the terminal itself breaks no line of a table. If the output is not a
//! terminal, no name is cut either. `COLUMNS` overrides the width of the terminal.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use crate::commands::{Place, command, output, record, records};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Uuid};

/// Returns a ledger of the common records, and of one with a name of 80 columns: 40 characters of two columns each.
fn place() -> Place {
    let wide = record(0x019c_5d2b_0002, &"語".repeat(40), "2026-02-14T14:28:00Z", Some(12_345), Status::Panicked);
    let all: Vec<ExecutionMetrics> = records().into_iter().chain([wide]).collect();
    Place::with(&all)
}

/// Returns the output of the command on a terminal of so many columns.
fn on_terminal(place: &Place, columns: u32, variable: &str, arguments: &str) -> Option<String> {
    let line = format!("stty cols {columns} && {variable} '{}' {arguments}", env!("CARGO_BIN_EXE_runledger"));
    let mut script = Command::new("script");
    script.current_dir(place.directory.path()).env_remove("COLUMNS").env_remove("RUNLEDGER_PATH").env("NO_COLOR", "1");
    let Ok(output) = script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output() else {
        println!("NOT TESTED: script is missing, which makes a terminal");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"))
}

/// Returns the output of `list` in a pipe.
fn piped(place: &Place) -> String {
    output(command().env_remove("COLUMNS").current_dir(place.directory.path()).arg("list")).answer(0)
}

const WIDE: &str = "\
start (UTC)       skill                                                                             status          ms  tokens     usd  id
2026-02-14 14:23  git-push-autonomous                                                               success       3200    1500  0.0600  019c5d2a-5
2026-02-14 14:24  blog-publish                                                                      failed       45.0k    3300  0.0345  019c5d2a-6b00
2026-02-14 14:25  blog-publish                                                                      interrupted      -       -       -  019c5d2a-6b01
2026-02-14 14:26  übersetzen-日本語                                                                 success          7       -       -  019c5d2b-0000
2026-02-14 14:27  blog-publish                                                                      success        900      15       -  019c5d2b-0001
2026-02-14 14:28  語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語語  panicked     12.3k       -       -  019c5d2b-0002
";
const IN_80: &str = "\
start (UTC)      skill             status         ms tokens    usd id
2026-02-14 14:23 git-push-autonom… success      3200   1500 0.0600 019c5d2a-5
2026-02-14 14:24 blog-publish      failed      45.0k   3300 0.0345 019c5d2a-6b00
2026-02-14 14:25 blog-publish      interrupted     -      -      - 019c5d2a-6b01
2026-02-14 14:26 übersetzen-日本語 success         7      -      - 019c5d2b-0000
2026-02-14 14:27 blog-publish      success       900     15      - 019c5d2b-0001
2026-02-14 14:28 語語語語語語語語… panicked    12.3k      -      - 019c5d2b-0002
";
const NARROW: &str = "\
start (UTC)      skill       status         ms tokens    usd
  id
2026-02-14 14:23 git-push-a… success      3200   1500 0.0600
  019c5d2a-5
2026-02-14 14:24 blog-publi… failed      45.0k   3300 0.0345
  019c5d2a-6b00
2026-02-14 14:25 blog-publi… interrupted     -      -      -
  019c5d2a-6b01
2026-02-14 14:26 übersetzen… success         7      -      -
  019c5d2b-0000
2026-02-14 14:27 blog-publi… success       900     15      -
  019c5d2b-0001
2026-02-14 14:28 語語語語語… panicked    12.3k      -      -
  019c5d2b-0002
";

/// Checks that each row has an age in days beside its start, and removes the ages, which change every day.
fn without_ages(table: &str) -> String {
    let mut plain = String::new();
    for (at, line) in table.lines().enumerate() {
        let (start, rest) = line.split_at(16);
        let (age, rest) = rest.split_at(10);
        assert!(at == 0 || age.starts_with("  ") && age.ends_with("d ago"), "{line}");
        plain.push_str(&format!("{start}{rest}\n"));
    }
    plain
}

#[test]
fn a_table_fits_the_width_of_the_terminal() {
    let place = place();
    for (columns, table) in [(160, WIDE), (80, IN_80), (60, NARROW)] {
        let Some(found) = on_terminal(&place, columns, "", "list") else { return };
        let found = if columns == 160 { without_ages(&found) } else { found };
        assert_eq!(found, table, "{columns}");
    }
    // The terminal itself breaks lines that are not in a table.
    let cost = "\
model       execs input output cache w cache r tokens    usd
  unpriced
-               1     -      -       -       -      -      -
         1
claude-hai…     1  2300      0       -       -   2300 0.0045
         0
gpt-4           2  2000    500       -       -   2500 0.0900
         0
llama-9         1    10      5       -       -     15      -
         1
total           4  4310    505       -       -   4815 0.0945
         2
unknown: input 1, output 1, cache w 4, cache r 4, tokens 1
without model: 2
";
    assert_eq!(on_terminal(&place, 60, "", "cost").unwrap(), cost);
}

#[test]
fn without_a_terminal_names_are_whole_and_a_row_is_a_line() {
    let place = place();
    assert_eq!(piped(&place), WIDE);
    // Only the last digits distinguish these two ids.
    let twins = [1, 2].map(|last| {
        let mut twin = record(1, "skill-of-a-long-name", "2026-02-14T14:29:00Z", None, Status::Interrupted);
        twin.execution_id = Uuid::from_u128(twin.execution_id.as_u128() << 4 | last);
        twin
    });
    let place = Place::with(&twins);
    let table = "\
start (UTC)       skill                 status       ms  tokens  usd  id
2026-02-14 14:29  skill-of-a-long-name  interrupted   -       -    -  00000000-0010-0000-0000-000000000011
2026-02-14 14:29  skill-of-a-long-name  interrupted   -       -    -  00000000-0010-0000-0000-000000000012
";
    assert_eq!(piped(&place), table);
    let help = output(command().arg("--help")).answer(0).replace('\n', " ");
    assert!(help.contains("In a file or a pipe, a row is always one line, and names are never shortened."), "{help}");
}

#[test]
fn the_variable_wins() {
    let place = place();
    let mut list = command();
    list.current_dir(place.directory.path()).arg("list");
    for (columns, table) in [("160", WIDE), ("60", NARROW), ("80", IN_80), ("", WIDE), ("0", WIDE), ("wide", WIDE)] {
        assert_eq!(output(list.env("COLUMNS", columns)).answer(0), table, "{columns:?}");
    }
    if let Some(found) = on_terminal(&place, 60, "COLUMNS=160", "list") {
        assert_eq!(without_ages(&found), WIDE);
    }
}
