//! `runledger ship`

use std::io::Write;
use std::thread;
use std::time::Duration;

use runledger::ship::{ShippedFiles, Shipper, ShipperOptions};
use serde_json::json;

use super::target;
use super::to::To;
use crate::argument::whole;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::records;
use crate::term::short::several;
use crate::term::{cell, output};

/// Ship the ledger as Parquet files to a directory or object store
///
/// Engines such as Spark, DuckDB, ClickHouse, Trino and Polars read the files of any number of ledgers. Each record is
/// shipped exactly once, even if several processes ship the same ledger, a process is killed, or the store fails. The
/// names in the store say which lines it has, so nothing is stored on this machine. The page `docs::parquet` of the
/// library's documentation describes the files and their columns.
///
/// A file has lines of one segment. Sealed segments are shipped, which are files of the ledger that no longer change.
/// With --active, the lines of the active segment are shipped too. Each such call writes a file, so a call every minute
/// writes many small files.
///
/// If the store has other lines of a ledger with the same identity, nothing is shipped, and the command fails. This
/// happens if two machines use copies of one ledger, or if the ledger was truncated.
///
/// For s3://, gs:// and az://, the credentials and the region come from the usual environment variables, such as
/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT, GOOGLE_SERVICE_ACCOUNT,
/// AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY. The object store must support conditional writes.
///
/// Prints the number of new files and of their records, and the last line that the store has. stderr names each new
/// file. It also lists the first lines of the ledger that are not records, and their number. `runledger redact` cannot
/// reach files that were shipped.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Example: ship all records to a directory
  runledger ship fleet --active --machine build-7")]
pub(crate) struct Args {
    #[command(subcommand)]
    to: Option<To>,
    /// A directory, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER. Of the path of a directory, only the
    /// last folder is created. A directory that is named otlp needs ./otlp
    #[arg(value_name = "STORE", required = true, value_parser = target::parse)]
    store: Option<String>,
    /// Ship the lines of the active segment too, up to the last one
    #[arg(long)]
    active: bool,
    /// Keep running, and ship the new lines of the active segment too. If the store cannot be reached, the command
    /// tries again
    #[arg(long)]
    follow: bool,
    /// The time between two files of the active segment, with --follow
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = whole::<u32>(1, 86_400))]
    every: u32,
    /// End a file when it has N MiB of lines. A file is built in memory, and needs up to 2 N MiB if its lines can hardly be
    /// compressed
    #[arg(long, value_name = "N", default_value = "256", value_parser = whole::<u32>(1, 1024))]
    file_mib: u32,
    /// The name of this machine, for the column `machine`
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
    /// The name of the user, for the column `user`
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if let Some(to) = &args.to {
        return to.run(global, out);
    }
    let style = global.style();
    let mut options = ShipperOptions::new().file_bytes(u64::from(args.file_mib) * 1024 * 1024).on_file(move |file| {
        let records = several(file.records, "record", "records");
        output::note(&format!("stored {} with {records}", file.name), "stored", style);
    });
    if let Some(machine) = &args.machine {
        options = options.machine(machine);
    }
    if let Some(user) = &args.user {
        options = options.user(user);
    }
    let ledger = records::reader(global)?.follow()?;
    let id = ledger.id();
    let mut shipper = Shipper::new(ledger, target::open(args.store.as_deref().unwrap_or_default())?, options);
    let mut is_first = true;
    loop {
        match shipper.ship(args.active || args.follow) {
            Ok(shipped) => {
                records::warn_of(&shipped.skipped, global);
                if is_first || shipped.files > 0 {
                    report(&shipped, id, args, global, out)?;
                    out.flush()?;
                    is_first = false;
                }
            }
            // Only the store or the network can recover by themselves.
            Err(error) if args.follow && error.kind() == runledger::ErrorKind::Io => {
                let text = format!("{}; trying again", failure::text(&error));
                output::warning(&text, failure::kind(&error), style);
            }
            Err(error) => return Err(error.into()),
        }
        if !args.follow {
            return Ok(ExitCode::Yes);
        }
        thread::sleep(Duration::from_secs(args.every.into()));
    }
}

fn report(
    shipped: &ShippedFiles,
    ledger: runledger::Uuid,
    args: &Args,
    global: &Global,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let last = shipped.last.as_ref();
    if global.json {
        let answer = json!({
            "ledger": ledger,
            "files": shipped.files,
            "records": shipped.records,
            "bytes": shipped.bytes,
            "malformed_lines": shipped.skipped.count(),
            "shipped": last.map(|last| json!({ "seq": last.seq, "hash": last.hash })),
            "active_left": shipped.is_more,
        });
        return Ok(output::json_line(out, &answer)?);
    }
    writeln!(out, "files        {}", shipped.files)?;
    writeln!(out, "records      {}", shipped.records)?;
    writeln!(out, "bytes        {}", shipped.bytes)?;
    writeln!(out, "up to line   {}", cell(last.map(|last| last.seq)))?;
    if shipped.is_more {
        let text = if args.active || args.follow {
            "the last lines were not shipped, because a line before them is missing; it is restored, or known to be lost, \
             when a program appends to the ledger"
        } else {
            "the active segment has lines that were not shipped; use --active to ship them too"
        };
        output::note(text, "active", global.style());
    }
    Ok(())
}
