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

/// Write a run log as RUN_LOG_v###.csv, with one row per execution
///
/// The ### in the name is the number after the highest existing number, so an existing file is never overwritten. The
/// file appears under this name only when it is complete. The columns are run_id, parent_run_id, timestamp, skill_name,
/// scene_id, shot_id, model_used, tier, estimated_cost, actual_cost, duration_s, outcome, regen_count, artifact_output
/// and notes. An unknown value is an empty cell.
///
/// duration_s is production.duration_s. If that value is unknown, the cell depends on the kind of the execution:
///
/// - generation: the cell is empty, because the time that the execution took is not the length of the clip.
///
/// - any other kind: the cell has the time that the execution took.
///
/// If a spreadsheet could read a text as a formula, apostrophes are inserted to prevent this. Module `export::csv` of
/// the library's documentation describes these apostrophes and every column.
///
/// Prints the path of the file to stdout, and the number of rows to stderr. With --json, both go to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: export the executions of one run for a spreadsheet
  runledger export csv --run run-7 --dir ~/reports
Example: let DuckDB summarize the last week
  runledger export csv --since 7d --out - |
    duckdb -c \"SUMMARIZE FROM read_csv('/dev/stdin')\"")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The directory for the file. It is created if it does not exist [default: the directory of the ledger]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write to stdout instead of a file. The only possible value is `-`
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

/// Writes to stderr the number of rows, and the lines that were skipped.
fn report(written: &csv::CsvWritten, global: &Global) {
    records::warn_of(&written.skipped, global);
    output::note(&format!("rows: {}", written.rows), "written", global.style());
}
