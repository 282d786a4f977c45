//! Measures the async calls on a tokio runtime: `cargo bench --bench async [-- --seconds 2 --dir DIRECTORY]`.
//!
//! - Many tasks begin and finish executions, or append records, each in a loop. Two other measurements are for
//!   comparison: 64 threads make the synchronous calls, and tasks call `append` with `spawn_blocking`, as a program
//!   without the async calls would.
//! - A single task makes async and synchronous calls in turn, so that a change of the disk's speed affects both.
//! - The delay of a timer of 1 ms is measured while 1,000 tasks run, with and without a ledger.
//! - 100,000 tasks wait for their records at the same time, and the memory of the process is measured.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Ring, Samples, arguments, header, machine, timed};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Skill, Timestamp, Usage, new_id};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

fn main() {
    let arguments = arguments();
    let directory = arguments.directory.join("async");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    println!("seconds for each figure: {}\n\n{}", arguments.seconds.as_secs_f64(), header());
    let bench = Bench { directory, seconds: arguments.seconds, runtime: runtime() };
    bench.floors();
    bench.begin_and_finish();
    bench.append();
    bench.alone();
    println!("\ndelay of a timer of 1 ms, µs{:>17}{:>10}{:>10}{:>10}", "p50", "p95", "p99", "p99.9");
    bench.timer();
    bench.memory(arguments.records.unwrap_or(100_000) as usize);
    fs::remove_dir_all(&bench.directory).unwrap();
}

fn runtime() -> Runtime {
    let cores = std::thread::available_parallelism().unwrap().get();
    Builder::new_multi_thread().worker_threads(cores).enable_time().build().unwrap()
}

struct Bench {
    directory: PathBuf,
    seconds: Duration,
    runtime: Runtime,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn ledger(&self, name: &str) -> Ledger {
        Ledger::open(self.path(&format!("{name}.jsonl"))).unwrap()
    }

    /// Measures overwriting and syncing with about the bytes of one record, and with those of two sizes of batches.
    fn floors(&self) {
        for bytes in [1024, 64 * 1024, 256 * 1024] {
            let (mut ring, bytes) = (Ring::new(&self.path("ring")), vec![b'x'; bytes]);
            let (mut samples, begin) = (Samples::default(), Instant::now());
            while begin.elapsed() < self.seconds / 4 {
                timed(&mut samples, || ring.overwrite(&bytes));
            }
            samples.took = begin.elapsed();
            samples.print(&format!("overwrite + fdatasync, {} KiB", bytes.len() / 1024));
        }
    }

    fn begin_and_finish(&self) {
        let ledger = self.ledger("threads");
        self.threads(|samples| timed(samples, || run(&ledger))).print("begin + finish, 64 threads");
        for tasks in [64, 1_000, 10_000] {
            let ledger = self.ledger(&format!("tasks-{tasks}"));
            let call = move || {
                let ledger = ledger.clone();
                async move {
                    let one = Instant::now();
                    run_async(&ledger).await;
                    one.elapsed()
                }
            };
            self.tasks(tasks, call).print(&format!("begin + finish, {tasks} tasks"));
        }
    }

    fn append(&self) {
        let ledger = self.ledger("append-threads");
        let append = |samples: &mut Samples| {
            let record = record();
            timed(samples, || assert!(matches!(ledger.append(&record), Ok(Answer::Durable { .. }))));
        };
        self.threads(append).print("append, 64 threads");
        for tasks in [64, 1_000, 10_000] {
            let ledger = self.ledger(&format!("append-{tasks}"));
            let call = move || {
                let ledger = ledger.clone();
                async move {
                    let (record, one) = (record(), Instant::now());
                    assert!(matches!(ledger.append_async(&record).await, Ok(Answer::Durable { .. })));
                    one.elapsed()
                }
            };
            self.tasks(tasks, call).print(&format!("append, {tasks} tasks"));
        }
        let ledger = self.ledger("append-blocking");
        let call = move || {
            let ledger = ledger.clone();
            async move {
                let (record, one) = (record(), Instant::now());
                let answer = tokio::task::spawn_blocking(move || ledger.append(&record)).await.unwrap();
                assert!(matches!(answer, Ok(Answer::Durable { .. })));
                one.elapsed()
            }
        };
        self.tasks(1_000, call).print("spawn_blocking + append, 1000 tasks");
    }

