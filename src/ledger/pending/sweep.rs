//! The sweep records the unfinished executions of dead processes as interrupted. It also appends the records that these
//! processes spilled because they could not append them.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::slots::{self, Death, Left, unless_denied};
use super::spill;
use super::stored::Pending;
use crate::disk::lock::LockFile;
use crate::disk::unless_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::write::{Key, KnownKeys, events};
use crate::journal::{Journal, JournalOptions};
use crate::ledger::bare::bare;
use crate::ledger::compare::Comparison;
use crate::ledger::event::LedgerEvent;
use crate::ledger::json::redacted;
use crate::ledger::known::KnownIds;
use crate::ledger::places::Places;
use crate::metrics::{ExecutionMetrics, Status};
use crate::redaction::Redactor;

/// Sweeps the files of dead processes, which hold begin marks and spilled records. Any number of processes may call
/// this function at the same time, and any of them may die during the sweep. `own` is the name of this process's own
/// files, which are not swept. [`append_missing`] says which records are appended.
///
/// Waits at most `deadline` for another process that sweeps. Warns about files that this process has no permission to
/// read, and sweeps the other files.
pub(in crate::ledger) fn sweep(
    journal: &Journal,
    known: &Arc<KnownIds>,
    options: &JournalOptions,
    redactor: &Redactor,
    own: Uuid,
    deadline: Duration,
) -> Result<()> {
    let layout = journal.layout();
    let storage = &options.storage;
    if slots::is_alone(&**storage, layout, own)? {
        return Ok(());
    }
    let mut lock = LockFile::open(storage.clone(), layout.sweep_lock())?;
    let _locked = match lock.acquire(deadline) {
        // Another process is sweeping. If that process does not sweep all files, the next process that opens the ledger
        // sweeps the remaining files.
        Err(error) if error.kind() == ErrorKind::Timeout => return Ok(()),
        locked => locked?,
    };
    let mut denied = Vec::new();
    let left = slots::left_behind(&**storage, layout, Some(own), &mut denied)?;
    let mut swept = 0;
    for left in left {
        let spilled = spill::read(&**storage, layout, &left.stem);
        let Some(spilled) = unless_denied(spilled, &mut denied)? else { continue };
        let mut pending = spilled.records;
        pending.extend(interrupted(&left));
        swept += append_missing(journal, known, redactor, pending)?;
        spill::remove(&**storage, layout, &left.stem, spilled.rest)?;
        unless_missing(storage.remove(&left.path))
            .map_err(|source| Error::io("remove a dead process's file", &left.path, source))?;
    }
    denied.iter().for_each(|error| (options.warn)(error));
    if swept > 0 {
        events::record(&**storage, layout, (options.clock)(), &LedgerEvent::Swept { records: swept })?;
    }
    Ok(())
}

/// Returns a record with the status interrupted for each unfinished execution of the dead process that left the file.
fn interrupted(left: &Left) -> impl Iterator<Item = Pending> {
    let reason = match left.death {
        Some((pid, Death::Ended)) => format!("process {pid} ended before the execution did"),
        Some((pid, Death::Closed)) => format!("process {pid} closed the ledger before the execution ended"),
        Some((pid, Death::Restart)) => format!("the machine was restarted while process {pid} ran the execution"),
        None => String::new(),
    };
    left.marks.iter().cloned().map(move |mut mark| {
        mark.record.set_status(Status::Interrupted);
        mark.record.set_error_reason(reason.clone());
        if let Err(reasons) = mark.record.validate() {
            mark.record = bare(&mark.record, &reasons);
        }
        mark
    })
}

/// Appends the records in `pending` that the ledger does not have yet. Returns the number of appended records.
///
/// The ledger may have a record that says less about the end of the execution, such as a record with the status
/// interrupted. The pending record then replaces that record. If the two records conflict, this function warns and
/// appends the pending record nevertheless. The program that made the pending record already has the answer that the
/// record is stored, so the record must not be refused now.
pub(in crate::ledger) fn append_missing(
    journal: &Journal,
    known: &Arc<KnownIds>,
    redactor: &Redactor,
    pending: Vec<Pending>,
) -> Result<u64> {
    if pending.is_empty() {
        return Ok(0);
    }
    journal.recover()?;
    known.prepare()?;
    let mut appended = Ok(0);
    for Pending { record, .. } in pending {
        // If a record cannot be appended, append the others.
        match append(journal, known, redactor, &record) {
            Ok(is_new) => appended = appended.map(|count| count + u64::from(is_new)),
            Err(error) => appended = appended.and(Err(error)),
        }
    }
    appended
}

/// Appends a record without its secrets, which an earlier version may have stored. Returns false if the ledger already
/// has the record.
fn append(journal: &Journal, known: &Arc<KnownIds>, redactor: &Redactor, record: &ExecutionMetrics) -> Result<bool> {
    let json = redacted(record, redactor).to_json()?;
    let keys: Arc<dyn KnownKeys> = Arc::clone(known) as _;
    let mut key = Key { id: record.execution_id.as_u128(), replaces: None };
    loop {
        let Some(Err(why)) = journal.append_new(&[(json.as_bytes(), Some(key))], &keys)?.pop() else { return Ok(true) };
        key.replaces = match known.judge(why, json.as_bytes())? {
            Comparison::Same { .. } => return Ok(false),
            Comparison::Again { replaces } => replaces,
            Comparison::Conflict(difference) => {
                let place = difference.place;
                let done =
                    "The new record was appended too, because an earlier call already answered that it is stored";
                known.warn(&difference.error("store only one record of an execution", journal.layout(), done));
                Some(place)
            }
        };
    }
}
