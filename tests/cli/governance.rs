//! Promise: in a job, `runledger gate` passes or fails a run. `runledger escalate` reports problems, each with its
//! recipient. `runledger policy` prints the rules of both commands.

use std::process::Command;
use std::time::Duration;

use crate::commands::{self, Output, Place, record, usd};
use runledger::baseline::week_start;
use runledger::metrics::{CostTier, Kind, QcOutcome, RunIds, Status};
use runledger::{Answer, Execution, ExecutionMetrics, Ledger, Options, Skill, Timestamp};

/// The end of the output if --expect was not given.
const NOT_JUDGED: &str = "not judged: which executions were expected; pass --expect FILE\n";

fn of_run(id: u128, skill: &str, kind: Kind) -> ExecutionMetrics {
    let mut record = record(id, skill, "2026-11-18T12:00:00Z", Some(7000), Status::Success);
    record.kind = kind;
    record.run.run_id = Some("run-7".to_owned());
    record
}

fn attempt(id: u128, regen_count: u64) -> ExecutionMetrics {
    let mut made = of_run(id, "shot-renderer", Kind::Generation);
    made.model.name = Some("image-2".to_owned());
    (made.cost_usd, made.cost_tier) = (Some(usd("0.5")), Some(CostTier::Premium));
    made.production.regen_count = Some(regen_count);
    made.production.shot_id = Some("shot-004".to_owned());
    made.production.artifact = Some(format!("shot-004_v{regen_count}.png"));
    made
}

/// Returns a run of two attempts, a quality control, and the pipeline that started them.
fn run() -> Vec<ExecutionMetrics> {
    let mut control = of_run(3, "qc-grader", Kind::Qc);
    control.production.artifact = Some("shot-004_v1.png".to_owned());
    control.production.outcome = Some(QcOutcome::Pass);
    let pipeline = of_run(4, "pipeline", Kind::Skill);
    let mut records = vec![attempt(1, 0), attempt(2, 1), control];
    for record in &mut records {
        record.run.parent_execution_id = Some(pipeline.execution_id);
    }
    records.push(pipeline);
    records
}

/// Returns the same run with many kinds of faults and with hostile names.
fn faulty() -> Vec<ExecutionMetrics> {
    let mut records = run();
    for record in &mut records[..2] {
        (record.cost_usd, record.cost_tier) = (None, Some(CostTier::Unknown));
        record.production.artifact = Some("shot-004.png".to_owned());
    }
    records[1].production.regen_count = Some(3);
    records[2].production.outcome = Some(QcOutcome::from("ok\n| `\u{1b}[2J,"));
    records[2].run.parent_execution_id = None;
    let mut interrupted = of_run(5, "a\n| `\"\u{1b}[2J,=1+1", Kind::Skill);
    interrupted.set_status(Status::Interrupted);
    records.push(interrupted);
    records
}

/// Runs the command as in a pipe, where a reason is one line.
fn piped(place: &Place, args: &[&str]) -> Output {
    let mut command = commands::command();
    commands::output(command.env_remove("COLUMNS").current_dir(place.directory.path()).args(args))
}

fn gate(place: &Place, args: &str) -> Output {
    piped(place, &["gate", "--run", "run-7"].into_iter().chain(args.split_whitespace()).collect::<Vec<_>>())
}

#[test]
fn a_run_that_was_logged_as_it_should_be_passes_with_0() {
    let place = Place::with(&run());
    assert_eq!(
        gate(&place, "").answer(0),
        "PASS run-7: executions 4, in flight 0, spilled 0, reasons 0\n".to_owned() + NOT_JUDGED
    );
    assert_eq!(
        gate(&place, "--json").answer(0),
        r#"{"run_id":"run-7","verdict":"PASS","executions":4,"in_flight":0,"spilled":0,"not_judged":["expected_executions"],"child_runs":[],"reasons":[]}"#
            .to_owned()
            + "\n"
    );
}

