//! `runledger progress`

use std::io::Write;

use runledger::{Uuid, metrics};
use serde::Serialize;

use crate::answer::{self, seconds};
use crate::args::{Global, Progress};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::ledger;

#[derive(Serialize)]
struct Marked<'a> {
    success: bool,
    execution_id: Uuid,
    agent_name: Option<String>,
    stage: &'a str,
    progress: Option<Mark>,
}

#[derive(Serialize)]
struct Mark {
    stage: String,
    percent: Option<Percent>,
    updated_at: String,
}

/// A whole number is written without decimals, as it was given.
#[derive(Serialize)]
#[serde(untagged)]
enum Percent {
    Whole(u64),
    Part(f64),
}

pub(crate) fn run(args: &Progress, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(progress(args, global), Some(args.execution_id), global, out)
}

fn progress<'a>(args: &'a Progress, global: &Global) -> Result<Marked<'a>, Failure> {
    let ledger = ledger::open(global)?;
    let metadata = args.metadata.clone().unwrap_or_default();
    let record =
        ledger.progress(args.execution_id, &args.stage, args.percent, |record| record.tags.extend(metadata))?;
    Ok(Marked {
        success: true,
        execution_id: record.execution_id,
        agent_name: record.run.agent_name,
        stage: &args.stage,
        progress: record.progress.map(mark),
    })
}

fn mark(progress: metrics::Progress) -> Mark {
    let percent = progress.percent.map(|percent| match percent.fract() == 0.0 {
        true => Percent::Whole(percent as u64),
        false => Percent::Part(percent),
    });
    Mark { stage: progress.stage, percent, updated_at: seconds(progress.updated_at) }
}
