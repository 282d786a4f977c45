//! Promise: a future can be dropped at any await. Each execution that it has begun still gets exactly one record.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use runledger::metrics::Status;
use runledger::{Ledger, Options, Uuid};

use super::hand::{Gate, block_on, large, pause, poll_times};
use crate::children::contents;
use crate::children::place::{Place, skill};

type Begun = Arc<Mutex<Vec<Uuid>>>;

/// Makes async calls of several kinds, and suspends at each call and between the calls. Adds the executions that it
/// begins to `begun`.
async fn all_calls(ledger: &Ledger, begun: &Begun) {
    let say = |id| begun.lock().unwrap().push(id);
    let done = ledger.run_async(skill(), async |execution| {
        say(execution.id());
        pause().await;
        let child = execution.child_async(skill()).await;
        say(child.id());
        pause().await;
        child.succeed_async().await;
        let guard = execution.child_async(skill()).await;
        say(guard.id());
        let inner = execution.run_async(skill(), async |inner| {
            say(inner.id());
            pause().await;
            Err::<(), _>("inner")
        });
        inner.await.result.unwrap_err();
        let record = large(100);
        say(record.execution_id);
        ledger.append_async(&record).await.unwrap();
        drop(guard);
        pause().await;
        Ok::<_, String>(())
    });
    done.await.result.unwrap();
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Checks that each execution in `begun` has one record. The ledger may have one more record, of a cancelled execution.
/// Returns the number of records.
fn check(place: &Place, begun: &Begun, at: &str) -> usize {
    let found = contents(&place.path(), at);
    let begun: HashSet<_> = begun.lock().unwrap().iter().copied().collect();
    assert!(begun.iter().all(|id| found.contains_key(id)), "{at}: an execution without a record");
    let others: Vec<_> = found.values().filter(|(_, record)| !begun.contains(&record.execution_id)).collect();
    // If a task is cancelled while it begins an execution, it has not added the id to `begun`.
    assert!(others.len() <= 1, "{at}: {others:?}");
    assert!(others.iter().all(|(_, record)| record.status == Some(Status::Cancelled)), "{at}");
    let ended = |status: &Status| matches!(status, Status::Success | Status::Failed | Status::Cancelled);
    assert!(found.values().all(|(_, record)| record.status.as_ref().is_none_or(ended)), "{at}");
    assert_eq!(place.in_flight().len(), 0, "{at}: a mark stayed");
    found.len()
}

#[test]
fn row_33_a_future_that_is_dropped_at_any_poll_leaves_one_record_of_each_execution() {
    for waits in [true, false] {
        // Without waiting, most polls find nothing new.
        let all = (0..).take_while(|polls| *polls < 1000);
        let some = (0..30).map(|power| (1 << power) / 2);
        let counts: Box<dyn Iterator<Item = usize>> = if waits { Box::new(all) } else { Box::new(some) };
        let mut has_ended = false;
        for polls in counts {
            let (place, begun) = (Place::new(), Begun::default());
            let ledger = place.open();
            let ended = {
                let mut future: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(all_calls(&ledger, &begun));
                if waits {
                    poll_times(&mut future, polls).is_some()
                } else {
                    (0..polls).any(|_| poll_once(&mut future))
                }
            };
            drop(ledger);
            let found = check(&place, &begun, &format!("{polls} polls"));
            assert_eq!(found > 0, polls > 0, "{polls} polls");
            if ended {
                assert_eq!(found, 5);
                assert!(polls > 5);
                has_ended = true;
                break;
            }
        }
        assert!(has_ended);
    }
}

/// Fills the queue of a ledger whose disk does not answer, and returns the number of records. A record whose future is
/// dropped goes into the queue even if the queue is full.
fn fill(ledger: &Ledger) -> usize {
    const RECORDS: usize = 12;
    for _ in 0..RECORDS {
        drop(ledger.append_async(&large(1_000_000)));
    }
    RECORDS
}

#[test]
fn row_33_futures_that_are_dropped_while_the_queue_is_full_leave_one_record_each() {
    let (place, gate, begun) = (Place::new(), Gate::default(), Begun::default());
    let ledger = gate.open(&place, Options::new());
    let executions: Vec<_> = (0..4).map(|_| block_on(ledger.begin_async(skill()))).collect();
    begun.lock().unwrap().extend(executions.iter().map(|execution| execution.id()));
    gate.close(true);
    let large_count = fill(&ledger);

    // The mark of this execution waits for room.
    let mut beginning = Box::pin(ledger.begin_async(skill()));
    assert!(!poll_once(&mut beginning));
    drop(beginning);
    let mut executions = executions.into_iter();
    let mut next = || executions.next().unwrap();
    drop(next());
    drop(next().succeed_async());
    let mut ending = Box::pin(next().succeed_async());
    assert!(!poll_once(&mut ending) && !poll_once(&mut ending));
    drop(ending);
    let mut running = Box::pin(ledger.run_async(skill(), async |_| Ok::<_, String>(())));
    assert!(!poll_once(&mut running));
    drop(running);
    let kept = next().succeed_async();
    let mut appending = Box::pin(ledger.append_async(&large(10)));
    assert!(!poll_once(&mut appending));
    drop(appending);
    drop(ledger.append_async(&large(10)));

    gate.close(false);
    assert!(block_on(kept).is_durable());
    drop(ledger);
    let found = contents(&place.path(), "at the end");
    assert!(begun.lock().unwrap().iter().all(|id| found.contains_key(id)));
    let count = |status: Status| found.values().filter(|(_, record)| record.status.as_ref() == Some(&status)).count();
    assert_eq!((count(Status::Success), count(Status::Cancelled)), (3, 3));
    assert_eq!(found.len(), large_count + 2 + 3 + 3);
    assert_eq!(place.in_flight().len(), 0);
}

/// The thread of the ledger does not end before a record that waits for room is in the queue.
#[test]
fn row_33_a_record_that_waits_for_room_outlives_the_last_handle() {
    let (place, gate) = (Place::new(), Gate::default());
    let ledger = gate.open(&place, Options::new());
    let execution = block_on(ledger.begin_async(skill()));
    gate.close(true);
    let large_count = fill(&ledger);
    let record = large(10);
    let (awaited, unread) = (ledger.append_async(&record), ledger.append_async(&large(10)));
    let ending = execution.succeed_async();
    drop(ledger);
    gate.close(false);
    drop(unread);
    assert!(block_on(ending).is_durable());
    assert!(block_on(awaited).is_ok());
    let found = contents(&place.path(), "at the end");
    assert!(found.contains_key(&record.execution_id));
    assert_eq!(found.len(), large_count + 3);
}

#[test]
fn row_33_calls_that_are_never_polled_are_stored() {
    let (place, ended) = (Place::new(), 50);
    let ledger = place.open();
    for _ in 0..ended {
        drop(block_on(ledger.begin_async(skill())).finish_async(Status::Paused));
        drop(ledger.append_async(&large(10)));
        // A future that never ran has done nothing.
        drop(ledger.begin_async(skill()));
    }
    drop(ledger);
    let found = contents(&place.path(), "at the end");
    assert_eq!(found.values().filter(|(_, record)| record.status == Some(Status::Paused)).count(), ended);
    assert_eq!(found.len(), 2 * ended);
}
