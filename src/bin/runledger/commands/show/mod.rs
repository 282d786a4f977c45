//! `runledger show`

mod calls;
mod gather;
mod of_run;
mod readable;
mod tree;

use std::io::{self, IsTerminal, Write};

use runledger::Uuid;
use runledger::ledger::Statement;

use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::run_id;
use crate::term::{output, printable};

/// Show the record of one execution, or its tree
///
/// On a terminal, each known value is a line, and the unknown values are named below. In a pipe or a file, the record
/// is printed as JSON; with --json, on one line. If several lines of the ledger have this id, the last one is shown. If
/// `runledger redact` took a text out of the record, stderr says by whom and why.
///
/// --tree prints a table of the execution and of all executions below it: its children, the children of its children,
/// and so on. A child names its parent as its parent_execution_id. Executions in flight are included. `total ms` and
/// `total usd` add up the values of an execution and all executions below it, even if they ran at the same time. `≥`
/// means that some of these values are unknown, or that a cost is a lower bound. A cost is a lower bound if the final
/// usage of a call was not reported. The lines below the table count the unknown values and the lower bounds. With
/// --json, the tree is one object, whose `children` are objects too.
///
/// A tool that a hook recorded is below the turn that called it, if the turn was imported from the transcript.
///
/// A child is found if its run_id or its parent_run_id is the run_id of its parent, or if it has no run_id. The
/// children are found with the ledger's indexes, so most of the ledger is usually not read. A tree has at most 50
/// levels below the execution. Deeper executions are left out, and those directly below the last level are counted. If
/// the run has more than 100,000 executions with a parent, the command fails. An execution that is its own ancestor is
/// shown only once.
///
/// As in `runledger cost`, an execution that ended and used no model has no cost, which does not count as an unknown
/// cost. An execution that is in flight or was interrupted may have used a model, so its cost is unknown. The columns
/// `outcome`, `regen`, `shot` and `artifact` show what the records of a production say, if the output is wide enough.
/// `regen` is the regen_count.
///
/// If the argument is the id of a run with one execution, this execution is shown. If the run has several executions,
/// the command lists them and fails, unless --tree is given. With --tree, the command shows the tree of each execution
/// that has no parent in the run, and the sums of all these trees. With --json, each tree is a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show the model, the tokens and the cost of an execution
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'
Example: show what a pipeline and everything that it started cost
  runledger show 019c5d2a-5a40 --tree
Example: show a whole run, such as the turns of an imported session
  runledger show nightly-7 --tree")]
pub(crate) struct Args {
    /// The id of the execution, or its first digits if no other id begins with them, or the id of a run. If the id of a
    /// run is a UUID, its first characters are enough. The first characters of any other id of a run need a `…` at the
    /// end
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    id: String,
    /// Show the execution and all executions below it, with the sums of their costs and durations
    #[arg(long)]
    tree: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match args.id.parse().map(|id| show(&[id], args.tree, global, out)) {
        // The text can also be the id of a run.
        Ok(Err(absent @ Failure::Absent(_))) => show_run(args, absent, global, out),
        Ok(shown) => shown,
        Err(_) => show_run(args, Failure::NeitherIdNorRun(args.id.clone()), global, out),
    }
}

/// Shows the run whose id is the argument. Returns `absent` if no execution belongs to this run.
fn show_run(args: &Args, absent: Failure, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let run = run_id::find(&args.id, global)?;
    let ids =
        if args.tree { of_run::roots(&run, global)? } else { of_run::only_execution(&run, global)?.map(|id| vec![id]) };
    show(&ids.ok_or(absent)?, args.tree, global, out)
}

/// Shows the record of each execution, or the trees of all of them.
fn show(ids: &[IdPrefix], as_trees: bool, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if as_trees {
        let trees = gather::trees(ids, global)?;
        if global.json {
            trees.into_branches().iter().try_for_each(|tree| output::json_line(out, tree))?;
        } else {
            trees.write(out)?;
        }
    } else {
        let is_read_by_people = !global.json && io::stdout().is_terminal();
        for id in ids {
            let record = records::find(id, global)?;
            if is_read_by_people {
                readable::write(&record, out)?;
            } else {
                output::json(out, &record, global.json)?;
            }
            say_redactions(record.execution_id, global)?;
        }
    }
    Ok(ExitCode::Yes)
}

/// Says on stderr who took texts out of the lines of an execution, and why.
fn say_redactions(id: Uuid, global: &Global) -> Result<(), Failure> {
    for Statement { at, by, why, field, .. } in records::reader(global)?.statements_about(id)? {
        let text = format!("redacted at {at} by {by}: {field}: {why}");
        output::note(&printable(&text), "redacted", global.style());
    }
    Ok(())
}
