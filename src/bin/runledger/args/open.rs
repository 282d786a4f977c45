//! `runledger open`

/// List executions that have begun and not ended, the oldest first
///
/// `owner` is the process that is to end it: if it is dead, the next command that writes to the ledger records the
/// execution as interrupted. `none`: it was begun by `start`, and stays in flight until `complete` ends it. Nothing is
/// changed. With --json, each line is one execution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: end what nobody is at any more
  runledger complete --status cancelled --execution-id 019c5d2a-5a40-7000-8000-000000000001")]
pub(crate) struct Open {}
