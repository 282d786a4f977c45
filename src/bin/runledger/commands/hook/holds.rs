//! Keeps the holds of a tool call until the call ends. A hold is an amount that is reserved for the call, against a
//! limit.
//!
//! A hold lasts until the end of its call is reported, because a call can take long: a sub-agent can work for hours. If
//! the agent dies, nobody reports the end. So the record of the call identifies the agent's process. When another call
//! needs the amount, the holds of calls whose agent has died are ended.
//!
//! A hook that is killed after it has reserved a hold, and before the call has a record, leaves a hold that no record
//! names. So each hold also identifies the process of its hook.

use std::time::Duration;

use runledger::metrics::Status;
use runledger::{Error, ErrorKind, ExecutionMetrics, Ledger};
use serde_json::Value;

use super::holder::Holder;
use super::limits::EnforcedLimits;
use super::process;
use crate::clock;
use crate::global::Global;
use crate::ledger;

/// The tag with the ids of the holds of a tool call.
const HOLDS: &str = "quota_holds";
/// The tag that identifies the process of the agent.
const PROCESS: &str = "agent_process";

/// If the end of a call is not reported, its holds last at least this long, even if the agent's process seems to have
/// ended. The process that ended may be a wrapper, through which the agent runs the hook, and not the agent.
const LIFE_MIN: Duration = Duration::from_secs(60 * 60);
/// If it is unknown whether the agent's process has ended, the holds of a call last at least this long.
const LIFE_IF_UNKNOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds two tags to the record of a call that begins: the ids of its holds, and the process of the agent.
pub(super) fn mark(record: &mut ExecutionMetrics, holds: &[String]) {
    if !holds.is_empty() {
        record.tags.insert(HOLDS.to_owned(), holds.into());
        record.tags.extend(process::of_agent().map(|process| (PROCESS.to_owned(), process.into())));
    }
}

/// Returns the ids of the holds of a call.
pub(super) fn of(record: &ExecutionMetrics) -> Vec<String> {
    let Some(Value::Array(holds)) = record.tags.get(HOLDS) else { return Vec::new() };
    holds.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Finds the tool calls that have holds and whose agent has died. Ends the executions and the holds of these calls.
/// Also ends the holds that killed hooks left behind. Returns true if there were such calls or holds.
pub(super) fn end_of_the_dead(limits: &EnforcedLimits<'_>, global: &Global) -> Result<bool, Error> {
    let ledger = ledger::open(global)?;
    let now = clock::now();
    let mut has_ended = end_of_killed_hooks(limits, &ledger, global)?;
    for begun in ledger.reader().in_flight()?.executions {
        let age = Duration::from_millis(begun.age_ms(now).unwrap_or(0));
        if of(&begun.record).is_empty() || !is_over(&begun.record, age) {
            continue;
        }
        match ledger.resume(begun.record.execution_id) {
            Ok(mut execution) => {
                // The execution is completed last. If this process is killed before that, the next hook finds the
                // execution again.
                limits.after(&of(execution.record_mut()), true);
                execution.record_mut().set_error_reason("the agent ended before the end of the call was reported");
                let completed = execution.complete(Status::Interrupted)?;
                ledger::warn_of_answer(&completed.answer, global);
                has_ended = true;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Ended | ErrorKind::UnknownExecution) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(has_ended)
}

/// Ends the holds that one of these hooks left behind, because the hook was killed:
///
/// - the hook that reserved the holds, before it stored their ids in the record of the call
/// - the hook that recorded the end of the call, before it ended the holds
///
/// Returns true if there was such a hold.
fn end_of_killed_hooks(limits: &EnforcedLimits<'_>, ledger: &Ledger, global: &Global) -> Result<bool, Error> {
    let now = clock::now();
    let mut has_ended = false;
    for hold in limits.open_holds() {
        let holder = hold.holder.as_deref().and_then(|text| Holder::read(text, global));
        let Some(Holder { execution, process, .. }) = holder else { continue };
        let age = Duration::from_millis(now.ms_since(hold.held_at).unwrap_or(0));
        let is_dead = process.as_deref().and_then(process::has_ended).unwrap_or(age >= LIFE_IF_UNKNOWN);
        if !is_dead {
            continue;
        }
        // The hook has died, so it cannot store the id in the record of the call any more. So if the record that is
        // read now lacks the id, no record will ever name the hold.
        let id = hold.id.to_string();
        let was_made = match ledger.resume(execution) {
            Ok(mut begun) => {
                if of(begun.record_mut()).contains(&id) {
                    continue;
                }
                false
            }
            Err(error) if error.kind() == ErrorKind::Ended => {
                let recorded = ledger.recorded(execution)?.map(|(_, record)| record);
                recorded.is_some_and(|it| of(&it).contains(&id) && it.status != Some(Status::Cancelled))
            }
            Err(error) if error.kind() == ErrorKind::UnknownExecution => false,
            Err(error) => return Err(error),
        };
        limits.after(&[id], was_made);
        has_ended = true;
    }
    Ok(has_ended)
}

/// Returns true if the agent has probably died, so that nobody will report the end of the call. `age` is the time since
/// the call began. Returns false if `age` is less than [`LIFE_MIN`].
fn is_over(record: &ExecutionMetrics, age: Duration) -> bool {
    match record.tags.get(PROCESS).and_then(Value::as_str).and_then(process::has_ended) {
        Some(has_ended) => has_ended && age >= LIFE_MIN,
        None => age >= LIFE_IF_UNKNOWN,
    }
}
