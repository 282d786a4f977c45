//! Uses the guard of an execution in async code, where the guard is held across an `.await`. If the future is dropped
//! before its end, by a timeout or a `select!`, the execution is recorded as cancelled. The guard works with every
//! runtime. This example has a small `block_on` instead of a runtime.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use runledger::{Ledger, Recorded, Skill, metrics::Status};

/// An async skill. It needs no code for its cancellation.
async fn publish(ledger: Ledger, reply: impl Future<Output = Result<u32, &'static str>>) -> Recorded {
    let mut execution = ledger.begin(Skill::new("publish", "1.2.0"));
    execution.enter("upload");
    match reply.await {
        Ok(_page) => execution.succeed(),
        Err(error) => execution.fail(error),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl"))?;

    for answer in [Ok(7), Err("remote rejected")] {
        assert!(block_on(publish(ledger.clone(), late(answer))).is_durable());
    }

    // This future is started and then dropped, which cancels it. It is `Send`, so a runtime may move it to another
    // thread.
    let mut cancelled: Pin<Box<dyn Future<Output = Recorded> + Send>> = Box::pin(publish(ledger.clone(), pending()));
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(cancelled);

    let statuses = ledger.reader().records().map(|record| Ok(record?.status)).collect::<runledger::Result<Vec<_>>>()?;
    println!("{statuses:?}");
    assert_eq!(statuses, [Status::Success, Status::Failed, Status::Cancelled].map(Some));
    Ok(())
}

/// Returns a future that is pending when it is first polled. So the skill is suspended once.
fn late<T: Copy>(answer: T) -> impl Future<Output = T> {
    let mut polls = 0;
    poll_fn(move |context| {
        polls += 1;
        context.waker().wake_by_ref(); // a real reply wakes the task when it arrives
        if polls == 1 { Poll::Pending } else { Poll::Ready(answer) }
    })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
