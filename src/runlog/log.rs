//! The facts of a run log, which describes one run (a group of executions).

use std::collections::HashSet;

use serde_json::Value;

use super::prices::{self, PriceLine};
use super::{Run, minute};
use crate::cost::{Count, PriceTable};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Decision, ExecutionMetrics, Feedback, Status, Step, Timestamp, TracedError, Usd};

/// The status of a run, which follows from the statuses of its root executions. A root execution is an execution that
/// no other execution of the run started. The status of a parent is expected to reflect the status of its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogStatus {
    /// The run has not ended yet: a root execution is paused, or has no status.
    InProgress,
    /// All root executions succeeded.
    Completed,
    /// A root execution failed or panicked, or was cancelled or interrupted.
    Failed,
}

impl LogStatus {
    pub(super) const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Failed];

    /// Returns the text of the status: `In Progress`, `Completed` or `Failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

/// The facts about one run that the log of the run contains. Times are UTC, to the minute. `None` means unknown. An
/// empty list means that the records contain no such items, unless the documentation of the field says otherwise.
///
/// [`new`](Self::new) finds the facts in the records of the run, [`to_markdown`](Self::to_markdown) writes them, and
/// [`parse`](Self::parse) reads the same facts back. Empty optional texts, empty items of lists, and the `duration_ms`
/// of steps are not written. If an error is resolved after the run, its resolution is only in the error registry.
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
    /// The id of the run in the ledger.
    pub run: String,
    /// The title of the log: the mode, or the first skill if the mode is unknown.
    pub title: String,
    /// When the first execution started.
    pub started: Timestamp,
    /// The mode of the run, such as `review`. This is the first `run.mode` that an execution has.
    pub mode: Option<String>,
    /// Whether the run has ended, and how.
    pub status: LogStatus,
    /// The steps of all executions, in chronological order. An execution without steps counts as one step. If the run
    /// has several executions, the name of a step begins with the name of the skill.
    pub steps: Vec<Step>,
    /// For each execution, the decisions in its trace (the lists of what happened during the execution), followed by
    /// its `decision_made`.
    pub decisions: Vec<Decision>,
    /// The feedback of people, in chronological order.
    pub feedback: Vec<Feedback>,
    /// The errors in the traces and the errors that ended executions, in chronological order. If an error has no
    /// context, the skill is used as its context. `registry_id` is the number of the error in the registry, such as
    /// `ERR-001`.
    pub errors: Vec<TracedError>,
    /// The sum of the tag `conversations_processed` over the executions. `None` if no execution has the tag, or if one
    /// of its values is not a whole number.
    pub conversations_processed: Option<u64>,
    /// The sum of the tag `messages_sent` over the executions. `None` if no execution has the tag, or if one of its
    /// values is not a whole number.
    pub messages_sent: Option<u64>,
    /// The items of the tag `changes_made` of all executions. The value of the tag is a list of texts, or a single
    /// text, which counts as one item. An empty list means that nothing was changed; `None` means that no execution has
    /// the tag.
    pub changes_made: Option<Vec<String>>,
    /// The items of the tag `issues_to_address` of all executions, read in the same way as `changes_made`. An empty
    /// list means that there are no issues.
    pub issues_to_address: Option<Vec<String>>,
    /// The input tokens of the executions that used a model, including cached ones.
    pub tokens_input: Count,
    /// The output tokens of the executions that used a model, including reasoning.
    pub tokens_output: Count,
    /// All tokens of the executions that used a model.
    pub tokens_total: Count,
    /// The exact sum of the known costs, in US dollars, or `None` if no cost is known. If the cost of an execution was
    /// not recorded, the sum of the costs of its calls is used.
    pub cost: Option<Usd>,
    /// The number of executions that used a model, and whose cost is unknown.
    pub unpriced: u64,
    /// Where the costs come from: one line for each model and origin. The list is empty if no record shows that a model
    /// was used.
    pub prices: Vec<PriceLine>,
}

impl RunLog {
    /// Returns the facts of `run`. The errors have no numbers, because only
    /// [`ErrorRegistry::export`](super::ErrorRegistry::export) assigns numbers. If the recorded cost of a call was
    /// calculated with the table `prices`, the log states the prices of the call. If not, the log states only where the
    /// cost comes from.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`] if the costs add up to more than [`Usd`] can hold.
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
        match cost(execution) {
            None => self.unpriced += 1,
            Some(cost) => {
                let sum = self.cost.unwrap_or(Usd::ZERO).checked_add(cost);
                self.cost = Some(sum.ok_or_else(|| {
                    Error::new(ErrorKind::Overflow, format!("log the run {:?}", self.run))
                        .detail("the sum of its costs is out of range")
                })?);
            }
        }
        Ok(())
    }

    /// Removes empty texts, which carry no information.
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

/// Returns the cost of the execution. If this cost was not recorded, returns the sum of the costs of the calls. This
/// sum is `None` if the cost of one of the calls is unknown.
fn cost(execution: &ExecutionMetrics) -> Option<Usd> {
    execution.exact_cost().or_else(|| {
        let mut summed = execution.clone();
        summed.sum_costs_of_calls();
        summed.exact_cost()
    })
}

/// Sorts the items by time, and truncates their times to the minute.
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
        // Every execution has a parent in the run, so the parents form a cycle. In this case, no execution is ignored.
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

/// Returns the models that were called, such as `2 × gpt-4, claude-haiku-4-5`, in the order of their first calls.
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
    if models.is_empty() {
        return execution.model.name.clone();
    }
    Some(models.iter().map(text).collect::<Vec<_>>().join(", "))
}

/// Returns a text that says how the execution ended, with its artifact and the result of quality control.
fn result(execution: &ExecutionMetrics) -> Option<String> {
    let outcome = execution.execution_succeeded.map(|yes| if yes { Status::Success } else { Status::Failed });
    let status = execution.status.clone().or(outcome)?;
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

/// Returns the values that executions have for a tag, except null.
fn tagged<'r>(executions: &'r [ExecutionMetrics], tag: &'r str) -> impl Iterator<Item = &'r Value> {
    executions.iter().filter_map(move |one| one.tags.get(tag)).filter(|value| !value.is_null())
}

/// Returns the sum of a tag over the executions that have it. Returns `None` if no execution has the tag, or if a value
/// is not a whole number.
fn count(executions: &[ExecutionMetrics], tag: &str) -> Option<u64> {
    let mut counts = tagged(executions, tag).map(Value::as_u64).peekable();
    counts.peek()?;
    counts.try_fold(0u64, |sum, count| sum.checked_add(count?))
}

/// Returns the items of a tag over the executions that have it. An item that is not a text is written as JSON.
fn list(executions: &[ExecutionMetrics], tag: &str) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lists = tagged(executions, tag).peekable();
    lists.peek()?;
    let items = lists.flat_map(|value| match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    });
    Some(items.filter(|item| !item.is_empty()).collect())
}
