//! `runledger top`
//!
//! - `state.rs`, `action.rs`, `row.rs`, `hour.rs` and `quota_bar.rs` are pure: they turn events into what is shown,
//!   without any I/O.
//! - `view.rs` and `table.rs` draw the state, and `input.rs` translates keys to actions.
//! - `follow.rs` reads the records, and `surroundings.rs` reads everything else.
//! - `screen.rs` takes the terminal and restores it, and `live.rs` has the loop.

mod action;
mod follow;
mod hour;
mod input;
mod live;
mod quota_bar;
mod row;
#[cfg(test)]
mod samples;
mod screen;
mod state;
mod surroundings;
mod table;
mod view;

use std::io::{self, IsTerminal, Write};

use runledger::Timestamp;
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{Width, output};
use follow::Follow;
use hour::Hour;
use quota_bar::{Projection, UsageBar};
use state::State;
use surroundings::Sources;
use view::{COLUMNS_MIN, Look};

/// Watch executions, costs and quotas as they change
///
/// Shows a screen that follows the ledger:
///
/// - What happened in the last hour: how many executions ended, failures by category, and the burn, which is the cost
///   per hour.
///
/// - The quotas that are in use, and what vendors report about subscriptions. For a budget in dollars, `at this rate`
///   says when the budget will be used up, or how much of the budget will be used at the next reset. This forecast
///   assumes that this budget pays for everything that the ledger records.
///
/// - The executions in flight with their age and stage, as in `runledger open`, and the last executions.
///
/// An unknown cost is counted beside the figures, and is never 0. `≥` and `≤` mean that some costs are unknown or are
/// lower bounds. Filters change the lists, but not the figures.
///
/// Keys: `?` shows all keys. The arrow keys or j and k move the cursor, Enter opens a record, s sorts, / filters by
/// skill, f filters by status, and q or Ctrl-C quits. Ctrl-Z stops the view, and `fg` in the shell continues it.
///
/// The list has at most 2,000 executions. If more than that ended within the last hour, the figures cover less than an
/// hour, and say since when. The ledger is not changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: watch the ledger
  runledger top
Example: print the figures of the last hour
  runledger top --once")]
pub(crate) struct Args {
    /// Print the screen once as plain text, and exit. The text has the size of the terminal. In a pipe, it has $COLUMNS
    /// or 80 columns, and 24 lines. With --json, the figures are printed as one object
    #[arg(long)]
    once: bool,
}

/// The figures as JSON.
#[derive(Serialize)]
struct Figures<'a> {
    at: Timestamp,
    last_hour: &'a Hour,
    /// The number of executions in flight; `None` if it is unknown.
    in_flight: Option<usize>,
    quotas: Vec<Quota<'a>>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Quota<'a> {
    #[serde(flatten)]
    bar: &'a UsageBar,
    /// GREEN, YELLOW or RED; empty if it is unknown.
    level: &'static str,
    /// `None` if the quota is not a budget, if the burn is unknown, or if the budget never resets and the burn is 0.
    projection: Option<Projection>,
}

const ROWS: usize = 24;

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if !args.once && (global.json || !io::stdout().is_terminal()) {
        return Err(Failure::NoScreen);
    }
    let reader = records::reader(global)?;
    let mut state = State::new(global.ledger.display().to_string(), clock::now());
    let mut follow = Follow::start(&reader, &mut state)?;
    let mut sources = Sources::new(reader.clone(), global);
    if !args.once {
        // Writing the output removes the progress bar.
        out.flush()?;
        live::show(&mut state, &mut follow, sources, &reader)?;
        return Ok(ExitCode::Yes);
    }
    state.surround(sources.read());
    if global.json {
        output::json_line(out, &figures(&state, &state.hour()))?;
    } else {
        once(&mut state, out)?;
    }
    Ok(ExitCode::Yes)
}

fn once(state: &mut State, out: &mut impl Write) -> Result<(), Failure> {
    let columns = match Width::of(io::stdout()) {
        Width::Screen(columns) => columns.max(COLUMNS_MIN),
        Width::Lines(_) => 80,
    };
    let rows = tcgetwinsize(io::stdout()).ok().map(|size| size.ws_row.into()).filter(|rows| *rows > 0);
    let look = Look { is_colored: false, is_live: false };
    for line in view::lines(state, columns, rows.unwrap_or(ROWS).max(ROWS), look) {
        writeln!(out, "{}", line.to_string().trim_end())?;
    }
    Ok(())
}

fn figures<'a>(state: &'a State, hour: &'a Hour) -> Figures<'a> {
    let known = state.surroundings.as_ref();
    let rate = hour.rate(state.now);
    let quota = |bar: &'a UsageBar| Quota {
        bar,
        level: bar.level(),
        projection: rate.and_then(|rate| bar.projection(rate, state.now)),
    };
    Figures {
        at: state.now,
        last_hour: hour,
        in_flight: known.and_then(|known| known.in_flight.as_ref()).map(Vec::len),
        quotas: known.into_iter().flat_map(|known| &known.bars).map(quota).collect(),
        problems: state.problems(),
    }
}
