//! Promise: a run passes its gate if and only if it was logged completely. If a run fails, the gate states every reason
//! and the executions that the reason concerns.
//!
//! The lines of the run logger's evaluation checklist, gate behaviour and common failure modes are quoted where they
//! are tested.

use runledger::governance::{Expectations, Field, Gate, GatePolicy, GateReport, GateVerdict, NotJudged, Rule};
use runledger::metrics::{CostTier, Kind, LlmCall, QcOutcome, Status};
use runledger::{Baselines, ErrorKind, ExecutionMetrics, LedgerReader, Result, Uuid};

const RUN: &str = "run-7";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Returns a record of the run with the fields that every record must have.
fn record(number: u128, skill: &str, kind: Kind) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(id(number), skill, "1.0.0", "2026-11-20T12:00:00Z".parse().unwrap());
    record.timestamp_end = Some("2026-11-20T12:00:07Z".parse().unwrap());
    record.wall_clock_time_ms = Some(7000);
    record.set_status(Status::Success);
    record.kind = kind;
    record.run.run_id = Some(RUN.to_owned());
    record
}

fn priced(mut record: ExecutionMetrics, model: &str, tier: CostTier, usd: &str) -> ExecutionMetrics {
    record.model.name = Some(model.to_owned());
    record.cost_usd = Some(usd.parse().unwrap());
    record.cost_tier = Some(tier);
    record
}

const PIPELINE: u128 = 9;

/// Returns a complete run: a budget check, a routing decision, two attempts at a shot, each with its quality control, a
/// small task without a model, and the pipeline that started them all.
fn run() -> Vec<ExecutionMetrics> {
    let child = |number, skill, kind| {
        let mut record = record(number, skill, kind);
        record.run.parent_execution_id = Some(id(PIPELINE));
        record
    };
    let mut budget = child(1, "budget-gates", Kind::BudgetGate);
    budget.decision_made = Some("APPROVE".to_owned());

    let mut routing = child(2, "model-router", Kind::ModelRouting);
    (routing.model.name, routing.model.tier) = (Some("image-2".to_owned()), Some("premium".to_owned()));
    routing.cost.estimated_usd = Some("0.5".parse().unwrap());
    routing.decision_made = Some("image-2".to_owned());

    let attempt = |number, regen_count| {
        let mut made = priced(child(number, "renderer", Kind::Generation), "image-2", CostTier::Premium, "0.5");
        made.production.regen_count = Some(regen_count);
        made.production.shot_id = Some("s-4".to_owned());
        made.production.artifact = Some(format!("s-4_v{:03}.png", regen_count + 1));
        made
    };
    let control = |number, artifact: &str, outcome| {
        let mut control = child(number, "qc-grader", Kind::Qc);
        control.production.artifact = Some(artifact.to_owned());
        control.production.outcome = Some(outcome);
        control
    };
    vec![
        budget,
        routing,
        attempt(3, 0),
        control(4, "s-4_v001.png", QcOutcome::Fix),
        attempt(5, 1),
        control(6, "s-4_v002.png", QcOutcome::Pass),
        child(7, "name-files", Kind::Skill),
        record(PIPELINE, "pipeline", Kind::Skill),
    ]
}

fn ok(records: Vec<ExecutionMetrics>) -> impl Iterator<Item = Result<ExecutionMetrics>> {
    records.into_iter().map(Ok)
}

fn judge(records: Vec<ExecutionMetrics>) -> GateReport {
    Gate::new(RUN).judge(&[], ok(records), [""; 0]).unwrap()
}

/// Returns the reasons, each with the numbers of its executions.
fn reasons(report: &GateReport) -> Vec<String> {
    let verdict = if report.reasons.is_empty() { GateVerdict::Pass } else { GateVerdict::Fail };
    assert_eq!(report.verdict, verdict);
    let numbers = |ids: &[Uuid]| ids.iter().map(|id| id.as_u128().to_string()).collect::<Vec<_>>().join(" ");
    report.reasons.iter().map(|reason| format!("{reason} [{}]", numbers(&reason.executions))).collect()
}

/// Returns the reasons for which the run fails after one change of the record with this number.
fn after(number: u128, change: impl FnOnce(&mut ExecutionMetrics)) -> Vec<String> {
    let mut records = run();
    change(records.iter_mut().find(|record| record.execution_id == id(number)).unwrap());
    reasons(&judge(records))
}

/// Returns the reasons for which the run fails without the record with this number.
fn without(number: u128) -> Vec<String> {
    let mut records = run();
    records.retain(|record| record.execution_id != id(number));
    reasons(&judge(records))
}

// Evaluation checklist.

