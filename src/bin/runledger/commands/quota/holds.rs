//! `runledger quota holds`

use std::io::Write;

use runledger::quota::{LimitAmount, ListedHold, Unit};
use runledger::{Quota, Timestamp};
use serde::Serialize;

use crate::argument::name;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::open_existing;
use crate::term::{Column, Table, cell, minutes, output, printable, short};

/// List the holds that are open
///
/// A hold is an amount that is reserved for a call. It counts against the quota until it is settled or released, or
/// until it expires. For each call of a tool, the hook of an agent reserves one hold against each enforced limit. When
/// the call ends, the hook ends these holds. If the agent has died, `runledger quota release ID` ends the hold.
///
/// With --json, each line is one hold: {"kind": "hold", "id": …, "api_name": …, "amount": …, "unit": …, "held_at": …,
/// "age_ms": …, "expires_at": …, "has_limit": …}. The amount is null, and `?` in the table, if it is unknown before the
/// call. `has_limit` is false if the limit of the hold was removed, or if it has another unit now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the holds of one limit
  runledger quota holds github-rest")]
pub(super) struct Args {
    /// Only the holds of this API
    #[arg(value_parser = name)]
    name: Option<String>,
    #[command(flatten)]
    own: OwnLimits,
}

#[derive(Serialize)]
struct Line<'h> {
    kind: &'static str,
    id: u64,
    api_name: &'h str,
    amount: Option<LimitAmount>,
    unit: Unit,
    held_at: Timestamp,
    /// The age of the hold. `None` if the hold seems to be from the future, because a clock was set back.
    age_ms: Option<u64>,
    expires_at: Timestamp,
    has_limit: bool,
}

impl<'h> Line<'h> {
    fn of(hold: &'h ListedHold, now: Timestamp) -> Self {
        Self {
            kind: "hold",
            id: hold.id,
            api_name: &hold.api,
            amount: hold.amount,
            unit: hold.unit,
            held_at: hold.held_at,
            age_ms: now.ms_since(hold.held_at),
            expires_at: hold.expires_at,
            has_limit: hold.has_limit,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.id.to_string(),
            self.api_name.to_owned(),
            self.amount.map_or_else(|| "?".to_owned(), |amount| amount.to_string()),
            self.unit.to_string(),
            cell(self.age_ms.map(short::age)),
            minutes(self.expires_at),
        ]
    }
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = args.own.load(global)?;
    let quota = open_existing(&limits, global)?;
    let mut holds = quota.as_ref().map(Quota::holds).transpose()?.unwrap_or_default();
    if let Some(name) = &args.name {
        holds.retain(|hold| hold.api == *name);
        if holds.is_empty() {
            // A limit that was removed can still have holds. If there are no holds, a limit must have this name.
            limits.require(name)?;
        }
    }
    let now = clock::now();
    let lines: Vec<_> = holds.iter().map(|hold| Line::of(hold, now)).collect();
    if global.json {
        lines.iter().try_for_each(|line| output::json_line(out, line))?;
        return Ok(ExitCode::Yes);
    }
    if lines.is_empty() {
        writeln!(out, "no hold is open")?;
        return Ok(ExitCode::Yes);
    }
    let mut table = Table::new([
        Column::Number("id"),
        Column::Name("api"),
        Column::Number("amount"),
        Column::Text("unit"),
        Column::Number("age"),
        Column::Text("expires (UTC)"),
    ]);
    lines.iter().for_each(|line| table.row(line.cells()));
    table.write(out)?;
    for hold in holds.iter().filter(|hold| !hold.has_limit) {
        let (id, unit, api) = (hold.id, hold.unit, printable(&hold.api));
        let why = format!("{api} has no limit in {unit}, so the hold ends only when it expires");
        writeln!(out, "the limit of hold {id} was removed or changed: {why}")?;
    }
    if holds.iter().any(|hold| hold.has_limit) {
        writeln!(out, "to end a hold without recording any use: runledger quota release ID")?;
    }
    Ok(ExitCode::Yes)
}
