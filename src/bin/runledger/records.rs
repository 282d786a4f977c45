//! Reads the records of the ledger for a command.

use std::sync::{Mutex, PoisonError};

use runledger::baseline::Skipped;
use runledger::ledger::SpilledRecords;
use runledger::{Error, ErrorKind, ExecutionMetrics, InFlight, LedgerReader, Records, Scan, Uuid};

use crate::execution_id::{Candidate, IdPrefix};
use crate::failure::{self, Failure};
use crate::fallback;
use crate::global::Global;
use crate::period::Period;
use crate::term::output;
use crate::term::short_id::{beginning, digits};

/// If a file has no internal files next to it, this many of its lines are checked. At least one of these lines must be
/// a record.
const LINES_WITHOUT_RECORD_MAX: usize = 1000;

/// Returns a reader of the ledger. Internal files, which are in a directory next to the file, show that the file is a
/// ledger. If there are no internal files, fails if the first [`LINES_WITHOUT_RECORD_MAX`] lines are all malformed. An
/// empty file is accepted.
pub(crate) fn reader(global: &Global) -> Result<LedgerReader, Failure> {
    let reader = LedgerReader::open(&global.ledger)?;
    // A file with internal files is a ledger, even if all its lines are damaged.
    if global.ledger.with_extension("ledger").join("ledger.json").exists() {
        return Ok(reader);
    }
    let is_malformed =
        |line: &runledger::Result<_>| line.as_ref().is_err_and(|error: &Error| error.kind() == ErrorKind::Malformed);
    let mut lines = reader.records().take(LINES_WITHOUT_RECORD_MAX).peekable();
    if lines.peek().is_some() && lines.all(|line| is_malformed(&line)) {
        return Err(Failure::NotALedger(global.ledger.clone()));
    }
    Ok(reader)
}

/// Passes each record of the ledger to `take`, in order. Skips lines that are not records, and warns of them on stderr.
/// Returns the number of skipped lines.
pub(crate) fn each(global: &Global, take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>) -> Result<u64, Failure> {
    each_of(&mut reader(global)?.records(), global, take)
}

/// Like [`each`], but continues to read `records` instead of reading the whole ledger.
pub(crate) fn each_of(
    records: &mut Records,
    global: &Global,
    take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut skipped = Skipped::default();
    let read = records.each(&mut skipped, take);
    warn_of(&skipped, global);
    read.map(|()| skipped.count())
}

/// Warns of each file that cannot be read. If several readers report the same file, only the first report causes a
/// warning.
pub(crate) fn warn_of_unreadable(errors: &[Error], global: &Global) {
    static NAMED: Mutex<Vec<std::path::PathBuf>> = Mutex::new(Vec::new());
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    for error in errors {
        let path = error.file().unwrap_or(&global.ledger);
        if !named.iter().any(|other| other == path) {
            named.push(path.to_owned());
            name(error, global);
        }
    }
}

/// Returns the executions in flight, which are those that have started and have not ended. Warns of the files that
/// cannot be read.
pub(crate) fn in_flight(global: &Global) -> Result<Vec<InFlight>, Failure> {
    let found = reader(global)?.in_flight()?;
    warn_of_unreadable(&found.unreadable, global);
    Ok(found.executions)
}

/// Returns the spilled records, which could not be appended to the ledger so far. They are in the `.ledger` directory.
/// If `runledger run` cannot write to this directory, they are in a fallback directory. Warns of the files that cannot
/// be read.
pub(crate) fn spilled(global: &Global) -> Result<SpilledRecords, Failure> {
    let mut found = reader(global)?.spilled()?;
    let elsewhere = kept_elsewhere(global);
    found.records.extend(elsewhere.records);
    found.unreadable.extend(elsewhere.unreadable);
    warn_of_unreadable(&found.unreadable, global);
    Ok(found)
}

