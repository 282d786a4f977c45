//! `runledger head`

use std::io::Write;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Print the head of the ledger, to detect a rewrite later
///
/// The head is the number and the hash of the last line. Store the output of --json on another machine. Later, give
/// that output to `runledger verify --head FILE`, which checks that the ledger still contains the line. If the line is
/// missing or differs, the ledger was truncated or rewritten after the head was stored.
///
/// The command first verifies the ledger. If the ledger has faults, no head is printed. The ledger is not changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: store a head on another file system
  runledger head --json >> /mnt/elsewhere/heads.jsonl")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let found = records::reader(global)?.verify(&[])?;
    if !found.is_clean() {
        return Err(Failure::Faulty(found.fault_count));
    }
    if found.head.ledger.is_nil() {
        return Err(Failure::NoIdentity(global.ledger.clone()));
    }
    let head = found.head;
    if global.json {
        output::json_line(out, &head)?;
        return Ok(ExitCode::Yes);
    }
    writeln!(out, "ledger   {}", head.ledger)?;
    writeln!(out, "seq      {}", head.seq)?;
    writeln!(out, "hash     {}", head.hash)?;
    writeln!(out, "segment  {}", head.segment)?;
    writeln!(out, "bytes    {}", head.bytes)?;
    Ok(ExitCode::Yes)
}
