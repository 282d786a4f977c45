//! Records an event of an agent in the ledger. In this file, an execution that is in flight is called `begun`.

use runledger::hook::{HookEvent, HookStep};
use runledger::metrics::Status;
use runledger::{DetachedExecution, Error, ErrorKind, ExecutionMetrics, Ledger, Skill, Uuid};

use super::holds;
use super::limits::EnforcedLimits;
use crate::budget::{Judged, Verdict};
use crate::clock;
use crate::environment;
use crate::global::Global;
use crate::ledger;
use crate::warnings::warn;

pub(super) struct Recorder<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) event: &'a HookEvent<'a>,
    pub(super) limits: &'a EnforcedLimits<'a>,
    pub(super) global: &'a Global,
}

impl Recorder<'_> {
    /// Records the event. Warns if the event cannot be recorded. `judged` is the verdict on a tool call that begins. It
    /// is `None` for an event that needs no verdict.
    pub(super) fn record(&self, judged: Option<Judged>) {
        let event = self.event;
        let id = event.execution_id().unwrap_or_else(clock::new_id);
        let recorded = match event.step() {
            HookStep::Begin => {
                let (verdict, holds) = judged.map_or((Verdict::Allow, Vec::new()), |it| (it.verdict, it.holds));
                self.begin(id, &verdict, holds)
            }
            HookStep::Complete => self.complete(id),
            HookStep::EndLeft => self.end_left(),
            HookStep::Start => self.start(),
            _ => self.note(id),
        };
        self.warn_of(recorded);
        // While a tool runs, the session itself calls no model. So the use of the session is counted before each tool
        // call, and here when the agent stops.
        if event.step() == HookStep::EndLeft {
            self.limits.measure(event);
        }
    }

    fn warn_of(&self, recorded: Result<(), Error>) {
        if let Err(error) = recorded {
            warn("the event is not recorded", &error, self.global.style());
        }
    }

    fn begin(&self, id: Uuid, verdict: &Verdict, holds: Vec<String>) -> Result<(), Error> {
        let event = self.event;
        // Two kinds of events need the list of executions in flight. The beginning of a skill ends the previous skill.
        // A tool call of a sub-agent has the execution of the sub-agent as its parent.
        let needs_list = event.begins_skill() || event.agent_id().is_some();
        let begun = if needs_list { self.in_flight() } else { Ok(Vec::new()) };
        let begun = begun.unwrap_or_else(|error| {
            self.warn_of(Err(error));
            Vec::new()
        });
        // If the call is denied, the skill does not begin, and the previous skill goes on.
        if !matches!(verdict, Verdict::Deny(_)) {
            self.warn_of(self.end_each(&begun));
        }
        let mut ids = event.ids();
        ids.parent_execution_id =
            begun.iter().find(|begun| event.is_of_sub_agent(begun)).map(|begun| begun.execution_id);
        let traced = environment::run_ids(self.global);
        (ids.trace_id, ids.span_id) = (traced.trace_id, traced.span_id);
        let fill = |record: &mut ExecutionMetrics| {
            event.begin(record);
            holds::mark(record, &holds);
        };
        if let Verdict::Deny(reason) = verdict {
            let now = clock::now();
            let mut record = ExecutionMetrics::new(id, event.skill_name(), environment::UNKNOWN_VERSION, now);
            record.run = ids;
            event.begin(&mut record);
            let status = event.deny(&mut record, reason);
            record.set_status(status);
            record.timestamp_end = Some(now);
            record.derive_missing();
            return self.append(&record);
        }
        let skill = Skill::new(event.skill_name(), environment::UNKNOWN_VERSION).run(ids);
        match self.ledger.begin_detached_as(id, skill, fill) {
            Ok(_) => Ok(()),
            // The ledger already has the record of this call, because the agent reported the event before. The new
            // holds are released, and no call is counted.
            Err(error) if error.kind() == ErrorKind::Ended => {
                self.limits.after(&holds, false);
                Ok(())
            }
            Err(error) => {
                // The beginning of the call is not recorded, but the agent makes the call anyway. When the call ends,
                // the ids of its holds cannot be found. So the holds are ended here, and the call is counted.
                self.limits.after(&holds, true);
                Err(error)
            }
        }
    }

    fn complete(&self, id: Uuid) -> Result<(), Error> {
        let event = self.event;
        match self.ledger.resume(id) {
            Ok(mut execution) => match event.complete(execution.record_mut()) {
                Some(status) => self.finish(execution, status),
                None => execution.store().map(drop),
            },
            Err(error) if error.kind() == ErrorKind::UnknownExecution => {
                let mut record = event.finished(id, clock::now());
                if event.complete(&mut record.clone()).is_some() {
                    return self.append(&record);
                }
                // The beginning of the skill or the sub-agent was not recorded, and the event does not end it. So the
                // beginning is recorded now.
                let skill =
                    Skill::new(record.skill_name.as_str(), environment::UNKNOWN_VERSION).run(record.run.clone());
                let begun = self.ledger.begin_detached_as(id, skill, |begun| {
                    std::mem::swap(&mut begun.tags, &mut record.tags);
                    begun.operator.clone_from(&record.operator);
                    begun.environment.clone_from(&record.environment);
                    begun.input_hash.clone_from(&record.input_hash);
                    begun.output_hash.clone_from(&record.output_hash);
                });
                match begun {
                    Err(error) if error.kind() == ErrorKind::Ended => Ok(()),
                    begun => begun.map(drop),
                }
            }
            Err(error) if error.kind() == ErrorKind::Ended => self.add_to_recorded(id),
            Err(error) => Err(error),
        }
    }

    /// Adds the values of the event to the record of the execution `id`, which has ended. Does so in two cases:
    ///
    /// - The record is not from a hook, but from an import, for example.
    ///
    /// - A hook recorded the execution as interrupted.
    ///
    /// In any other case, a hook has already recorded this end, and nothing is added.
    fn add_to_recorded(&self, id: Uuid) -> Result<(), Error> {
        let recorded = self.ledger.recorded(id)?.map(|(_, record)| record);
        // The process of an earlier hook may have recorded the end, and died before it ended the holds.
        recorded.iter().for_each(|record| self.end_holds(record));
        let may_end = |record: &ExecutionMetrics| record.status == Some(Status::Interrupted);
        if recorded.is_none_or(|record| record.is_of_hook() && !may_end(&record)) {
            return Ok(());
        }
        self.append(&self.event.finished(id, clock::now()))
    }

    fn end_left(&self) -> Result<(), Error> {
        let event = self.event;
        let begun = self.in_flight()?;
        self.end_each(&begun)?;
        let of_sub_agent = begun.iter().find(|begun| event.name() == "SubagentStop" && event.is_of_sub_agent(begun));
        match of_sub_agent {
            Some(begun) => match self.ledger.resume(begun.execution_id) {
                // The sub-agent is not known to run in the background, or else `end_each` would have ended its
                // execution. So the tool that started the sub-agent reports the end later. Until then, the record notes
                // that the sub-agent has ended.
                Ok(mut execution) => {
                    event.sub_agent_ended(execution.record_mut());
                    execution.store().map(drop)
                }
                Err(error) if is_over(&error) => Ok(()),
                Err(error) => Err(error),
            },
            // Only the event `StopFailure` gets a record of its own. All information of any other event is in the
            // executions that the event ended.
            None if event.name() == "StopFailure" => self.append(&event.finished(clock::new_id(), clock::now())),
            None => Ok(()),
        }
    }

    /// Ends each execution in `begun` that the event ends.
    fn end_each(&self, begun: &[ExecutionMetrics]) -> Result<(), Error> {
        for begun in begun {
            if self.event.end_of(&mut begun.clone()).is_none() {
                continue;
            }
            match self.ledger.resume(begun.execution_id) {
                // Another hook may have changed the record since it was listed, so the current record decides.
                Ok(mut execution) => {
                    if let Some(status) = self.event.end_of(execution.record_mut()) {
                        self.finish(execution, status)?;
                    }
                }
                Err(error) if is_over(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn start(&self) -> Result<(), Error> {
        let event = self.event;
        let begun = self.in_flight()?;
        let mut candidates = begun.iter().filter(|begun| event.may_have_started(begun));
        if let (Some(begun), None) = (candidates.next(), candidates.next()) {
            match self.ledger.resume(begun.execution_id) {
                Ok(mut execution) => {
                    event.started(execution.record_mut());
                    return execution.store().map(drop);
                }
                Err(error) if is_over(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.append(&event.finished(clock::new_id(), clock::now()))
    }

    /// Adds the tags of the event to the execution of its tool if this execution is in flight. Otherwise, records the
    /// event as an execution of its own.
    fn note(&self, id: Uuid) -> Result<(), Error> {
        let event = self.event;
        if event.execution_id().is_some() {
            match self.ledger.resume(id) {
                Ok(mut execution) => {
                    event.add_tags(&mut execution.record_mut().tags);
                    return execution.store().map(drop);
                }
                Err(error) if is_over(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.append(&event.finished(clock::new_id(), clock::now()))
    }

    fn in_flight(&self) -> Result<Vec<ExecutionMetrics>, Error> {
        let begun = self.ledger.reader().in_flight()?.executions.into_iter().map(|begun| begun.record);
        Ok(begun.filter(|begun| self.event.is_of_session(begun)).collect())
    }

    fn finish(&self, execution: DetachedExecution, status: Status) -> Result<(), Error> {
        let completed = execution.complete(status)?;
        ledger::warn_of_answer(&completed.answer, self.global);
        self.end_holds(&completed.record);
        Ok(())
    }

    fn end_holds(&self, record: &ExecutionMetrics) {
        self.limits.after(&holds::of(record), self.event.name() != "PermissionDenied");
    }

    fn append(&self, record: &ExecutionMetrics) -> Result<(), Error> {
        let answer = self.ledger.append_or_complete(record)?;
        ledger::warn_of_answer(&answer, self.global);
        Ok(())
    }
}

/// Returns true if an execution could not be resumed because it is no longer in flight.
fn is_over(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Ended | ErrorKind::UnknownExecution)
}
