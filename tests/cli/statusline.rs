//! `runledger statusline` prints one line for an agent. It shows an unknown number as `?` or as a bound, and succeeds
//! even if it cannot read a part. It also stores what the vendor reports about the use of a subscription.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use runledger::journal::{Durability, Journal, JournalOptions};
use runledger::metrics::{LlmCall, Status};
use runledger::quota::{Limits, QuotaOptions};
use runledger::{ExecutionMetrics, LedgerReader, Quota, Timestamp, Usage};
use serde_json::{Value, json};

use crate::commands::{Output, Place, command, output, record, usd};

const HOUR_S: i64 = 3_600;

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(i64::try_from(now.as_millis()).unwrap()).unwrap()
}

/// Returns the offset of a zone in which it is between 12:00 and 13:00 now, so that the day does not end in this test.
fn zone() -> String {
    let hour: i32 = now().to_string()[11..13].parse().unwrap();
    format!("{:+03}:00", 12 - hour)
}

/// Returns a record that started this number of hours before now.
fn priced(id: u128, hours_ago: u64, cost: Option<&str>) -> ExecutionMetrics {
    let start = Timestamp::from_unix_ms(now().unix_ms() - i64::try_from(hours_ago).unwrap() * HOUR_S * 1000).unwrap();
    let mut record = record(id, "draw", &start.to_string(), Some(1), Status::Success);
    // This is the session of `input`.
    record.run.run_id = Some("s".to_owned());
    record.set_usage("m", &Usage::new(10, 1));
    record.cost_usd = cost.map(usd);
    record
}

/// Returns what Claude Code writes. Each window has its used percentage, and the seconds until it resets.
fn input(cost: Value, windows: &[(&str, f64, i64)]) -> String {
    let seconds = now().unix_ms() / 1000;
    let limits = windows.iter().map(|&(name, percent, resets_in)| {
        // A minute more, so that the shown time does not change in this test.
        (name.to_owned(), json!({"used_percentage": percent, "resets_at": seconds + resets_in + 60}))
    });
    let limits: serde_json::Map<_, _> = limits.collect();
    json!({"session_id": "s", "model": {"id": "m"}, "cost": {"total_cost_usd": cost}, "rate_limits": limits})
        .to_string()
}

fn two_windows() -> String {
    input(json!(1.2345), &[("five_hour", 42.5, 2 * HOUR_S), ("seven_day", 81.0, 75 * HOUR_S)])
}

/// Runs the command with `stdin` in a terminal of `columns` columns.
fn statusline(place: &Place, args: &str, stdin: &str, columns: usize) -> Output {
    fs::write(place.path("stdin"), stdin).unwrap();
    let mut command = command();
    command.env("COLUMNS", columns.to_string()).current_dir(place.directory.path());
    command.args(["statusline", "--zone", &zone()]).args(args.split_whitespace());
    command.stdin(Stdio::from(fs::File::open(place.path("stdin")).unwrap()));
    output(&mut command)
}

/// Returns the line. Stderr may only say that the session is not imported.
fn plain(place: &Place, stdin: &str) -> String {
    let output = statusline(place, "--color never", stdin, 200);
    let note = "runledger: the cost of today is unknown: the ledger lacks ";
    assert!(output.code == Some(0) && (output.stderr.is_empty() || output.stderr.starts_with(note)), "{output:?}");
    output.stdout
}

fn write_limits(place: &Place, api: &str) -> Limits {
    let limits = json!([{"api": api, "limit": 25, "unit": "usd", "period": "total", "source": "us",
        "as_of": "2026-03-01", "unknown": "allow"}])
    .to_string();
    fs::write(place.path("logs/limits.json"), &limits).unwrap();
    Limits::from_json(&limits).unwrap()
}

fn consume(place: &Place, api: &str, limits: Limits, amount: Option<&str>) {
    let options = QuotaOptions::new(Arc::new(|| now().unix_ms())).limits(limits);
    let quota = Quota::open(place.path("logs/quota.jsonl"), options).unwrap();
    quota.budget(api).unwrap().record_consumption(amount.map(usd)).unwrap();
}

