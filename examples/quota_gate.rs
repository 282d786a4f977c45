//! A gate before an API: reserve before the call, settle after it. Reservations of all threads and processes together
//! never overrun the limit, nor a budget in dollars.

use runledger::quota::{Limits, WarningLevel};
use runledger::{Grant, Options, Usd};

/// Limits of one's own, beside the bundled ones.
const OWN: &str = r#"[
  {"api": "search", "limit": 10, "unit": "calls", "period": "day", "source": "our contract", "as_of": "2026-02-14"},
  {"api": "anthropic", "limit": 1.00, "unit": "usd", "period": "day", "source": "our budget", "as_of": "2026-02-14"}
]"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    // A clock that stands still, so that no midnight comes between; without it, the system's.
    let noon = "2026-02-14T12:00:00Z".parse()?;
    let open = || {
        let ledger = Options::new().clock(move || noon).open(directory.path().join("execution_metrics.jsonl"))?;
        ledger.quota(Limits::bundled().with(Limits::from_json(OWN)?))
    };
    let quota = open()?;

    for batch in [4, 3, 6] {
        match quota.reserve("search", Some(batch))? {
            Grant::Held(hold) => {
                // Here the calls are made; one less than was reserved, so the rest is free again.
                let status = hold.settle(Some(batch - 1))?;
                println!("{} {batch} granted: {} of {} used", status.emoji(), status.consumed, status.limit);
            }
            Grant::Denied(denied) => println!("{} {denied}", denied.status.emoji()),
        }
    }
    // An error between the two: the hold is dropped, and what it reserved is free again.
    drop(quota.reserve("search", Some(5))?);
    // All that is left can be had, and no more.
    while let Grant::Held(hold) = quota.reserve("search", Some(1))? {
        hold.settle(Some(1))?;
    }

    // The same in exact dollars: the most that a call can cost, then what it did cost. Of the next call no price is known.
    let budget = quota.budget("anthropic")?;
    if let Grant::Held(hold) = budget.reserve(Some("0.75".parse::<Usd>()?))? {
        let status = hold.settle(Some("0.546875".parse::<Usd>()?))?;
        println!("{} {} usd left, {:?} % crossed", status.emoji(), status.remaining, status.crossed);
    }
    if let Grant::Denied(denied) = budget.reserve(None)? {
        println!("{} {denied}", denied.status.emoji());
    }
    drop((quota, budget));

    // The state is in the journal: it survives a restart.
    let status = open()?.status("search")?;
    println!("{} {}: {} of {} {} used", status.emoji(), status.api_name, status.consumed, status.limit, status.unit);
    assert_eq!((status.consumed, status.warning_level), (10, WarningLevel::Red));
    Ok(())
}
