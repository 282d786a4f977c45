//! The facts of a run log.

use std::collections::HashSet;

use serde_json::Value;

use super::prices::{self, PriceLine};
use super::{Run, minute};
use crate::cost::{Count, PriceTable};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Decision, ExecutionMetrics, Feedback, Status, Step, Timestamp, TracedError, Usd};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogStatus {
    /// Nobody knows yet how it ends: one of its executions is paused, or does not tell.
    InProgress,
    /// All ended as successes.
    Completed,
    /// One failed, panicked, was given up or interrupted.
    Failed,
}

impl LogStatus {
    pub(super) const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Failed];

    /// Its text: `In Progress`, `Completed`, `Failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

/// The facts of one run, as its log tells them: times are UTC, to the minute; `None` and an empty list mean that nobody
/// told.
///
/// [`new`](Self::new) finds them in the run's records, [`to_markdown`](Self::to_markdown) writes them, and
/// [`parse`](Self::parse) reads the same facts back. Only an optional text or an item of a list that is empty, which tells
/// nothing, is not written, and neither is the `duration_ms` of a step. What became of an error later, the registry says.
///
/// ```
/// use runledger::runlog::{Run, RunLog};
/// use runledger::{ExecutionMetrics, PriceTable, Usage, Uuid};
///
/// let (prices, at) = (PriceTable::bundled()?, "2026-11-20T12:00:00Z".parse()?);
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "review", "1.0.0", at);
/// record.set_usage("claude-opus-4-5", &Usage::new(10_000, 500));
/// prices.cost("claude-opus-4-5", &Usage::new(10_000, 500), at)?.fill(&mut record);
///
/// let log = RunLog::new(&Run::new("run-1", [record])?, prices)?;
/// let text = log.to_markdown();
/// assert!(text.contains("| Total Tokens | 10,500 |\n| Estimated Cost | $0.0625 |\n"));
/// assert!(text.ends_with("*Cost calculated at: Input $5/1M, Output $25/1M (claude-opus-4-5)*\n"));
/// assert_eq!(RunLog::parse(&text)?, log);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunLog {
    /// What the run goes by in the ledger.
    pub run: String,
    /// What the log is of: the mode, or where that is unknown the first skill.
    pub title: String,
    /// When the first execution began.
    pub started: Timestamp,
    /// The mode: the first that an execution tells, `run.mode`.
    pub mode: Option<String>,
    /// How far it is. Executions that another one of the run started do not count: theirs is to answer for them.
    pub status: LogStatus,
    /// The steps of all executions in order of time. An execution without steps is one itself. If the run has several
    /// executions, the names of the skills stand before those of their steps.
    pub steps: Vec<Step>,
    /// The decisions, execution by execution, and what each decided as a whole, `decision_made`.
    pub decisions: Vec<Decision>,
    /// What people said, in order of time.
    pub feedback: Vec<Feedback>,
    /// The errors in order of time: those of the traces, and those that executions ended with. Where nobody told what was
    /// being done, the skill stands there. `registry_id` is the number in the registry of the log's directory.
    pub errors: Vec<TracedError>,
    /// The sum of the tags `conversations_processed`; `None` also if one is no whole number.
    pub conversations_processed: Option<u64>,
    /// The sum of the tags `messages_sent`; `None` also if one is no whole number.
    pub messages_sent: Option<u64>,
    /// The tags `changes_made`, each a text or a list, one after the other; an empty list says that there are none.
    pub changes_made: Option<Vec<String>>,
    /// The tags `issues_to_address`, likewise.
    pub issues_to_address: Option<Vec<String>>,
    /// Input tokens, cached ones included, of the executions that used a model.
    pub tokens_input: Count,
    /// Output tokens, reasoning included.
    pub tokens_output: Count,
    /// All tokens.
    pub tokens_total: Count,
    /// The exact sum of the costs that are known, in US dollars; `None`: none is.
    pub cost: Option<Usd>,
    /// How many executions used a model and have no cost.
    pub unpriced: u64,
    /// By which prices; empty: no model was used, as far as the records tell.
    pub prices: Vec<PriceLine>,
}

