//! The guard in async code: it is `Send` and lives across an `.await`. A future that is dropped half-way, by a timeout
//! or a `select!`, leaves a cancelled record. It works alike in every runtime; here a small `block_on` stands for one.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use runledger::{Ledger, Recorded, Skill, metrics::Status};

/// An async skill. Nothing in it is there for the case that it is cancelled.
async fn publish(ledger: Ledger, reply: impl Future<Output = Result<u32, &'static str>>) -> Recorded {
    let mut run = ledger.begin(Skill::new("publish", "1.2.0"));
    run.enter("upload");
    match reply.await {
        Ok(_page) => run.succeed(),
        Err(error) => run.fail(error),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl"))?;

    assert!(block_on(publish(ledger.clone(), async { Ok(7) })).is_durable());
    assert!(block_on(publish(ledger.clone(), async { Err("remote rejected") })).is_durable());

    // Begun, never answered, given up.
    let mut given_up = Box::pin(publish(ledger.clone(), std::future::pending()));
    assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(given_up);

    let records = ledger.scan()?.collect::<runledger::Result<Vec<_>>>()?;
    let statuses: Vec<_> = records.into_iter().filter_map(|record| record.status).collect();
    println!("{statuses:?}");
    assert_eq!(statuses, [Status::Success, Status::Failed, Status::Cancelled]);
    Ok(())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
