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

use std::io::{self, BufRead, BufReader, Read, Write};

use runledger::journal::PAYLOAD_BYTES_MAX;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::term::output;
use crate::why_unknown::WhyUnknown;
use line::Reader;
use session::Session;

/// Record executions from JSON lines on stdin
///
/// Each line is one record: an object with the keys that `list --json` prints. The keys skill_name, skill_version,
/// timestamp_start and timestamp_end are required. A record without an execution_id gets a new one, which the answer
/// contains. If a program may send a record twice, it should set the execution_id itself. The ledger then holds two
/// records with the same execution_id, which shows that they belong to one execution.
///
/// Some missing keys are derived: execution_succeeded and execution_failed from status, tokens_used from tokens_input
/// and tokens_output, and wall_clock_time_ms from the two times. total_latency_ms is the sum of the steps, or
/// wall_clock_time_ms if there are no steps. The values of all other missing keys are unknown. An error_reason of more
/// than 500 characters is shortened.
///
/// status is success, failed, cancelled, interrupted, panicked or paused. The command reads the status `error` as
/// failed. A record with another word is refused, and the reason lists the words that are accepted. This also holds for
/// kind, environment, error_category, cost_tier, cost.source and production.outcome.
///
/// If a record has model.name, tokens_input and tokens_output but no cost, the command computes the cost.
/// model.provider and model.variant are used if they are present. The prices are the bundled prices, and --prices can
/// override them. The command uses the prices at the time in cost.at, or at timestamp_start if cost.at is missing.
/// --no-price turns pricing off.
///
/// If a record without a cost lists calls in trace.llm_calls, the command computes the cost of each call that has none.
/// If the cost of every call is known afterwards, the sum of these costs becomes the cost of the record. With
/// --no-price, the command does not compute costs of calls. It still adds up the costs of the calls if the record
/// states all of them.
///
/// If a call names the same model as model.name but has no provider, model.provider is used. In the same way,
/// model.variant is used if such a call has no variant. If a call has no cost.at, the cost.at of the record is used.
///
/// cost.source of a computed cost is "computed". If there is no price, cost_usd is null and cost.source is "unknown".
/// `price.unknown` in the answer says why the cost is unknown. For example, the reason can be that model.name or a
/// number of tokens is missing. A known cost is never replaced. If the record itself has "unknown" as cost.source or
/// "Unknown" as cost_tier, no cost is computed. A call that has "unknown" as cost.source is not priced either.
///
/// Amounts of money are JSON numbers or strings. A number with more than 12 decimals is rounded to 12, and a string
/// with more than 12 decimals is refused. cost_usd is stored with 8 decimals, and halves are rounded to the even digit.
/// If the amount has more than 8 decimals, cost.exact_usd stores the amount with all its decimals, and reports use
/// cost.exact_usd.
///
/// In a call in trace.llm_calls, cost_usd is not rounded. If such a call has a cost.exact_usd, the command moves this
/// amount to the cost_usd of the same call. If the two amounts contradict each other, neither is changed.
///
/// The key `price` can hold an object that `runledger price` printed. The command then copies the cost from this object
/// to the record, together with facts about the cost, such as the version of the price table. A record cannot have both
/// `price` and a cost. A known cost_tier of the record is kept.
///
/// If a record has keys that are not part of the format, their values are not stored. The answer lists these keys under
/// unknown_keys. For a key that is similar to a known key, `near` names the known key. With --strict, the whole record
/// is refused instead. In tags and in a variant, all keys are allowed.
///
/// For each input line that is not blank, the command prints one answer, in the order of the input. An answer is one
/// line of JSON. A program can send many lines before it reads the first answer. Lines that have arrived are written
/// together, with one sync. If nothing reads the answers, the command stops reading its input when the output pipe is
/// full.
///
/// The value of `answer` is one of these:
///
/// - durable: the record is in the ledger, and survives `kill -9` and a power cut.
///
/// - refused: the line was not valid, so nothing was stored.
///
/// - spilled: the ledger cannot be written now. The record is stored next to the ledger until it can be appended.
///
/// - lost: the record could not be stored anywhere.
///
/// If the command is killed before it prints an answer, the record may or may not be in the ledger. A line can be at
/// most 16 MiB long.
///
/// Exits at the end of the input, with 0 if all records are durable, and otherwise with 1.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers, in which seq is the number of the line in the ledger:
  {"execution_id": "019c…", "seq": 42, "answer": "durable"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […]}
  {"execution_id": "019c…", "seq": 43, "answer": "durable",
   "unknown_keys": ["token_input"], "near": {"token_input": "tokens_input"}}
  {"execution_id": "019c…", "seq": 44, "answer": "durable",
   "price": {"unknown": "cannot price the unknown model \"llama-9\""}}

Example: record one execution
  echo '{"skill_name": "summarise", "skill_version": "1.2.0",
    "status": "success", "timestamp_start": "2026-02-14T14:23:00Z",
    "timestamp_end": "2026-02-14T14:23:05Z"}' | jq -c . | runledger pipe
Example: record an execution with the cost that `price` computes
  echo '{"model": "gpt-4o-mini", "usage": {"input_tokens": 1}}' |
    runledger price | jq -c '{skill_name: "summarise",
      skill_version: "1.2.0", status: "success",
      timestamp_start: .at, timestamp_end: .at, price: .}' |
    runledger pipe
Example: record only the amount, as a number or as a string
  echo '{"model": "gpt-4o-mini", "usage": {"input_tokens": 1}}' |
    runledger price | jq -c '{skill_name: "summarise",
      skill_version: "1.2.0", status: "success",
      timestamp_start: .at, timestamp_end: .at, cost_usd: .usd}' |
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
    // The answers cannot be written if the other program has died.
    let interrupted = session.interrupt_open();
    if interrupted > 0 {
        output::note(
            &format!("recorded {interrupted} as interrupted: the input ended after their begin and before their end"),
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
        // The next read may have to wait for input. So the lines that have already arrived are answered first.
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

/// Reads a line without its line feed into `line`. Returns `Some(true)` if the line was read, and `None` at the end of
/// the input. If the line is longer than [`PAYLOAD_BYTES_MAX`], skips it and returns `Some(false)`.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let limit = PAYLOAD_BYTES_MAX as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 == limit {
        input.skip_until(b'\n')?;
        return Ok(Some(false));
    }
    Ok(Some(true))
}
