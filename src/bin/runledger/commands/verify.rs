//! `runledger verify`

use std::io::Write;
use std::path::{Path, PathBuf};

use runledger::json::{JsonFault, refuse_duplicate_keys};
use runledger::{Head, Verification};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::short::several;
use crate::term::{cell, output, printable};

/// Verify every line of the ledger and the hash chain
///
/// Prints how much was verified, and each fault with its location. With --head, also checks that the ledger still
/// contains the lines of the heads in FILE. A head is the number and the hash of a line that was the last line of the
/// ledger when the head was printed. The ledger is not changed. Exits with 0 if the ledger is intact, and with 1 if
/// there is a fault.
///
/// A line from which `runledger redact` took a text out is listed as `redacted`, with the number of the line that
/// states the redaction. A redacted line is not a fault. The same change without such a statement is a fault.
///
/// The statements about lines of an archive are in the ledger from which the lines were moved. If this ledger is not at
/// its path, or has a fault, these lines are reported as `unstated`, which is a fault too.
///
/// If several lines have the same execution_id, every command counts only the last one. The lines of such an execution
/// are listed as `repeated`. They are not a fault.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check that the ledger still contains the stored heads
  runledger verify --head heads.jsonl")]
pub(crate) struct Args {
    /// A file with heads that the ledger must contain, as `runledger head --json` prints them
    #[arg(long = "head", value_name = "FILE")]
    heads: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let heads = args.heads.iter().map(|path| read_heads(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let found = records::reader(global)?.verify(&heads)?;
    if global.json {
        output::json_line(out, &found)?;
    } else {
        report(&found, out)?;
    }
    Ok(if found.is_clean() { ExitCode::Yes } else { ExitCode::No })
}

/// Returns the heads in a file. Fails if the file has no heads, because a check without heads would always pass.
fn read_heads(path: &Path) -> Result<Vec<Head>, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::File {
        operation: "read a head",
        path: path.to_owned(),
        source,
    })?;
    let refused = |source| Failure::Head { path: path.to_owned(), source };
    let heads: Result<Vec<Head>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
    let unique = |heads| refuse_duplicate_keys(&String::from_utf8_lossy(&bytes)).map(|()| heads);
    match heads.and_then(unique).map_err(|error| JsonFault::new(&String::from_utf8_lossy(&bytes), &error)) {
        Ok(heads) if heads.is_empty() => Err(refused("the file is empty".into())),
        Ok(heads) => Ok(heads),
        Err(error) => Err(refused(error.into())),
    }
}

fn report(found: &Verification, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "lines     {}", found.lines)?;
    writeln!(out, "segments  {}", found.segments)?;
    writeln!(out, "bytes     {}", found.bytes)?;
    match found.head.seq {
        0 => writeln!(out, "head      {}", cell(None::<u64>))?,
        seq => writeln!(out, "head      {seq} {}", found.head.hash)?,
    }
    if let Some(archived) = &found.archived {
        let next = archived.seq.saturating_add(1);
        let to = printable(&archived.to);
        writeln!(out, "starts    seq {next} (not a fault: the lines before seq {next} are in {to})")?;
        if archived.heads > 0 {
            writeln!(out, "heads     {} (of archived lines: compare these heads with the archive)", archived.heads)?;
        }
    }
    if found.copied > 0 {
        writeln!(out, "copied    {} (not a fault: a new segment repeats lines of the previous one)", found.copied)?;
    }
    redacted(found, out)?;
    if found.in_progress_bytes > 0 {
        let bytes = several(found.in_progress_bytes, "byte", "bytes");
        writeln!(out, "partial   {bytes} (not a fault: a process may be writing a line)")?;
    }
    if found.repeated_count > 0 {
        repeated(found, out)?;
    }
    for note in &found.notes {
        writeln!(out, "note      {}", printable(note))?;
    }
    writeln!(out, "faults    {}", found.fault_count)?;
    for fault in &found.faults {
        writeln!(out, "  {}", printable(&fault.to_string()))?;
    }
    if found.unlisted() > 0 {
        writeln!(out, "  and {} more", found.unlisted())?;
    }
    Ok(())
}

/// Writes which lines were redacted, and how many redacted lines have no statement available.
fn redacted(found: &Verification, out: &mut impl Write) -> Result<(), Failure> {
    let count = found.redacted.len();
    if count > 0 {
        writeln!(out, "redacted  {count} (not a fault: a later line states who took a text out, and why)")?;
    }
    for line in &found.redacted {
        let of = line.ledger.as_ref().map(|ledger| format!(" of {}", ledger.display())).unwrap_or_default();
        let text = format!(
            "seq {}: redacted, as stated in line {}{of}: {} by {}: {}",
            line.seq, line.statement, line.field, line.by, line.why
        );
        writeln!(out, "  {}", printable(&text))?;
    }
    if found.unstated_count > 0 {
        let count = several(found.unstated_count, "line is", "lines are");
        writeln!(
            out,
            "unstated  {count} redacted, but the statements are in a ledger that is not available: see the faults"
        )?;
    }
    Ok(())
}

/// Writes how many lines are repeated, and lists the executions that have several lines.
fn repeated(found: &Verification, out: &mut impl Write) -> Result<(), Failure> {
    let count = found.repeated_count;
    writeln!(out, "repeated  {count} (not a fault: these lines do not count, because a later line has the same id)")?;
    let mut listed = 0;
    for execution in &found.repeated {
        let numbers: Vec<_> = execution.lines.iter().map(ToString::to_string).collect();
        writeln!(out, "  {}: lines {}", execution.execution_id, numbers.join(", "))?;
        listed += numbers.len().saturating_sub(1) as u64;
    }
    if count > listed {
        writeln!(out, "  and {}", several(count - listed, "more line", "more lines"))?;
    }
    Ok(())
}
