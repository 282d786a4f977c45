//! Reading a ledger's records for a command.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use runledger::baseline::Skipped;
use runledger::ledger::{Loss, Spilled, losses as losses_of, readable_in_flight, truncations};
use runledger::{Error, ErrorKind, ExecutionMetrics, InFlight, Records, Scan};

use crate::args::{Global, Selection};
use crate::failure::{self, Failure};
use crate::fallback;
use crate::output;

/// Gives each record of the ledger to `take`, in order. A line that is no record is passed over, and stderr names it;
/// returns how many there are.
pub(crate) fn each(global: &Global, take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>) -> Result<u64, Failure> {
    each_of(&mut Records::open(&global.ledger)?, global, take)
}

/// As [`each`], for those that `records` gives from now on.
pub(crate) fn each_of(
    records: &mut Records,
    global: &Global,
    mut take: impl FnMut(ExecutionMetrics) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut taken, mut malformed, mut unread) = (0_u64, 0, Vec::new());
    for record in records {
        match record {
            Ok(record) => {
                taken += 1;
                take(record)?;
            }
            Err(error) if error.kind() == ErrorKind::Malformed => {
                malformed += 1;
                if malformed <= Skipped::ERRORS_MAX as u64 {
                    name(&error, global);
                }
            }
            // Those that go on after it give the next record; the others end.
            Err(error) if is_denied(&error) => unread.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    // Nothing could be read, and no answer is better than an empty one.
    if taken == 0
        && let Some(error) = unread.pop()
    {
        return Err(error.into());
    }
    warn_of_unreadable(&unread, global);
    count(malformed, global);
    Ok(malformed)
}

/// Whether this process lacks the right to a file.
pub(crate) fn is_denied(error: &Error) -> bool {
    error.io_kind() == Some(std::io::ErrorKind::PermissionDenied)
}

/// Names each file that this process may not read, once, however many readers met it.
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

/// What is in flight, as far as it may be read; stderr names the rest.
pub(crate) fn in_flight(global: &Global) -> Result<Vec<InFlight>, Failure> {
    let (found, denied) = readable_in_flight(&global.ledger)?;
    warn_of_unreadable(&denied, global);
    Ok(found)
}

/// What the ledger states that it lost; `None` if its events may not be read, and stderr names them.
pub(crate) fn losses(global: &Global) -> Result<Option<Vec<Loss>>, Failure> {
    match losses_of(&global.ledger) {
        Err(error) if is_denied(&error) => {
            warn_of_unreadable(&[error], global);
            Ok(None)
        }
        losses => Ok(Some(losses?)),
    }
}

/// What is in the spill or was kept elsewhere, as far as it may be read; stderr names the rest.
pub(crate) fn spilled(global: &Global) -> Result<Spilled, Failure> {
    let mut found = runledger::ledger::spilled(&global.ledger)?;
    for fallback in fallback::all() {
        match fallback.records_of(&global.ledger) {
            Ok(kept) => found.records.extend(kept.into_iter().map(|kept| kept.record)),
            Err(error) => found.unreadable.push(error),
        }
    }
    warn_of_unreadable(&found.unreadable, global);
    Ok(found)
}

/// The records of the ledger that are meant, and the lines that are no records. stderr tells of those that the ledger does
/// not have yet.
pub(crate) fn selected<'s>(
    selection: &'s Selection,
    global: &Global,
) -> Result<impl Iterator<Item = runledger::Result<ExecutionMetrics>> + use<'s>, Failure> {
    let meant = meant(selection, global)?;
    Ok(Records::open(&global.ledger)?.filter(move |record| record.as_ref().map_or(true, &meant)))
}

/// Whether a record is meant. stderr tells of those that the ledger does not have yet.
pub(crate) fn meant<'s>(
    selection: &'s Selection,
    global: &Global,
) -> Result<impl Fn(&ExecutionMetrics) -> bool + Sync + use<'s>, Failure> {
    warn_of_spill(global)?;
    let runs = runs(selection, global)?;
    let of_run = move |record: &ExecutionMetrics| {
        runs.as_ref().is_none_or(|runs| record.run.run_id.as_ref().is_some_and(|run| runs.contains(run)))
    };
    Ok(move |record: &ExecutionMetrics| of_run(record) && selection.period.has(record))
}

