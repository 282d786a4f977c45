//! What stands around a skill, each recorded by one call: a routing decision, an attempt to generate something, a quality
//! control, a check against a budget.

use std::collections::BTreeMap;
use std::fmt;

use super::{Done, Execution, Skill};
use crate::metrics::{Decision, ExecutionMetrics, Kind, Production, QcOutcome, Usd};
use crate::quota::{Amount, Grant, Unit};

/// What a model router decided: which model, for which tier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Routing {
    /// The model that was chosen, as its vendor names it.
    pub model: String,
    /// The tier that it was chosen for.
    pub tier: String,
    /// Why; `None`: not told.
    pub reason: Option<String>,
    /// What the call is expected to cost, in US dollars; `None`: unknown.
    pub estimated_usd: Option<Usd>,
}

impl Routing {
    /// The choice of `model` for `tier`.
    pub fn new(model: impl Into<String>, tier: impl Into<String>) -> Self {
        Self { model: model.into(), tier: tier.into(), reason: None, estimated_usd: None }
    }

    /// Says why.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Says what the call is expected to cost.
    #[must_use]
    pub fn estimated_usd(self, amount: Usd) -> Self {
        Self { estimated_usd: Some(amount), ..self }
    }

    /// Puts it into a record: the model and the tier into `model`, the estimate into `cost`, the decision into
    /// `decision_made` and `trace`. [`Execution::routing`] does so; a guard that outlives no closure can too.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.model.name = Some(self.model.clone());
        record.model.tier = Some(self.tier.clone());
        // Those of a model that the router itself asked stand with its call.
        (record.model.provider, record.model.variant) = (None, BTreeMap::new());
        if self.estimated_usd.is_some() {
            record.cost.estimated_usd = self.estimated_usd;
        }
        decide(record, "model", &self.model, self.reason.clone());
    }
}

/// An attempt to generate something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How often it was generated before: 0 for the first attempt.
    pub regen_count: u64,
    /// The scene; `None`: it is of none.
    pub scene_id: Option<String>,
    /// The shot; `None`: it is of none.
    pub shot_id: Option<String>,
    /// The sort of shot; `None`: not told.
    pub shot_type: Option<String>,
    /// The tier that the model was chosen for; `None`: not told.
    pub tier: Option<String>,
}

impl Attempt {
    /// An attempt after `regen_count` others.
    pub fn new(regen_count: u64) -> Self {
        Self { regen_count, scene_id: None, shot_id: None, shot_type: None, tier: None }
    }

    /// Says of which scene it is.
    #[must_use]
    pub fn scene(self, scene_id: impl Into<String>) -> Self {
        Self { scene_id: Some(scene_id.into()), ..self }
    }

    /// Says of which shot it is.
    #[must_use]
    pub fn shot(self, shot_id: impl Into<String>) -> Self {
        Self { shot_id: Some(shot_id.into()), ..self }
    }

    /// Says of which sort the shot is.
    #[must_use]
    pub fn shot_type(self, shot_type: impl Into<String>) -> Self {
        Self { shot_type: Some(shot_type.into()), ..self }
    }

    /// Says for which tier the model was chosen.
    #[must_use]
    pub fn tier(self, tier: impl Into<String>) -> Self {
        Self { tier: Some(tier.into()), ..self }
    }

    /// Puts it into a record, as [`Execution::generation`] does.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.production.regen_count = Some(self.regen_count);
        record.model.tier.clone_from(&self.tier);
        self.locate(&mut record.production);
    }

    fn locate(&self, production: &mut Production) {
        production.scene_id.clone_from(&self.scene_id);
        production.shot_id.clone_from(&self.shot_id);
        production.shot_type.clone_from(&self.shot_type);
    }
}

