//! What is asked of a run, and what is worth telling whom.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Field;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::metrics::{ExecutionMetrics, Kind, Usd};

/// What the [gate](super::Gate) asks of a run, and from when on the [escalations](super::Escalations) tell somebody.
///
/// A file of JSON; whatever it does not tell is the default. `runledger policy` prints it whole.
///
/// ```
/// use runledger::governance::{Field, Policy};
///
/// let policy = Policy::from_json(r#"{"gate": {"required": {"qc": ["outcome", "shot_id"]}}}"#)?;
/// assert_eq!(policy.gate.required.qc, [Field::Outcome, Field::ShotId]);
/// assert_eq!(policy.escalation, Policy::default().escalation);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Policy {
    /// What is asked of a run.
    pub gate: GatePolicy,
    /// What is worth telling whom.
    pub escalation: EscalationPolicy,
}

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GatePolicy {
    /// What each record must hold.
    pub required: RequiredFields,
    /// Whether the attempts at a shot must count up by 1, each with a record: true. Two of them that succeeded with one
    /// `regen_count` are not tracked; a number that is left out has no record.
    pub attempts_numbered: bool,
    /// Whether a skill must log alike for every tier: true. A field that all its records of one tier hold and none of
    /// another is logged inconsistently. An estimate is as good as a cost here.
    pub even_across_tiers: bool,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self { required: RequiredFields::default(), attempts_numbered: true, even_across_tiers: true }
    }
}

/// What a record must hold, by its kind. A record of any other kind must hold what is required always.
///
/// Executions that were interrupted are not asked for anything but an end. Of those that failed, all is asked but the
/// artifact. Nothing is asked of a model's fields where no model was used, but by the list of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RequiredFields {
    /// Of every record: `outcome`.
    pub always: Vec<Field>,
    /// Of a record that used a model, by its calls, tokens, cost, tier, or the name of a model: `model_used`, `tier`, `cost`.
    /// A routing decision names a model that it did not use.
    pub with_model: Vec<Field>,
    /// Of a skill's execution: nothing more. Scene, shot, artifact and regenerations are for the skills that have them.
    pub skill: Vec<Field>,
    /// Of a routing decision: `parent`, `model_used`, `tier`, `cost`, `decision`.
    pub model_routing: Vec<Field>,
    /// Of an attempt to generate something: `parent`, `model_used`, `tier`, `cost`, `duration_s`, `regen_count`,
    /// `artifact_output`. Scene and shot are not asked for: what is generated need not be of one.
    pub generation: Vec<Field>,
    /// Of a quality control: `parent`, `artifact_output`.
    pub qc: Vec<Field>,
    /// Of a check against a budget: `parent`, `decision`.
    pub budget_gate: Vec<Field>,
}

impl Default for RequiredFields {
    fn default() -> Self {
        use Field::*;
        Self {
            always: vec![Outcome],
            with_model: vec![ModelUsed, Tier, Cost],
            skill: Vec::new(),
            model_routing: vec![Parent, ModelUsed, Tier, Cost, Decision],
            generation: vec![Parent, ModelUsed, Tier, Cost, DurationS, RegenCount, ArtifactOutput],
            qc: vec![Parent, ArtifactOutput],
            budget_gate: vec![Parent, Decision],
        }
    }
}

