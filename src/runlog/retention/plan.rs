//! The rules of retention.

use std::collections::BTreeSet;
use std::fmt;

use super::{Action, FailedRuns, Item, LogFile, RetentionPolicy, SegmentFacts, Subject};
use crate::metrics::Timestamp;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Returns a decision about each segment and each file: first the segments, sorted by number, and then the files,
/// sorted by name. `open` contains the names of the run logs that contain an open error. `now` is UTC.
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
            Some(first) => (Action::Keep, format!("the earlier segment {first} is kept")),
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
        return (Action::Keep, "its age is unknown, since one of its lines is not a record".to_owned());
    };
    let age = Age::at(now, latest);
    if age.is_at_least(policy.min_days) {
        (Action::Archive, format!("its last execution is {age} old"))
    } else {
        (Action::Keep, format!("its last execution is {age} old, less than {} days", policy.min_days))
    }
}

fn of_log(log: &LogFile, open: &BTreeSet<String>, policy: &RetentionPolicy, now: Timestamp) -> (Action, String) {
    let facts = match &log.facts {
        Ok(facts) => facts,
        Err(why) => return (Action::Keep, format!("unknown: {why}")),
    };
    if open.contains(&log.name) {
        return (Action::Keep, "linked to an open error".to_owned());
    }
    let age = Age::at(now, facts.started);
    if !age.is_at_least(policy.min_days) {
        return (Action::Keep, format!("{age} old, less than {} days", policy.min_days));
    }
    match (facts.succeeded, facts.improvement, policy.failed) {
        (None, ..) => (Action::Keep, "unknown: its run has not ended, or its result is unknown".to_owned()),
        (_, Some(true), _) => (Action::Archive, format!("{age} old, and its run led to an improvement")),
        (Some(false), _, FailedRuns::Archive) => (Action::Archive, format!("{age} old, and its run failed")),
        (Some(false), _, FailedRuns::Keep) => (Action::Keep, "its run failed".to_owned()),
        (Some(true), None, _) => (
            Action::Keep,
            "unknown: some records of its run are missing, and a missing record may mark the run as an improvement"
                .to_owned(),
        ),
        (Some(true), Some(false), _) => {
            (Action::Delete, format!("{age} old, and its run succeeded without an improvement"))
        }
    }
}

/// An age in milliseconds, which is negative for a time in the future.
struct Age(i64);

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
