//! Records 200 concurrent skills of a tokio program: nested executions, retries, timeouts, and races in which the
//! slower future is dropped. No thread of the runtime waits for the disk. The same calls work with every async runtime.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use runledger::{Execution, Ledger, Skill, Usage, metrics::Status};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

const PAGES: u32 = 200;

fn publish() -> Skill {
    Skill::new("publish", "1.2.0")
}

/// Uploads a page. Each attempt is a child of the skill's execution.
async fn upload(execution: &mut Execution, page: u32) -> Result<u32, &'static str> {
    for attempt in 0..3 {
        let attempted = execution.run_async(Skill::new("upload", "1.0.0"), async |upload| {
            upload.record_usage("gpt-4", Usage::new(1_000, 500));
            sleep(Duration::from_millis(1)).await; // the call of the model
            if page % 4 == 1 && attempt == 0 { Err("connection reset") } else { Ok(page) }
        });
        if let Ok(page) = attempted.await.result {
            return Ok(page);
        }
    }
    Err("three attempts failed")
}

/// Publishes a page. Returns `None` if the timeout elapsed first.
async fn page(ledger: Ledger, page: u32) -> Option<u32> {
    let published = ledger.run_async(publish(), async |execution| upload(execution, page).await);
    match page % 4 {
        // The timeout drops the future, so the execution is recorded as cancelled. The skill needs no code for that.
        2 => {
            let hanging = ledger.run_async(publish(), async |_| pending::<Result<u32, &str>>().await);
            timeout(Duration::from_millis(20), hanging).await.ok()?.result.ok()
        }
        // Two servers race. The slower execution is recorded as cancelled.
        3 => {
            let mirror = ledger.run_async(publish(), async |_| pending::<Result<u32, &str>>().await);
            first(published, mirror).await.result.ok()
        }
        _ => {
            let done = published.await;
            assert!(done.record.is_durable()); // it is on the disk
            done.result.ok()
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("execution_metrics.jsonl");
    let ledger = Ledger::open(&path)?;
    let reader = ledger.reader();

    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let tasks: Vec<_> = (0..PAGES).map(|number| runtime.spawn(page(ledger.clone(), number))).collect();
    let mut published = 0;
    for task in tasks {
        published += u32::from(runtime.block_on(task)?.is_some());
    }
    // Records of dropped futures are stored in the background. Dropping the last handle waits for these records, so
    // this thread drops the handle, and not a thread of the runtime.
    drop(ledger);

    let mut counts = BTreeMap::<_, u32>::new();
    for record in reader.records() {
        *counts.entry(record?.status.map_or_else(String::new, |status| status.as_str().to_owned())).or_default() += 1;
    }
    println!("{published} of {PAGES} pages were published: {counts:?}");
    let count = |status: Status| counts.get(status.as_str()).copied();
    assert_eq!(published, 150);
    assert_eq!(count(Status::Success), Some(300)); // 150 pages, and the last attempt of each
    assert_eq!(count(Status::Failed), Some(50)); // the first attempts of every fourth page
    assert_eq!(count(Status::Cancelled), Some(100)); // 50 timeouts, and 50 mirrors
    Ok(())
}

/// Returns the output of the future that is ready first, and drops the other one, like a `select!`.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
}
