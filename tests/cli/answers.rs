//! The commands that read the ledger answer in tables and in JSON, and their exit codes report whether they succeeded.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::commands::{self, Place, command, lines, output, record, records};
use runledger::metrics::Status;
use runledger::{Answer, Baselines, Ledger, LedgerReader, Options};
use serde_json::{Value, json};

const LIST: &str = "\
start (UTC)      skill             status         ms tokens    usd id
2026-02-14 14:23 git-push-autonom… success      3200   1500 0.0600 019c5d2a-5
2026-02-14 14:24 blog-publish      failed      45.0k   3300 0.0345 019c5d2a-6b00
2026-02-14 14:25 blog-publish      interrupted     -      -      - 019c5d2a-6b01
2026-02-14 14:26 übersetzen-日本語 success         7      -      - 019c5d2b-0000
2026-02-14 14:27 blog-publish      success       900     15      - 019c5d2b-0001
";

#[test]
fn list_is_a_table_of_at_most_80_columns_with_a_dash_for_the_unknown() {
    assert_eq!(Place::new().run(["list"]).answer(0), LIST);
    assert_eq!(LIST.lines().map(|line| line.chars().count()).max(), Some(80));
}

#[test]
fn list_in_json_is_the_records() {
    let (place, records) = (Place::new(), records());
    assert_eq!(place.run(["list", "--json"]).answer(0), lines(&records));
    assert_eq!(place.run(["list", "--json", "--all"]).answer(0), lines(&records));
    assert_eq!(place.run(["--json", "list", "--limit", "2"]).answer(0), lines(&records[3..]));
}

#[test]
fn list_selects_by_skill_and_status_and_shows_the_newest_last() {
    let (place, records) = (Place::new(), records());
    let list = |args: &str| place.run(["list", "--json"].into_iter().chain(args.split(' '))).answer(0);
    assert_eq!(list("--skill blog-publish"), lines(&[records[1].clone(), records[2].clone(), records[4].clone()]));
    assert_eq!(list("--status interrupted"), lines(&records[2..3]));
    assert_eq!(list("--skill blog-publish --status success --all"), lines(&records[4..]));
    assert_eq!(list("--skill blog-publish --limit 1"), lines(&records[4..]));
    assert_eq!(list("--since 2026-02-14T14:24:00Z --until 2026-02-14T14:26:00Z"), lines(&records[1..3]));
    assert_eq!(list("--since 2026-02-14T14:24:00Z --status failed"), lines(&records[1..2]));
    assert_eq!(list("--since 2026-02-15 --all"), "");
    assert_eq!(list("--skill blog"), "");
    let none = "No execution matches. `runledger list` shows the last executions.\n";
    assert_eq!(place.run(["list", "--skill", "blog"]).answer(0), none);
}

#[test]
fn list_shows_twenty_by_default() {
    let records: Vec<_> =
        (1..=25).map(|id| record(id, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success)).collect();
    let place = Place::with(&records);
    assert_eq!(place.run(["list", "--json"]).answer(0), lines(&records[5..]));
    assert_eq!(place.run(["list"]).answer(0).lines().count(), 1 + 20);
    assert_eq!(place.run(["list", "--all"]).answer(0).lines().count(), 1 + 25);
}

