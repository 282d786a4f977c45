//! The fields that a policy can require of a record.

use serde::{Deserialize, Serialize};

use crate::metrics::{ExecutionMetrics, Kind, Status};

/// A field that a [`Policy`](super::Policy) can require of a record. If a [CSV run log](crate::export::csv) has a
/// column for the field, the column has the same name. A field with a blank text counts as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Field {
    /// `run.run_id`.
    RunId,
    /// What started the execution: `run.parent_execution_id` or `run.parent_run_id`.
    Parent,
    /// `model.name`, or at least one recorded call of a model. For a routing decision, `model.name` is the model that
    /// was chosen.
    ModelUsed,
    /// `model.tier`, or a `cost_tier` other than Unknown.
    Tier,
    /// The cost: `cost_usd` or `cost.estimated_usd`. A cost of 0 counts as present.
    Cost,
    /// `cost.estimated_usd`.
    EstimatedCost,
    /// `cost_usd`.
    ActualCost,
    /// `production.scene_id`.
    SceneId,
    /// `production.shot_id`.
    ShotId,
    /// The duration of the execution, or of the clip that the execution made: `production.duration_s`,
    /// `wall_clock_time_ms` or `total_latency_ms`.
    DurationS,
    /// The outcome. For a quality control, the outcome is PASS, FAIL or FIX (the artifact needs changes). A control
    /// that failed to complete needs no outcome. Any other execution has an outcome if the record says whether it
    /// succeeded, or has one of these three values.
    Outcome,
    /// `production.regen_count`. A count of 0 counts as present.
    RegenCount,
    /// `production.artifact`, with a version in its name. Only an execution that succeeded needs this field.
    ///
    /// The version is a `v` and a digit at the beginning of a word (`shot-004_v002.png`), or text after an `@` or a `:`
    /// (`clip@7`). The name needs no version if the record has an `output_hash`.
    ArtifactOutput,
    /// `decision_made`.
    Decision,
}

impl Field {
    /// All fields.
    pub(super) const ALL: [Self; 14] = [
        Self::RunId,
        Self::Parent,
        Self::ModelUsed,
        Self::Tier,
        Self::Cost,
        Self::EstimatedCost,
        Self::ActualCost,
        Self::SceneId,
        Self::ShotId,
        Self::DurationS,
        Self::Outcome,
        Self::RegenCount,
        Self::ArtifactOutput,
        Self::Decision,
    ];

    /// Returns the field's name in a policy and in a reason.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RunId => "run_id",
            Self::Parent => "parent",
            Self::ModelUsed => "model_used",
            Self::Tier => "tier",
            Self::Cost => "cost",
            Self::EstimatedCost => "estimated_cost",
            Self::ActualCost => "actual_cost",
            Self::SceneId => "scene_id",
            Self::ShotId => "shot_id",
            Self::DurationS => "duration_s",
            Self::Outcome => "outcome",
            Self::RegenCount => "regen_count",
            Self::ArtifactOutput => "artifact_output",
            Self::Decision => "decision",
        }
    }

    /// Returns a text that says what is missing in the record. Returns `None` if the field is present, or if this
    /// record does not need the field.
    pub(super) fn missing(self, record: &ExecutionMetrics) -> Option<String> {
        let null = |is_present: bool, found: &str| (!is_present).then(|| found.to_owned());
        let production = &record.production;
        match self {
            Self::RunId => null(has_text(&record.run.run_id), "run.run_id is null"),
            Self::Parent => null(
                record.run.parent_execution_id.is_some() || has_text(&record.run.parent_run_id),
                "run.parent_execution_id and run.parent_run_id are null",
            ),
            Self::ModelUsed => {
                null(has_text(&record.model.name) || !record.trace.llm_calls.is_empty(), "model.name is null")
            }
            Self::Tier => null(tier(record).is_some(), "neither model.tier nor cost_tier names a tier"),
            Self::Cost => null(
                record.cost_usd.or(record.cost.estimated_usd).is_some(),
                "cost_usd and cost.estimated_usd are null",
            ),
            Self::EstimatedCost => null(record.cost.estimated_usd.is_some(), "cost.estimated_usd is null"),
            Self::ActualCost => null(record.cost_usd.is_some(), "cost_usd is null"),
            Self::SceneId => null(has_text(&production.scene_id), "production.scene_id is null"),
            Self::ShotId => null(has_text(&production.shot_id), "production.shot_id is null"),
            Self::DurationS => {
                let ms = record.wall_clock_time_ms.or(record.total_latency_ms);
                null(
                    ms.is_some() || production.duration_s.is_some(),
                    "production.duration_s, wall_clock_time_ms and total_latency_ms are null",
                )
            }
            Self::Outcome => missing_outcome(record),
            Self::RegenCount => null(production.regen_count.is_some(), "production.regen_count is null"),
            Self::ArtifactOutput => missing_artifact(record),
            Self::Decision => null(has_text(&record.decision_made), "decision_made is null"),
        }
    }
}

pub(super) fn has_text(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.trim().is_empty())
}

/// Returns the tier of the model, or `None` if the tier is unknown.
pub(super) fn tier(record: &ExecutionMetrics) -> Option<&str> {
    record.tier().filter(|tier| !tier.trim().is_empty())
}

fn missing_outcome(record: &ExecutionMetrics) -> Option<String> {
    // A quality control that did not complete needs no verdict. If it nevertheless has the verdict PASS,
    // `check_outcome` reports the contradiction.
    let is_known = match record.kind {
        Kind::Qc => record.execution_succeeded == Some(false),
        _ => record.execution_succeeded.is_some(),
    };
    if is_known || record.outcome().is_some() {
        return None;
    }
    let found = match (&record.kind, &record.status) {
        (_, Some(Status::Paused)) => "it is paused and waits for a person",
        (Kind::Qc, _) => "production.outcome is null",
        _ => "execution_succeeded is null",
    };
    Some(found.to_owned())
}

fn missing_artifact(record: &ExecutionMetrics) -> Option<String> {
    if record.execution_succeeded != Some(true) {
        return None;
    }
    match record.production.artifact.as_deref().filter(|artifact| !artifact.trim().is_empty()) {
        None => Some("production.artifact is null".to_owned()),
        Some(artifact) if names_version(artifact) || record.output_hash.is_some() => None,
        Some(_) => Some("production.artifact names no version, and output_hash is null".to_owned()),
    }
}

fn names_version(artifact: &str) -> bool {
    let mut before = None;
    let mut rest = artifact.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let begins_word = before.is_none_or(|before: char| !before.is_alphanumeric());
        let numbered = matches!(c, 'v' | 'V') && begins_word && next.is_some_and(|next| next.is_ascii_digit());
        // A letter or digit must follow the `@` or `:`. So the colon in `https://` does not begin a version.
        let behind = matches!(c, '@' | ':') && next.is_some_and(char::is_alphanumeric);
        if numbered || behind {
            return true;
        }
        before = Some(c);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_recognised_in_a_name() {
        for versioned in ["shot-004_v002.png", "V3", "out/v1.2/clip.mp4", "clip@7", "image@sha256:ab", "clip:12"] {
            assert!(names_version(versioned), "{versioned}");
        }
        for plain in ["", "shot-004.png", "rev2", "v", "version", "https://host/shot.png", "clip@", "über_v.png"] {
            assert!(!names_version(plain), "{plain}");
        }
    }

    #[test]
    fn names_are_those_of_the_policy_file() {
        for field in Field::ALL {
            assert_eq!(serde_json::to_string(&field).unwrap(), format!("\"{}\"", field.name()));
        }
    }
}
