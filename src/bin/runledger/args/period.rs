//! Which executions a command is about.

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches};

use crate::period::{Bound, When};
use crate::zone::Zone;

/// Which executions are meant, by the time they began.
#[derive(Debug)]
pub(crate) struct Period {
    pub(crate) since: Option<Bound>,
    /// Not before `since`.
    pub(crate) until: Option<Bound>,
    pub(crate) zone: Zone,
}

/// A period as it is written.
#[derive(Debug, clap::Args)]
struct Written {
    /// Only what began then or later: a date (2026-11-01, today, yesterday), a time (2026-11-01T12:00:00Z), or a span
    /// back from now in minutes, hours, days of 24 hours or weeks (90m, 36h, 7d, 2w)
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only what began before then, in the same forms; given a date, that whole day is included
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// Whose days, weeks and months: an IANA name (Europe/Zurich) or an offset from UTC (+02:00, +0200)
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
    zone: Zone,
}

impl FromArgMatches for Period {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Written { since, until, zone } = Written::from_arg_matches(matches)?;
        Self::new(since, until, zone)
            .map_err(|reason| clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Period {
    fn augment_args(command: Command) -> Command {
        Written::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Written::augment_args_for_update(command)
    }
}

/// Which executions are meant, by their skill and the time they began.
#[derive(Debug, clap::Args)]
pub(crate) struct Window {
    /// Only this skill
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    #[command(flatten)]
    pub(crate) period: Period,
}

/// Which executions are meant, by their run and the time they began.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Only this run, by its run_id, without the runs that it started
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// The runs that it started as well, by their parent_run_id, and those that these started
    #[arg(long, requires = "run")]
    pub(crate) child_runs: bool,
    #[command(flatten)]
    pub(crate) period: Period,
}
