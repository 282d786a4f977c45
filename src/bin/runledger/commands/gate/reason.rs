//! Writes a reason why a run fails its gate, with the options that set a missing field.

use runledger::governance::{Field, GateReason};

/// Returns the text of a reason. If the reason is a missing field, the text ends with the options that set this field.
pub(super) fn text(reason: &GateReason) -> String {
    match reason.field.and_then(options) {
        Some(options) => format!("{reason}; set it with {options}"),
        None => reason.to_string(),
    }
}

/// Returns the options of `log`, `run` and `complete` that set a field.
fn options(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::RunId => "--run-id",
        Field::Parent => "--parent",
        Field::ModelUsed => "--model",
        Field::Tier => "--tier",
        Field::Cost => "--cost or --estimate",
        Field::EstimatedCost => "--estimate",
        Field::ActualCost => "--cost",
        Field::SceneId => "--scene",
        Field::ShotId => "--shot",
        Field::DurationS => "--took or --duration",
        Field::Outcome => "--outcome or --status",
        Field::RegenCount => "--regen-count",
        Field::ArtifactOutput => "--artifact",
        Field::Decision => "--decision",
        _ => return None,
    })
}
