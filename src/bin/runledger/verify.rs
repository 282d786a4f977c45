//! `runledger verify`

use std::io::Write;
use std::path::Path;

use runledger::json::refuse_duplicate_keys;
use runledger::ledger::Fault;
use runledger::{Head, Verification};

use crate::args::{Global, Verify};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;
use crate::table::{cell, printable};

pub(crate) fn run(args: &Verify, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let heads = args.heads.iter().map(|path| read_heads(path)).collect::<Result<Vec<_>, _>>()?.concat();
    records::refuse_unsuitable(global)?;
    let found = runledger::verify(&global.ledger, &heads)?;
    match global.json {
        true => output::json_line(out, &found)?,
        false => report(&found, out)?,
    }
    Ok(if found.is_clean() { ExitCode::Yes } else { ExitCode::No })
}

/// The heads in a file, at least one: with none, the ledger would be held against nothing.
fn read_heads(path: &Path) -> Result<Vec<Head>, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::File {
        operation: "read a head",
        path: path.to_owned(),
        source,
    })?;
    let refused = |source| Failure::Head { path: path.to_owned(), source };
    let heads: Result<Vec<Head>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
    let unique = |heads| refuse_duplicate_keys(&String::from_utf8_lossy(&bytes)).map(|()| heads);
    match heads.and_then(unique) {
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
        let (next, to) = (archived.seq.saturating_add(1), printable(&archived.to));
        writeln!(out, "starts    seq {next} (no fault: the lines before it are in {to})")?;
        if archived.heads > 0 {
            writeln!(out, "heads     {} of lines before it: to be held against the archive", archived.heads)?;
        }
    }
    if found.repeated > 0 {
        writeln!(out, "repeated  {} (no fault: a segment was begun anew)", found.repeated)?;
    }
    if found.in_progress_bytes > 0 {
        writeln!(out, "unended   {} bytes (no fault: a writer may be at them)", found.in_progress_bytes)?;
    }
    for note in &found.notes {
        writeln!(out, "note      {}", printable(note))?;
    }
    writeln!(out, "faults    {}", found.fault_count)?;
    for fault in &found.faults {
        writeln!(out, "  {}", printable(&text(fault)))?;
    }
    let unlisted = found.fault_count.saturating_sub(found.faults.len() as u64);
    if unlisted > 0 {
        writeln!(out, "  and {unlisted} more")?;
    }
    Ok(())
}

/// What is wrong, and where.
pub(crate) fn text(fault: &Fault) -> String {
    let Fault { kind, path, line, byte, seq, found, .. } = fault;
    let place = if *line > 0 { format!("line {line} (byte {byte}): ") } else { String::new() };
    format!("{kind}: {}: {place}seq {}: {found}", path.display(), cell(*seq))
}