/// "All fields populated."
#[test]
fn all_fields_populated() {
    assert_eq!(
        after(3, |record| record.model.name = None),
        [r#"missing field: "renderer": model_used: model.name is null [3]"#]
    );
    assert_eq!(
        after(3, |record| record.model.name = Some(" \n".to_owned())),
        [r#"missing field: "renderer": model_used: model.name is null [3]"#]
    );
    assert_eq!(
        after(3, |record| record.wall_clock_time_ms = None),
        [
            r#"missing field: "renderer": duration_s: production.duration_s, wall_clock_time_ms and total_latency_ms are null [3]"#
        ]
    );
    assert_eq!(
        after(1, |record| record.decision_made = None),
        [r#"missing field: "budget-gates": decision: decision_made is null [1]"#]
    );
    assert_eq!(
        after(7, |record| _ = record.tags.insert("refused".to_owned(), "cost_usd".into())),
        [r#"missing field: "name-files": invalid fields were left out; the tag `refused` of the record says why [7]"#]
    );
}

/// "All fields populated": every field that a policy can require is reported if it is missing, and only then.
#[test]
fn each_field_that_a_policy_asks_for_is_missed() {
    use Field::*;
    let mut full = priced(record(1, "draw", Kind::Skill), "image-2", CostTier::Free, "0");
    full.run.parent_run_id = Some("run-6".to_owned());
    full.cost.estimated_usd = Some("0".parse().unwrap());
    (full.production.scene_id, full.production.shot_id) = (Some("c-1".to_owned()), Some("s-4".to_owned()));
    full.production.regen_count = Some(0);
    full.production.artifact = Some("s-4_v001.png".to_owned());
    full.decision_made = Some("APPROVE".to_owned());
    let bare = record(2, "draw", Kind::Skill);

    let fields = [
        RunId,
        Parent,
        ModelUsed,
        Tier,
        Cost,
        EstimatedCost,
        ActualCost,
        SceneId,
        ShotId,
        DurationS,
        Outcome,
        RegenCount,
        ArtifactOutput,
        Decision,
    ];
    for field in fields {
        let mut policy = GatePolicy::default();
        policy.even_across_tiers = false;
        policy.required.skill = vec![field];
        let gate = Gate::new(RUN).policy(policy);
        let judge = |record: &ExecutionMetrics| gate.judge(&[], [Ok(record.clone())], [""; 0]).unwrap();
        assert_eq!(reasons(&judge(&full)), [""; 0], "{field:?}");
        // Every record of the run has its run, outcome and duration.
        let missed = !matches!(field, RunId | Outcome | DurationS);
        assert_eq!(judge(&bare).reasons.len(), usize::from(missed), "{field:?}");
    }
}

/// "No missing timestamps."
#[test]
fn no_missing_timestamps() {
    assert_eq!(
        after(7, |record| record.timestamp_end = None),
        [r#"missing timestamp: "name-files": timestamp_end is null [7]"#]
    );
    assert_eq!(
        after(7, |record| record.timestamp_end = Some("2026-11-20T11:59:59.999Z".parse().unwrap())),
        [r#"missing timestamp: "name-files": timestamp_end is before timestamp_start [7]"#]
    );
}

/// "Tier recorded."
#[test]
fn tier_recorded() {
    let unknown = |record: &mut ExecutionMetrics| record.cost_tier = Some(CostTier::Unknown);
    assert_eq!(
        after(3, unknown),
        [r#"tier undocumented: "renderer": tier: neither model.tier nor cost_tier names a tier [3]"#]
    );
    let of_the_router = |record: &mut ExecutionMetrics| {
        unknown(record);
        record.model.tier = Some("premium".to_owned());
    };
    assert_eq!(after(3, of_the_router), [""; 0]);
}

/// "Cost documented": by the cost or, while that is unknown, by the estimate. A free call has a documented cost.
#[test]
fn cost_documented() {
    assert_eq!(after(3, |record| record.cost_usd = Some("0".parse().unwrap())), [""; 0]);
    let estimated = |record: &mut ExecutionMetrics| {
        record.cost_usd = None;
        record.cost.estimated_usd = Some("0.5".parse().unwrap());
    };
    let mut records = run();
    estimated(&mut records[2]);
    estimated(&mut records[4]);
    assert_eq!(reasons(&judge(records)), [""; 0]);
}

/// "Artifact version recorded."
#[test]
fn artifact_version_recorded() {
    let named = |artifact: &str| {
        let artifact = artifact.to_owned();
        after(3, |record| record.production.artifact = Some(artifact))
    };
    assert_eq!(named("s-4@1"), [""; 0]);
    let unversioned = r#"artifact version not recorded: "renderer": artifact_output: production.artifact names no version, and output_hash is null [3]"#;
    assert_eq!(named("s-4.png"), [unversioned]);
    let hashed = |record: &mut ExecutionMetrics| {
        record.production.artifact = Some("s-4.png".to_owned());
        record.output_hash = Some("0".repeat(64));
    };
    let mut records = run();
    hashed(&mut records[2]);
    assert_eq!(reasons(&judge(records)), [""; 0]);
}

/// "Regen count tracked."
#[test]
fn regen_count_tracked() {
    let untracked = after(5, |record| record.production.regen_count = None);
    assert_eq!(untracked, [r#"regeneration untracked: "renderer": regen_count: production.regen_count is null [5]"#]);
    // Without the number of one attempt, it is unknown whether another one is missing.
    let mut later = run();
    later[2].production.regen_count = None;
    assert_eq!(
        reasons(&judge(later.clone())),
        [r#"regeneration untracked: "renderer": regen_count: production.regen_count is null [3]"#]
    );
    // A run that continues the numbers of an earlier run needs a policy that says so.
    later[2].production.regen_count = Some(2);
    later[4].production.regen_count = Some(3);
    let lost = r#"missing log entry: "renderer": shot "s-4" has no records of attempts 0 to 1 []"#;
    assert_eq!(reasons(&judge(later.clone())), [lost]);
    let mut policy = GatePolicy::default();
    policy.attempts_numbered = false;
    let report = Gate::new(RUN).policy(policy).judge(&[], ok(later), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [""; 0]);
}

/// The gate also notices that the first attempt is missing. The reason names the scene, because scenes can have shots
/// of the same name.
#[test]
fn the_first_attempt_is_missed_if_only_a_later_one_has_a_record() {
    let lost = r#"missing log entry: "renderer": shot "s-4" has no record of attempt 0 []"#;
    assert_eq!(without(3), [lost]);
    let mut records = run();
    records[2].production.regen_count = Some(1);
    records[4].production.regen_count = Some(2);
    for (at, scene) in [(2, "c-1"), (4, "c-1")] {
        records[at].production.scene_id = Some(scene.to_owned());
    }
    let lost = r#"missing log entry: "renderer": shot "s-4" of scene "c-1" has no record of attempt 0 []"#;
    assert_eq!(reasons(&judge(records.clone())), [lost]);
    // Another skill can have made the first attempt, and may fail.
    let mut first = records[2].clone();
    (first.execution_id, first.skill_name, first.production.regen_count) = (id(20), "sketcher".to_owned(), Some(0));
    first.set_status(Status::Failed);
    records.push(first);
    assert_eq!(reasons(&judge(records.clone())), [""; 0]);
    // An attempt that was interrupted, that is in flight or that is spilled is reported as such.
    records[2].set_status(Status::Interrupted);
    let interrupted = r#"missing log entry: "renderer": it was interrupted before it ended [3]"#;
    assert_eq!(reasons(&judge(records.clone())), [interrupted]);
    let begun = records.remove(2);
    let report = Gate::new(RUN).judge(std::slice::from_ref(&begun), ok(records.clone()), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [r#"missing log entry: "renderer": it has not ended: it is in flight [3]"#]);
    let report = Gate::new(RUN).spilled(vec![begun]).judge(&[], ok(records), [""; 0]).unwrap();
    let spilled = "its record waits in the spill because the ledger could not store it";
    assert_eq!(reasons(&report), [format!("missing log entry: \"renderer\": {spilled} [3]")]);
}

/// A record that was refused leaves no trace, so PASS says what was not judged.
#[test]
fn a_verdict_says_what_it_did_not_judge() {
    let json = |report: &GateReport| serde_json::to_value(report).unwrap()["not_judged"].clone();
    let report = judge(run());
    assert_eq!((report.verdict, &report.not_judged[..]), (GateVerdict::Pass, &[NotJudged::ExpectedExecutions][..]));
    assert_eq!(json(&report), serde_json::json!(["expected_executions"]));

    let expected = Expectations::from_json(r#"[{"skill": "name-files"}]"#).unwrap();
    let mut records = run();
    let report = Gate::new(RUN).expected(expected.clone()).judge(&[], ok(records.clone()), [""; 0]).unwrap();
    assert_eq!((report.verdict, json(&report)), (GateVerdict::Pass, serde_json::json!([])));
    records[6].run.run_id = Some("run-8".to_owned());
    records[6].run.parent_run_id = Some(RUN.to_owned());
    let report = Gate::new(RUN).expected(expected).judge(&[], ok(records), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [r#"missing log entry: "name-files": expected 1 execution, found 0 []"#]);
    assert_eq!(json(&report), serde_json::json!(["child_runs"]));
    // A run without any execution does not pass.
    assert_eq!(judge(vec![]).verdict, GateVerdict::Fail);
}

/// "Outcome recorded consistently."
#[test]
fn outcome_recorded_consistently() {
    let outcome = |text: &str| {
        let outcome = QcOutcome::from(text);
        after(4, |record| record.production.outcome = Some(outcome))
    };
    assert_eq!(outcome("FAIL"), [""; 0]);
    assert_eq!(outcome("pass"), [r#"inconsistent outcome: "qc-grader": "pass" is not PASS, FAIL or FIX [4]"#]);
    assert_eq!(
        after(4, |record| record.production.outcome = None),
        [r#"inconsistent outcome: "qc-grader": outcome: production.outcome is null [4]"#]
    );
    let broken = |record: &mut ExecutionMetrics| {
        record.set_status(Status::Failed);
        record.production.outcome = None;
    };
    assert_eq!(after(4, broken), [""; 0]); // it failed, and so has found nothing
    assert_eq!(
        after(7, |record| record.execution_failed = Some(true)),
        [
            r#"inconsistent outcome: "name-files": execution_succeeded and execution_failed are not each other's inverse [7]"#
        ]
    );
    assert_eq!(
        after(7, |record| record.status = Some(Status::Failed)),
        [r#"inconsistent outcome: "name-files": execution_succeeded does not fit the status failed [7]"#]
    );
    assert_eq!(
        after(7, |record| record.set_status(Status::Paused)),
        [r#"inconsistent outcome: "name-files": outcome: it is paused and waits for a person [7]"#]
    );
    assert_eq!(
        after(6, |record| record.set_status(Status::Failed)),
        [r#"inconsistent outcome: "qc-grader": it failed, and its outcome is PASS [6]"#]
    );
}

// Gate behaviour: FAIL.

/// "Missing log entry for skill execution": it began and never ended, whether it is in flight or was interrupted.
#[test]
fn missing_log_entry_of_an_execution_that_never_ended() {
    let mut records = run();
    let begun = records.remove(6);
    // The execution is expected and has begun. So it is reported only as in flight, and not as missing too.
    let expected = Expectations::from_json(r#"[{"skill": "name-files"}]"#).unwrap();
    let report = Gate::new(RUN).expected(expected).judge(&[begun], ok(records), [""; 0]).unwrap();
    assert_eq!((report.executions, report.in_flight), (7, 1));
    let in_flight = r#"missing log entry: "name-files": it has not ended: it is in flight [7]"#;
    assert_eq!(reasons(&report), [in_flight]);

    // The unknown fields of an interrupted execution are not reported as well.
    let interrupted = after(3, |record| {
        record.set_status(Status::Interrupted);
        (record.timestamp_end, record.cost_usd, record.production.artifact) = (None, None, None);
    });
    assert_eq!(interrupted, [r#"missing log entry: "renderer": it was interrupted before it ended [3]"#]);
}

/// An execution that ended while the ledger was being read was in flight before, and has a record.
#[test]
fn an_execution_in_flight_that_has_a_record_has_ended() {
    let report = Gate::new(RUN).judge(&run(), ok(run()), [""; 0]).unwrap();
    assert_eq!((reasons(&report), report.in_flight), (vec![], 0));
    let mut other = run().remove(6);
    (other.execution_id, other.run.run_id) = (id(70), Some("run-8".to_owned()));
    let report = Gate::new(RUN).judge(&[other], ok(run()), [""; 0]).unwrap();
    assert_eq!((reasons(&report), report.in_flight), (vec![], 0));
}

/// "Missing log entry for skill execution": the ledger refused the record, which waits in the spill. It meets an
/// expectation and can be a parent. In the meantime it may have been stored in the ledger, or have been in flight.
#[test]
fn missing_log_entry_of_a_record_in_the_spill() {
    let mut records = run();
    let pipeline = records.pop().unwrap();
    let mut stray = record(8, "rename", Kind::Skill);
    (stray.run.run_id, stray.run.parent_execution_id) = (None, Some(id(PIPELINE)));
    let mut other = pipeline.clone();
    (other.execution_id, other.run.run_id) = (id(70), Some("run-8".to_owned()));
    let expected = Expectations::from_json(r#"[{"skill": "pipeline"}]"#).unwrap();
    let spilled = vec![pipeline.clone(), stray, other, records[0].clone()];
    let report = Gate::new(RUN).expected(expected).spilled(spilled).judge(&[pipeline], ok(records), [""; 0]).unwrap();
    assert_eq!((report.executions, report.in_flight, report.spilled), (7, 0, 1));
    assert_eq!(
        reasons(&report),
        [
            r#"missing log entry: "pipeline": its record waits in the spill because the ledger could not store it [9]"#,
            r#"missing parent: "rename": its parent belongs to this run, and run_id is null [8]"#,
        ]
    );
}

/// "Missing log entry for skill execution": records that were lost since the run began may belong to it; earlier ones
/// do not.
#[test]
fn missing_log_entry_of_records_that_were_lost() {
    let lost = |time: &str, records| (time.parse().unwrap(), records);
    let gate = Gate::new(RUN).lost(vec![lost("2026-11-20T11:59:59.999Z", 5), lost("2026-11-20T12:00:00Z", 1)]);
    let why = "missing log entry: 1 record was lost, as the ledger reported at 2026-11-20T12:00:00.000Z, \
               and may belong to this run []";
    assert_eq!(reasons(&gate.judge(&[], ok(run()), [""; 0]).unwrap()), [why]);
    // A run of which only an execution in flight is known has begun too.
    let mut begun = record(30, "upload", Kind::Skill);
    begun.timestamp_start = "2026-11-20T11:00:00Z".parse().unwrap();
    let found = gate.judge(&[begun], ok(run()), [""; 0]).unwrap();
    assert!(reasons(&found)[1].contains("5 records were lost") && found.reasons.len() == 3, "{found:?}");
    // All records of a run without a trace may have been lost.
    let report = Gate::new("run-8").lost(vec![lost("2026-11-20T12:00:00Z", 2)]).judge(&[], ok(run()), [""; 0]).unwrap();
    assert_eq!(report.reasons.len(), 2, "{report:?}");
}

/// Child runs are listed, whether they have ended or not, and their faults are their own.
#[test]
fn child_runs_are_named_and_have_gates_of_their_own() {
    let of = |number, run: &str, parent: &str| {
        let mut record = record(number, "draw", Kind::Skill);
        record.cost_tier = Some(CostTier::Unknown);
        record.run.run_id = Some(run.to_owned());
        record.run.parent_run_id = Some(parent.to_owned());
        record
    };
    let mut records = run();
    records.extend([
        of(40, "run-7b", RUN),
        of(41, "run-7b", RUN),
        of(42, "run-7c", "run-7b"),
        of(43, "run-8", "run-6"),
    ]);
    let begun = [of(44, "run-7a", RUN)];
    let report = Gate::new(RUN).judge(&begun, ok(records.clone()), [""; 0]).unwrap();
    assert_eq!((reasons(&report), report.child_runs), (vec![], vec!["run-7a".to_owned(), "run-7b".to_owned()]));
    let report = Gate::new("run-7b").judge(&begun, ok(records), [""; 0]).unwrap();
    assert_eq!(
        (report.verdict, report.executions, report.child_runs),
        (GateVerdict::Fail, 2, vec!["run-7c".to_owned()])
    );
}

/// "Missing log entry for skill execution": an expected execution is absent, or there are too few.
#[test]
fn missing_log_entry_of_an_expected_execution() {
    let expected = Expectations::from_json(
        r#"[{"skill": "name-files"}, {"skill": "upload"}, {"skill": "name-files", "kind": "skill", "count": 3},
            {"skill": "renderer", "kind": "generation", "shot_id": "s-4", "count": 2},
            {"skill": "renderer", "shot_id": "s-5"}, {"skill": "renderer", "shot_id": "s-4", "scene_id": "c\n1"},
            {"skill": "renderer", "kind": "qc"}]"#,
    );
    let gate = Gate::new(RUN).expected(expected.unwrap());
    assert_eq!(
        reasons(&gate.judge(&[], ok(run()), [""; 0]).unwrap()),
        [
            r#"missing log entry: "upload": expected 1 execution, found 0 []"#,
            r#"missing log entry: "name-files": expected 3 executions of kind "skill", found 1 []"#,
            r#"missing log entry: "renderer": expected 1 execution of shot "s-5", found 0 []"#,
            r#"missing log entry: "renderer": expected 1 execution of scene "c\n1" of shot "s-4", found 0 []"#,
            r#"missing log entry: "renderer": expected 1 execution of kind "qc", found 0 []"#,
        ]
    );
}

#[test]
fn invalid_expectations_are_refused() {
    let refused = |text: &str| {
        let error = Expectations::from_json(text).unwrap_err();
        (error.kind(), error.to_string())
    };
    for (text, why) in [
        ("[]", "found no entries; expected at least one"),
        (
            r#"[{"skill": ""}, {"skill": "a", "count": 0}]"#,
            "[0].skill: found \"\"; expected a name; [1].count: found 0; expected 1 or more",
        ),
        (
            r#"[{"skill": "a"}, {"skill": "a", "count": 2}]"#,
            "[1]: \"a\" is already listed. Give the earlier entry a count",
        ),
    ] {
        assert_eq!(refused(text), (ErrorKind::Invalid, format!("cannot read the expected executions: {why}")));
    }
    for (text, why) in [
        (
            r#"[{"skill": "a", "shots": 2}]"#,
            "[0].shots: expected the key skill, kind, scene_id, shot_id or count, found another key at line 1 column 23",
        ),
        (r#"[{"count": 2}]"#, "[0].skill: expected a value, found none at line 1 column 13"),
        (
            r#"[{"skill": "a", "count": -1}]"#,
            "[0].count: expected a whole number from 0 to 18446744073709551615, found -1 at line 1 column 27",
        ),
    ] {
        assert_eq!(refused(text), (ErrorKind::Malformed, format!("cannot read the expected executions: {why}")));
    }
}

/// "Cost not recorded."
#[test]
fn cost_not_recorded() {
    let why = r#"cost not recorded: "renderer": cost: cost_usd and cost.estimated_usd are null [3]"#;
    assert_eq!(after(3, |record| record.cost_usd = None), [why]);
}

/// "Model tier undocumented."
#[test]
fn model_tier_undocumented() {
    let undocumented = after(2, |record| record.model.tier = None);
    assert_eq!(
        undocumented,
        [r#"tier undocumented: "model-router": tier: neither model.tier nor cost_tier names a tier [2]"#]
    );
}

/// "Artifact version not recorded": for generations and for controls. A failed attempt made no artifact.
#[test]
fn artifact_version_not_recorded() {
    let none = |record: &mut ExecutionMetrics| record.production.artifact = None;
    let why = |skill: &str, number: u128| {
        format!("artifact version not recorded: {skill:?}: artifact_output: production.artifact is null [{number}]")
    };
    assert_eq!(after(3, none), [why("renderer", 3)]);
    assert_eq!(after(4, none), [why("qc-grader", 4)]);
    let failed = |record: &mut ExecutionMetrics| {
        none(record);
        record.set_status(Status::Failed);
    };
    assert_eq!(after(3, failed), [""; 0]);
}

/// "Regen attempts untracked": two attempts at a shot cannot both be the first.
#[test]
fn regen_attempts_untracked() {
    let twice = |record: &mut ExecutionMetrics| record.production.regen_count = Some(0);
    let why =
        r#"regeneration untracked: "renderer": several successful attempts at shot "s-4" have the regen_count 0 [3 5]"#;
    assert_eq!(after(5, twice), [why]);
    // A failed attempt is repeated under its number.
    let mut records = run();
    records[2].set_status(Status::Failed);
    twice(&mut records[4]);
    assert_eq!(reasons(&judge(records.clone())), [""; 0]);

    // Other shots, other scenes and other skills are counted separately.
    for change in [
        (|record| record.production.shot_id = Some("s-5".to_owned())) as fn(&mut ExecutionMetrics),
        |record| record.production.scene_id = Some("c-2".to_owned()),
        |record| record.skill_name = "upscaler".to_owned(),
    ] {
        let mut records = run();
        twice(&mut records[4]);
        change(&mut records[4]);
        assert_eq!(reasons(&judge(records)), [""; 0]);
    }
    let mut policy = GatePolicy::default();
    policy.attempts_numbered = false;
    let mut records = run();
    twice(&mut records[4]);
    let report = Gate::new(RUN).policy(policy).judge(&[], ok(records), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [""; 0]);
}

// Gate behaviour: PASS.

/// "Complete record created."
#[test]
fn a_complete_record_passes() {
    let report = judge(run());
    assert_eq!(
        (report.verdict, report.executions, report.in_flight, report.reasons),
        (GateVerdict::Pass, 8, 0, vec![])
    );
}

/// "Data structured": lines that are not records are listed, up to 20, and all are counted. A read error is returned.
#[test]
fn data_structured() {
    let malformed = || ExecutionMetrics::from_json("no record");
    let mut lines: Vec<_> = ok(run()).collect();
    lines.insert(3, malformed());
    let report = Gate::new(RUN).judge(&[], lines, [""; 0]).unwrap();
    assert_eq!(
        reasons(&report),
        ["unstructured data: cannot read a record from JSON: expected a value in JSON, found `no` at column 2 []"]
    );

    let lines = ok(run()).chain((0..25).map(|_| malformed()));
    let report = Gate::new(RUN).judge(&[], lines, [""; 0]).unwrap();
    assert_eq!(report.reasons.last().unwrap().found, "5 more lines that are not records");

    let unreadable = LedgerReader::open("/nonexistent/ledger.jsonl").unwrap_err();
    let error = Gate::new(RUN).judge(&[], [Err(unreadable)], [""; 0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// "Append-only integrity maintained", "Logs are append-only."
#[test]
fn append_only_integrity_maintained() {
    let report = Gate::new(RUN).judge(&[], ok(run()), ["edited: log.jsonl: line 3", "and 7 more"]).unwrap();
    let why = ["broken integrity: edited: log.jsonl: line 3 []", "broken integrity: and 7 more []"];
    assert_eq!(reasons(&report), why);
}

/// "Downstream analytics possible": for a run that passes, baselines know every outcome and every cost of a model.
#[test]
fn downstream_analytics_possible() {
    assert_eq!(judge(run()).verdict, GateVerdict::Pass);
    let baselines = Baselines::compute(ok(run())).unwrap();
    assert_eq!(baselines.skipped().count(), 0);
    assert!(baselines.iter().all(|(_, baseline)| baseline.outcome_unknown == 0));
    assert_eq!(baselines.get("renderer").unwrap().cost_unknown, 0);
}

// Common failure modes.

/// "Skipping log for small tasks": an execution that nobody expects is noticed by the gap in the attempts, and by its
/// children.
#[test]
fn skipping_log_for_small_tasks() {
    let gap = r#"missing log entry: "renderer": shot "s-4" has no record of attempt 1 []"#;
    assert_eq!(after(5, |record| record.production.regen_count = Some(2)), [gap]);
    let gap = r#"missing log entry: "renderer": shot "s-4" has no records of attempts 1 to 18446744073709551614 []"#;
    assert_eq!(after(5, |record| record.production.regen_count = Some(u64::MAX)), [gap]);

    // Executions of one skill with one parent share a reason.
    let parent = |skill: &str, numbers: &str| {
        format!("missing log entry: {skill:?}: its parent {} has no record [{numbers}]", id(PIPELINE))
    };
    assert_eq!(
        without(PIPELINE),
        [
            parent("budget-gates", "1"),
            parent("model-router", "2"),
            parent("renderer", "3 5"),
            parent("qc-grader", "4 6"),
            parent("name-files", "7")
        ]
    );
    let empty = "missing log entry: the ledger has no execution of the run []";
    assert_eq!(reasons(&judge(vec![])), [empty]);
    assert_eq!(reasons(&Gate::new("run-8").judge(&[], ok(run()), [""; 0]).unwrap()), [empty]);
}

/// "Logging inconsistently across tiers": free tiers need the same fields as expensive ones, and optional fields are
/// logged for all tiers or for none.
#[test]
fn logging_inconsistently_across_tiers() {
    for tier in [CostTier::Free, CostTier::Standard, CostTier::Premium, CostTier::from("house")] {
        let why = r#"cost not recorded: "renderer": cost: cost_usd and cost.estimated_usd are null [3]"#;
        assert_eq!(after(3, |record| (record.cost_tier, record.cost_usd) = (Some(tier), None)), [why]);
    }
    // An estimate for one tier and a cost for another are logged alike.
    let estimated = |record: &mut ExecutionMetrics| {
        record.cost_tier = Some(CostTier::Free);
        (record.cost.estimated_usd, record.cost_usd) = (record.cost_usd, None);
    };
    assert_eq!(after(3, estimated), [""; 0]);
    let draw = |number, tier: CostTier, scene: Option<&str>| {
        let mut record = priced(record(number, "draw", Kind::Skill), "m", tier, "0");
        record.production.scene_id = scene.map(str::to_owned);
        record
    };
    let uneven = vec![
        draw(1, CostTier::Premium, Some("c-1")),
        draw(2, CostTier::Premium, Some("c-2")),
        draw(3, CostTier::Free, None),
        draw(4, CostTier::Free, None),
    ];
    let why =
        r#"inconsistent across tiers: "draw": scene_id is recorded for the tier "Premium" and never for "Free" [3 4]"#;
    assert_eq!(reasons(&judge(uneven.clone())), [why]);
    // If only some records of one tier have the field, or some of the other tier do too, the tier does not decide.
    for (at, scene) in [(1, None), (3, Some("c-3"))] {
        let mut even = uneven.clone();
        even[at].production.scene_id = scene.map(str::to_owned);
        assert_eq!(reasons(&judge(even)), [""; 0]);
    }
    let mut policy = GatePolicy::default();
    policy.even_across_tiers = false;
    let report = Gate::new(RUN).policy(policy).judge(&[], ok(uneven), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [""; 0]);
}

/// "Not tracking regen count": also for a failed attempt, and for an attempt without a shot.
#[test]
fn not_tracking_regen_count() {
    let why = r#"regeneration untracked: "renderer": regen_count: production.regen_count is null [3]"#;
    let failed = |record: &mut ExecutionMetrics| {
        record.set_status(Status::Failed);
        record.production.regen_count = None;
    };
    assert_eq!(after(3, failed), [why]);
    let shotless = |record: &mut ExecutionMetrics| {
        (record.production.shot_id, record.production.regen_count) = (None, None);
    };
    let lost = r#"missing log entry: "renderer": shot "s-4" has no record of attempt 0 []"#;
    assert_eq!(after(3, shotless), [lost, why]);
}

/// "Overwriting previous entries": a second record of an execution that differs, in this run or another. A line that a
/// segment repeats is one record.
#[test]
fn overwriting_previous_entries() {
    let mut records = run();
    records.push(records[2].clone());
    assert_eq!(reasons(&judge(records.clone())), [""; 0]);
    assert_eq!(judge(records.clone()).executions, 8);

    let mut changed = records[2].clone();
    changed.cost_usd = Some("0.4".parse().unwrap());
    records.push(changed.clone());
    assert_eq!(reasons(&judge(records)), [r#"overwritten entry: "renderer": it has several records that differ [3]"#]);
    changed.run.run_id = Some("run-8".to_owned());
    let mut records = run();
    records.push(changed);
    let why = r#"overwritten entry: "renderer": a record of another run has the same id [3]"#;
    assert_eq!(reasons(&judge(records)), [why]);
}

/// "Ignoring cost field": any sign of a model counts, not only its name.
#[test]
fn ignoring_cost_field() {
    let why = |skill: &str| format!("cost not recorded: {skill:?}: cost: cost_usd and cost.estimated_usd are null [7]");
    for sign in [
        (|record| record.tokens_used = Some(3)) as fn(&mut ExecutionMetrics),
        |record| record.model.name = Some("m".to_owned()),
        |record| record.trace.llm_calls.push(LlmCall::new(1, "m")),
        |record| record.cost_tier = Some(CostTier::Free),
    ] {
        assert!(after(7, sign).contains(&why("name-files")));
    }
    assert_eq!(after(7, |_| ()), [""; 0]);
}

/// "Missing parent-child relationships in runs."
#[test]
fn missing_parent_child_relationships_in_runs() {
    let orphan = |record: &mut ExecutionMetrics| record.run.parent_execution_id = None;
    let why = r#"missing parent: "renderer": parent: run.parent_execution_id and run.parent_run_id are null [3]"#;
    assert_eq!(after(3, orphan), [why]);
    let itself = |record: &mut ExecutionMetrics| record.run.parent_execution_id = Some(id(7));
    assert_eq!(after(7, itself), [r#"missing parent: "name-files": it names itself as its parent [7]"#]);

    // A child without the run, and a child of that child.
    let mut records = run();
    records[6].run.run_id = None;
    let mut grandchild = record(8, "rename", Kind::Skill);
    (grandchild.run.run_id, grandchild.run.parent_execution_id) = (None, Some(id(7)));
    records.insert(0, grandchild);
    let why = |skill: &str, number: u128| {
        format!("missing parent: {skill:?}: its parent belongs to this run, and run_id is null [{number}]")
    };
    assert_eq!(reasons(&judge(records)), [why("name-files", 7), why("rename", 8)]);

    // A parent of another run requires the parent's run to be named.
    let mut records = run();
    let mut studio = record(20, "studio", Kind::Skill);
    studio.run.run_id = Some("run-6".to_owned());
    records[7].run.parent_execution_id = Some(id(20));
    records.push(studio);
    let parent = id(20);
    assert_eq!(
        reasons(&judge(records.clone())),
        [format!(
            r#"missing parent: "pipeline": its parent {parent} belongs to another run, and parent_run_id is null [9]"#
        )]
    );
    records[7].run.parent_run_id = Some("run-6".to_owned());
    assert_eq!(reasons(&judge(records)), [""; 0]);
}

/// A parent that is still in flight is not missing.
#[test]
fn a_parent_in_flight_is_not_missing() {
    let mut records = run();
    let pipeline = records.remove(7);
    let report = Gate::new(RUN).judge(&[pipeline], ok(records), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [r#"missing log entry: "pipeline": it has not ended: it is in flight [9]"#]);
}

#[test]
fn every_reason_is_reported_at_once_with_all_its_executions() {
    let mut records = run();
    for record in &mut records {
        (record.cost_usd, record.cost.estimated_usd, record.timestamp_end) = (None, None, None);
        record.run.parent_execution_id = None;
    }
    let report = judge(records);
    let rules: Vec<_> = report.reasons.iter().map(|reason| (reason.rule, reason.executions.len())).collect();
    let times = (Rule::MissingTimestamp, 1);
    assert_eq!(
        rules,
        [
            times,
            times,
            (Rule::MissingTimestamp, 2),
            (Rule::MissingTimestamp, 2),
            times,
            times,
            (Rule::CostNotRecorded, 1),
            (Rule::CostNotRecorded, 2),
            (Rule::MissingParent, 1),
            (Rule::MissingParent, 1),
            (Rule::MissingParent, 2),
            (Rule::MissingParent, 2),
        ]
    );
}

#[test]
fn hostile_text_breaks_no_reason() {
    let long = "x".repeat(5000);
    let hostile = |record: &mut ExecutionMetrics| {
        record.skill_name = format!("a\n| `\u{1b}[2J,\"{long}");
        record.cost_usd = None;
    };
    let reasons = after(3, hostile);
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0].starts_with(r#"cost not recorded: "a\n| `\u{1b}[2J,\"xxx"#) && reasons[0].len() < 250,
        "{reasons:?}"
    );
    assert!(!reasons[0].contains(char::is_control));
}

#[test]
fn requirements_of_one_kind_do_not_apply_to_another() {
    let mut policy = GatePolicy::default();
    policy.required.qc = vec![Field::ShotId];
    policy.required.with_model = vec![];
    policy.required.generation = vec![];
    let mut records = run();
    records[2].cost_usd = None;
    (records[2].production.shot_id, records[4].production.shot_id) = (None, None);
    records[3].kind = Kind::from("review");
    let report = Gate::new(RUN).policy(policy).judge(&[], ok(records), [""; 0]).unwrap();
    assert_eq!(reasons(&report), [r#"missing field: "qc-grader": shot_id: production.shot_id is null [6]"#]);
}

/// A paused execution waits for a person, so its run is not complete.
#[test]
fn a_paused_execution_fails_the_run_until_a_later_record_ends_it() {
    let paused = || {
        let mut record = record(7, "name-files", Kind::Skill);
        record.set_status(Status::Paused);
        record.timestamp_end = Some("2026-11-20T12:00:03Z".parse().unwrap());
        record
    };
    let waits = r#"inconsistent outcome: "name-files": outcome: it is paused and waits for a person [7]"#;
    let with = |records: Vec<ExecutionMetrics>| {
        let mut all = run();
        all.retain(|record| record.execution_id != id(7));
        all.extend(records);
        reasons(&judge(all))
    };
    assert_eq!(with(vec![paused()]), [waits]);
    // A new segment can repeat the line, and a later record ends the execution.
    assert_eq!(with(vec![paused(), paused()]), [waits]);
    let mut failed = record(7, "name-files", Kind::Skill);
    failed.set_status(Status::Failed);
    for end in [record(7, "name-files", Kind::Skill), failed] {
        assert_eq!(with(vec![paused(), end.clone()]), [""; 0]);
        // After it has ended, an execution cannot be paused.
        let several = r#"overwritten entry: "name-files": it has several records that differ [7]"#;
        assert_eq!(with(vec![end, paused()]), [several]);
    }
    // A paused record may follow an interrupted one, which knows less. An interrupted record may not follow a paused
    // one.
    let mut interrupted = record(7, "name-files", Kind::Skill);
    interrupted.set_status(Status::Interrupted);
    assert_eq!(with(vec![interrupted.clone(), paused()]), [waits]);
    let report = with(vec![paused(), interrupted]);
    assert!(report.iter().any(|reason| reason.starts_with("overwritten entry")), "{report:?}");
}

/// A coding agent reports no end of a tool that a person stops, so nothing else can be logged.
#[test]
fn an_interrupted_tool_of_an_agent_is_complete_but_an_interrupted_skill_is_not() {
    let interrupted = |tool: Option<&str>, recorded_by: &str| {
        let name = "Bash";
        let mut record = record(1, name, Kind::Skill);
        record.set_status(Status::Interrupted);
        record.tags.extend(tool.map(|tool| ("tool".to_owned(), tool.into())));
        record.tags.insert("recorded_by".to_owned(), recorded_by.into());
        reasons(&judge(vec![record]))
    };
    let missing = r#"missing log entry: "Bash": it was interrupted before it ended [1]"#;
    assert_eq!(interrupted(Some("Bash"), "hook"), [""; 0]);
    // Here, `Bash` is the name of a skill or of a sub-agent, or no hook recorded it.
    for (tool, recorded_by) in
        [(Some("Skill"), "hook"), (Some("Task"), "hook"), (None, "hook"), (Some("Bash"), "import")]
    {
        assert_eq!(interrupted(tool, recorded_by), [missing], "{tool:?} {recorded_by}");
    }
}