/// What a quality control found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QcResult {
    /// Accepted, rejected, or to be mended.
    pub outcome: QcOutcome,
    /// The artifact that was looked at, with its version, named as its generation names it.
    pub artifact: String,
    /// What was objected to.
    pub violations: Vec<String>,
    /// How it drifted from what was asked; `None`: it did not.
    pub drift_category: Option<String>,
    /// The attempt that made the artifact; `None`: not told.
    pub attempt: Option<Attempt>,
}

impl QcResult {
    /// The outcome for `artifact`.
    pub fn new(outcome: QcOutcome, artifact: impl Into<String>) -> Self {
        let artifact = artifact.into();
        Self { outcome, artifact, violations: Vec::new(), drift_category: None, attempt: None }
    }

    /// Adds something that was objected to.
    #[must_use]
    pub fn violation(mut self, violation: impl Into<String>) -> Self {
        self.violations.push(violation.into());
        self
    }

    /// Says how it drifted from what was asked.
    #[must_use]
    pub fn drift(self, category: impl Into<String>) -> Self {
        Self { drift_category: Some(category.into()), ..self }
    }

    /// Says which attempt made the artifact: the record then has its scene, its shot and the sort of it.
    #[must_use]
    pub fn of(self, attempt: &Attempt) -> Self {
        Self { attempt: Some(attempt.clone()), ..self }
    }

    /// Puts it into a record, as [`Execution::qc`] does.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        let production = &mut record.production;
        production.outcome = Some(self.outcome.clone());
        production.artifact = Some(self.artifact.clone());
        production.qc_violations.clone_from(&self.violations);
        production.drift_category.clone_from(&self.drift_category);
        if let Some(attempt) = &self.attempt {
            attempt.locate(production);
        }
    }
}

