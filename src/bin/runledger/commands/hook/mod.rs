//! `runledger hook`

mod answer;
mod holder;
mod holds;
mod limits;
mod process;
mod recorder;
mod settings;

use std::io::{self, Write};

use clap::ValueEnum;
use runledger::hook::{HookAgent, HookEvent, HookStep};

use crate::budget::Verdict;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::stdin_value;
use crate::term::{Escaped, output};
use crate::warnings::warn;
use limits::EnforcedLimits;
use recorder::Recorder;

/// The largest event that is read, in bytes.
const EVENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Record what a coding agent reports while it runs
///
/// Claude Code and Codex run this command as a hook. `runledger hook install` adds it to their settings. The command
/// reads one event as JSON from stdin, and records the event before it exits:
///
/// - A call of a tool, a skill or a sub-agent becomes an execution. The event PreToolUse begins the execution, and
///   PostToolUse or another event ends it. In between, the execution is in flight.
///
/// - The events Stop, SubagentStop and SessionEnd end the executions that are still in flight.
///
/// - Any other event becomes an execution with the duration 0, if you add a hook for the event to the settings. The
///   name of its skill consists of the agent and the event, as in claude-code/SessionStart.
///
/// An event is an object with these keys. Any other key becomes a tag, and a missing key is unknown:
///
/// - `hook_event_name` names the event, and `session_id` the session.
///
/// - `tool_name`, `tool_use_id` and `tool_input` describe the call of a tool. PostToolUse adds `tool_response`, and
///   PostToolUseFailure adds `error`. Events with the same session_id and tool_use_id belong to the same call.
///
/// - `agent_id` names the sub-agent that reports the event.
///
/// - `transcript_path` is the file of the session. It is read only if a limit in dollars or tokens is enforced.
///
/// Each session of the agent is a run. If `runledger import` later imports the session, it adds the usage to the same
/// executions, so nothing counts twice. Until then, the cost is unknown. Inputs, outputs and messages are only hashed,
/// unless --content is given.
///
/// The command enforces the limits that `runledger quota set --enforce` stored. Before each call of a tool, it reads
/// from the session's transcript what the session has used so far. It also reserves one call until the tool ends. If a
/// limit is used up, the tool is denied, with the reason and the time of the reset. If a limit has reached the
/// percentage of --warn, Claude Code asks its user, and Codex shows a message. Both agents do the same if the session
/// uses a model without a price, whose calls use up nothing of a limit in dollars.
///
/// The command does not fail: it exits with 0, even if the event cannot be recorded. Stderr then says why. The command
/// waits at most a second for the ledger's lock. If the lock is still taken, the command stores the record next to the
/// ledger until the record can be appended. Stdout is empty, except for a decision or a message about a tool call.
///
/// If the rules for secrets in RUNLEDGER_REDACTION cannot be used, the event is not recorded. The limits are still
/// enforced.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: record the work of Claude Code from now on
  runledger hook install claude-code
Example: record one event
  echo '{\"session_id\": \"s-1\", \"hook_event_name\": \"SessionStart\"}' |
    runledger hook")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<settings::Command>,
    /// The agent that reports the event
    #[arg(long, value_name = "AGENT", default_value = "claude-code")]
    agent: AgentName,
    /// Store inputs, outputs and messages, instead of only their hashes
    #[arg(long)]
    content: bool,
    #[command(flatten)]
    prices: OwnPrices,
}

/// An agent that runs hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AgentName {
    ClaudeCode,
    Codex,
}

impl Args {
    /// Returns true if the command reads an event, and false if it changes the settings of an agent.
    pub(crate) fn is_event(&self) -> bool {
        self.command.is_none()
    }
}

impl AgentName {
    fn agent(self) -> HookAgent {
        match self {
            Self::ClaudeCode => HookAgent::ClaudeCode,
            Self::Codex => HookAgent::Codex,
        }
    }
}

/// If the user's rules for secrets cannot be used, `unusable` says why, and the event is not recorded.
pub(crate) fn run(
    args: &Args,
    unusable: Option<&Failure>,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    if let Some(command) = &args.command {
        return settings::run(command, global, out);
    }
    let style = global.style();
    let ignored = |text: &str, kind| output::warning(&format!("the event is not recorded: {text}"), kind, style);
    let json = match stdin_value::read(EVENT_BYTES_MAX) {
        Ok(Some(json)) => json,
        Ok(None) => {
            ignored(&format!("expected at most {EVENT_BYTES_MAX} bytes, found more"), "invalid");
            return Ok(ExitCode::Yes);
        }
        Err(error) => {
            ignored(&format!("cannot read stdin: {}", failure::text(&error)), "io");
            return Ok(ExitCode::Yes);
        }
    };
    let event = match HookEvent::read(args.agent.agent(), &json) {
        Ok(event) => event.keep_content(args.content),
        Err(error) => {
            ignored(&failure::text(&error), "malformed");
            return Ok(ExitCode::Yes);
        }
    };
    // The limits are enforced even if the event cannot be recorded.
    let begins = event.execution_id().filter(|_| event.name() == "PreToolUse");
    let limits = EnforcedLimits::new(begins, &args.prices, global);
    let mut judged = (event.name() == "PreToolUse").then(|| {
        limits.measure(&event);
        let judged = limits.before();
        let is_denied = matches!(judged.verdict, Verdict::Deny(_));
        // An agent that has died may have left holds. This call may need the amount that they reserve.
        let ended = if is_denied && unusable.is_none() { holds::end_of_the_dead(&limits, global) } else { Ok(false) };
        let has_ended = ended.unwrap_or_else(|error| {
            warn("the tool calls of agents that have died were not ended", &error, style);
            false
        });
        if has_ended { limits.before() } else { judged }
    });
    if event.step() != HookStep::Begin
        && let Some(judged) = &mut judged
    {
        // The call has no id, so its end cannot be recognised later. So its holds are ended now.
        limits.after(&std::mem::take(&mut judged.holds), true);
    }
    let notice = limits.notice();
    let answer = judged.as_ref().and_then(|judged| answer::to_agent(event.agent(), &judged.verdict, notice.as_deref()));
    let opened = match unusable {
        None => ledger::open(global).map_err(|error| warn("the event is not recorded", &error, style)),
        Some(failure) => {
            ignored(&failure::text(failure), failure.kind());
            Err(())
        }
    };
    match opened {
        Ok(ledger) => Recorder { ledger: &ledger, event: &event, limits: &limits, global }.record(judged),
        // The call is not recorded, so its holds cannot be found when it ends. So they are ended now.
        Err(()) => limits.after(&judged.map_or_else(Vec::new, |judged| judged.holds), true),
    }
    if let Some(text) = answer {
        // If this write fails, the agent has stopped reading, and does not need the answer.
        let mut stdout = Escaped::new(io::stdout().lock());
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }
    Ok(ExitCode::Yes)
}