#[test]
fn a_faulty_run_fails_with_1_and_every_reason() {
    let place = Place::of_earlier_version(&faulty());
    std::fs::write(place.path("expect.json"), r#"[{"skill": "pipeline", "count": 2}, {"skill": "upload"}]"#).unwrap();
    let files = place.files();
    assert_eq!(gate(&place, "--expect expect.json").answer(1), include_str!("../data/governance/gate_fail.txt"));
    assert_eq!(
        gate(&place, "--expect expect.json --json").answer(1),
        include_str!("../data/governance/gate_fail.json")
    );
    assert_eq!(place.files(), files, "a gate changes nothing");
}

#[test]
fn a_policy_file_sets_the_required_fields() {
    let place = Place::with(&run());
    std::fs::write(place.path("policy.json"), r#"{"gate": {"required": {"skill": ["scene_id"]}}}"#).unwrap();
    let id = run()[3].execution_id;
    assert_eq!(
        gate(&place, "--policy policy.json").answer(1),
        format!(
            "FAIL run-7: executions 4, in flight 0, spilled 0, reasons 1\n\
             missing field: \"pipeline\": scene_id: production.scene_id is null; set it with --scene\n  \
             {id}\n{NOT_JUDGED}"
        )
    );
}

/// The reason of a missing field names the options that set it, and `runledger log` has them.
#[test]
fn each_missing_field_names_options_that_exist() {
    let mut blank = of_run(1, "draw", Kind::Skill);
    (blank.total_latency_ms, blank.wall_clock_time_ms) = (None, None);
    (blank.execution_succeeded, blank.execution_failed, blank.status) = (None, None, None);
    let place = Place::with(&[blank]);
    let fields = "parent model_used tier cost estimated_cost actual_cost scene_id shot_id duration_s outcome regen_count \
                  decision";
    let fields: Vec<_> = fields.split_whitespace().collect();
    let policy = serde_json::json!({"gate": {"required": {"always": &fields}}});
    std::fs::write(place.path("policy.json"), policy.to_string()).unwrap();
    let answer = gate(&place, "--policy policy.json").answer(1);
    let hints: Vec<_> = answer.lines().filter_map(|line| line.split_once("; set it with ")).collect();
    assert_eq!(hints.len(), fields.len(), "{answer}");
    let helps = ["generation", "qc", "budget"].map(|kind| place.run(["log", kind, "--help"]).answer(0)).concat();
    for (reason, options) in hints {
        for option in options.split(" or ") {
            assert!(helps.contains(&format!(" {option} <")), "{reason}: {option}");
        }
    }
}

/// While another process runs the execution, the gate does not wait for its end, and does not record it as interrupted.
#[test]
fn an_execution_in_flight_fails_the_run() {
    let place = Place::with(&run());
    let ledger = Ledger::open(place.ledger()).unwrap();
    let begun = ledger.begin(Skill::new("upload", "1.0.0").run(RunIds::new("run-7")));
    let why = "missing log entry: \"upload\": it has not ended: it is in flight";
    assert_eq!(
        gate(&place, "").answer(1),
        format!("FAIL run-7: executions 4, in flight 1, spilled 0, reasons 1\n{why}\n  {}\n{NOT_JUDGED}", begun.id())
    );
    assert!(begun.succeed().is_durable());
    assert_eq!(
        gate(&place, "").answer(0),
        "PASS run-7: executions 5, in flight 0, spilled 0, reasons 0\n".to_owned() + NOT_JUDGED
    );
}

/// The ledger's lock is held for longer than a writer waits, so the record is spilled. The gate finds
/// the spilled record, changes nothing, and passes once the ledger has the record.
#[test]
fn a_spilled_record_fails_the_run() {
    let mut records = run();
    let last = records.pop().unwrap();
    let place = Place::with(&records);
    let ledger = Options::new().lock_deadline(Duration::from_millis(20)).open(place.ledger()).unwrap();
    let lock = std::fs::File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&last).unwrap(), Answer::Spilled(_)));
    lock.unlock().unwrap();
    let files = place.files();
    let why = "missing log entry: \"pipeline\": its record waits in the spill because the ledger could not store it";
    let id = last.execution_id;
    assert_eq!(
        gate(&place, "").answer(1),
        format!("FAIL run-7: executions 3, in flight 0, spilled 1, reasons 1\n{why}\n  {id}\n{NOT_JUDGED}")
    );
    let json = gate(&place, "--json").answer(1);
    assert!(json.contains(r#""executions":3,"in_flight":0,"spilled":1,"not_judged":["expected_executions"],"child_runs":[],"reasons":[{"#), "{json}");
    assert_eq!(place.files(), files, "a gate changes nothing");
    // If the record is damaged, its run is unknown.
    let spill = place.path("logs/execution_metrics.ledger/spill");
    let spill = std::fs::read_dir(spill).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&spill).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    std::fs::write(&spill, damaged).unwrap();
    assert_eq!(
        gate(&place, "").answer(1),
        "FAIL run-7: executions 3, in flight 0, spilled 0, reasons 3\n\
         missing log entry: \"shot-renderer\": its parent 00000000-0004-0000-0000-000000000004 has no record\n  \
         00000000-0001-0000-0000-000000000001\n  00000000-0002-0000-0000-000000000002\n\
         missing log entry: \"qc-grader\": its parent 00000000-0004-0000-0000-000000000004 has no record\n  \
         00000000-0003-0000-0000-000000000003\n\
         broken integrity: the spill contains data that is not a record: an incomplete write or a damaged record\n"
            .to_owned()
            + NOT_JUDGED
    );
    std::fs::write(&spill, whole).unwrap();
    drop(ledger);
    Ledger::open(place.ledger()).unwrap();
    assert_eq!(
        gate(&place, "").answer(0),
        "PASS run-7: executions 4, in flight 0, spilled 0, reasons 0\n".to_owned() + NOT_JUDGED
    );
}