/// A listed id is long enough to be unique in the whole ledger, even if the list shows no similar id.
#[test]
fn ids_are_as_long_as_the_ledger_needs_and_show_names_the_candidates() {
    let record = |id: u128| {
        let mut record = record(id, "s\u{9b}", "2026-02-14T14:23:00Z", Some(1), Status::Success);
        record.execution_id = runledger::Uuid::from_u128(0x019c_5d2a << 96 | id << 92);
        record
    };
    let records: Vec<_> = (0..13).map(record).collect();
    let place = Place::with(&records);
    let ids = |args: &[&str]| {
        let table = place.run([&["list"], args].concat()).answer(0);
        table.lines().skip(1).map(|row| row.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--limit", "1"]), ["019c5d2a-c"]);
    assert_eq!(ids(&["--limit", "2"]), ["019c5d2a-b", "019c5d2a-c"]);
    assert_eq!(ids(&["--all"]).len(), 13);
    let complaint = place.run(["show", "019c5d2a"]).complaint(2);
    let mut expected = "runledger: more than 10 executions have an id that begins with 019c5d2a:\n".to_owned();
    for record in &records[..10] {
        expected += &format!("  {} 2026-02-14 14:23 s\\u{{9b}}\n", record.execution_id);
    }
    assert_eq!(complaint, expected);
    assert_eq!(Place::with(&records[..10]).run(["show", "019c5d2a"]).complaint(2).lines().count(), 11);
}

/// The last records are read from the end, so damage far before them is not reported. Damage between them is
/// reported.
#[test]
fn list_names_the_damage_in_what_it_reads() {
    let mut text = "no record\n".to_owned();
    for id in 1..=3000 {
        let skill = if id == 1500 { "rare" } else { "s" };
        text += &lines(&[record(id, skill, "2026-02-14T14:23:00Z", Some(1), Status::Success)]);
        if id == 2000 {
            text += "nor this\n";
        }
    }
    let place = Place::empty();
    std::fs::write(place.path("many.jsonl"), text).unwrap();
    let list = |args: &str| place.run(["list", "--ledger", "many.jsonl"].into_iter().chain(args.split(' ')));
    assert_eq!(list("--limit 5").answer(0).lines().count(), 1 + 5);
    let named = |output: commands::Output| output.stderr.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let rare = named(list("--limit 1 --skill rare"));
    assert!(rare[0].contains("many.jsonl: line 2002 (byte "), "{rare:?}");
    assert_eq!(rare[1..], ["runledger: warning: skipped lines that are not records: 1"]);
    let all = named(list("--all --skill rare"));
    assert!(all[0].contains("many.jsonl: line 1 (byte 0)"), "{all:?}");
    assert_eq!((&all[1], all.len()), (&rare[0], 3));
    assert_eq!(named(list("--limit 2 --skill rare")), all);
}

/// A writer that sets no `status` may set `execution_succeeded`, `execution_failed`, both or neither.
#[test]
fn a_missing_status_is_taken_from_the_outcome() {
    let outcomes = [(Some(true), Some(false)), (None, Some(true)), (None, None), (Some(true), Some(true))];
    let records = (1..).zip(outcomes).map(|(id, (succeeded, failed))| {
        let mut record = record(id, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success);
        (record.status, record.execution_succeeded, record.execution_failed) = (None, succeeded, failed);
        record
    });
    let records: Vec<_> = records.collect();
    let place = Place::empty();
    std::fs::write(place.path("plain.jsonl"), lines(&records)).unwrap();
    let list = |args: &str| place.run(["list", "--ledger", "plain.jsonl"].into_iter().chain(args.split(' '))).answer(0);
    let table = list("--all");
    let statuses: Vec<_> = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(statuses, ["success", "failed", "-", "-"]);
    assert_eq!(list("--json --status failed"), lines(&records[1..2]));
}

#[test]
fn names_do_not_move_the_cursor() {
    let mut record = record(1, "a\u{1b}[2J\nb", "2026-02-14T14:23:00Z", Some(1), Status::Success);
    record.model.name = Some("m\r\u{9b}".to_owned());
    let place = Place::with(&[record]);
    assert!(place.run(["list"]).answer(0).contains("  a\\u{1b}[2J\\nb  success  "));
    assert!(place.run(["cost"]).answer(0).contains("\nm\\r\\u{9b}  "));
    assert!(place.run(["baseline"]).answer(0).contains("\nunknown of a\\u{1b}[2J\\nb: cost 1, tokens 1\n"));
}

#[test]
fn show_takes_an_id_or_the_beginning_of_one() {
    let (place, records) = (Place::new(), records());
    let (one, pretty) = (lines(&records[1..2]), serde_json::to_string_pretty(&records[1]).unwrap() + "\n");
    let id = records[1].execution_id.to_string();
    for prefix in [id.as_str(), &id.to_uppercase(), &id.replace('-', ""), "019c5d2a-6b00", "019c5d2a6b00"] {
        assert_eq!(place.run(["show", prefix, "--json"]).answer(0), one);
        assert_eq!(place.run(["show", prefix]).answer(0), pretty);
    }
}

/// `show` accepts each id in the table.
#[test]
fn show_accepts_the_ids_of_list() {
    let (place, records) = (Place::new(), records());
    for (row, record) in LIST.lines().skip(1).zip(records) {
        let id = row.rsplit(' ').next().unwrap();
        assert_eq!(place.run(["show", id, "--json"]).answer(0), lines(&[record]));
    }
}

#[test]
fn show_of_an_id_in_two_lines_is_the_last_of_them() {
    let mut records = records();
    records[4].execution_id = records[0].execution_id;
    let place = Place::with(&records[..4]);
    place.append_again(&records[4]);
    assert_eq!(place.run(["show", "019c5d2a-5", "--json"]).answer(0), lines(&records[4..]));
}

#[test]
fn show_distinguishes_absent_and_ambiguous_ids() {
    let place = Place::new();
    assert_eq!(place.run(["show", "77"]).complaint(1), "runledger: no execution has the id 77\n");
    assert_eq!(
        place.run(["show", "77", "--json"]).complaint(1),
        "{\"error\":\"no execution has the id 77\",\"kind\":\"absent\"}\n"
    );
    assert_eq!(
        place.run(["show", "019C-5d2a6"]).complaint(2),
        "runledger: several executions have an id that begins with 019C-5d2a6:
  019c5d2a-6b00-0000-0000-019c5d2a6b00 2026-02-14 14:24 blog-publish
  019c5d2a-6b01-0000-0000-019c5d2a6b01 2026-02-14 14:25 blog-publish
"
    );
    let candidate = |digits: &str, minute: u8| {
        format!(
            "{{\"execution_id\":\"019c5d2a-{digits}-0000-0000-019c5d2a{digits}\",\"skill_name\":\"blog-publish\",\
             \"timestamp_start\":\"2026-02-14T14:{minute}:00.000Z\"}}"
        )
    };
    assert_eq!(
        place.run(["show", "019C-5d2a6", "--json"]).complaint(2),
        format!(
            "{{\"candidates\":[{},{}],\"error\":\"several executions have an id that begins with 019C-5d2a6\",\
             \"kind\":\"ambiguous\"}}\n",
            candidate("6b00", 24),
            candidate("6b01", 25)
        )
    );
    assert!(place.run(["show", ""]).complaint(2).starts_with("error: a value is required for '<ID>'"));
    for text in ["x", "-", "019c5d2a-5a40-0000-0000-019c5d2a5a400"] {
        let complaint = place.run(["show", "--", text]).complaint(1);
        assert!(
            complaint.starts_with(&format!("runledger: no execution and no run has the id {text:?}; ")),
            "{complaint}"
        );
    }
}

/// Returns the hash of the ledger's last line, and the ledger's size in bytes.
fn end(place: &Place) -> (String, usize) {
    let text = std::fs::read_to_string(place.ledger()).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    (last["hash"].as_str().unwrap().to_owned(), text.len())
}

#[test]
fn verify_of_a_whole_ledger() {
    let place = Place::new();
    let (hash, bytes) = end(&place);
    assert_eq!(
        place.run(["verify"]).answer(0),
        format!("lines     5\nsegments  1\nbytes     {bytes}\nhead      5 {hash}\nfaults    0\n")
    );
    let found: Value = serde_json::to_value(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap()).unwrap();
    assert_eq!((&found["head"]["hash"], &found["lines"]), (&json!(hash), &json!(5)));
    assert_eq!(place.run(["verify", "--json"]).json(), found);
}

#[test]
fn verify_of_an_empty_ledger_has_no_head() {
    let place = Place::with(&[]);
    assert_eq!(place.run(["verify"]).answer(0), "lines     0\nsegments  1\nbytes     0\nhead      -\nfaults    0\n");
}

#[test]
fn head_is_the_state_of_the_ledger_and_verify_reads_it() {
    let place = Place::new();
    let (hash, bytes) = end(&place);
    let json = place.run(["head", "--json"]).answer(0);
    let head = Ledger::open(place.ledger()).unwrap().head().unwrap();
    assert_eq!(json, serde_json::to_string(&head).unwrap() + "\n");
    assert_eq!(
        place.run(["head"]).answer(0),
        format!("ledger   {}\nseq      5\nhash     {hash}\nsegment  1\nbytes    {bytes}\n", head.ledger)
    );
    std::fs::write(place.path("head.json"), json).unwrap();
    assert!(place.run(["verify", "--head", "head.json"]).answer(0).ends_with("faults    0\n"));
}

#[test]
fn head_over_several_segments_and_of_an_empty_ledger() {
    let place = Place::with(&[]);
    let ledger = Options::new().rotate_bytes(Some(2000)).open(place.ledger()).unwrap();
    let same =
        || assert_eq!(place.run(["head", "--json"]).json(), serde_json::to_value(ledger.head().unwrap()).unwrap());
    same();
    for record in records() {
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Durable { .. }));
        same();
    }
    assert!(ledger.head().unwrap().segment > 1);
}

