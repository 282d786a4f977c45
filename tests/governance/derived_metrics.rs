//! Promise: the metrics of a production are computed from its records in one pass, and unknown values are counted
//! separately and never as 0.

use crate::production::{execution, generation, production, usd};
use runledger::governance::derived::{DerivedMetrics, MetricsAccumulator, Outcomes, ShotType, Tally};
use runledger::metrics::{Kind, QcOutcome, Status};
use runledger::{Error, ErrorKind, ExecutionMetrics, LedgerReader};

fn derive(records: &[ExecutionMetrics]) -> DerivedMetrics {
    DerivedMetrics::compute(records.iter().cloned().map(Ok)).unwrap()
}

fn counts(tally: &Tally) -> (Vec<(&str, u64)>, u64) {
    (tally.counts.iter().map(|counted| (counted.name.as_str(), counted.count)).collect(), tally.unknown)
}

#[test]
fn average_regenerations_per_shot() {
    let derived = derive(&production());
    // 11 close-ups with 3 regenerations, 4 wide shots and 3 drone shots with 1, 8 shots with 0, and one close-up whose
    // count is unknown.
    assert_eq!((derived.shots.shots, derived.shots.regenerations_unknown), (27, 1));
    assert_eq!(derived.shots.regenerations, Some(40));
    assert_eq!(derived.shots.average_regenerations, Some(40.0 / 26.0));
    assert_eq!(derived.without_shot, 1);
}

/// Each attempt has a record with the number of attempts before it.
#[test]
fn a_shot_has_the_highest_count_of_its_executions_in_whatever_run() {
    let mut attempts: Vec<_> = (0..4).map(|n| generation(n, "s", "a", "wide")).collect();
    for (attempt, count) in attempts.iter_mut().zip([Some(0), Some(2), None, Some(1)]) {
        attempt.production.regen_count = count;
    }
    attempts[1].run.run_id = Some("another".into());
    let of_other_scene = generation(9, "t", "a", "wide");
    attempts.push(of_other_scene);
    let shots = derive(&attempts).shots;
    assert_eq!((shots.shots, shots.regenerations, shots.regenerations_unknown), (2, Some(2), 1));
}

#[test]
fn drift_frequency_by_category() {
    let derived = derive(&production());
    assert_eq!(counts(&derived.drift), (vec![("identity", 2), ("lighting", 1)], 28));
    assert_eq!(derived.drift.counts[0].share, 2.0 / 3.0);
}

#[test]
fn cost_per_scene_is_exact_and_counts_unpriced_executions() {
    let mut records = production();
    records[0].cost_usd = usd("98765432109876.12345678");
    let scenes = derive(&records).scenes;
    let rated: Vec<_> = scenes
        .iter()
        .map(|scene| (scene.scene_id.as_deref(), scene.executions, scene.cost_usd, scene.unpriced))
        .collect();
    assert_eq!(
        rated,
        [(None, 1, None, 1), (Some("s1"), 12, usd("98765432109881.12345678"), 1), (Some("s2"), 15, usd("1.5"), 0)]
    );
}

