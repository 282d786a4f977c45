//! `runledger baseline freeze`

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use runledger::baseline::Skipped;
use runledger::journal::Options;
use runledger::{BaselineJournal, ErrorKind, Records, Timestamp};

use crate::args::{BaselineFreeze, Global};
use crate::baseline;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::records;

pub(crate) fn run(args: &BaselineFreeze, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let now = || Timestamp::from_unix_ms(clock::unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
    let moment = args.week.map_or_else(now, |week| week.0);
    // Where there is no ledger, no journal is made.
    let records = Records::open(&global.ledger)?;
    let mut malformed = 0;
    let records = records.inspect(|record| {
        if let Err(error) = record
            && error.kind() == ErrorKind::Malformed
        {
            malformed += 1;
            if malformed <= Skipped::ERRORS_MAX as u64 {
                records::name(error, global);
            }
        }
    });
    let journal = BaselineJournal::open(path(global)?, Options::new(Arc::new(clock::unix_ms)))?;
    let frozen = journal.freeze(moment, records)?;
    records::count(malformed, global);
    match global.json {
        true => writeln!(out, "{}", frozen.to_json()?)?,
        false => {
            baseline::table("skill", &frozen.baselines, out)?;
            let (records, week) = (frozen.computed_from.records, frozen.week_start);
            writeln!(out, "frozen for the week from {week}: {records} executions before it")?;
        }
    }
    Ok(ExitCode::Yes)
}

/// Where baselines are frozen: beside the ledger.
pub(crate) fn path(global: &Global) -> Result<PathBuf, Failure> {
    let path = global.ledger.with_file_name("baselines.jsonl");
    match path == global.ledger {
        true => Err(Failure::IsLedger(path)),
        false => Ok(path),
    }
}
