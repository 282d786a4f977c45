//! Warnings that do not flood: of each kind and place at most one a second, and the others are counted.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::disk::per_process::PerProcess;
use crate::error::{Error, ErrorKind};
use crate::mutex::lock;

/// How long like ones are held back after one that is let through.
const PAUSE: Duration = Duration::from_secs(1);
/// How many kinds and places are remembered. A warning of another kind or place is let through when all of these hold
/// some back.
const PLACES_MAX: usize = 64;

/// A warning, with the number of those like it that were held back before it.
///
/// Its `Display` is `what: error (and 179 more like it)`, the error with its source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Warning {
    /// What the error means for the caller; empty if there is nothing to say.
    pub what: &'static str,
    /// What went wrong.
    pub error: Error,
    /// How many like it were held back.
    pub more: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.what.is_empty() {
            write!(f, "{}: ", self.what)?;
        }
        f.write_str(&self.error.with_source())?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " (and {more} more like it)"),
        }
    }
}

/// Decides which warnings are let through: of those alike, which have the same error kind, operation and path, one a
/// second. The others are counted, and the next one that is let through says how many they were. What is then left is
/// given by [`finish`](Self::finish). Reads no clock.
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
pub struct Warnings(Vec<Place>);

/// What a second is kept for.
#[derive(Debug)]
struct Place {
    alike: Alike,
    /// When the last one was let through.
    since: Instant,
    /// The last one that was held back, and how many were before it.
    held_back: Option<(Error, u64)>,
}

type Alike = (&'static str, ErrorKind, String, Option<PathBuf>);

impl Warnings {
    /// The warning if it is let through at `now`; `None` if it is counted.
    pub fn admit(&mut self, what: &'static str, error: &Error, now: Instant) -> Option<Warning> {
        let is_alike = |(w, kind, operation, path): &Alike| {
            *w == what && *kind == error.kind() && operation == error.operation() && path.as_deref() == error.file()
        };
        let is_over = |place: &Place| now.saturating_duration_since(place.since) >= PAUSE;
        let more = match self.0.iter_mut().find(|place| is_alike(&place.alike)) {
            Some(place) if is_over(place) => {
                place.since = now;
                place.held_back.take().map_or(0, |(_, before)| before + 1)
            }
            Some(place) => {
                let count = place.held_back.take().map_or(0, |(_, before)| before + 1);
                place.held_back = Some((error.clone(), count));
                return None;
            }
            None => {
                if self.0.len() >= PLACES_MAX {
                    self.0.retain(|place| place.held_back.is_some() || !is_over(place));
                }
                if self.0.len() < PLACES_MAX {
                    let alike = (what, error.kind(), error.operation().to_owned(), error.file().map(Into::into));
                    self.0.push(Place { alike, since: now, held_back: None });
                }
                0
            }
        };
        Some(Warning { what, error: error.clone(), more })
    }

    /// The last of each that were held back and not counted by a later one. From now on the next of each is let through.
    pub fn finish(&mut self) -> Vec<Warning> {
        let left = |place: Place| {
            let what = place.alike.0;
            place.held_back.map(|(error, more)| Warning { what, error, more })
        };
        std::mem::take(&mut self.0).into_iter().filter_map(left).collect()
    }
}

/// Warnings on stderr. A ledger and its clones share one, and so do journals opened with the same options: when the last
/// of them is closed, it says how many are left.
#[derive(Debug)]
pub(crate) struct OnStderr(PerProcess<Mutex<Warnings>>);

impl OnStderr {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(PerProcess::new(Mutex::default())))
    }

    pub(crate) fn warn(&self, what: &'static str, error: &Error) {
        // A forked child counts its own: its parent says how many the parent's were.
        let warnings = self.0.get_or_make(|| Ok::<_, Error>(Mutex::default()));
        let admit = |warnings: &Mutex<Warnings>| lock(warnings).admit(what, error, Instant::now());
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

/// The default of the options.
pub(super) fn hook() -> impl Fn(&Error) + Send + Sync {
    let stderr = OnStderr::new();
    move |error| stderr.warn("", error)
}

/// Writes a warning to stderr. Ignores a stderr that is full or closed, where `eprintln!` would panic.
pub(crate) fn to_stderr(warning: &impl fmt::Display) {
    let _ = writeln!(io::stderr(), "runledger: warning: {warning}");
}