#[test]
fn records_lost_since_its_start_fail_the_run() {
    let place = Place::with(&run());
    let lost = |time: &str, records: u64| format!("{{\"at\":\"{time}\",\"event\":\"lost\",\"records\":{records}}}\n");
    let events =
        lost("2026-11-18T11:59:59.999Z", 4) + "torn\n{\"event\":\"lost\"}\n" + &lost("2026-11-18T12:00:01Z", 2);
    std::fs::write(place.path("logs/execution_metrics.ledger/events.jsonl"), events).unwrap();
    let why = "missing log entry: 2 records were lost, as the ledger reported at 2026-11-18T12:00:01.000Z, and may belong to this run";
    assert_eq!(
        gate(&place, "").answer(1),
        format!("FAIL run-7: executions 4, in flight 0, spilled 0, reasons 1\n{why}\n{NOT_JUDGED}")
    );
}

#[test]
fn child_runs_are_named() {
    let mut records = run();
    for (id, name) in [(11, "run-7b"), (12, "run\n7a")] {
        let mut child = of_run(id, "draw", Kind::Skill);
        child.run.run_id = Some(name.to_owned());
        child.run.parent_run_id = Some("run-7".to_owned());
        records.push(child);
    }
    let place = Place::with(&records);
    assert_eq!(
        gate(&place, "").answer(0),
        "PASS run-7: executions 4, in flight 0, spilled 0, reasons 0\n\
         child runs, which are not checked here: 2\n  run\\n7a\n  run-7b\n"
            .to_owned()
            + NOT_JUDGED
    );
    assert_eq!(
        gate(&place, "--json").answer(0),
        r#"{"run_id":"run-7","verdict":"PASS","executions":4,"in_flight":0,"spilled":0,"not_judged":["expected_executions","child_runs"],"child_runs":["run\n7a","run-7b"],"reasons":[]}"#
            .to_owned()
            + "\n"
    );
}

/// A record that was changed fails the run, even if it belongs to another run.
#[test]
fn an_edited_ledger_fails_every_run() {
    let mut records = run();
    let mut other = of_run(9, "upload", Kind::Skill);
    other.run.run_id = Some("run-8".to_owned());
    records.push(other);
    let place = Place::with(&records);
    let text = std::fs::read_to_string(place.ledger()).unwrap();
    std::fs::write(place.ledger(), text.replace("run-8", "run-9")).unwrap();
    let answer = gate(&place, "").answer(1);
    let expected = "FAIL run-7: executions 4, in flight 0, spilled 0, reasons 1\n\
                    broken integrity: edited: logs/execution_metrics.jsonl: line 5 ";
    assert!(answer.starts_with(expected), "{answer}");
}

