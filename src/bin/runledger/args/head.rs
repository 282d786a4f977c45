//! `runledger head`

/// Give the ledger's head, to be kept elsewhere
///
/// The ledger is verified first; of one with faults no head is given. Nothing is changed. `verify --head` reads what
/// --json gives.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keep a head where the ledger's machine cannot reach it
  runledger head --json >> /mnt/elsewhere/heads.jsonl")]
pub(crate) struct Head {}
