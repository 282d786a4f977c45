//! The file names of run logs.

use std::fmt;
use std::str::FromStr;

use super::minute;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Timestamp, shortened};

/// The mode is truncated to this length, so that every file system accepts the name.
const SLUG_BYTES_MAX: usize = 60;

/// The name of a run log, `YYYY-MM-DD_HH-MM_mode-N.md`. The name consists of the minute in which the run started (UTC),
/// the mode, and a number. The number counts the logs of that minute and mode, from 1.
///
/// ```
/// use runledger::runlog::LogName;
///
/// let name = LogName::new("2026-01-03T14:30:59Z".parse()?, "Review: tagged", 1);
/// assert_eq!(name.to_string(), "2026-01-03_14-30_review-tagged-1.md");
/// assert_eq!("2026-01-03_14-30_review-tagged-1.md".parse::<LogName>()?, name);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    started: Timestamp,
    mode: String,
    number: u64,
}

impl LogName {
    /// Returns the name of the log with this number.
    ///
    /// The mode keeps its ASCII letters and digits, in lower case. Each sequence of other characters becomes one
    /// hyphen, but is removed at the beginning and the end of the mode. The mode is truncated to 60 bytes. A mode
    /// without ASCII letters and digits becomes `run`.
    pub fn new(started: Timestamp, mode: &str, number: u64) -> Self {
        Self { started: minute::cut(started), mode: slug(mode), number }
    }

    /// Returns the minute in which the run started, UTC.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Returns the mode as it is in the name.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// Returns the number of the log among the logs of that minute and mode.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the part before the number.
    pub(super) fn series(&self) -> String {
        format!("{}_{}-", minute::file_text(self.started), self.mode)
    }
}

fn slug(mode: &str) -> String {
    let mut slug = String::new();
    for c in mode.chars() {
        match c {
            _ if slug.len() == SLUG_BYTES_MAX => break,
            c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => "run".to_owned(),
        slug => slug.to_owned(),
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}.md", self.series(), self.number))
    }
}

impl FromStr for LogName {
    type Err = Error;

    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text is not the name of a run log as [`LogName`] writes it.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (started, rest) = text.split_at_checked("YYYY-MM-DD_HH-MM".len())?;
            let (mode, number) = rest.strip_prefix('_')?.strip_suffix(".md")?.rsplit_once('-')?;
            let name = Self::new(minute::parse_file(started)?, mode, number.parse().ok()?);
            (name.number > 0 && name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read the name of a run log").detail(format!(
                "found {}; expected YYYY-MM-DD_HH-MM_mode-N.md such as 2026-01-03_14-30_review-tagged-1.md",
                shortened(text)
            ))
        })
    }
}
