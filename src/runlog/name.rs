//! What a run log's file is called.

use std::fmt;
use std::str::FromStr;

use super::minute;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Timestamp, shortened};

/// Longer ones are cut, so that no file system refuses the name.
const SLUG_BYTES_MAX: usize = 60;

/// The name of a run log, `YYYY-MM-DD_HH-MM_mode-N.md`: when the run began, UTC, its mode, and which of the logs of that
/// minute and mode it is, from 1.
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
    /// The `number`th log of that mode of the minute in which the run `started`. Of the mode stay ASCII letters and
    /// digits, in lower case; each run of other characters becomes one hyphen, and none stands at an end. It has at most
    /// 60 bytes, and is `run` if nothing is left.
    pub fn new(started: Timestamp, mode: &str, number: u64) -> Self {
        Self { started: minute::cut(started), mode: slug(mode), number }
    }

    /// The minute in which the run began, UTC.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The mode as it stands in the name.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// Which of the logs of that minute and mode it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What stands before the number.
    pub(super) fn series(&self) -> String {
        let started = minute::text(self.started).replace(' ', "_").replace(':', "-");
        format!("{started}_{}-", self.mode)
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
    /// [`ErrorKind::Malformed`] when it is not such a name, written just so.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (date, rest) = text.split_once('_')?;
            let (time, rest) = rest.split_once('_')?;
            let (mode, number) = rest.strip_suffix(".md")?.rsplit_once('-')?;
            let started = minute::parse(&format!("{date} {}", time.replacen('-', ":", 1)))?;
            let name = Self::new(started, mode, number.parse().ok()?);
            (name.number > 0 && name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read the name of a run log").detail(format!(
                "expected YYYY-MM-DD_HH-MM_mode-N.md such as 2026-01-03_14-30_review-tagged-1.md, found {}",
                shortened(text)
            ))
        })
    }
}
