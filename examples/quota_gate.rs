//! Guards an API with a quota: reserve an amount before the call, and settle the amount that was used after the call.
//! All threads and processes together never reserve more than the limit. A limit in dollars is a budget.

use runledger::quota::{Limits, WarningLevel};
use runledger::{Grant, Options, Usd};

/// Our own limits, in addition to the bundled ones.
const OWN: &str = r#"[
  {"api": "search", "limit": 10, "unit": "calls", "period": "day", "source": "our contract", "as_of": "2026-02-14"},
  {"api": "anthropic", "limit": 1.00, "unit": "usd", "period": "day", "source": "our budget", "as_of": "2026-02-14"}
]"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    // The clock is fixed, so that no new day begins during the example. The default is the system's clock.
    let noon = "2026-02-14T12:00:00Z".parse()?;
    let open = || {
        let ledger = Options::new().clock(move || noon).open(directory.path().join("execution_metrics.jsonl"))?;
        ledger.quota(Limits::bundled().with(Limits::from_json(OWN)?))
    };
    let quota = open()?;

    for batch in [4, 3, 6] {
        match quota.reserve("search", Some(batch))? {
            Grant::Held(hold) => {
                // The calls are made here. One reserved call is not made, so its reservation is released.
                let status = hold.settle(Some(batch - 1))?;
                println!("{} {batch} granted: {} of {} used", status.emoji(), status.consumed, status.limit);
            }
            Grant::Denied(denied) => println!("{} {denied}", denied.status.emoji()),
        }
    }
    // If an error occurs before `settle`, the hold (the guard of the reservation) is dropped, which releases the
    // reservation. Here, the hold is dropped at once.
    drop(quota.reserve("search", Some(5))?);
    // Reserve the calls that are left, until the quota grants no more.
    while let Grant::Held(hold) = quota.reserve("search", Some(1))? {
        hold.settle(Some(1))?;
    }

    // A budget in exact dollars. Before a call, reserve the largest amount that it can cost. After the call, settle its
    // real cost. The possible cost of the second call is unknown, so the budget denies that call.
    let budget = quota.budget("anthropic")?;
    if let Grant::Held(hold) = budget.reserve(Some("0.75".parse::<Usd>()?))? {
        let status = hold.settle(Some("0.546875".parse::<Usd>()?))?;
        println!("{} {} usd left", status.emoji(), status.remaining);
        for percent in status.crossed {
            println!("The use has crossed the alert level of {percent} %.");
        }
    }
    if let Grant::Denied(denied) = budget.reserve(None)? {
        println!("{} {denied}", denied.status.emoji());
    }
    drop((quota, budget));

    // The quota is stored in a journal next to the ledger, so it survives a restart.
    let status = open()?.status("search")?;
    println!("{} {}: {} of {} {} used", status.emoji(), status.api_name, status.consumed, status.limit, status.unit);
    assert_eq!((status.consumed, status.warning_level), (10, WarningLevel::Red));
    Ok(())
}
