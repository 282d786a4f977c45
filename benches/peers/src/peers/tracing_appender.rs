//! tracing-appender's non-blocking writer: a call puts the line in a queue and returns, a thread writes it to the file,
//! nothing is ever synced. Not durable: an acknowledged line is lost with the process. Not lossy either, unlike its
//! default, which drops lines when the queue is full: a dropped record is not a record a second.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_appender::rolling;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

/// The longest wait for the queue to empty into the file; what is missing then is reported as not stored.
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