#[test]
fn a_line_that_is_not_a_record_fails_the_run() {
    let answer = gate(&Place::with(&run()).with_a_foreign_line(), "").answer(1);
    assert!(
        answer.contains("\nunstructured data: cannot read a record from JSON: logs/execution_metrics.jsonl: line 3 "),
        "{answer}"
    );
    assert!(answer.contains("\nbroken integrity: torn: logs/execution_metrics.jsonl: line 3 "), "{answer}");
}

/// On a terminal, a reason continues on the next line, between two words.
#[test]
fn a_long_reason_continues_between_words() {
    let place = Place::of_earlier_version(&faulty());
    let whole = gate(&place, "").answer(1);
    let wrapped = place.run(["gate", "--run", "run-7"]).answer(1);
    assert!(whole.lines().any(|line| line.chars().count() > 80), "{whole}");
    assert!(wrapped.lines().all(|line| line.chars().count() <= 80), "{wrapped}");
    assert_eq!(wrapped.replace("\n    ", " "), whole);
    let args = ["escalate", "--since", "2026-11-16", "--until", "2026-11-18"];
    let place = Place::with(&bad_week());
    let (whole, wrapped) = (piped(&place, &args).answer(1), place.run(args).answer(1));
    assert!(wrapped.lines().all(|line| line.chars().count() <= 80), "{wrapped}");
    assert_eq!(wrapped.replace("\n    ", " "), whole);
}

#[test]
fn an_unknown_run_fails() {
    let answer = Place::with(&run()).run(["gate", "--run", "run 8\n"]).answer(1);
    let why = "missing log entry: the ledger has no execution of the run";
    assert_eq!(answer, format!("FAIL run 8\\n: executions 0, in flight 0, spilled 0, reasons 1\n{why}\n{NOT_JUDGED}"));
}

/// Without --run, the run in the environment is judged, or else the run of the last record that has a run. The answer
/// names the run.
#[test]
fn without_a_run_the_latest_one_is_judged() {
    let mut records = run();
    let mut later = of_run(9, "draw", Kind::Skill);
    later.run = RunIds::new("run-9");
    let mut alone = of_run(10, "draw", Kind::Skill);
    alone.run = RunIds::default();
    records.extend([later, alone]);
    let place = Place::with(&records);
    let answer = place.run(["gate"]).answer(0);
    assert!(answer.starts_with("PASS run-9: executions 1, "), "{answer}");

    // A job that exports its run does not get the verdict of another run.
    let mut command = commands::command();
    command.current_dir(place.directory.path()).arg("gate").env("RUNLEDGER_RUN_ID", "run-10");
    let answer = commands::output(&mut command).answer(1);
    assert!(answer.starts_with("FAIL run-10: executions 0, "), "{answer}");

    records.iter_mut().for_each(|record| record.run.run_id = None);
    assert_eq!(
        Place::with(&records).run(["gate"]).complaint(2),
        "runledger: cannot find the latest run: logs/execution_metrics.jsonl: no record has a run_id. \
         Name a run with --run, or set RUNLEDGER_RUN_ID when you record\n"
    );
}

/// A run that cannot be judged neither passes nor fails: the exit code is 2, and stdout is empty.
#[test]
fn what_cannot_be_judged_ends_with_2() {
    let place = Place::with(&run());
    std::fs::write(place.path("bad.json"), "[{\"skill\": \"\"}]").unwrap();
    std::fs::write(place.path("policy.json"), "{\"gates\": {}}").unwrap();
    for (args, complaint) in [
        ("--expect bad.json", "cannot read the expected executions: bad.json: [0].skill: found \"\"; expected a name"),
        (
            "--policy policy.json",
            "cannot read a policy: policy.json: the key nearest to \"gates\" is gate: gates: expected the key gate, escalation or alerts, found another key at line 1 column 8",
        ),
        ("--policy none.json", "cannot read a policy: none.json: No such file or directory (os error 2)"),
        (
            "--expect none.json",
            "cannot read the expected executions: none.json: No such file or directory (os error 2)",
        ),
        (
            "--ledger none.jsonl",
            "cannot open a ledger to read: none.jsonl: there is no such file; to use another ledger, set --ledger PATH or RUNLEDGER_PATH",
        ),
    ] {
        assert_eq!(gate(&place, args).complaint(2), format!("runledger: {complaint}\n"));
    }
    let json = gate(&place, "--expect bad.json --json").complaint(2);
    assert!(json.ends_with("\",\"kind\":\"invalid\"}\n"), "{json}");
    assert!(place.run(["gate", "--run", ""]).complaint(2).contains("a value is required"));
    // Lines of another program have no chain to verify.
    std::fs::write(place.path("plain.jsonl"), commands::lines(&run())).unwrap();
    assert!(gate(&place, "--ledger plain.jsonl").complaint(2).contains("expected the file of a ledger"));
}

