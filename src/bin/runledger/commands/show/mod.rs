//! `runledger show`

mod gather;
mod of_run;
mod tree;

use std::io::Write;

use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Show the record of one execution as JSON, or its tree
///
/// If several lines of the ledger have this id, the last one is shown. With --json, the record is printed on one line.
///
/// --tree prints a table of the execution and the executions that it started, which name it as their
/// parent_execution_id, of their children, and so on. Executions in flight are included. `total ms` and `total usd`
/// add up the values of an execution and of all executions below it, even of those that ran at the same time. `≥`
/// means that some of these values are unknown. The line below the table has their number. With --json, the tree is
/// one object, whose `children` are objects too.
///
/// A child is found if it has the run_id of its parent, has this id as its parent_run_id, or has no run_id. The
/// ledger's indexes find them, so the ledger is not read. A tree has at most 50 levels below the execution. Deeper
/// executions are left out and counted. If the run has more than 100,000 executions with a parent, the command fails.
/// An execution that is its own ancestor is shown only once.
///
/// Like in `runledger cost`, an execution that ended and used no model has no cost, and its cost is not unknown. An
/// execution that is in flight or was interrupted may have used a model, so its cost is unknown. Below `outcome`,
/// `regen`, `shot` and `artifact`, the table has what the records of a production say, as far as the output is wide
/// enough. `regen` is the regen_count.
///
/// The id of a run means its only execution. With --tree, it means its only execution without a parent in the run. If
/// there are several, the command fails and lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show the model, the tokens and the cost of an execution
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'
Example: show what a pipeline and everything that it started cost
  runledger show 019c5d2a-5a40 --tree
Example: show the tree of a run that one execution began
  runledger show nightly-7 --tree")]
pub(crate) struct Args {
    /// The id of the execution, or its first digits if no other id begins with them, or the id of a run
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    id: String,
    /// Show the execution and all executions below it, with the sums of their costs and durations
    #[arg(long)]
    tree: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let only = || of_run::only_execution(&args.id, args.tree, global);
    match args.id.parse().map(|id| show(&id, args.tree, global, out)) {
        // The text can be the id of a run too.
        Ok(Err(absent @ Failure::Absent(_))) => show(&only()?.ok_or(absent)?, args.tree, global, out),
        Ok(shown) => shown,
        Err(_) => {
            let id = only()?.ok_or_else(|| Failure::NeitherIdNorRun(args.id.clone()))?;
            show(&id, args.tree, global, out)
        }
    }
}

fn show(id: &IdPrefix, as_tree: bool, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if as_tree {
        let tree = gather::tree(id, global)?;
        if global.json {
            output::json_line(out, &tree.into_branch())?;
        } else {
            tree.write(out)?;
        }
    } else {
        let record = records::find(id, global)?;
        output::json(out, &record, global.json)?;
    }
    Ok(ExitCode::Yes)
}
