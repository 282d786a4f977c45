//! `runledger tail` shows the end of a ledger, and follows it.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command};

use crate::commands::{Place, Running, command, lines, record, records, usd};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options};

const TAIL: &str = "\
start (UTC)      skill             status         ms tokens    usd id
2026-02-14 14:23 git-push-autonom… success      3200   1500 0.0600 019c5d2a-5a40
2026-02-14 14:24 blog-publish      failed      45.0k   3300 0.0345 019c5d2a-6b00
2026-02-14 14:25 blog-publish      interrupted     -      -      - 019c5d2a-6b01
2026-02-14 14:26 übersetzen-日本語 success         7      -      - 019c5d2b-0000
2026-02-14 14:27 blog-publish      success       900     15      - 019c5d2b-0001
";

fn follow(place: &Place, args: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let mut command = command();
    let mut running =
        Running::spawn(command.current_dir(place.directory.path()).arg("tail").arg("--follow").args(args));
    let output = BufReader::new(running.child.stdout.take().unwrap());
    (running, output)
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}

fn append(ledger: &Ledger, record: &ExecutionMetrics) {
    assert!(matches!(ledger.append(record), Ok(Answer::Durable { .. })));
}

#[test]
fn the_last_records_are_a_table_of_at_most_80_columns() {
    let place = Place::new();
    assert_eq!(place.run(["tail"]).answer(0), TAIL);
    assert_eq!(TAIL.lines().map(|line| line.chars().count()).max(), Some(80));
    let two = "\
start (UTC)       skill              status    ms  tokens  usd  id
2026-02-14 14:26  übersetzen-日本語  success    7       -    -  019c5d2b-0000
2026-02-14 14:27  blog-publish       success  900      15    -  019c5d2b-0001
";
    assert_eq!(place.run(["tail", "-n", "2"]).answer(0), two);
    let none = "No executions to show. `runledger run` records one.\n";
    assert_eq!(place.run(["tail", "-n", "0"]).answer(0), none);
}