    /// Measures the floor, the synchronous calls and the async calls of one task in turn.
    fn alone(&self) {
        let (ledger, mut ring) = (self.ledger("alone"), Ring::new(&self.path("ring")));
        let mut samples: [Samples; 5] = Default::default();
        let line = vec![b'x'; 1024];
        self.runtime.block_on(async {
            let begin = Instant::now();
            while begin.elapsed() < self.seconds * 2 {
                let [floor, run_sync, run_task, append_sync, append_task] = &mut samples;
                for _ in 0..8 {
                    timed(floor, || ring.overwrite(&line));
                }
                for _ in 0..8 {
                    timed(run_sync, || run(&ledger));
                }
                for _ in 0..8 {
                    let one = Instant::now();
                    run_async(&ledger).await;
                    run_task.push(one.elapsed());
                }
                for _ in 0..8 {
                    let record = record();
                    timed(append_sync, || assert!(ledger.append(&record).is_ok()));
                }
                for _ in 0..8 {
                    let (record, one) = (record(), Instant::now());
                    assert!(ledger.append_async(&record).await.is_ok());
                    append_task.push(one.elapsed());
                }
            }
        });
        let names = ["overwrite + fdatasync", "begin + finish", "begin + finish async", "append", "append async"];
        for (samples, name) in samples.iter_mut().zip(names) {
            samples.took = samples.total();
            samples.print(&format!("alone: {name}"));
        }
        let [floor, run_sync, run_task, append_sync, append_task] = samples.map(|samples| samples.percentile(0.5));
        println!(
            "\np50, one task: {:.2} × the synchronous begin + finish, {:.2} × the synchronous append, \
             whose p50 is {:.2} × the floor",
            run_task / run_sync,
            append_task / append_sync,
            append_sync / floor
        );
    }

    fn timer(&self) {
        for with_ledger in [false, true] {
            let ledger = self.ledger(&format!("timer-{with_ledger}"));
            let until = Instant::now() + self.seconds;
            for _ in 0..1_000 {
                let ledger = ledger.clone();
                self.runtime.spawn(async move {
                    while Instant::now() < until {
                        if with_ledger {
                            run_async(&ledger).await;
                        } else {
                            std::hint::black_box(record().to_json().unwrap());
                            sleep(Duration::from_millis(5)).await;
                        }
                    }
                });
            }
            let timer = self.runtime.spawn(async move {
                let mut samples = Samples::default();
                while Instant::now() < until {
                    let one = Instant::now();
                    sleep(Duration::from_millis(1)).await;
                    samples.push(one.elapsed().saturating_sub(Duration::from_millis(1)));
                }
                samples
            });
            let samples = self.runtime.block_on(timer).unwrap();
            let [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map(|share| samples.percentile(share));
            let name = if with_ledger { "beside 1000 tasks that record" } else { "beside 1000 tasks that sleep" };
            println!("{name:<36}{p50:>10.0}{p95:>10.0}{p99:>10.0}{p999:>10.0}");
        }
    }

    fn memory(&self, tasks: usize) {
        let ledger = self.ledger("memory");
        let before = resident();
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                let ledger = ledger.clone();
                self.runtime.spawn(async move { ledger.append_async(&record()).await.unwrap() })
            })
            .collect();
        let mut peak = resident();
        while !handles.iter().all(tokio::task::JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(1));
            peak = peak.max(resident());
        }
        println!("\nmemory while {tasks} tasks each append a record: {} MiB more at most", (peak - before) / 1024);
    }

    fn threads(&self, call: impl Fn(&mut Samples) + Sync) -> Samples {
        let (mut all, begin) = (Samples::default(), Instant::now());
        std::thread::scope(|scope| {
            let work = || {
                let mut samples = Samples::default();
                while begin.elapsed() < self.seconds {
                    call(&mut samples);
                }
                samples
            };
            let workers: Vec<_> = (0..64).map(|_| scope.spawn(work)).collect();
            workers.into_iter().for_each(|worker| all.extend(worker.join().unwrap()));
        });
        all.took = begin.elapsed();
        all
    }

    /// Runs `tasks` tasks that make calls in a loop. `call` returns how long it took.
    fn tasks<F>(&self, tasks: usize, call: impl Fn() -> F + Send + Sync + 'static) -> Samples
    where
        F: Future<Output = Duration> + Send,
    {
        let (mut all, begin, seconds, call) = (Samples::default(), Instant::now(), self.seconds, Arc::new(call));
        self.runtime.block_on(async {
            let workers: Vec<_> = (0..tasks)
                .map(|_| {
                    let call = Arc::clone(&call);
                    tokio::spawn(async move {
                        let mut samples = Samples::default();
                        while begin.elapsed() < seconds {
                            samples.push(call().await);
                        }
                        samples
                    })
                })
                .collect();
            for worker in workers {
                all.extend(worker.await.unwrap());
            }
        });
        all.took = begin.elapsed();
        all
    }
}

fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

fn run(ledger: &Ledger) {
    let mut execution = ledger.begin(skill());
    execution.record_usage("gpt-4", Usage::new(1_000, 500));
    assert!(execution.succeed().is_durable());
}

async fn run_async(ledger: &Ledger) {
    let mut execution = ledger.begin_async(skill()).await;
    execution.record_usage("gpt-4", Usage::new(1_000, 500));
    assert!(execution.succeed_async().await.is_durable());
}

fn record() -> ExecutionMetrics {
    let start = Timestamp::now();
    let mut record = ExecutionMetrics::new(new_id(start.unix_ms()), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(3200));
    record.total_latency_ms = Some(3200);
    record.wall_clock_time_ms = Some(3200);
    record.set_status(Status::Success);
    record.set_usage("gpt-4", &Usage::new(1_000, 500));
    record
}

/// Returns the memory of this process in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
