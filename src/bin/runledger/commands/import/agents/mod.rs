//! `runledger import` of the sessions of coding agents.

mod agent;
mod append;
mod copies;
mod find;
mod reading;
mod recognize;
mod report;
mod transcripts;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use runledger::import::{Import, KnownCalls};
use runledger::{Error, LedgerReader};

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::observed;
use crate::price_table::OwnPrices;
pub(super) use agent::Agent;
use append::Appender;
pub(super) use find::Found;
pub(super) use recognize::agent_of;
use report::Report;
use transcripts::Transcripts;

/// How often `--watch` looks for new lines.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The files and options that the arguments ask for.
pub(super) struct Wanted<'a> {
    pub(super) found: Found,
    pub(super) prices: &'a OwnPrices,
    pub(super) keeps_content: bool,
    pub(super) dry_run: bool,
    pub(super) watches: bool,
}

pub(super) fn run(wanted: Wanted<'_>, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let Wanted { mut found, prices, keeps_content, dry_run, watches } = wanted;
    let table = prices.table()?;
    let ledger = if dry_run { None } else { Some(ledger::open(global)?) };
    let known = known_calls(&global.ledger)?;
    let mut import = Import::new(known, clock::now()).keep_content(keeps_content);
    let mut transcripts = Transcripts::new(watches);
    let mut appender = Appender::new(ledger.as_ref(), &table, global);
    copies::foresee_larger(&found, &mut import);
    loop {
        found.warn(global.style());
        let is_whole = appender.append_all(|queue| transcripts.read_all(&found, &mut import, queue, global));
        let observed = import.take_observed();
        if !dry_run && !observed.is_empty() {
            observed::record_dated(&observed, global);
        }
        let report = Report { found: &found, transcripts: &transcripts, counts: import.counts(), appender: &appender };
        if !watches || report.is_news() {
            report.write(dry_run, global, out)?;
            out.flush()?;
        }
        if !is_whole {
            return Ok(ExitCode::CouldNot);
        }
        if !watches {
            let has_failed = found.has_failed() || transcripts.has_failed() || appender.has_refused();
            return Ok(if has_failed { ExitCode::No } else { ExitCode::Yes });
        }
        thread::sleep(WATCH_EVERY);
        found = found.again();
        import.begin_pass(clock::now());
        transcripts.begin_pass();
        appender.begin_pass();
    }
}

/// Returns the calls of models that the ledger already has. The ledger need not exist.
fn known_calls(ledger: &Path) -> Result<KnownCalls, Failure> {
    let is_absent = |error: &Error| error.io_kind() == Some(std::io::ErrorKind::NotFound);
    let reader = match LedgerReader::open(ledger) {
        Err(error) if is_absent(&error) => return Ok(KnownCalls::default()),
        reader => reader?,
    };
    Ok(reader.scan().fold_records(KnownCalls::default, KnownCalls::learn, KnownCalls::merge)?.value)
}

/// Returns the files of agents that the arguments name. Returns `None` if the arguments name files of records.
pub(super) fn find(paths: &[PathBuf]) -> Option<Found> {
    match paths.split_first() {
        None => Some(Found::of_machine()),
        Some((word, paths)) => {
            let agent = Agent::named(word.to_str()?)?;
            Some(if paths.is_empty() { Found::of_agent(agent) } else { Found::of_paths(agent, paths) })
        }
    }
}
