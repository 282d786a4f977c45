//! `runledger show`

use crate::show::IdPrefix;

/// Show one execution's record, as JSON
///
/// If several lines have its id, the last one is shown. With --json, it is one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a listed execution used
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'")]
pub(crate) struct Show {
    /// Its id, or the beginning of it that no other has
    pub(crate) id: IdPrefix,
}
