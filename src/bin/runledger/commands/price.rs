//! `runledger price`

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};

use runledger::metrics::Call;
use runledger::{ErrorKind, PriceTable, Timestamp, Usage, json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::clock;
use crate::counts;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::price_table::OwnPrices;
use crate::priced::Priced;
use crate::term::output;

/// Price model calls from JSON lines on stdin
///
/// Each line is an object such as {"model": …, "provider": …, "usage": {…}, "at": …, "variant": {"processing":
/// "batch"}}. model and usage are required. The default of `at` is the current time.
///
/// usage can have input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
/// reasoning_tokens, input_audio_tokens, output_audio_tokens, requests, web_searches, audio_seconds, and other keys. If
/// a key is not known, the error lists all known keys.
///
/// Some counts are part of another count: for example, input_tokens includes cache_read_tokens. If cache_read_tokens is
/// missing, no input token is priced as read from a cache. If one of input_tokens and output_tokens is null and the
/// other is a number, the call has no price. In any other case, a key that is null or missing adds no cost.
///
/// Prints one line for each input line that is not blank. The printed line has the exact cost as a decimal string, the
/// parts of the cost, and the source of the price. If an input line cannot be priced, the printed line is {"error": …,
/// "kind": …, "near": […]}. `near` lists models with a similar name. Exits with 0 even if some lines cannot be priced.
///
/// `runledger schema price` prints the JSON Schema of an input line and of a printed line.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Example: price one call
  echo '{"model": "gpt-4", "usage": {"input_tokens": 5, "output_tokens": 1}}' |
    runledger price"#)]
pub(crate) struct Args {
    #[command(flatten)]
    own: OwnPrices,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = args.own.table()?;
    let mut input = BufReader::with_capacity(1 << 16, io::stdin());
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        // The output is flushed only when no complete line of input is buffered. So a caller that waits for each answer
        // gets the answer immediately. A caller that sends many lines at once gets many answers at once.
        if !input.buffer().contains(&b'\n') {
            out.flush()?;
        }
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(Failure::Input)? == 0 {
            return Ok(ExitCode::Yes);
        }
        number += 1;
        if !line.trim_ascii().is_empty() {
            output::json_line(out, &answer(number, &line, &prices))?;
        }
    }
}

/// The call in a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    model: String,
    provider: Option<String>,
    usage: BTreeMap<String, Value>,
    at: Option<Timestamp>,
    variant: Option<BTreeMap<String, String>>,
}

/// The answer to a line.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'p> {
    Cost(Box<Priced<'p>>),
    Refusal { error: String, kind: &'static str, near: Vec<String> },
}

fn answer<'p>(number: u64, line: &[u8], prices: &'p PriceTable) -> Answer<'p> {
    let malformed = |error: String| Answer::Refusal { error, kind: "malformed", near: Vec::new() };
    if line.trim_ascii_start().first() != Some(&b'{') {
        return malformed("expected an object such as {\"model\": …, \"usage\": {…}}".to_owned());
    }
    let (call, at) = match read(line).map_err(|error| error.replace(" at line 1 ", &format!(" at line {number} "))) {
        Ok(call) => call,
        Err(error) => return malformed(error),
    };
    match prices.cost_of(&call, at) {
        Ok(cost) => Answer::Cost(Box::new(cost.into())),
        Err(error) => Answer::Refusal {
            near: if error.kind() == ErrorKind::UnknownModel { error.details().to_vec() } else { Vec::new() },
            kind: failure::kind(&error),
            error: error.to_string(),
        },
    }
}

fn read(line: &[u8]) -> Result<(Call, Timestamp), String> {
    let text = std::str::from_utf8(line).map_err(|error| argument::not_utf8(&error))?;
    json::from_str(text).map_err(|error| error.to_string()).and_then(call)
}

fn call(request: Request) -> Result<(Call, Timestamp), String> {
    let Request { model, provider, usage, at, variant } = request;
    let mut call = Call::new(model, read_usage(&usage)?);
    call.provider = provider;
    call.variant = variant.unwrap_or_default();
    let at = at.or_else(|| Timestamp::from_unix_ms(clock::unix_ms()));
    Ok((call, at.ok_or("the clock is outside the years 0 to 9999; set \"at\"")?))
}

/// Reads the object `usage` of a call. A count that is null or missing is not part of the result. Fails if no count is
/// left, or if one of input_tokens and output_tokens is null and the other is a number.
fn read_usage(counts: &BTreeMap<String, Value>) -> Result<Usage, String> {
    let mut usage = Usage::new(0, 0);
    for (whole, other) in [("input_tokens", "output_tokens"), ("output_tokens", "input_tokens")] {
        let known = |key: &str| counts.get(key).is_some_and(|value| !value.is_null());
        if counts.get(whole).is_some_and(Value::is_null) && known(other) {
            return Err(format!("usage.{whole}: expected a whole number, found null: an unknown count has no price"));
        }
    }
    for (key, value) in counts.iter().filter(|(_, value)| !value.is_null()) {
        let (meter, count) = counts::count("usage", key, value)?;
        usage = usage.with(meter, count);
    }
    if counts.values().all(Value::is_null) {
        Err("usage: expected at least one count, found none".to_owned())
    } else {
        Ok(usage)
    }
}
