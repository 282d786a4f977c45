//! `runledger tail`

/// Show the last executions, and those that are recorded from now on
///
/// Only the end of the ledger is read, however large it is. The table is that of `list`, but an id is cut to the 12 digits
/// that say when it was made; `show` takes it so, if no other has them. With --json, each line is a whole record.
///
/// With --follow, the ledger is looked at ten times a second. It is followed into its next segments; a line that is being
/// written is shown when it is whole. It ends when nobody reads the output any more, as behind `| head -1`, or with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what the last three executions cost
  runledger tail -n 3 --json | jq .cost_usd
Example: watch what is recorded from now on
  runledger tail -f -n 0")]
pub(crate) struct Tail {
    /// How many of the last executions, at most
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) lines: usize,
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
}
