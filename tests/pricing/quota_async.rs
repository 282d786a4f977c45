//! Promise: the async calls of quotas and budgets grant and deny like the synchronous ones. If a task is cancelled,
//! nothing stays reserved for it.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};

use runledger::quota::{Grant, Hold, Limits, Quota};
use runledger::{ErrorKind, Options};

use crate::children::clock::FakeClock;
use crate::children::place::{PATIENCE, Place, until};
use crate::hooked::{HookedDisk, Op};

fn limits() -> Limits {
    let table = r#"[
        {"api": "a", "limit": 100, "unit": "calls", "period": "day", "source": "us", "as_of": "2026-02-14"},
        {"api": "b", "limit": 10, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-02-14"}
    ]"#;
    Limits::from_json(table).unwrap()
}

fn open(place: &Place) -> Quota {
    Quota::open(place.file("quota.jsonl"), FakeClock::at_noon().options().limits(limits())).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let limited = async { tokio::time::timeout(PATIENCE, future).await };
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(limited).unwrap()
}

fn held(grant: Grant) -> Hold {
    match grant {
        Grant::Held(hold) => hold,
        other => panic!("{other:?}"),
    }
}

/// Returns the consumed and the held calls of `a`.
fn sums(quota: &Quota) -> (u64, u64) {
    let status = quota.status("a").unwrap();
    (status.consumed, status.held)
}

#[test]
fn reservations_are_granted_denied_settled_and_released() {
    let place = Place::new();
    let quota = open(&place);
    block_on(async {
        let hold = held(quota.reserve_async("a", Some(60)).await.unwrap());
        assert_eq!((hold.amount(), sums(&quota)), (Some(60), (0, 60)));
        let Grant::Denied(denied) = quota.reserve_async("a", Some(50)).await.unwrap() else { panic!("granted") };
        assert_eq!((denied.requested, denied.status.remaining), (Some(50), 40));
        let status = hold.settle_async(Some(20)).await.unwrap();
        assert_eq!((status.consumed, status.held, status.remaining), (20, 0, 80));
        assert_eq!(quota.reserve_async("c", Some(1)).await.unwrap_err().kind(), ErrorKind::UnknownLimit);

        let budget = quota.budget("b").unwrap();
        let Grant::Held(hold) = budget.reserve_async(Some("4".parse().unwrap())).await.unwrap() else {
            panic!("denied")
        };
        let status = hold.settle_async(Some("1.5".parse().unwrap())).await.unwrap();
        assert_eq!(status.remaining.to_string(), "8.5");

        // A settlement is recorded even if its future is never polled, and a dropped hold is released.
        drop(held(quota.reserve_async("a", Some(10)).await.unwrap()).settle_async(Some(5)));
        drop(held(quota.reserve_async("a", Some(10)).await.unwrap()));
        until("the release", || sums(&quota) == (25, 0));
        // The synchronous calls end what the async ones began.
        assert_eq!(held(quota.reserve_async("a", Some(10)).await.unwrap()).settle(Some(1)).unwrap().consumed, 26);
        assert_eq!(held(quota.reserve("a", Some(10)).unwrap()).settle_async(Some(1)).await.unwrap().consumed, 27);
    });
    // Dropping the quota waits for what was left to its thread.
    drop(block_on(quota.reserve_async("a", Some(1))).unwrap());
    drop(quota);
    assert_eq!(sums(&open(&place)), (27, 0));
}

#[test]
fn many_tasks_never_exceed_the_limit() {
    const TASKS: usize = 150;
    let place = Place::new();
    let quota = open(&place);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let granted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (quota, granted) = (quota.clone(), Arc::clone(&granted));
            runtime.spawn(async move {
                if let Grant::Held(hold) = quota.reserve_async("a", Some(1)).await.unwrap() {
                    hold.settle_async(Some(1)).await.unwrap();
                    granted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| block_on(task).unwrap());
    assert_eq!(granted.load(Ordering::Relaxed), 100);
    assert_eq!(sums(&quota), (100, 0));
}

/// The task is dropped before its line is appended, while the line is being appended, and after the line was appended.
#[test]
fn a_reservation_whose_task_is_cancelled_is_released() {
    let place = Place::new();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let passes = Arc::clone(&gate);
    let disk = HookedDisk::new(move |op, _| {
        if op == Op::Sync {
            drop(passes.1.wait_while(passes.0.lock().unwrap(), |is_closed| *is_closed).unwrap());
        }
        Ok(())
    });
    let ledger = Options::new().storage(Arc::new(disk)).lock_deadline(PATIENCE).open(place.path()).unwrap();
    let path = place.path().with_file_name("quota.jsonl");
    let quota = ledger.quota(limits()).unwrap();
    let lines = || std::fs::read_to_string(&path).unwrap();
    let close = |is_closed: bool| {
        *gate.0.lock().unwrap() = is_closed;
        gate.1.notify_all();
    };
    let mut context = Context::from_waker(Waker::noop());
    drop(quota.reserve_async("a", Some(30)));
    close(true);
    {
        let (mut first, mut second) =
            (pin!(quota.reserve_async("a", Some(30))), pin!(quota.reserve_async("a", Some(20))));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
    }
    close(false);
    {
        let mut third = pin!(quota.reserve_async("a", Some(10)));
        assert!(third.as_mut().poll(&mut context).is_pending());
        until("the line", || lines().contains("\"amount\":10,"));
    }
    until("the release", || sums(&quota) == (0, 0));
    drop(quota);
    let text = lines();
    assert_eq!((text.matches("\"hold\":{").count(), text.matches("\"release\":{").count()), (3, 3));
}
