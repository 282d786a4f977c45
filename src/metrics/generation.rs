//! Events that have records of their own, apart from the executions of skills: a routing decision, an attempt to
//! generate something, and a quality control.

use std::collections::BTreeMap;

use super::{Decision, ExecutionMetrics, Production, QcOutcome, Usd};

/// The decision of a model router: which model it chose, and for which tier (a class of models).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Routing {
    /// The model that was chosen, as its vendor names it.
    pub model: String,
    /// The tier for which the model was chosen.
    pub tier: String,
    /// The reason why the router chose the model; `None` if the reason is unknown.
    pub reason: Option<String>,
    /// The expected cost of the call, in US dollars. `None` if the expected cost is unknown.
    pub estimated_usd: Option<Usd>,
}

impl Routing {
    /// Returns the choice of `model` for `tier`.
    pub fn new(model: impl Into<String>, tier: impl Into<String>) -> Self {
        Self { model: model.into(), tier: tier.into(), reason: None, estimated_usd: None }
    }

    /// Sets the reason.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Sets the expected cost of the call.
    #[must_use]
    pub fn estimated_usd(self, amount: Usd) -> Self {
        Self { estimated_usd: Some(amount), ..self }
    }

    /// Fills the record of a routing decision. [`Execution::routing`](crate::Execution::routing) calls this for you.
    ///
    /// The model and the tier are written to `model`, the estimate to `cost`, and the decision to `decision_made` and
    /// `trace`.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.model.name = Some(self.model.clone());
        record.model.tier = Some(self.tier.clone());
        // If the router itself called a model, `model` has the provider and the variant of that call. They do not
        // belong to the chosen model, so they are removed here. The list of calls still contains them.
        record.model.provider = None;
        record.model.variant = BTreeMap::new();
        if self.estimated_usd.is_some() {
            record.cost.estimated_usd = self.estimated_usd;
        }
        record.decide("model", &self.model, self.reason.clone());
    }
}

/// An attempt to generate something, such as a clip for one shot of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The number of earlier attempts: 0 for the first attempt.
    pub regen_count: u64,
    /// The id of the scene; `None` if the attempt belongs to no scene.
    pub scene_id: Option<String>,
    /// The id of the shot; `None` if the attempt belongs to no shot.
    pub shot_id: Option<String>,
    /// The kind of shot; `None` if the kind is unknown.
    pub shot_type: Option<String>,
    /// The tier for which the model was chosen; `None` if the tier is unknown.
    pub tier: Option<String>,
}

impl Attempt {
    /// Returns an attempt after `regen_count` earlier attempts.
    pub fn new(regen_count: u64) -> Self {
        Self { regen_count, scene_id: None, shot_id: None, shot_type: None, tier: None }
    }

    /// Sets the scene.
    #[must_use]
    pub fn scene(self, scene_id: impl Into<String>) -> Self {
        Self { scene_id: Some(scene_id.into()), ..self }
    }

    /// Sets the shot.
    #[must_use]
    pub fn shot(self, shot_id: impl Into<String>) -> Self {
        Self { shot_id: Some(shot_id.into()), ..self }
    }

    /// Sets the kind of shot.
    #[must_use]
    pub fn shot_type(self, shot_type: impl Into<String>) -> Self {
        Self { shot_type: Some(shot_type.into()), ..self }
    }

    /// Sets the tier for which the model was chosen.
    #[must_use]
    pub fn tier(self, tier: impl Into<String>) -> Self {
        Self { tier: Some(tier.into()), ..self }
    }

    /// Fills the record of an attempt. [`Execution::generation`](crate::Execution::generation) calls this for you.
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

/// The result of a quality control.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QcResult {
    /// The verdict: whether the artifact was accepted, was rejected, or needs changes.
    pub outcome: QcOutcome,
    /// The name and version of the artifact that was checked, as in the record of its generation.
    pub artifact: String,
    /// The violations that were found.
    pub violations: Vec<String>,
    /// The category of the artifact's deviation from the request; `None` if there is no deviation.
    pub drift_category: Option<String>,
    /// The attempt that made the artifact; `None` if the attempt is unknown.
    pub attempt: Option<Attempt>,
}

impl QcResult {
    /// Returns a result with this outcome for `artifact`.
    pub fn new(outcome: QcOutcome, artifact: impl Into<String>) -> Self {
        let artifact = artifact.into();
        Self { outcome, artifact, violations: Vec::new(), drift_category: None, attempt: None }
    }

    /// Adds a violation.
    #[must_use]
    pub fn violation(mut self, violation: impl Into<String>) -> Self {
        self.violations.push(violation.into());
        self
    }

    /// Sets the category of the difference between the artifact and the request.
    #[must_use]
    pub fn drift(self, category: impl Into<String>) -> Self {
        Self { drift_category: Some(category.into()), ..self }
    }

    /// Sets the attempt that made the artifact. [`fill`](Self::fill) then copies the scene, the shot and the kind of
    /// shot from the attempt.
    #[must_use]
    pub fn of(self, attempt: &Attempt) -> Self {
        Self { attempt: Some(attempt.clone()), ..self }
    }

    /// Fills the record of a quality control. [`Execution::qc`](crate::Execution::qc) calls this for you.
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

impl ExecutionMetrics {
    /// Sets `decision_made`, and adds the decision with its subject and its reason to `trace.decisions`. `reason` is
    /// `None` if the reason is unknown.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "gate", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.decide("budget", "APPROVE", Some("0.5 USD reserved".to_owned()));
    /// assert_eq!(record.decision_made.as_deref(), Some("APPROVE"));
    /// assert_eq!(record.trace.decisions[0].what, "budget");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn decide(&mut self, what: &str, decision: &str, reason: Option<String>) {
        self.decision_made = Some(decision.to_owned());
        let mut entry = Decision::new(what, decision);
        entry.reason = reason;
        self.trace.decisions.push(entry);
    }
}
