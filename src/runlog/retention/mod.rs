//! What becomes of run logs and of sealed ledger segments: kept, archived or deleted, each with its reason. Pure: no I/O, no
//! clock.
//!
//! A run log is looked at by these rules, and the first one that fits counts:
//!
//! 1. a file of which it is not known what it is: kept;
//! 2. linked to an error that is open: kept, whatever its age;
//! 3. younger than [`RetentionPolicy::min_days`]: kept;
//! 4. of a run that has not ended, as far as its logs tell: kept;
//! 5. of a run that led to an improvement: archived;
//! 6. of a run that failed: kept, or archived if the policy says so;
//! 7. of a run that succeeded: kept if it is not known whether it led to an improvement, else deleted.
//!
//! A run is marked as an improvement by the tag [`IMPROVEMENT_TAG`] with the value `true` in any of its records.
//!
//! A segment is archived, never deleted, once its last execution is so old, as far as the ledger can do without it: from
//! the first one on, without a gap.

mod header;
mod marks;
mod policy;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

pub use header::LogHeader;
pub use marks::RunMarks;
pub use policy::{FailedRuns, RetentionPolicy};

use crate::metrics::Timestamp;

/// The tag that marks a record's run as one that led to an improvement, if its value is `true`.
pub const IMPROVEMENT_TAG: &str = "improvement";

/// A file among the run logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFile {
    /// Its name, without its directory.
    pub name: String,
    /// What is known of its run; or why nothing is.
    pub facts: Result<LogFacts, String>,
}

impl LogFile {
    /// A file of which `facts` are known.
    pub fn new(name: impl Into<String>, facts: Result<LogFacts, String>) -> Self {
        Self { name: name.into(), facts }
    }
}

/// What decides over a run log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFacts {
    /// When the run began, UTC.
    pub started: Timestamp,
    /// Whether it succeeded; `None`: it has not ended, or did not tell.
    pub succeeded: Option<bool>,
    /// Whether it led to an improvement; `None`: unknown, since not all of its records are at hand.
    pub improvement: Option<bool>,
}

impl LogFacts {
    /// The facts of a run that began at `started`.
    pub fn new(started: Timestamp, succeeded: Option<bool>, improvement: Option<bool>) -> Self {
        Self { started, succeeded, improvement }
    }
}

/// What decides over a sealed segment of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentFacts {
    /// Its number.
    pub number: u64,
    /// When the last of its executions began or ended, UTC; `None`: unknown.
    pub latest: Option<Timestamp>,
    /// Why the ledger cannot do without it; `None`: it can.
    pub stays: Option<String>,
}

impl SegmentFacts {
    /// The facts of segment `number`.
    pub fn new(number: u64, latest: Option<Timestamp>, stays: Option<String>) -> Self {
        Self { number, latest, stays }
    }
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// It stays where it is.
    Keep,
    /// It moves to the archive.
    Archive,
    /// It is deleted.
    Delete,
}

impl Action {
    /// Its text: `keep`, `archive`, `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }
}

/// What something becomes of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A sealed segment of the ledger.
    Segment {
        /// Its number.
        number: u64,
    },
    /// A file among the run logs.
    RunLog {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { number } => write!(f, "segment {number}"),
            Self::RunLog { name } => f.write_str(name),
        }
    }
}

/// What becomes of one thing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// What.
    #[serde(flatten)]
    pub subject: Subject,
    /// What becomes of it.
    pub action: Action,
    /// Why, for people.
    pub reason: String,
}

