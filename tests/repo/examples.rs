//! Promise: every example runs and does what its text says, and the log that it writes passes verification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use runledger::metrics::{CostSource, Status};
use runledger::{ExecutionMetrics, LedgerReader};

const LEDGER: &str = "logs/execution_metrics.jsonl";

/// Returns the executable of an example, which cargo puts beside the directory of this test's executable.
fn executable(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: build it with `cargo build --examples`", path.display());
    path
}

/// Runs an example in `directory` and returns its stdout and stderr.
fn run(example: &str, directory: &Path) -> (String, String) {
    let ran = Command::new(executable(example)).current_dir(directory).output().unwrap();
    let [stdout, stderr] = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(ran.status.success(), "{example}: {}\n{stdout}\n{stderr}", ran.status);
    (stdout, stderr)
}

/// Runs an example that leaves no files and prints nothing on stderr.
fn run_alone(example: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (stdout, stderr) = run(example, directory.path());
    assert_eq!(stderr, "");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{example} left files");
    stdout
}

fn records(directory: &Path) -> Vec<ExecutionMetrics> {
    LedgerReader::open(directory.join(LEDGER)).unwrap().records().map(Result::unwrap).collect()
}

/// Returns true if the programs are installed. Otherwise prints which are not.
fn have(programs: &[&str]) -> bool {
    let missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
    let missing: Vec<_> = programs.iter().filter(missing).collect();
    if !missing.is_empty() {
        println!("skipped: {missing:?} not found");
    }
    missing.is_empty()
}

/// Returns the output of a shell command, which must succeed.
fn shell(command: &str, directory: &Path) -> String {
    let ran = Command::new("sh").args(["-c", command]).current_dir(directory).output().unwrap();
    assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn quickstart_records_and_adds_up_over_runs() {
    let directory = tempfile::tempdir().unwrap();
    let (first, stderr) = run("quickstart", directory.path());
    assert_eq!(stderr, "");
    assert_eq!(
        first,
        "publish: 1 runs, success rate 0, mean cost in USD unknown\n\
         summarise: 1 runs, success rate 1, mean cost in USD 0.06\n"
    );
    let (second, _) = run("quickstart", directory.path());
    assert!(second.contains("summarise: 2 runs, success rate 1, mean cost in USD 0.06"), "{second}");
    let steps: Vec<_> = records(directory.path()).into_iter().map(|record| record.skill_path_in_dag.unwrap()).collect();
    assert_eq!(steps, ["summarise -> call-model", "publish", "summarise -> call-model", "publish"]);
}

#[test]
fn wrap_async_leaves_a_record_of_each_future() {
    let counts = r#"{"cancelled": 100, "failed": 50, "success": 300}"#;
    assert_eq!(run_alone("wrap_async"), format!("150 of 200 pages were published: {counts}\n"));
}

#[cfg(feature = "tracing")]
#[test]
fn traced_agent_records_and_prices_its_spans() {
    let directory = tempfile::tempdir().unwrap();
    let (stdout, stderr) = run("traced_agent", directory.path());
    assert_eq!(stderr, "");
    assert_eq!(
        stdout,
        "skill        status   calls  tokens       USD  path\n\
         grep         success      0       -         -  assistant -> grep\n\
         assistant    success      2    2552  0.005395  assistant\n\
         publish      failed       0       -         -  publish\n"
    );
    let records = records(directory.path());
    assert_eq!(records[0].input_hash, Some(runledger::hash_bytes("#[test]")));
    assert_eq!(records[2].error_reason.as_deref(), Some("the wiki is read-only"));
    let Some(runledger) = option_env!("CARGO_BIN_EXE_runledger") else { return };
    let listed = Command::new(runledger).arg("list").current_dir(directory.path()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(["grep", "assistant", "publish"].iter().all(|skill| listed.contains(skill)), "{listed}");
}

#[test]
fn quota_gate_stops_at_the_limit() {
    assert_eq!(
        run_alone("quota_gate"),
        "🟢 4 granted: 3 of 10 used\n\
         🟡 3 granted: 5 of 10 used\n\
         🟡 search: 6 calls denied: 5 left until 2026-02-15T00:00:00.000Z\n\
         🟡 0.453125 usd left\n\
         The use has crossed the alert level of 50 %.\n\
         🟡 anthropic: a call of unknown cost denied: the limit denies unknown amounts\n\
         🔴 search: 10 of 10 calls used\n"
    );
}

#[test]
fn baseline_check_reports_what_changed() {
    let stdout = run_alone("baseline_check");
    let verdict = |metric: &str| {
        let line = stdout.lines().find(|line| line.starts_with(&format!("publish: {metric} "))).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert!(stdout.starts_with("168 records before 2026-02-09T00:00:00.000Z\n"), "{stdout}");
    assert_eq!(
        ["success_rate", "latency_ms", "cost_mean_usd", "tokens_mean"].map(verdict),
        ["NoChangeShown", "Worse", "TooFew", "TooFew"]
    );
}

/// Runs the orchestrator twice in the same directory, and checks everything that it claims.
#[test]
fn the_orchestrator_keeps_its_promises() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (stdout, stderr) = run("orchestrator", directory);
    assert!(stderr.contains("thread 'shorten-title'"), "{stderr}");
    let warnings: Vec<_> = stderr.lines().filter(|line| line.starts_with("runledger: warning")).collect();
    let unknown = r#"the cost of a call is unknown: cannot price the unknown model "in-house-coder-7b""#;
    assert_eq!(warnings, [format!("runledger: warning: {unknown}")]);
    let first = records(directory);
    one_record_for_each_skill(&first);
    parents_are_named_across_threads_and_processes(&first);
    calls_are_priced_and_gated(&first);
    the_report_is_right(&stdout);

    run("orchestrator", directory);
    let both = records(directory);
    assert_eq!(both[..first.len()], first, "the second run changed earlier records");
    let second = &both[first.len()..];
    one_record_for_each_skill(second);
    parents_are_named_across_threads_and_processes(second);
    assert_ne!(second[0].run.run_id, first[0].run.run_id);

    the_log_is_whole_and_plain(directory, both.len());
    other_programs_agree(directory, &stdout);
}

fn by_name<'r>(records: &'r [ExecutionMetrics], skill: &str) -> &'r ExecutionMetrics {
    let mut named = records.iter().filter(|record| record.skill_name == skill);
    let only = named.next().unwrap_or_else(|| panic!("found no record of {skill}"));
    assert!(named.next().is_none(), "two records of {skill}");
    only
}

