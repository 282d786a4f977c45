//! Real LLM calls, replayed through prices and a quota: what stands around each call of a model.

use std::error::Error;
use std::time::Instant;

use runledger::metrics::Decision;
use runledger::{Execution, Grant, Quota, Skill, Usage};

use crate::report::Overhead;

const CALLS: &str = include_str!("azure-llm-code-2023.csv");
/// 100,000 tokens a day, all of its users together.
pub(crate) const LIMIT: &str = "openai-gpt4";
/// The `max_tokens` of each call: the most that it can generate.
const OUTPUT_MAX: u64 = 256;

/// The trace names no models, so they are picked by row. One has no price: its cost is unknown.
fn model(row: usize) -> &'static str {
    match row {
        77 => "in-house-coder-7b",
        _ if row.is_multiple_of(2) => "gpt-4",
        _ => "claude-haiku-4-5",
    }
}

/// Replays all calls; what the ledger takes for each, begin and finish together, goes to `overhead`.
pub(crate) fn run(root: &Execution, quota: &Quota, overhead: &mut Overhead) -> Result<(), Box<dyn Error>> {
    for (row, line) in CALLS.lines().skip(1).enumerate() {
        let tokens = line.split(',').skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [input, output] = tokens[..] else { return Err(format!("row {row}: found {line:?}").into()) };
        let skill = if output <= 13 { "complete-line" } else { "complete-block" };

        let begin = Instant::now();
        let mut call = root.child(Skill::new(skill, "1.0.0"));
        let begin = begin.elapsed();

        // Before the call: reserve the most that it can take, so that parallel calls cannot overrun the limit together.
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
        // Here an orchestrator calls the model, and takes the usage from its answer.
        call.record_usage(model, Usage::new(input, output));

        // After it: settle what it took. The rest is free again; a hold that is dropped on an error is free altogether.
        if let Some(Grant::Held(hold)) = grant {
            call.set_quota(&hold.settle(Some(input + output))?);
        }

        let finish = Instant::now();
        call.succeed().warn();
        overhead.add(begin + finish.elapsed())?;
    }
    Ok(())
}