impl RunLog {
    /// The facts of `run`. Its errors have no numbers: these are the [registry's](super::ErrorRegistry) to give. The price
    /// of a call is looked up in `prices`, and taken if it is from the table that the record names.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] when the costs add up to more than [`Usd`] can hold.
    pub fn new(run: &Run, prices: &PriceTable) -> Result<Self> {
        let executions = run.executions();
        let mode = executions.iter().find_map(|one| one.run.mode.clone()).filter(|mode| !mode.is_empty());
        let first = |executions: &[ExecutionMetrics]| executions.first().map(|one| one.skill_name.clone());
        let starts = executions.iter().map(|one| one.timestamp_start).min();
        let mut log = Self {
            run: run.id().to_owned(),
            title: mode.clone().or_else(|| first(executions)).unwrap_or_default(),
            started: minute::cut(starts.unwrap_or(Timestamp::UNIX_EPOCH)),
            mode,
            status: status(executions),
            steps: in_order(executions.iter().flat_map(|one| steps(one, executions.len() > 1)), |step| &mut step.time),
            decisions: executions.iter().flat_map(decisions).collect(),
            feedback: in_order(executions.iter().filter_map(|one| one.trace.human_feedback.clone()), |feedback| {
                &mut feedback.timestamp_utc
            }),
            errors: in_order(run.errors().into_iter().map(|met| met.error), |error| &mut error.time),
            conversations_processed: count(executions, "conversations_processed"),
            messages_sent: count(executions, "messages_sent"),
            changes_made: list(executions, "changes_made"),
            issues_to_address: list(executions, "issues_to_address"),
            tokens_input: Count::default(),
            tokens_output: Count::default(),
            tokens_total: Count::default(),
            cost: None,
            unpriced: 0,
            prices: prices::of_run(run, prices),
        };
        executions.iter().filter(|one| one.used_model()).try_for_each(|one| log.add_usage(one))?;
        log.without_empty_texts();
        Ok(log)
    }

    fn add_usage(&mut self, execution: &ExecutionMetrics) -> Result<()> {
        let ExecutionMetrics { tokens_input: input, tokens_output: output, .. } = *execution;
        let total = execution.tokens_used.or_else(|| input?.checked_add(output?));
        for (sum, count) in
            [(&mut self.tokens_input, input), (&mut self.tokens_output, output), (&mut self.tokens_total, total)]
        {
            sum.add([count.map(u128::from)]);
        }
        match execution.cost_usd {
            None => self.unpriced += 1,
            Some(cost) => {
                let sum = self.cost.unwrap_or(Usd::ZERO).checked_add(cost);
                self.cost = Some(sum.ok_or_else(|| {
                    Error::new(ErrorKind::Overflow, format!("log the run {:?}", self.run))
                        .detail("the sum of its costs leaves the range of an amount")
                })?);
            }
        }
        Ok(())
    }

    /// An empty text tells nothing.
    fn without_empty_texts(&mut self) {
        let steps = self.steps.iter_mut();
        let of_steps = steps.flat_map(|it| [&mut it.action, &mut it.api_call, &mut it.result, &mut it.notes]);
        let of_decisions =
            self.decisions.iter_mut().flat_map(|it| [&mut it.reason, &mut it.trigger, &mut it.confidence]);
        let of_errors = self.errors.iter_mut().flat_map(|it| [&mut it.context, &mut it.resolution]);
        for text in of_steps.chain(of_decisions).chain(of_errors) {
            text.take_if(|text| text.is_empty());
        }
    }
}

/// In order of time, to the minute.
fn in_order<T>(items: impl Iterator<Item = T>, time: fn(&mut T) -> &mut Timestamp) -> Vec<T> {
    let mut timed: Vec<_> = items.map(|mut item| (*time(&mut item), item)).collect();
    timed.sort_by_key(|(at, _)| *at);
    let cut = |(at, mut item)| {
        *time(&mut item) = minute::cut(at);
        item
    };
    timed.into_iter().map(cut).collect()
}

