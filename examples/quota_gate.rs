//! A gate before an API: reserve before the call, settle after it. Reservations of all threads and processes together
//! never overrun the limit.

use std::sync::Arc;

use runledger::quota::{Limits, Options, WarningLevel};
use runledger::{Grant, Quota};

/// A limit of one's own, beside the bundled ones.
const OWN: &str = r#"[{"api": "search", "limit": 10, "unit": "calls", "period": "day", "source": "our contract", "as_of": "2026-02-14"}]"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("quota.jsonl");
    // A clock that stands still, so that no midnight comes between; a program reads the system's.
    let noon = "2026-02-14T12:00:00Z".parse::<runledger::Timestamp>()?.unix_ms();
    let options = || {
        let mut options = Options::new(Arc::new(move || noon));
        options.limits = Limits::from_json(OWN).map(|own| Limits::bundled().with(own))?;
        Ok::<_, runledger::Error>(options)
    };
    let quota = Quota::open(&path, options()?)?;

    for batch in [4, 3, 4] {
        match quota.reserve("search", batch)? {
            Grant::Held(hold) => {
                // Here the calls are made; one less than was reserved, so the rest is free again.
                let status = hold.settle(batch - 1)?;
                println!("{} {batch} granted, {} of {} used", status.emoji(), status.consumed, status.limit);
            }
            other => println!("not granted: {other:?}"),
        }
    }
    // An error between the two: the hold is dropped, and nothing was used.
    drop(quota.reserve("search", 1)?);

    while let Grant::Held(hold) = quota.reserve("search", 1)? {
        hold.settle(1)?;
    }
    let Grant::Denied(denied) = quota.reserve("search", 1)? else {
        return Err("more was granted than there is".into());
    };
    println!("denied: {} left, ask again at {}", denied.status.remaining, denied.status.resets_at);
    drop(quota);

    // The state is in the journal: it survives a restart.
    let status = Quota::open(&path, options()?)?.status("search")?;
    println!("{} {}: {} of {} {} used", status.emoji(), status.api_name, status.consumed, status.limit, status.unit);
    assert_eq!((status.consumed, status.warning_level), (10, WarningLevel::Red));
    Ok(())
}
