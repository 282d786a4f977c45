//! Promise: each problem in the log is reported to its recipient, with evidence and a supporting statistic. A result of
//! chance is not reported as a problem. If there are too few results for a judgement, the report says so.
//!
//! The lines of the run logger's escalation policy are quoted where they are tested. The statistics themselves are
//! compared with scipy where they are computed.

use runledger::baseline::Test;
use runledger::governance::{
    AllowedModels, Escalation, EscalationPolicy, EscalationReport, Escalations, Evidence, Policy, Recipient, Share,
    Statistic, Trigger,
};
use runledger::metrics::{CostTier, Kind, LlmCall, QcOutcome, Status};
use runledger::{ErrorKind, ExecutionMetrics, Timestamp, Usd, Uuid};

/// A Wednesday, whose week begins on the 16th.
const NOW: &str = "2026-11-18T12:00:00Z";
const BEFORE: &str = "2026-11-10T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Records, numbered from 1.
#[derive(Default)]
struct Log(Vec<ExecutionMetrics>);

impl Log {
    fn push(&mut self, skill: &str, start: &str, change: impl FnOnce(&mut ExecutionMetrics)) {
        let number = self.0.len() as u128 + 1;
        let mut record = ExecutionMetrics::new(Uuid::from_u128(number), skill, "1.0.0", time(start));
        record.set_status(Status::Success);
        change(&mut record);
        self.0.push(record);
    }

    fn report_by(&self, policy: EscalationPolicy) -> EscalationReport {
        let mut escalations =
            Escalations::new(policy, time("2026-11-16T00:00:00Z"), Some(time("2026-11-20T00:00:00Z"))).unwrap();
        let mut in_parts = escalations.empty();
        self.0.iter().for_each(|record| escalations.add(record).unwrap());
        let report = escalations.finish();
        // If threads read parts of a ledger and the parts are joined, the report is the same.
        for part in self.0.chunks((self.0.len() / 3).max(1)) {
            let mut later = in_parts.empty();
            part.iter().for_each(|record| later.add(record).unwrap());
            in_parts.merge(later).unwrap();
        }
        assert_eq!(in_parts.finish(), report);
        report
    }

    fn report(&self) -> EscalationReport {
        self.report_by(EscalationPolicy::default())
    }
}

fn only(report: &EscalationReport) -> &Escalation {
    assert_eq!(report.escalations.len(), 1, "{report:#?}");
    let found = &report.escalations[0];
    assert_eq!(found.recipient, found.trigger.recipient());
    found
}

/// Asserts that a log has no escalations, and returns its unjudged questions.
fn silent(log: &Log) -> Vec<Trigger> {
    let report = log.report();
    assert_eq!(report.escalations, []);
    report.unjudged.iter().map(|unjudged| unjudged.trigger).collect()
}

fn numbers(evidence: &Evidence) -> (u64, Vec<u128>) {
    (evidence.count, evidence.executions.iter().map(|id| id.as_u128()).collect())
}

fn share(part: u64, whole: u64) -> Share {
    let mut share = Share::default();
    (share.part, share.whole) = (part, whole);
    share
}

/// Returns the test of two shares, and the shares.
fn shares(found: &Escalation) -> (Test, Share, Share) {
    let Statistic::Shares(test) = &found.statistic else { panic!("{found:?}") };
    assert!(test.p_value <= test.p_adjusted && test.p_adjusted <= 0.01, "{test:?}");
    assert!(test.interval[0] <= test.delta && test.delta <= test.interval[1], "{test:?}");
    (test.test, test.found, test.reference)
}

