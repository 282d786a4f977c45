//! `runledger pipe`

mod amounts;
mod batch;
mod line;
mod unknown;

use std::io::{self, BufRead, BufReader, Read, Write};

use runledger::journal::PAYLOAD_BYTES_MAX;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use batch::Batch;
use line::{Line, Reader};

/// Record executions from JSON lines on stdin
///
/// Each line is one record: an object with the keys that `list --json` prints. skill_name, skill_version,
/// timestamp_start and timestamp_end are required. A key that is missing is unknown. If a record has a status but
/// neither execution_succeeded nor execution_failed, both are derived from the status. A record without an execution_id
/// gets a new one, which the answer contains. A program that may send a record twice should set the id itself, so that
/// both lines are the same execution.
///
/// A record that has model.name, tokens_input and tokens_output but no cost gets its cost at the bundled prices, or at
/// those of --prices. model.provider and model.variant are used if they are present. The prices are those at cost.at or
/// else at timestamp_start. If the record lists calls in trace.llm_calls, each call without a cost is priced, and the
/// record gets their sum if all are known. cost.source is then computed. If there is no price, cost_usd remains null and
/// cost.source is unknown. A cost that is present is never replaced. Neither is the cost of a record that itself says
/// with cost.source or cost_tier that it is unknown. --no-price turns pricing off.
///
/// Amounts are JSON numbers or strings with at most 12 decimals. cost_usd is stored with 8 decimals, rounded half to
/// even. If it had more, cost.exact_usd has all of them, and reports use these. A number with more than 12 decimals is
/// rounded to 12, and a string is refused. The key `price` holds an answer of `runledger price`, which becomes the cost
/// and its source. A record cannot have both `price` and a cost.
///
/// An answer lists under unknown_keys the keys that no field has, and under near the keys that were probably meant.
/// Values under such keys are not stored. With --strict, the record is refused. Any key is allowed in tags and in a
/// variant.
///
/// For each input line that is not blank, prints one line of JSON, its answer, in the same order. A program can send
/// many lines before it reads the first answer: lines that have arrived are written together, with one sync. A record
/// that is reported as durable survives `kill -9` and a power cut. A record without an answer may or may not be in the
/// ledger. If nothing reads the answers, the command stops reading its input once the output pipe is full.
///
/// A refused line changes nothing. A spilled record is stored next to the ledger until the ledger can be written again.
/// A lost record could not be written anywhere. A line can be at most 16 MiB long.
///
/// Exits at the end of the input, with 1 if any record is not durable.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers (seq is the number of the line in the ledger):
  {"execution_id": "019c…", "seq": 42, "answer": "durable"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […]}
  {"execution_id": "019c…", "seq": 43, "answer": "durable",
   "unknown_keys": ["token_input"], "near": {"token_input": "tokens_input"}}
  answer  durable, refused, spilled, lost

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
    /// Refuse a record with a key that no field has
    #[arg(long)]
    strict: bool,
    /// Do not compute costs that are unknown, even with --prices
    #[arg(long)]
    no_price: bool,
    #[command(flatten)]
    own: OwnPrices,
}

/// The size of a pipe on Linux. This much can arrive while the previous batch is synced.
const BUFFER_BYTES: usize = 1 << 16;

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = if args.no_price { None } else { Some(args.own.table_if_given()?) };
    let reader = Reader { prices, strict: args.strict };
    let ledger = ledger::open(global)?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut all_durable = true;
    loop {
        // The next read may block, so the lines that have arrived are answered first.
        if !input.buffer().contains(&b'\n') {
            all_durable &= batch.answer(&ledger, out)?;
            out.flush()?;
        }
        line.clear();
        let Some(is_whole) = read_line(&mut input, &mut line).map_err(Failure::Input)? else { break };
        number += 1;
        if !is_whole {
            let reason = format!("expected at most {PAYLOAD_BYTES_MAX} bytes in a line, found more");
            batch.add(number, Line::refused("invalid", reason));
        } else if !line.trim_ascii().is_empty() {
            batch.add(number, reader.read(&line));
        }
    }
    all_durable &= batch.answer(&ledger, out)?;
    Ok(if all_durable { ExitCode::Yes } else { ExitCode::No })
}

/// Reads a line without its line feed. Returns `None` at the end of the input, and false if the line was too long. A
/// line that is too long is skipped.
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
