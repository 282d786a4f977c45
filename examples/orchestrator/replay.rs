//! Replays real LLM calls. This file shows how an orchestrator prices each call of a model, and guards the call with a
//! quota.

use std::error::Error;
use std::time::Instant;

use runledger::metrics::Decision;
use runledger::{Execution, Grant, Quota, Skill, Usage};

use crate::report::Overhead;

const CALLS: &str = include_str!("azure-llm-code-2023.csv");
/// The name of a limit: 100,000 tokens a day, for all users together.
pub(crate) const LIMIT: &str = "openai-gpt4";
/// The `max_tokens` of each call, which limits the number of tokens that the model generates.
const OUTPUT_MAX: u64 = 256;

/// Picks a model by row, because the file of calls does not name models. The model of row 77 has no price, so the cost
/// of that call is unknown.
fn model(row: usize) -> &'static str {
    match row {
        77 => "in-house-coder-7b",
        _ if row.is_multiple_of(2) => "gpt-4",
        _ => "claude-haiku-4-5",
    }
}

/// Replays all calls. Adds to `overhead` the time that the ledger takes for each call: to begin the execution and to
/// finish it.
pub(crate) fn run(root: &Execution, quota: &Quota, overhead: &mut Overhead) -> Result<(), Box<dyn Error>> {
    for (row, line) in CALLS.lines().skip(1).enumerate() {
        let tokens = line.split(',').skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [input, output] = tokens[..] else { return Err(format!("row {row}: found {line:?}").into()) };
        let skill = if output <= 13 { "complete-line" } else { "complete-block" };

        let begin = Instant::now();
        let mut call = root.child(Skill::new(skill, "1.0.0"));
        let begin = begin.elapsed();

        // Before the call, reserve the largest number of tokens that the call can use. So parallel calls together
        // cannot exceed the limit.
        let mut model = model(row);
        let grant = if model == "gpt-4" { Some(quota.reserve(LIMIT, Some(input + OUTPUT_MAX))?) } else { None };
        if let Some(Grant::Denied(denied)) = &grant {
            let mut fallback = Decision::new(format!("instead of {model}"), "gpt-4o-mini");
            fallback.reason = Some(denied.to_string());
            call.record_mut().trace.decisions.push(fallback);
            call.record_mut().decision_made = Some("FALLBACK".to_owned());
            model = "gpt-4o-mini";
        }

        call.enter(model);
        // An orchestrator calls the model here, and reads the usage from its response.
        call.record_usage(model, Usage::new(input, output));

        // After the call, settle the tokens that the call used. The unused tokens of the reservation are released. On
        // an error, the hold (the guard of the reservation) is dropped, which releases all tokens.
        if let Some(Grant::Held(hold)) = grant {
            call.set_quota(&hold.settle(Some(input + output))?);
        }

        let finish = Instant::now();
        call.succeed();
        overhead.add(begin + finish.elapsed())?;
    }
    Ok(())
}
