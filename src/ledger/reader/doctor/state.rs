//! Checks a ledger's own files, without verifying its lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::{Check, Level};
use crate::disk::{Access, Disk, Storage};
use crate::error::{Error, Result};
use crate::journal::Lines;
use crate::journal::format::{Layout, identity, line};
use crate::journal::read::Splitter;
use crate::journal::read::blocks::Blocks;
use crate::journal::read::truncation::Known;
use crate::ledger::index::{Place, State};
use crate::ledger::pending::{detached, slots, spill};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// A record may be this far in the future without a warning, because the clocks of two machines can differ.
const CLOCK_TOLERANCE_MS: i64 = 60_000;
/// Only events that are at most this old are counted.
const EVENTS_MS: i64 = 7 * 86_400_000;
/// The kinds of events that report a damaged file, or a record that could not be appended.
const EVENTS_OF_NOTE: [&str; 4] = ["damaged", "abandoned", "spilled", "lost"];

pub(super) fn checks(layout: &Layout, now: Timestamp) -> Vec<Check> {
    if let Err(error) = Layout::to_read(layout.active()) {
        return match error.io_kind() {
            Some(std::io::ErrorKind::NotFound) => vec![Check::ok("ledger", "none yet; the first record creates it")],
            _ => vec![Check::failed("ledger", Level::Fault, &error)],
        };
    }
    let look = |name, look: fn(&Layout, Timestamp) -> Result<Check>| {
        look(layout, now).unwrap_or_else(|error| Check::failed(name, Level::Warning, &error))
    };
    let mut checks = vec![
        look("ledger", of_rights),
        look("end", of_end),
        look("spill", of_spill),
        look("quarantine", of_quarantine),
        look("in flight", of_in_flight),
        look("events", of_events),
        look("readers", of_readers),
        look("index", of_index),
    ];
    checks.extend(of_segments(layout));
    checks
}

/// Reports the sealed segments that this process has no permission to read. Returns `None` if there are none.
fn of_segments(layout: &Layout) -> Option<Check> {
    let sealed = layout.sealed_segments(&Disk).ok()?;
    let denied = sealed.into_iter().filter_map(|segment| {
        let path = layout.sealed_segment(segment);
        let error = Disk.open(&path, Access::Read).err()?;
        Some(Error::io("open a segment", &path, error)).filter(Error::is_denied)
    });
    let denied: Vec<_> = denied.collect();
    (!denied.is_empty()).then(|| unreadable("segments", &denied))
}

/// Returns the check for files that this process has no permission to read.
fn unreadable(name: &'static str, denied: &[Error]) -> Check {
    let found: Vec<_> = denied.iter().map(ToString::to_string).collect();
    Check::new(name, Level::Warning, found.join("; "), None)
}

/// Checks that this process has the permission to write to the ledger, by opening the file for appending. This does not
/// change the file.
fn of_rights(layout: &Layout, _: Timestamp) -> Result<Check> {
    let path = layout.active();
    Ok(match Disk.open(path, Access::Append) {
        Ok(_) => Check::ok("ledger", path.display().to_string()),
        Err(error) => Check::fault(
            "ledger",
            Error::io("open the ledger", path, error).to_string(),
            "give this user the right to write to this file, or run as a user who has that right",
        ),
    })
}

/// Reports the paths that DuckDB, jq and pandas need to read the whole ledger.
fn of_readers(layout: &Layout, _: Timestamp) -> Result<Check> {
    let (active, sealed) = (layout.active().display(), layout.sealed().join("*.jsonl"));
    let found = match layout.sealed_segments(&Disk)?.len() {
        0 => format!("all lines are in {active}; sealed segments will be {}", sealed.display()),
        segments => format!("sealed segments ({segments}) are {}; newer lines are in {active}", sealed.display()),
    };
    Ok(Check::ok("readers", found))
}

/// Checks the indexes of the segments. A missing index is not a problem, because the next reader that needs it builds
/// it.
fn of_index(layout: &Layout, _: Timestamp) -> Result<Check> {
    let Some(ledger) = identity::read(&Disk, layout)? else { return Ok(Check::ok("index", "none")) };
    let mut counts: BTreeMap<State, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut blocks = Blocks::of(&Disk, layout, u64::MAX)?;
    while let Some(segment) = blocks.next_segment()? {
        let place = Place { storage: &Disk, layout, ledger, segment: segment.segment };
        let path = layout.sealed_segment(segment.segment).with_extension("index");
        let state = State::of(place, &segment).map_err(|source| Error::io("read an index", &path, source))?;
        // A short active segment is scanned, so it needs no index.
        if state == State::Missing && segment.is_active {
            continue;
        }
        *counts.entry(state).or_default() += 1;
        if matches!(state, State::Stale | State::Damaged | State::Newer) {
            wrong.push(format!("{state}: {}", path.display()));
        }
    }
    let is_wrong = counts.keys().any(|state| matches!(state, State::Stale | State::Damaged));
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{state} {count}")).collect();
    let found = match counts.len() {
        0 => "none needed yet".to_owned(),
        _ => [vec![counts.join(", ")], wrong].concat().join("; "),
    };
    Ok(if is_wrong {
        Check::warning("index", found, "the next search builds it again, and so does `runledger index rebuild`")
    } else {
        Check::ok("index", found)
    })
}

