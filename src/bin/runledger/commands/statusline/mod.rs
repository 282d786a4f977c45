//! `runledger statusline`

mod budgets;
mod input;
mod line;
mod today;

use std::collections::BTreeSet;
use std::io::{self, Write};

use runledger::quota::{Observed, ObservedWindow};
use runledger::{QuotaStatus, Usd};
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::hooked;
use crate::observed::{self, CLAUDE_CODE, Shown};
use crate::term::{Width, color, output};
use crate::zone::Zone;
use input::Input;
use line::Part;
use today::Today;

/// Print one line of costs and budgets for an agent's status line
///
/// Reads the JSON that Claude Code writes to its status line command, and prints one line:
///
/// session $1.23 | today $14.20 | team $10.80 left | 5h 42%, resets in 1h59m | 7d 69%, resets in 2d23h
///
/// - `session`: the cost of this session, as the agent reports it.
///
/// - `today`: the known cost of the executions in the ledger that started today. `≥` means that this is not the whole
///   cost: the cost of an execution is unknown or a lower bound, or a record is spilled. Or `runledger import` has not
///   stored the whole cost of this session yet, or a session of today that a hook recorded. `import --watch` stores
///   each turn when it ends.
///
/// - `left`: what remains of each limit in dollars in `limits.json`, which is next to the ledger. `≤` means that the
///   amount of some calls is unknown.
///
/// - `5h` and `7d`: how much of the subscription is used, and when the vendor counts from 0 again. The vendor's numbers
///   are stored in `observed.jsonl` next to the ledger. `runledger quota` shows them too.
///
/// `?` is a value that is not known; stderr says why. A part is left out if it does not apply. If the line does not fit
/// in $COLUMNS columns, it is shortened. If stdin is a terminal or empty, as in a shell prompt, the line shows what the
/// ledger and the stored numbers say.
///
/// The line is coloured for an agent and on a terminal, unless NO_COLOR is set or --color is never. If a part cannot be
/// read, the exit code is still 0. With --json, the output is one object.
///
/// If the rules for secrets in RUNLEDGER_REDACTION cannot be used, the line is still printed. The vendor's numbers are
/// not stored then.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show the cost of today in a shell prompt or in tmux
  runledger statusline </dev/null

The settings of Claude Code, in ~/.claude/settings.json:
  {
    \"statusLine\": {
      \"type\": \"command\",
      \"command\": \"runledger statusline --ledger ~/logs/execution_metrics.jsonl\"
    }
  }")]
pub(crate) struct Args {
    /// The time zone in which today begins. ZONE is an IANA name (Europe/Zurich) or a UTC offset (+02:00, +0200)
    /// [default: the zone of this machine]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    zone: Option<Zone>,
}

/// The parts as JSON. A part is null if it is unknown or does not apply.
#[derive(Serialize)]
struct Answer<'a> {
    session_usd: Option<Usd>,
    today: Option<&'a Today>,
    budgets: Option<&'a [QuotaStatus<Usd>]>,
    observed: Option<Vec<Shown<'a>>>,
}

/// Prints the line. `no_rules` says why the user's rules for secrets cannot be used. Nothing is stored then, because the
/// name of a window could have a secret that only these rules find.
pub(crate) fn run(
    args: &Args,
    no_rules: Option<&Failure>,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let now = clock::now();
    if let Some(failure) = no_rules {
        let text = format!("the use of the subscription is not stored: {}", failure::text(failure));
        output::warning(&text, failure.kind(), global.style());
    }
    let input = input::read(now).unwrap_or_else(|error| {
        let text = format!("cannot read the input: {error}. Expected the JSON of a status line");
        output::warning(&text, "malformed", global.style());
        None
    });
    // If there is input, an agent runs this command, and shows the line on a terminal. So the line has colours.
    color::set(global.color, input.is_some());
    let observed = known(input.as_ref(), no_rules.is_none(), global);
    let today = today::read(args.zone.clone().unwrap_or_else(Zone::of_machine), now, input.as_ref(), global);
    let today = given("the cost of today is unknown", today, global)
        .and_then(|today| today.map_err(|reason| output::note(reason.text(), "index", global.style())).ok());
    if let Some(missing) = today.as_ref().filter(|today| today.usd.is_none()).and_then(|today| today.not_imported_usd)
        && missing > Usd::ZERO
    {
        let text = format!(
            "the cost of today is unknown: the ledger lacks {missing} USD of this session. Run `runledger import`"
        );
        output::note(&text, "not_imported", global.style());
    } else if let Some(today) = today.as_ref().filter(|today| today.usd.is_none())
        && let Some(sentence) = hooked::sentence(today.sessions_not_imported)
    {
        output::note(&format!("the cost of today is unknown: {sentence}"), "not_imported", global.style());
    }
    let budgets = given("the budgets are unknown", budgets::read(now, global), global);
    let windows = observed.as_ref().map(|known| {
        let is_shown = |window: &&ObservedWindow| input.is_none() || window.agent == CLAUDE_CODE;
        known.windows().filter(is_shown).collect::<Vec<_>>()
    });
    let session_usd = input.as_ref().and_then(|input| input.session_usd);
    if global.json {
        let observed = windows.map(|windows| windows.into_iter().map(|window| Shown::of(window, now)).collect());
        let answer = Answer { session_usd, today: today.as_ref(), budgets: budgets.as_deref(), observed };
        output::json_line(out, &answer)?;
        return Ok(ExitCode::Yes);
    }
    let mut parts: Vec<_> = session_usd.map(Part::session).into_iter().collect();
    parts.push(today.as_ref().map_or_else(|| Part::unknown("today"), Part::today));
    match &budgets {
        Some(budgets) => parts.extend(budgets.iter().map(Part::budget)),
        None => parts.push(Part::unknown("budgets")),
    }
    match windows {
        Some(windows) => {
            let is_alone = windows.iter().map(|window| &window.agent).collect::<BTreeSet<_>>().len() < 2;
            parts.extend(windows.into_iter().map(|window| Part::window(window, is_alone, now)));
        }
        None => parts.push(Part::unknown("subscription")),
    }
    writeln!(out, "{}", line::line(&parts, Width::of(io::stdout()).columns()))?;
    Ok(ExitCode::Yes)
}

/// Stores the reports of vendors that are in `input`, if `stores` is true. Returns the latest report of each window, stored or from `input`.
/// Returns `None` if the stored reports cannot be read and `input` has no report.
fn known(input: Option<&Input>, stores: bool, global: &Global) -> Option<Observed> {
    let known = given("the use of the subscription is unknown", observed::latest(global), global);
    let windows = input.map_or(&[][..], |input| &input.windows);
    if windows.is_empty() {
        return known;
    }
    let mut known = known.unwrap_or_default();
    let news: Vec<_> = windows.iter().filter(|window| !known.has_newer(window)).cloned().collect();
    match stores {
        true => observed::record(&mut known, &news, global),
        false => known.learn(&news),
    }
    Some(known)
}

/// Returns the value. If there is only an error, writes a warning with the text `what` and the error, and returns
/// `None`.
fn given<T>(what: &str, value: Result<T, impl Into<Failure>>, global: &Global) -> Option<T> {
    value
        .map_err(|error| {
            let failure = error.into();
            output::warning(&format!("{what}: {}", failure::text(&failure)), failure.kind(), global.style());
        })
        .ok()
}