/// "Escalate to human review if: Repeated missing logs."
#[test]
fn repeated_missing_logs() {
    let mut log = Log::default();
    (0..2).for_each(|_| log.push("draw", NOW, |record| record.set_status(Status::Interrupted)));
    (0..7).for_each(|_| log.push("draw", NOW, |_| ()));
    log.push("draw", BEFORE, |record| record.set_status(Status::Interrupted));
    assert_eq!(log.report().escalations, []);

    log.push("publish", NOW, |record| record.set_status(Status::Interrupted));
    let report = log.report();
    let found = only(&report);
    assert_eq!(
        (found.trigger, found.recipient, &found.subject),
        (Trigger::RepeatedMissingLogs, Recipient::Human, &None)
    );
    assert_eq!(found.why, "3 of 10 executions did not finish: 3 interrupted, 0 in flight for over 24 h");
    assert_eq!(numbers(&found.evidence), (3, vec![1, 2, 11]));
    // statsmodels: proportion_confint(3, 10, 0.01, "wilson")
    let Statistic::Share { found, interval } = found.statistic else { panic!() };
    assert_eq!((found, interval), (share(3, 10), [0.0795663165, 0.679975321]));
    assert_eq!(report.executions, 10);
}

/// An execution in flight counts as a missing log only after it has been in flight for too long.
#[test]
fn an_execution_in_flight_for_too_long_is_a_missing_log() {
    let mut log = Log::default();
    for start in ["2026-11-17T11:59:59.999Z", "2026-11-17T12:00:00Z", "2026-11-18T11:00:00Z", BEFORE] {
        log.push("draw", start, |record| (record.execution_succeeded, record.status) = (None, None));
    }
    let mut policy = EscalationPolicy::default();
    policy.missing_logs_min = 1;
    let mut escalations = Escalations::new(policy, time("2026-11-16T00:00:00Z"), None).unwrap();
    log.0.iter().for_each(|begun| escalations.add_in_flight(begun, time(NOW)));
    let report = escalations.finish();
    assert_eq!(only(&report).why, "1 of 1 executions did not finish: 0 interrupted, 1 in flight for over 24 h");
    assert_eq!(numbers(&only(&report).evidence), (1, vec![1]));
}

/// Lost records are missing logs if they were lost in the window, and if there are enough of them.
#[test]
fn lost_records_are_missing_logs() {
    let report = |lost: &[(&str, u64)], interrupted: usize| {
        let mut log = Log::default();
        (0..interrupted).for_each(|_| log.push("draw", NOW, |record| record.set_status(Status::Interrupted)));
        let (since, until) = (time("2026-11-16T00:00:00Z"), time("2026-11-20T00:00:00Z"));
        let mut escalations = Escalations::new(EscalationPolicy::default(), since, Some(until)).unwrap();
        log.0.iter().for_each(|record| escalations.add(record).unwrap());
        lost.iter().for_each(|&(at, records)| escalations.add_lost(time(at), records));
        escalations.finish()
    };
    assert_eq!(report(&[(NOW, 1), (NOW, 1), (BEFORE, 9), ("2026-11-20T00:00:00Z", 9)], 2).escalations, []);
    let found = report(&[(NOW, 1), ("2026-11-16T00:00:00Z", 2)], 0);
    let found = only(&found);
    let none = "0 of 0 executions did not finish: 0 interrupted, 0 in flight for over 24 h; records lost: 3";
    assert_eq!((found.trigger, found.why.as_str()), (Trigger::RepeatedMissingLogs, none));
    let Statistic::Share { found, interval } = found.statistic else { panic!() };
    assert_eq!((found, interval), (share(0, 0), [0.0, 1.0]));
    let found = report(&[(NOW, 1)], 3);
    let both = "3 of 3 executions did not finish: 3 interrupted, 0 in flight for over 24 h; records lost: 1";
    assert_eq!(only(&found).why, both);
}

