//! `runledger policy`

use std::path::PathBuf;

/// Print a policy for `gate` and `escalate`, every value told
///
/// A policy file is JSON; what it does not tell is the default. What each value means: see the documentation of the
/// library, module `governance`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a policy to start from
  runledger policy > policy.json")]
pub(crate) struct Policy {
    /// The policy; the defaults if it is not told
    pub(crate) file: Option<PathBuf>,
}
