//! Promise: if a runtime is shut down while tasks run, no acknowledged record is lost. Once the ledger is dropped, each
//! execution that was begun has one record.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runledger::metrics::Status;
use runledger::{Ledger, Uuid};

use super::hand::runtime;
use crate::children::contents;
use crate::children::place::{Place, skill, until};

#[derive(Default)]
struct Said {
    begun: Mutex<Vec<Uuid>>,
    acknowledged: Mutex<Vec<Uuid>>,
}

async fn record_for_ever(ledger: Ledger, said: Arc<Said>) {
    loop {
        let execution = ledger.begin_async(skill()).await;
        let id = execution.id();
        said.begun.lock().unwrap().push(id);
        assert!(execution.succeed_async().await.is_durable());
        said.acknowledged.lock().unwrap().push(id);
    }
}

fn stopped(stop: impl Fn(tokio::runtime::Runtime)) {
    const TASKS: usize = 64;
    let (place, said) = (Place::new(), Arc::new(Said::default()));
    let (ledger, runtime) = (place.open(), runtime());
    for _ in 0..TASKS {
        runtime.spawn(record_for_ever(ledger.clone(), Arc::clone(&said)));
    }
    until("a thousand records", || said.acknowledged.lock().unwrap().len() > 1000);
    stop(runtime);
    // The runtime may drop its tasks later.
    until("the end of the tasks", || Arc::strong_count(&said) == 1);
    drop(ledger);
    let found = contents(&place.path(), "at the end");
    let begun: HashSet<_> = said.begun.lock().unwrap().drain(..).collect();
    assert!(begun.iter().all(|id| found.contains_key(id)));
    for id in said.acknowledged.lock().unwrap().iter() {
        assert_eq!(found[id].1.status, Some(Status::Success));
    }
    // If a task was cancelled while it began an execution, it has not reported the id.
    let unsaid = found.keys().filter(|id| !begun.contains(id)).count();
    assert!(unsaid <= TASKS, "{unsaid} records of nothing");
    assert_eq!(place.in_flight().len(), 0);
}

#[test]
fn row_33_a_runtime_that_is_dropped_loses_nothing() {
    stopped(drop);
}

#[test]
fn row_33_a_runtime_that_is_shut_down_in_the_background_loses_nothing() {
    stopped(tokio::runtime::Runtime::shutdown_background);
}

#[test]
fn row_33_a_runtime_that_is_shut_down_with_a_limit_loses_nothing() {
    stopped(|runtime| runtime.shutdown_timeout(Duration::from_millis(1)));
}
