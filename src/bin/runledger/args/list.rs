//! `runledger list`

use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::metrics::Status;

/// List executions, the newest last
///
/// Times are UTC. An id is cut to what tells it from the others in the list, and `show` takes it so, or lists the
/// executions that it may mean. Numbers are rounded: counts from
/// 10,000 on to three digits, amounts to the cent from 1 on and to a hundredth of it below. With --json, each line is a
/// whole record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the last failures of one skill
  runledger list --skill blog-publish --status failed --limit 5")]
pub(crate) struct List {
    /// Only this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    /// Only executions that ended like this
    #[arg(long, value_parser = status())]
    pub(crate) status: Option<Status>,
    /// How many at most: the last ones
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// However many there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

fn status() -> impl TypedValueParser<Value = Status> {
    let known = ["success", "failed", "cancelled", "interrupted", "panicked", "paused"];
    PossibleValuesParser::new(known).map(|text| Status::from(text.as_str()))
}
