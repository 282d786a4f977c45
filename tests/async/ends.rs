//! Promise: however an async execution ends, its record is the same as that of a synchronous one.

use std::future::{Ready, ready};
use std::panic::resume_unwind;

use runledger::metrics::{ErrorCategory, Status};
use runledger::{Answer, ErrorKind, Execution, ExecutionMetrics, Ledger, Timestamp, Uuid};

use super::hand::{block_on, large, pause, runtime};
use crate::children::contents;
use crate::children::place::{Place, skill};

/// Returns the records in the order of their lines.
fn records(place: &Place) -> Vec<ExecutionMetrics> {
    let mut found: Vec<_> = contents(&place.path(), "at the end").into_values().collect();
    found.sort_by_key(|(seq, _)| *seq);
    found.into_iter().map(|(_, record)| record).collect()
}

fn statuses(place: &Place) -> Vec<Status> {
    records(place).into_iter().map(|record| record.status.unwrap()).collect()
}

#[test]
fn each_call_leaves_one_durable_record() {
    let place = Place::new();
    let ledger = place.open();
    block_on(async {
        let recorded = ledger.begin_async(skill()).await.succeed_async().await;
        assert!(matches!(recorded.answer, Answer::Durable { seq: 1 }), "{recorded:?}");
        let recorded = ledger.begin_async(skill()).await.fail_async("remote rejected").await;
        assert!(matches!(recorded.answer, Answer::Durable { seq: 2 }), "{recorded:?}");
        assert!(ledger.begin_async(skill()).await.finish_async(Status::Paused).await.is_durable());
        // The synchronous and the async calls can be mixed.
        assert!(ledger.begin(skill()).succeed_async().await.is_durable());
        assert!(ledger.begin_async(skill()).await.succeed().is_durable());
        // The mark is removed before the answer.
        assert_eq!(ledger.reader().in_flight().unwrap().executions.len(), 0);
        drop(ledger.begin_async(skill()).await);
    });
    drop(ledger);
    let expected = [Status::Success, Status::Failed, Status::Paused, Status::Success, Status::Success];
    assert_eq!(statuses(&place)[..5], expected);
    assert_eq!(statuses(&place)[5..], [Status::Cancelled]);
    let failed = &records(&place)[1];
    assert_eq!(failed.error_reason.as_deref(), Some("remote rejected"));
    assert_eq!(failed.error_category, Some(ErrorCategory::Unknown));
}

#[test]
fn append_answers_like_the_synchronous_call() {
    let place = Place::new();
    let ledger = place.open();
    block_on(async {
        let mut record = large(10);
        assert!(matches!(ledger.append_async(&record).await, Ok(Answer::Durable { seq: 1 })));
        assert!(matches!(ledger.append_async(&record).await, Ok(Answer::Duplicate { seq: 1 })));
        record.skill_version = "2.0.0".to_owned();
        assert_eq!(ledger.append_async(&record).await.unwrap_err().kind(), ErrorKind::Conflict);
        let unended = ExecutionMetrics::new(Uuid::now_v7(), "s", "1", Timestamp::UNIX_EPOCH);
        assert_eq!(ledger.append_async(&unended).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
    assert_eq!(records(&place).len(), 1);
}

async fn nested(ledger: &Ledger, tasks: u32) -> u32 {
    let done = ledger.run_async(skill(), async |execution| {
        execution.enter("children");
        let child = execution.child_async(skill()).await;
        pause().await;
        child.succeed_async().await;
        let done = execution.run_async(skill(), async |inner| {
            assert_eq!(inner.record_mut().skill_path_in_dag.as_deref().map(|path| path.matches("->").count()), Some(2));
            Err::<u32, _>("inner")
        });
        assert_eq!(done.await.result, Err("inner"));
        Ok::<_, String>(tasks)
    });
    let done = done.await;
    assert!(done.record.is_durable());
    done.result.unwrap()
}

#[test]
fn futures_are_send_and_children_belong_to_their_parents() {
    const TASKS: u32 = 40;
    let place = Place::new();
    let ledger = place.open();
    let runtime = runtime();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let ledger = ledger.clone();
            runtime.spawn(async move { nested(&ledger, task).await })
        })
        .collect();
    let sum: u32 = tasks.into_iter().map(|task| block_on(task).unwrap()).sum();
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    drop(ledger);
    let all = records(&place);
    assert_eq!(all.len(), 3 * TASKS as usize);
    let parents: Vec<_> = all.iter().filter(|record| record.run.parent_execution_id.is_none()).collect();
    assert_eq!(parents.len(), TASKS as usize);
    for parent in parents {
        let of_parent = |record: &&ExecutionMetrics| record.run.parent_execution_id == Some(parent.execution_id);
        let mut ends: Vec<_> = all.iter().filter(of_parent).map(|child| child.execution_succeeded).collect();
        ends.sort();
        assert_eq!(ends, [Some(false), Some(true)]);
    }
}

/// Panics before it returns a future.
fn panics_at_once(_: &mut Execution) -> Ready<Result<(), String>> {
    if std::hint::black_box(true) {
        resume_unwind(Box::new("at once"));
    }
    ready(Ok(()))
}

/// The panic reaches the task only after its record is stored. The test causes the panic itself, so the panic hook is
/// bypassed.
#[test]
fn row_33_a_panic_is_recorded_with_its_message_and_resumed() {
    let place = Place::new();
    let (ledger, runtime) = (place.open(), runtime());
    let (first, second) = (ledger.clone(), ledger.clone());
    let panicked = [
        runtime.spawn(async move {
            let body = async |_: &mut Execution| -> Result<(), String> {
                pause().await;
                resume_unwind(Box::new("boom"))
            };
            first.run_async(skill(), body).await.result
        }),
        runtime.spawn(async move { second.run_async(skill(), panics_at_once).await.result }),
    ];
    for (task, message) in panicked.into_iter().zip(["boom", "at once"]) {
        let payload = block_on(task).unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&message));
    }
    // The records are there before the panics are resumed.
    let mut reasons: Vec<_> = records(&place).into_iter().map(|record| (record.status, record.error_reason)).collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1));
    let panicked = |reason: &str| (Some(Status::Panicked), Some(reason.to_owned()));
    assert_eq!(reasons, [panicked("panicked: boom"), panicked("panicked: at once")]);
    drop(ledger);
}

/// A guard that is dropped while its task unwinds is recorded as panicked.
#[test]
fn row_33_a_guard_that_is_dropped_by_a_panic_is_recorded_as_panicked() {
    let place = Place::new();
    let (ledger, runtime) = (place.open(), runtime());
    let task = runtime.spawn(async move {
        let _execution = ledger.begin_async(skill()).await;
        resume_unwind(Box::new("boom"))
    });
    assert!(block_on(task).unwrap_err().is_panic());
    drop(runtime);
    assert_eq!(statuses(&place), [Status::Panicked]);
}
