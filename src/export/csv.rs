//! `RUN_LOG_v###.csv`: one row a record, for spreadsheets and everything else that reads CSV.
//!
//! The columns are [`COLUMNS`], in this order:
//!
//! | column | of the record |
//! |---|---|
//! | `run_id`, `parent_run_id` | those of [`run`](crate::ExecutionMetrics::run) |
//! | `timestamp` | `timestamp_start`, UTC with milliseconds |
//! | `skill_name` | `skill_name` |
//! | `scene_id`, `shot_id` | those of [`production`](crate::ExecutionMetrics::production) |
//! | `model_used` | `model.name` |
//! | `tier` | `model.tier`, the router's word; else `cost_tier`, unless that is Unknown |
//! | `estimated_cost`, `actual_cost` | `cost.estimated_usd` and `cost_usd`: US dollars, exact decimals |
//! | `duration_s` | `production.duration_s`, the length of what was generated; else, but for a generation, `wall_clock_time_ms` in seconds |
//! | `outcome` | `production.outcome`; else PASS or FAIL as the execution succeeded or failed, but for a quality control, whose verdict is not its success |
//! | `regen_count` | `production.regen_count` |
//! | `artifact_output` | `production.artifact` |
//! | `notes` | `production.notes` |
//!
//! # Format
//!
//! [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) in UTF-8 without a byte order mark: a header, rows that end in CR LF,
//! and quotes around each text that needs them. What is unknown is an empty cell; a text that is there and empty is `""`,
//! which some readers tell apart.
//!
//! # Formulas
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and a formula can send away what stands
//! in other cells. So a text gets a `'` where one could begin: at the start of the text, and after each `;`, tab, CR and LF
//! in it, since some spreadsheets end a cell there even in quotes. It gets one if there stands, after any spaces, `=`, `+`,
//! `-`, `@` or their full-width forms; and if there stands a `'`, so that a reader gets every text back by taking one `'`
//! away in each of these places. Numbers and times are written as they are.
//!
//! Control characters but tab, CR and LF, which neither RFC 4180 nor a terminal stands, are written as their pictures
//! (U+2400 to U+2421), or as U+FFFD if they have none. The ledger keeps them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::disk::numbered::{self, Series};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Kind};

/// The columns, in their order.
pub const COLUMNS: [&str; 15] = [
    "run_id",
    "parent_run_id",
    "timestamp",
    "skill_name",
    "scene_id",
    "shot_id",
    "model_used",
    "tier",
    "estimated_cost",
    "actual_cost",
    "duration_s",
    "outcome",
    "regen_count",
    "artifact_output",
    "notes",
];

const RUN_LOG: Series<'_> = Series { before: "RUN_LOG_v", digits: 3, after: ".csv" };

/// What a run log came to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CsvWritten {
    /// How many rows it has, the header not counted.
    pub rows: u64,
    /// The lines that are no records: none has a row.
    pub skipped: Skipped,
}

/// Writes the records as CSV, a row at a time with one call of `out`, which is best buffered. An item that is an error of
/// [`ErrorKind::Malformed`], a line that is no record, is passed over and counted.
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
/// [`ErrorKind::Io`] when `out` refuses; the first error of `records` of any other kind than malformed.
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

/// Makes the next run log in `directory`, with mode 0600, and returns its path once it is durable: `RUN_LOG_v001.csv`,
/// and from there on the number after the highest, beyond 999 with more digits. The directory is made if it is not there.
///
/// No run log is ever overwritten, and of processes that do this at the same time each makes its own. A process that dies
/// leaves no half of one, but maybe a `RUN_LOG_v.part-1` for anybody to remove. The file system must have hard links.
///
/// # Errors
/// As [`write()`]; [`ErrorKind::Io`] also when the directory or the file cannot be made. Then there is no new run log, unless
/// only the last steps failed, removing the part and syncing the directory: then it may be there, whole.
pub fn create(
    records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    directory: impl AsRef<Path>,
) -> Result<(PathBuf, CsvWritten)> {
    numbered::create(&Disk, directory.as_ref(), &RUN_LOG, |out| write(records, out))
}

fn push_row(row: &mut String, record: &ExecutionMetrics) {
    let ExecutionMetrics { run, production, model, cost, .. } = record;
    push_text(row, run.run_id.as_deref());
    row.push(',');
    push_text(row, run.parent_run_id.as_deref());
    row.push(',');
    push_value(row, Some(record.timestamp_start));
    row.push(',');
    push_text(row, Some(&record.skill_name));
    row.push(',');
    push_text(row, production.scene_id.as_deref());
    row.push(',');
    push_text(row, production.shot_id.as_deref());
    row.push(',');
    push_text(row, model.name.as_deref());
    row.push(',');
    push_text(row, record.tier());
    row.push(',');
    push_value(row, cost.estimated_usd);
    row.push(',');
    push_value(row, record.cost_usd);
    row.push(',');
    push_duration(row, record);
    row.push(',');
    push_text(row, record.outcome().as_ref().map(|outcome| outcome.as_str()));
    row.push(',');
    push_value(row, production.regen_count);
    row.push(',');
    push_text(row, production.artifact.as_deref());
    row.push(',');
    push_text(row, production.notes.as_deref());
    row.push_str("\r\n");
}

/// A value whose text needs no quotes and is no formula.
fn push_value(row: &mut String, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = write!(row, "{value}");
    }
}

fn push_duration(row: &mut String, record: &ExecutionMetrics) {
    match (record.production.duration_s, record.wall_clock_time_ms) {
        (Some(seconds), _) => push_value(row, Some(seconds)),
        (None, Some(ms)) if record.kind != Kind::Generation => {
            push_value(row, Some(format_args!("{}.{:03}", ms / 1000, ms % 1000)));
        }
        _ => {}
    }
}

fn push_text(row: &mut String, text: Option<&str>) {
    let Some(text) = text else { return };
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

/// Whether a spreadsheet may end a cell with it, even in quotes.
fn ends_cell(c: char) -> bool {
    matches!(c, ';' | '\t' | '\r' | '\n')
}

/// Whether a spreadsheet may take a cell of this text for a formula, or a reader its first character for our mark.
fn begins_formula(text: &str) -> bool {
    let after_spaces = text.trim_start_matches(|c: char| c.is_whitespace() && !ends_cell(c));
    text.starts_with('\'') || after_spaces.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

fn printable(c: char) -> char {
    match c {
        '\t' | '\r' | '\n' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}
