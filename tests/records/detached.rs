//! Promise: a detached execution belongs to no process. It is in flight until any process completes it. Then it has one
//! record, with everything that was recorded for it. If other processes also try to complete it, they change nothing.
//! `tests/durability/detached_crashes.rs` and `tests/cli/killed.rs` test crashes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Duration;

use crate::tree::in_memory;
use runledger::metrics::{LlmCall, Progress, RunIds, Status};
use runledger::{
    Answer, Error, ErrorKind, ExecutionMetrics, InFlight, Ledger, LedgerReader, Options, Skill, Timestamp, Uuid,
};
use tempfile::TempDir;

const START: &str = "2025-10-20T18:38:44.250Z";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(in_memory())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("execution_metrics.jsonl")
    }

    /// Opens the ledger like another process, `ms` milliseconds after the start.
    fn after(&self, ms: i64) -> Ledger {
        let now = Timestamp::from_unix_ms(time(START).unix_ms() + ms).unwrap();
        Options::new().clock(move || now).on_warning(|error| panic!("{error}")).open(self.path()).unwrap()
    }

    fn start(&self) -> Uuid {
        self.after(0).begin_detached(skill(), |_| ()).unwrap().execution_id
    }

    fn file(&self, id: Uuid) -> PathBuf {
        self.path().with_extension("ledger").join(format!("inflight/{id}.jsonl"))
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        assert!(LedgerReader::open(self.path()).unwrap().verify(&[]).unwrap().is_clean());
        LedgerReader::open(self.path()).unwrap().records().map(Result::unwrap).collect()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn skill() -> Skill {
    Skill::new("research", "1.0.0")
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Resumes an execution, fills its record and completes it.
fn complete(
    ledger: &Ledger,
    id: Uuid,
    status: Status,
    fill: impl FnOnce(&mut ExecutionMetrics),
) -> runledger::Result<runledger::Completed> {
    let mut execution = ledger.resume(id)?;
    fill(execution.record_mut());
    execution.complete(status)
}

/// Resumes an execution, fills its record and marks its progress.
fn progress(
    ledger: &Ledger,
    id: Uuid,
    stage: &str,
    percent: Option<f64>,
    fill: impl FnOnce(&mut ExecutionMetrics),
) -> runledger::Result<ExecutionMetrics> {
    let mut execution = ledger.resume(id)?;
    fill(execution.record_mut());
    execution.mark_progress(stage, percent).cloned()
}

#[test]
fn the_record_has_the_fields_of_the_start_the_progress_and_the_end() {
    let place = Place::new();
    let mut run = RunIds::default().agent("agent-research").session("s-1");
    let fill = |record: &mut ExecutionMetrics| _ = record.tags.insert("a".to_owned(), 1.into());
    let started = place.after(0).begin_detached(skill().run(run.clone()), fill).unwrap();
    let id = started.execution_id;
    run.correlation_id.clone_from(&started.run.correlation_id);
    assert!(run.correlation_id.as_ref().unwrap().parse::<Uuid>().is_ok());

    let mut expected = ExecutionMetrics::new(id, "research", "1.0.0", time(START));
    expected.skill_path_in_dag = Some("research".to_owned());
    expected.run = run;
    expected.tags = serde_json::from_str(r#"{"a":1}"#).unwrap();
    assert_eq!(started, expected);
    let flying = LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions;
    let [InFlight { record, owner_alive: None, .. }] = &flying[..] else { panic!("{flying:?}") };
    assert_eq!(record, &expected);

    place
        .after(1_000)
        .resume(id)
        .and_then(|mut execution| execution.mark_progress("gathering", Some(12.5)).cloned())
        .unwrap();
    let fill = |record: &mut ExecutionMetrics| _ = record.tags.insert("b".to_owned(), "2".into());
    let marked = progress(&place.after(2_000), id, "writing", None, fill).unwrap();
    expected.progress = Some(Progress::new("writing", time("2025-10-20T18:38:46.250Z")));
    expected.tags.insert("b".to_owned(), "2".into());
    assert_eq!(marked, expected);
    let flying = LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions;
    assert_eq!((&flying[0].record, flying[0].age_ms(time("2025-10-20T18:40:00Z"))), (&expected, Some(75_750)));

    let fill = |record: &mut ExecutionMetrics| {
        record.tags.insert("a".to_owned(), true.into());
        record.quality_score = Some(0.95);
    };
    let done = complete(&place.after(11_000), id, Status::Success, fill).unwrap();
    expected.tags.insert("a".to_owned(), true.into());
    expected.quality_score = Some(0.95);
    expected.timestamp_end = Some(time("2025-10-20T18:38:55.250Z"));
    (expected.wall_clock_time_ms, expected.total_latency_ms) = (Some(11_000), Some(11_000));
    expected.set_status(Status::Success);
    assert_eq!(done.record, expected);
    assert!(matches!(done.answer, Answer::Durable { seq: 1 }));
    assert_eq!(place.records(), [expected]);
    assert_eq!(LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions, []);
    assert!(!place.file(id).exists());
}

#[test]
fn completing_it_again_reports_how_it_ended() {
    let place = Place::new();
    let id = place.start();
    assert!(place.after(5).resume(id).and_then(|execution| execution.complete(Status::Cancelled)).is_ok());
    let again = place.after(9).resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Ended);
    assert_eq!(again.details(), [format!("{id} has ended already at 2025-10-20T18:38:44.255Z: cancelled")]);
    assert_eq!(
        kind(place.after(9).resume(id).and_then(|mut execution| execution.mark_progress("late", None).cloned())),
        ErrorKind::Ended
    );
    assert_eq!(place.records().len(), 1);
}

#[test]
fn an_unknown_id_is_refused_and_writes_nothing() {
    let place = Place::new();
    place.start();
    let before = fs::read_dir(place.path().with_extension("ledger").join("inflight")).unwrap().count();
    let ledger = place.after(0);
    let guarded = ledger.begin(skill());
    for id in [Uuid::nil(), Uuid::max(), guarded.id()] {
        assert_eq!(
            kind(ledger.resume(id).and_then(|execution| execution.complete(Status::Success))),
            ErrorKind::UnknownExecution
        );
        let refused =
            ledger.resume(id).and_then(|mut execution| execution.mark_progress("x", None).cloned()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnknownExecution);
        assert!(refused.to_string().contains(&format!("found no execution {id};")), "{refused}");
    }
    assert!(guarded.succeed().is_durable());
    drop(ledger);
    assert_eq!(fs::read_dir(place.path().with_extension("ledger").join("inflight")).unwrap().count(), before);
    assert_eq!(place.records().len(), 1);
}

#[test]
fn a_refused_record_is_not_written() {
    let place = Place::new();
    let ledger = place.after(0);
    assert_eq!(kind(ledger.begin_detached(Skill::new("", "1.0.0"), |_| ())), ErrorKind::Invalid);
    let too_large = |record: &mut ExecutionMetrics| {
        record.tags.insert("filler".to_owned(), "x".repeat(17 * 1024 * 1024).into());
    };
    assert_eq!(kind(ledger.begin_detached(skill(), too_large)), ErrorKind::Invalid);
    assert_eq!(LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions, []);

    let id = place.start();
    let before = fs::read(place.file(id)).unwrap();
    for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        let refused = ledger
            .resume(id)
            .and_then(|mut execution| execution.mark_progress("x", Some(percent)).cloned())
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(refused.details(), [format!("progress.percent: expected 0 to 100, found {percent}")]);
    }
    assert_eq!(kind(progress(&ledger, id, "x", None, too_large)), ErrorKind::Invalid);
    assert_eq!(kind(complete(&ledger, id, Status::Success, |r| r.quality_score = Some(1.5))), ErrorKind::Invalid);
    assert_eq!(fs::read(place.file(id)).unwrap(), before);
    assert_eq!(place.records(), []);
    assert!(ledger.resume(id).and_then(|mut execution| execution.mark_progress("x", Some(0.0)).cloned()).is_ok());
    assert!(ledger.resume(id).and_then(|mut execution| execution.mark_progress("x", Some(100.0)).cloned()).is_ok());
    assert!(complete(&ledger, id, Status::Success, |r| r.quality_score = Some(1.0)).is_ok());
}

#[test]
fn a_refused_progress_does_not_stay_in_the_record() {
    let place = Place::new();
    let mut execution = place.after(0).resume(place.start()).unwrap();
    execution.mark_progress("gathering", Some(50.0)).unwrap();
    assert_eq!(kind(execution.mark_progress("x", Some(150.0)).cloned()), ErrorKind::Invalid);
    let progress = execution.complete(Status::Success).unwrap().record.progress.unwrap();
    assert_eq!((progress.stage.as_str(), progress.percent), ("gathering", Some(50.0)));
}

#[test]
fn one_of_many_processes_completes_it_and_the_others_get_an_error() {
    const MANY: usize = 8;
    for _ in 0..10 {
        let place = Place::new();
        let (id, barrier) = (place.start(), Barrier::new(MANY));
        let try_it = |number: usize| {
            let ledger = place.after(number as i64);
            barrier.wait();
            match complete(&ledger, id, Status::Success, |record| record.quality_score = Some(number as f64 / 10.0)) {
                Ok(done) => Some(done.record),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Ended, "{error}");
                    None
                }
            }
        };
        let done: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..MANY).map(|number| scope.spawn(move || try_it(number))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(done.len(), 1);
        assert_eq!(place.records(), done);
    }
}