#[test]
fn head_is_refused_for_a_ledger_with_faults() {
    assert_eq!(
        Place::new().with_a_foreign_line().run(["head"]).complaint(1),
        "runledger: cannot report the head: the ledger has faults (1), which `runledger verify` lists\n"
    );
}

#[test]
fn verify_names_each_fault_with_its_place() {
    let place = Place::new().with_a_foreign_line();
    let text = std::fs::read_to_string(place.ledger()).unwrap();
    std::fs::write(place.ledger(), text.replace("\"total_latency_ms\":900,", "\"total_latency_ms\":901,")).unwrap();
    let starts: Vec<usize> =
        text.lines().scan(0, |at, line| Some(std::mem::replace(at, *at + line.len() + 1))).collect();
    let (hash, bytes) = end(&place);
    assert_eq!(
        place.run(["verify"]).answer(1),
        format!(
            "lines     4\nsegments  1\nbytes     {bytes}\nhead      5 {hash}\nfaults    2\n  \
             torn: logs/execution_metrics.jsonl: line 3 (byte {}): seq -: found 9 bytes that are not a line\n  \
             edited: logs/execution_metrics.jsonl: line 6 (byte {}): seq 5: the line does not match its hash\n",
            starts[2], starts[5]
        )
    );
    let json: Value = serde_json::from_str(&place.run(["verify", "--json"]).answer(1)).unwrap();
    assert_eq!(
        json["faults"],
        json!([
            {"kind": "torn", "path": "logs/execution_metrics.jsonl", "line": 3, "byte": starts[2], "seq": null,
             "found": "found 9 bytes that are not a line"},
            {"kind": "edited", "path": "logs/execution_metrics.jsonl", "line": 6, "byte": starts[5], "seq": 5,
             "found": "the line does not match its hash"},
        ])
    );
}

