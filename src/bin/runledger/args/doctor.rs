//! `runledger doctor`

/// Tell whether a ledger is safe at its place, and well
///
/// Looks at the file system, permissions, the lock, how long syncs take, free space, the limits of the process, the clock,
/// and the bundled prices; and at the ledger if there is one: its end, what waits to be mended or brought back, and what it
/// did to itself in the last 7 days. Its lines are not verified: `verify` does that. The ledger's own files are only read;
/// to measure syncs, two more files are made beside it and removed again. With --json, each line is one check.
///
/// Exits with 1 if there is a warning, and with 2 if there is a fault: a ledger cannot be kept there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what is not as it should be?
  runledger doctor --json | jq 'select(.level != \"ok\")'")]
pub(crate) struct Doctor {}
