//! Checks the executions of a run against the rules, and compares the executions with each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::Gate;
use super::attempts::Attempts;
use super::member::{self, Member};
use super::reason::{Reasons, Rule};
use super::report::{GateReport, GateVerdict, NotJudged};

use crate::governance::{Expected, Field};
use crate::metrics::{ExecutionMetrics, Status, Timestamp, shortened};

/// Collects what the records say about the run.
pub(super) struct Run<'g> {
    gate: &'g Gate,
    members: Vec<Member>,
    /// The index of each execution in `members`.
    places: HashMap<Uuid, usize>,
    /// The last record of each execution so far. The next record of the execution may complete this record.
    last: BTreeMap<Uuid, ExecutionMetrics>,
    /// All executions that do not belong to the run, whether they have ended or not.
    elsewhere: HashSet<Uuid>,
    /// Executions that name a parent but not a run, with their parents and skills.
    strays: Vec<(Uuid, Uuid, String)>,
    /// Executions of the run that are in flight (begun, but not ended).
    in_flight: HashSet<Uuid>,
    /// Executions of the run whose record is in the spill. The spill holds the records that could not be appended to
    /// the ledger so far.
    spilled: HashSet<Uuid>,
    /// The start of the earliest execution of the run.
    started: Option<Timestamp>,
    child_runs: BTreeSet<String>,
    /// True if a hook of a coding agent recorded an execution of the run.
    is_of_hook: bool,
    /// True if an execution of the run has a known cost.
    has_cost: bool,
    attempts: Attempts,
    /// The number of executions that were found for each expectation.
    found: Vec<u64>,
    reasons: Reasons,
}

