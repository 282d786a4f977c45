//! CSV run logs, `RUN_LOG_v###.csv`, with one row per record, for spreadsheets and other readers of CSV.
//!
//! The columns are [`COLUMNS`], in this order:
//!
//! | column | value of the record |
//! |---|---|
//! | `run_id`, `parent_run_id` | the same names in [`run`](crate::ExecutionMetrics::run) |
//! | `timestamp` | `timestamp_start`, UTC with milliseconds, or with microseconds if the record has them |
//! | `skill_name` | `skill_name` |
//! | `scene_id`, `shot_id` | the same names in [`production`](crate::ExecutionMetrics::production) |
//! | `model_used` | `model.name` |
//! | `tier` | `model.tier`, the tier (class of models) that the router chose. If this is unknown: `cost_tier`. An empty cell if both are unknown |
//! | `estimated_cost`, `actual_cost` | `cost.estimated_usd` and `cost_usd`: US dollars, exact decimals |
//! | `duration_s` | `production.duration_s`, the length of the generated clip. If the length is unknown, a record of the kind `generation` has an empty cell, because the time of the execution is not the length of the clip. Any other record has `wall_clock_time_ms` in seconds |
//! | `outcome` | `production.outcome`. If the outcome is unknown, a quality control has an empty cell, because a control that succeeds can have any verdict. Any other record has PASS if the execution succeeded, and FAIL if it failed |
//! | `regen_count` | `production.regen_count` |
//! | `artifact_output` | `production.artifact` |
//! | `notes` | `production.notes` |
//!
//! # Format
//!
//! [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) in UTF-8 without a byte order mark: a header, rows that end in CR
//! LF, and quotes around each text that needs them. An unknown value is an empty cell. An empty text is `""`, which
//! some readers distinguish from an empty cell.
//!
//! # Formulas
//!
//! Spreadsheets evaluate a cell that begins with `=`, `+`, `-` or `@` as a formula. A malicious formula can send the
//! content of other cells to a server. Some spreadsheets begin a new cell after `;`, tab, CR and LF, even within
//! quotes. So a formula could begin at the start of a text, and after each of these four characters.
//!
//! At each of these positions, a `'` is inserted in two cases: a formula follows, or the text itself has a `'` there.
//! Here, a formula is any text that begins with `=`, `+`, `-`, `@` or a full-width form of one of them, possibly after
//! spaces. A reader restores the text by removing one `'` at each position that has one. Numbers and times are not
//! changed.
//!
//! RFC 4180 does not allow control characters other than tab, CR and LF, and terminals may execute them. These
//! characters are replaced by their Unicode pictures (U+2400 to U+2421), or by U+FFFD if there is no picture. So are
//! U+2028 to U+202E and U+2066 to U+2069, which end a line or reverse the direction of writing. A reader cannot restore
//! these characters, but the ledger still contains them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::disk::numbered::{self, Series};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Kind, run_log_columns};

/// The columns, in order. [`run_log_columns`] has the key of a record for each column.
pub const COLUMNS: [&str; 15] = {
    let mut names = [""; 15];
    let mut at = 0;
    while at < names.len() {
        names[at] = run_log_columns()[at].0;
        at += 1;
    }
    names
};

const RUN_LOG: Series<'_> = Series { before: "RUN_LOG_v", digits: 3, after: ".csv" };

/// The result of writing a run log.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CsvWritten {
    /// The number of rows, without the header.
    pub rows: u64,
    /// The lines that have no rows, because they are not records.
    pub skipped: Skipped,
}

/// Writes the records as CSV. Each row is one write to `out`, so `out` should be buffered. An error of
/// [`ErrorKind::Malformed`] in `records` reports a line that is not a record. Such an error is counted and skipped.
///
/// ```
/// use runledger::{ExecutionMetrics, Uuid, export::csv};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "draw", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
/// record.cost_usd = Some("0.04".parse()?);
/// record.production.notes = Some("=1+1".to_owned());
///
/// let mut out = Vec::new();
/// csv::write([Ok(record)], &mut out)?;
/// let row = "\r\n,,2026-11-20T12:00:00.000Z,draw,,,,,,0.04,,,,,'=1+1\r\n";
/// assert_eq!(String::from_utf8(out)?, csv::COLUMNS.join(",") + row);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Fails with [`ErrorKind::Io`] if `out` fails, and with the first error in `records` whose kind is not
/// [`ErrorKind::Malformed`].
pub fn write(records: impl IntoIterator<Item = Result<ExecutionMetrics>>, mut out: impl Write) -> Result<CsvWritten> {
    let failed = |source: io::Error| Error::new(ErrorKind::Io, "write a run log").source(source);
    let mut written = CsvWritten::default();
    let mut row = COLUMNS.join(",") + "\r\n";
    out.write_all(row.as_bytes()).map_err(failed)?;
    for record in records {
        match record {
            Ok(record) => {
                row.clear();
                push_row(&mut row, &record);
                out.write_all(row.as_bytes()).map_err(failed)?;
                written.rows += 1;
            }
            Err(error) if error.kind() == ErrorKind::Malformed => written.skipped.add(error),
            Err(error) => return Err(error),
        }
    }
    out.flush().map_err(failed)?;
    Ok(written)
}

