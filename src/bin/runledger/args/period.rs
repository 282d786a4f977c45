//! Which executions a command is about.

use crate::period::Bound;
use crate::zone::Zone;

/// Which executions are meant, by the time they began.
#[derive(Debug, clap::Args)]
pub(crate) struct Period {
    /// Only what began then or later: a date (2026-11-01), a time (2026-11-01T12:00:00Z), or a span back from now in
    /// days of 24 hours or in hours (7d, 24h)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Bound>,
    /// Only what began before then; given a date, that whole day is included
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<Bound>,
    /// Whose days, weeks and months: an IANA name (Europe/Zurich) or an offset from UTC (+02:00)
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
    pub(crate) zone: Zone,
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