/// Asserts that each skill has exactly one record, even if it was killed or cancelled, or panicked.
fn one_record_for_each_skill(records: &[ExecutionMetrics]) {
    let expected = [
        ("orchestrator", Status::Success, None),
        ("walk-sources", Status::Success, None),
        ("read-manifest", Status::Success, None),
        ("hash-sources", Status::Success, None),
        ("cross-check", Status::Success, None),
        ("read-credentials", Status::Failed, Some("read no-such-credentials.toml: ")),
        ("publish", Status::Cancelled, Some("needs read-credentials, which did not succeed")),
        ("shorten-title", Status::Panicked, Some("panicked")),
        ("supervise-worker", Status::Failed, Some("the worker said \"begun\\n\" and ended by signal: 9")),
        ("render", Status::Interrupted, Some("process ")),
    ];
    for (skill, status, reason) in &expected {
        let record = by_name(records, skill);
        assert_eq!(record.status.as_ref(), Some(status), "{skill}");
        let given = record.error_reason.as_deref();
        assert_eq!(given.is_some(), reason.is_some(), "{skill}: {given:?}");
        assert!(given.unwrap_or_default().starts_with(reason.unwrap_or_default()), "{skill}: {given:?}");
        let succeeded = (*status != Status::Interrupted).then_some(*status == Status::Success);
        assert_eq!(record.execution_succeeded, succeeded, "{skill}");
    }
    assert_eq!(by_name(records, "cross-check").output_correct, Some(true));
    let calls = records.iter().filter(|record| record.skill_name.starts_with("complete-")).count();
    assert_eq!((calls, records.len()), (300, 300 + expected.len()));
}

fn parents_are_named_across_threads_and_processes(records: &[ExecutionMetrics]) {
    let (root, supervisor) = (by_name(records, "orchestrator"), by_name(records, "supervise-worker"));
    let render = by_name(records, "render");
    assert_eq!(render.run.parent_execution_id, Some(supervisor.execution_id));
    for record in records {
        assert_eq!((&record.run.run_id, &record.operator), (&root.run.run_id, &root.operator));
        if ![root.execution_id, render.execution_id].contains(&record.execution_id) {
            assert_eq!(record.run.parent_execution_id, Some(root.execution_id), "{}", record.skill_name);
        }
    }
    let path = by_name(records, "walk-sources").skill_path_in_dag.as_deref();
    assert_eq!(path, Some("orchestrator -> dag -> walk-sources -> list -> sort"));
}

