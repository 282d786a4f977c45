//! `runledger show`

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use runledger::{ExecutionMetrics, Timestamp, Uuid};
use serde::Serialize;

use crate::args::{Global, Show};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;
use crate::table::minutes;

pub(crate) fn run(args: &Show, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = find(&args.id, global)?;
    match global.json {
        true => output::json_line(out, &record)?,
        false => output::json_pretty(out, &record)?,
    }
    Ok(ExitCode::Yes)
}

/// How many executions are named that an ambiguous id may mean.
const CANDIDATES_MAX: usize = 10;

/// The only execution with that id; if several lines have it, the last one.
pub(crate) fn find(id: &IdPrefix, global: &Global) -> Result<ExecutionMetrics, Failure> {
    let IdPrefix { digits, given } = id;
    let mut found: Vec<ExecutionMetrics> = Vec::new();
    records::each(global, |record| {
        if !record.execution_id.simple().to_string().starts_with(digits) {
            return Ok(());
        }
        match found.iter().position(|other| other.execution_id == record.execution_id) {
            Some(at) => found[at] = record,
            // Those that are named tell what is asked for: more digits.
            None if found.len() == CANDIDATES_MAX => return Err(ambiguous(given, &found, true)),
            None => found.push(record),
        }
        Ok(())
    })?;
    match found.len() {
        0 | 1 => found.pop().ok_or_else(|| Failure::Absent(given.clone())),
        _ => Err(ambiguous(given, &found, false)),
    }
}

fn ambiguous(prefix: &str, found: &[ExecutionMetrics], has_more: bool) -> Failure {
    let several = if has_more { format!("more than {CANDIDATES_MAX}") } else { "several".to_owned() };
    Failure::Ambiguous { several, prefix: prefix.to_owned(), candidates: found.iter().map(Candidate::of).collect() }
}

/// An execution that an id may mean.
#[derive(Debug, Serialize)]
pub(crate) struct Candidate {
    execution_id: Uuid,
    timestamp_start: Timestamp,
    skill_name: String,
}

impl Candidate {
    fn of(record: &ExecutionMetrics) -> Self {
        let ExecutionMetrics { execution_id, timestamp_start, skill_name, .. } = record;
        Self { execution_id: *execution_id, timestamp_start: *timestamp_start, skill_name: skill_name.clone() }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.execution_id, minutes(self.timestamp_start), self.skill_name)
    }
}

/// The beginning of an id, or all of it, with or without hyphens.
#[derive(Debug, Clone)]
pub(crate) struct IdPrefix {
    /// 1 to 32 lower-case hex digits.
    digits: String,
    given: String,
}

impl FromStr for IdPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.replace('-', "").to_ascii_lowercase();
        if !(1..=32).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("expected an id such as 019c5d2a-5a40-7000-8000-000000000001, or the beginning of one");
        }
        Ok(Self { digits, given: text.to_owned() })
    }
}
