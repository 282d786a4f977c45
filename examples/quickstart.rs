//! Records two executions and prints the baselines. Look at `logs/execution_metrics.jsonl` afterwards.

use runledger::{Baselines, Ledger, Skill, Usage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Ledger::open("logs/execution_metrics.jsonl")?;

    // The ledger records how the skill ends, and returns the skill's result unchanged.
    let done = ledger.run(Skill::new("summarise", "0.1.0"), |execution| {
        execution.enter("call-model");
        execution.record_usage("gpt-4", Usage::new(1_000, 500));
        "42".parse::<u32>()
    });
    assert_eq!(done.result?, 42);

    // A skill that fails has a record too, with the reason.
    let failed = ledger.run(Skill::new("publish", "0.1.0"), |_| Err::<(), _>("no network"));
    assert!(failed.record.is_durable());

    // Compute the baselines over all executions in the log.
    let baselines = Baselines::compute(ledger.reader().records())?;
    for (skill, normal) in baselines.iter() {
        let known = |number: Option<String>| number.unwrap_or_else(|| "unknown".to_owned());
        let success = known(normal.success_rate.map(|rate| rate.to_string()));
        let cost = known(normal.cost_mean_usd.map(|usd| usd.to_string()));
        println!("{skill}: {} runs, success rate {success}, mean cost in USD {cost}", normal.sample_size);
    }
    let summarise = baselines.get("summarise").ok_or("found no records of summarise")?;
    assert_eq!(summarise.cost_mean_usd, Some("0.06".parse()?));
    Ok(())
}
