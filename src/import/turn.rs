//! A turn of a session: a prompt, and all work before the next prompt. A turn becomes one or more records when it ends.

use std::collections::HashMap;

use serde_json::Value;
use uuid::{Uuid, uuid};

use super::id::id_of_name;
use super::state::Import;
use super::work::{End, Origin, TurnCall, TurnStep, Worker, entry, step_of};
use crate::digest::hash_bytes;
use crate::metrics::{Environment, ErrorCategory, ExecutionMetrics, Status, Timestamp};

/// The largest number of calls in one record.
pub const CALLS_MAX: usize = 1_000;
/// A session counts as ended after this time without a new line, in milliseconds: one hour.
pub const IDLE_MS: u64 = 60 * 60 * 1_000;

/// Once the outputs in a record have this many bytes, the next call is in another record. A line of the ledger may have
/// four times as many bytes.
const CONTENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The namespace of the execution ids. It must never change: with other ids, the ledger would not recognise the
/// records of an earlier import.
const NAMESPACE: Uuid = uuid!("0d7b1a3e-5f0c-4a64-9a5e-6a2f4f1c8b90");
/// Marks the names of executions that began with a call of a tool.
const TOOL: &str = "tool";
/// The tag for an execution that began with a call of a tool. Its value is the agent's id of that call. A hook, which
/// is a command that the agent calls, may have recorded the same execution.
pub const TOOL_USE_ID: &str = "tool_use_id";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Debug)]
pub(super) struct Turn {
    /// The name of the execution: the agent, or the type of the sub-agent.
    skill: String,
    parent: Option<Uuid>,
    start: Timestamp,
    /// The time of the last line.
    last: Timestamp,
    prompt: String,
    calls: Vec<TurnCall>,
    /// The index of each call in `calls`.
    at: HashMap<String, usize>,
    steps: Vec<TurnStep>,
    /// The name of the first call of the turn, even if an earlier import recorded that call.
    first: Option<String>,
    /// The id of the tool call that started the sub-agent, if this is the first turn of the sub-agent.
    pub(super) started_by: Option<String>,
    /// Other names under which the calls are known.
    aliases: Vec<String>,
    pub(super) is_cancelled: bool,
    /// True if the model answered, whether or not the agent wrote a usage.
    pub(super) has_answer: bool,
    /// True if the last line is the result of a tool that the model has not answered yet.
    awaits_model: bool,
    /// The last error that the agent reported. `None` if a call of a model followed it.
    pub(super) error: Option<String>,
}

impl Turn {
    pub(super) fn new(skill: String, parent: Option<Uuid>, start: Timestamp, prompt: String) -> Self {
        let (calls, steps, at, aliases) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
        let (is_cancelled, has_answer, awaits_model) = (false, false, false);
        let (first, started_by, error) = (None, None, None);
        Self {
            skill,
            parent,
            start,
            last: start,
            prompt,
            calls,
            at,
            steps,
            first,
            started_by,
            aliases,
            is_cancelled,
            has_answer,
            awaits_model,
            error,
        }
    }

    /// Replaces the calls of the turn with `calls`, which have the usage of all old calls together. The names of the
    /// old calls stay known.
    pub(super) fn replace_calls(&mut self, calls: Vec<TurnCall>) {
        self.aliases.extend(self.calls.drain(..).map(|call| call.name));
        // The execution's id is made from the name of its first call, so this name must be the same in every source.
        self.first = self.aliases.first().cloned().or(self.first.take());
        self.calls = calls;
        if let (Some(call), Some(first)) = (self.calls.first_mut(), &self.first) {
            call.name.clone_from(first);
            self.aliases.retain(|alias| alias != first);
        }
    }

