//! The policy: what a run must log, and which problems are reported as escalations.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AlertsPolicy, Field};
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::metrics::{ExecutionMetrics, Kind, UnknownKey, Usd, shortened};

/// Configures what the [gate](super::Gate) requires of a run, which problems [escalations](super::Escalations) report,
/// and which [alerts](AlertsPolicy) are sent.
///
/// A policy file is JSON. Every value has a default, and `runledger policy` prints all values.
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
    /// The requirements of a run.
    pub gate: GatePolicy,
    /// The thresholds of escalations.
    pub escalation: EscalationPolicy,
    /// Which alerts are sent, and where they are sent.
    pub alerts: AlertsPolicy,
}

/// The requirements of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GatePolicy {
    /// The fields that each record must have.
    pub required: RequiredFields,
    /// Whether a skill's attempts to generate a shot (a clip of a scene) must be numbered consecutively by
    /// `regen_count` in each run. If so, the first attempt has the number 0, no number may be skipped, and two
    /// successful attempts must not have the same number. Set this field to false if a run continues the numbers of an
    /// earlier run. The default is true.
    pub attempts_numbered: bool,
    /// Whether a skill must log the same fields for every tier (class of models). If so, no field may be present in all
    /// records of the skill for one tier and missing in all its records for another tier. Only records of successful
    /// executions of the same kind are compared. An actual cost and an estimated cost count as the same field. The
    /// default is true.
    pub even_across_tiers: bool,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self { required: RequiredFields::default(), attempts_numbered: true, even_across_tiers: true }
    }
}

/// The fields that a record must have:
///
/// - the fields in `always`;
/// - the fields in `with_model`, if the execution used a model;
/// - the fields in the list for the kind of the record, such as `generation`.
///
/// The gate does not check the fields of an interrupted execution, because it already reports that the execution did
/// not end. A failed execution needs the same fields as a successful one, except the artifact. A failed quality control
/// does not need an outcome either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RequiredFields {
    /// The fields of every record. The default is `outcome`.
    pub always: Vec<Field>,
    /// The fields of a record whose execution used a model. An execution used a model if its record has calls,
    /// tokens, a cost, a `cost_tier` or a value in `model`. The record of a routing decision or a budget check can name
    /// a model that was not used. For these two kinds, a `cost_tier` or a value in `model` is not enough. The default
    /// is `model_used`, `tier`, `cost`.
    pub with_model: Vec<Field>,
    /// The fields of a record of the kind `skill`. The default is empty, because many skills have no scenes, shots,
    /// artifacts or regenerations.
    pub skill: Vec<Field>,
    /// The fields of a routing decision. The default is `parent`, `model_used`, `tier`, `cost`, `decision`.
    pub model_routing: Vec<Field>,
    /// The fields of an attempt to generate something. The default is `parent`, `model_used`, `tier`, `cost`,
    /// `duration_s`, `regen_count`, `artifact_output`. A scene and a shot are not required, because some artifacts
    /// belong to neither.
    pub generation: Vec<Field>,
    /// The fields of a quality control. The default is `parent`, `artifact_output`.
    pub qc: Vec<Field>,
    /// The fields of a budget check. The default is `parent`, `decision`.
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
    /// Returns the fields that are required of this record, each once.
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

/// The thresholds of escalations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EscalationPolicy {
    /// The significance level: the largest allowed probability that at least one test of a trigger escalates a
    /// difference that is only chance. A trigger is a reason for an escalation. The default is 0.01.
    pub alpha: f64,
    /// A test compares two shares, such as a model's share of failed executions with the share of the other models.
    /// Each share must be computed from at least this number of results. The default is 30, as for a
    /// [`Comparison`](crate::baseline::Comparison).
    pub samples_min: u64,
    /// The smallest difference between two shares that is escalated. A smaller difference is ignored, even if the
    /// difference is statistically significant. The default is 0.05, which is five percentage points.
    pub share_difference_min: f64,
    /// The smallest number of unfinished executions, or of lost records, that counts as repeated missing logs. The
    /// default is 3.
    pub missing_logs_min: u64,
    /// The number of hours that an execution may be in flight before it counts as unfinished. The default is 24.
    pub in_flight_hours_max: u64,
    /// The largest allowed difference between a skill's costs and their estimates, as a share of the estimates. The
    /// difference can be in either direction. The default is 0.2, which is a fifth.
    pub cost_relative_max: f64,
    /// The smallest difference that is escalated, in US dollars. The difference is between the sum of a skill's costs
    /// and the sum of its estimates. The default is 1.
    pub cost_difference_usd_min: Usd,
    /// The smallest number of executions of one skill with a forbidden model or tier that counts as misuse. The default
    /// is 1.
    pub misuse_min: u64,
    /// Which executions may use which models. An empty list allows all models, and is the default.
    pub allowed_models: Vec<AllowedModels>,
    /// The length of the reference in days, from 1 to 3660. The reference is an earlier period, whose quality controls
    /// are compared with those of the judged time window. The reference ends at the start of the week in which the
    /// window begins. The default is 28.
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