/// The values are as wide as possible, and the printed numbers are rounded.
#[test]
fn large_values_do_not_make_the_table_wider() {
    let mut record = record(1, &"s".repeat(100), "2026-02-14T14:23:00Z", Some(u64::MAX), Status::Interrupted);
    (record.tokens_used, record.cost_usd) = (Some(u64::MAX), Some(usd("999999.9949")));
    record.timestamp_end = Some(record.timestamp_start);
    let place = Place::with(&[record]);
    let row = "2026-02-14 14:23 ssssssssss… interrupted 1.84e19 1.84e19 999999.99 00000000-0001";
    assert!(place.run(["tail"]).answer(0).ends_with(&format!(" id\n{row}\n")), "{}", place.run(["tail"]).answer(0));
    assert!(place.run(["list"]).answer(0).ends_with(" 00000000\n"));
    for command in ["tail", "list"] {
        let table = place.run([command]).answer(0);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
}

#[test]
fn in_json_each_line_is_a_record() {
    let (place, records) = (Place::new(), records());
    assert_eq!(place.run(["tail", "--json"]).answer(0), lines(&records));
    assert_eq!(place.run(["tail", "--json", "--lines", "2"]).answer(0), lines(&records[3..]));
    assert_eq!(place.run(["tail", "--json", "-n", "0"]).answer(0), "");
}

#[test]
fn ten_are_shown_by_default_and_show_accepts_their_ids() {
    let records: Vec<_> =
        (1..=12).map(|id| record(id << 16, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success)).collect();
    let place = Place::with(&records);
    assert_eq!(place.run(["tail", "--json"]).answer(0), lines(&records[2..]));
    let table = place.run(["tail"]).answer(0);
    for (row, record) in table.lines().skip(1).zip(&records[2..]) {
        let id = row.rsplit(' ').next().unwrap();
        assert_eq!(place.run(["show", "--json", id]).answer(0), lines(std::slice::from_ref(record)));
    }
}

#[test]
fn names_do_not_move_the_cursor() {
    let place = Place::with(&[record(1, "a\u{1b}[2J\nb", "2026-02-14T14:23:00Z", Some(1), Status::Success)]);
    assert!(place.run(["tail"]).answer(0).contains("  a\\u{1b}[2J\\nb  success  "));
}

#[test]
fn a_line_that_is_not_a_record_is_reported_and_skipped() {
    let output = Place::new().with_a_foreign_line().run(["tail", "-n", "4", "--json"]);
    assert_eq!((output.code, output.stdout), (Some(0), lines(&records()[2..])));
    let warnings: Vec<_> = output.stderr.lines().collect();
    assert!(warnings[0].contains("logs/execution_metrics.jsonl: line 3 (byte "), "{warnings:?}");
    assert_eq!(warnings[1], r#"{"kind":"malformed","warning":"skipped lines that are not records: 1"}"#);
}

#[test]
fn without_a_ledger_tail_fails() {
    for args in [&["tail"][..], &["tail", "-f"]] {
        assert_eq!(
            Place::empty().run(args).complaint(2),
            "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
             to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n"
        );
    }
}

#[test]
fn it_follows_from_segment_to_segment() {
    let (place, records) = (Place::with(&[]), records());
    let ledger = Options::new().rotate_bytes(Some(1)).open(place.ledger()).unwrap();
    append(&ledger, &records[0]);
    let (_tail, mut output) = follow(&place, &["--json", "-n", "1"]);
    assert_eq!(line(&mut output), lines(&records[..1]));
    for record in &records[1..] {
        append(&ledger, record);
        assert_eq!(line(&mut output), lines(std::slice::from_ref(record)));
    }
    assert!(ledger.head().unwrap().segment > 3);
}

/// Rows that are recorded later have the columns of the rows before them, however wide their values are.
#[test]
fn its_table_continues_below_the_headings() {
    let (place, records) = (Place::with(&records()[3..4]), records());
    let ledger = Ledger::open(place.ledger()).unwrap();
    let (_tail, mut output) = follow(&place, &[]);
    assert_eq!(line(&mut output), "start (UTC)      skill            status         ms tokens     usd id\n");
    assert_eq!(line(&mut output), "2026-02-14 14:26 übersetzen-日本… success         7      -       - 019c5d2b-0000\n");
    for (record, row) in [
        (&records[4], "2026-02-14 14:27 blog-publish     success       900     15       - 019c5d2b-0001\n"),
        (&records[2], "2026-02-14 14:25 blog-publish     interrupted     -      -       - 019c5d2a-6b01\n"),
        (&records[0], "2026-02-14 14:23 git-push-autono… success      3200   1500  0.0600 019c5d2a-5a40\n"),
        (&records[1], "2026-02-14 14:24 blog-publish     failed      45.0k   3300  0.0345 019c5d2a-6b00\n"),
    ] {
        append(&ledger, record);
        assert_eq!(line(&mut output), row);
        assert!(row.trim_end().chars().count() <= 80);
    }
}

/// On a wider terminal, names have more room. In a pipe without a width, they are whole.
#[test]
fn the_columns_of_new_rows_depend_on_the_width() {
    for (columns, heading, name) in [
        ("100", "start (UTC)       skill                           status", "git-push-autonomous             success"),
        ("", "start (UTC)       skill             status", "git-push-autonomous  success"),
    ] {
        let place = Place::with(&records()[3..4]);
        let ledger = Ledger::open(place.ledger()).unwrap();
        let mut command = command();
        command.current_dir(place.directory.path()).args(["tail", "-f"]).env("COLUMNS", columns);
        let mut running = Running::spawn(&mut command);
        let mut output = BufReader::new(running.child.stdout.take().unwrap());
        let first = line(&mut output);
        assert!(first.starts_with(heading), "{first}");
        line(&mut output);
        append(&ledger, &records()[0]);
        let row = line(&mut output);
        assert!(row.contains(name), "{row}");
    }
}

/// A writer dies within a line, and the next one cuts the line off.
#[test]
fn it_shows_whole_lines_only_and_survives_a_recovery() {
    let (place, records) = (Place::with(&records()[..1]), records());
    let (mut tail, mut output) = follow(&place, &["--json"]);
    assert_eq!(line(&mut output), lines(&records[..1]));
    let torn = [std::fs::read(place.ledger()).unwrap(), b"{\"execution_id\":\"019".to_vec()].concat();
    std::fs::write(place.ledger(), torn).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    append(&Ledger::open(place.ledger()).unwrap(), &records[1]);
    assert_eq!(line(&mut output), lines(&records[1..2]));
    tail.child.kill().unwrap();
    assert_eq!(tail.end(), (None, String::new()));
}

#[test]
fn it_ends_silently_when_its_output_is_closed() {
    let (place, records) = (Place::with(&records()[..1]), records());
    let ledger = Ledger::open(place.ledger()).unwrap();
    let (tail, mut output) = follow(&place, &[]);
    assert!(line(&mut output).starts_with("start"));
    drop(output);
    append(&ledger, &records[1]);
    assert_eq!(tail.end(), (Some(0), String::new()));
}

/// `tail` is stopped while unread lines are moved to an archive. It reports them, and continues after them.
#[test]
fn lines_archived_before_they_were_shown_are_reported() {
    let place = Place::empty();
    let ledger = Options::new().rotate_bytes(Some(1_000)).open(place.ledger()).unwrap();
    let number = |id: u128| record(id, "draw", "2026-02-14T14:23:00Z", Some(1), Status::Success);
    append(&ledger, &number(1));
    let (mut running, mut output) = follow(&place, &["--json"]);
    let mut shown = || ExecutionMetrics::from_json(&line(&mut output)).unwrap().execution_id.as_u128() as u64;
    assert_eq!(shown(), 1);
    let pid = running.child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    (2..=20).for_each(|id| append(&ledger, &number(id)));
    let last = ledger.sealed_segments().unwrap().into_iter().rfind(|segment| segment.stays.is_none()).unwrap();
    ledger.archive_segments(last.number, place.path("archive")).unwrap();
    signal("-CONT");
    let mut found = vec![1];
    while found.last() != Some(&20) {
        found.push(shown());
    }
    running.child.kill().unwrap();
    let stderr = running.end().1;
    let gap = found.windows(2).find(|pair| pair[1] != pair[0] + 1).unwrap();
    let why = format!(
        "lines {} to {} were moved away before they were read. `events.jsonl` says to which archive\"}}\n",
        gap[0] + 1,
        gap[1] - 1
    );
    assert!(stderr.ends_with(&why) && stderr.lines().count() == 1, "{stderr}");
    let missed = gap[1] - gap[0] - 1;
    assert_eq!(found.len() as u64 + missed, 20, "{found:?}");
}

/// This is the case in `tail -f | head -1` if no further record arrives.
#[test]
fn it_notices_a_closed_output_without_writing() {
    let place = Place::with(&records()[..1]);
    for args in [&[][..], &["--json"]] {
        let (tail, mut output) = follow(&place, args);
        line(&mut output);
        drop(output);
        assert_eq!(tail.end(), (Some(0), String::new()), "{args:?}");
    }
}
