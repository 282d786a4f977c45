//! Follows the records of the ledger, across its segments.

use std::cmp::Reverse;
use std::io;

use runledger::{ErrorKind, LedgerReader, Records, Timestamp, Uuid};

use super::hour::HOUR_MS;
use super::state::{ROWS_MAX, State};

/// The maximum number of lines that are read before the screen is drawn again.
const AT_ONCE_MAX: usize = 1_000;

/// The search for executions that ended in the last hour reads only executions that began within this time. An
/// execution that began earlier is found only if it is among the last records.
const BEGUN_MS: i64 = 24 * HOUR_MS as i64;

/// Reads the last records of the ledger, and then each new record.
pub(super) struct Follow(Records);

impl Follow {
    /// Reads the last records into `state`. If these may not be all records of the last hour, also adds the others.
    pub(super) fn start(reader: &LedgerReader, state: &mut State) -> runledger::Result<Self> {
        let mut follow = Self(reader.records_from_last(ROWS_MAX)?);
        let mut lines = 0;
        while let read @ 1.. = follow.read(state)? {
            lines += read;
        }
        if lines >= ROWS_MAX {
            learn_last_hour(reader, state)?;
        }
        Ok(follow)
    }

    /// Reads at most [`AT_ONCE_MAX`] of the lines that were not read yet. Returns their number, which is 0 if there are
    /// none.
    pub(super) fn read(&mut self, state: &mut State) -> runledger::Result<usize> {
        let mut lines = 0;
        while lines < AT_ONCE_MAX
            && let Some(record) = self.0.next()
        {
            lines += 1;
            match record {
                // The statement of a redaction is not work of an agent.
                Ok(record) if record.is_statement() => {}
                Ok(record) => state.learn(&record),
                Err(error) if error.kind() == ErrorKind::Malformed => state.learn_malformed(),
                // The next lines were moved to the archive before they were read. The iterator goes on with the first
                // line that was not moved.
                Err(error) if error.kind() == ErrorKind::Archived => {}
                Err(error) if error.io_kind() == Some(io::ErrorKind::PermissionDenied) => {
                    state.cannot_read(crate::failure::text(&error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(lines)
    }
}

/// Collects executions, and keeps those that ended last.
#[derive(Default)]
struct Latest {
    ended: Vec<(Timestamp, Uuid)>,
    /// The latest end of an execution that was left out.
    left_out: Option<Timestamp>,
}

impl Latest {
    fn add(&mut self, ended: impl IntoIterator<Item = (Timestamp, Uuid)>) {
        self.ended.extend(ended);
        if self.ended.len() > 2 * ROWS_MAX {
            self.limit();
        }
    }

    fn limit(&mut self) {
        self.ended.sort_unstable_by_key(|ended| Reverse(*ended));
        let left_out = self.ended.get(ROWS_MAX).map(|(at, _)| *at);
        self.left_out = self.left_out.max(left_out);
        self.ended.truncate(ROWS_MAX);
    }
}

/// Adds the executions of the last hour that are not among the last records. This is necessary because after an import,
/// all of the last records can be old executions.
fn learn_last_hour(reader: &LedgerReader, state: &mut State) -> runledger::Result<()> {
    let before = |ms: i64| Timestamp::from_unix_ms(state.now.unix_ms() - ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let hour_ago = before(HOUR_MS as i64);
    let latest = reader.scan().between(Some(before(BEGUN_MS)), None).fold(
        Latest::default,
        |latest, record| {
            let after = || record.total_latency_ms.map(|ms| record.timestamp_start.plus_ms(ms));
            let ended_at = record.timestamp_end.or_else(after).unwrap_or(record.timestamp_start);
            let counts = ended_at >= hour_ago && !record.is_statement();
            latest.add(Some((ended_at, record.execution_id)).filter(|_| counts));
        },
        |latest, later| {
            latest.left_out = latest.left_out.max(later.left_out);
            latest.add(later.ended);
        },
    )?;
    let mut latest = latest.value;
    latest.limit();
    state.knows_since(latest.left_out.map_or(hour_ago, |left_out| left_out.max(hour_ago)));
    for (_, id) in latest.ended {
        if !state.has_learned(id)
            && let Some(record) = reader.find(id)?
        {
            state.learn_earlier(&record);
        }
    }
    Ok(())
}
