//! A small orchestrator that keeps a ledger. Read this file first, then `skills.rs`, `replay.rs` and `report.rs`.
//!
//! ```sh
//! cargo run --release --example orchestrator
//! ```
//!
//! The orchestrator runs a DAG (a graph of dependencies) of skills. Some of the skills fail, one panics, and one starts
//! a worker process that is killed. The orchestrator also replays 300 real LLM calls with prices and a quota. Then it
//! prints a report from the ledger. All files are in `logs/` under the current directory.

mod replay;
mod report;
mod skills;

use std::error::Error;
use std::io;

use runledger::metrics::{Environment, RunIds};
use runledger::quota::Limits;
use runledger::{Ledger, Options, Skill, Uuid};

const LEDGER: &str = "logs/execution_metrics.jsonl";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [task, run_id, parent] = &arguments[..]
        && task == "worker"
    {
        return work(run_id, parent);
    }

    // 1. Open the ledger once, and clone it where it is needed.
    let run_id = Uuid::now_v7().to_string();
    let ledger = open(&run_id)?;
    let quota = ledger.quota(Limits::bundled())?; // in `logs/quota.jsonl`
    let mut overhead = report::Overhead::new()?;

    // 2. Run the skills. The ledger records how each one ends, and returns its result unchanged.
    let done = ledger.run(Skill::new("orchestrator", "1.0.0"), |root| {
        root.enter("dag");
        skills::run(root, skills::DAG)?;
        root.enter("replay");
        replay::run(root, &quota, &mut overhead)
    });
    // A record that is not durable is never an error of the skill. It only causes a warning, and the work continues.
    done.result?;

    // 3. The killed worker could not record how its execution ended. Opening the ledger again records the execution as
    // interrupted.
    let ledger = Ledger::open(LEDGER)?;

    // 4. Print the report.
    report::print(&ledger, &quota, &run_id)?;
    Ok(overhead.print()?)
}

/// Opens the ledger with the values that all records of the run share.
fn open(run_id: &str) -> runledger::Result<Ledger> {
    Options::new()
        .orchestrator_version(env!("CARGO_PKG_VERSION"))
        .operator("example")
        .environment(Environment::Local)
        .run(RunIds::new(run_id))
        .open(LEDGER)
}

/// Runs as the worker that `skills::supervise_worker` starts: another process with the same ledger.
fn work(run_id: &str, parent: &str) -> Result<(), Box<dyn Error>> {
    let ledger = open(run_id)?;
    let ids = RunIds::default().parent_execution(parent.parse()?);
    let _run = ledger.begin(Skill::new("render", "1.0.0").run(ids));
    println!("begun");
    // Blocks until this process is killed, or until its parent ends.
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
