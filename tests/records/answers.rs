//! Promise: a program can ignore the answers of the ledger. The ledger itself warns once about each record that it
//! could not store as promised, and about each of up to 256 models whose cost is unknown. A program that handles the
//! answers itself can turn off the warnings that repeat an answer.

#![deny(unused_must_use, reason = "an answer can be ignored")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::children::place::Place;
use crate::hooked::{HookedDisk, full_for};
use runledger::metrics::{Call, ErrorCategory, Status};
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Skill, Timestamp, Usage, Usd, Uuid};

/// The warnings of a ledger.
#[derive(Default, Clone)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn options(&self) -> Options {
        let heard = self.clone();
        Options::new().on_warning(move |error| heard.0.lock().unwrap().push(error.to_string()))
    }

    /// Returns the warnings since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn skill() -> Skill {
    Skill::new("publish", "1.0.0")
}

fn finished(id: u128) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "publish", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record.set_status(Status::Success);
    record
}

/// Returns the warning about a record that was spilled because the disk is full.
fn spilled(place: &Place) -> String {
    format!("a record was spilled: cannot examine the ledger: {}: no storage space", place.path().display())
}

#[test]
fn each_ignored_answer_of_a_spilled_record_warns_once() {
    let (place, heard) = (Place::new(), Heard::default());
    let (disk, full) = full_for(place.path());
    let ledger = heard.options().storage(Arc::new(disk)).open(place.path()).unwrap();
    let detached = ledger.begin_detached(skill(), |_| ()).unwrap().execution_id;
    ledger.begin(skill()).succeed();
    ledger.append(&finished(1)).unwrap();
    assert_eq!(heard.take(), [""; 0]);

    full.store(true, Ordering::Relaxed);
    let calls: [&dyn Fn(); 8] = [
        &|| drop(ledger.begin(skill()).succeed()),
        &|| drop(ledger.begin(skill()).fail("no network")),
        &|| drop(ledger.begin(skill()).fail_with(ErrorCategory::Network, 504, "no network")),
        &|| drop(ledger.begin(skill())),
        &|| drop(ledger.run(skill(), |_| Ok::<_, String>(()))),
        &|| drop(ledger.append(&finished(2)).unwrap()),
        &|| drop(ledger.append_all(&[finished(3), ExecutionMetrics::new(Uuid::nil(), "", "", Timestamp::UNIX_EPOCH)])),
        &|| drop(ledger.resume(detached).unwrap().complete(Status::Success).unwrap()),
    ];
    for (number, call) in calls.iter().enumerate() {
        call();
        assert_eq!(heard.take(), [spilled(&place)], "{number}");
    }
    full.store(false, Ordering::Relaxed);
    ledger.begin(skill()).succeed();
    assert_eq!(heard.take(), [""; 0]);
    assert_eq!(place.ids().len(), 2 + calls.len() + 1);
}