fn calls_are_priced_and_gated(records: &[ExecutionMetrics]) {
    let mut gated_tokens: BTreeMap<String, u64> = BTreeMap::new();
    let (mut gated, mut fallbacks) = (0, 0);
    for record in records {
        let Some(model) = record.model.name.as_deref() else { continue };
        let unknown = record.cost.source == Some(CostSource::Unknown);
        assert_eq!(unknown, model == "in-house-coder-7b");
        assert_eq!(record.cost_usd.is_none(), unknown, "{model}");
        assert_eq!(record.free_tier_quota_remaining.is_some(), model == "gpt-4");
        if record.decision_made.as_deref() == Some("FALLBACK") {
            assert_eq!((model, record.trace.decisions.len()), ("gpt-4o-mini", 1));
            fallbacks += 1;
        }
        if model == "gpt-4" {
            let day = record.timestamp_start.to_string()[..10].to_owned();
            *gated_tokens.entry(day).or_default() += record.tokens_used.unwrap();
            gated += 1;
        }
    }
    // Even if midnight falls into the run, all of them together need more than two days allow.
    assert!(gated > 0 && fallbacks > 0 && gated + fallbacks == 150, "{gated} granted, {fallbacks} denied");
    assert!(gated_tokens.values().all(|&tokens| tokens <= 100_000), "{gated_tokens:?}");
}

fn the_report_is_right(stdout: &str) {
    let rows: Vec<Vec<&str>> = stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["render", "interrupted", "1"][..],
        &["shorten-title", "panicked", "1"],
        // From the cut and the table's prices of $1 and $5 a million tokens: 298,801 in, 3,153 out.
        &["claude-haiku-4-5", "149", "301954", "0.314566"],
        &["in-house-coder-7b", "1", "7448", "(1", "unknown)"],
        &["verify:", "clean"],
    ] {
        assert!(rows.iter().any(|found| found.starts_with(row)), "{row:?} is not in\n{stdout}");
    }
    let times = |name: &str| {
        let row = rows.iter().find(|row| row.starts_with(&[name])).unwrap();
        let at = |label: &str| row[row.iter().position(|cell| *cell == label).unwrap() + 1].parse::<u64>().unwrap();
        (at("p50"), at("p99"))
    };
    for (p50, p99) in [times("begin"), times("floor:")] {
        assert!(p50 <= p99, "{stdout}");
    }
    assert!(times("begin").0 > 0, "{stdout}");
}

fn the_log_is_whole_and_plain(directory: &Path, records: usize) {
    let path = directory.join(LEDGER);
    let found = LedgerReader::open(&path).unwrap().verify(&[]).unwrap();
    assert!(found.is_clean(), "{found:?}");
    assert_eq!((found.lines, found.in_progress_bytes), (records as u64, 0));
    let text = std::fs::read_to_string(path).unwrap();
    for (seq, line) in (1..).zip(text.lines()) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["seq"], seq);
    }
    let mut files: Vec<_> =
        std::fs::read_dir(directory.join("logs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["execution_metrics.jsonl", "execution_metrics.ledger", "quota.jsonl", "quota.ledger"]);
}

/// Runs the commands that the report prints, like a reader.
fn other_programs_agree(directory: &Path, stdout: &str) {
    let printed = |label: &str| {
        let line = stdout.lines().find_map(|line| line.trim_start().strip_prefix(label)).unwrap();
        line.trim_start().to_owned()
    };
    let second_line = std::fs::read_to_string(directory.join(LEDGER)).unwrap().lines().nth(1).unwrap().to_owned();
    let second: serde_json::Value = serde_json::from_str(&second_line).unwrap();
    let hash = second["hash"].as_str().unwrap();
    if have(&["sed", "sha256sum"]) {
        assert_eq!(shell(&printed("check:"), directory), format!("{hash}  -\n"));
    }
    if have(&["sed", "jq"]) {
        assert_eq!(shell(&printed("with:"), directory), format!("{hash}\n"));
        let rows = shell(&printed("look:"), directory);
        assert_eq!(rows.lines().count(), records(directory).len());
        assert!(rows.contains("render\tinterrupted\t"), "{rows}");
        assert_eq!(shell(&format!("jq -c . {LEDGER}"), directory).lines().count(), records(directory).len());
    }
}
