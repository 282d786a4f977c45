//! Registers the errors of a run.

use std::collections::HashMap;

use super::event::{Event, InExecution, Met};
use super::{ErrorId, ErrorRegistry};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::cut;
use crate::runlog::run::{Occurrence, Run};
use crate::runlog::signature::{earlier_signature, signature};

/// Messages, contexts and names of skills are truncated to this length.
const CHARS_MAX: usize = 500;
/// The maximum number of executions in one line of the journal, so that no line becomes too long.
const EXECUTIONS_MAX: usize = 4_000;

impl ErrorRegistry {
    /// Registers the errors of `run`, and returns their numbers in the order of
    /// [`RunLog::errors`](crate::runlog::RunLog::errors). Occurrences that are registered already are not counted
    /// again.
    ///
    /// [`export`](Self::export) calls this method, and then records that the log of the run contains the errors.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if the journal cannot be read or written.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Timeout`] if another process still holds a lock of the registry at the deadline.
    /// - [`ErrorKind::Abandoned`] if another thread of this process panicked while it wrote the line of this call.
    /// - [`ErrorKind::Invalid`] if the clock shows a time outside the years 0 to 9999.
    ///
    /// Errors that were registered before the failure stay registered. The next call does not count them again.
    pub fn register(&self, run: &Run) -> Result<Vec<ErrorId>> {
        let errors = run.errors();
        let mut fold = self.fold()?;
        // An error keeps its number if an earlier version registered it under another signature.
        let signature_of = |message: &str| {
            let earlier = earlier_signature(message);
            if fold.id_of(&earlier).is_some() { earlier } else { signature(message) }
        };
        let signatures: Vec<_> = errors.iter().map(|met| signature_of(&met.error.error)).collect();
        let mut next = fold.next();
        let mut written = false;
        for met in by_signature(run, &errors, &signatures) {
            if fold.knows(&met) {
                continue;
            }
            let number = fold.id_of(&met.signature).map_or(next, |id| id.0);
            next += u64::from(number == next);
            for executions in met.executions.chunks(EXECUTIONS_MAX) {
                self.append(Event::Met(Met { number, executions: executions.to_vec(), ..met.clone() }))?;
            }
            written = true;
        }
        if written {
            // Another process may have used the same numbers first, so the final numbers are read from the journal.
            fold = self.fold()?;
        }
        let id = |signature: &String| {
            fold.id_of(signature).ok_or_else(|| {
                Error::new(ErrorKind::Malformed, "number an error")
                    .path(self.journal.layout().active())
                    .detail("found no line for the error; expected the one that was just written")
            })
        };
        signatures.iter().map(id).collect()
    }

    /// Records that the log of `run` has the name `log`.
    pub(in crate::runlog) fn link(&self, run: &str, log: &str) -> Result<()> {
        if self.fold()?.has_log(run, log) {
            return Ok(());
        }
        self.append(Event::Logged { run: run.to_owned(), log: log.to_owned() })
    }
}

/// Returns one [`Met`] for each signature, in the order in which the signatures first occurred in the run.
fn by_signature(run: &Run, errors: &[Occurrence<'_>], signatures: &[String]) -> Vec<Met> {
    let mut all: Vec<Met> = Vec::new();
    let (mut places, mut executions) = (HashMap::new(), HashMap::new());
    for (occurrence, signature) in errors.iter().zip(signatures) {
        let Occurrence { execution, error, severity } = occurrence;
        let place = *places.entry(signature).or_insert(all.len());
        if place == all.len() {
            all.push(Met {
                number: 0,
                signature: signature.clone(),
                message: cut(error.error.clone(), CHARS_MAX),
                context: error.context.clone().map(|context| cut(context, CHARS_MAX)),
                run: run.id().to_owned(),
                severity: *severity,
                executions: Vec::new(),
            });
        }
        let met = &mut all[place];
        met.severity = met.severity.max(*severity);
        let (execution_id, at) = (execution.execution_id, error.time);
        let of_execution = *executions.entry((place, execution_id)).or_insert(met.executions.len());
        match met.executions.get_mut(of_execution) {
            Some(one) => {
                one.count += 1;
                // The errors are in chronological order.
                one.last = at;
            }
            None => {
                let skill = cut(execution.skill_name.clone(), CHARS_MAX);
                met.executions.push(InExecution { execution_id, skill, count: 1, first: at, last: at });
            }
        }
    }
    all
}
