//! Computes the state of the registry from the lines of its journal.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::event::{Event, InExecution, Line, Met};
use super::{ErrorId, ErrorStatus, RegisteredError};

/// The state of the registry after the lines that were applied.
#[derive(Debug, Default)]
pub(super) struct Fold {
    errors: BTreeMap<u64, RegisteredError>,
    /// The number of each error, by its signature.
    numbers: HashMap<String, u64>,
    /// How often each error occurred in each execution, by the number of the error and the id of the execution.
    counts: HashMap<(u64, Uuid), u64>,
    /// The names of each run's logs.
    logs: HashMap<String, Vec<String>>,
}

impl Fold {
    pub(super) fn apply(&mut self, line: Line) {
        let at = line.at;
        match line.event {
            Event::Met(met) => self.meet(met),
            Event::Logged { run, log } => self.link(run, log),
            Event::Resolved { number, resolution } => self.change(number, |error| {
                error.status = ErrorStatus::Resolved;
                error.resolved_at = Some(at);
                error.resolution = Some(resolution);
            }),
            Event::Reopened { number } => self.change(number, |error| {
                if error.status == ErrorStatus::Resolved {
                    error.status = ErrorStatus::Reopened;
                }
            }),
            Event::Rated { number, severity } => self.change(number, |error| {
                error.severity = severity;
                error.severity_is_set = true;
            }),
        }
    }

    /// Changes the error with this number. Does nothing if there is no such error, which happens if the line that
    /// registered it is damaged.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut RegisteredError)) {
        if let Some(error) = self.errors.get_mut(&number) {
            change(error);
        }
    }

    fn meet(&mut self, met: Met) {
        let Some(first) = met.executions.iter().map(|one| one.first).min() else { return };
        let number = self.number(&met.signature, met.number);
        let new: Vec<&InExecution> = met.executions.iter().filter(|one| self.is_new(number, one)).collect();
        let error = self.errors.entry(number).or_insert_with(|| RegisteredError {
            id: ErrorId(number),
            signature: met.signature.clone(),
            message: met.message.clone(),
            context: met.context.clone(),
            severity: met.severity,
            severity_by_rule: met.severity,
            severity_is_set: false,
            status: ErrorStatus::Open,
            count: 0,
            first_seen: first,
            last_seen: first,
            resolved_at: None,
            resolution: None,
            skills: Vec::new(),
            runs: Vec::new(),
            run_logs: Vec::new(),
        });
        for one in &new {
            error.severity_by_rule = error.severity_by_rule.max(met.severity);
            if !error.severity_is_set {
                error.severity = error.severity_by_rule;
            }
            let counted = self.counts.entry((number, one.execution_id)).or_default();
            error.count = error.count.saturating_add(one.count.saturating_sub(*counted));
            *counted = one.count.max(*counted);
            error.first_seen = error.first_seen.min(one.first);
            error.last_seen = error.last_seen.max(one.last);
            if !error.skills.contains(&one.skill) {
                error.skills.push(one.skill.clone());
            }
            // An occurrence before the resolution does not reopen the error, even if that occurrence is registered
            // after the resolution.
            if error.status == ErrorStatus::Resolved && error.resolved_at.is_some_and(|resolved| one.last > resolved) {
                error.status = ErrorStatus::Reopened;
            }
        }
        if !error.runs.contains(&met.run) {
            for log in self.logs.get(&met.run).into_iter().flatten() {
                if !error.run_logs.contains(log) {
                    error.run_logs.push(log.clone());
                }
            }
            error.runs.push(met.run);
        }
    }

    fn link(&mut self, run: String, log: String) {
        for error in self.errors.values_mut().filter(|error| error.runs.contains(&run)) {
            if !error.run_logs.contains(&log) {
                error.run_logs.push(log.clone());
            }
        }
        self.logs.entry(run).or_default().push(log);
    }

    /// Returns the number of an error. A new error gets the number `proposed`, or the next free one if `proposed` is
    /// taken.
    fn number(&mut self, signature: &str, proposed: u64) -> u64 {
        if let Some(number) = self.numbers.get(signature) {
            return *number;
        }
        let is_taken = proposed == 0 || self.errors.contains_key(&proposed);
        let number = if is_taken { self.next() } else { proposed };
        self.numbers.insert(signature.to_owned(), number);
        number
    }

    /// Returns true if `one` has more occurrences than were counted so far for its execution.
    fn is_new(&self, number: u64, one: &InExecution) -> bool {
        self.counts.get(&(number, one.execution_id)).is_none_or(|counted| one.count > *counted)
    }

    /// Returns true if `met` adds nothing to the registry.
    pub(super) fn knows(&self, met: &Met) -> bool {
        let number = self.numbers.get(&met.signature);
        let Some(error) = number.and_then(|number| self.errors.get(number)) else { return false };
        error.runs.contains(&met.run) && !met.executions.iter().any(|one| self.is_new(error.id.0, one))
    }

    pub(super) fn has_log(&self, run: &str, log: &str) -> bool {
        self.logs.get(run).is_some_and(|logs| logs.iter().any(|other| other == log))
    }

    pub(super) fn id_of(&self, signature: &str) -> Option<ErrorId> {
        self.numbers.get(signature).copied().map(ErrorId)
    }

    /// Returns the number of the next error.
    pub(super) fn next(&self) -> u64 {
        self.errors.last_key_value().map_or(1, |(last, _)| last.saturating_add(1))
    }

    pub(super) fn get(&self, ErrorId(number): ErrorId) -> Option<&RegisteredError> {
        self.errors.get(&number)
    }

    pub(super) fn into_errors(self) -> Vec<RegisteredError> {
        self.errors.into_values().collect()
    }
}