/// What becomes of each segment, in the order of their numbers, and then of each file, in the order of their names.
/// `open` has the names of the run logs that are linked to an error that is open; `now` is UTC.
///
/// ```
/// use std::collections::BTreeSet;
/// use runledger::runlog::retention::{Action, LogFacts, LogFile, RetentionPolicy, plan};
///
/// let facts = LogFacts::new("2026-01-03T14:30:00Z".parse()?, Some(true), Some(false));
/// let log = LogFile::new("2026-01-03_14-30_review-1.md", Ok(facts));
/// let after = |now: &str| Ok::<_, runledger::Error>(plan(&[log.clone()], &[], &BTreeSet::new(), &RetentionPolicy::default(), now.parse()?));
/// assert_eq!(after("2026-02-02T14:29:59Z")?[0].action, Action::Keep);
/// assert_eq!(after("2026-02-02T14:30:00Z")?[0].action, Action::Delete);
/// # Ok::<(), runledger::Error>(())
/// ```
pub fn plan(
    logs: &[LogFile],
    segments: &[SegmentFacts],
    open: &BTreeSet<String>,
    policy: &RetentionPolicy,
    now: Timestamp,
) -> Vec<Item> {
    let mut segments: Vec<_> = segments.iter().collect();
    segments.sort_by_key(|segment| segment.number);
    let mut logs: Vec<_> = logs.iter().collect();
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    let mut first_kept = None;
    let mut items = Vec::new();
    for segment in segments {
        let (action, reason) = match first_kept {
            Some(first) => (Action::Keep, format!("segment {first} before it is kept")),
            None => of_segment(segment, policy, now),
        };
        if action == Action::Keep {
            first_kept = first_kept.or(Some(segment.number));
        }
        items.push(Item { subject: Subject::Segment { number: segment.number }, action, reason });
    }
    items.extend(logs.into_iter().map(|log| {
        let (action, reason) = of_log(log, open, policy, now);
        Item { subject: Subject::RunLog { name: log.name.clone() }, action, reason }
    }));
    items
}

fn of_segment(segment: &SegmentFacts, policy: &RetentionPolicy, now: Timestamp) -> (Action, String) {
    if let Some(why) = &segment.stays {
        return (Action::Keep, why.clone());
    }
    let Some(latest) = segment.latest else {
        return (Action::Keep, "its age is unknown: a line of it is no record".to_owned());
    };
    let age = Age::at(now, latest);
    match age.is_at_least(policy.min_days) {
        true => (Action::Archive, format!("its last execution is {age} old")),
        false => (Action::Keep, format!("its last execution is {age} old, less than {} days", policy.min_days)),
    }
}

fn of_log(log: &LogFile, open: &BTreeSet<String>, policy: &RetentionPolicy, now: Timestamp) -> (Action, String) {
    let facts = match &log.facts {
        Ok(facts) => facts,
        Err(why) => return (Action::Keep, format!("unknown: {why}")),
    };
    if open.contains(&log.name) {
        return (Action::Keep, "linked to an error that is open".to_owned());
    }
    let age = Age::at(now, facts.started);
    if !age.is_at_least(policy.min_days) {
        return (Action::Keep, format!("{age} old, less than {} days", policy.min_days));
    }
    match (facts.succeeded, facts.improvement, policy.failed) {
        (None, ..) => (Action::Keep, "unknown: its run has not ended, or does not tell how".to_owned()),
        (_, Some(true), _) => (Action::Archive, format!("{age} old, and its run led to an improvement")),
        (Some(false), _, FailedRuns::Archive) => (Action::Archive, format!("{age} old, and its run failed")),
        (Some(false), _, FailedRuns::Keep) => (Action::Keep, "its run failed".to_owned()),
        (Some(true), None, _) => (
            Action::Keep,
            "unknown: not all records of its run are at hand, and one may mark it as an improvement".to_owned(),
        ),
        (Some(true), Some(false), _) => (Action::Delete, format!("{age} old, and a routine success")),
    }
}

/// How long something is past, in milliseconds; negative: it is yet to come, by the clock.
struct Age(i64);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Age {
    fn at(now: Timestamp, then: Timestamp) -> Self {
        Self(now.unix_ms() - then.unix_ms())
    }

    fn is_at_least(&self, days: u32) -> bool {
        self.0 >= i64::from(days) * DAY_MS
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.div_euclid(DAY_MS) {
            1 => f.write_str("1 day"),
            days => write!(f, "{days} days"),
        }
    }
}
