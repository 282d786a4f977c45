//! `runledger index`

use std::io::Write;

use runledger::ledger::{RebuiltIndex, UnindexedBytes};
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{output, short};

/// Build the indexes that make `show`, `cost` and `gate` fast
///
/// The ledger consists of files, which are called segments. The index of a segment says where the records of each
/// execution, run and hour are. It also stores the costs and tokens of each hour. A command that needs an index builds
/// or extends it. An index can be deleted at any time: the output of every command is the same without it.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example: build the indexes now, and not during the next command
  runledger index rebuild")]
pub(crate) enum Command {
    /// Build all indexes again
    ///
    /// Replaces each index, and removes each index whose segment no longer exists. You never have to call this command,
    /// because the other commands build an index that is missing or does not match its segment.
    ///
    /// A segment is not clean if it has a damaged line, or a line that is not a record. The index of such a segment
    /// only says whether an execution has a record. For everything else, every command reads the whole segment.
    ///
    /// With --json, the output is one object.
    #[command(after_help = "Example: build the indexes now, and not during the next command
  runledger index rebuild")]
    Rebuild,
    /// Build the indexes that are missing, and extend the index of the file to which new lines are appended
    ///
    /// `statusline` starts this command in the background, so that the next status line is fast. An index that lacks
    /// less than 512 KiB is not extended, and an index that another process is building is left out.
    ///
    /// Prints two numbers: the bytes that no index covers yet, and the bytes of the segments that are not clean. An
    /// index cannot cover a segment that is not clean. Such a segment has a damaged line, or a line that is not a
    /// record.
    ///
    /// With --json, the output is one object.
    #[command(after_help = "Example: read new lines now, and not during the next command
  runledger index extend")]
    Extend,
}

#[derive(Serialize)]
struct Unindexed {
    missing: u64,
    unclean: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    segments: u64,
    bytes: u64,
    unclean: &'a [u64],
    busy: &'a [u64],
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if let Command::Extend = command {
        return extend(global, out);
    }
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

fn extend(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let reader = records::reader(global)?;
    reader.extend_index()?;
    let UnindexedBytes { missing, unclean, .. } = reader.unindexed()?;
    if global.json {
        output::json_line(out, &Unindexed { missing, unclean })?;
    } else {
        writeln!(out, "bytes in no index {missing}, bytes not clean {unclean}")?;
    }
    Ok(ExitCode::Yes)
}
