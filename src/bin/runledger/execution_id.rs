//! The id of an execution as an argument, and the executions that an ambiguous id can mean.

use std::fmt;
use std::str::FromStr;

use runledger::{ExecutionMetrics, Timestamp, Uuid};
use serde::Serialize;

use crate::term::minutes;

/// The id of an execution or the first digits of an id, with or without hyphens.
#[derive(Debug, Clone)]
pub(crate) struct IdPrefix {
    /// 1 to 32 lower-case hex digits.
    pub(crate) digits: String,
    /// The text of the argument.
    pub(crate) given: String,
}

impl FromStr for IdPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.replace('-', "").to_ascii_lowercase();
        if !(1..=32).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("expected an id such as 019c5d2a-5a40-7000-8000-000000000001, or the first digits of an id");
        }
        Ok(Self { digits, given: text.to_owned() })
    }
}

/// One of several executions whose ids begin with the given digits.
#[derive(Debug, Serialize)]
pub(crate) struct Candidate {
    execution_id: Uuid,
    timestamp_start: Timestamp,
    skill_name: String,
}

impl Candidate {
    pub(crate) fn of(record: &ExecutionMetrics) -> Self {
        let ExecutionMetrics { execution_id, timestamp_start, skill_name, .. } = record;
        Self { execution_id: *execution_id, timestamp_start: *timestamp_start, skill_name: skill_name.clone() }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.execution_id, minutes(self.timestamp_start), self.skill_name)
    }
}
