//! Finds the run that an argument means. The argument is the id of a run, or the beginning of such an id.

use std::collections::BTreeSet;

use runledger::{ExecutionMetrics, Uuid};

use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The largest number of runs that an error lists.
const LISTED_MAX: usize = 10;
/// The smallest number of characters that count as the beginning of a UUID.
const BEGINNING_CHARS_MIN: usize = 4;
/// The character that a table writes at the end of a text that it cut.
const CUT: char = '…';

/// Returns the id of the run that the argument `given` means. If a run has exactly this id, returns this id. Otherwise,
/// the argument can be the beginning of an id, in two cases:
///
/// - The id is a UUID.
///
/// - The argument ends with `…`, as in a table.
///
/// In all other cases, the argument must be a whole id. For example, `run-1` never means `run-10`, because `run-1` can
/// be the id of a run that was not recorded.
///
/// Returns the argument if no run is found. Fails if several runs are found.
pub(crate) fn find(given: &str, global: &Global) -> Result<String, Failure> {
    let stem = given.strip_suffix(CUT);
    let beginning = stem.unwrap_or(given);
    let is_hex = given.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let may_be_uuid = is_hex && (BEGINNING_CHARS_MIN..36).contains(&given.len());
    if (stem.is_none() && !may_be_uuid) || beginning.is_empty() || is_named(given, global)? {
        return Ok(given.to_owned());
    }
    let begins = |run: &str| match stem {
        Some(stem) => run.starts_with(stem),
        None => {
            let start = run.get(..given.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(given)) && Uuid::try_parse(run).is_ok()
        }
    };
    let add = |found: &mut BTreeSet<String>, record: &ExecutionMetrics| {
        if let Some(run) = record.run.run_id.as_ref().filter(|run| begins(run)) {
            found.insert(run.clone());
            // The error lists up to `LISTED_MAX` runs. One more run is kept, to know whether this list is complete.
            if found.len() > LISTED_MAX + 1 {
                found.pop_last();
            }
        }
        runledger::Result::Ok(())
    };
    let merge = |found: &mut BTreeSet<String>, later: BTreeSet<String>| {
        found.extend(later);
        while found.len() > LISTED_MAX + 1 {
            found.pop_last();
        }
        runledger::Result::Ok(())
    };
    // The executions in flight are read before the ledger, so that an execution that ends in the meantime is not
    // missed.
    let mut outside = BTreeSet::new();
    for begun in records::in_flight(global)? {
        add(&mut outside, &begun.record)?;
    }
    let (mut found, _) = records::fold(&records::reader(global)?.scan(), global, BTreeSet::new, add, merge)?;
    merge(&mut found, outside)?;
    if found.len() > 1 {
        let several = if found.len() > LISTED_MAX { format!("more than {LISTED_MAX}") } else { "several".to_owned() };
        let candidates = found.into_iter().take(LISTED_MAX).collect();
        return Err(Failure::AmbiguousRun { several, beginning: beginning.to_owned(), candidates });
    }
    Ok(found.pop_first().unwrap_or_else(|| given.to_owned()))
}

/// Returns true if a record or an execution in flight names the run, either as its run or as its parent run.
fn is_named(run: &str, global: &Global) -> Result<bool, Failure> {
    let names = |record: &ExecutionMetrics| {
        [&record.run.run_id, &record.run.parent_run_id].into_iter().any(|id| id.as_deref() == Some(run))
    };
    if records::in_flight(global)?.iter().any(|begun| names(&begun.record)) {
        return Ok(true);
    }
    let mut is_named = false;
    records::reader(global)?.each_naming_run(run, |record| {
        is_named |= names(&record);
        !is_named
    })?;
    Ok(is_named)
}
