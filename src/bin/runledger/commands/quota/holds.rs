//! `runledger quota holds`

use std::io::Write;

use runledger::quota::{Amount, OpenHold, Resumed, Unit};
use runledger::{Quota, Timestamp};
use serde::Serialize;

use crate::argument::name;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::open_existing;
use crate::term::{Column, Table, cell, minutes, output, short};

/// List the holds that are open
///
/// A hold is an amount that is reserved for a call. It counts against the quota until it is settled or released, or
/// until it expires. For each call of a tool, the hook of an agent reserves one hold against each enforced limit, and
/// ends the holds with the call. If the agent has died, `runledger quota release ID` ends the hold.
///
/// With --json, each line is one hold: {"kind": "hold", "id": …, "api_name": …, "amount": …, "unit": …, "held_at": …,
/// "age_ms": …, "expires_at": …}. The amount is 0 if it is unknown before the call.
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
struct Line<'h, A> {
    kind: &'static str,
    id: u64,
    api_name: &'h str,
    amount: A,
    unit: Unit,
    held_at: Timestamp,
    /// The age of the hold. `None` if the hold seems to be from the future, because a clock was set back.
    age_ms: Option<u64>,
    expires_at: Timestamp,
}

impl<'h, A: Amount> Line<'h, A> {
    fn of(hold: &'h OpenHold<A>, now: Timestamp) -> Self {
        Self {
            kind: "hold",
            id: hold.id(),
            api_name: &hold.limit().api,
            amount: hold.amount(),
            unit: hold.limit().unit,
            held_at: hold.held_at(),
            age_ms: now.ms_since(hold.held_at()),
            expires_at: hold.expires_at(),
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.id.to_string(),
            self.api_name.to_owned(),
            self.amount.to_string(),
            self.unit.to_string(),
            cell(self.age_ms.map(short::age)),
            minutes(self.expires_at),
        ]
    }
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = args.own.load(global)?;
    if let Some(name) = &args.name {
        // This fails if no limit has the name.
        crate::quotas::is_in_dollars(&limits, name)?;
    }
    let quota = open_existing(&limits, global)?;
    let holds = quota.as_ref().map(Quota::holds).transpose()?.unwrap_or_default();
    let is_wanted = |api: &str| args.name.as_deref().is_none_or(|name| name == api);
    let now = clock::now();
    let mut table = Table::new([
        Column::Number("id"),
        Column::Name("api"),
        Column::Number("amount"),
        Column::Text("unit"),
        Column::Number("age"),
        Column::Text("expires (UTC)"),
    ]);
    let mut count = 0;
    for hold in &holds {
        let cells = match hold {
            Resumed::Counts(hold) if is_wanted(&hold.limit().api) => shown(hold, now, global, out)?,
            Resumed::Dollars(hold) if is_wanted(&hold.limit().api) => shown(hold, now, global, out)?,
            _ => continue,
        };
        table.row(cells);
        count += 1;
    }
    if global.json {
        return Ok(ExitCode::Yes);
    }
    if count == 0 {
        writeln!(out, "no hold is open")?;
        return Ok(ExitCode::Yes);
    }
    table.write(out)?;
    writeln!(out, "to end a hold without recording any use: runledger quota release ID")?;
    Ok(ExitCode::Yes)
}

/// Returns the cells of a hold. With --json, also prints its line.
fn shown<A: Amount + Serialize>(
    hold: &OpenHold<A>,
    now: Timestamp,
    global: &Global,
    out: &mut impl Write,
) -> Result<[String; 6], Failure> {
    let line = Line::of(hold, now);
    if global.json {
        output::json_line(out, &line)?;
    }
    Ok(line.cells())
}