fn observed_lines(place: &Place) -> usize {
    fs::read_to_string(place.path("logs/observed.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn the_line_has_all_parts_and_is_shortened_to_the_width() {
    let place = Place::with(&[priced(1, 0, Some("14")), priced(2, 1, Some("0.2")), priced(3, 24, Some("100"))]);
    let limits = write_limits(&place, "team");
    consume(&place, "team", limits, Some("14.2"));
    let line = |args: &str, columns| statusline(&place, args, &two_windows(), columns).answer(0);
    let full = "session $1.23 | today $14.20 | team $10.80 left | 5h 42.5%, resets in 2h | 7d 81%, resets in 3d03h\n";
    assert_eq!(line("--color never", 200), full);
    assert_eq!(line("--color never", full.len() - 1), full);
    assert_eq!(
        line("--color never", full.len() - 2),
        "$1.23 | today $14.20 | team $10.80 | 5h 42.5% 2h | 7d 81% 3d03h\n"
    );
    assert_eq!(line("--color never", 59), "$1.23 | today $14.20 | team $10.80 | 5h 42.5% | 7d 81%\n");
    assert_eq!(line("--color never", 50), "$1.23 | today $14.20 | team $10.80 | 5h 42.5% | …\n");
    assert_eq!(line("--color never", 24), "$1.23 | today $14.20 | …\n");
    assert_eq!(line("--color never", 23), "$1.23 | …\n");
    assert_eq!(line("--color never", 4), "$1.…\n");
    let colored = "session $1.23 | today $14.20 | \u{1b}[33mteam $10.80 left\u{1b}[0m | \
        \u{1b}[32m5h 42.5%, resets in 2h\u{1b}[0m | \u{1b}[31m7d 81%, resets in 3d03h\u{1b}[0m\n";
    assert_eq!(line("", 200), colored);
    assert_eq!(line("", full.len() - 1), colored);
    assert_eq!(
        line("--color always", 50),
        "$1.23 | today $14.20 | \u{1b}[33mteam $10.80\u{1b}[0m | \u{1b}[32m5h 42.5%\u{1b}[0m | …\n"
    );
    fs::write(place.path("stdin"), two_windows()).unwrap();
    let mut without = command();
    without.env("NO_COLOR", "1").env("COLUMNS", "200").current_dir(place.directory.path());
    without.args(["statusline", "--zone", &zone()]).stdin(fs::File::open(place.path("stdin")).unwrap());
    assert_eq!(output(&mut without).answer(0), full);
}

#[test]
fn a_part_that_is_missing_is_left_out_and_never_zero() {
    let place = Place::with(&[]);
    for (stdin, line) in [
        ("", "today $0\n"),
        ("{}", "today $0\n"),
        (r#"{"cost":{},"rate_limits":null}"#, "today $0\n"),
        (r#"{"cost":{"total_cost_usd":null}}"#, "today $0\n"),
        (r#"{"cost":{"total_cost_usd":-1}}"#, "today $0\n"),
        (r#"{"cost":[],"rate_limits":{"five_hour":{},"seven_day":7}}"#, "today $0\n"),
        (r#"{"rate_limits":{"five_hour":{"used_percentage":"1"},"seven_day":{"used_percentage":-1}}}"#, "today $0\n"),
        (r#"{"cost":{"total_cost_usd":0}}"#, "session $0 | today $0\n"),
        (r#"{"cost":{"total_cost_usd":0.0000012}}"#, "session <$0.0001 | today ?\n"),
    ] {
        assert_eq!(plain(&place, stdin), line, "{stdin}");
    }
    assert_eq!(observed_lines(&place), 0);
    let without_reset = r#"{"rate_limits":{"five_hour":{"used_percentage":99.99}}}"#;
    assert_eq!(plain(&place, without_reset), "today $0 | 5h 99.9%\n");
    // No window of five hours ends in the year 9999, and no vendor lets a person use 1,234 times the limit.
    let fraction = r#"{"rate_limits":{"five_hour":{"used_percentage":234.7,"resets_at":253402300799.5}}}"#;
    assert_eq!(plain(&place, fraction), "today $0 | 5h 234.7%\n");
    for too_large in ["123456.7", "1e308"] {
        let window = format!(r#"{{"rate_limits":{{"seven_day":{{"used_percentage":{too_large}}}}}}}"#);
        assert_eq!(plain(&place, &window), "today $0 | 5h 234.7%\n");
    }
}

/// The agent reports what a session has spent before the session is imported.
#[test]
fn the_cost_of_a_session_that_is_not_imported_is_unknown_and_never_zero() {
    let place = Place::with(&[]);
    let running = |cost: f64| input(json!(cost), &[]);
    let output = statusline(&place, "--color never", &running(1.5), 200);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "session $1.50 | today ?\n"));
    let why = "the cost of today is unknown: the ledger lacks 1.5 USD of this session. Run `runledger import`";
    assert_eq!(output.stderr, format!("runledger: {why}\n"));
    let json = |place: &Place, cost| {
        let answer: Value = serde_json::from_str(&statusline(place, "--json", &running(cost), 200).stdout).unwrap();
        answer["today"].clone()
    };
    let told = json(&place, 1.5);
    assert_eq!((&told["usd"], &told["not_imported_usd"]), (&Value::Null, &json!(1.5)));
    assert_eq!(plain(&place, &running(0.0)), "session $0 | today $0\n");

    // Another session was imported, and one turn of this session, which began yesterday.
    let mut other = priced(1, 0, Some("2"));
    other.run.run_id = Some("other".to_owned());
    let place = Place::with(&[other, priced(2, 24, Some("1"))]);
    assert_eq!(plain(&place, &running(1.25)), "session $1.25 | today ≥$2.00\n");
    assert_eq!(json(&place, 1.25)["not_imported_usd"], json!(0.25));
    assert_eq!(plain(&place, &running(1.0)), "session $1.00 | today $2.00\n");
    assert_eq!(plain(&place, ""), "today $2.00\n");
}

#[test]
fn unknown_costs_are_bounds_or_question_marks() {
    let place = Place::with(&[priced(1, 0, None)]);
    assert_eq!(plain(&place, ""), "today ?\n");
    let place = Place::with(&[priced(1, 0, None), priced(2, 0, Some("0.5"))]);
    let limits = write_limits(&place, "team");
    assert_eq!(plain(&place, ""), "today ≥$0.5000 | team $25.00 left\n");
    consume(&place, "team", limits, None);
    assert_eq!(plain(&place, ""), "today ≥$0.5000 | team ≤$25.00 left\n");

    let mut open = priced(1, 0, Some("0.25"));
    open.trace.llm_calls.push(LlmCall::new(1, "m"));
    open.tags.insert("lower_bound_calls".to_owned(), json!([1]));
    assert_eq!(plain(&Place::with(&[open]), ""), "today ≥$0.2500\n");
}

#[test]
fn input_that_is_not_a_status_line_is_reported_and_the_rest_is_printed() {
    let place = Place::with(&[priced(1, 0, Some("2"))]);
    let long = " ".repeat(1024 * 1024 + 1);
    for (stdin, reason) in [
        ("garbage", "expected value at line 1 column 1"),
        ("{\"cost\":", "EOF while parsing a value at line 1 column 8"),
        ("[1]", "invalid type: sequence, expected a map at line 1 column 0"),
        (&long, "found more than 1048576 bytes; expected one object of JSON"),
    ] {
        let output = statusline(&place, "--color never", stdin, 200);
        assert_eq!((output.code, output.stdout.as_str()), (Some(0), "today $2.00\n"), "{}", output.stderr);
        let expected =
            format!("runledger: warning: cannot read the input: {reason}. Expected the JSON of a status line\n");
        assert_eq!(output.stderr, expected);
    }
}

#[test]
fn names_cannot_change_the_terminal() {
    let place = Place::with(&[]);
    write_limits(&place, "a\u{1b}[2J\u{202e}\n日本語日本語日本語");
    let stdin = input(Value::Null, &[("\u{1b}]0;x\u{7}", 1.0, 2 * HOUR_S), (&"w".repeat(5000), 1.0, 2 * HOUR_S)]);
    assert_eq!(
        plain(&place, &stdin),
        "today $0 | a\\u{1b}[2J\\u{202e}\\… $25.00 left | \\u{1b}]0;x\\u{7} 1%, resets in 2h | wwwwwwwwwwwwwwwwwww… 1%, resets in 2h\n"
    );
}

#[test]
fn a_part_that_cannot_be_read_has_a_mark_and_the_command_succeeds() {
    let place = Place::empty();
    fs::create_dir_all(place.path("logs/execution_metrics.jsonl")).unwrap();
    fs::create_dir(place.path("logs/observed.jsonl")).unwrap();
    fs::write(place.path("logs/limits.json"), "[").unwrap();
    let output = statusline(&place, "--color never", "{}", 200);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "today ? | budgets ? | subscription ?\n"));
    let warnings: Vec<_> = output.stderr.lines().collect();
    let begins = ["the use of the subscription", "the cost of today", "the budgets"];
    assert_eq!(warnings.len(), 3, "{}", output.stderr);
    for (warning, begin) in warnings.iter().zip(begins) {
        assert!(warning.starts_with(&format!("runledger: warning: {begin} ")), "{warning}");
    }
    // The numbers of the agent are shown, although they cannot be stored.
    let output = statusline(&place, "--color never", &two_windows(), 200);
    let line = "session $1.23 | today ? | budgets ? | 5h 42.5%, resets in 2h | 7d 81%, resets in 3d03h\n";
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), line));
    assert!(output.stderr.contains("warning: the use of a subscription was not recorded: "), "{}", output.stderr);
}

#[test]
fn without_the_directory_of_the_ledger_nothing_is_created() {
    let place = Place::empty();
    let output = statusline(&place, "--color never", &two_windows(), 200);
    assert_eq!(output.stdout, "session $1.23 | today ? | 5h 42.5%, resets in 2h | 7d 81%, resets in 3d03h\n");
    let reason = "cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file";
    assert_eq!(output.stderr, format!("runledger: warning: the cost of today is unknown: {reason}\n"));
    assert_eq!(place.files(), [place.path("stdin")]);
}

#[test]
fn the_vendors_numbers_are_stored_once_and_shown_later() {
    let place = Place::with(&[]);
    let stdin = two_windows();
    plain(&place, &stdin);
    assert_eq!(observed_lines(&place), 2);
    for _ in 0..3 {
        plain(&place, &stdin);
    }
    // Another session that is idle repeats the numbers of an earlier time.
    let mut idle: Value = serde_json::from_str(&stdin).unwrap();
    idle["cost"]["total_cost_usd"] = json!(9);
    idle["rate_limits"]["five_hour"]["used_percentage"] = json!(10);
    idle["rate_limits"]["seven_day"] = json!({"used_percentage": 99, "resets_at": now().unix_ms() / 1000 - 1});
    assert_eq!(
        plain(&place, &idle.to_string()),
        "session $9.00 | today ? | 5h 42.5%, resets in 2h | 7d 81%, resets in 3d03h\n"
    );
    assert_eq!(observed_lines(&place), 2);

    // Codex reports a window of its own, which has ended since then.
    let line = |at: &str, percent: f64, resets_at: i64| {
        let window = json!({"used_percent": percent, "window_minutes": 300, "resets_at": resets_at});
        json!({"timestamp": at, "type": "event_msg",
            "payload": {"type": "token_count", "info": null, "rate_limits": {"primary": window, "plan_type": "plus"}}})
        .to_string()
    };
    let import = |lines: &[String]| {
        fs::write(place.path("rollout.jsonl"), lines.join("\n") + "\n").unwrap();
        place.run(["import", "codex", "rollout.jsonl", "--json"]).answer(0);
        observed_lines(&place)
    };
    let newer = line("2026-06-09T12:00:00Z", 12.0, 1_781_020_800);
    assert_eq!(import(&[line("2026-06-09T11:00:00Z", 11.0, 1_781_020_800), newer.clone()]), 3);
    assert_eq!(import(&[newer]), 3, "imported twice");
    assert_eq!(import(&[line("2026-06-09T10:00:00Z", 99.0, 1_781_020_800)]), 3, "an older file");

    let all = "today $0 | claude-code 5h 42.5%, resets in 2h | claude-code 7d 81%, resets in 3d03h | codex 5h ?\n";
    assert_eq!(plain(&place, ""), all);
    assert_eq!(plain(&place, "{}"), "today $0 | 5h 42.5%, resets in 2h | 7d 81%, resets in 3d03h\n");
    let table = place.run(["quota"]).answer(0);
    let rows: Vec<_> =
        table.split_once("\n\n").unwrap().1.lines().map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows[0], ["observed", "by", "window", "used", "%", "resets", "(UTC)", "age", "plan"]);
    assert_eq!(
        (rows[1][..3].to_vec(), rows[2][..3].to_vec()),
        (vec!["claude-code", "five_hour", "42.5"], vec!["claude-code", "seven_day", "81"])
    );
    assert_eq!(rows[3][..5], ["codex", "five_hour", "-", "has", "reset"]);
    assert_eq!(rows[3][6], "plus");

    let lines = place.run(["quota", "--json"]).answer(0);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let codex = &last["observed"];
    assert_eq!(
        ["agent", "window", "used_percent", "reported_percent", "resets_at", "is_reset", "at"]
            .map(|key| codex[key].clone()),
        [
            json!("codex"),
            json!("five_hour"),
            Value::Null,
            json!(12.0),
            json!("2026-06-09T16:00:00.000Z"),
            json!(true),
            json!("2026-06-09T12:00:00.000Z")
        ]
    );
    assert_eq!(lines.lines().count(), 4 + 3);
    assert_eq!(place.run(["quota", "openai-free", "--json"]).answer(0).lines().count(), 1);
}

#[test]
fn a_dry_run_stores_no_numbers() {
    let place = Place::with(&[]);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/transcripts/codex-rate-limits.jsonl");
    place.run(["import", "codex", sample, "--dry-run"]).answer(0);
    assert_eq!(observed_lines(&place), 0);
    place.run(["import", "codex", sample]).answer(0);
    let lines = place.run(["quota", "--json"]).answer(0);
    let windows: Vec<_> =
        lines.lines().skip(4).map(|line| serde_json::from_str::<Value>(line).unwrap()["observed"].take()).collect();
    let told: Vec<_> = windows
        .iter()
        .map(|window| ["window", "reported_percent", "resets_at", "plan"].map(|key| window[key].clone()))
        .collect();
    assert_eq!(
        told,
        [
            // The sample says that these windows end in 2099, which cannot be, so their ends are unknown.
            [json!("five_hour"), json!(42.0), Value::Null, json!("plus")],
            [json!("seven_day"), json!(69.0), Value::Null, json!("plus")],
        ]
    );
}

#[test]
fn json_has_the_exact_parts() {
    let place = Place::with(&[priced(1, 0, Some("0.000001")), priced(2, 0, None)]);
    write_limits(&place, "team");
    let answer = statusline(&place, "--json", &two_windows(), 20).json();
    assert_eq!(answer["session_usd"], json!(1.2345));
    let today = &answer["today"];
    let told = ["executions", "usd", "unpriced", "spilled"].map(|key| today[key].clone());
    assert_eq!(told, [json!(2), json!(0.000_001), json!(1), json!(0)]);
    let offset: i64 = zone()[..3].parse().unwrap();
    let local = Timestamp::from_unix_ms(now().unix_ms() + offset * HOUR_S * 1000).unwrap().to_string();
    assert_eq!(today["date"], json!(local[..10]));
    assert_eq!((&answer["budgets"][0]["api_name"], &answer["budgets"][0]["remaining"]), (&json!("team"), &json!(25)));
    assert_eq!(
        (&answer["observed"][1]["window"], &answer["observed"][1]["used_percent"]),
        (&json!("seven_day"), &json!(81.0))
    );
    let nothing = statusline(&Place::empty(), "--json", "", 20);
    let parsed: Value = serde_json::from_str(&nothing.stdout).unwrap();
    assert_eq!(parsed, json!({"session_usd": null, "today": null, "budgets": [], "observed": []}));
}

/// The status line must be fast, so it does not read many lines that no index covers.
#[test]
fn the_indexes_are_extended_in_the_background_if_they_are_far_behind() {
    let place = Place::with(&[]);
    let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed);
    let journal = Journal::open(place.ledger(), options).unwrap();
    for id in 1..=18 {
        let mut record = priced(id, 0, Some("0.5"));
        record.tags.insert("content".to_owned(), json!("x".repeat(1024 * 1024)));
        journal.append(record.to_json().unwrap().as_bytes()).unwrap();
    }
    let first = statusline(&place, "--color never", "", 200);
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), "today ?\n"));
    let note = "runledger: the cost of today is unknown until the index of the ledger is extended\n";
    assert_eq!(first.stderr, note);
    let begun = Instant::now();
    let line = loop {
        let next = statusline(&place, "--color never", "", 200);
        if next.stdout != first.stdout || begun.elapsed() > Duration::from_secs(60) {
            break next;
        }
    };
    assert_eq!(line.answer(0), "today $9.00\n");
}

#[test]
fn the_indexes_are_extended_before_the_status_line_becomes_slow() {
    let place = Place::with(&[]);
    let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed);
    let journal = Journal::open(place.ledger(), options).unwrap();
    let append = |id, bytes| {
        let mut record = priced(id, 0, Some("0.5"));
        record.tags.insert("content".to_owned(), json!("x".repeat(bytes)));
        journal.append(record.to_json().unwrap().as_bytes()).unwrap();
    };
    let missing = || LedgerReader::open(place.ledger()).unwrap().unindexed().unwrap().missing;
    append(1, 256 * 1024);
    assert_eq!(plain(&place, ""), "today $0.5000\n");
    assert!(missing() > 256 * 1024);
    append(2, 256 * 1024);
    assert_eq!(plain(&place, ""), "today $1.00\n");
    let begun = Instant::now();
    while missing() > 0 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(missing(), 0);
    assert_eq!(plain(&place, ""), "today $1.00\n");
}
