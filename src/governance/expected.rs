//! The executions that a run must have.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::metrics::{Kind, shortened};

/// An execution that a run must have, once or several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expected {
    /// The skill.
    pub skill: String,
    /// What the record is about; `None`: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The scene; `None`: any, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene_id: Option<String>,
    /// The shot; `None`: any, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shot_id: Option<String>,
    /// How many there must be at least, from 1 on.
    #[serde(default = "once")]
    pub count: u64,
}

fn once() -> u64 {
    1
}

impl fmt::Display for Expected {
    /// What is expected of the skill, such as `2 executions of kind "generation" of shot "s-4"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} execution{}", self.count, if self.count == 1 { "" } else { "s" })?;
        let kind = self.kind.as_ref().map(Kind::as_str);
        let ids = [("kind", kind), ("scene", self.scene_id.as_deref()), ("shot", self.shot_id.as_deref())];
        for (what, id) in ids {
            if let Some(id) = id {
                write!(f, " of {what} {}", shortened(id))?;
            }
        }
        Ok(())
    }
}

/// What a run must have, as a JSON array: of each entry the `skill`, and where wanted the `kind`, the `scene_id`, the
/// `shot_id`, and the `count`, 1 if it is not told.
///
/// ```
/// use runledger::governance::Expectations;
///
/// let expected = Expectations::from_json(
///     r#"[{"skill": "storyboard"},
///         {"skill": "shot-renderer", "kind": "generation", "shot_id": "shot-004", "count": 2}]"#,
/// )?;
/// let counts: Vec<_> = expected.iter().map(|expected| (expected.skill.as_str(), expected.count)).collect();
/// assert_eq!(counts, [("storyboard", 1), ("shot-renderer", 2)]);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations(Vec<Expected>);

impl Expectations {
    /// Reads them.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] for what is no such array, [`ErrorKind::Invalid`] for one that expects nothing, with an
    /// entry without a skill or with a count of 0, or the same entry twice.
    pub fn from_json(text: &str) -> Result<Self> {
        const READ: &str = "read what is expected";
        let expected: Vec<Expected> =
            json::from_str(text).map_err(|source| Error::new(ErrorKind::Malformed, READ).source(source))?;
        let mut error = Error::new(ErrorKind::Invalid, READ);
        if expected.is_empty() {
            return Err(error.detail("expected at least one entry, found none"));
        }
        let mut seen = BTreeSet::new();
        for (number, entry) in (1..).zip(&expected) {
            let Expected { skill, count, .. } = entry;
            if skill.trim().is_empty() {
                error = error.detail(format!("entry {number}: skill: expected a name, found {skill:?}"));
            }
            if *count == 0 {
                error = error.detail(format!("entry {number}: count: expected 1 or more, found 0"));
            }
            if !seen.insert((skill, entry.kind.as_ref().map(Kind::as_str), &entry.scene_id, &entry.shot_id)) {
                error = error.detail(format!("entry {number}: {skill:?} stands there before: give that one a count"));
            }
        }
        if error.details().is_empty() { Ok(Self(expected)) } else { Err(error) }
    }

    /// Each of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Expected> {
        self.0.iter()
    }
}