/// "Escalate to human review if: Cost discrepancies detected": too high and too low, in total and not for one
/// execution.
#[test]
fn cost_discrepancies_detected() {
    let costs = |pairs: &[(&str, &str)]| {
        let mut log = Log::default();
        for &(estimated, actual) in pairs {
            log.push("draw", NOW, |record| {
                (record.cost.estimated_usd, record.cost_usd) = (Some(usd(estimated)), Some(usd(actual)));
            });
        }
        log.push("draw", NOW, |record| record.cost_usd = Some(usd("9")));
        log.push("draw", NOW, |record| record.cost.estimated_usd = Some(usd("9")));
        log.push("draw", BEFORE, |record| {
            (record.cost.estimated_usd, record.cost_usd) = (Some(usd("1")), Some(usd("9")));
        });
        log.report()
    };
    let report = costs(&[("2", "3"), ("2", "2.1"), ("1", "1.5")]);
    let found = only(&report);
    assert_eq!((found.trigger, found.recipient), (Trigger::CostDiscrepancy, Recipient::Human));
    assert_eq!(found.subject.as_deref(), Some("draw"));
    assert_eq!(found.why, "it cost 6.6 USD where 5 USD were estimated (+32.0 %); executions: 3");
    assert_eq!(numbers(&found.evidence), (2, vec![1, 3]));
    let Statistic::Costs { compared, estimated_usd, actual_usd, relative, interval_usd, p_value, .. } = found.statistic
    else {
        panic!("{found:?}")
    };
    assert_eq!((compared, estimated_usd, actual_usd, relative), (3, usd("5"), usd("6.6"), Some(0.32)));
    // scipy: ttest_1samp([1, 0.1, 0.5], 0), confidence_interval(0.99)
    assert_eq!((interval_usd, p_value), (Some([-2.05051678, 3.11718345]), Some(0.1770488)));

    assert_eq!(
        only(&costs(&[("20", "15")])).why,
        "it cost 15 USD where 20 USD were estimated (-25.0 %); executions: 1"
    );
    assert_eq!(only(&costs(&[("0", "1")])).why, "it cost 1 USD where 0 USD were estimated; executions: 1");
    // These are not escalated: a difference of exactly a fifth, a large share of a small cost, and two differences that
    // cancel out.
    for pairs in [&[("10", "12")][..], &[("0.01", "1.009999999999")], &[("2", "4"), ("4", "2")], &[]] {
        assert_eq!(costs(pairs).escalations, [], "{pairs:?}");
    }
}

#[test]
fn a_sum_of_costs_that_leaves_its_range_is_an_error() {
    let mut log = Log::default();
    let most = Usd::from_pico(i128::MAX);
    (0..2).for_each(|_| {
        log.push("draw", NOW, |record| (record.cost.estimated_usd, record.cost_usd) = (Some(most), Some(most)));
    });
    let mut escalations = Escalations::new(EscalationPolicy::default(), time("2026-11-16T00:00:00Z"), None).unwrap();
    escalations.add(&log.0[0]).unwrap();
    assert_eq!(escalations.add(&log.0[1]).unwrap_err().kind(), ErrorKind::Overflow);
}

fn uses(log: &mut Log, skill: &str, model: &str, tier: &str, kind: Kind) {
    log.push(skill, NOW, |record| {
        (record.model.name, record.model.tier, record.kind) = (Some(model.into()), Some(tier.into()), kind);
    });
}

