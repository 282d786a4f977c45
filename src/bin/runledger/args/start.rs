//! `runledger start`

use serde_json::{Map, Value};

use super::metadata::object;
use super::name::name;

/// Start an execution, which a later call of `complete` ends
///
/// It is in flight until `complete` ends it, whatever becomes of this process and of others. The answer is JSON, on one
/// line with --json; its execution_id is what `progress` and `complete` take. If it could not be started, the answer has
/// "success": false and says why in "error".
///
/// Within `runledger run` it belongs to that execution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: start an execution and keep its id
  id=$(runledger start --agent agent-research --description 'Research skills' |
    jq -r .execution_id)")]
pub(crate) struct Start {
    /// The agent; the record's skill has its name too
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) agent: String,
    /// The task in words
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The session; if left out or empty, an id of its own
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<String>,
    /// Anything else, as a JSON object: the record's tags
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub(crate) metadata: Option<Map<String, Value>>,
}
