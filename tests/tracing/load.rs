//! Promise: nothing is lost under load. Each of 100,000 spans on 64 threads has its own record, or is listed as a call
//! in the record of another span.

use std::collections::HashSet;

use tracing::{Dispatch, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Place};

const THREADS: u64 = 64;
/// Each round has an agent, a tool inside it, and a call in each of them.
const ROUNDS: u64 = 391;

#[test]
fn a_hundred_thousand_spans_on_64_threads_are_all_recorded() {
    let place = Place::new();
    let layer = place.layer().queue(1_024);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.clone()));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let dispatch = dispatch.clone();
            std::thread::spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    for _ in 0..ROUNDS {
                        let _agent =
                            info_span!("a", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = "a").entered();
                        chat(1_000);
                        let _tool =
                            info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "t").entered();
                        chat(2_000);
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(layer.flush(LONG));
    assert_eq!(layer.dropped(), 0);
    assert_eq!(place.warnings(), [""; 0]);

    const { assert!(THREADS * ROUNDS * 4 >= 100_000) };
    let records = place.records();
    let of = |skill: &str| records.iter().filter(|record| record.skill_name == skill).collect::<Vec<_>>();
    let (agents, tools) = (of("a"), of("t"));
    assert_eq!((agents.len() as u64, tools.len() as u64), (THREADS * ROUNDS, THREADS * ROUNDS));
    assert_eq!(records.len(), agents.len() + tools.len());
    assert!(agents.iter().all(|agent| agent.trace.llm_calls.len() == 1 && agent.tokens_input == Some(1_000)));
    assert!(tools.iter().all(|tool| tool.trace.llm_calls.len() == 1 && tool.tokens_input == Some(2_000)));
    let parents: HashSet<_> = tools.iter().filter_map(|tool| tool.run.parent_execution_id).collect();
    assert_eq!(parents, agents.iter().map(|agent| agent.execution_id).collect());
    let verification = place.ledger.reader().verify(&[]).unwrap();
    assert!(verification.is_clean(), "{:?}", verification.faults);
    assert_eq!(place.ledger.reader().in_flight().unwrap().executions.len(), 0);
}

fn chat(input: u64) {
    drop(info_span!(
        "c",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = "gpt-4",
        gen_ai.usage.input_tokens = input,
        gen_ai.usage.output_tokens = 1,
    ));
}