#[test]
fn verify_compares_the_ledger_with_every_head_of_every_file() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let mut heads = Vec::new();
    for record in records() {
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Durable { .. }));
        heads.push(serde_json::to_string(&ledger.head().unwrap()).unwrap());
    }
    std::fs::write(place.path("early.jsonl"), heads[..3].join("\n")).unwrap();
    std::fs::write(place.path("late.json"), &heads[4]).unwrap();
    let verify = |place: &Place| place.run(["verify", "--head", "early.jsonl", "--head", "late.json"]);
    assert!(verify(&place).answer(0).ends_with("faults    0\n"));

    let text = std::fs::read_to_string(place.ledger()).unwrap();
    let cut: String = text.split_inclusive('\n').take(4).collect();
    std::fs::write(place.ledger(), cut).unwrap();
    assert!(place.run(["verify", "--head", "early.jsonl"]).answer(0).ends_with("faults    0\n"));
    assert!(verify(&place).answer(1).ends_with(
        "faults    1\n  truncated: logs/execution_metrics.jsonl: seq 5: \
         found no line after 4; expected line 5, the line of a kept head\n"
    ));
}

#[test]
fn a_file_without_a_head_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("empty"), "\n").unwrap();
    std::fs::write(place.path("other"), "{}").unwrap();
    let complaint = |file: &str| place.run(["verify", "--head", file]).complaint(2);
    assert_eq!(complaint("empty"), "runledger: cannot read a head: empty: the file is empty\n");
    assert_eq!(
        complaint("other"),
        "runledger: cannot read a head: other: ledger: expected a value, found none at line 1 column 2\n"
    );
    assert_eq!(complaint("none"), "runledger: cannot read a head: none: No such file or directory (os error 2)\n");
}

