//! A small orchestrator that keeps a ledger. Read this file first, then `skills.rs`, `replay.rs` and `report.rs`.
//!
//! ```sh
//! cargo run --release --example orchestrator
//! ```
//!
//! It runs a DAG of skills, of which one fails, one panics and one is killed, and replays 300 real LLM calls through
//! prices and a quota. Then it asks the ledger what happened. Its files are in `logs/` under the current directory.

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

    // 1. Open once; clone it to wherever it is needed.
    let run_id = Uuid::now_v7().to_string();
    let ledger = open(&run_id)?;
    let quota = ledger.quota(Limits::bundled())?; // beside it, in `logs/quota.jsonl`
    let mut overhead = report::Overhead::new()?;

    // 2. Run. Whatever happens inside is recorded, and the result comes back untouched.
    let done = ledger.run(Skill::new("orchestrator", "1.0.0"), |root| {
        root.enter("dag");
        skills::run(root, skills::DAG)?;
        root.enter("replay");
        replay::run(root, &quota, &mut overhead)
    });
    // A record that is not durable is never an error of the skill: it is said here, and the work goes on.
    done.record.warn();
    done.result?;

    // 3. The killed worker could not record its end. Whoever opens the ledger next does it, usually after a restart.
    let ledger = Ledger::open(LEDGER)?;

    // 4. Ask.
    report::print(&ledger, &quota, &run_id)?;
    Ok(overhead.print()?)
}

/// Opens the ledger with what every record of a run shall say.
fn open(run_id: &str) -> runledger::Result<Ledger> {
    Options::new()
        .orchestrator_version(env!("CARGO_PKG_VERSION"))
        .operator("example")
        .environment(Environment::Local)
        .run(RunIds::new(run_id))
        .open(LEDGER)
}

/// The worker that `skills::supervise_worker` starts: another process, the same ledger.
fn work(run_id: &str, parent: &str) -> Result<(), Box<dyn Error>> {
    let ledger = open(run_id)?;
    let ids = RunIds::default().parent_execution(parent.parse()?);
    let _run = ledger.begin(Skill::new("render", "1.0.0").run(ids));
    println!("begun");
    // Blocks until it is killed, or until its parent is gone.
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