impl<'g> Run<'g> {
    pub(super) fn new(gate: &'g Gate) -> Self {
        Self {
            gate,
            members: Vec::new(),
            places: HashMap::new(),
            last: BTreeMap::new(),
            elsewhere: HashSet::new(),
            strays: Vec::new(),
            in_flight: HashSet::new(),
            spilled: HashSet::new(),
            started: None,
            child_runs: BTreeSet::new(),
            is_of_hook: false,
            has_cost: false,
            attempts: Attempts::default(),
            found: vec![0; gate.expected.iter().count()],
            reasons: Reasons::default(),
        }
    }

    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let id = record.execution_id;
        if !self.has(record) {
            self.elsewhere.insert(id);
            return;
        }
        match self.last.get(&id) {
            // A later record replaces the earlier one if the earlier execution was interrupted or paused, or if the
            // later record completes the earlier one.
            Some(earlier) if record.end_progress() > earlier.end_progress() || record.completes(earlier) => {}
            Some(earlier) if earlier.status == Some(Status::Interrupted) => {}
            // A new segment (file) of the ledger can repeat a line of the previous segment. The repeated record counts
            // once.
            Some(earlier) if earlier.to_json().ok() == record.to_json().ok() => return,
            Some(_) => {
                self.reasons.of(record, Rule::Overwritten, "it has several records that differ".to_owned());
                return;
            }
            None => {}
        }
        self.last.insert(id, record.clone());
    }

    /// Adds the last record of each execution. Call this method after all records of the ledger were added with `add`.
    pub(super) fn add_last_records(&mut self) {
        for record in std::mem::take(&mut self.last).values() {
            self.add_last(record);
        }
    }

    fn add_last(&mut self, record: &ExecutionMetrics) {
        let id = record.execution_id;
        let required = self.gate.policy.required.of(record);
        let member = Member::of(record, required);
        self.is_of_hook |= record.is_of_hook();
        self.has_cost |= record.cost_usd.is_some();
        self.places.insert(id, self.members.len());
        self.count(record);
        self.check(record, &member.required);
        self.members.push(member);
    }

    /// If the execution names this run, updates `started` and returns true. If the execution names a parent but not a
    /// run, adds the execution to `strays`. If an execution names this run as its parent run, adds the run of that
    /// execution to `child_runs`.
    fn has(&mut self, record: &ExecutionMetrics) -> bool {
        if let (None, Some(parent)) = (&record.run.run_id, record.run.parent_execution_id) {
            self.strays.push((record.execution_id, parent, record.skill_name.clone()));
        }
        let is_this = |run: &Option<String>| run.as_ref() == Some(&self.gate.run_id);
        let of_run = is_this(&record.run.run_id);
        if of_run {
            let start = record.timestamp_start;
            self.started = Some(self.started.map_or(start, |started| started.min(start)));
        } else if is_this(&record.run.parent_run_id)
            && let Some(child) = &record.run.run_id
            && !self.child_runs.contains(child)
        {
            self.child_runs.insert(child.clone());
        }
        of_run
    }

    /// Adds a reason about the ledger or the run as a whole.
    pub(super) fn wrong(&mut self, rule: Rule, found: String) {
        self.reasons.add(rule, None, found, None);
    }

    /// Counts the record for every expectation that it fulfils, and as an attempt at its shot.
    fn count(&mut self, record: &ExecutionMetrics) {
        if self.gate.policy.attempts_numbered {
            self.attempts.add(record);
        }
        for (found, expected) in self.found.iter_mut().zip(self.gate.expected.iter()) {
            *found += u64::from(is_expected(expected, record));
        }
    }

    /// Checks a single record, without comparing it with other records.
    fn check(&mut self, record: &ExecutionMetrics, required: &[Field]) {
        let reasons = &mut self.reasons;
        if record.status == Some(Status::Interrupted) {
            if member::is_tool_of_agent(record) {
                return;
            }
            reasons.of(record, Rule::MissingEntry, "it was interrupted before it ended".to_owned());
            return;
        }
        for field in required {
            if let Some(found) = field.missing(record) {
                reasons.missing(record, *field, found);
            }
        }
        member::check_times(record, reasons);
        member::check_outcome(record, reasons);
        if record.tags.contains_key("refused") {
            let found = "invalid fields were left out; the tag `refused` of the record says why";
            reasons.of(record, Rule::MissingField, found.to_owned());
        }
    }

    /// Adds the records that are not yet in the ledger.
    pub(super) fn add_spilled(&mut self, spilled: &[ExecutionMetrics]) {
        for record in spilled {
            if self.is_unseen(record) {
                self.spilled.insert(record.execution_id);
                let found = "its record waits in the spill because the ledger could not store it";
                self.reasons.of(record, Rule::MissingEntry, found.to_owned());
            }
        }
    }

    /// Adds the executions that are in flight. An execution that has a record in the ledger or in the spill is ignored.
    pub(super) fn add_begun(&mut self, begun: &[ExecutionMetrics]) {
        for record in begun {
            if self.is_unseen(record) {
                self.in_flight.insert(record.execution_id);
                let found = "it has not ended: it is in flight";
                self.reasons.of(record, Rule::MissingEntry, found.to_owned());
            }
        }
    }

    /// Returns true if the execution belongs to the run and has not been added yet. Such an execution is counted for
    /// the expectations.
    fn is_unseen(&mut self, record: &ExecutionMetrics) -> bool {
        let id = record.execution_id;
        if self.places.contains_key(&id) || self.spilled.contains(&id) || self.elsewhere.contains(&id) {
            return false;
        }
        if !self.has(record) {
            self.elsewhere.insert(id);
            return false;
        }
        self.count(record);
        true
    }

    pub(super) fn judge(mut self) -> GateReport {
        if self.started.is_none() {
            self.wrong(Rule::MissingEntry, "the ledger has no execution of the run".to_owned());
        }
        self.judge_losses();
        self.judge_expected();
        self.judge_parents();
        self.judge_strays();
        if self.gate.policy.even_across_tiers {
            self.judge_tiers();
        }
        self.attempts.judge(&mut self.reasons);
        let reasons = self.reasons.into_sorted();
        GateReport {
            run_id: self.gate.run_id.clone(),
            verdict: if reasons.is_empty() { GateVerdict::Pass } else { GateVerdict::Fail },
            executions: self.members.len() as u64,
            in_flight: self.in_flight.len() as u64,
            spilled: self.spilled.len() as u64,
            not_judged: NotJudged::of(&self.gate.expected, self.is_of_hook && !self.has_cost, &self.child_runs),
            child_runs: self.child_runs.into_iter().collect(),
            reasons,
        }
    }

    /// Reports records that were lost since the run started, because they may belong to the run.
    fn judge_losses(&mut self) {
        for &(at, records) in &self.gate.lost {
            if self.started.is_none_or(|started| at >= started) {
                let records = if records == 1 { "1 record was".to_owned() } else { format!("{records} records were") };
                self.wrong(
                    Rule::MissingEntry,
                    format!("{records} lost, as the ledger reported at {at}, and may belong to this run"),
                );
            }
        }
    }

    fn judge_expected(&mut self) {
        for (&found, expected) in self.found.iter().zip(self.gate.expected.iter()) {
            if found < expected.count {
                let text = format!("expected {expected}, found {found}");
                self.reasons.add(Rule::MissingEntry, Some(&expected.skill), text, None);
            }
        }
    }

    /// Returns true if the execution belongs to the run. It may be in flight, or its record may still be in the spill.
    fn is_member(&self, id: &Uuid) -> bool {
        self.places.contains_key(id) || self.in_flight.contains(id) || self.spilled.contains(id)
    }

    /// Checks that the parent of each execution is known. If the parent belongs to another run, the execution must
    /// name a parent run. Also checks that no execution of the run shares its id with a record outside the run.
    fn judge_parents(&mut self) {
        for member in &self.members {
            if self.elsewhere.contains(&member.id) {
                let found = "a record of another run has the same id".to_owned();
                self.reasons.add(Rule::Overwritten, Some(&member.skill), found, Some(member.id));
            }
            let Some(parent) = member.parent else { continue };
            let (rule, found) = if parent == member.id {
                (Rule::MissingParent, "it names itself as its parent".to_owned())
            } else if self.is_member(&parent) {
                continue;
            } else if !self.elsewhere.contains(&parent) {
                (Rule::MissingEntry, format!("its parent {parent} has no record"))
            } else if !member.has_parent_run {
                let found = format!("its parent {parent} belongs to another run, and parent_run_id is null");
                (Rule::MissingParent, found)
            } else {
                continue;
            };
            self.reasons.add(rule, Some(&member.skill), found, Some(member.id));
        }
    }

    /// Finds executions that name no run, but whose parent or other ancestor belongs to this run.
    fn judge_strays(&mut self) {
        let mut family: HashSet<Uuid> = self.places.keys().copied().collect();
        family.extend(self.in_flight.iter().chain(&self.spilled));
        let mut strays = std::mem::take(&mut self.strays);
        loop {
            let (found, rest): (Vec<_>, Vec<_>) =
                strays.into_iter().partition(|(_, parent, _)| family.contains(parent));
            if found.is_empty() {
                return;
            }
            for (id, _, skill) in found {
                if family.insert(id) {
                    let found = "its parent belongs to this run, and run_id is null".to_owned();
                    self.reasons.add(Rule::MissingParent, Some(&skill), found, Some(id));
                }
            }
            strays = rest;
        }
    }

    /// Finds fields that a skill always logs for one tier and never for another.
    fn judge_tiers(&mut self) {
        let mut skills: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&Member>>> = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.succeeded) {
            if let Some(tier) = &member.tier {
                skills.entry((&member.skill, member.kind.as_str())).or_default().entry(tier).or_default().push(member);
            }
        }
        for ((skill, _), tiers) in &skills {
            // A skill may log an estimated cost for one tier and an actual cost for another. So `EstimatedCost` and
            // `ActualCost` are not compared; `Cost` covers both.
            let alike = |field: &Field| !matches!(field, Field::EstimatedCost | Field::ActualCost);
            for field in Field::ALL.into_iter().filter(alike) {
                let holds = |member: &&Member| member.fields.contains(&field);
                let always = tiers.iter().find(|(_, members)| members.iter().all(holds));
                let never = tiers.iter().filter(|(_, members)| !members.iter().any(holds));
                let Some((with, _)) = always else { continue };
                for (without, members) in never {
                    // A required field is already reported for each record that lacks it.
                    for member in members.iter().filter(|member| !member.required.contains(&field)) {
                        let [with, without] = [with, without].map(|tier| shortened(tier));
                        let name = field.name();
                        let found = format!("{name} is recorded for the tier {with} and never for {without}");
                        self.reasons.add(Rule::InconsistentAcrossTiers, Some(skill), found, Some(member.id));
                    }
                }
            }
        }
    }
}

fn is_expected(expected: &Expected, record: &ExecutionMetrics) -> bool {
    let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    expected.skill == record.skill_name
        && expected.kind.as_ref().is_none_or(|kind| *kind == record.kind)
        && same(&expected.scene_id, &record.production.scene_id)
        && same(&expected.shot_id, &record.production.shot_id)
}
