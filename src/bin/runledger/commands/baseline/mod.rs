//! `runledger baseline`

mod freeze;
mod stability;

use std::borrow::Cow;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::{Datelike, Days};
use clap::Subcommand;
use runledger::Baselines;
use runledger::baseline::{Accumulator, BaselineBy, Latest};
use runledger::metrics::Fields;

use crate::argument::{file_name, one_of, whole};
use crate::baselines::{fold, lower_bounds, of_lower_bounds, table};
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::records;
use crate::selection::Window;
use crate::term::output;
use crate::zone::Zone;

/// Compute the usual latency, cost and success rate of each skill
///
/// Prints one row for each group. Latencies are percentiles of `total_latency_ms`. Percentiles are exact if the group
/// has at most 49,152 distinct latencies, and otherwise accurate to 0.4 %. In the JSON, `latency_precision` says
/// whether the percentiles are exact. The same records always give the same JSON, byte for byte.
///
/// If the final usage of a call was not reported, the cost and the tokens of its execution are lower bounds. Stderr
/// then says how many executions of the window have such values. With --last, this number is not limited to the last N
/// executions of a group.
///
/// Without --since, --until, --skill and --last, results are cached, so later calls read only new records. Weeks in a
/// --zone other than UTC are not cached. For long ledgers, the cache is stored in `baseline-skill.checkpoint` and
/// similar files in the ledger's internal directory. These files can be deleted at any time.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: store the baselines of the last 30 days in a file
  runledger baseline --since 30d --out logs/baselines.json")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    groups: BaselineGroups,
    /// Write the baselines to this file as JSON, and print nothing. An existing file is replaced
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    out: Option<PathBuf>,
}

/// The arguments that say which executions the baselines include, and how they are grouped.
#[derive(Debug, clap::Args)]
pub(crate) struct BaselineGroups {
    /// How to group executions. With `version`, each version of a skill is a group. With `week`, each week of a skill
    /// is a group. Weeks start on Monday 00:00 in --zone
    #[arg(long, value_name = "GROUP", value_parser = one_of::<BaselineBy>(BaselineBy::ALL.map(BaselineBy::name)), default_value = BaselineBy::Skill.name())]
    pub(crate) by: BaselineBy,
    #[command(flatten)]
    pub(crate) window: Window,
    /// Use only the N most recently started executions of each group. Each execution needs about 120 bytes of memory
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroUsize>(1, u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) last: Option<NonZeroUsize>,
}

impl BaselineGroups {
    /// Returns the time zone of the weeks. `None` if the groups are not weeks, or if the weeks are in UTC.
    fn zone(&self) -> Option<&Zone> {
        Some(&self.window.period.zone).filter(|zone| self.by == BaselineBy::Week && !zone.is_utc())
    }

    /// Returns the grouping of the library. The library groups only by weeks in UTC. For any other zone,
    /// [`labelled`](Self::labelled) stores the week as the version of the skill, and the library groups by version.
    pub(crate) fn library_by(&self) -> BaselineBy {
        if self.zone().is_some() { BaselineBy::SkillVersion } else { self.by }
    }

    /// Returns the fields of an execution as [`library_by`](Self::library_by) groups them.
    pub(crate) fn labelled<'f>(&self, fields: &'f Fields<'f>) -> Cow<'f, Fields<'f>> {
        in_week_of(self.zone(), fields)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Freeze(freeze::Args),
    Stability(stability::Args),
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Freeze(args)) => return freeze::run(args, global, out),
        Some(Command::Stability(args)) => return stability::run(args, global, out),
        None => {}
    }
    let groups = &args.groups;
    let by = groups.library_by();
    let baselines = match groups.last {
        Some(most) => {
            let add = |all: &mut Latest, fields: &Fields<'_>| all.add_fields(&groups.labelled(fields));
            fold(&groups.window, global, || Latest::new(by, most), add, Latest::merge)?.accumulate().finish()
        }
        None if groups.window.is_all() && groups.zone().is_none() => refresh(by, global)?,
        None => {
            let add = |all: &mut Accumulator, fields: &Fields<'_>| all.add_fields(&groups.labelled(fields));
            fold(&groups.window, global, || Accumulator::by(by), add, Accumulator::merge)?.finish()
        }
    };
    if let Some(text) = of_lower_bounds(lower_bounds(&groups.window, None, global)?) {
        output::note(&text, "lower_bounds", global.style());
    }
    match &args.out {
        Some(path) => save(&baselines, path, &global.ledger)?,
        None if global.json => writeln!(out, "{}", baselines.to_json()?)?,
        None => table(groups.by.name(), &baselines, out)?,
    }
    Ok(ExitCode::Yes)
}

/// Replaces the version of the skill by the week in which the execution started, so that executions can be grouped by
/// weeks of `zone`. The week is written as the date of its Monday. If `zone` is `None`, returns the fields unchanged.
fn in_week_of<'f>(zone: Option<&Zone>, fields: &'f Fields<'f>) -> Cow<'f, Fields<'f>> {
    let Some(zone) = zone else { return Cow::Borrowed(fields) };
    let date = zone.date(fields.timestamp_start);
    let since_monday = Days::new(date.weekday().num_days_from_monday().into());
    let mut fields = fields.clone();
    fields.skill_version = date.checked_sub_days(since_monday).unwrap_or(date).to_string().into();
    Cow::Owned(fields)
}

/// Computes baselines over all executions. Continues from the cached baselines if there are any, and then reads only
/// newer records.
fn refresh(by: BaselineBy, global: &Global) -> Result<Baselines, Failure> {
    let refreshed = records::reader(global)?.baselines(by)?;
    refreshed.notes.iter().for_each(|note| output::note(&failure::text(note), failure::kind(note), global.style()));
    records::warn_of(refreshed.baselines.skipped(), global);
    Ok(refreshed.baselines)
}

fn save(baselines: &Baselines, path: &Path, ledger: &Path) -> Result<(), Failure> {
    if let (Ok(target), Ok(ledger)) = (path.canonicalize(), ledger.canonicalize())
        && target == ledger
    {
        return Err(Failure::IsLedger { operation: "write the baselines", path: path.to_owned() });
    }
    let json = baselines.to_json()? + "\n";
    std::fs::write(path, json).map_err(|source| Failure::File {
        operation: "write the baselines",
        path: path.to_owned(),
        source,
    })
}