impl RequiredFields {
    /// What is required of this record, nothing twice.
    pub(super) fn of(&self, record: &ExecutionMetrics) -> Vec<Field> {
        let of_kind: &[Field] = match record.kind {
            Kind::Skill => &self.skill,
            Kind::ModelRouting => &self.model_routing,
            Kind::Generation => &self.generation,
            Kind::Qc => &self.qc,
            Kind::BudgetGate => &self.budget_gate,
            Kind::Other(_) => &[],
        };
        let of_model: &[Field] = if record.used_model() { &self.with_model } else { &[] };
        let mut all = [&self.always, of_model, of_kind].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// From when on somebody is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EscalationPolicy {
    /// The probability of an escalation by chance, over all tests of one rule together: 0.01.
    pub alpha: f64,
    /// How many results each side of a test must have: 30, as for [`Comparison`](crate::baseline::Comparison).
    pub samples_min: u64,
    /// By how much a share must be off to be worth telling, however certain it is: 0.05, five points of a hundred.
    pub share_difference_min: f64,
    /// How many executions without an end, or how many records that were lost, are repeated missing logs: 3.
    pub missing_logs_min: u64,
    /// How long an execution may be in flight before it counts as one without an end, in hours: 24.
    pub in_flight_hours_max: u64,
    /// By which share of the estimates a skill's costs may be off: 0.2, a fifth, either way.
    pub cost_relative_max: f64,
    /// By how much they must be off besides, in US dollars over the window: 1.
    pub cost_difference_usd_min: Usd,
    /// How many executions with a model that is not allowed are a pattern of misuse: 1.
    pub misuse_min: u64,
    /// Which models may be used for what: nothing, so that there is no misuse.
    pub allowed_models: Vec<AllowedModels>,
    /// How many days before the window's week its quality controls are compared with: 28; at most 3660.
    pub reference_days: u64,
}

impl Default for EscalationPolicy {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            samples_min: 30,
            share_difference_min: 0.05,
            missing_logs_min: 3,
            in_flight_hours_max: 24,
            cost_relative_max: 0.2,
            cost_difference_usd_min: Usd::from_pico(1_000_000_000_000),
            misuse_min: 1,
            allowed_models: Vec::new(),
            reference_days: 28,
        }
    }
}

/// Which models, and of which tiers, certain executions may use. Several of these may be about one execution; each must
/// allow it.
///
/// Names are patterns in which `*` stands for any text, `#` for a digit and `?` for a character, upper and lower case being
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AllowedModels {
    /// The skills that it is about, as patterns; empty: all.
    pub skills: Vec<String>,
    /// The kinds that it is about; empty: all.
    pub kinds: Vec<Kind>,
    /// The models that may be used, as patterns; empty: all.
    pub models: Vec<String>,
    /// The tiers that may be used, as patterns; empty: all.
    pub tiers: Vec<String>,
}

impl Policy {
    /// Reads a policy; what it does not tell is the default.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] for what is no JSON object of these keys, [`ErrorKind::Invalid`] with an entry for each
    /// value that cannot be.
    pub fn from_json(text: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Malformed, "read a policy");
        let policy: Self = json::from_str(text).map_err(|source| malformed().source(source))?;
        // An array would be read as the values of the members, an empty one as the default.
        let shape: Value = serde_json::from_str(text).map_err(|source| malformed().source(source))?;
        for (place, name) in
            [("", "policy"), ("/gate", "gate"), ("/gate/required", "required"), ("/escalation", "escalation")]
        {
            if shape.pointer(place).is_some_and(Value::is_array) {
                return Err(malformed().detail(format!("{name}: expected an object, found an array")));
            }
        }
        policy.escalation.validate()?;
        Ok(policy)
    }

    /// The policy as JSON for people, every value told.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a number that JSON cannot hold.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write a policy as JSON").source(source))
    }
}

impl EscalationPolicy {
    pub(super) fn validate(&self) -> Result<()> {
        let mut faults = Vec::new();
        let mut expect = |right: bool, name: &str, expected: &str, found: String| {
            if !right {
                faults.push(format!("escalation.{name}: expected {expected}, found {found}"));
            }
        };
        expect(self.alpha > 0.0 && self.alpha < 1.0, "alpha", "more than 0 and less than 1", self.alpha.to_string());
        let share = self.share_difference_min;
        expect((0.0..=1.0).contains(&share), "share_difference_min", "0 to 1", share.to_string());
        expect(self.cost_relative_max >= 0.0, "cost_relative_max", "0 or more", self.cost_relative_max.to_string());
        let usd = self.cost_difference_usd_min;
        expect(usd >= Usd::ZERO, "cost_difference_usd_min", "0 or more", usd.to_string());
        for (name, count) in [
            ("samples_min", self.samples_min),
            ("missing_logs_min", self.missing_logs_min),
            ("misuse_min", self.misuse_min),
        ] {
            expect(count > 0, name, "1 or more", count.to_string());
        }
        let days = self.reference_days;
        expect((1..=3_660).contains(&days), "reference_days", "1 to 3660", days.to_string());
        for (number, allowed) in (1..).zip(&self.allowed_models) {
            let says = !allowed.models.is_empty() || !allowed.tiers.is_empty();
            expect(says, &format!("allowed_models entry {number}"), "models or tiers", "neither".to_owned());
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(faults.into_iter().fold(Error::new(ErrorKind::Invalid, "accept a policy"), Error::detail))
    }
}