/// "Escalate to human review if: Model misuse patterns detected": models and tiers that the policy does not allow, for
/// the skills and kinds that it names.
#[test]
fn model_misuse_patterns_detected() {
    let mut log = Log::default();
    uses(&mut log, "Draw", "Image-2", "premium", Kind::Generation);
    uses(&mut log, "draw", "image-2-mini", "standard", Kind::Generation);
    uses(&mut log, "draw", "gpt-4", "standard", Kind::Generation);
    uses(&mut log, "draw", "image-3", "gold", Kind::Generation);
    uses(&mut log, "draw", "gpt-4", "premium", Kind::Qc);
    uses(&mut log, "publish", "gpt-4", "gold", Kind::Generation);
    log.push("draw", NOW, |record| {
        (record.kind, record.model.name) = (Kind::Generation, Some("image-2".to_owned()));
        record.trace.llm_calls = vec![LlmCall::new(1, "gpt-4"), LlmCall::new(2, "image-2")];
    });
    log.push("draw", NOW, |record| record.kind = Kind::Generation);

    assert_eq!(log.report().escalations, []); // nothing is allowed or forbidden
    let allowed = |skills: &str, models: &str, tiers: &str| {
        let mut allowed = AllowedModels::default();
        allowed.kinds = vec![Kind::Generation];
        for (list, text) in [(&mut allowed.skills, skills), (&mut allowed.models, models), (&mut allowed.tiers, tiers)]
        {
            list.extend(text.split_whitespace().map(str::to_owned));
        }
        allowed
    };
    let mut policy = EscalationPolicy::default();
    policy.allowed_models = vec![allowed("draw", "image-#*", ""), allowed("*", "", "Premium standard")];
    let report = log.report_by(policy.clone());
    let found: Vec<_> = report.escalations.iter().map(|found| (&*found.why, numbers(&found.evidence).1)).collect();
    assert!(report.escalations.iter().all(|found| found.trigger == Trigger::ModelMisuse));
    assert_eq!(
        found,
        [
            (r#"3 of 4 executions used a model or tier that is not allowed: "gold", "gpt-4""#, vec![3, 4, 7]),
            (r#"1 of 1 executions used a model or tier that is not allowed: "gold""#, vec![6]),
        ]
    );
    let recipients: Vec<_> =
        report.escalations.iter().map(|found| (found.recipient, found.subject.as_deref())).collect();
    assert_eq!(recipients, [(Recipient::Human, Some("draw")), (Recipient::Human, Some("publish"))]);

    policy.misuse_min = 3;
    assert_eq!(log.report_by(policy).escalations.len(), 1);
}

fn controls(log: &mut Log, start: &str, outcome: QcOutcome, count: usize) {
    for _ in 0..count {
        log.push("qc-grader", start, |record| {
            (record.kind, record.production.outcome) = (Kind::Qc, Some(outcome.clone()));
        });
    }
}

/// "Escalate to human review if: QC failure rate spikes": compared with the weeks before, and by more than chance.
#[test]
fn qc_failure_rate_spikes() {
    let mut log = Log::default();
    controls(&mut log, BEFORE, QcOutcome::Pass, 90);
    controls(&mut log, BEFORE, QcOutcome::Fail, 10);
    controls(&mut log, NOW, QcOutcome::Pass, 36);
    controls(&mut log, NOW, QcOutcome::Fail, 4);
    // These executions do not count. Some have an unknown outcome. The others started outside the window and the
    // reference period, which ends where the week begins.
    for start in ["2026-10-18T23:59:59.999Z", "2026-11-20T00:00:00Z"] {
        controls(&mut log, start, QcOutcome::Fail, 50);
    }
    controls(&mut log, NOW, QcOutcome::from("MAYBE"), 50);
    assert_eq!(log.report().escalations, []);

    controls(&mut log, NOW, QcOutcome::Fix, 10);
    let report = log.report();
    let found = only(&report);
    assert_eq!((found.trigger, found.recipient), (Trigger::QcFailureSpike, Recipient::Human));
    assert_eq!(found.subject.as_deref(), Some("qc-grader"));
    assert_eq!(
        found.why,
        "14 of 50 (28.0 %) controls did not accept the artifact, compared with 10 of 100 (10.0 %) in the reference"
    );
    assert_eq!(shares(found), (Test::TwoProportionZ, share(14, 50), share(10, 100)));
    assert_eq!(found.evidence.count, 14);
    assert_eq!(
        (report.reference_since, report.reference_until),
        (time("2026-10-19T00:00:00Z"), time("2026-11-16T00:00:00Z"))
    );

    // An improvement is not a spike.
    let mut better = Log::default();
    controls(&mut better, BEFORE, QcOutcome::Fail, 50);
    controls(&mut better, NOW, QcOutcome::Pass, 50);
    assert_eq!(better.report().escalations, []);
}

/// Later in the week, the window is shorter and the reference is the same.
#[test]
fn the_reference_stays_the_same_for_a_week() {
    let of = |since: &str| {
        let report = Escalations::new(EscalationPolicy::default(), time(since), None).unwrap().finish();
        (report.reference_since.to_string(), report.reference_until.to_string())
    };
    let week = ("2026-10-19T00:00:00.000Z".to_owned(), "2026-11-16T00:00:00.000Z".to_owned());
    assert_eq!(of("2026-11-16T00:00:00Z"), week);
    assert_eq!(of("2026-11-22T23:59:59.999Z"), week);
    assert_eq!(of("0000-01-05T00:00:00Z").0, "0000-01-03T00:00:00.000Z"); // there is nothing before the year 0
}

/// A certain but small difference is not escalated.
#[test]
fn certain_but_small_differences_are_not_escalated() {
    let mut log = Log::default();
    controls(&mut log, BEFORE, QcOutcome::Pass, 4950);
    controls(&mut log, BEFORE, QcOutcome::Fail, 50);
    controls(&mut log, NOW, QcOutcome::Pass, 1900);
    controls(&mut log, NOW, QcOutcome::Fail, 100);
    assert_eq!(log.report().escalations, []);
    let mut policy = EscalationPolicy::default();
    policy.share_difference_min = 0.03;
    assert_eq!(log.report_by(policy).escalations.len(), 1);
}

/// Too few results on either side are not judged, and are reported as such.
#[test]
fn too_few_results_are_not_judged() {
    let mut log = Log::default();
    controls(&mut log, BEFORE, QcOutcome::Pass, 29);
    controls(&mut log, NOW, QcOutcome::Fail, 40);
    let report = log.report();
    assert_eq!(report.escalations, []);
    let unjudged: Vec<_> = report.unjudged.iter().map(|unjudged| (unjudged.trigger, &*unjudged.why)).collect();
    assert_eq!(
        unjudged,
        [(Trigger::QcFailureSpike, "results: 40, results to compare with: 29; at least 30 of each are needed")]
    );
    controls(&mut log, BEFORE, QcOutcome::Pass, 1);
    let report = log.report();
    assert_eq!((report.escalations.len(), report.unjudged), (1, vec![]));
}

/// Makes artifacts of one model and controls them: `drifted` of them drifted, and `rejected` were not accepted.
fn made(log: &mut Log, model: &str, tier: &str, count: usize, drifted: usize, rejected: usize) {
    for made in 0..count {
        let artifact = format!("{model}_v{made}.png");
        log.push("draw", NOW, |record| {
            (record.kind, record.run.run_id) = (Kind::Generation, Some("run-7".to_owned()));
            (record.model.name, record.model.tier) = (Some(model.to_owned()), Some(tier.to_owned()));
            record.production.artifact = Some(artifact.clone());
        });
        log.push("qc-grader", NOW, |record| {
            (record.kind, record.run.run_id) = (Kind::Qc, Some("run-7".to_owned()));
            // The grader's own model is not the model of the artifact.
            (record.model.name, record.cost_tier) = (Some("grader".to_owned()), Some(CostTier::Free));
            record.production.artifact = Some(artifact);
            record.production.outcome = Some(if made < rejected { QcOutcome::Fail } else { QcOutcome::Pass });
            record.production.drift_category = (made < drifted).then(|| "style".to_owned());
        });
    }
}

/// "Escalate to cost-optimizer if: Drift correlated with specific tier": the tier that made the artifact, not the one
/// that controlled it.
#[test]
fn drift_correlated_with_specific_tier() {
    let mut log = Log::default();
    made(&mut log, "a", "Standard", 40, 20, 0);
    made(&mut log, "b", "Premium", 60, 6, 0);
    made(&mut log, "c", "Gold", 60, 9, 0);
    let report = log.report();
    let found = only(&report);
    assert_eq!((found.trigger, found.recipient), (Trigger::DriftWithTier, Recipient::CostOptimizer));
    assert_eq!((found.subject.as_deref(), &found.model), (Some("Standard"), &None));
    assert_eq!(
        found.why,
        "20 of 40 (50.0 %) controlled artifacts drifted, compared with 15 of 120 (12.5 %) for all other tiers"
    );
    assert_eq!(shares(found), (Test::TwoProportionZ, share(20, 40), share(15, 120)));
    assert_eq!(found.evidence.count, 20);
    assert_eq!(numbers(&found.evidence).1[..3], [1, 3, 5]); // what drifted, not what controlled it
    // scipy: chi2_contingency([[20, 20], [6, 54], [9, 51]], correction=False), and association of the same
    let Statistic::Shares(test) = &found.statistic else { panic!() };
    let all = test.association.unwrap();
    assert_eq!(
        (all.chi_squared, all.degrees, all.p_value, all.cramers_v),
        (25.1245714, 2, 3.50161694e-06, 0.396268307)
    );

    // Small counts use Fisher's exact test, and then there is no overall association.
    let mut few = Log::default();
    made(&mut few, "a", "Standard", 30, 7, 0);
    made(&mut few, "b", "Premium", 60, 0, 0);
    let report = few.report();
    let found = only(&report);
    assert_eq!(shares(found), (Test::FisherExact, share(7, 30), share(0, 60)));
    let Statistic::Shares(test) = &found.statistic else { panic!() };
    assert_eq!(test.association, None);

    let mut alike = Log::default();
    made(&mut alike, "a", "Standard", 40, 10, 0);
    made(&mut alike, "b", "Premium", 60, 14, 0);
    assert_eq!(silent(&alike), vec![Trigger::QcFailureSpike]);
}

/// Artifacts without a control, or with one of another run, are not in the test of drift.
#[test]
fn artifacts_without_a_control_are_in_no_test() {
    let mut log = Log::default();
    made(&mut log, "a", "Standard", 40, 20, 0);
    made(&mut log, "b", "Premium", 60, 6, 0);
    for record in log.0.iter_mut().filter(|record| record.kind == Kind::Qc) {
        record.run.run_id = Some("run-8".to_owned());
    }
    assert_eq!(silent(&log), vec![Trigger::QcFailureSpike]);

    // A record's own drift counts before that of a control.
    for (number, record) in log.0.iter_mut().filter(|record| record.kind == Kind::Generation).enumerate() {
        record.production.outcome = Some(QcOutcome::Pass);
        record.production.drift_category = (number < 20).then(|| "style".to_owned());
    }
    assert_eq!(only(&log.report()).subject.as_deref(), Some("Standard"));
}

/// The last control of an artifact counts.
#[test]
fn an_artifact_that_is_controlled_again_counts_once() {
    let mut log = Log::default();
    made(&mut log, "a", "Standard", 40, 20, 0);
    made(&mut log, "b", "Premium", 60, 6, 0);
    let again: Vec<_> = log.0.iter().filter(|record| record.kind == Kind::Qc).cloned().collect();
    for mut record in again {
        record.production.drift_category = None;
        log.0.push(record);
    }
    assert_eq!(log.report().escalations, []);
}

/// "Escalate to model-router if: Certain models underperform": by rejections, and by failures.
#[test]
fn certain_models_underperform() {
    let mut log = Log::default();
    made(&mut log, "image-1", "Standard", 40, 0, 18);
    made(&mut log, "image-2", "Standard", 60, 0, 3);
    made(&mut log, "image-3", "Standard", 60, 0, 6);
    let report = log.report();
    let found = only(&report);
    assert_eq!((found.trigger, found.recipient), (Trigger::ModelUnderperforms, Recipient::ModelRouter));
    assert_eq!((found.subject.as_deref(), found.model.as_deref()), (Some("draw"), Some("image-1")));
    assert_eq!(
        found.why,
        "18 of 40 (45.0 %) executions failed or had an artifact that was not accepted, compared with 9 of 120 (7.5 %) for the skill's other models"
    );
    assert_eq!(shares(found), (Test::TwoProportionZ, share(18, 40), share(9, 120)));
    assert_eq!(numbers(&found.evidence).1[..2], [1, 3]);

    // The same by failures, without controls.
    let mut failing = Log::default();
    for (model, count, failed) in [("m-1", 40, 18), ("m-2", 60, 3)] {
        for number in 0..count {
            failing.push("summarise", NOW, |record| {
                record.model.name = Some(model.to_owned());
                record.set_status(if number < failed { Status::Failed } else { Status::Success });
            });
        }
    }
    assert_eq!(only(&failing.report()).model.as_deref(), Some("m-1"));
    // Successful decisions about a model are not its executions.
    let mut routed = Log(failing.0.clone());
    for _ in 0..200 {
        routed.push("summarise", NOW, |record| {
            (record.kind, record.model.name) = (Kind::ModelRouting, Some("m-1".to_owned()));
            record.cost_usd = Some(usd("0"));
        });
    }
    assert_eq!(only(&routed.report()).why, only(&failing.report()).why);
    // Cancelled executions, and those with several models, do not count for a model.
    for change in [(|record| record.set_status(Status::Cancelled)) as fn(&mut ExecutionMetrics), |record| {
        record.trace.llm_calls = vec![LlmCall::new(1, "m-1"), LlmCall::new(2, "m-2")]
    }] {
        let mut unsaid = Log(failing.0.clone());
        unsaid.0.iter_mut().filter(|record| record.status == Some(Status::Failed)).for_each(change);
        assert_eq!(unsaid.report().escalations, []);
    }
}

/// A model is compared with the others of its skill: a harder skill does not make it worse.
#[test]
fn models_are_compared_within_a_skill() {
    let mut log = Log::default();
    for (skill, model, failed) in [("hard", "m-1", 30), ("hard", "m-2", 30), ("easy", "m-1", 1), ("easy", "m-2", 1)] {
        for number in 0..60 {
            log.push(skill, NOW, |record| {
                record.model.name = Some(model.to_owned());
                record.set_status(if number < failed { Status::Failed } else { Status::Success });
            });
        }
    }
    (0..60).for_each(|_| {
        log.push("alone", NOW, |record| {
            record.model.name = Some("m-3".to_owned());
            record.set_status(Status::Failed);
        });
    });
    assert_eq!(silent(&log), vec![]);
}

/// Many questions raise no more false alarms than one. A result that would be significant alone is not significant
/// among eleven questions.
#[test]
fn many_tests_raise_no_more_false_alarms_than_one() {
    let with_others = |others: usize| {
        let mut log = Log::default();
        for skill in 0..=others {
            for (start, bad) in [(BEFORE, 10), (NOW, if skill == 0 { 24 } else { 10 })] {
                for number in 0..100 {
                    log.push(&format!("grader-{skill}"), start, |record| {
                        record.kind = Kind::Qc;
                        record.production.outcome = Some(if number < bad { QcOutcome::Fail } else { QcOutcome::Pass });
                    });
                }
            }
        }
        log.report().escalations.len()
    };
    assert_eq!((with_others(0), with_others(10)), (1, 0));
}

#[test]
fn evidence_is_bounded_and_counted() {
    let mut log = Log::default();
    (0..25).for_each(|_| log.push("draw", NOW, |record| record.set_status(Status::Interrupted)));
    let report = log.report();
    let (count, executions) = numbers(&only(&report).evidence);
    assert_eq!((count, executions), (25, (1..=20).collect()));
}

#[test]
fn executions_at_the_end_of_a_window_are_not_in_it() {
    let mut log = Log::default();
    for start in
        ["2026-11-15T23:59:59.999Z", "2026-11-16T00:00:00Z", "2026-11-19T23:59:59.999Z", "2026-11-20T00:00:00Z"]
    {
        log.push("draw", start, |_| ());
    }
    assert_eq!(log.report().executions, 2);
}

/// The JSON of the default policy and an empty object are both read as the default policy.
#[test]
fn a_policy_file_needs_only_what_differs() {
    let all = Policy::default().to_json().unwrap();
    assert_eq!(Policy::from_json(&all).unwrap(), Policy::default());
    assert_eq!(Policy::from_json("{}").unwrap(), Policy::default());
    let policy = Policy::from_json(
        r#"{"escalation": {"missing_logs_min": 5, "cost_difference_usd_min": 0.000000000001,
            "allowed_models": [{"skills": ["draw"], "tiers": ["Free"]}]}}"#,
    );
    let escalation = policy.unwrap().escalation;
    assert_eq!((escalation.missing_logs_min, escalation.samples_min), (5, 30));
    assert_eq!(escalation.cost_difference_usd_min.pico(), 1);
    assert_eq!(escalation.allowed_models[0].models, [""; 0]);
}

