//! The groupings of a report.

use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The way in which a [`Report`](super::Report) groups executions.
///
/// The text of a grouping is its [`name`](Self::name): `day`, `week`, `month`, `model`, `skill`, `run`, `scene`,
/// `agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CostBy {
    /// The date on which the execution began, such as `2026-11-20`, in the time zone of the report. A year after 9999
    /// or before 0 has a sign, such as `+10000-01-01`.
    Day,
    /// The first day of the week in which the execution began, such as `2026-11-16`. Weeks begin on Monday, as in ISO
    /// 8601, or on the day that [`week_start`](super::Report::week_start) sets.
    Week,
    /// The month in which the execution began, such as `2026-11`.
    Month,
    /// The model. An execution with calls of several models is counted under each model, with the usage of that
    /// model's calls. If the calls do not add up to the totals of the execution, its model counts as unknown.
    Model,
    /// `skill_name`.
    Skill,
    /// `run.run_id`.
    Run,
    /// `production.scene_id`.
    Scene,
    /// `run.agent_name`.
    Agent,
}

impl CostBy {
    /// All groupings.
    pub const ALL: [Self; 8] =
        [Self::Day, Self::Week, Self::Month, Self::Model, Self::Skill, Self::Run, Self::Scene, Self::Agent];

    /// Returns true for the groupings by day, week and month.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }

    /// Returns the name, such as `day`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Model => "model",
            Self::Skill => "skill",
            Self::Run => "run",
            Self::Scene => "scene",
            Self::Agent => "agent",
        }
    }
}

impl FromStr for CostBy {
    type Err = Error;

    /// Parses a [`name`](Self::name).
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if `text` is not one of the names.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Malformed, "read the grouping of a report")
                .detail(format!("expected one of {names}, found {text:?}"))
        })
    }
}