fn status(executions: &[ExecutionMetrics]) -> LogStatus {
    let ids: HashSet<_> = executions.iter().map(|one| one.execution_id).collect();
    let is_first = |one: &&ExecutionMetrics| !one.run.parent_execution_id.is_some_and(|id| ids.contains(&id));
    let mut first: Vec<_> = executions.iter().filter(is_first).collect();
    if first.is_empty() {
        // They name each other as their parents.
        first = executions.iter().collect();
    }
    let mut status = LogStatus::Completed;
    for execution in first {
        match (execution.execution_succeeded, &execution.status) {
            (Some(false), _) | (_, Some(Status::Interrupted)) => return LogStatus::Failed,
            (Some(true), _) => {}
            (None, _) if execution.execution_failed == Some(true) => return LogStatus::Failed,
            (None, _) => status = LogStatus::InProgress,
        }
    }
    status
}

fn steps(execution: &ExecutionMetrics, of_several: bool) -> Vec<Step> {
    let skill = &execution.skill_name;
    if execution.trace.steps.is_empty() {
        let mut whole = Step::new(skill, execution.timestamp_start);
        whole.action.clone_from(&execution.run.description);
        whole.api_call = models(execution);
        whole.result = result(execution);
        whole.notes.clone_from(&execution.production.notes);
        return vec![whole];
    }
    let named = |step: &Step| Step {
        name: if of_several { format!("{skill}: {}", step.name) } else { step.name.clone() },
        duration_ms: None,
        ..step.clone()
    };
    execution.trace.steps.iter().map(named).collect()
}

/// The models that were called, `2 × gpt-4, claude-haiku-4-5`, in the order of the first calls.
fn models(execution: &ExecutionMetrics) -> Option<String> {
    let mut models: Vec<(&str, u64)> = Vec::new();
    for call in &execution.trace.llm_calls {
        match models.iter_mut().find(|(model, _)| *model == call.model_name) {
            Some((_, calls)) => *calls += 1,
            None => models.push((&call.model_name, 1)),
        }
    }
    let text = |(model, calls): &(&str, u64)| match calls {
        1 => (*model).to_owned(),
        _ => format!("{calls} × {model}"),
    };
    match models.is_empty() {
        true => execution.model.name.clone(),
        false => Some(models.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

/// How the execution ended, what it made, and what quality control found.
fn result(execution: &ExecutionMetrics) -> Option<String> {
    let told = execution.execution_succeeded.map(|yes| if yes { Status::Success } else { Status::Failed });
    let status = execution.status.clone().or(told)?;
    let mut result = status.to_string();
    let production = &execution.production;
    let outcome = production.outcome.as_ref().map(ToString::to_string);
    let violations = (!production.qc_violations.is_empty()).then(|| production.qc_violations.join(", "));
    for (before, text) in [
        (": ", &execution.error_reason),
        (", made ", &production.artifact),
        (", quality control ", &outcome),
        (", violations ", &violations),
    ] {
        if let Some(text) = text {
            result.extend([before, text]);
        }
    }
    Some(result)
}

fn decisions(execution: &ExecutionMetrics) -> impl Iterator<Item = Decision> {
    let whole = execution.decision_made.as_ref().map(|decision| {
        let mut whole = Decision::new(&execution.skill_name, decision);
        whole.confidence = execution.confidence_score.map(|score| score.to_string());
        whole
    });
    execution.trace.decisions.iter().cloned().chain(whole)
}

/// The values of a tag. A null tells nothing.
fn told<'r>(executions: &'r [ExecutionMetrics], tag: &'r str) -> impl Iterator<Item = &'r Value> {
    executions.iter().filter_map(move |one| one.tags.get(tag)).filter(|value| !value.is_null())
}

/// The sum of a tag over the executions that have it.
fn count(executions: &[ExecutionMetrics], tag: &str) -> Option<u64> {
    let mut told = told(executions, tag).map(Value::as_u64).peekable();
    told.peek()?;
    told.try_fold(0u64, |sum, count| sum.checked_add(count?))
}

/// What a tag lists, over the executions that have it. What is no text is taken as its JSON.
fn list(executions: &[ExecutionMetrics], tag: &str) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut told = told(executions, tag).peekable();
    told.peek()?;
    let items = told.flat_map(|value| match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    });
    Some(items.filter(|item| !item.is_empty()).collect())
}