/// Checks that no synced bytes are missing, that the last line is complete, and that its execution did not start in the
/// future.
fn of_end(layout: &Layout, now: Timestamp) -> Result<Check> {
    const NAME: &str = "end";
    let mut known = Known::from_all(&Disk, layout);
    if let Some(cut) = known.truncations(&Disk, layout)?.first() {
        return Ok(Check::fault(
            NAME,
            format!("truncated: {}: {}", cut.found, cut.path.display()),
            "restore the file from a copy; otherwise the next line comes after a gap, which `runledger verify` reports",
        ));
    }
    if let Some(error) = known.unreadable() {
        return Ok(Check::failed(NAME, Level::Warning, error));
    }
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let mut lines = Lines::from_last(Arc::clone(&storage), layout.clone(), 1, |_, _, _| true)?;
    let mut last = None;
    while let Some(line) = lines.next_line()? {
        if !line.bytes.is_empty() {
            let record = std::str::from_utf8(line.bytes).ok().and_then(|text| ExecutionMetrics::from_json(text).ok());
            last = Some((line::check(line.bytes).and(line.seq), record));
        }
    }
    let path = layout.active();
    let len = storage.stat(path).map_err(|source| Error::io("examine the ledger", path, source))?.map(|stat| stat.len);
    let unended = len.map_or(0, |len| len.saturating_sub(lines.cursor().offset));
    Ok(match last {
        _ if unended > 0 => Check::warning(
            NAME,
            format!("{unended} {} after the last line", if unended == 1 { "byte" } else { "bytes" }),
            "a writer may still be writing them. After a crash, the next process that opens the ledger repairs the end",
        ),
        None => Check::ok(NAME, "no line yet"),
        Some((None, _)) => Check::warning(NAME, "the last line has no valid hash", "run `runledger verify` to see why"),
        Some((Some(seq), record)) => {
            let begun = record.map_or(now, |record| record.timestamp_start);
            if begun.unix_ms().saturating_sub(now.unix_ms()) > CLOCK_TOLERANCE_MS {
                Check::warning(
                    NAME,
                    format!("line {seq}, whose execution began at {begun}, later than now"),
                    "find out which clock is wrong: this one, or the one of the machine that recorded the execution",
                )
            } else {
                Check::ok(NAME, format!("line {seq}, whole"))
            }
        }
    })
}

fn of_spill(layout: &Layout, _: Timestamp) -> Result<Check> {
    let mut denied = Vec::new();
    Ok(match spill::all(&Disk, layout, &mut denied)?.records.len() {
        _ if !denied.is_empty() => unreadable("spill", &denied),
        0 => Check::ok("spill", "empty"),
        records => Check::warning(
            "spill",
            format!("records that could not be appended so far: {records}"),
            "see `events.jsonl` for the reason; a later append, or opening the ledger again, appends them",
        ),
    })
}

fn of_quarantine(layout: &Layout, _: Timestamp) -> Result<Check> {
    let directory = layout.quarantine();
    Ok(match names(&directory)?.len() {
        0 => Check::ok("quarantine", "empty"),
        files => Check::warning(
            "quarantine",
            format!("files in {}: {files}", directory.display()),
            "look at these files, and then move them away. They contain no acknowledged record",
        ),
    })
}

fn of_in_flight(layout: &Layout, _: Timestamp) -> Result<Check> {
    let mut denied = Vec::new();
    let left = slots::left_behind(&Disk, layout, None, &mut denied)?;
    detached::all(&Disk, layout, &mut denied)?;
    Ok(match left.iter().map(|left| left.marks.len()).sum::<usize>() {
        _ if !denied.is_empty() => unreadable("in flight", &denied),
        0 => Check::ok("in flight", "no executions of dead processes"),
        dead => Check::warning(
            "in flight",
            format!("executions of dead processes: {dead}"),
            "the next process that opens the ledger records them as interrupted",
        ),
    })
}

#[derive(Deserialize)]
struct DatedEvent {
    at: Timestamp,
    event: String,
}

fn of_events(layout: &Layout, now: Timestamp) -> Result<Check> {
    let path = layout.events();
    let failed = |source| Error::io("read the events", &path, source);
    let file = match Disk.open(&path, Access::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Check::ok("events", "none")),
        opened => opened.map_err(failed)?,
    };
    let mut lines = Splitter::new(file.into(), 0);
    let mut of_note: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        if piece.unfinished {
            break;
        }
        // Skip the rest of an event that could not be written completely.
        let Ok(DatedEvent { at, event }) = serde_json::from_slice(lines.bytes(piece)) else { continue };
        if now.unix_ms().saturating_sub(at.unix_ms()) <= EVENTS_MS && EVENTS_OF_NOTE.contains(&event.as_str()) {
            *of_note.entry(event).or_default() += 1;
        }
    }
    let counts: Vec<_> = of_note.iter().map(|(event, times)| format!("{event} {times}")).collect();
    if counts.is_empty() {
        return Ok(Check::ok("events", "none of note in the last 7 days"));
    }
    Ok(Check::warning(
        "events",
        format!("in the last 7 days: {}", counts.join(", ")),
        "see `events.jsonl` for the times and reasons. The reason for a lost record is only in the answer of its call",
    ))
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let names = Disk.list(directory).map_err(|source| Error::io("list the files", directory, source))?;
    Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
}
