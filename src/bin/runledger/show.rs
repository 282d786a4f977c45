//! `runledger show`

use std::io::Write;
use std::str::FromStr;

use runledger::{ExecutionMetrics, Uuid};

use crate::args::{Global, Show};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;

pub(crate) fn run(args: &Show, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = find(&args.id, global)?;
    match global.json {
        true => output::json_line(out, &record)?,
        false => output::json_pretty(out, &record)?,
    }
    Ok(ExitCode::Yes)
}

/// The only execution with that id; if several lines have it, the last one.
pub(crate) fn find(id: &IdPrefix, global: &Global) -> Result<ExecutionMetrics, Failure> {
    let IdPrefix { digits, given } = id;
    let mut found: Option<ExecutionMetrics> = None;
    records::each(global, |record| {
        if !record.execution_id.simple().to_string().starts_with(digits) {
            return Ok(());
        }
        if let Some(other) = &found
            && other.execution_id != record.execution_id
        {
            return Err(ambiguous(given, other.execution_id, record.execution_id));
        }
        found = Some(record);
        Ok(())
    })?;
    found.ok_or_else(|| Failure::Absent(given.clone()))
}

fn ambiguous(prefix: &str, first: Uuid, second: Uuid) -> Failure {
    Failure::Ambiguous { prefix: prefix.to_owned(), first, second }
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