/// The models and tiers that certain executions may use. If several entries apply to an execution, the execution may
/// only use models and tiers that all of these entries allow.
///
/// In a pattern, `*` matches any text, `#` one digit, and `?` one character. Case is ignored. A `~` at the start or the
/// end has the same meaning as in a [price table](crate::cost).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AllowedModels {
    /// Patterns of the skills to which the entry applies. If the list is empty, the entry applies to all skills.
    pub skills: Vec<String>,
    /// The kinds to which the entry applies. If the list is empty, the entry applies to all kinds.
    pub kinds: Vec<Kind>,
    /// Patterns of the models that may be used. If the list is empty, all models may be used.
    pub models: Vec<String>,
    /// Patterns of the tiers that may be used. If the list is empty, all tiers may be used.
    pub tiers: Vec<String>,
}

impl Policy {
    /// Reads a policy from JSON. A missing key gets its default value.
    ///
    /// # Errors
    /// - [`ErrorKind::Malformed`] if the text is not a JSON object with the keys of a policy.
    /// - [`ErrorKind::Invalid`], with one detail for each invalid value.
    pub fn from_json(text: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Malformed, "read a policy");
        let policy: Self = json::from_str(text).map_err(|source| misspelt(text, malformed().source(source)))?;
        // serde would also accept an array in place of an object, with the values of the fields in order.
        let shape: Value = serde_json::from_str(text).map_err(|error| malformed().of_json(text, &error))?;
        for (place, name) in [
            ("", "policy"),
            ("/gate", "gate"),
            ("/gate/required", "required"),
            ("/escalation", "escalation"),
            ("/alerts", "alerts"),
        ] {
            if shape.pointer(place).is_some_and(Value::is_array) {
                return Err(malformed().detail(format!("{name}: found an array; expected an object")));
            }
        }
        policy.escalation.validate()?;
        let faults = policy.alerts.faults().into_iter();
        let faults: Vec<_> = faults
            .map(|(name, expected, found)| format!("alerts.{name}: found {found}; expected {expected}"))
            .collect();
        refuse(faults)?;
        Ok(policy)
    }

    /// Returns the policy as indented JSON, including the values that are defaults.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if a number cannot be written as JSON.
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
                faults.push(format!("escalation.{name}: found {found}; expected {expected}"));
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
        refuse(faults)
    }
}

fn refuse(faults: Vec<String>) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(faults.into_iter().fold(Error::new(ErrorKind::Invalid, "accept the policy"), Error::detail))
}

/// Adds a hint to `error` for each unknown key in `text` that is similar to a known key.
fn misspelt(text: &str, error: Error) -> Error {
    let (Ok(found), Ok(known)) = (serde_json::from_str(text), serde_json::to_value(Policy::default())) else {
        return error;
    };
    let mut near = Vec::new();
    near_keys("", &found, &known, &mut near);
    near.into_iter().fold(error, Error::detail)
}

fn near_keys(place: &str, found: &Value, known: &Value, near: &mut Vec<String>) {
    let (Some(found), Some(known)) = (found.as_object(), known.as_object()) else { return };
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    for (key, value) in found {
        match known.get(key) {
            Some(known) => near_keys(&format!("{place}{key}."), value, known, near),
            None => near.extend(
                UnknownKey::among(key, &names)
                    .near
                    .map(|name| format!("the key nearest to {} is {place}{name}", shortened(key))),
            ),
        }
    }
}