/// The run that is meant, and with its child runs all that descend from it; `None`: whatever run. That something belongs to
/// it is made sure of, or a mistyped one would be taken for one in which nothing happened.
fn runs(selection: &Selection, global: &Global) -> Result<Option<HashSet<String>>, Failure> {
    let Some(run) = &selection.run else { return Ok(None) };
    // Without its child runs it alone is of use, which starts none of those that are then known.
    let is_of_use = |id: &str| selection.child_runs || id == run;
    // In this order: what ends in between has a record then.
    let mut known = Known::default();
    let begun = in_flight(global)?.into_iter().map(|begun| begun.record);
    begun.chain(spilled(global)?.records).for_each(|record| known.add(&record, is_of_use));
    let scanned = Scan::open(&global.ledger)?.fold_records(
        Known::default,
        |known, record| known.add(record, is_of_use),
        Known::merge,
    )?;
    known.merge(scanned.value);
    let Known { ids, mut started } = known;
    let mut runs = HashSet::from([run.clone()]);
    let mut parents = vec![run.clone()];
    while let Some(parent) = parents.pop() {
        for child in started.remove(&parent).unwrap_or_default() {
            if runs.insert(child.clone()) {
                parents.push(child);
            }
        }
    }
    if ids.is_disjoint(&runs) {
        warn_of(&scanned.skipped, global);
        return Err(Failure::NoRun(run.clone()));
    }
    Ok(Some(runs))
}

/// The runs that records tell of, of executions under way too.
#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    /// By the run that started them.
    started: HashMap<String, HashSet<String>>,
}

impl Known {
    fn add(&mut self, record: &ExecutionMetrics, is_of_use: impl Fn(&str) -> bool) {
        let Some(id) = record.run.run_id.as_ref().filter(|id| is_of_use(id)) else { return };
        if !self.ids.contains(id) {
            self.ids.insert(id.clone());
        }
        if let Some(parent) = &record.run.parent_run_id {
            self.started.entry(parent.clone()).or_default().insert(id.clone());
        }
    }

    fn merge(&mut self, later: Self) {
        self.ids.extend(later.ids);
        for (parent, children) in later.started {
            self.started.entry(parent).or_default().extend(children);
        }
    }
}

/// Says what was cut off, if that can be seen without reading the lines.
pub(crate) fn warn_of_truncation(global: &Global) {
    // What cannot be looked at is for the command to say.
    let truncations = truncations(&global.ledger).unwrap_or_default();
    let Some(first) = truncations.first() else { return };
    let mut text = format!("{}: {}: {}", first.kind, first.found, first.path.display());
    if truncations.len() > 1 {
        text.push_str(&format!("; and {} more, which `runledger verify` names", truncations.len() - 1));
    }
    output::warning(&text, "truncated", global);
}

/// What stands in the spill and is no record.
pub(crate) const DAMAGED_SPILL: &str = "the spill holds what is no record: the rest of a write, or a damaged record";

/// Says of how many records there are that the ledger does not have yet.
pub(crate) fn warn_of_spill(global: &Global) -> Result<(), Failure> {
    let spilled = spilled(global)?;
    if !spilled.records.is_empty() {
        let count = spilled.records.len();
        let text = format!("records that wait in the spill, left out until the ledger has them: {count}");
        output::warning(&text, "spilled", global);
    }
    if spilled.damaged {
        output::warning(DAMAGED_SPILL, "spilled", global);
    }
    Ok(())
}

/// Folds the records of the ledger on all cores. A line that is no record is passed over, and stderr names it; returns how
/// many there are besides.
pub(crate) fn fold<A: Send>(
    global: &Global,
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &ExecutionMetrics) -> runledger::Result<()> + Sync,
    merge: impl Fn(&mut A, A) -> runledger::Result<()> + Sync,
) -> Result<(A, u64), Failure> {
    let scanned = Scan::open(&global.ledger)?.fold_records(
        || Ok(init()),
        |all, record| and_then(all, |all| take(all, record)),
        |all, later| and_then(all, |all| merge(all, later?)),
    )?;
    warn_of(&scanned.skipped, global);
    Ok((scanned.value?, scanned.skipped.count()))
}

/// Goes on with what has not failed.
fn and_then<A>(all: &mut runledger::Result<A>, go_on: impl FnOnce(&mut A) -> runledger::Result<()>) {
    if let Ok(value) = all
        && let Err(error) = go_on(value)
    {
        *all = Err(error);
    }
}

/// Refuses a path at which something else than a file stands; where nothing stands, it is for the command to say.
pub(crate) fn refuse_unsuitable(global: &Global) -> Result<(), Failure> {
    match Records::open(&global.ledger) {
        Err(error) if error.kind() == ErrorKind::Unsuitable => Err(error.into()),
        _ => Ok(()),
    }
}

/// As [`each`] does, for lines that were passed over elsewhere.
pub(crate) fn warn_of(skipped: &Skipped, global: &Global) {
    skipped.errors().iter().for_each(|error| name(error, global));
    warn_of_unreadable(skipped.unreadable(), global);
    count(skipped.count(), global);
}

/// Says which line is no record.
pub(crate) fn name(error: &Error, global: &Global) {
    output::warning(&failure::text(error), failure::kind(error), global);
}

/// Says how many lines are no records, if any.
pub(crate) fn count(malformed: u64, global: &Global) {
    if malformed > 0 {
        output::warning(&format!("lines that are no records, passed over: {malformed}"), "malformed", global);
    }
}
