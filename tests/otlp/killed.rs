//! A shipper that is killed at any moment posts each span at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use runledger::{Durability, Ledger, Options, Uuid};

use crate::commands::{Place, command};
use crate::stub::{ACCEPT, Stub};
use crate::support::{hex, record, span_id, traces};

fn spawn(place: &Place, url: &str, arguments: &[&str]) -> Child {
    let mut call = command();
    call.current_dir(place.directory.path()).args(["ship", "otlp", url, "--batch-spans", "5"]).args(arguments);
    call.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn append(ledger: &Ledger, ids: impl IntoIterator<Item = u128>) {
    ids.into_iter().for_each(|id| _ = ledger.append(&record(id, "s")).unwrap());
}

/// Numbers from SplitMix64.
fn below(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % end
}

#[test]
fn each_span_is_accepted_at_least_once_and_no_request_skips_one() {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    // Small segments, so that the shipper also goes from one to the next.
    let options = Options::new().durability(Durability::Flushed).rotate_bytes(Some(20_000));
    let ledger = options.open(place.ledger()).unwrap();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&accepted);
    let mut seed = 11;
    // Every fourth request is refused for a moment, and a pause lets kills hit the time between a request and its answer.
    let stub = Stub::by(move |body| {
        thread::sleep(Duration::from_micros(below(&mut seed, 2_000)));
        if below(&mut seed, 4) == 0 {
            return ("503 Service Unavailable", "", "");
        }
        kept.lock().unwrap().extend(traces(body).iter().map(|span| hex(&span.span_id)));
        ACCEPT
    });
    let mut state = 5;
    let mut count = 0;
    for _ in 0..40 {
        append(&ledger, count + 1..=count + 12);
        count += 12;
        let mut child = spawn(&place, &stub.url, &["--retry-for", "0"]);
        thread::sleep(Duration::from_micros(below(&mut state, 30_000)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    // The first call that is not killed posts the rest.
    let begin = Instant::now();
    while !spawn(&place, &stub.url, &["--retry-for", "0"]).wait().unwrap().success() {
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
    let number: BTreeMap<_, _> = (1..=count).map(|id| (span_id(Uuid::from_u128(id)), id)).collect();
    let accepted = accepted.lock().unwrap();
    let found: BTreeSet<_> = accepted.iter().map(|id| number[id]).collect();
    assert!(found.into_iter().eq(1..=count));
    // A place that moved too early would leave a hole, which no later request fills.
    let mut highest = 0;
    for id in accepted.iter().map(|id| number[id]) {
        assert!(id <= highest + 1, "{id} was posted after {highest}");
        highest = highest.max(id);
    }
    println!("{count} records, {} spans were accepted", accepted.len());
}

#[test]
fn a_shipper_that_follows_posts_what_is_appended_later() {
    let place = Place::with(&[record(1, "s")]);
    let stub = Stub::new(&[("503 Service Unavailable", "", "")]);
    let mut child = spawn(&place, &stub.url, &["--follow", "--every", "1", "--retry-for", "0"]);
    let wait_for = |count: usize| {
        let begin = Instant::now();
        while stub.requests().len() < count {
            assert!(begin.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(20));
        }
    };
    // With --follow, there is no limit for the attempts.
    wait_for(2);
    append(&Ledger::open(place.ledger()).unwrap(), [2]);
    wait_for(3);
    // Only one process ships to an address.
    let other = place.run(["ship", "otlp", &stub.url]).complaint(2);
    assert!(other.contains("found another process that ships to"), "{other}");
    child.kill().unwrap();
    child.wait().unwrap();
    let posted = traces(&stub.requests()[2].body);
    assert_eq!(hex(&posted[0].span_id), span_id(Uuid::from_u128(2)));
}
