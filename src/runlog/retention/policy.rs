//! The policy: how long run logs and segments are kept.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::json;

/// What happens to the logs of failed runs once they are `min_days` old. Two rules take precedence over this value: a
/// log with an open error is kept, and any other log whose run led to an improvement is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailedRuns {
    /// The logs are kept, however old they are. In JSON, this is `"keep"`.
    #[default]
    Keep,
    /// The logs are archived. In JSON, this is `"archive"`.
    Archive,
}

/// How long run logs and segments are kept. The default keeps all of them for at least 30 days. After that, the
/// [rules](super) decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// The number of days (of 24 hours each) for which all run logs and segments are kept. After that, the
    /// [rules](super) decide which of them to archive or delete. The age of a run log is measured from the start of the
    /// run, and the age of a segment from its last execution.
    pub min_days: u32,
    /// What happens to the logs of failed runs after `min_days`.
    pub failed: FailedRuns,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self { min_days: Self::MIN_DAYS_MIN, failed: FailedRuns::Keep }
    }
}

impl RetentionPolicy {
    /// The smallest number of days that a policy may have.
    pub const MIN_DAYS_MIN: u32 = 30;

    /// Reads a policy. Missing members have their default values.
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
    /// Fails with [`ErrorKind::Malformed`] if the text is not a JSON object, or has an unknown member. Fails with
    /// [`ErrorKind::Invalid`] if `min_days` is less than [`MIN_DAYS_MIN`](Self::MIN_DAYS_MIN).
    pub fn from_json(json: &str) -> Result<Self> {
        let malformed = Error::new(ErrorKind::Malformed, "read a retention policy")
            .detail("expected an object such as {\"min_days\": 30, \"failed\": \"keep\"}");
        if !json.trim_start().starts_with('{') {
            // serde would also accept an array with the values of the members in order.
            return Err(malformed);
        }
        let policy: Self = json::from_str(json).map_err(|source| malformed.source(source))?;
        policy.validate()?;
        Ok(policy)
    }

    /// Checks that `min_days` is at least [`MIN_DAYS_MIN`](Self::MIN_DAYS_MIN).
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if `min_days` is less.
    pub fn validate(&self) -> Result<()> {
        if self.min_days >= Self::MIN_DAYS_MIN {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, "use a retention policy").detail(format!(
            "found min_days {}; expected at least {}",
            self.min_days,
            Self::MIN_DAYS_MIN
        )))
    }
}
