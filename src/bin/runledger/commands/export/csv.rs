//! `runledger export csv`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use runledger::export::csv;
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::records;
use crate::selection::Selection;
use crate::term::{output, printable};

/// Write a run log, one row an execution, as RUN_LOG_v###.csv
///
/// It gets the next free number; none is ever overwritten, and only a whole one gets its name. The columns are run_id,
/// parent_run_id, timestamp, skill_name, scene_id, shot_id, model_used, tier, estimated_cost, actual_cost, duration_s,
/// outcome, regen_count, artifact_output and notes. What is unknown is an empty cell.
///
/// Where a spreadsheet could take a text for a formula, a ' stands before it: the documentation of the library, module
/// `export::csv`, says where, and what each column holds.
///
/// The path of the file goes to stdout, how many rows it has to stderr. With --json, stdout has both.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the executions of one run, for a spreadsheet
  runledger export csv --run run-7 --dir ~/reports
Example: what DuckDB makes of last week's
  runledger export csv --since 7d --out - |
    duckdb -c \"SUMMARIZE FROM read_csv('/dev/stdin')\"")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The directory for the file, made if it is not there; that of the ledger if it is not told
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// With `-`: write to stdout, and make no file
    #[arg(long, value_name = "-", value_parser = PossibleValuesParser::new(["-"]), hide_possible_values = true)]
    #[arg(conflicts_with = "dir")]
    out: Option<String>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let records = args.selection.records(global)?;
    if args.out.is_some() {
        let written = csv::write(records, out).map_err(to_output)?;
        report(&written, global);
        return Ok(ExitCode::Yes);
    }
    let beside = || global.ledger.parent().unwrap_or(Path::new(""));
    let (path, written) = csv::create(records, args.dir.as_deref().unwrap_or_else(beside))?;
    if global.json {
        records::warn_of(&written.skipped, global);
        let malformed = written.skipped.count();
        let path = path.display().to_string();
        output::json_line(out, &json!({"path": path, "rows": written.rows, "malformed_lines": malformed}))?;
    } else {
        report(&written, global);
        writeln!(out, "{}", printable(&path.display().to_string()))?;
    }
    Ok(ExitCode::Yes)
}

/// Writes to stderr how many rows the run log has, and which lines were skipped.
fn report(written: &csv::CsvWritten, global: &Global) {
    records::warn_of(&written.skipped, global);
    output::note(&format!("rows: {}", written.rows), "written", global.style());
}
