//! Measures one cell of the table: one peer with a number of callers, for a fixed time. The callers are threads, or
//! tasks of a tokio runtime.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::Result;
use crate::samples::Samples;

pub(crate) struct Cell<'a> {
    /// An empty directory for the peer's files.
    pub(crate) dir: &'a Path,
    /// The number of threads or tasks.
    pub(crate) callers: usize,
    /// The number of appends of each caller before the clock starts. These appends create files, prepare statements and
    /// fill caches.
    pub(crate) warm_ups: usize,
    pub(crate) time: Duration,
    pub(crate) record: &'static [u8],
}

/// The measurement of one caller.
struct Run {
    start: Instant,
    end: Instant,
    /// The latency of each call.
    latencies_ns: Vec<u64>,
}

impl Cell<'_> {
    /// Creates an appender in every thread, starts the threads together, and times each call.
    pub(crate) fn measure<A>(&self, appender: impl Fn() -> Result<A> + Sync) -> Result<Samples>
    where
        A: FnMut(&[u8]) -> Result<()>,
    {
        let start_line = Barrier::new(self.callers);
        let runs = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.callers).map(|_| scope.spawn(|| self.run(&appender, &start_line))).collect();
            let join =
                |thread: thread::ScopedJoinHandle<'_, Result<Run>>| thread.join().map_err(|_| "a thread panicked")?;
            threads.into_iter().map(join).collect::<Result<Vec<Run>>>()
        })?;
        samples(runs)
    }

    /// Starts the tasks together on a runtime with one worker for each core. Each task awaits `append` in a closed
    /// loop, and times each call.
    pub(crate) fn measure_tasks<F>(&self, append: impl Fn() -> F + Clone + Send + Sync + 'static) -> Result<Samples>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(thread::available_parallelism()?.get()).build()?;
        let start_line = Arc::new(tokio::sync::Barrier::new(self.callers));
        let tasks: Vec<_> = (0..self.callers)
            .map(|_| runtime.spawn(run_task(append.clone(), Arc::clone(&start_line), (self.warm_ups, self.time))))
            .collect();
        let runs = runtime.block_on(async {
            let mut runs = Vec::new();
            for task in tasks {
                runs.push(task.await??);
            }
            Ok::<_, crate::Error>(runs)
        })?;
        samples(runs)
    }

    /// Runs one thread's closed loop. A thread whose warm-up fails still waits at the barrier, so that the other
    /// threads start.
    fn run<A>(&self, appender: &impl Fn() -> Result<A>, start_line: &Barrier) -> Result<Run>
    where
        A: FnMut(&[u8]) -> Result<()>,
    {
        let warm = self.warm_up(appender);
        start_line.wait();
        let mut append = warm?;

        let mut latencies_ns = Vec::new();
        let start = Instant::now();
        loop {
            let before = Instant::now();
            append(self.record)?;
            let end = Instant::now();
            latencies_ns.push(u64::try_from((end - before).as_nanos())?);
            if end - start >= self.time {
                return Ok(Run { start, end, latencies_ns });
            }
        }
    }

    fn warm_up<A>(&self, appender: &impl Fn() -> Result<A>) -> Result<A>
    where
        A: FnMut(&[u8]) -> Result<()>,
    {
        let mut append = appender()?;
        for _ in 0..self.warm_ups {
            append(self.record)?;
        }
        Ok(append)
    }

    /// Returns the number of acknowledged records, including those of the warm-up.
    pub(crate) fn acknowledged(&self, samples: &Samples) -> u64 {
        (samples.len() + self.callers * self.warm_ups) as u64
    }

    /// Returns the samples. Fails unless the peer's store holds exactly the acknowledged records.
    pub(crate) fn check(&self, samples: Samples, stored: u64) -> Result<Samples> {
        let acknowledged = self.acknowledged(&samples);
        if stored == acknowledged {
            return Ok(samples);
        }
        Err(format!("found {stored} records; expected the {acknowledged} acknowledged ones").into())
    }

    /// Returns the samples. Fails unless the file at `path` holds exactly the acknowledged records.
    pub(crate) fn check_file(&self, samples: Samples, path: &Path) -> Result<Samples> {
        let stored = path.metadata()?.len() / self.record.len() as u64;
        self.check(samples, stored)
    }
}

async fn run_task<F>(
    append: impl Fn() -> F,
    start_line: Arc<tokio::sync::Barrier>,
    (warm_ups, time): (usize, Duration),
) -> Result<Run>
where
    F: Future<Output = Result<()>>,
{
    let mut warm = Ok(());
    for _ in 0..warm_ups {
        warm = warm.and(append().await);
    }
    // A task whose warm-up fails still waits at the barrier, so that the other tasks start.
    start_line.wait().await;
    warm?;
    let mut latencies_ns = Vec::new();
    let start = Instant::now();
    loop {
        let before = Instant::now();
        append().await?;
        let end = Instant::now();
        latencies_ns.push(u64::try_from((end - before).as_nanos())?);
        if end - start >= time {
            return Ok(Run { start, end, latencies_ns });
        }
    }
}

fn samples(runs: Vec<Run>) -> Result<Samples> {
    let start = runs.iter().map(|run| run.start).min().ok_or("no caller ran")?;
    let end = runs.iter().map(|run| run.end).max().ok_or("no caller ran")?;
    let latencies_ns = runs.into_iter().flat_map(|run| run.latencies_ns).collect();
    Ok(Samples::new(latencies_ns, end - start))
}
