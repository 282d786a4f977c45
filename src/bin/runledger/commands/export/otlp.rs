//! `runledger export otlp`

use std::io::Write;
use std::path::PathBuf;

use runledger::export::otlp;

use crate::argument::file_name;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::otlp_args::OtlpArgs;
use crate::output_file;
use crate::records;
use crate::selection::Selection;
use crate::term::output;

/// Write spans or metrics of OpenTelemetry, as lines of OTLP/JSON
///
/// Each execution is a span. Its parent is the span of the execution that started it, or the span in TRACEPARENT when the
/// execution was recorded. Each call of a model is a child span with its tokens and its cost. The ids are derived from the
/// record, so a repeated export has the same ids. A run is a trace, unless its records have the trace of TRACEPARENT. The
/// page `docs::otlp` of the library's documentation describes the spans and the metrics.
///
/// Each line is one message, which the file receiver of the collector reads. A line can also be posted to /v1/traces or
/// /v1/metrics of a collector. Prompts, completions, tags and hashes are not exported. The reason of a failure is
/// exported as the status of the span.
///
/// An unknown value is left out. stderr reports the number of spans or points.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: write the spans of one run to a file
  runledger export otlp --run nightly-7 --out traces.jsonl")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    otlp: OtlpArgs,
    /// Write to this new file instead of stdout
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    // The ledger is opened first, so that no output file is created if the ledger does not exist.
    let records = args.selection.records(global)?;
    let options = args.otlp.options();
    let written = match &args.out {
        Some(path) => output_file::create("write OTLP", path, false, |out| Ok(otlp::write(records, out, &options)?))?,
        None => otlp::write(records, out, &options).map_err(to_output)?,
    };
    records::warn_of(&written.skipped, global);
    let text = format!("{}: {} of {} records", args.otlp.items(), written.items, written.records);
    output::note(&text, "written", global.style());
    Ok(ExitCode::Yes)
}
