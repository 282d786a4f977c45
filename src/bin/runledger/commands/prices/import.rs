//! `runledger prices import`

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use runledger::cost::import::{self, Imported, Stamp};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::price_table::read_text;
use crate::term::output;

/// Convert a price table of another project to the format of --prices
///
/// Prints the table, or writes it to a new file with --out. stderr reports how many models it has, how many prices were
/// rounded, and which models were left out and why. Nothing is downloaded, so FILE must exist.
#[derive(Debug, clap::Args)]
#[command(after_help = r"Example: convert the prices of genai-prices
  runledger prices import data.json --from genai-prices --as-of 2026-11-20 \
    --table-version 'genai-prices 0.2.3' --out prices.json")]
pub(crate) struct Args {
    /// The file of the other project
    file: PathBuf,
    /// The project that the file comes from
    #[arg(long, value_enum, value_name = "PROJECT")]
    from: Project,
    /// The version of the table. It is stored in the records that are priced with the table
    #[arg(long, value_name = "TEXT")]
    table_version: String,
    /// The day on which the prices were looked up, such as 2026-11-20
    #[arg(long, value_name = "DAY")]
    as_of: String,
    /// The source of the prices and their licence [default: the name of the project and its licence]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Write to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Project {
    GenaiPrices,
    Litellm,
}

impl Project {
    fn credit(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices, MIT licence",
            Self::Litellm => "LiteLLM, MIT licence",
        }
    }
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
    let imported = imported.map_err(malformed)?;
    // Only a valid table is written.
    runledger::PriceTable::from_json(&imported.json).map_err(malformed)?;
    match &args.out {
        Some(path) => {
            let failed = |source| Failure::File { operation: "write the prices", path: path.clone(), source };
            let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
            file.write_all(imported.json.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        None => out.write_all(imported.json.as_bytes())?,
    }
    report(&imported, global);
    Ok(ExitCode::Yes)
}

/// Writes to stderr how much was imported. For each reason why models were left out, writes the first of these models
/// and the number of the others.
fn report(imported: &Imported, global: &Global) {
    let Imported { models, rounded, left_out, .. } = imported;
    let mut reasons: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for entry in left_out {
        let (model, reason) = entry.split_once(": ").unwrap_or(("", entry));
        reasons.entry(reason).or_insert((0, model)).0 += 1;
    }
    output::note(&format!("{models} models; prices rounded to 6 decimals: {rounded}"), "imported", global.style());
    for (reason, (times, model)) in reasons {
        let more = if times > 1 { format!(" and {} more", times - 1) } else { String::new() };
        output::warning(&format!("left out: {model}{more}: {reason}"), "left_out", global.style());
    }
}