/// Each begins an execution within this one, of its own [`Kind`], and records how it ended: so the record carries this
/// execution's run and its id as the parent, and there is one whether `body` succeeds, fails or panics.
///
/// ```
/// use runledger::ledger::{Attempt, QcResult, Routing};
/// use runledger::metrics::{Call, QcOutcome, RunIds};
/// use runledger::quota::{Grant, Limits};
/// use runledger::{Ledger, Skill, Usage, Usd};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(path)?;
/// let limits = r#"[{"api": "studio", "limit": 25, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-11-20"}]"#;
/// let budget = ledger.quota(Limits::from_json(limits)?)?.budget("studio")?;
/// let mut run_ids = RunIds::default();
/// run_ids.run_id = Some("run-7".to_owned());
/// let execution = ledger.begin(Skill::new("shot-pipeline", "1.0.0").run(run_ids));
/// let worst: Usd = "0.5".parse()?;
///
/// let grant = execution.budget_gate(Skill::new("budget-gates", "1.0.0"), |_| budget.reserve(Some(worst))).result?;
/// let routing = Routing::new("image-2", "premium").reason("a face, close up").estimated_usd(worst);
/// let routed = execution.routing(Skill::new("model-router", "1.0.0"), |_| Ok::<_, String>(routing)).result?;
/// let attempt = Attempt::new(0).scene("scene-2").shot("shot-004").tier(&routed.tier);
/// let artifact = execution.generation(Skill::new("shot-renderer", "1.0.0"), &attempt, |execution| {
///     execution.record_call(&Call::new(&routed.model, Usage::new(900, 0)).reported_usd(worst));
///     Ok::<_, String>("shot-004_v001.png")
/// });
/// let qc = execution.qc(Skill::new("qc-grader", "1.0.0"), |_| {
///     Ok::<_, String>(QcResult::new(QcOutcome::Fix, "shot-004_v001.png").violation("six fingers").of(&attempt))
/// });
/// if let Grant::Held(hold) = grant {
///     hold.settle(Some(worst))?;
/// }
/// assert!(artifact.record.is_durable() && qc.record.is_durable() && execution.succeed().is_durable());
///
/// let records = ledger.scan()?.collect::<Result<Vec<_>, _>>()?;
/// let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
/// assert_eq!(kinds, ["budget_gate", "model_routing", "generation", "qc", "skill"]);
/// let decisions: Vec<_> = records.iter().map(|record| record.decision_made.as_deref()).collect();
/// assert_eq!(decisions, [Some("APPROVE"), Some("image-2"), None, None, None]);
/// let parent = Some(records[4].execution_id);
/// assert!(records[..4].iter().all(|child| child.run.parent_execution_id == parent));
/// assert!(records.iter().all(|record| record.run.run_id.as_deref() == Some("run-7")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Execution {
    /// Records a decision of the model router: what `body` returns.
    pub fn routing<E: fmt::Display>(
        &self,
        router: Skill,
        body: impl FnOnce(&mut Execution) -> Result<Routing, E>,
    ) -> Done<Routing, E> {
        self.run(router.kind(Kind::ModelRouting), filled(body, Routing::fill))
    }

    /// Records an attempt to generate something; `body` returns the artifact that it made, with its version
    /// (`shot-004_v002.png`).
    pub fn generation<T: AsRef<str>, E: fmt::Display>(
        &self,
        generator: Skill,
        attempt: &Attempt,
        body: impl FnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        let attempted = |execution: &mut Execution| {
            attempt.fill(execution.record_mut());
            body(execution)
        };
        let made = |artifact: &T, record: &mut ExecutionMetrics| {
            record.production.artifact = Some(artifact.as_ref().to_owned());
        };
        self.run(generator.kind(Kind::Generation), filled(attempted, made))
    }

    /// Records the result of a quality control: what `body` returns. The control itself succeeds, whatever it finds.
    pub fn qc<E: fmt::Display>(
        &self,
        grader: Skill,
        body: impl FnOnce(&mut Execution) -> Result<QcResult, E>,
    ) -> Done<QcResult, E> {
        self.run(grader.kind(Kind::Qc), filled(body, QcResult::fill))
    }

    /// Records a check against a budget: `decision_made` is `APPROVE` if the reservation that `body` makes is granted and
    /// `BLOCK` if it is denied, with the reason in `trace`. The check itself succeeds, whatever it decides. Of a budget in
    /// US dollars, what was asked for is the record's estimate, if it was known.
    pub fn budget_gate<A: Amount, E: fmt::Display>(
        &self,
        gate: Skill,
        body: impl FnOnce(&mut Execution) -> Result<Grant<A>, E>,
    ) -> Done<Grant<A>, E> {
        self.run(gate.kind(Kind::BudgetGate), filled(body, fill_with_grant))
    }
}

/// The body, after which its value is put into the record.
fn filled<T, E>(
    body: impl FnOnce(&mut Execution) -> Result<T, E>,
    fill: impl FnOnce(&T, &mut ExecutionMetrics),
) -> impl FnOnce(&mut Execution) -> Result<T, E> {
    |execution| {
        let value = body(execution)?;
        fill(&value, execution.record_mut());
        Ok(value)
    }
}

fn fill_with_grant<A: Amount>(grant: &Grant<A>, record: &mut ExecutionMetrics) {
    let (asked, decision, reason) = match grant {
        // Nothing is reserved where an unknown amount is let through.
        Grant::Held(hold) => match hold.amount().steps() {
            None | Some(0) => (None, "APPROVE", "nothing reserved".to_owned()),
            steps => (steps, "APPROVE", format!("{} reserved", hold.amount())),
        },
        Grant::Denied(denied) => (denied.requested.and_then(A::steps), "BLOCK", denied.to_string()),
    };
    if A::is_of(Unit::Usd)
        && let Some(steps) = asked
    {
        record.cost.estimated_usd = Some(Usd::from_pico(steps.into()));
    }
    decide(record, "budget", decision, Some(reason));
}

fn decide(record: &mut ExecutionMetrics, what: &str, decision: &str, reason: Option<String>) {
    record.decision_made = Some(decision.to_owned());
    let mut entry = Decision::new(what, decision);
    entry.reason = reason;
    record.trace.decisions.push(entry);
}
