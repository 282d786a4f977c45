//! Promise: each escalation of a week causes one alert with the same id, whenever it is examined.

use runledger::alerts::{AlertKind, of_escalations};
use runledger::governance::{AlertsPolicy, EscalationPolicy, Escalations, Trigger};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Timestamp, Uuid};

const MONDAY: &str = "2026-11-16T00:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(id: u128, start: &str) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "draw", "1.0.0", time(start));
    record.set_status(Status::Interrupted);
    record
}

fn week(until: Option<&str>) -> Escalations {
    Escalations::new(EscalationPolicy::default(), time(MONDAY), until.map(time)).unwrap()
}

/// Returns the reader of a ledger with an interrupted execution on each of four days of the week.
fn interrupted_each_day(directory: &tempfile::TempDir) -> LedgerReader {
    let path = directory.path().join("execution_metrics.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    for id in 1..=4 {
        ledger.append(&record(id, &format!("2026-11-1{}T12:00:00Z", 5 + id))).unwrap();
    }
    LedgerReader::open(&path).unwrap()
}

#[test]
fn an_escalation_has_one_id_in_its_week() {
    let directory = tempfile::tempdir().unwrap();
    let reader = interrupted_each_day(&directory);
    let policy = AlertsPolicy::default();
    let end = Some("2026-11-23T00:00:00Z");
    let mut ids = Vec::new();
    for now in ["2026-11-18T13:00:00Z", "2026-11-20T00:00:00Z"] {
        let report = reader.escalate(week(end), time(now)).unwrap().report;
        let found = of_escalations(&policy, Uuid::nil(), &report, 2, time(now));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, AlertKind::Escalation(Trigger::RepeatedMissingLogs));
        assert_eq!(found[0].window.to_string(), "2026-11-16T00:00:00.000Z to 2026-11-23T00:00:00.000Z");
        assert_eq!(
            found[0].text,
            "human: repeated missing logs: 4 of 4 executions did not finish: 4 interrupted, 0 in flight for over 24 h. \
             2 lines or files could not be read and are not included."
        );
        assert_eq!((&found[0].figures["skipped"], &found[0].figures["evidence"]["count"]), (&2.into(), &4.into()));
        ids.push(found[0].id);
    }
    assert_eq!(ids[0], ids[1]);
    let other = AlertsPolicy::default();
    let report = reader.escalate(week(end), time("2026-11-20T00:00:00Z")).unwrap().report;
    let mut none = other.clone();
    none.escalations = vec![Trigger::CostDiscrepancy];
    assert_eq!(of_escalations(&none, Uuid::nil(), &report, 0, time(MONDAY)), []);
    assert_ne!(of_escalations(&other, Uuid::from_u128(1), &report, 0, time(MONDAY))[0].id, ids[0], "another ledger");
}

#[test]
fn several_windows_are_examined_in_one_pass() {
    let directory = tempfile::tempdir().unwrap();
    let reader = interrupted_each_day(&directory);
    let ends = ["2026-11-17T00:00:00Z", "2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z"];
    let windows = ends.map(|end| (week(Some(end)), time(end))).into_iter().collect();
    let found = reader.escalate_each(&reader.scan(), windows).unwrap().reports;
    let alone = ends.map(|end| reader.escalate(week(Some(end)), time(end)).unwrap().report);
    assert_eq!(found, alone);
    assert_eq!(found.iter().map(|report| report.escalations.len()).collect::<Vec<_>>(), [0, 0, 1, 1]);
}