/// Progress is marked while the execution is completed. Either the record has the mark, or the call that marks progress
/// reports that the execution has ended.
#[test]
fn a_mark_beside_the_end_is_in_the_record_or_refused() {
    for _ in 0..20 {
        let place = Place::new();
        let (id, barrier) = (place.start(), Barrier::new(2));
        let (marked, done) = std::thread::scope(|scope| {
            let marking = scope.spawn(|| {
                let ledger = place.after(1);
                barrier.wait();
                ledger.resume(id).and_then(|mut execution| execution.mark_progress("last", None).cloned())
            });
            let ledger = place.after(2);
            barrier.wait();
            let done = ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap();
            (marking.join().unwrap(), done)
        });
        match marked {
            Ok(_) => assert_eq!(done.record.progress.as_ref().map(|progress| progress.stage.as_str()), Some("last")),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Ended);
                assert_eq!(done.record.progress, None);
            }
        }
        assert_eq!(place.records(), [done.record]);
    }
}

#[test]
fn waiting_too_long_for_another_process_is_a_timeout() {
    let place = Place::new();
    let id = place.start();
    let other = fs::File::open(place.file(id)).unwrap();
    other.lock().unwrap();
    let ledger = Options::new().lock_deadline(Duration::from_millis(50)).open(place.path()).unwrap();
    assert_eq!(
        kind(ledger.resume(id).and_then(|mut execution| execution.mark_progress("x", None).cloned())),
        ErrorKind::Timeout
    );
    assert_eq!(kind(ledger.resume(id).and_then(|execution| execution.complete(Status::Success))), ErrorKind::Timeout);
    other.unlock().unwrap();
    assert!(ledger.resume(id).and_then(|execution| execution.complete(Status::Success)).is_ok());
    assert_eq!(place.records().len(), 1);
}

