//! Measures runledger and other programs that store records, on the same disk, in the same run. All of them append the
//! same record, except the rows `begin + finish`, which record an execution.
//!
//! In each row of the table, one peer has a number of callers, which append in a closed loop, without a pause, for a
//! fixed time. Every call is timed, so the percentiles are those of all samples. Afterwards, the records on the disk are counted, if the
//! peer can count them. Their number must equal the number of acknowledged records.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- [--seconds 2] [--dir DIRECTORY]
//! ```

mod args;
mod cell;
mod machine;
mod peers;
mod samples;
mod table;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;

use args::Args;
use cell::Cell;
use machine::FileSystem;
use peers::{ASYNC_PEERS, Peer};
use samples::Samples;
use table::Row;

/// An error with a readable message.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// One successful execution with its 29 fields, and a line feed. The record is already serialised. So
/// only runledger, which serialises each record itself, has that cost.
const RECORD: &[u8] = include_bytes!("record.jsonl");

const THREADS: [usize; 4] = [1, 4, 16, 64];
const TASKS: usize = 1_000;
/// The number of appends of each thread, and of each task, before the clock starts.
const WARM_UPS: [usize; 2] = [20, 1];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Args { cell_time, dir } = args::parse()?;
    let file_system = FileSystem::of(&dir)?;
    if file_system.is_in_memory() {
        let place = dir.display();
        return Err(format!("{place}: found {file_system}; expected a disk. Name a directory with --dir").into());
    }
    println!("{}, {file_system}", machine::describe());
    println!("{} bytes for each record, {cell_time:?} for each cell", RECORD.len());

    let (peers, mut rows) = (peers::installed(), Vec::new());
    let mut measure_all = |peers: &[Peer], kind: &str, callers: usize, warm_ups: usize| {
        for peer in peers {
            eprintln!("{}, {kind}: {callers}", peer.name);
            let samples = measure(peer, (callers, warm_ups), cell_time, &dir)
                .map_err(|error| format!("{}, {kind}: {callers}: {error}", peer.name))?;
            rows.push(Row { peer: peer.name, durable: peer.durable, callers, samples });
        }
        Ok::<_, Error>(())
    };
    for threads in THREADS {
        measure_all(&peers, "threads", threads, WARM_UPS[0])?;
    }
    measure_all(&ASYNC_PEERS, "tasks", TASKS, WARM_UPS[1])?;
    print!("{}", table::render(&rows));
    Ok(())
}

/// Runs one cell in a directory of its own. Syncs at the end, so that the first sync of the next cell has no extra
/// work.
fn measure(peer: &Peer, (callers, warm_ups): (usize, usize), time: Duration, base: &Path) -> Result<Samples> {
    let dir = TempDir::with_prefix_in("peer-", base)?;
    let samples = (peer.run)(&Cell { dir: dir.path(), callers, warm_ups, time, record: RECORD })?;
    dir.close()?;
    File::open(base)?.sync_all()?;
    Ok(samples)
}
