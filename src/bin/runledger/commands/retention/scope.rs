//! The files that `runledger retention` examines, and its policy.

use std::io::Write;
use std::path::PathBuf;

use runledger::runlog::retention::{Action, Item, RetentionPolicy, SegmentFacts, plan};

use super::run_logs::{self, RunLogs};
use crate::argument::whole;
use crate::clock;
use crate::commands::ship::ShippedTo;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::records;
use crate::term::{output, printable};

/// The directories and the policy, as arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Scope {
    /// The directory of the run logs [default: `run-logs` next to the ledger]
    #[arg(long, value_name = "DIR")]
    run_logs: Option<PathBuf>,
    /// The directory of the archive [default: `archive` next to the ledger]
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// A file with the policy as a JSON object [default: {"min_days": 30, "failed": "keep"}]. "failed" says what
    /// happens to the logs of failed runs: "keep" or "archive"
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Keep everything for at least N days. N must be 30 or more, and overrides "min_days" of the policy
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, u32::MAX.into()))]
    #[arg(allow_negative_numbers = true)]
    min_days: Option<u32>,
    #[command(flatten)]
    shipped_to: ShippedTo,
}

/// The directories of the run logs and of the archive.
pub(crate) struct Places {
    pub(crate) run_logs: PathBuf,
    pub(crate) archive: PathBuf,
}

impl Scope {
    /// Returns the directories that the arguments name. For a directory that they do not name, returns the default.
    pub(crate) fn places(&self, global: &Global) -> Places {
        let or_beside =
            |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| global.ledger.with_file_name(name));
        Places { run_logs: or_beside(&self.run_logs, "run-logs"), archive: or_beside(&self.archive, "archive") }
    }

    /// Returns the planned action for every segment and every file.
    pub(crate) fn items(&self, places: &Places, global: &Global) -> Result<Vec<Item>, Failure> {
        let policy = self.policy()?;
        let mut segments = records::reader(global)?.segments()?;
        self.shipped_to.require(&mut segments, global)?;
        // If --run-logs is not given, the directory may be missing, because it is created for the first run log.
        let logs = if self.run_logs.is_some() || places.run_logs.exists() {
            run_logs::read(&places.run_logs, &segments, &places.archive, global)?
        } else {
            RunLogs::default()
        };
        let facts = |segment: runledger::ledger::SealedSegment| {
            SegmentFacts::new(segment.number, segment.latest, segment.stays)
        };
        let facts: Vec<_> = segments.into_iter().map(facts).collect();
        Ok(plan(&logs.files, &facts, &logs.open, &policy, clock::now()))
    }

    fn policy(&self) -> Result<RetentionPolicy, Failure> {
        let mut policy = match &self.policy {
            None => RetentionPolicy::default(),
            Some(path) => {
                let json = input_file::read("read the retention policy", path)?;
                RetentionPolicy::from_json(&json).map_err(|error| error.path(path))?
            }
        };
        policy.min_days = self.min_days.unwrap_or(policy.min_days);
        policy.validate()?;
        Ok(policy)
    }
}

/// Returns the numbers of items that are kept, archived and deleted.
pub(crate) fn counts(items: &[Item]) -> [usize; 3] {
    [Action::Keep, Action::Archive, Action::Delete]
        .map(|action| items.iter().filter(|item| item.action == action).count())
}

/// Writes the action for an item, and its reason.
pub(crate) fn write(item: &Item, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    if global.json {
        return Ok(output::json_line(out, item)?);
    }
    let what = item.subject.to_string();
    Ok(writeln!(out, "{:7}  {}: {}", item.action.as_str(), printable(&what), printable(&item.reason))?)
}