#[test]
fn each_problem_has_its_own_words() {
    let (place, heard) = (Place::new(), Heard::default());
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let disk = HookedDisk::new(move |_, _| match failing.load(Ordering::Relaxed) {
        true => Err(std::io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let ledger = heard.options().storage(Arc::new(disk)).open(place.path()).unwrap();
    fails.store(true, Ordering::Relaxed);
    let mut execution = ledger.begin(skill());
    execution.record_mut().quality_score = Some(7.0);
    execution.succeed();
    let warnings = heard.take();
    let begins = |text: &str| warnings.iter().filter(|warning| warning.starts_with(text)).count();
    assert_eq!(begins("a record was lost: cannot "), 1, "{warnings:#?}");
    assert_eq!(begins("an execution was not marked as started: cannot "), 1, "{warnings:#?}");
    assert_eq!(begins("fields of a record were left out: cannot accept a record: quality_score: "), 1, "{warnings:#?}");
    fails.store(false, Ordering::Relaxed);
}

#[test]
fn a_program_that_handles_answers_hears_only_what_no_answer_reports() {
    let (place, heard) = (Place::new(), Heard::default());
    let (disk, full) = full_for(place.path());
    let ledger = heard.options().handles_answers(true).storage(Arc::new(disk)).open(place.path()).unwrap();
    full.store(true, Ordering::Relaxed);
    assert!(matches!(ledger.begin(skill()).succeed().answer, Answer::Spilled(_)));
    assert!(matches!(ledger.append(&finished(1)).unwrap(), Answer::Spilled(_)));
    assert!(matches!(ledger.append_all(&[finished(2)])[..], [Ok(Answer::Spilled(_))]));
    assert_eq!(heard.take(), [""; 0]);

    drop(ledger.begin(skill()));
    let panics = || ledger.run(skill(), |_| -> Result<(), String> { panic!("a bug") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!(heard.take(), [spilled(&place), spilled(&place)]);
}

#[test]
fn a_late_record_warns_when_the_call_returns() {
    let (place, heard) = (Place::new(), Heard::default());
    let slow = Arc::new(AtomicBool::new(false));
    let holds = Arc::clone(&slow);
    let disk = HookedDisk::new(move |_, _| {
        while holds.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    let options = heard.options().deadline(Some(Duration::from_millis(100)));
    let ledger = options.storage(Arc::new(disk)).open(place.path()).unwrap();
    let execution = ledger.begin(skill());
    slow.store(true, Ordering::Relaxed);
    execution.succeed();
    let text = "a record is not stored yet: cannot append to the ledger: ";
    let warnings = heard.take();
    assert!(matches!(&warnings[..], [late] if late.starts_with(text)), "{warnings:?}");
    slow.store(false, Ordering::Relaxed);
}

#[test]
fn a_model_of_unknown_cost_is_reported_once() {
    let (place, heard) = (Place::new(), Heard::default());
    let ledger = heard.options().open(place.path()).unwrap();
    let call = |ledger: &Ledger, model: &str| ledger.begin(skill()).record_usage(model, Usage::new(10, 5));
    assert_eq!(call(&ledger, "gpt-4"), Some("0.0006".parse().unwrap()));
    assert_eq!(heard.take(), [""; 0]);

    let of_clone = ledger.clone();
    for ledger in [&ledger, &of_clone, &ledger] {
        assert_eq!(call(ledger, "claude-opus-4-55"), None);
        assert_eq!(call(ledger, "nothing-like-it-exists"), None);
    }
    let warnings = heard.take();
    let unknown = "the cost of a call is unknown: cannot price the unknown model";
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(warnings[0].starts_with(&format!("{unknown} \"claude-opus-4-55\", nearest known names: claude-opus-4-5")));
    assert!(warnings[1].starts_with(&format!("{unknown} \"nothing-like-it-exists\"")));

    // The same name at another provider is another model. A cost that the vendor reported is known.
    let mut execution = ledger.begin(skill());
    execution.record_call(&Call::new("claude-opus-4-55", Usage::new(1, 1)).provider("anthropic"));
    execution.record_call(&Call::new("our-model", Usage::new(1, 1)).reported_usd(Usd::ZERO));
    assert_eq!(heard.take().len(), 1);
    execution.record_estimate(&Call::new("our-model", Usage::new(1, 1)));
    execution.record_estimate(&Call::new("our-model", Usage::new(1, 1)));
    assert_eq!(heard.take().len(), 1);
    execution.succeed();

    // Another ledger has its own warnings.
    let other = heard.options().open(place.path().with_file_name("other.jsonl")).unwrap();
    call(&other, "claude-opus-4-55");
    assert_eq!(heard.take(), warnings[..1]);
}

#[test]
fn a_part_without_a_price_is_reported_too() {
    let (place, heard) = (Place::new(), Heard::default());
    let ledger = heard.options().open(place.path()).unwrap();
    let mut execution = ledger.begin(skill());
    let usage = Usage::new(0, 0).with(runledger::metrics::Meter::AudioMs, 9_000);
    for _ in 0..2 {
        assert_eq!(execution.record_usage("gpt-4", usage), None);
    }
    let warnings = heard.take();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = "the cost of a call is unknown: cannot price the usage of \"gpt-4\": the table has no audio_hour price";
    assert!(warnings[0].starts_with(text), "{warnings:?}");
}

/// A program that invents new names all the time does not fill the memory, and does not flood its user with warnings.
#[test]
fn at_most_256_models_are_reported() {
    let (place, heard) = (Place::new(), Heard::default());
    let ledger = heard.options().open(place.path()).unwrap();
    let mut execution = ledger.begin(skill());
    for _ in 0..2 {
        for number in 0..300 {
            execution.record_usage(&format!("made-up-{number}{}", "x".repeat(1_000)), Usage::new(1, 1));
        }
    }
    assert_eq!(heard.take().len(), 256);
}

#[test]
fn fail_with_sets_the_category_the_code_and_the_reason() {
    let place = Place::new();
    let ledger = place.open();
    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
    let mut execution = ledger.begin(skill());
    execution.record_mut().error_category = Some(ErrorCategory::Logic); // the last one counts
    execution.fail_with(ErrorCategory::Timeout, -110, &error);
    let id = ledger.begin_detached(skill(), |_| ()).unwrap().execution_id;
    ledger.resume(id).unwrap().fail_with(ErrorCategory::Timeout, -110, &error).unwrap();
    for record in ledger.reader().records().map(Result::unwrap) {
        let failure = (record.status, record.error_category, record.error_code, record.error_reason.as_deref());
        assert_eq!(failure, (Some(Status::Failed), Some(ErrorCategory::Timeout), Some(-110), Some("timed out")));
    }
}
