//! The executions that a run is expected to have.

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
    /// The kind of the record, or `None` if the kind does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The scene, or `None` if the scene does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene_id: Option<String>,
    /// The shot, or `None` if the shot does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shot_id: Option<String>,
    /// The smallest number of executions with these values that the run must have; at least 1.
    #[serde(default = "once")]
    pub count: u64,
}

fn once() -> u64 {
    1
}

impl fmt::Display for Expected {
    /// Writes the expectation without the name of the skill, such as `2 executions of kind "generation" of shot "s-4"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} execution{}", self.count, if self.count == 1 { "" } else { "s" })?;
        let kind = self.kind.as_ref().map(Kind::as_str);
        let ids = [("kind", kind), ("scene", self.scene_id.as_deref()), ("shot", self.shot_id.as_deref())];
        for (name, id) in ids {
            if let Some(id) = id {
                write!(f, " of {name} {}", shortened(id))?;
            }
        }
        Ok(())
    }
}

/// The executions that a run must have.
///
/// In JSON, the expectations are an array of objects. Each object must have the key `skill`, and can have `kind`,
/// `scene_id`, `shot_id` and `count`, which is 1 by default.
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
    /// Reads the expectations from JSON.
    ///
    /// # Errors
    /// - [`ErrorKind::Malformed`] if the text is not a JSON array of objects with these keys.
    /// - [`ErrorKind::Invalid`] if the array is empty, if an entry has no skill or a count of 0, or if an entry occurs
    ///   twice.
    pub fn from_json(text: &str) -> Result<Self> {
        const READ: &str = "read the expected executions";
        let expected: Vec<Expected> =
            json::from_str(text).map_err(|source| Error::new(ErrorKind::Malformed, READ).source(source))?;
        let mut error = Error::new(ErrorKind::Invalid, READ);
        if expected.is_empty() {
            return Err(error.detail("found no entries; expected at least one"));
        }
        let mut seen = BTreeSet::new();
        for (number, entry) in expected.iter().enumerate() {
            let Expected { skill, count, .. } = entry;
            if skill.trim().is_empty() {
                error = error.detail(format!("[{number}].skill: found {skill:?}; expected a name"));
            }
            if *count == 0 {
                error = error.detail(format!("[{number}].count: found 0; expected 1 or more"));
            }
            if !seen.insert((skill, entry.kind.as_ref().map(Kind::as_str), &entry.scene_id, &entry.shot_id)) {
                error =
                    error.detail(format!("[{number}]: {skill:?} is already listed. Give the earlier entry a count"));
            }
        }
        if error.details().is_empty() { Ok(Self(expected)) } else { Err(error) }
    }

    /// Returns the entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &Expected> {
        self.0.iter()
    }
}