/// Returns the records of the ledger that `runledger run` stored in fallback directories. Also returns an error for
/// each file that cannot be read.
pub(crate) fn kept_elsewhere(global: &Global) -> SpilledRecords {
    let mut found = SpilledRecords::default();
    for fallback in fallback::all() {
        match fallback.records_of(&global.ledger) {
            Ok(kept) => {
                found.records.extend(kept.records.into_iter().map(|kept| kept.record));
                found.unreadable.extend(kept.unreadable);
            }
            Err(error) => found.unreadable.push(error),
        }
    }
    found
}

/// The maximum number of candidates that are listed for an ambiguous id.
const CANDIDATES_MAX: usize = 10;

/// Returns the record of the execution whose id begins with the digits of `id`. If the execution has several records,
/// returns the last one. Fails if there is no such execution, or more than one.
pub(crate) fn find(id: &IdPrefix, global: &Global) -> Result<ExecutionMetrics, Failure> {
    let IdPrefix { digits, given } = id;
    let mut found = reader(global)?.find_prefix(digits, CANDIDATES_MAX)?;
    warn_of(&found.skipped, global);
    match found.records.len() {
        _ if found.has_more => Err(ambiguous(given, &found.records, true)),
        0 | 1 => found.records.pop().ok_or_else(|| Failure::Absent(given.clone())),
        _ => Err(ambiguous(given, &found.records, false)),
    }
}

/// The maximum number of ids that are compared with all ids of the ledger.
const COMPARED_MAX: usize = 100;
/// The number of digits of an id that is not compared with all ids of the ledger. In an id of version 7, they have the
/// time in milliseconds and 26 random bits.
const DIGITS_UNCOMPARED: usize = 20;

/// Returns the first digits of each of `ids`: enough to distinguish the id from all other ids of the ledger, but at
/// least 8. If there are more than [`COMPARED_MAX`] ids, they are distinguished only from each other, and have at least
/// [`DIGITS_UNCOMPARED`] digits.
pub(crate) fn short_ids(ids: &[Uuid], global: &Global) -> Result<Vec<String>, Failure> {
    let mut sorted: Vec<_> = ids.iter().map(|id| id.as_u128()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let reader = reader(global)?;
    let is_alone = |id: Uuid, digits: usize| {
        let prefix: String = id.simple().to_string().chars().take(digits).collect();
        // If the ledger cannot be searched, the id is not shortened.
        reader.find_prefix(&prefix, 1).is_ok_and(|found| !found.has_more)
    };
    let short = |id: &Uuid| {
        let least = digits(*id, &sorted);
        let digits = if sorted.len() > COMPARED_MAX {
            least.max(DIGITS_UNCOMPARED)
        } else {
            // The first 12 digits of an id of version 7 are its time, which usually distinguishes it. So each number of
            // digits up to 12 is tried, and then only multiples of 4.
            let longer = (least + 1..32).filter(|digits| *digits <= 12 || digits.is_multiple_of(4));
            std::iter::once(least).chain(longer).find(|digits| is_alone(*id, *digits)).unwrap_or(32)
        };
        beginning(*id, digits)
    };
    Ok(ids.iter().map(short).collect())
}

/// Returns the id of the execution in flight whose id begins with the digits of `id`. A complete id is returned as it
/// is, even if the execution is not in flight.
pub(crate) fn begun(id: &IdPrefix, global: &Global) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(&id.digits) {
        return Ok(id);
    }
    let mut found: Vec<_> = in_flight(global)?.into_iter().map(|begun| begun.record).collect();
    found.retain(|record| record.execution_id.simple().to_string().starts_with(&id.digits));
    match found.as_slice() {
        [] => Err(Failure::NotInFlight(id.given.clone())),
        [record] => Ok(record.execution_id),
        _ => {
            let has_more = found.len() > CANDIDATES_MAX;
            found.truncate(CANDIDATES_MAX);
            Err(ambiguous(&id.given, &found, has_more))
        }
    }
}

fn ambiguous(prefix: &str, found: &[ExecutionMetrics], has_more: bool) -> Failure {
    let several = if has_more { format!("more than {CANDIDATES_MAX}") } else { "several".to_owned() };
    Failure::Ambiguous { several, prefix: prefix.to_owned(), candidates: found.iter().map(Candidate::of).collect() }
}

