//! What the text of a run log says that decides over it.

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;

/// The header of a run log, and whether its errors are mended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogHeader {
    /// When the run began, UTC, to the minute.
    pub started: Timestamp,
    /// Whether it succeeded, by its status: `Completed` or `Failed`; `None`: `In Progress`.
    pub succeeded: Option<bool>,
    /// What the run goes by in the ledger; `None`: the log does not say, as one written by hand.
    pub run: Option<String>,
    /// Whether a row of a table says that something is `PENDING`.
    pub pending: bool,
}

impl LogHeader {
    /// Reads the header of the run log `name` from its text.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`], with all reasons, when its name is no run log's (`YYYY-MM-DD_HH-MM_mode-N.md`), its header
    /// does not say when the run began or how it ended, or the two tell different times.
    pub fn read(name: &str, text: &str) -> Result<Self> {
        let header: Vec<_> =
            text.lines().take_while(|line| !line.starts_with("---") && !line.starts_with("## ")).collect();
        let field = |name: &str| {
            let mut values = header.iter().filter_map(|line| line.strip_prefix(&format!("**{name}:** ")));
            values.next().filter(|_| values.next().is_none()).map(str::trim)
        };
        let started = field("Started").and_then(minute);
        let status = field("Status").and_then(|status| match status {
            "Completed" => Some(Some(true)),
            "Failed" => Some(Some(false)),
            "In Progress" => Some(None),
            _ => None,
        });
        let mut error = Error::new(ErrorKind::Malformed, "read the header of a run log");
        match (started_by(name), started) {
            (None, _) => error = error.detail("its name is no YYYY-MM-DD_HH-MM_mode-N.md"),
            (Some(by_name), Some(by_header)) if by_name != by_header => {
                error = error.detail("its name and its header tell different times");
            }
            _ => {}
        }
        if started.is_none() {
            error = error.detail("its header has no **Started:** YYYY-MM-DD HH:MM");
        }
        if status.is_none() {
            error = error.detail("its header has no **Status:** Completed, Failed or In Progress");
        }
        let (Some(started), Some(succeeded), []) = (started, status, error.details()) else { return Err(error) };
        let run = field("Run").map(|run| run.trim_matches('`').to_owned());
        let pending = text.lines().any(|line| line.starts_with('|') && line.contains("PENDING"));
        Ok(Self { started, succeeded, run: run.filter(|run| !run.is_empty()), pending })
    }
}

/// `2026-01-03 14:30`
fn minute(text: &str) -> Option<Timestamp> {
    has_form(text, "0000-00-00 00:00").then(|| format!("{}:00Z", text.replace(' ', "T")).parse().ok())?
}

/// When the run began whose log has this name.
fn started_by(name: &str) -> Option<Timestamp> {
    let (rest, number) = name.strip_suffix(".md")?.rsplit_once('-')?;
    let (started, mode) = rest.split_at_checked("YYYY-MM-DD_HH-MM_".len())?;
    let named = has_form(started, "0000-00-00_00-00_") && has_form(number, &"0".repeat(number.len()));
    if !named || number.is_empty() || mode.is_empty() {
        return None;
    }
    let (date, time) = started.strip_suffix('_')?.split_once('_')?;
    minute(&format!("{date} {}", time.replace('-', ":")))
}

/// Whether the text is `form` with any digits for its zeros.
fn has_form(text: &str, form: &str) -> bool {
    let zero = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.bytes().map(zero).eq(form.bytes())
}