#[test]
fn a_cost_beyond_the_range_is_an_error() {
    let mut record = generation(1, "s", "a", "wide");
    record.cost_usd = usd("170000000000000000000000000");
    let error = DerivedMetrics::compute([Ok(record.clone()), Ok(record)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
}

#[test]
fn tier_usage_distribution() {
    let derived = derive(&production());
    assert_eq!(counts(&derived.tiers), (vec![("Standard", 15), ("premium", 12)], 1));
    assert_eq!(derived.tiers.counts[1].share, 12.0 / 27.0);
}

#[test]
fn failure_rate_per_model() {
    let models = derive(&production()).models;
    let rated: Vec<_> = models
        .iter()
        .map(|model| {
            let outcomes = model.outcomes;
            (model.model.as_deref(), outcomes.known, outcomes.failed, outcomes.failure_rate, outcomes.unknown)
        })
        .collect();
    assert_eq!(
        rated,
        [
            (Some("gpt-9"), 1, 0, Some(0.0), 0),
            (Some("video-1"), 12, 6, Some(0.5), 0),
            (Some("video-2"), 14, 0, Some(0.0), 1)
        ]
    );
}

#[test]
fn a_model_fails_by_its_outcome_or_else_by_its_execution() {
    let rated = |status: Status, outcome: Option<&str>, kind: Kind| {
        let mut record = execution(1, 0);
        record.set_status(status);
        (record.model.name, record.kind) = (Some("m".into()), kind);
        record.production.outcome = outcome.map(QcOutcome::from);
        let outcomes = derive(&[record]).models[0].outcomes;
        (outcomes.failed, outcomes.unknown)
    };
    assert_eq!(rated(Status::Failed, None, Kind::Skill), (1, 0));
    assert_eq!(rated(Status::Success, Some("FAIL"), Kind::Generation), (1, 0));
    assert_eq!(rated(Status::Failed, Some("PASS"), Kind::Skill), (0, 0));
    assert_eq!(rated(Status::Success, Some("FIX"), Kind::Skill), (0, 0));
    assert_eq!(rated(Status::Paused, None, Kind::Skill), (0, 1));
    // A quality control has no verdict if it could not be made, or if it has no outcome.
    assert_eq!(rated(Status::Failed, None, Kind::Qc), (0, 1));
    assert_eq!(rated(Status::Success, None, Kind::Qc), (0, 1));
}

/// Records as the log kinds write them: the attempt names the model, and the control has the verdict.
#[test]
fn a_controls_finding_counts_for_the_model_that_made_the_artifact() {
    let attempt = |id, model: &str, artifact: &str, status| {
        let mut made = execution(id, id as u64);
        made.kind = Kind::Generation;
        made.set_status(status);
        (made.model.name, made.production.artifact) = (Some(model.into()), Some(artifact.into()));
        made
    };
    let control = |id, artifact: &str, outcome: Option<&str>| {
        let mut control = execution(id, id as u64);
        control.kind = Kind::Qc;
        (control.production.artifact, control.production.outcome) =
            (Some(artifact.into()), outcome.map(QcOutcome::from));
        control
    };
    let rated = |records: &[ExecutionMetrics]| {
        let derived = derive(records);
        let of = |outcomes: &Outcomes| (outcomes.known, outcomes.failed, outcomes.unknown);
        let models: Vec<_> =
            derived.models.iter().map(|model| (model.model.clone().unwrap(), of(&model.outcomes))).collect();
        (models, of(&derived.controls_without_model))
    };
    let m = |counts| vec![("m".to_owned(), counts)];
    let success = attempt(1, "m", "a_v1", Status::Success);
    assert_eq!(rated(std::slice::from_ref(&success)), (m((1, 0, 0)), (0, 0, 0)));
    // The last control counts, in any order of reading, and the attempt counts as one execution.
    let controls =
        [control(2, "a_v1", Some("FAIL")), control(3, "a_v1", Some("FIX")), control(4, "a_v1", Some("FAIL"))];
    let mut all = vec![success.clone()];
    all.extend(controls);
    assert_eq!(rated(&all), (m((1, 1, 0)), (0, 0, 0)));
    all.reverse();
    assert_eq!(rated(&all), (m((1, 1, 0)), (0, 0, 0)));
    assert_eq!(rated(&all[1..]), (m((1, 0, 0)), (0, 0, 0)), "FIX is not a failure");
    // A control without a verdict changes nothing, and one that passes does not rescue a failed attempt.
    assert_eq!(rated(&[success.clone(), control(2, "a_v1", None)]), (m((1, 0, 0)), (0, 0, 0)));
    let failed = attempt(1, "m", "a_v1", Status::Failed);
    assert_eq!(rated(&[failed, control(2, "a_v1", Some("PASS"))]), (m((1, 1, 0)), (0, 0, 0)));
    // The attempt's own outcome counts before that of a control.
    let mut own = success.clone();
    own.production.outcome = Some(QcOutcome::Pass);
    assert_eq!(rated(&[own, control(2, "a_v1", Some("FAIL"))]), (m((1, 0, 0)), (1, 1, 0)));

    // These controls are counted separately: another artifact, the same name in another run, no artifact, and no
    // verdict.
    let mut elsewhere = control(2, "a_v1", Some("FAIL"));
    elsewhere.run.run_id = Some("run-9".into());
    let mut of_none = control(3, "", Some("PASS"));
    of_none.production.artifact = None;
    let rest = [success.clone(), elsewhere, of_none, control(4, "b_v1", None), control(5, "", Some("FAIL"))];
    assert_eq!(rated(&rest), (m((1, 0, 0)), (3, 2, 1)));

    // One control names the model that it is about. The other called a model of its own, which succeeded.
    let mut about = control(2, "a_v1", Some("FAIL"));
    about.model.name = Some("m".into());
    assert_eq!(rated(&[success.clone(), about]), (m((2, 1, 0)), (0, 0, 0)));
    let mut asked = control(2, "a_v1", Some("FAIL"));
    (asked.model.name, asked.tokens_used) = (Some("judge".into()), Some(900));
    let judge = |failed| ("judge".to_owned(), (1, failed, 0));
    assert_eq!(rated(&[success, asked.clone()]), (vec![judge(0), m((1, 1, 0)).remove(0)], (0, 0, 0)));
    asked.set_status(Status::Failed);
    assert_eq!(rated(&[asked]), (vec![judge(1)], (1, 1, 0)));
}

#[test]
fn a_decision_counts_for_a_model_only_if_it_used_one() {
    for kind in [Kind::ModelRouting, Kind::BudgetGate] {
        let mut decision = execution(1, 0);
        (decision.kind, decision.model.name, decision.model.tier) = (kind, Some("m".into()), Some("premium".into()));
        let derived = derive(std::slice::from_ref(&decision));
        assert!(derived.models.is_empty() && derived.scenes.is_empty());
        assert_eq!(counts(&derived.tiers), (vec![], 0));
        decision.tokens_used = Some(10);
        let derived = derive(&[decision]);
        assert_eq!((derived.models.len(), derived.scenes.len(), derived.tiers.counts.len()), (1, 1, 1));
    }
}

#[test]
fn most_common_qc_violations_come_first() {
    assert_eq!(counts(&derive(&production()).qc_violations), (vec![("hands", 5), ("text", 2)], 2));
    let mut record = execution(1, 0);
    record.production.qc_violations = ["b", "c", "a", "c"].map(String::from).to_vec();
    assert_eq!(counts(&derive(&[record]).qc_violations), (vec![("c", 2), ("a", 1), ("b", 1)], 0));
}

fn risks(records: &[ExecutionMetrics]) -> Vec<(Option<String>, [Option<bool>; 3])> {
    let risks = |of: ShotType| (of.shot_type, [of.risky_regenerations, of.risky_failures, of.high_risk]);
    derive(records).shot_types.into_iter().map(risks).collect()
}

#[test]
fn high_risk_shot_types() {
    assert_eq!(
        risks(&production()),
        [
            (Some("close-up".into()), [Some(true); 3]),
            (Some("drone".into()), [None; 3]), // three shots are too few
            (Some("wide".into()), [Some(false); 3]),
        ]
    );
}

/// Shots of one type, each with a regeneration count and an outcome.
fn shots(shot_type: &str, count: u128, regen_count: u64, outcome: Option<QcOutcome>) -> Vec<ExecutionMetrics> {
    let shot = |n: u128| {
        let mut record = generation(n, shot_type, &n.to_string(), shot_type);
        record.set_status(Status::Interrupted);
        (record.production.regen_count, record.production.outcome) = (Some(regen_count), outcome.clone());
        record
    };
    (0..count).map(shot).collect()
}

#[test]
fn a_risk_is_above_one_and_a_half_times_the_average_of_all_shots() {
    // 10 × 3 and 10 × 1 regenerations: 3 is exactly 1.5 times the average of 2.
    let at_the_limit = [shots("a", 10, 3, None), shots("b", 10, 1, None)].concat();
    assert_eq!(risks(&at_the_limit)[0].1, [Some(false), None, None]);
    let above = [shots("a", 10, 3, None), shots("b", 11, 1, None)].concat();
    assert_eq!(risks(&above)[0].1, [Some(true), None, Some(true)]);
    // All 10 shots of one type fail, which are 10 of 15 shots in all, and then 10 of 16: 1.0 is exactly 1.5 times 2/3.
    let failing = |others| {
        let others = shots("b", others, 0, Some(QcOutcome::Pass));
        risks(&[shots("a", 10, 0, Some(QcOutcome::Fail)), others].concat()).remove(0).1
    };
    assert_eq!(failing(5), [Some(false), Some(false), Some(false)]);
    assert_eq!(failing(6), [Some(false), Some(true), Some(true)]);
}

#[test]
fn fewer_than_ten_cases_have_no_risk() {
    let of = |count| {
        risks(&[shots("a", count, 9, Some(QcOutcome::Fail)), shots("b", 90, 0, Some(QcOutcome::Pass))].concat())
    };
    assert_eq!(of(9)[0].1, [None; 3]);
    assert_eq!(of(10)[0].1, [Some(true); 3]);
}

#[test]
fn shots_of_an_unknown_type_have_no_risk_but_count_in_the_average() {
    let mut records = [shots("a", 10, 9, Some(QcOutcome::Fail)), shots("b", 90, 0, Some(QcOutcome::Pass))].concat();
    records.iter_mut().take(10).for_each(|record| record.production.shot_type = None);
    assert_eq!(risks(&records)[0], (None, [None; 3]));
    assert_eq!(derive(&records).shots.regenerations, Some(90));
}

#[test]
fn unknown_metrics_are_not_zero() {
    let derived = derive(&[generation(1, "s", "a", "wide"), execution(2, 0)]);
    assert_eq!((derived.shots.regenerations, derived.shots.average_regenerations), (None, None));
    let mut unknown = generation(3, "s", "a", "wide");
    unknown.set_status(Status::Interrupted);
    unknown.model.name = Some("m".into());
    let derived = derive(&[unknown]);
    assert_eq!((derived.models[0].outcomes.failure_rate, derived.models[0].outcomes.unknown), (None, 1));
    assert_eq!((derived.scenes[0].cost_usd, derived.scenes[0].unpriced), (None, 1));
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut records = production();
    let forward = serde_json::to_string(&derive(&records)).unwrap();
    records.reverse();
    assert_eq!(serde_json::to_string(&derive(&records)).unwrap(), forward);
}

/// Several threads collect parts and merge them.
#[test]
fn a_log_in_parts_gives_the_same_metrics_as_a_whole() {
    let records = production();
    let whole = serde_json::to_string(&derive(&records)).unwrap();
    let of = |part: &[ExecutionMetrics]| {
        let mut accumulator = MetricsAccumulator::new();
        part.iter().for_each(|record| accumulator.add(record).unwrap());
        accumulator
    };
    for first in 0..=records.len() {
        for second in first..=records.len() {
            let (a, b, c) = (of(&records[..first]), of(&records[first..second]), of(&records[second..]));
            let mut all = a;
            all.merge(b).unwrap();
            all.merge(c).unwrap();
            assert_eq!(serde_json::to_string(&all.finish()).unwrap(), whole, "{first} {second}");
        }
    }
    let mut torn = MetricsAccumulator::new();
    torn.skip(ExecutionMetrics::from_json("torn").unwrap_err());
    let mut all = of(&records);
    all.merge(torn).unwrap();
    assert_eq!(all.finish().skipped().count(), 1);
}

#[test]
fn counts_at_the_ends_of_their_range_do_not_overflow() {
    let derived = derive(&shots("a", 20, u64::MAX, Some(QcOutcome::Fail)));
    assert_eq!(derived.shots.regenerations, Some(u128::from(u64::MAX) * 20));
    assert_eq!(derived.shot_types[0].risky_regenerations, Some(false));
    assert!(serde_json::to_string(&derived).unwrap().contains("\"regenerations\":368934881474191032300,"));
}

#[test]
fn lines_that_are_not_records_are_counted_and_other_errors_are_returned() {
    let lines = [production()[0].to_json().unwrap(), "torn".to_owned()];
    let derived = DerivedMetrics::compute(lines.iter().map(|line| ExecutionMetrics::from_json(line))).unwrap();
    assert_eq!((derived.executions, derived.skipped().count()), (1, 1));
    let directory = tempfile::tempdir().unwrap();
    let absent: Error = LedgerReader::open(directory.path().join("absent.jsonl")).unwrap_err();
    assert_eq!(DerivedMetrics::compute([Err(absent)]).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn the_statement_of_a_redaction_is_not_an_execution() {
    let mut statement = execution(1, 0);
    statement.skill_name = "runledger.redact".to_owned();
    statement.set_status(Status::Success);
    assert!(statement.is_statement());
    let derived = derive(&[statement.clone()]);
    assert_eq!((derived.executions, derived.drift.unknown), (0, 0));
    statement.set_status(Status::Failed);
    assert_eq!(derive(&[statement]).executions, 1);
}
