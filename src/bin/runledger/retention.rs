//! `runledger retention`

use std::io::Write;
use std::path::PathBuf;

use runledger::ledger::sealed_segments;
use runledger::runlog::retention::{Action, Item, Policy, SegmentFacts, Subject, plan};
use runledger::{Ledger, Timestamp};

use crate::args::{Global, Retention, RetentionScope};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::run_logs::{self, RunLogs};
use crate::table::printable;

pub(crate) fn run(args: &Retention, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (scope, apply) = match args {
        Retention::Plan(args) => (&args.scope, false),
        Retention::Apply(args) => (&args.scope, true),
    };
    let places = Places::of(scope, global);
    let items = items(scope, &places, global)?;
    match apply {
        true => self::apply(&items, &places, global, out)?,
        false => items.iter().try_for_each(|item| tell(item, global, out))?,
    }
    if !global.json {
        let count = |action| items.iter().filter(|item| item.action == action).count();
        let [keep, archive, delete] = [Action::Keep, Action::Archive, Action::Delete].map(count);
        match apply {
            true => writeln!(out, "kept {keep}, archived {archive}, deleted {delete}")?,
            false => writeln!(out, "to keep {keep}, to archive {archive}, to delete {delete}; nothing was changed")?,
        }
    }
    Ok(ExitCode::Yes)
}

struct Places {
    run_logs: PathBuf,
    archive: PathBuf,
}

impl Places {
    fn of(scope: &RetentionScope, global: &Global) -> Self {
        let or_beside =
            |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| global.ledger.with_file_name(name));
        Self { run_logs: or_beside(&scope.run_logs, "run-logs"), archive: or_beside(&scope.archive, "archive") }
    }
}

fn items(scope: &RetentionScope, places: &Places, global: &Global) -> Result<Vec<Item>, Failure> {
    let policy = policy(scope)?;
    let segments = sealed_segments(&global.ledger)?;
    // Nobody need have logged a run, unless somebody says where.
    let logs = match scope.run_logs.is_some() || places.run_logs.exists() {
        true => run_logs::read(&places.run_logs, &segments, &places.archive, global)?,
        false => RunLogs::default(),
    };
    let facts = segments.into_iter().map(|segment| SegmentFacts::new(segment.number, segment.latest, segment.stays));
    let facts: Vec<_> = facts.collect();
    let now = Timestamp::from_unix_ms(clock::unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(plan(&logs.files, &facts, &logs.open, &policy, now))
}

fn policy(scope: &RetentionScope) -> Result<Policy, Failure> {
    let mut policy = match &scope.policy {
        None => Policy::default(),
        Some(path) => {
            let failed = |source| Failure::File { operation: "read the retention policy", path: path.clone(), source };
            let json = std::fs::read_to_string(path).map_err(failed)?;
            Policy::from_json(&json).map_err(|source| Failure::RetentionPolicy { path: path.clone(), source })?
        }
    };
    policy.min_days = scope.min_days.unwrap_or(policy.min_days);
    policy.validate()?;
    Ok(policy)
}

fn tell(item: &Item, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    if global.json {
        return Ok(output::json_line(out, item)?);
    }
    let (what, reason) = (item.subject.to_string(), &item.reason);
    Ok(writeln!(out, "{:7}  {}: {}", item.action.as_str(), printable(&what), printable(reason))?)
}

/// Does what the items say, and tells each when it is done.
fn apply(items: &[Item], places: &Places, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let last = items.iter().rev().find_map(|item| match (&item.subject, item.action) {
        (Subject::Segment { number }, Action::Archive) => Some(*number),
        _ => None,
    });
    let ledger = Ledger::open(&global.ledger)?;
    if let Some(last) = last {
        ledger.archive_segments(last, &places.archive)?;
    }
    for item in items {
        if let Subject::RunLog { name } = &item.subject {
            let path = places.run_logs.join(name);
            match item.action {
                Action::Archive => {
                    ledger.archive_file(path, places.archive.join("run-logs"), &item.reason)?;
                }
                Action::Delete => ledger.delete_file(path, &item.reason)?,
                _ => {}
            }
        }
        tell(item, global, out)?;
    }
    Ok(())
}