#[test]
fn baseline_is_a_table_that_counts_the_unknown() {
    assert_eq!(
        Place::new().run(["baseline"]).answer(0),
        "\
skill               runs success p50 ms p95 ms p99 ms   mean usd mean tokens
blog-publish           3   50.0%  22950  42795  44559 0.03450025      1657.5
git-push-autonomous    1  100.0%   3200   3200   3200       0.06        1500
übersetzen-日本語      1  100.0%      7      7      7          -           -
unknown of blog-publish: outcome 1, latency 1, cost 2, tokens 1
unknown of übersetzen-日本語: cost 1, tokens 1
"
    );
}

#[test]
fn baseline_in_json_is_what_the_library_writes() {
    let place = Place::new();
    let all =
        Baselines::compute(LedgerReader::open(place.ledger()).unwrap().records()).unwrap().to_json().unwrap() + "\n";
    assert_eq!(place.run(["baseline", "--json"]).answer(0), all);
    std::fs::write(place.path("b.json"), "old").unwrap();
    assert_eq!(place.run(["baseline", "--out", "b.json"]).answer(0), "");
    assert_eq!(std::fs::read_to_string(place.path("b.json")).unwrap(), all);
    let one = Baselines::compute([Ok(records()[0].clone())]).unwrap().to_json().unwrap() + "\n";
    assert_eq!(place.run(["baseline", "--json", "--skill", "git-push-autonomous"]).answer(0), one);
    assert_eq!(place.run(["baseline", "--json", "--skill", "none"]).answer(0), "{}\n");
}