#[test]
fn opening_the_ledger_does_not_sweep_it() {
    let place = Place::new();
    let id = place.start();
    let before = fs::read(place.file(id)).unwrap();
    assert_eq!(fs::metadata(place.file(id)).unwrap().permissions().mode() & 0o777, 0o600);
    for _ in 0..3 {
        assert!(place.after(400 * 24 * 60 * 60 * 1000).begin(skill()).succeed().is_durable());
    }
    assert_eq!(fs::read(place.file(id)).unwrap(), before);
    assert_eq!(LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions.len(), 1);
    assert!(place.records().iter().all(|record| record.execution_id != id));
}

#[test]
fn its_id_start_and_end_cannot_be_set_before_it_is_completed() {
    let place = Place::new();
    let ledger = place.after(0);
    let change = |record: &mut ExecutionMetrics| {
        record.execution_id = Uuid::max();
        record.timestamp_start = Timestamp::UNIX_EPOCH;
        record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
        record.set_status(Status::Failed);
    };
    let started = ledger.begin_detached(skill(), change).unwrap();
    let marked = progress(&ledger, started.execution_id, "x", None, change).unwrap();
    for record in [&started, &marked] {
        assert_eq!((record.execution_id, record.timestamp_start), (started.execution_id, time(START)));
        assert_eq!((record.timestamp_end, &record.status, record.execution_failed), (None, &None, None));
    }
    let done = complete(&ledger, started.execution_id, Status::Success, change).unwrap().record;
    assert_eq!(
        (done.execution_id, done.timestamp_start, done.status.clone()),
        (started.execution_id, time(START), Some(Status::Success))
    );
    assert_eq!(place.records(), [done]);
}

