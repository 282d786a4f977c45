//! `runledger prices import`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use runledger::cost::import::{self, Imported, Stamp};
use serde::Serialize;

use crate::argument::file_name;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::price_table::read_text;
use crate::project::Project;
use crate::term::short::several;
use crate::term::{Escaped, output};

/// Convert the price table of another project to the format of --prices
///
/// Prints the converted table or, with --out, writes it to a new file. stderr reports how many models the table has,
/// how many prices were rounded, and which models were left out and why. Nothing is downloaded, so FILE must already
/// exist.
///
/// Each project publishes its prices in a different FILE:
///
/// - genai-prices: data.json of the repository, or genai_prices/data.py of the Python package.
///
/// - litellm: model_prices_and_context_window.json of the repository, or
///   litellm/model_prices_and_context_window_backup.json of the Python package.
///
/// `python3 -m pip show -f litellm` prints where the files of the package litellm are. The command reads a Python file
/// as text, and does not execute it.
///
/// A price for a million tokens can have up to 6 decimals, a price for a thousand requests 9, and a price for an hour
/// 12. A price with more decimals is rounded, and halves are rounded to the even digit. A positive price that would be
/// rounded to 0 is left out. All other prices are exact.
///
/// If the converted table is used with --prices, its rows override the bundled prices of the same models. The bundled
/// prices of all other models are still used.
///
/// The other projects do not publish the minimum duration of audio that a vendor bills, such as 10 seconds for Whisper
/// at Groq. The command adds this duration from the bundled table. It adds no prices from that table.
///
/// With --json, the report is one line: {"out": …, "models": …, "rounded": …, "left_out": […]}. This line goes to
/// stdout if --out is given, and otherwise to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = r"Example: convert the prices of genai-prices
  runledger prices import data.json --from genai-prices --as-of 2026-11-20 \
    --table-version 'genai-prices 0.2.3' --out prices.json")]
pub(crate) struct Args {
    /// The file with the price table of the other project
    file: PathBuf,
    /// The project that the file comes from
    #[arg(long, value_enum, value_name = "PROJECT")]
    from: Project,
    /// The version of the table. Each record that is priced with the table stores this version
    #[arg(long, value_name = "TEXT")]
    table_version: String,
    /// The day on which the prices were looked up, such as 2026-11-20
    #[arg(long, value_name = "DAY")]
    as_of: String,
    /// The source of the prices and their licence [default: the name of the project and its licence]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Write the table to this new file instead of stdout. Fails if the file already exists
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let text = read_text(&args.file)?;
    let stamp = Stamp {
        version: args.table_version.clone(),
        as_of: args.as_of.clone(),
        source: args.source.clone().unwrap_or_else(|| args.from.credit().to_owned()),
    };
    let imported = match args.from {
        Project::GenaiPrices => import::genai_prices(&text, &stamp),
        Project::Litellm => import::litellm(&text, &stamp),
    };
    let malformed = |error: runledger::Error| error.path(&args.file);
    let imported = imported.map_err(|error| not_of_project(args, &text).unwrap_or_else(|| malformed(error).into()))?;
    // The table is written only if --prices could read it.
    runledger::PriceTable::from_json(&imported.json).map_err(malformed)?;
    match &args.out {
        Some(path) => {
            let failed = |source| Failure::of_new_file("write the prices", path, source);
            let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
            file.write_all(imported.json.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        None => out.write_all(imported.json.as_bytes())?,
    }
    match (&args.out, global.json) {
        (Some(path), true) => output::json_line(out, &Report::new(&imported, Some(path)))?,
        (None, true) => output::json_line(&mut Escaped::new(io::stderr()), &Report::new(&imported, None))?,
        (_, false) => report(&imported, global),
    }
    Ok(ExitCode::Yes)
}

/// Returns a precise error if the file is the table of a project that --from does not name, or is already in the format
/// of --prices. Returns `None` if neither is true.
fn not_of_project(args: &Args, text: &str) -> Option<Failure> {
    let path = args.file.clone();
    if runledger::PriceTable::from_json(text).is_ok() {
        return Some(Failure::AlreadyImported(path));
    }
    let found = Project::of(text).filter(|found| *found != args.from)?;
    Some(Failure::OtherProject { path, expected: args.from.name(), found: found.name() })
}

/// What was imported and what was left out.
#[derive(Serialize)]
struct Report<'i> {
    out: Option<Cow<'i, str>>,
    models: u64,
    rounded: u64,
    left_out: &'i [String],
}

impl<'i> Report<'i> {
    fn new(imported: &'i Imported, out: Option<&'i PathBuf>) -> Self {
        let Imported { models, rounded, left_out, .. } = imported;
        Self { out: out.map(|path| path.to_string_lossy()), models: *models, rounded: *rounded, left_out }
    }
}

/// Writes to stderr how much was imported, and why models were left out. For each reason, writes the first model, and
/// the number of the other models.
fn report(imported: &Imported, global: &Global) {
    let Imported { models, rounded, left_out, .. } = imported;
    let mut reasons: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for entry in left_out {
        let (model, reason) = entry.split_once(": ").unwrap_or(("", entry));
        reasons.entry(reason).or_insert((0, model)).0 += 1;
    }
    let models = several(*models, "model", "models");
    output::note(&format!("{models}; rounded prices: {rounded}"), "imported", global.style());
    for (reason, (times, model)) in reasons {
        let more = if times > 1 { format!(" and {} more", times - 1) } else { String::new() };
        output::warning(&format!("left out: {model}{more}: {reason}"), "left_out", global.style());
    }
}
