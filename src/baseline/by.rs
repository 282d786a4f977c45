//! What baselines are computed for.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// What a baseline is computed for, each.
///
/// Its text is the [`name`](Self::name): `skill`, `version`, `model`, `environment`, `week`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BaselineBy {
    /// `skill_name`.
    #[default]
    Skill,
    /// A version of a skill: `git-push@1.2.0`.
    SkillVersion,
    /// `model.name`, over all skills; `-` stands for the executions that name none. An execution counts once.
    Model,
    /// `environment`, over all skills.
    Environment,
    /// A skill in a week, from Monday 00:00 UTC on, in which its executions began: `git-push@2026-02-09`.
    Week,
}

impl BaselineBy {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Skill, Self::SkillVersion, Self::Model, Self::Environment, Self::Week];

    /// Its text.
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

    /// Reads the [`name`](Self::name).
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when it is none of them.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Malformed, "read what to compute baselines by")
                .detail(format!("expected one of {names}, found {text:?}"))
        })
    }
}
