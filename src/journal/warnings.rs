//! Reports at most one of several similar warnings per second, and counts the others. Warnings are similar if they have
//! the same consequence, error kind, operation and path.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Warn;
use crate::disk::per_process::PerProcess;
use crate::error::{Error, ErrorKind};
use crate::mutex::lock;

/// After a warning was reported, similar warnings are held back for this time.
const PAUSE: Duration = Duration::from_secs(1);
/// The maximum number of groups of similar warnings that are remembered. If none of these groups can be removed yet,
/// all warnings of further groups are reported.
const GROUPS_MAX: usize = 64;

/// A warning, with the number of similar warnings that were held back since the last report.
///
/// Its `Display` is `what: error (and 179 more like it)`. If `what` is empty, the text begins with the error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Warning {
    /// The text to show before the error, or an empty string.
    pub what: &'static str,
    /// The error.
    pub error: Error,
    /// The number of similar warnings that were held back.
    pub more: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.what.is_empty() {
            write!(f, "{}: ", self.what)?;
        }
        write!(f, "{}", self.error)?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " (and {more} more like it)"),
        }
    }
}

/// Returns a hook that calls `warn`. While the thread is panicking, a panic of `warn` ends in this hook. Otherwise the
/// process would abort, because the call may be made by a `drop`.
pub(crate) fn caught(warn: impl Fn(&Error) + Send + Sync + 'static) -> Warn {
    Arc::new(move |error| {
        if std::thread::panicking() {
            // Unwind safety is the concern of the hook. It is only called again, and nothing else sees its values.
            let _ = catch_unwind(AssertUnwindSafe(|| warn(error)));
        } else {
            warn(error);
        }
    })
}

/// Decides which warnings are reported. Warnings are similar if they have the same `what`, and their errors have the
/// same consequence, kind, operation and path. At most one of several similar warnings is reported per second. The
/// others are held back, and the next similar warning that is reported states their number. At the end,
/// [`finish`](Self::finish) returns one warning for each group of held-back warnings whose number was not stated yet.
/// The caller supplies the time.
///
/// ```
/// use std::time::{Duration, Instant};
/// use runledger::Ledger;
/// use runledger::journal::Warnings;
///
/// let error = Ledger::open("/dev/null").unwrap_err();
/// let (mut warnings, now) = (Warnings::default(), Instant::now());
/// let mut more = |ms| warnings.admit("", &error, now + Duration::from_millis(ms)).map(|warning| warning.more);
/// assert_eq!([more(0), more(1), more(999), more(1000), more(1500)], [Some(0), None, None, Some(2), None]);
/// assert_eq!(warnings.finish().len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Warnings(Vec<Group>);

/// A group of similar warnings.
#[derive(Debug)]
struct Group {
    alike: Alike,
    /// When a warning of this group was last reported.
    since: Instant,
    /// The last warning that was held back after `since`, and the number of warnings held back before it.
    held_back: Option<(Error, u64)>,
}

type Alike = ([&'static str; 2], ErrorKind, String, Option<PathBuf>);

impl Warnings {
    /// Returns the warning if it should be reported at the time `now`. Otherwise counts it and returns `None`.
    pub fn admit(&mut self, what: &'static str, error: &Error, now: Instant) -> Option<Warning> {
        let consequences = [what, error.consequence().unwrap_or_default()];
        let is_alike = |(same, kind, operation, path): &Alike| {
            *same == consequences
                && *kind == error.kind()
                && operation == error.operation()
                && path.as_deref() == error.file()
        };
        let is_over = |group: &Group| now.saturating_duration_since(group.since) >= PAUSE;
        let more = match self.0.iter_mut().find(|group| is_alike(&group.alike)) {
            Some(group) if is_over(group) => {
                group.since = now;
                group.held_back.take().map_or(0, |(_, before)| before + 1)
            }
            Some(group) => {
                let count = group.held_back.take().map_or(0, |(_, before)| before + 1);
                group.held_back = Some((error.clone(), count));
                return None;
            }
            None => {
                if self.0.len() >= GROUPS_MAX {
                    self.0.retain(|group| group.held_back.is_some() || !is_over(group));
                }
                if self.0.len() < GROUPS_MAX {
                    let alike =
                        (consequences, error.kind(), error.operation().to_owned(), error.file().map(Into::into));
                    self.0.push(Group { alike, since: now, held_back: None });
                }
                0
            }
        };
        Some(Warning { what, error: error.clone(), more })
    }

    /// Returns the last warning that was held back in each group of similar warnings. Its `more` is the number of
    /// warnings of the group that were held back before it. Forgets all groups, so the next warning is always reported.
    pub fn finish(&mut self) -> Vec<Warning> {
        let left = |group: Group| {
            let [what, _] = group.alike.0;
            group.held_back.map(|(error, more)| Warning { what, error, more })
        };
        std::mem::take(&mut self.0).into_iter().filter_map(left).collect()
    }
}

/// Writes warnings to stderr. A ledger and its clones share one instance, and so do journals opened with the same
/// options. When the last ledger or journal that shares the instance is closed, the warnings that were held back are
/// reported.
#[derive(Debug)]
pub(crate) struct OnStderr(PerProcess<Mutex<Warnings>>);

impl OnStderr {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(PerProcess::new(Mutex::default())))
    }

    pub(crate) fn warn(&self, error: &Error) {
        // A forked child counts only its own warnings. The parent process reports the warnings that were held back
        // before the fork.
        let warnings = self.0.get_or_make(|| Ok::<_, Error>(Mutex::default()));
        let admit = |warnings: &Mutex<Warnings>| lock(warnings).admit("", error, Instant::now());
        if let Ok(Some(warning)) = warnings.map(admit) {
            to_stderr(&warning);
        }
    }
}

impl Drop for OnStderr {
    fn drop(&mut self) {
        if let Some(warnings) = self.0.get() {
            let left = lock(warnings).finish();
            left.iter().for_each(to_stderr);
        }
    }
}

/// Returns a function that writes warnings to stderr, at most one of several similar warnings per second.
///
/// The function counts the other warnings. It writes their number with the next similar warning, or when the last clone
/// of the function is dropped.
pub fn on_stderr() -> Warn {
    let stderr = OnStderr::new();
    Arc::new(move |error| stderr.warn(error))
}

/// Writes a warning to stderr. Unlike `eprintln!`, this does not panic if stderr is full or closed.
pub(crate) fn to_stderr(warning: &impl fmt::Display) {
    let _ = writeln!(io::stderr(), "runledger: warning: {warning}");
}