#[test]
fn baseline_writes_neither_over_the_ledger_nor_without_a_ledger() {
    let place = Place::new();
    let before = std::fs::read(place.ledger()).unwrap();
    assert_eq!(
        place.run(["baseline", "--out", "logs/../logs/execution_metrics.jsonl"]).complaint(2),
        "runledger: cannot write the baselines: logs/../logs/execution_metrics.jsonl: this is the ledger\n"
    );
    assert_eq!(std::fs::read(place.ledger()).unwrap(), before);
    std::fs::write(place.path("kept"), "kept").unwrap();
    assert!(
        place.run(["baseline", "--ledger", "none", "--out", "kept"]).complaint(2).contains("there is no such file")
    );
    assert_eq!(std::fs::read_to_string(place.path("kept")).unwrap(), "kept");
    assert_eq!(
        place.run(["baseline", "--out", "none/b.json"]).complaint(2),
        "runledger: cannot write the baselines: none/b.json: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_line_that_is_not_a_record_is_reported_and_the_others_are_read() {
    let (whole, place) = (Place::new(), Place::new().with_a_foreign_line());
    let text = std::fs::read_to_string(place.ledger()).unwrap();
    let byte: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
    let first = format!(
        "cannot read a record from JSON: logs/execution_metrics.jsonl: line 3 (byte {byte}): expected a value in JSON, found `no` at column 2"
    );
    let second = "skipped lines that are not records: 1";
    for command in ["list", "show 019c5d2a-5", "cost", "cost discrepancy", "baseline"] {
        let args = || command.split(' ');
        let warned = place.run(args());
        assert_eq!(warned.stderr, format!("runledger: warning: {first}\nrunledger: warning: {second}\n"), "{command}");
        assert_eq!((warned.code, warned.stdout), (Some(0), whole.run(args()).answer(0)), "{command}");
        let warnings: Vec<Value> = place
            .run(args().chain(["--json"]))
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(warnings, [first.as_str(), second].map(|text| json!({"warning": text, "kind": "malformed"})));
    }
}

#[test]
fn many_lines_that_are_not_records_are_counted_and_the_first_reported() {
    let place = Place::empty();
    // A file without a record would be refused.
    std::fs::write(place.path("noise"), "x\n".repeat(999) + &lines(&records()[..1]) + "x\n").unwrap();
    for command in ["list", "baseline"] {
        let stderr = place.run([command, "--ledger", "noise"]).stderr;
        assert_eq!(stderr.lines().count(), 21);
        assert!(stderr.contains(" line 20 (byte 38): "), "{stderr}");
        assert!(stderr.ends_with("warning: skipped lines that are not records: 1000\n"), "{stderr}");
    }
}

/// A record may have the tokens of its input and output without their sum.
#[test]
fn list_adds_up_the_tokens_of_a_record_without_their_sum() {
    let mut record = commands::record(1, "draw", "2026-02-14T14:23:00Z", Some(7), Status::Success);
    record.tokens_input = Some(40);
    record.tokens_output = Some(2);
    let table = Place::with(&[record.clone()]).run(["list"]).answer(0);
    assert!(table.ends_with("  draw   success   7      42    -  00000000\n"), "{table}");
    record.tokens_output = None;
    let table = Place::with(&[record]).run(["list"]).answer(0);
    assert!(table.ends_with("  draw   success   7       -    -  00000000\n"), "{table}");
}

#[test]
fn commands_that_read_the_ledger_fail_if_it_is_missing() {
    let place = Place::empty();
    for command in ["list", "show 1", "cost", "cost discrepancy", "baseline"] {
        assert_eq!(
            place.run(command.split(' ')).complaint(2),
            "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
             to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n"
        );
    }
    assert_eq!(
        place.run(["verify", "--json", "--ledger", "none"]).complaint(2),
        "{\"error\":\"cannot open a ledger to read: none: there is no such file; \
         to use another ledger, set --ledger PATH or RUNLEDGER_PATH\",\"kind\":\"io\"}\n"
    );
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

#[test]
fn the_argument_or_else_the_environment_names_the_ledger() {
    let (place, elsewhere) = (Place::new(), Place::empty());
    let mut environment = command();
    environment.current_dir(elsewhere.directory.path()).env("RUNLEDGER_PATH", place.ledger()).arg("list");
    assert_eq!(output(&mut environment).answer(0), LIST);
    assert!(output(environment.args(["--ledger", "none"])).complaint(2).contains(": none: there is no such file"));
}

#[test]
fn commands_that_read_change_no_file() {
    let place = Place::new().with_a_foreign_line();
    let content = || place.files().into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>();
    let before = content();
    for command in [
        "list",
        "show 019c5d2a-5",
        "tail",
        "verify",
        "head",
        "cost",
        "cost discrepancy",
        "quota",
        "statusline",
        "baseline",
        "export csv --out -",
        "export workflow",
        "metrics",
        "retention plan",
        "doctor",
    ] {
        assert!(matches!(place.run(command.split(' ')).code, Some(0 | 1)), "{command}");
        assert!(before == content(), "{command}");
    }
}

/// `runledger list --all | head -1`
#[test]
fn a_reader_that_closes_the_pipe_ends_the_command_silently() {
    let place = Place::empty();
    // There is more output than fits in a pipe.
    std::fs::write(place.path("many.jsonl"), lines(&records()).repeat(1000)).unwrap();
    for json in [&["--json"][..], &[]] {
        let mut child = command()
            .current_dir(place.directory.path())
            .args(["list", "--all", "--ledger", "many.jsonl"])
            .args(json)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with("start (UTC)") || first.starts_with("{\"execution_id\":"), "{first}");
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let place = Place::new();
    let mut list = command();
    list.current_dir(place.directory.path()).arg("list").stdout(full);
    assert_eq!(
        output(&mut list).complaint(2),
        "runledger: cannot write the output: No space left on device (os error 28)\n"
    );
}

#[test]
fn wrong_arguments_are_named_and_nothing_is_done() {
    let place = Place::new();
    for (args, complaint) in [
        ("", "Usage: runledger [OPTIONS] <COMMAND>"),
        ("count", "unrecognized subcommand 'count'"),
        ("list --limit 0", "expected a whole number from 1 to 4294967295"),
        ("list --limit 5 --all", "cannot be used with"),
        ("list --status sucess", "a similar value exists: 'success'"),
        ("cost --by moon", "[possible values: day, week, month, model, skill, run, scene, agent]"),
        (
            "cost --since tomorrow",
            "expected a date (2026-11-01, today, yesterday), a time (2026-11-01T12:00:00Z) or a span (90m, 36h, 7d, 2w)",
        ),
        ("cost --zone Europe/Bern", "expected an IANA name such as Europe/Zurich, or an offset such as +02:00"),
        ("cost --by day discrepancy", "cannot be used with"),
        ("show", "<ID>"),
    ] {
        let found = place.run(args.split_whitespace()).complaint(2);
        assert!(found.contains(complaint), "{found}");
    }
}

/// Commands with --since and --until refuse such a period, because no execution can begin in it.
#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    let place = Place::new();
    let reason = "expected --since before --until, found --since 2026-02-15 and --until 2026-02-14\n";
    for command in [
        "cost",
        "cost discrepancy",
        "baseline",
        "baseline stability",
        "compare",
        "metrics",
        "export csv",
        "export workflow",
    ] {
        let args = command.split(' ').chain(["--since", "2026-02-15", "--until", "2026-02-14"]);
        assert_eq!(place.run(args).complaint(2), format!("error: {reason}"), "{command}");
    }
    let escalate = place.run(["escalate", "--since", "2026-02-15", "--until", "2026-02-14"]);
    assert_eq!(escalate.complaint(2), format!("runledger: {reason}"));

    let rows = |args: &[&str]| {
        let csv = place.run(["export", "csv", "--out", "-"].iter().chain(args));
        assert_eq!(csv.code, Some(0), "{}", csv.stderr);
        csv.stdout.lines().count() - 1
    };
    assert_eq!(rows(&["--since", "2026-02-14", "--until", "2026-02-14T14:24:00+0000"]), 1);
    assert_eq!(rows(&["--since", "0m", "--until", "today"]), 0);
    assert_eq!(rows(&["--since", "1000w", "--until", "yesterday", "--zone", "+0530"]), 5);
}

#[test]
fn help_has_the_exit_codes() {
    let help = output(command().arg("--help")).answer(0);
    for code in ["  0  success, or the check passed", "  1  the check failed", "  2  the command failed"] {
        assert!(help.contains(code), "{help}");
    }
}

/// A retry cannot help against a symbolic link, so each command fails instead of opening the link again and again.
#[test]
fn a_symbolic_link_is_named_as_one() {
    let place = Place::new();
    std::os::unix::fs::symlink("logs/execution_metrics.jsonl", place.path("link.jsonl")).unwrap();
    for command in
        ["list", "tail", "show 019c", "open", "verify", "head", "cost", "baseline", "metrics", "gate --run r"]
    {
        let mut linked = Command::new("timeout");
        linked.args(["20", env!("CARGO_BIN_EXE_runledger"), "--ledger", "link.jsonl"]).args(command.split(' '));
        assert_eq!(
            output(linked.current_dir(place.directory.path())).complaint(2),
            "runledger: cannot open a ledger to read: link.jsonl: found a symbolic link; expected a regular file. Use the \
             path of the file that it points to\n",
            "{command}"
        );
    }
}

/// An empty variable counts as not set.
#[test]
fn an_empty_variable_counts_as_unset() {
    let place = Place::new();
    let mut list = command();
    list.current_dir(place.directory.path()).env("RUNLEDGER_PATH", "").env("RUNLEDGER_PRICES", "");
    assert_eq!(output(list.args(["list", "--limit", "5"])), place.run(["list", "--limit", "5"]));
    let mut explain = command();
    explain.env("RUNLEDGER_PRICES", "").args(["cost", "explain", "gpt-4", "--at", "2026-11-20T12:00:00Z"]);
    let without = place.run(["cost", "explain", "gpt-4", "--at", "2026-11-20T12:00:00Z"]);
    assert_eq!(output(&mut explain), without);
    let named = place.run(["--ledger", "", "list"]).complaint(2);
    assert!(named.starts_with("error: a value is required for '--ledger <PATH>' but none was supplied"), "{named}");
}

/// Each command reports the directory, and does not say that the ledger is missing.
#[test]
fn row_18_a_directory_is_named_as_one() {
    let place = Place::empty();
    std::fs::create_dir_all(place.ledger()).unwrap();
    for command in ["list", "verify", "head", "cost", "baseline"] {
        assert_eq!(
            place.run([command]).complaint(2),
            "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: found a directory, a FIFO or a device; \
             expected a regular file\n",
            "{command}"
        );
    }
}
