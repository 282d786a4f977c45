//! `runledger open`

/// List executions that have begun and not ended, the oldest first
///
/// `owner` is the process that is to end it: if it is dead, the next command that writes to the ledger records the
/// execution as interrupted. `none`: it was begun by `start`, and stays in flight until `complete` ends it. Nothing is
/// changed. With --json, each line is one execution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what nobody is at any more
  runledger open --json |
    jq 'select(.owner_alive != true) | .record.execution_id'")]
pub(crate) struct Open {}
