//! Computes what the executions of today cost.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use runledger::cost::{CostBy, Report};
use runledger::{LedgerReader, Timestamp, Usd};
use serde::Serialize;

use super::input::Input;
use crate::failure::Failure;
use crate::global::Global;
use crate::hooked;
use crate::period::{Period, When};
use crate::records;
use crate::zone::Zone;

/// If the indexes lack at least this many bytes of the ledger, they are extended in the background. The next status
/// line is then fast.
const EXTEND_BYTES: u64 = 512 * 1024;
/// At most this many bytes that no index covers yet are read, and at most as many bytes of segments that are not clean.
/// Reading this many bytes takes about a tenth of a second.
const UNINDEXED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the executions of today cost.
#[derive(Debug, Serialize)]
pub(super) struct Today {
    date: String,
    pub(super) executions: u64,
    /// The sum of the known costs; `None` if no cost is known, although something was spent or may have been spent.
    pub(super) usd: Option<Usd>,
    /// The number of executions with an unknown cost. If it is not 0, `usd` is a lower bound.
    pub(super) unpriced: u64,
    /// The number of executions with a cost that is a lower bound, because the agent did not write the final usage of a
    /// call.
    pub(super) lower_bounds: u64,
    /// How much of the running session's cost the ledger lacks, because the session is not imported yet. `None` if the
    /// cost of the session is unknown. `usd` does not include this part.
    pub(super) not_imported_usd: Option<Usd>,
    /// The number of sessions of today that a hook recorded and that were not imported. `usd` does not include them.
    pub(super) sessions_not_imported: u64,
    /// The number of spilled records, which are not in the ledger yet. `usd` does not include them.
    pub(super) spilled: u64,
}

impl Today {
    /// Returns true if `usd` is only a part of the cost.
    pub(super) fn is_lower_bound(&self) -> bool {
        self.unpriced + self.lower_bounds + self.sessions_not_imported + self.spilled > 0
            || self.not_imported_usd.is_some_and(|usd| usd > Usd::ZERO)
    }
}

/// The reason why the computation of today's cost would take too long.
pub(super) enum TooSlow {
    /// The indexes lack many bytes. They are extended in the background now.
    Indexing,
    /// A large segment cannot have an index, because not all of its lines are intact records.
    Unclean,
}

impl TooSlow {
    pub(super) fn text(&self) -> &'static str {
        match self {
            Self::Indexing => "the cost of today is unknown until the index of the ledger is extended",
            Self::Unclean => {
                "the cost of today is unknown, because a large segment of the ledger is not clean and has no index; \
                 `runledger verify` says why"
            }
        }
    }
}

pub(super) fn read(
    zone: Zone,
    now: Timestamp,
    input: Option<&Input>,
    global: &Global,
) -> Result<Result<Today, TooSlow>, Failure> {
    let reader = LedgerReader::open(&global.ledger)?;
    let unindexed = reader.unindexed()?;
    if unindexed.missing >= EXTEND_BYTES {
        extend_index(global)?;
    }
    if unindexed.missing > UNINDEXED_BYTES_MAX {
        return Ok(Err(TooSlow::Indexing));
    }
    if unindexed.unclean > UNINDEXED_BYTES_MAX {
        return Ok(Err(TooSlow::Unclean));
    }
    let date = zone.date(now).to_string();
    let day = Some(When::DaysBefore(now, 0));
    let period = Period::new(day, day, zone).map_err(Failure::Period)?;
    let report = Report::in_zone(CostBy::Day, period.zone.clone());
    let found = records::scan(&period, global)?.sum_up(report, |start| period.contains(start))?;
    records::warn_of(&found.skipped, global);
    let totals = found.value.totals();
    let today = Today {
        date,
        executions: totals.executions,
        usd: totals.cost.or((totals.executions == 0).then_some(Usd::ZERO)),
        unpriced: totals.unpriced,
        lower_bounds: totals.lower_bounds,
        sessions_not_imported: hooked::not_imported(&reader, &period)?,
        not_imported_usd: input.map_or(Ok(None), |input| not_imported(input, &reader))?,
        spilled: reader.spilled()?.records.len() as u64,
    };
    // If it is known only that something was spent, 0 would be wrong.
    let usd = today.usd.filter(|usd| *usd > Usd::ZERO || !today.is_lower_bound());
    Ok(Ok(Today { usd, ..today }))
}

/// Returns how much of the session's cost the ledger lacks; `None` if the cost of the session is unknown.
fn not_imported(input: &Input, reader: &LedgerReader) -> Result<Option<Usd>, Failure> {
    let Some(spent) = input.session_usd else { return Ok(None) };
    let mut missing = spent;
    if spent > Usd::ZERO
        && let Some(session) = &input.session
    {
        for record in reader.run(session)? {
            let cost = record.cost.exact_usd.or(record.cost_usd).unwrap_or(Usd::ZERO);
            missing = missing.checked_sub(cost).unwrap_or(Usd::ZERO);
        }
    }
    Ok(Some(missing.max(Usd::ZERO)))
}

/// Starts a process that extends the indexes. If another process already extends them, the new process ends at once.
/// The new process gets a process group of its own, because an agent kills the group of a status line that takes too
/// long.
fn extend_index(global: &Global) -> Result<(), Failure> {
    let failed = |source| Failure::File { operation: "extend the index", path: global.ledger.clone(), source };
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.arg("--ledger").arg(&global.ledger).args(["index", "extend"]).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
    Ok(())
}
