//! `runledger quota unset`

use std::io::Write;

use serde_json::json;

use crate::argument::name;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits;
use crate::term::{output, printable};

/// Remove a limit that `runledger quota set` stored
///
/// If there is a bundled limit for the API, it applies again. What was used is not forgotten. If the limit is set again
/// in the same period, the used amount counts against it.
///
/// Exits with 1 if `limits.json` next to the ledger has no limit for the API.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: remove a limit
  runledger quota set anthropic --limit 20 --unit usd --per day
  runledger quota unset anthropic")]
pub(super) struct Args {
    /// The name of the API
    #[arg(value_parser = name)]
    name: String,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let path = limits::path(global);
    let absent = || Failure::NoLimit { api: args.name.clone(), path: path.clone() };
    if matches!(path.try_exists(), Ok(false)) {
        return Err(absent());
    }
    let old = limits::change(&path, |text| {
        let text = text.unwrap_or("[]");
        limits::parse(&path, text)?;
        let changed = limits::remove(text, &args.name).ok_or_else(absent)?;
        limits::parse(&path, &changed)?;
        Ok((Some(changed), limits::find(text, &args.name).unwrap_or_default().to_owned()))
    })?;
    if global.json {
        let old: serde_json::Value = serde_json::from_str(&old).map_err(std::io::Error::from)?;
        output::json_line(out, &json!({"api_name": args.name, "old": old, "file": path}))?;
    } else {
        writeln!(out, "removed: {}", printable(&old))?;
    }
    Ok(ExitCode::Yes)
}
