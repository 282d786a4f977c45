//! How long things are kept.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::json;

/// What becomes of the logs of failed runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailedRuns {
    /// They are kept, whatever their age; in JSON `"keep"`.
    #[default]
    Keep,
    /// They are archived once they are old enough; in JSON `"archive"`.
    Archive,
}

/// How long things are kept. The default keeps all for 30 days, and the logs of failed runs for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// For how many days of 24 hours everything is kept: a run log from the start of its run on, a segment from its last
    /// execution on.
    pub min_days: u32,
    /// What becomes of the logs of failed runs after that.
    pub failed: FailedRuns,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self { min_days: Self::MIN_DAYS_MIN, failed: FailedRuns::Keep }
    }
}

impl RetentionPolicy {
    /// The fewest days that a policy may have.
    pub const MIN_DAYS_MIN: u32 = 30;

    /// Reads a policy; what it leaves out is the default's.
    ///
    /// ```
    /// use runledger::runlog::retention::{FailedRuns, RetentionPolicy};
    ///
    /// let policy = RetentionPolicy::from_json(r#"{"min_days": 90, "failed": "archive"}"#)?;
    /// assert_eq!((policy.min_days, policy.failed), (90, FailedRuns::Archive));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when it is no such object, or has another member; as [`validate`](Self::validate).
    pub fn from_json(json: &str) -> Result<Self> {
        let malformed = Error::new(ErrorKind::Malformed, "read a retention policy")
            .detail("expected an object such as {\"min_days\": 30, \"failed\": \"keep\"}");
        if !json.trim_start().starts_with('{') {
            // An array would be read as the values of the members.
            return Err(malformed);
        }
        let policy: Self = json::from_str(json).map_err(|source| malformed.source(source))?;
        policy.validate()?;
        Ok(policy)
    }

    /// Refuses a policy that keeps things for less than [`MIN_DAYS_MIN`](Self::MIN_DAYS_MIN).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn validate(&self) -> Result<()> {
        if self.min_days >= Self::MIN_DAYS_MIN {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "read a retention policy").detail(format!(
            "min_days: expected at least {}, found {}",
            Self::MIN_DAYS_MIN,
            self.min_days
        )))
    }
}