/// Warns if the ledger was truncated. The lines of the ledger are not read, so some truncations are not detected.
pub(crate) fn warn_of_truncation(global: &Global) {
    // If the ledger cannot be opened, the command itself reports this.
    let Ok(reader) = LedgerReader::open(&global.ledger) else { return };
    let truncations = reader.truncations().unwrap_or_else(|error| {
        warn_of_unreadable(&[error], global);
        Vec::new()
    });
    let Some(first) = truncations.first() else { return };
    let mut text = format!("{}: {}: {}", first.kind, first.found, first.path.display());
    if truncations.len() > 1 {
        text.push_str(&format!("; and {} more, which `runledger verify` lists", truncations.len() - 1));
    }
    output::warning(&text, "truncated", global.style());
}

/// Warns that the output does not include the spilled records, which could not be appended to the ledger so far.
pub(crate) fn warn_of_spill(global: &Global) -> Result<(), Failure> {
    let spilled = spilled(global)?;
    let text = match spilled.records.len() {
        0 => None,
        1 => Some("1 spilled record is not in the ledger yet, so this output does not include it".to_owned()),
        count => {
            Some(format!("{count} spilled records are not in the ledger yet, so this output does not include them"))
        }
    };
    text.iter().for_each(|text| output::warning(text, "spilled", global.style()));
    if spilled.damaged {
        output::warning(SpilledRecords::DAMAGED, "spilled", global.style());
    }
    Ok(())
}

/// Returns a scan of the executions that started in the period. If clocks change around one end of the period, the scan
/// also includes executions up to 4 hours outside the period. So callers must still check each record with
/// [`Period::has`].
pub(crate) fn scan(period: &Period, global: &Global) -> Result<Scan, Failure> {
    let (since, until) = period.limits();
    Ok(reader(global)?.scan().between(since, until))
}

/// Combines the records of a scan, on all cores. `init` creates an empty partial result, `take` adds a record to a
/// partial result, and `merge` combines two partial results. Skips lines that are not records, and warns of them on
/// stderr. Returns the result and the number of skipped lines.
pub(crate) fn fold<A: Send>(
    scan: &Scan,
    global: &Global,
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &ExecutionMetrics) -> runledger::Result<()> + Sync,
    merge: impl Fn(&mut A, A) -> runledger::Result<()> + Sync,
) -> Result<(A, u64), Failure> {
    let scanned = scan.fold_records(
        || Ok(init()),
        |all, record| and_then(all, |all| take(all, record)),
        |all, later| and_then(all, |all| merge(all, later?)),
    )?;
    warn_of(&scanned.skipped, global);
    Ok((scanned.value?, scanned.skipped.count()))
}

/// Calls `go_on` with the value in `result`. If `go_on` fails, its error replaces the value. Does nothing if `result`
/// is already an error.
fn and_then<A>(result: &mut runledger::Result<A>, go_on: impl FnOnce(&mut A) -> runledger::Result<()>) {
    if let Ok(value) = result
        && let Err(error) = go_on(value)
    {
        *result = Err(error);
    }
}

/// Warns of the skipped lines. `skipped` has the errors of the first of these lines, and only the number of the others.
/// Also warns of each file that cannot be read.
pub(crate) fn warn_of(skipped: &Skipped, global: &Global) {
    skipped.errors().iter().for_each(|error| name(error, global));
    warn_of_unreadable(skipped.unreadable(), global);
    count(skipped.count(), global);
}

/// Warns of a line that is not a record, or of a file that cannot be read.
pub(crate) fn name(error: &Error, global: &Global) {
    output::warning(&failure::text(error), failure::kind(error), global.style());
}

/// Warns of the number of lines that are not records, if there are any.
pub(crate) fn count(malformed: u64, global: &Global) {
    if malformed > 0 {
        output::warning(&format!("skipped lines that are not records: {malformed}"), "malformed", global.style());
    }
}

/// Returns the run of a record. Returns `None` for the statement of a redaction, because its run is not a run of the
/// user.
pub(crate) fn run_of(record: ExecutionMetrics) -> Option<String> {
    if record.is_statement() { None } else { record.run.run_id }
}