/// Creates the next run log in `directory`, and returns the path of the log when the log is durable. The first run log
/// is `RUN_LOG_v001.csv`. Each later run log has the number after the highest existing number. Numbers above 999 have
/// more than three digits. The directory decides the [owner and mode](crate::disk::Disk#owner-and-mode-of-new-files) of
/// the file; the usual mode is 0600. A missing directory is created.
///
/// Existing run logs are never overwritten. Processes that call `create` at the same time create one log each. A
/// process that dies leaves no partial run log, but may leave a file such as `RUN_LOG_v.part-1`, which can be removed.
/// The file system must support hard links.
///
/// # Errors
/// Fails with [`ErrorKind::Io`] if the directory or the file cannot be created or written. Fails with
/// [`ErrorKind::Overflow`] if an existing run log has the number `u64::MAX`. Also fails with the first error in
/// `records` whose kind is not [`ErrorKind::Malformed`]. After an error, there is usually no new run log. But if only
/// the removal of the partial file or the sync of the directory failed, a complete run log may exist.
pub fn create(
    records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    directory: impl AsRef<Path>,
) -> Result<(PathBuf, CsvWritten)> {
    numbered::create(&Disk, directory.as_ref(), &RUN_LOG, |out| write(records, out))
}

/// Adds a row. A comma is added after each cell, and then the last comma is removed.
fn push_row(row: &mut String, record: &ExecutionMetrics) {
    let ExecutionMetrics { run, production, model, cost, .. } = record;
    push_text(row, run.run_id.as_deref());
    push_text(row, run.parent_run_id.as_deref());
    push_value(row, Some(record.timestamp_start));
    push_text(row, Some(&record.skill_name));
    push_text(row, production.scene_id.as_deref());
    push_text(row, production.shot_id.as_deref());
    push_text(row, model.name.as_deref());
    push_text(row, record.tier());
    push_value(row, cost.estimated_usd);
    push_value(row, record.cost_usd);
    push_duration(row, record);
    push_text(row, record.outcome().as_ref().map(|outcome| outcome.as_str()));
    push_value(row, production.regen_count);
    push_text(row, production.artifact.as_deref());
    push_text(row, production.notes.as_deref());
    row.pop();
    row.push_str("\r\n");
}

/// Adds a value whose text needs no quotes and cannot be a formula.
fn push_value(row: &mut String, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = write!(row, "{value}");
    }
    row.push(',');
}

/// Adds the cell `duration_s`.
fn push_duration(row: &mut String, record: &ExecutionMetrics) {
    match (record.production.duration_s, record.wall_clock_time_ms) {
        (None, Some(ms)) if record.kind != Kind::Generation => {
            push_value(row, Some(format_args!("{}.{:03}", ms / 1000, ms % 1000)));
        }
        (seconds, _) => push_value(row, seconds),
    }
}

fn push_text(row: &mut String, text: Option<&str>) {
    if let Some(text) = text {
        push_quoted(row, text);
    }
    row.push(',');
}

/// Adds a text. Adds quotes around the text if it needs them.
fn push_quoted(row: &mut String, text: &str) {
    let quoted = text.is_empty() || text.contains([',', '"', '\t', '\r', '\n']);
    if quoted {
        row.push('"');
    }
    let mut cell_begins = true;
    for (at, c) in text.char_indices() {
        if cell_begins && begins_formula(&text[at..]) {
            row.push('\'');
        }
        cell_begins = ends_cell(c);
        match c {
            '"' => row.push_str("\"\""),
            c => row.push(printable(c)),
        }
    }
    if quoted {
        row.push('"');
    }
}

/// Returns true if some spreadsheets end a cell at this character, even in quotes.
fn ends_cell(c: char) -> bool {
    matches!(c, ';' | '\t' | '\r' | '\n')
}

/// Returns true if a spreadsheet could evaluate a cell with this text as a formula. Also returns true if the text
/// begins with `'`, because a reader would otherwise remove this `'` as if it had been inserted.
fn begins_formula(text: &str) -> bool {
    let after_spaces = text.trim_start_matches(|c: char| c.is_whitespace() && !ends_cell(c));
    text.starts_with('\'') || after_spaces.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Returns `c`, or the character that replaces `c` if it is a control character that RFC 4180 does not allow, ends a
/// line, or reverses the direction of writing.
fn printable(c: char) -> char {
    match c {
        '\t' | '\r' | '\n' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}
