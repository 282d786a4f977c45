//! The properties by which baselines can be grouped.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The property by which records are grouped. A baseline is computed for each group.
///
/// The text of each variant is its [`name`](Self::name): `skill`, `version`, `model`, `environment`, or `week`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BaselineBy {
    /// One group for each `skill_name`.
    #[default]
    Skill,
    /// One group for each version of a skill, such as `git-push@1.2.0`.
    SkillVersion,
    /// One group for each `model.name`, over all skills. Executions without a `model.name` are in the group `-`. An
    /// execution that used several models is only in the group of its `model.name`.
    Model,
    /// One group for each `environment`, over all skills.
    Environment,
    /// One group for each skill in each week, such as `git-push@2026-02-09`. A week starts on Monday at 00:00 UTC, and
    /// an execution belongs to the week in which it started.
    Week,
}

impl BaselineBy {
    /// All variants.
    pub const ALL: [Self; 5] = [Self::Skill, Self::SkillVersion, Self::Model, Self::Environment, Self::Week];

    /// Returns the variant's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::SkillVersion => "version",
            Self::Model => "model",
            Self::Environment => "environment",
            Self::Week => "week",
        }
    }
}

impl fmt::Display for BaselineBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BaselineBy {
    type Err = Error;

    /// Parses the [`name`](Self::name).
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if no variant has this name.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Malformed, "read the groups of baselines")
                .detail(format!("found {text:?}; expected one of {names}"))
        })
    }
}