    /// Sets the start to `ms` milliseconds before the end.
    pub(super) fn began_before(&mut self, ms: u64) {
        let start = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_unix_ms(self.last.unix_ms() - ms));
        self.start = start.unwrap_or(self.start);
    }

    /// Sets the start and the end.
    pub(super) fn lasted_from(&mut self, start: Timestamp, end: Timestamp) {
        (self.start, self.last) = (start, end);
    }

    /// Returns true if the turn began before this time.
    pub(super) fn began_by(&self, at: Timestamp) -> bool {
        self.start < at
    }

    /// Notes that the turn has a line with this time.
    pub(super) fn touch(&mut self, at: Timestamp) {
        self.last = self.last.max(at);
    }

    /// Remembers `call` as the first call of the turn, unless the turn already has a first call. An earlier import may
    /// have recorded `call`.
    pub(super) fn begins_with(&mut self, call: &str) {
        self.first.get_or_insert_with(|| call.to_owned());
    }

    /// Returns true if the turn has a call that no earlier import recorded.
    fn is_new(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Returns true if the model answered, but the agent wrote no usage.
    fn lacks_usage(&self) -> bool {
        self.has_answer && self.first.is_none()
    }

    /// Removes the calls of sub-agents that repeat this message of the session.
    pub(super) fn remove_replays(&mut self, message: &str) {
        let is_replay = |call: &TurnCall| {
            matches!(call.worker, Worker::Agent(_))
                && call.name.strip_prefix(message).is_some_and(|rest| rest.starts_with('/'))
        };
        if self.calls.iter().any(is_replay) {
            self.calls.retain(|call| !is_replay(call));
            self.at = self.calls.iter().enumerate().map(|(at, call)| (call.name.clone(), at)).collect();
        }
    }

    pub(super) fn has_call(&self, name: &str) -> bool {
        self.at.contains_key(name)
    }

    /// Returns the id of the turn's own execution, or `None` if the turn has no call yet.
    pub(super) fn id(&self, origin: &Origin) -> Option<Uuid> {
        let name = self.calls.first().map(|call| &call.name).or(self.first.as_ref())?;
        Some(self.id_from(name, origin))
    }

    /// Returns the id of the turn's own execution, whose first call is `first`.
    fn id_from(&self, first: &str, origin: &Origin) -> Uuid {
        match &self.started_by {
            // A later part of the turn begins with another call.
            Some(tool) if self.first.as_deref() == Some(first) => id_of_tool(origin.source, &origin.session, tool),
            _ => id_of(origin, "turn", first),
        }
    }

    /// Returns true if a new call at this time must go into another record.
    pub(super) fn is_full_at(&self, at: Timestamp) -> bool {
        let Some(first) = self.calls.first() else { return false };
        let content = || self.calls.iter().map(|call| call.output.len()).sum::<usize>();
        self.calls.len() >= CALLS_MAX || day(first.at) != day(at) || content() >= CONTENT_BYTES_MAX
    }

    /// Ends this record, and continues with another record for the same prompt.
    pub(super) fn cut(&mut self, at: Timestamp, origin: &Origin, import: &mut Import) {
        let mut rest = Self::new(self.skill.clone(), self.parent, at, String::new());
        rest.steps = self.steps.extract_if(.., |step| step.end.is_none()).collect();
        std::mem::replace(self, rest).finish(&End::Continues, origin, import);
    }

    /// Adds a line of a call. Returns false if the turn already has a line of the same call.
    pub(super) fn add_call(&mut self, call: TurnCall) -> bool {
        self.error = None;
        self.awaits_model = false;
        self.touch(call.at);
        match self.at.get(&call.name).and_then(|&at| self.calls.get_mut(at)) {
            Some(known) => {
                known.merge(call);
                false
            }
            None => {
                self.begins_with(&call.name);
                self.at.insert(call.name.clone(), self.calls.len());
                self.calls.push(call);
                true
            }
        }
    }

    /// Takes the calls that the turn has so far. They do not become part of a record.
    pub(super) fn take_calls(&mut self) -> Vec<TurnCall> {
        self.at.clear();
        std::mem::take(&mut self.calls)
    }

    pub(super) fn add_step(&mut self, step: TurnStep) {
        if !self.steps.iter().rev().any(|known| known.id == step.id) {
            self.steps.push(step);
        }
    }

    /// Notes that the call `id` of a tool has a result, which the model has not answered yet. Ends the step of this
    /// call, if the turn has it.
    pub(super) fn end_step(&mut self, id: &str, at: Timestamp, succeeded: Option<bool>) {
        self.touch(at);
        self.awaits_model = true;
        if let Some(step) = self.steps.iter_mut().rev().find(|step| step.id == id) {
            step.end.get_or_insert((at, succeeded));
        }
    }

    /// Returns how the turn ended, or `None` if the turn may go on. Use this method if no later prompt shows that the
    /// turn has ended. `is_answered` is true if the model ended its answer.
    fn end_at(&self, is_answered: bool, now: Timestamp) -> Option<End> {
        let is_idle = now.ms_since(self.last).is_some_and(|idle| idle >= IDLE_MS);
        let has_ended = self.is_cancelled || is_idle || (is_answered && !self.has_running());
        has_ended.then(|| self.end_of_session())
    }

    /// Returns how the turn ended, given that nothing follows in the session.
    pub(super) fn end_of_session(&self) -> End {
        let is_unfinished = self.has_running() || self.awaits_model;
        if is_unfinished && !self.is_cancelled && self.error.is_none() { End::Interrupted } else { self.end() }
    }

    fn has_running(&self) -> bool {
        self.steps.iter().any(|step| step.end.is_none())
    }

    /// Returns how the turn ended, given that another prompt follows.
    pub(super) fn end(&self) -> End {
        match &self.error {
            _ if self.is_cancelled => End::Cancelled,
            Some(error) => End::Failed(error.clone()),
            None => End::Success,
        }
    }

    /// If the turn has ended, although no later prompt shows this, passes its records to `import`. Otherwise counts the
    /// turn as waiting for the next import. Returns the turn without the parts that were passed, because more lines can
    /// follow.
    pub(super) fn finish_if_ended(self, is_answered: bool, origin: &Origin, import: &mut Import) -> Self {
        if !self.is_new() {
            import.counts_mut().without_usage += u64::from(self.lacks_usage());
            return self;
        }
        let Some(end) = self.end_at(is_answered, import.now()) else {
            import.counts_mut().waiting += 1;
            return self;
        };
        let rest = Self {
            skill: self.skill.clone(),
            prompt: self.prompt.clone(),
            first: self.first.clone(),
            started_by: self.started_by.clone(),
            error: self.error.clone(),
            calls: Vec::new(),
            at: HashMap::new(),
            steps: Vec::new(),
            aliases: Vec::new(),
            ..self
        };
        self.finish(&end, origin, import);
        rest
    }

    /// Passes the records of the turn to `import`. A turn without a new call has no record.
    pub(super) fn finish(mut self, end: &End, origin: &Origin, import: &mut Import) {
        let Some(new) = self.calls.first().map(|call| call.name.clone()) else {
            import.counts_mut().without_usage += u64::from(self.lacks_usage());
            return;
        };
        // If an earlier import was killed, it may have recorded the turn without some of its skills. In that case, only
        // the skills are recorded now.
        let has_own = self.calls.iter().any(|call| call.worker == Worker::Own);
        let first = self.first.clone().filter(|_| !has_own).unwrap_or(new.clone());
        let is_recorded = first != new;
        let id = self.id_from(&first, origin);
        let mut workers: Vec<Worker> = vec![Worker::Own];
        let of_calls = self.calls.iter().map(|call| &call.worker);
        for worker in of_calls.chain(self.steps.iter().map(|step| &step.worker)) {
            if !workers.contains(worker) {
                workers.push(worker.clone());
            }
        }
        let loaded: Vec<_> =
            self.steps.iter().filter_map(|step| Some((step.id.clone(), step.skill.clone()?))).collect();
        for worker in &workers {
            let calls: Vec<_> = self.calls.extract_if(.., |call| call.worker == *worker).collect();
            let steps: Vec<_> = self.steps.extract_if(.., |step| step.worker == *worker).collect();
            let (record, calls) = match worker {
                Worker::Own if is_recorded => continue,
                Worker::Own => {
                    let mut record = self.record(id, self.skill.clone(), self.start, end, origin);
                    if !self.prompt.is_empty() {
                        record.input_hash = Some(hash_bytes(&self.prompt));
                    }
                    record.run.parent_execution_id = self.parent;
                    if self.parent.is_some() {
                        record.operator = origin.source.to_owned();
                        record.run.agent_name = Some(self.skill.clone());
                    }
                    if let Some(tool) =
                        self.started_by.as_deref().filter(|tool| id == id_of_tool(origin.source, &origin.session, tool))
                    {
                        record.tags.insert(TOOL_USE_ID.to_owned(), tool.into());
                    }
                    (record, calls)
                }
                Worker::Skill(skill) | Worker::Agent(skill) => {
                    let tool = loaded.iter().find(|(_, name)| name == skill);
                    let tool = tool.filter(|_| matches!(worker, Worker::Skill(_))).map(|(tool, _)| tool.as_str());
                    let id_of_worker = match (worker, tool, calls.first()) {
                        (_, Some(tool), _) => id_of_tool(origin.source, &origin.session, tool),
                        (Worker::Skill(_), None, Some(call)) => {
                            id_of(origin, "skill", &format!("{skill} {}", call.name))
                        }
                        (_, None, Some(call)) => id_of(origin, "agent", &call.name),
                        (_, None, None) => continue,
                    };
                    let start = calls.first().map_or(self.start, |call| call.at);
                    let name_of_agent = skill.split(' ').next().unwrap_or(skill).to_owned();
                    let is_agent = matches!(worker, Worker::Agent(_));
                    let called = if is_agent { name_of_agent } else { skill.clone() };
                    let mut record = self.record(id_of_worker, called, start, end, origin);
                    record.run.parent_execution_id = Some(id);
                    record.operator = origin.source.to_owned();
                    if is_agent {
                        record.run.agent_name = Some(record.skill_name.clone());
                    } else {
                        record.skill_version = "unknown".to_owned();
                        record.tags.insert("attributed_by".to_owned(), "vendor".into());
                        if let Some(tool) = tool {
                            record.tags.insert(TOOL_USE_ID.to_owned(), tool.into());
                        }
                    }
                    (record, calls)
                }
            };
            self.fill(record, calls, steps, matches!(worker, Worker::Own), import);
        }
        self.add_skills(&loaded, &workers, id, origin, import);
    }

    fn record(&self, id: Uuid, skill: String, start: Timestamp, end: &End, origin: &Origin) -> ExecutionMetrics {
        let version = origin.version.clone().unwrap_or_else(|| "unknown".to_owned());
        let mut record = ExecutionMetrics::new(id, skill, version, start);
        record.orchestrator_version.clone_from(&origin.version);
        record.environment = Environment::Local;
        record.run.run_id = Some(origin.session.clone());
        record.run.parent_run_id.clone_from(&origin.parent_session);
        record.run.session_id = Some(origin.session.clone());
        record.run.agent_name = Some(origin.source.to_owned());
        record.tags.insert("source".to_owned(), origin.source.into());
        record.tags.extend(origin.tags.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())));
        match end {
            End::Success => record.set_status(Status::Success),
            End::Cancelled => record.set_status(Status::Cancelled),
            End::Interrupted => record.set_status(Status::Interrupted),
            End::Failed(reason) => {
                record.set_status(Status::Failed);
                record.error_category = Some(ErrorCategory::Unknown);
                record.set_error_reason(reason.as_str());
            }
            End::Continues => _ = record.tags.insert("continues".to_owned(), true.into()),
        }
        record
    }

    /// Adds the calls and the steps of an execution, and passes its record to `import`.
    fn fill(
        &self,
        mut record: ExecutionMetrics,
        calls: Vec<TurnCall>,
        steps: Vec<TurnStep>,
        is_own: bool,
        import: &mut Import,
    ) {
        let times = calls.iter().map(|call| call.at);
        let ends = steps.iter().filter_map(|step| Some(step.end?.0));
        let last = if is_own { Some(self.last) } else { times.clone().chain(ends).max() };
        if let Some(first) = times.clone().min() {
            // A turn counts on the day of its calls. A prompt can be from the day before its first call.
            if day(first) != day(record.timestamp_start) {
                record.timestamp_start = first;
            }
        }
        record.timestamp_start = record.timestamp_start.min(last.unwrap_or(record.timestamp_start));
        if record.status != Some(Status::Interrupted) {
            record.timestamp_end = last.or(Some(record.timestamp_start));
        }
        let mut names = Vec::new();
        let mut lower: Vec<Value> = Vec::new();
        if let Some(output) = calls.iter().rev().map(|call| &call.output).find(|output| !output.is_empty()) {
            record.output_hash = Some(hash_bytes(output));
        }
        for (number, call) in (1_u64..).zip(calls) {
            import.know(&call.name, Some(call.total()));
            import.counts_mut().calls += 1;
            if !call.is_final {
                import.counts_mut().lower_bounds += 1;
                lower.push(number.into());
            }
            names.push(Value::from(call.name.as_str()));
            let prompt = (is_own && number == 1).then(|| self.prompt.clone());
            record.trace.llm_calls.push(entry(number, call, prompt, import.keeps_content()));
        }
        sum_up(&mut record);
        if is_own {
            for alias in &self.aliases {
                import.know(alias, None);
                names.push(alias.as_str().into());
            }
        }
        if !names.is_empty() {
            record.tags.insert("call_ids".to_owned(), names.into());
        }
        if !lower.is_empty() {
            record.tags.insert(ExecutionMetrics::LOWER_BOUND_CALLS.to_owned(), lower.into());
        }
        record.trace.steps.extend(steps.into_iter().map(step_of));
        record.derive_missing();
        // The calls of tools are only a part of the work, so the sum of their durations is not the latency. The latency
        // of an interrupted turn is unknown, because its end is unknown.
        record.total_latency_ms = record.timestamp_end.and_then(|end| end.ms_since(record.timestamp_start));
        import.add(record);
    }

    /// Adds an execution for each skill that was loaded but has no calls attributed to it.
    fn add_skills(
        &self,
        loaded: &[(String, String)],
        workers: &[Worker],
        parent: Uuid,
        origin: &Origin,
        import: &mut Import,
    ) {
        for (tool, skill) in loaded {
            if workers.contains(&Worker::Skill(skill.clone())) {
                continue;
            }
            let id = id_of_tool(origin.source, &origin.session, tool);
            let mut record = self.record(id, skill.clone(), self.start, &self.end(), origin);
            record.tags.insert(TOOL_USE_ID.to_owned(), tool.as_str().into());
            "unknown".clone_into(&mut record.skill_version);
            record.operator = origin.source.to_owned();
            record.run.parent_execution_id = Some(parent);
            record.timestamp_end = Some(self.last);
            // The skill may have ended before the turn, and with another outcome. So its outcome is unknown.
            (record.status, record.execution_succeeded, record.execution_failed) = (None, None, None);
            (record.error_category, record.error_reason) = (None, None);
            import.add(record);
        }
    }
}

