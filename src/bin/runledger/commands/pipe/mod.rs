//! `runledger pipe`

mod amounts;
mod batch;
mod call;
mod document;
mod line;
mod message;
mod open;
mod session;
mod unknown;

use std::io::{self, BufReader, Write};

use runledger::journal::PAYLOAD_BYTES_MAX;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::input_line::read_line;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::term::output;
use crate::why_unknown::WhyUnknown;
use line::Reader;
use session::Session;

/// Record executions from JSON lines on stdin
///
/// Each line is one message. `runledger schema pipe` prints the JSON Schema of all messages.
///
/// A message is usually a whole record: an object with the keys that `list --json` prints. The keys skill_name,
/// skill_version, timestamp_start and timestamp_end are required. The column names of a run log, such as run_id,
/// outcome and artifact_output, are accepted as keys too. Times keep up to six decimals.
///
/// An execution can also be recorded while it runs, with messages that have only one key:
///
/// - {"begin": {…}} has the keys of a record that are known at the start. The answer has the execution_id.
///
/// - {"step": {"execution_id": …, "name": …}} ends the previous step, if there is one, and begins a new step.
///
/// - {"usage": {"execution_id": …, "model": …, …}} adds a call of a model.
///
/// - {"end": {"execution_id": …, "status": …, …}} sets the outcome and any other keys, and stores the record.
///
/// RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID are ignored. A message sets these ids in its object `run`.
/// If the input ends before an execution does, or if this command is killed, the execution is recorded as interrupted.
/// If the rules for secrets in RUNLEDGER_REDACTION cannot be used, the command exits with 2 before it reads any input.
///
/// A record that is sent twice is stored once, even after a restart: the second answer is `duplicate`, which is as good
/// as durable. If the ledger has a record with the same execution_id but different content, the new record is refused
/// as a conflict. A record without an execution_id gets a new one, so a program that may send a record twice should set
/// the execution_id itself.
///
/// All messages of an execution can also be sent again. If the ledger already has the record of the execution, the
/// answers to begin and end are `duplicate`. Times that the command took from the clock are then not compared. If a
/// different execution has the same execution_id, begin is refused.
///
/// A call is an object with the key `model`, and with the keys `provider`, `variant` and `at` if their values are
/// known. Its usage is given as counts such as input_tokens and output_tokens, as in `runledger price`. Instead of
/// counts, the key anthropic, openai or gemini can hold the usage or the whole response of this vendor. In a record,
/// `usage` can hold one call or a list of calls.
///
/// If a call or a record has a model and tokens but no cost_usd, its cost is computed. The prices are those of --prices
/// or else the bundled ones, at the time of the call. A known cost is never replaced, and the value "unknown" in
/// cost.source is kept. If the cost is unknown, `price.unknown` in the answer says why. The answer has the stored
/// amount in cost_usd.
///
/// Amounts of money are JSON numbers or strings with at most 12 decimals. cost_usd is stored with 8 decimals, and
/// halves are rounded to the even digit. If the amount has more decimals, cost.exact_usd keeps them all, and reports
/// use it. The key `price` can hold an object that `runledger price` printed.
///
/// Missing values are derived if they follow from others: the outcome from status, tokens_used from its parts, and the
/// durations from the times or the steps. The answer lists them under `derived`. All other missing values are unknown.
/// An error_reason of more than 500 characters is shortened and ends in `…`.
///
/// A key that is not known is refused, and `near` names a known key that is similar. With --lenient, the value of the
/// key becomes a tag, and the answer lists the key under unknown_keys. In tags and in a variant, all keys are allowed.
/// The words of status, kind, environment, error_category, cost_tier, cost.source and production.outcome are checked.
/// The status `error` is accepted too, and stored as `failed`. An execution that succeeded has no error_reason.
///
/// For each line that is not blank, the command prints one answer, in the order of the input. A program can send many
/// lines before it reads the first answer. Lines that have arrived are written together, with one sync. If nothing
/// reads the answers, the command stops reading its input when the output pipe is full. A line can have at most 16 MiB.
///
/// The value of `answer` is one of these:
///
/// - durable: the record is in the ledger, and survives `kill -9` and a power cut.
///
/// - duplicate: the ledger had the record already.
///
/// - begun, noted: the message belongs to an execution that has not ended. The ledger's internal files state that the
///   execution has begun. Its steps and usage are only in memory until it ends. After a restart, a client has to send
///   them again.
///
/// - refused: the line was not valid, so nothing was stored.
///
/// - spilled: the ledger cannot be written now. The record is stored next to the ledger until it can be appended.
///
/// - lost: the record could not be stored anywhere.
///
/// Exits at the end of the input. The exit code is 0 if every line was accepted, every record is in the ledger, and
/// every execution has ended. Otherwise, the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers, in which seq is the number of the line in the ledger:
  {"execution_id": "019c…", "seq": 42, "answer": "durable",
   "cost_usd": "0.0645", "derived": ["tokens_used"]}
  {"execution_id": "019c…", "seq": 42, "answer": "duplicate"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […], "unknown_keys": ["token_input"],
   "near": {"token_input": "tokens_input"}}

