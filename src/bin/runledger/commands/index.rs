//! `runledger index`

use std::io::Write;

use runledger::ledger::RebuiltIndex;
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{output, short};

/// Build the indexes that make `show`, `cost` and `gate` fast
///
/// Each segment, which is a file of the ledger, has an index of its execution ids, run ids and hours, with the sums of
/// each hour. An index is built or extended when it is needed, and can be deleted at any time. The output of every command is the same with or without
/// an index.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example: build the indexes now, and not during the next command
  runledger index rebuild")]
pub(crate) enum Command {
    /// Build all indexes again
    ///
    /// Replaces each index, and removes each index whose segment no longer exists. This is never necessary, because the
    /// other commands build an index that is missing or does not match its segment. If a segment has a damaged line or a line
    /// that is not a record, its index has no entries, and the segment is always scanned.
    ///
    /// With --json, the output is one object.
    #[command(after_help = "Example: build the indexes now, and not during the next command
  runledger index rebuild")]
    Rebuild,
}

#[derive(Serialize)]
struct Report<'a> {
    segments: u64,
    bytes: u64,
    unclean: &'a [u64],
    busy: &'a [u64],
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let Command::Rebuild = command;
    let RebuiltIndex { segments, bytes, unclean, busy, .. } = records::reader(global)?.rebuild_index()?;
    if global.json {
        output::json_line(out, &Report { segments, bytes, unclean: &unclean, busy: &busy })?;
        return Ok(ExitCode::Yes);
    }
    let count = |number: u64| short::count(number.into());
    writeln!(out, "indexes {}, bytes {}", count(segments), count(bytes))?;
    for segment in unclean {
        writeln!(out, "segment {segment} is not clean and is always scanned; `runledger verify` says why")?;
    }
    for segment in busy {
        writeln!(out, "segment {segment} was left out, because another process was building its index")?;
    }
    Ok(ExitCode::Yes)
}
