//! Promise: a full queue either makes the spans wait, or drops records that are counted and reported.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runledger::tracing::{LedgerLayer, WhenFull};
use runledger::{Durability, Ledger, Options};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::LONG;

/// A ledger whose first warning blocks the thread of the layer until the test releases the thread. A call without a
/// known price causes that warning.
struct Blocked {
    directory: tempfile::TempDir,
    ledger: Ledger,
    layer: LedgerLayer,
    entered: std::sync::mpsc::Receiver<()>,
    release: std::sync::mpsc::SyncSender<()>,
    warnings: Arc<Mutex<Vec<String>>>,
}

fn blocked(when_full: WhenFull) -> Blocked {
    let directory = tempfile::tempdir().unwrap();
    let (enter, entered) = sync_channel(1);
    let (release, released) = sync_channel::<()>(1);
    let released = Mutex::new(Some(released));
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&warnings);
    let ledger = Options::new()
        .durability(Durability::Flushed)
        .on_warning(move |error| {
            heard.lock().unwrap().push(error.to_string());
            let first = released.lock().unwrap().take();
            if let Some(released) = first {
                enter.send(()).unwrap();
                released.recv_timeout(LONG).unwrap();
            }
        })
        .open(directory.path().join("execution_metrics.jsonl"))
        .unwrap();
    let layer = LedgerLayer::new(ledger.clone()).queue(4).when_full(when_full);
    Blocked { directory, ledger, layer, entered, release, warnings }
}

/// Closes a span whose model has no known price, which causes a warning.
fn unpriced() {
    drop(info_span!(
        "c",
        gen_ai.operation.name = "chat",
        gen_ai.request.model = "no-such-model-anywhere",
        gen_ai.usage.input_tokens = 1,
        gen_ai.usage.output_tokens = 1,
    ));
}

fn span() {
    drop(info_span!("x", runledger.skill = "s"));
}

#[test]
fn records_that_find_a_full_queue_are_dropped_counted_and_reported() {
    let place = blocked(WhenFull::Drop);
    let subscriber = tracing_subscriber::registry().with(place.layer.clone());
    tracing::subscriber::with_default(subscriber, || {
        unpriced();
        place.entered.recv_timeout(LONG).unwrap();
        // Four of these wait in the queue.
        (0..10).for_each(|_| span());
        assert_eq!(place.layer.dropped(), 6);
        assert!(!place.layer.flush(Duration::from_millis(20)), "the queue is full");
        place.release.send(()).unwrap();
        assert!(place.layer.flush(LONG));
        span();
    });
    assert!(place.layer.flush(LONG));
    assert_eq!(place.layer.dropped(), 6);
    assert_eq!(place.ledger.reader().records().count(), 6);
    let warnings = place.warnings.lock().unwrap().clone();
    let lost = "records were lost: cannot record the executions of 6 spans: found a full queue; expected at most 4 \
                waiting records. Set a longer queue, or let the spans wait";
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings[1], lost);
    let events = std::fs::read_to_string(place.directory.path().join("execution_metrics.ledger/events.jsonl")).unwrap();
    let lost: Vec<_> = events.lines().filter(|line| line.contains(r#""event":"lost""#)).collect();
    assert_eq!(lost.len(), 1, "{events}");
    assert!(lost[0].contains(r#""records":6"#), "{lost:?}");
    // The marks of the dropped records stay, so the next process records these executions as interrupted.
    assert_eq!(place.ledger.reader().in_flight().unwrap().executions.len(), 6);
}

#[test]
fn spans_that_find_a_full_queue_wait() {
    let place = blocked(WhenFull::Wait);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(place.layer.clone()));
    let spans = std::thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            unpriced();
            (0..10).for_each(|_| span());
        });
    });
    place.entered.recv_timeout(LONG).unwrap();
    assert!(!spans.is_finished());
    place.release.send(()).unwrap();
    spans.join().unwrap();
    assert!(place.layer.flush(LONG));
    assert_eq!((place.layer.dropped(), place.ledger.reader().records().count()), (0, 11));
}

#[test]
fn dropping_the_last_layer_stores_the_queue() {
    let place = blocked(WhenFull::Wait);
    place.release.send(()).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(place.layer), || {
        unpriced();
        (0..3).for_each(|_| span());
    });
    assert_eq!(place.ledger.reader().records().count(), 4);
}

#[test]
fn a_hook_that_panics_does_not_stop_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().durability(Durability::Flushed).on_warning(|_| panic!("a hook"));
    let ledger = options.open(directory.path().join("execution_metrics.jsonl")).unwrap();
    let layer = LedgerLayer::new(ledger.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.clone()), || {
        unpriced();
        span();
    });
    assert!(layer.flush(LONG));
    assert_eq!(ledger.reader().records().filter(|record| record.as_ref().unwrap().skill_name == "s").count(), 1);
}
