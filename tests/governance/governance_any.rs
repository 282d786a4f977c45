//! Promise: the order of the records does not change a judgement, and no text in a record breaks a line of the answer.

use crate::common;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use runledger::governance::{EscalationPolicy, Escalations, Gate, GateReport, GateVerdict, Rule};
use runledger::{ErrorKind, ExecutionMetrics, Timestamp, Uuid};

const RUN: &str = "run-7";

/// Returns any records of different executions, some of one run and some the parents of others.
fn records() -> impl Strategy<Value = Vec<ExecutionMetrics>> {
    let placed = (common::record(), any::<bool>(), 0..20u128).prop_map(|(mut record, of_run, parent)| {
        if of_run {
            record.run.run_id = Some(RUN.to_owned());
        }
        if parent < 15 {
            record.run.parent_execution_id = Some(Uuid::from_u128(parent));
        }
        record
    });
    vec(placed, 0..12).prop_map(|mut records| {
        for (number, record) in records.iter_mut().enumerate() {
            record.execution_id = Uuid::from_u128(number as u128);
        }
        records
    })
}

fn judge(records: &[ExecutionMetrics], begun: &[ExecutionMetrics]) -> GateReport {
    Gate::new(RUN).judge(begun, records.iter().cloned().map(Ok), [""; 0]).unwrap()
}

/// Returns the reasons and their executions, without an order.
fn set(report: &GateReport) -> BTreeSet<(Rule, String, BTreeSet<Uuid>)> {
    let reason = |reason: &runledger::governance::GateReason| {
        (reason.rule, reason.to_string(), reason.executions.iter().copied().collect())
    };
    report.reasons.iter().map(reason).collect()
}

fn is_one_line(text: &str) -> bool {
    !text.contains(char::is_control)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_gate_judges_any_records_in_any_order(records in records(), begun in 0..4usize) {
        let (begun, ended) = records.split_at(begun.min(records.len()));
        let report = judge(ended, begun);
        prop_assert_eq!(report.verdict == GateVerdict::Pass, report.reasons.is_empty());
        prop_assert!(report.reasons.iter().all(|reason| is_one_line(&reason.to_string())));
        prop_assert!(report.reasons.is_sorted_by_key(|reason| reason.rule));
        let reversed: Vec<_> = ended.iter().rev().cloned().collect();
        prop_assert_eq!(set(&judge(&reversed, begun)), set(&report));
    }

    #[test]
    fn any_records_are_judged_or_leave_the_range(records in records()) {
        let mut policy = EscalationPolicy::default();
        (policy.samples_min, policy.alpha, policy.share_difference_min) = (1, 0.99, 0.0);
        let mut escalations = Escalations::new(policy, Timestamp::UNIX_EPOCH, None).unwrap();
        for record in &records {
            match escalations.add(record) {
                Ok(()) => escalations.add_in_flight(record, Timestamp::UNIX_EPOCH),
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Overflow);
                    return Ok(());
                }
            }
        }
        let report = escalations.finish();
        prop_assert!(report.escalations.iter().all(|escalation| is_one_line(&escalation.to_string())), "{:?}", report);
        prop_assert!(report.unjudged.iter().all(|unjudged| is_one_line(&unjudged.to_string())), "{:?}", report);
        // No share, probability or interval is NaN, which JSON would write as null.
        for escalation in &report.escalations {
            let statistic = serde_json::to_value(&escalation.statistic).unwrap();
            let null = statistic.as_object().unwrap().iter().find(|(_, value)| value.is_null());
            let unknown = ["relative", "interval_usd", "p_value"];
            prop_assert!(null.is_none_or(|(key, _)| unknown.contains(&key.as_str())), "{}", statistic);
        }
    }
}
