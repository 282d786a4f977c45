//! tracing-appender's non-blocking writer. A call puts the line into a queue and returns, and a thread writes it to the
//! file. Nothing is ever synced, so a record is not durable: an acknowledged line can be lost when the process dies.
//!
//! The writer is configured not to be lossy, so a call waits while the queue is full. By default, the writer would drop
//! lines instead, and the benchmark would count the dropped lines as records.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_appender::rolling;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

/// The longest wait until the queue is written to the file. Records that are missing then are reported as not stored.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    const FILE: &str = "records.jsonl";
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(rolling::never(cell.dir, FILE));
    let samples = cell.measure(|| {
        let mut writer = writer.clone();
        Ok(move |record: &[u8]| Ok(writer.write_all(record)?))
    })?;

    let path = cell.dir.join(FILE);
    let bytes = cell.acknowledged(&samples) * cell.record.len() as u64;
    let drain = Instant::now();
    while path.metadata()?.len() < bytes && drain.elapsed() < DRAIN_TIME_MAX {
        thread::sleep(Duration::from_millis(10));
    }
    drop(guard);
    cell.check_file(samples, &path)
}
