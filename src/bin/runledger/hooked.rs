//! Finds the sessions that the hook of a coding agent recorded and that were not imported. Their costs are not in the
//! ledger.

use std::collections::BTreeSet;

use runledger::{ExecutionMetrics, LedgerReader};

use crate::failure::Failure;
use crate::period::Period;

/// Only this number of newest records of the period are examined. Otherwise, a query that an index answers would read
/// the whole ledger.
const RECORDS_MAX: u64 = 1_000;
/// At most this number of sessions are counted.
const SESSIONS_MAX: usize = 20;

/// Returns the number of sessions that a hook recorded and whose runs have no cost. As in `gate`, the costs of such a
/// session are unknown. Examines only the newest [`RECORDS_MAX`] records of the period, and counts at most
/// [`SESSIONS_MAX`] sessions.
pub(crate) fn not_imported(reader: &LedgerReader, period: &Period) -> Result<u64, Failure> {
    let (mut read, mut sessions) = (0, BTreeSet::new());
    let take = |record: ExecutionMetrics| {
        read += 1;
        if record.is_of_hook() && period.contains(record.timestamp_start) {
            sessions.extend(record.run.run_id);
        }
        (read == RECORDS_MAX || sessions.len() == SESSIONS_MAX).then_some(())
    };
    reader.last_between(period.limits(), 1, take)?;
    let mut missing = 0;
    for session in &sessions {
        missing += u64::from(reader.run(session)?.iter().all(|record| record.cost_usd.is_none()));
    }
    Ok(missing)
}

/// Returns a sentence about sessions that were not imported, or `None` if there are none.
pub(crate) fn sentence(sessions: u64) -> Option<String> {
    match sessions {
        0 => None,
        1 => Some("a hook recorded 1 session whose cost is unknown; `runledger import` adds the cost".to_owned()),
        _ => Some(format!(
            "a hook recorded {sessions} sessions whose costs are unknown; `runledger import` adds the costs"
        )),
    }
}
