//! The keys under which an index finds a line.

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use crate::digest::sha256;

/// Returns the key of an execution: the first eight bytes of its id. So keys have the order of ids.
pub(in crate::ledger) fn of_execution(id: Uuid) -> u64 {
    id.as_u64_pair().0
}

/// Returns the key of a run: the first eight bytes of the SHA-256 of its id.
pub(in crate::ledger) fn of_run(run_id: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(run_id.as_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The part of a record that names its run.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow, default)]
    run: Run<'l>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Run<'l> {
    #[serde(borrow)]
    run_id: Option<Text<'l>>,
}

/// A text, borrowed if nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

/// Returns the key of the run that a line names. Returns `None` if the line names no run, or if it is not a record.
pub(super) fn of_run_in(line: &[u8]) -> Option<u64> {
    // Most programs write this key as it is here. A line with an escape is parsed, because an escape can hide the key.
    let may_have_run = line.contains(&b'\\') || line.windows(5).any(|five| five == b"\"run\"");
    let line: Line<'_> = may_have_run.then(|| serde_json::from_slice(line).ok())??;
    line.run.run_id.map(|Text(run_id)| of_run(&run_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ExecutionMetrics, RunIds, Timestamp};

    #[test]
    fn the_key_of_a_line_is_that_of_its_run() {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(7), "s", "1", Timestamp::UNIX_EPOCH);
        let line = |record: &ExecutionMetrics| record.to_json().unwrap().into_bytes();
        assert_eq!(of_run_in(&line(&record)), None);
        for run_id in ["run-7", "", "a \"quote\"", "日\u{1}"] {
            record.run = RunIds::new(run_id);
            assert_eq!(of_run_in(&line(&record)), Some(of_run(run_id)), "{run_id}");
        }
        assert_eq!(of_run_in(br#"{"r\u0075n":{"run_id":"run-7"}}"#), Some(of_run("run-7")));
        assert_eq!(of_run_in(br#"{"tags":{"run":{"run_id":"run-7"}}}"#), None);
        assert_eq!(of_run_in(br#"{"run":{"run_id":7}}"#), None);
        // SHA-256 of `abc`: FIPS 180-2, example B.1.
        assert_eq!(of_run("abc"), 0xba78_16bf_8f01_cfea);
        let id = Uuid::from_u128(0x019c_5d2a_5a40_7000_8000_0000_0000_0001);
        assert_eq!(of_execution(id), 0x019c_5d2a_5a40_7000);
    }
}
