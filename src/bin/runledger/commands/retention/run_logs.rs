//! Collects what a retention policy has to know about each run log in a directory. The sources are the logs, the
//! records of their runs, and the error registry.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;

use runledger::LedgerReader;
use runledger::journal::on_stderr;
use runledger::ledger::SealedSegment;
use runledger::runlog::ErrorRegistry;
use runledger::runlog::retention::{LogFacts, LogFile, LogHeader, RunMarks};

use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The files in the directory, and the names of the run logs that have an open error.
#[derive(Debug, Default)]
pub(crate) struct RunLogs {
    pub(crate) files: Vec<LogFile>,
    pub(crate) open: BTreeSet<String>,
}

/// The header of a run log, or the reason why a file is not a run log.
type Header = Result<LogHeader, String>;

/// Reads the run logs in `directory`, and the records of their runs in the ledger and in its archive. `segments` are
/// the sealed segments of the ledger.
pub(crate) fn read(
    directory: &Path,
    segments: &[SealedSegment],
    archive: &Path,
    global: &Global,
) -> Result<RunLogs, Failure> {
    let headers = headers(directory)?;
    let runs = headers.iter().filter_map(|(_, header)| header.as_ref().ok()?.run.clone());
    let mut marks = RunMarks::of(runs);
    let is_log = headers.iter().any(|(_, header)| header.is_ok());
    let complete = is_log && add_records(&mut marks, segments, archive, global)?;
    let linked = linked(directory)?;
    let ended = ended(&headers);
    let mut logs = RunLogs::default();
    for (name, header) in headers {
        if let Ok(header) = &header {
            let unresolved = || header.run.as_ref().is_some_and(|run| marks.has_unresolved_error(run));
            if linked.get(&name).copied().unwrap_or_else(|| unresolved() || header.pending) {
                logs.open.insert(name.clone());
            }
        }
        let facts = header.map(|header| {
            let succeeded = header.succeeded.or_else(|| ended.get(header.run.as_ref()?).copied());
            let improvement = header.run.and_then(|run| marks.improvement(&run)).filter(|&yes| yes || complete);
            LogFacts::new(header.started, succeeded, improvement)
        });
        logs.files.push(LogFile::new(name, facts));
    }
    Ok(logs)
}

/// Returns the runs that have ended according to their logs, and whether each of them succeeded. A run failed if any of
/// its logs says so. A log that says that its run is in progress is ignored.
fn ended(headers: &[(String, Header)]) -> HashMap<String, bool> {
    let mut ended = HashMap::new();
    for header in headers.iter().filter_map(|(_, header)| header.as_ref().ok()) {
        if let (Some(run), Some(succeeded)) = (&header.run, header.succeeded) {
            *ended.entry(run.clone()).or_insert(true) &= succeeded;
        }
    }
    ended
}

/// Returns the names of the logs that the registry links to errors, each with true if one of these errors is open. It
/// is possible that the registry does not list the errors of a log. The caller checks such a log and the records of its
/// run.
fn linked(directory: &Path) -> Result<BTreeMap<String, bool>, Failure> {
    let registered = match ErrorRegistry::read(directory, &on_stderr()) {
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Vec::new(),
        registered => registered?,
    };
    let mut linked = BTreeMap::new();
    for error in registered {
        for name in error.run_logs {
            *linked.entry(name).or_default() |= error.status.is_open();
        }
    }
    Ok(linked)
}

/// Adds the records of the ledger and of its archive to `marks`. Returns true if all records were read: every segment
/// exists, and every line is a record. Otherwise, a line that was not read may record an improvement.
fn add_records(
    marks: &mut RunMarks,
    segments: &[SealedSegment],
    archive: &Path,
    global: &Global,
) -> Result<bool, Failure> {
    let mut add = |global: &Global| {
        records::each(global, |record| {
            marks.add(&record);
            Ok(())
        })
    };
    let archive = Global { ledger: archive.join(global.ledger.file_name().unwrap_or_default()), ..global.clone() };
    let mut malformed = add(global)?;
    let archived = match LedgerReader::open(&archive.ledger).and_then(|archive| archive.segments()) {
        Ok(archived) => {
            malformed += add(&archive)?;
            archived
        }
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let first = segments.first().map_or(1, |segment| segment.number);
    let has = |number| archived.iter().any(|segment| segment.number == number);
    Ok(malformed == 0 && (1..first).all(has))
}

/// Returns the name of each file in the directory, except the files of the registry. With each name, returns the header
/// of the run log, or the reason why the file is not a run log.
fn headers(directory: &Path) -> Result<Vec<(String, Header)>, Failure> {
    let failed = |source| Failure::File { operation: "list the run logs", path: directory.to_owned(), source };
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let header = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let header = match name.to_str() {
            Some(name) => header(name, &entry),
            None => Err("its name is not UTF-8".to_owned()),
        };
        Ok((name.to_string_lossy().into_owned(), header))
    };
    entries.map(header).filter(|found| !matches!(found, Ok((name, _)) if ErrorRegistry::owns(name))).collect()
}

fn header(name: &str, entry: &std::fs::DirEntry) -> Header {
    // A link is not followed, because its target may be outside the directory.
    if !entry.file_type().is_ok_and(|file_type| file_type.is_file()) {
        return Err("it is not a regular file".to_owned());
    }
    let text = std::fs::read_to_string(entry.path()).map_err(|error| format!("it cannot be read: {error}"))?;
    LogHeader::read(name, &text).map_err(|error| error.details().join("; "))
}