/// Returns a week with problems of several kinds, after an earlier week with few failed controls.
fn bad_week() -> Vec<ExecutionMetrics> {
    let mut records = Vec::new();
    let mut add = |skill: &str, start: &str, kind: Kind, change: &dyn Fn(&mut ExecutionMetrics)| {
        let mut record = record(records.len() as u128 + 1, skill, start, Some(7), Status::Success);
        record.kind = kind;
        change(&mut record);
        records.push(record);
    };
    let control = |artifact: String, bad: bool| {
        move |record: &mut ExecutionMetrics| {
            record.production.outcome = Some(if bad { QcOutcome::Fail } else { QcOutcome::Pass });
            record.production.drift_category = bad.then(|| "style".to_owned());
            record.production.artifact = Some(artifact.clone());
        }
    };
    for number in 0..60 {
        let old = format!("old-{number}");
        add("qc-grader", "2026-11-04T12:00:00Z", Kind::Qc, &control(old, number < 3));
    }
    let week = "2026-11-18T12:00:00Z";
    for (model, tier, count, bad) in [("image-2", "Premium", 40, 2), ("image-1", "Free", 40, 20)] {
        for number in 0..count {
            let artifact = format!("{model}-{number}");
            add("shot-renderer", week, Kind::Generation, &|record| {
                (record.model.name, record.model.tier) = (Some(model.to_owned()), Some(tier.to_owned()));
                record.production.artifact = Some(artifact.clone());
                (record.cost.estimated_usd, record.cost_usd) = (Some(usd("0.100000000001")), Some(usd("0.15")));
            });
            add("qc-grader", week, Kind::Qc, &control(artifact, number < bad));
        }
    }
    add("shot-renderer", week, Kind::Skill, &|record| record.model.name = Some("gpt-4\n|`".to_owned()));
    for _ in 0..3 {
        add("a\n| `\"\u{1b}[2J,=1+1", week, Kind::Skill, &|record| record.set_status(Status::Interrupted));
    }
    records
}

#[test]
fn a_week_without_escalations_ends_with_0() {
    let place = Place::with(&run());
    assert_eq!(
        piped(&place, &["escalate", "--since", "2026-11-16", "--until", "2026-11-18"]).answer(0),
        "2026-11-16T00:00:00.000Z to 2026-11-19T00:00:00.000Z: executions 4, escalations 0\n\
         not tested: QC failure rate spikes \"qc-grader\": results: 1, results to compare with: 0; at least 30 of each are needed\n"
    );
}

#[test]
fn escalations_name_their_recipients_and_end_with_1() {
    let place = Place::with(&bad_week());
    std::fs::write(
        place.path("policy.json"),
        r#"{"escalation": {"allowed_models": [{"skills": ["shot-*"], "models": ["image-*"]}]}}"#,
    )
    .unwrap();
    let args = ["escalate", "--since", "2026-11-16", "--until", "2026-11-18", "--policy", "policy.json"];
    assert_eq!(piped(&place, &args).answer(1), include_str!("../data/governance/escalate.txt"));
    let json = place.run(args.into_iter().chain(["--json"])).answer(1);
    assert_eq!(json, include_str!("../data/governance/escalate.json"));
}

/// Without --since, the period is this week, up to now.
#[test]
fn the_default_period_is_this_week() {
    let week = || Timestamp::try_from(chrono::DateTime::from(std::time::SystemTime::now())).map(week_start).unwrap();
    let (before, answer, after) = (week(), Place::new().run(["escalate"]).answer(0), week());
    let expected = |week| format!("{week} to now: executions 0, escalations 0\n");
    assert!([before, after].map(expected).contains(&answer), "{answer}");
}

