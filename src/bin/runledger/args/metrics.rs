//! `runledger metrics`

use super::period::Selection;

/// Derive the metrics of a production
///
/// They are the regenerations a shot, the frequency of drift by category, the cost per scene, the use of tiers, the failure
/// rate per model, the most common QC violations, and the types of shots with a high risk. Nothing unknown counts as 0: how
/// many executions do not tell something is counted beside it.
///
/// A shot is a scene_id with a shot_id; of its executions, the highest regen_count counts. An execution failed if its
/// outcome is FAIL, or if none is told and it ended with an error; a quality control without an outcome has none. What a
/// control found counts to the model that it names without calling it, else to the model that made its artifact, in place
/// of that execution's own success. A rate is over the executions whose outcome is known.
///
/// The risk of a type of shots is high if its regenerations a shot, or its failure rate, are more than 1.5 times the
/// average of all shots, told from at least 10 shots or executions. It is `-` where those are fewer.
///
/// Tables are shortened as those of `runledger cost` are; --json has every digit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which models failed in the last week?
  runledger metrics --since 7d --json | jq '.models[] | {model, failure_rate}'")]
pub(crate) struct Metrics {
    #[command(flatten)]
    pub(crate) selection: Selection,
}