#[test]
fn a_clock_that_was_set_back_leaves_the_durations_unknown() {
    let place = Place::new();
    let id = place.start();
    let record = place.after(-1).resume(id).and_then(|execution| execution.complete(Status::Success)).unwrap().record;
    assert_eq!((record.wall_clock_time_ms, record.total_latency_ms), (None, None));
    assert_eq!(record.timestamp_end, Some(time(START)));
    let other = place.start();
    assert_eq!(
        LedgerReader::open(place.path()).unwrap().in_flight().unwrap().executions[0].age_ms(Timestamp::UNIX_EPOCH),
        None
    );
    let record = place.after(0).resume(other).and_then(|execution| execution.complete(Status::Success)).unwrap().record;
    assert_eq!(record.wall_clock_time_ms, Some(0));
}

/// Texts from agents are stored unchanged.
#[test]
fn awkward_text_is_kept() {
    let place = Place::new();
    let awkward = "a\nb|`c`,\"d\"\u{1b}[2J\u{2028}\0é".repeat(50);
    let started = place.after(0).begin_detached(Skill::new(&awkward, "1"), |_| ()).unwrap();
    let id = started.execution_id;
    place.after(1).resume(id).and_then(|mut execution| execution.mark_progress(&awkward, None).cloned()).unwrap();
    let done =
        complete(&place.after(2), id, Status::Failed, |record| record.set_error_reason(&awkward)).unwrap().record;
    assert_eq!((&done.skill_name, &done.progress.as_ref().unwrap().stage), (&awkward, &awkward));
    assert_eq!(place.records(), [done]);
}

/// Each process adds its calls, and the last one computes the cost.
#[test]
fn calls_of_several_processes_are_added_up() {
    let place = Place::new();
    let id = place.start();
    for (after, model) in [(1000, "gpt-4"), (2000, "o3")] {
        let mut execution = place.after(after).resume(id).unwrap();
        let mut call = LlmCall::new(1, model);
        (call.tokens_input, call.tokens_output, call.provider) = (Some(1000), Some(500), Some("openai".to_owned()));
        execution.record_mut().add_call(call);
        execution.mark_progress("calling", None).unwrap();
    }
    let ledger = place.after(3000);
    let mut execution = ledger.resume(id).unwrap();
    ledger.prices().unwrap().fill_costs(execution.record_mut());
    let record = execution.complete(Status::Success).unwrap().record;
    assert_eq!((record.tokens_used, record.cost_usd), (Some(3000), Some("0.066".parse().unwrap())));
    let sequence: Vec<_> = record.trace.llm_calls.iter().map(|call| call.call_sequence).collect();
    assert_eq!((sequence, record.model.name.as_deref()), (vec![1, 2], Some("o3")));
    assert_eq!(place.records(), [record]);
}

/// Unknown counts and overflows make the sums unknown. A call without a model keeps the model of the record.
#[test]
fn a_call_with_unknown_counts_makes_the_sums_unknown() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", time(START));
    let mut call = LlmCall::new(1, "gpt-4");
    (call.tokens_input, call.parts.cache_read) = (Some(10), Some(5));
    record.add_call(call);
    assert_eq!((record.tokens_input, record.tokens_output, record.tokens_used), (Some(10), None, None));
    assert_eq!(record.model.parts.cache_read, Some(5));
    let mut call = LlmCall::new(1, "");
    (call.tokens_input, call.tokens_output) = (Some(u64::MAX), Some(0));
    record.add_call(call);
    assert_eq!((record.tokens_input, record.tokens_output, record.tokens_used), (None, None, None));
    assert_eq!((record.model.name.as_deref(), record.model.parts.cache_read), (Some("gpt-4"), None));
}