/// Sets the usage of the record to the sum of its calls. To do so, adds the last call again with
/// [`ExecutionMetrics::add_call`], which computes the sum.
fn sum_up(record: &mut ExecutionMetrics) {
    if let Some(last) = record.trace.llm_calls.pop() {
        record.add_call(last);
    }
}

fn day(at: Timestamp) -> i64 {
    at.unix_ms().div_euclid(DAY_MS)
}

fn id_of(origin: &Origin, kind: &str, name: &str) -> Uuid {
    id_of_kind(origin.source, kind, name)
}

fn id_of_kind(agent: &str, kind: &str, name: &str) -> Uuid {
    id_of_name(NAMESPACE, &format!("{agent} {kind} {name}"))
}

/// Returns the id of the execution that began with a call of a tool. It is the execution of a skill that the tool
/// loaded, of a sub-agent that the tool started, or of the call itself. `agent` is the name of the agent, such as
/// `claude-code`. `tool_use_id` is the agent's id of the call. Another session can use the same id for another call.
///
/// ```
/// use runledger::import::id_of_tool;
///
/// assert_eq!(id_of_tool("claude-code", "s-1", "toolu_01").to_string(), "df922555-bf4e-5864-b2eb-4f303a66d73e");
/// ```
pub fn id_of_tool(agent: &str, session: &str, tool_use_id: &str) -> Uuid {
    id_of_kind(agent, TOOL, &format!("{session} {tool_use_id}"))
}