/// An execution that has just begun is reported only if its process is dead. `escalate` records nothing.
#[test]
fn an_execution_of_a_dead_process_has_no_end() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let mut begun: Vec<_> = (0..3).map(|_| ledger.begin(Skill::new("upload", "1.0.0"))).collect();
    begun.sort_by_key(Execution::id);
    let ids: String = begun.iter().map(|begun| format!("  {}\n", begun.id())).collect();
    let quiet = place.run(["escalate", "--since", "1h"]).answer(0);
    assert!(quiet.ends_with("Z to now: executions 0, escalations 0\n"), "{quiet}");

    // Like the file of a dead process, a copy of the file is not locked.
    begun.into_iter().for_each(std::mem::forget);
    let marks = place.files().into_iter().find(|path| path.extension().is_some_and(|it| it == "slots")).unwrap();
    std::fs::copy(&marks, marks.with_file_name("00000000-0000-7000-8000-000000000000.slots")).unwrap();
    std::fs::remove_file(&marks).unwrap();
    let files = place.files();
    let told = piped(&place, &["escalate", "--since", "1h"]).answer(1);
    let why = "3 of 3 executions did not finish: 3 interrupted, 0 in flight for over 24 h";
    let expected = format!("escalations 1\nhuman: repeated missing logs: {why}\n  99 % interval 31.1% … 100.0%\n{ids}");
    assert!(told.ends_with(&expected), "{told}");
    assert_eq!(place.files(), files);
}

/// The losses in the period are those that the ledger's events state.
#[test]
fn lost_records_are_reported() {
    let place = Place::with(&run());
    let lost = |day| format!("{{\"at\":\"2026-11-{day}T12:00:00.000Z\",\"event\":\"lost\",\"records\":3}}\n");
    std::fs::write(place.path("logs/execution_metrics.ledger/events.jsonl"), lost("15") + &lost("18")).unwrap();
    let escalate = |until| piped(&place, &["escalate", "--since", "2026-11-16", "--until", until]);
    assert_eq!(
        escalate("2026-11-18").answer(1),
        "2026-11-16T00:00:00.000Z to 2026-11-19T00:00:00.000Z: executions 4, escalations 1\n\
         human: repeated missing logs: \
         0 of 4 executions did not finish: 0 interrupted, 0 in flight for over 24 h; records lost: 3\n  \
         99 % interval 0.0% … 62.4%\n\
         not tested: QC failure rate spikes \"qc-grader\": results: 1, results to compare with: 0; at least 30 of each are needed\n"
    );
    assert!(escalate("2026-11-17").answer(0).contains("escalations 0"));
}

#[test]
fn the_policy_is_printed_whole() {
    let place = Place::empty();
    let printed = place.run(["policy"]).answer(0);
    assert_eq!(printed, include_str!("../data/governance/policy.json"));
    std::fs::write(place.path("policy.json"), &printed).unwrap();
    assert_eq!(place.run(["policy", "policy.json"]).answer(0), printed);
    std::fs::write(place.path("own.json"), r#"{"escalation": {"alpha": 0.05}}"#).unwrap();
    assert_eq!(place.run(["policy", "own.json"]).answer(0), printed.replace("\"alpha\": 0.01", "\"alpha\": 0.05"));
}

/// A ledger can have more segments than a process may open files.
#[test]
fn gate_judges_a_ledger_of_many_segments_with_few_open_files() {
    let place = Place::empty();
    let ledger = Options::new().rotate_bytes(Some(1)).open(place.ledger()).unwrap();
    for record in (1..=60).map(|id| record(id, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success)) {
        ledger.append(&record).unwrap();
    }
    let args = ["gate", "--run", "run-7", "--json"];
    let all = place.run(args);
    assert_eq!((all.code, all.stderr.as_str()), (Some(1), ""));
    // With one of these limits, the last file that can be opened is a segment. With the other, it is an index.
    for limit in [40, 41] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_runledger")]);
        assert_eq!(commands::output(shell.args(args).current_dir(place.directory.path())), all, "{limit}");
    }
}