A full record, which is one line in the input:
  {"execution_id": "0194f3a5-6c1e-7d2b-8a4f-1b2c3d4e5f60",
   "skill_name": "draw-shot", "skill_version": "1.2.0",
   "timestamp_start": "2026-02-14T14:23:00Z",
   "timestamp_end": "2026-02-14T14:23:42.250Z",
   "status": "success", "kind": "generation",
   "run": {"run_id": "episode-7", "agent_name": "artist", "task_id": "3.2"},
   "usage": [
     {"model": "claude-opus-4-5", "provider": "anthropic",
      "input_tokens": 12000, "cache_read_tokens": 8000,
      "output_tokens": 900},
     {"model": "gpt-4o",
      "openai": {"prompt_tokens": 1000, "completion_tokens": 200}}],
   "production": {"scene_id": "12", "shot_id": "12-b", "outcome": "PASS",
     "regen_count": 1, "artifact": "shot-12-b_v2.png"},
   "quality_score": 0.9,
   "trace": {"steps": [{"name": "write the prompt",
     "time": "2026-02-14T14:23:00Z", "duration_ms": 1200}]},
   "tags": {"seed": 42}}

Example: record one execution
  echo '{"skill_name": "summarise", "skill_version": "1.2.0",
    "status": "success", "timestamp_start": "2026-02-14T14:23:00Z",
    "timestamp_end": "2026-02-14T14:23:05Z"}' | jq -c . | runledger pipe
Example: record an execution with the cost that `price` computes
  echo '{"model": "gpt-4o-mini", "usage": {"input_tokens": 1}}' |
    runledger price | jq -c '{skill_name: "summarise",
      skill_version: "1.2.0", status: "success",
      timestamp_start: .at, timestamp_end: .at,
      model: {name: .matched}, price: .}' |
    runledger pipe"#)]
pub(crate) struct Args {
    /// Store the values of unknown keys as tags, and list these keys in the answer
    #[arg(long)]
    lenient: bool,
    /// Do not compute costs, even with --prices
    #[arg(long)]
    no_price: bool,
    #[command(flatten)]
    own: OwnPrices,
}

/// The size of the input buffer, which is the size of a pipe on Linux. This much input can arrive while the previous
/// lines are synced.
const BUFFER_BYTES: usize = 1 << 16;

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = if args.no_price { None } else { Some(args.own.table_if_given()?) };
    let reader = Reader { prices, lenient: args.lenient, why: WhyUnknown::default() };
    let ledger = ledger::open(global)?;
    let mut session = Session::new(&ledger, reader);
    let answered = answer_all(&mut session, out);
    // The answers cannot be written if the program that reads them has died. Even then, the executions that have not
    // ended are recorded before the error is returned.
    let interrupted = session.interrupt_open();
    if interrupted > 0 {
        output::note(
            &format!("executions recorded as interrupted, because the input ended before they did: {interrupted}"),
            "interrupted",
            global.style(),
        );
    }
    answered?;
    Ok(if session.any_failed() { ExitCode::No } else { ExitCode::Yes })
}

/// Answers each line of the input.
fn answer_all(session: &mut Session<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        // No complete line is buffered, so the next read may have to wait. The earlier lines are answered before that.
        if !input.buffer().contains(&b'\n') {
            session.answer(out)?;
            out.flush()?;
        }
        line.clear();
        let Some(is_whole) = read_line(&mut input, &mut line).map_err(Failure::Input)? else { break };
        number += 1;
        if !is_whole {
            session.refuse(number, format!("expected at most {PAYLOAD_BYTES_MAX} bytes in a line, found more"));
        } else if !line.trim_ascii().is_empty() {
            session.take(number, &line, out)?;
        }
    }
    session.answer(out)
}