#[test]
fn an_invalid_policy_is_refused_with_every_reason() {
    let refused = |text: &str| {
        let error = Policy::from_json(text).unwrap_err();
        (error.kind(), error.to_string())
    };
    let impossible = r#"{"escalation": {"alpha": 0, "samples_min": 0, "share_difference_min": 1.5, "missing_logs_min": 0,
        "cost_relative_max": -0.1, "cost_difference_usd_min": -1, "misuse_min": 0, "allowed_models": [{}],
        "reference_days": 3661}}"#;
    assert_eq!(
        refused(impossible),
        (
            ErrorKind::Invalid,
            "cannot accept the policy: escalation.alpha: found 0; expected more than 0 and less than 1; \
             escalation.share_difference_min: found 1.5; expected 0 to 1; \
             escalation.cost_relative_max: found -0.1; expected 0 or more; \
             escalation.cost_difference_usd_min: found -1; expected 0 or more; \
             escalation.samples_min: found 0; expected 1 or more; \
             escalation.missing_logs_min: found 0; expected 1 or more; \
             escalation.misuse_min: found 0; expected 1 or more; \
             escalation.reference_days: found 3661; expected 1 to 3660; \
             escalation.allowed_models entry 1: found neither; expected models or tiers"
                .to_owned()
        )
    );
    // A policy that was not read from JSON is refused too.
    let mut policy = EscalationPolicy::default();
    (policy.samples_min, policy.missing_logs_min) = (0, 0);
    let error = Escalations::new(policy, time(NOW), None).unwrap_err();
    assert_eq!((error.kind(), error.details().len()), (ErrorKind::Invalid, 2));
    for (text, why) in [
        (
            r#"{"gates": {}}"#,
            "the key nearest to \"gates\" is gate: gates: expected the key gate, escalation or alerts, found another key at line 1 column 8",
        ),
        (
            r#"{"other": {}}"#,
            "other: expected the key gate, escalation or alerts, found another key at line 1 column 8",
        ),
        (
            r#"{"gate": {"required": {"qc": ["shot"]}}}"#,
            "gate.required.qc[0]: expected run_id, parent, model_used, tier, cost, estimated_cost, actual_cost, scene_id, shot_id, duration_s, outcome, regen_count, artifact_output or decision, found \"shot\" at line 1 column 36",
        ),
        (
            r#"{"escalation": {"alpha": 0.1, "alpha": 0.2}}"#,
            "escalation.alpha: expected this key once, found it again at line 1 column 37",
        ),
        ("[", "expected the end of a list, found the end of the text at line 1 column 1"),
        ("[]", "policy: found an array; expected an object"),
        (r#"{"gate": []}"#, "gate: found an array; expected an object"),
        (r#"{"gate": {"required": []}}"#, "required: found an array; expected an object"),
        (r#"{"escalation": [0.5]}"#, "escalation: found an array; expected an object"),
    ] {
        assert_eq!(refused(text), (ErrorKind::Malformed, format!("cannot read a policy: {why}")), "{text}");
    }
}

#[test]
fn the_statement_of_a_redaction_is_not_an_execution() {
    let mut log = Log::default();
    log.push("runledger.redact", NOW, |_| {});
    log.push("runledger.redact", NOW, |record| record.set_status(Status::Failed));
    assert_eq!(log.report().executions, 1, "a failed redaction is not a statement");
}
