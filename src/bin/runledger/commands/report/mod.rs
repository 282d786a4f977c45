//! `runledger report`

mod gather;
mod text;

use std::io::Write;
use std::path::PathBuf;

use runledger::report::{StackBy, html};

use crate::argument::{file_name, one_of};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::output_file;
use crate::period::Period;
use crate::term::{output, printable};

/// Write a report about the ledger as one HTML file, or print it
///
/// The file needs no network and no other file. It is light or dark like the reader's system, and can be printed. It
/// first says whether the ledger is intact, whether the latest run passes its gate, whether a metric is worse than its
/// frozen baseline, and whether a limit is used up or RED. Then it shows the cost over time, the most expensive skills,
/// the latency of each skill compared with its baseline, and failures by category. At the end, it shows quotas, how
/// many values are unknown, and the slowest and the dearest executions.
///
/// The numbers are those of `verify`, `gate`, `compare`, `cost`, `baseline` and `quota`. They are also in the file as
/// JSON, with every digit. Prompts, outputs and error messages are not in the file. A list has only its first rows, and
/// the others are counted. A ledger without executions gives a report that says what to do next.
///
/// As in `runledger compare`, executions since the start of the frozen week are compared with the baselines of that
/// week. Costs are shown by day for up to 92 days, by week for up to 104 weeks, and otherwise by month.
///
/// Only the owner of the file of --out can read the file. If a group shares the directory, the group can read the file
/// too. The file appears when it is complete, and its path is printed.
///
/// --text prints the same report as text, and --text --json as JSON. Exits with 0 even if the report has bad news.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: write a report about the last 30 days
  runledger report --since 30d --out report.html
Example: print the report, with the costs by model
  runledger report --text --by model")]
#[command(group = clap::ArgGroup::new("how").required(true).args(["out", "text"]))]
pub(crate) struct Args {
    /// Write the report to this new file
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    out: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the report instead of writing a file
    #[arg(long)]
    text: bool,
    /// Into which groups each bar in the chart of costs is divided
    #[arg(long, value_name = "GROUP", value_parser = one_of::<StackBy>(StackBy::ALL.map(StackBy::name)), default_value = StackBy::Skill.name())]
    by: StackBy,
    #[command(flatten)]
    period: Period,
    /// Verify every line of the ledger. By default, lines that were verified when an index was built are verified again
    /// only if their file has changed since
    #[arg(long)]
    verify: bool,
    /// A policy file for the gate. `runledger policy` prints the default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    limits: OwnLimits,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    const OPERATION: &str = "write the report";
    let Some(path) = &args.out else {
        let report = gather::gather(args, global)?;
        if global.json {
            output::json_line(out, &report)?;
        } else {
            text::write(&report, global, out)?;
        }
        return Ok(ExitCode::Yes);
    };
    if let (Ok(target), Ok(ledger)) = (path.canonicalize(), global.ledger.canonicalize())
        && target == ledger
    {
        return Err(Failure::IsLedger { operation: OPERATION, path: path.clone() });
    }
    let page = html::page(&gather::gather(args, global)?)?;
    let written = output_file::create(OPERATION, path, args.force, |file| Ok(file.write_all(page.as_bytes())?));
    written.map_err(|failure| match failure {
        Failure::Exists { operation, path, .. } => {
            Failure::Exists { operation, path, advice: "Choose another name, or replace the file with --force" }
        }
        other => other,
    })?;
    let path = path.display().to_string();
    if global.json {
        output::json_line(out, &serde_json::json!({"path": path, "bytes": page.len()}))?;
    } else {
        writeln!(out, "{}", printable(&path))?;
    }
    Ok(ExitCode::Yes)
}
