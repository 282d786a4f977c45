//! Promise: however an execution ends, it has exactly one record, and the skill's own result is unchanged.
//!
//! `benches/overhead.rs` measures how much longer a skill of 10 ms takes with its record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runledger::metrics::{Call, CostSource, CostTier, ErrorCategory, RunIds, Status};
use runledger::{Answer, Execution, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, Usage, Usd};

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        Self { _directory: directory, path, ledger }
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        self.ledger.reader().records().map(Result::unwrap).collect()
    }

    fn only(&self) -> ExecutionMetrics {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        assert!(LedgerReader::open(&self.path).unwrap().verify(&[]).unwrap().is_clean());
        records.remove(0)
    }
}

fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

/// Every execution has one record, whether it succeeds or fails.
#[test]
fn success_and_failure_each_leave_one_record() {
    let place = Place::new();
    let done = place.ledger.run(skill(), |_| Ok::<_, String>(7));
    assert_eq!(done.result, Ok(7));
    assert!(matches!(done.record.answer, Answer::Durable { seq: 1 }));
    let done = place.ledger.run(skill(), |_| Err::<u8, _>("remote rejected"));
    assert_eq!(done.result, Err("remote rejected"));
    assert!(matches!(done.record.answer, Answer::Durable { seq: 2 }));

    let records = place.records();
    let outcome = |r: &ExecutionMetrics| (r.status.clone(), r.execution_succeeded, r.execution_failed);
    assert_eq!(outcome(&records[0]), (Some(Status::Success), Some(true), Some(false)));
    assert_eq!(outcome(&records[1]), (Some(Status::Failed), Some(false), Some(true)));
    assert_eq!(records[1].error_reason.as_deref(), Some("remote rejected"));
    assert_eq!(records[1].error_category, Some(ErrorCategory::Unknown));
    assert_eq!(records.len(), 2);
}

/// A panic is recorded, and continues.
#[test]
fn a_panic_is_recorded_and_continues() {
    let place = Place::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        place
            .ledger
            .run(skill(), |_| -> Result<(), String> { panic!("index {} is out of bounds", std::hint::black_box(9)) })
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<String>().map(String::as_str), Some("index 9 is out of bounds"));
    let record = place.only();
    assert_eq!(record.status, Some(Status::Panicked));
    assert_eq!(record.execution_failed, Some(true));
    assert_eq!(record.error_reason.as_deref(), Some("panicked: index 9 is out of bounds"));
}

#[test]
fn a_guard_that_unwinds_is_recorded_as_panicked() {
    let place = Place::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _run = place.ledger.begin(skill());
        panic!("elsewhere");
    }));
    assert!(unwound.is_err());
    assert_eq!(place.only().status, Some(Status::Panicked));
}

/// A second panic that leaves a drop would abort the process.
#[test]
fn a_hook_that_panics_during_a_panic_does_not_abort() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().on_warning(|error| panic!("{error}")).open(&path).unwrap();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let mut run = ledger.begin(skill());
        run.record_mut().quality_score = Some(7.0); // refused, which is a warning
        panic!("elsewhere");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"elsewhere"));
    let records: Vec<_> = LedgerReader::open(&path).unwrap().records().map(Result::unwrap).collect();
    assert_eq!((records.len(), &records[0].status), (1, &Some(Status::Panicked)));
    // Otherwise the panic of a hook is a panic of the call.
    let mut run = ledger.begin(skill());
    run.record_mut().quality_score = Some(7.0);
    assert!(catch_unwind(AssertUnwindSafe(|| run.succeed())).is_err());
}

#[test]
fn a_guard_dropped_early_is_recorded_as_cancelled() {
    fn early(ledger: &Ledger) -> Option<u8> {
        let run = ledger.begin(skill());
        let nothing: Option<u8> = None;
        let value = nothing?;
        let _ = run.succeed();
        Some(value)
    }
    let place = Place::new();
    assert_eq!(early(&place.ledger), None);
    let record = place.only();
    assert_eq!((record.status, record.execution_failed), (Some(Status::Cancelled), Some(true)));
}

/// The latency is within 10 % of the wall-clock time, and the steps build `skill_path_in_dag`.
#[test]
fn steps_are_timed_and_build_the_path() {
    let place = Place::new();
    let done = place.ledger.run(skill(), |run| {
        for step in ["rules-engine", "auth-validator", "executor"] {
            run.enter(step);
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok::<_, String>(())
    });
    assert!(done.record.is_durable());
    let record = place.only();
    assert_eq!(
        record.skill_path_in_dag.as_deref(),
        Some("git-push-autonomous -> rules-engine -> auth-validator -> executor")
    );
    let (latency, wall) = (record.total_latency_ms.unwrap(), record.wall_clock_time_ms.unwrap());
    assert!(latency >= 90 && latency <= wall, "{latency} of {wall}");
    assert!(latency * 10 >= wall * 9, "{latency} is not within 10 % of {wall}");
    let steps: u64 = record.trace.steps.iter().map(|step| step.duration_ms.unwrap()).sum();
    assert!(steps.abs_diff(latency) <= 2, "steps add up to {steps}, not to {latency}");
    let times = record.timestamp_end.unwrap().unix_ms() - record.timestamp_start.unix_ms();
    assert_eq!(u64::try_from(times).unwrap(), wall);
}

#[test]
fn time_between_steps_is_not_latency() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    run.enter("fast");
    run.leave();
    std::thread::sleep(Duration::from_millis(30));
    assert!(run.succeed().is_durable());
    let record = place.only();
    assert!(record.total_latency_ms.unwrap() + 25 <= record.wall_clock_time_ms.unwrap());
}

#[test]
fn a_child_has_its_parent_and_its_run() {
    let place = Place::new();
    let mut parent = place.ledger.begin(Skill::new("orchestrator", "1.0.0").run(RunIds::new("run-7")));
    parent.enter("plan");
    let mut child = parent.child(skill());
    child.enter("executor");
    let parent_id = parent.id();
    assert!(child.succeed().is_durable());
    assert!(parent.succeed().is_durable());

    let records = place.records();
    assert_eq!(records[0].run.parent_execution_id, Some(parent_id));
    assert_eq!(records[0].run.run_id.as_deref(), Some("run-7"));
    assert_eq!(
        records[0].skill_path_in_dag.as_deref(),
        Some("orchestrator -> plan -> git-push-autonomous -> executor")
    );
    assert_eq!(records[1].execution_id, parent_id);
    assert_eq!(records[1].run.parent_execution_id, None);
}

#[test]
fn a_child_that_panics_within_a_closure_leaves_its_message() {
    let place = Place::new();
    let parent = place.ledger.begin(Skill::new("orchestrator", "1.0.0"));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        parent.run(skill(), |_| -> Result<(), String> { panic!("nested {}", std::hint::black_box(1)) });
    }));
    assert!(unwound.is_err());
    let parent_id = parent.id();
    assert!(parent.succeed().is_durable());
    let records = place.records();
    assert_eq!(records[0].error_reason.as_deref(), Some("panicked: nested 1"));
    assert_eq!(records[0].run.parent_execution_id, Some(parent_id));
    assert_eq!(records[1].status, Some(Status::Success));
}

#[test]
fn usage_is_priced_and_added_up_call_by_call() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    run.record_usage("gpt-4", Usage::new(1_000, 500));
    run.record_usage("free-tier-model", Usage::new(10, 5).cache_read(4));
    assert!(run.succeed().is_durable());
    let record = place.only();
    assert_eq!((record.tokens_input, record.tokens_output, record.tokens_used), (Some(1_010), Some(505), Some(1_515)));
    assert_eq!(record.cost_usd, Some("0.06".parse::<Usd>().unwrap()));
    assert_ne!(record.cost_tier, Some(CostTier::Free));
    assert_eq!(record.model.parts.cache_read, Some(4));
    let calls: Vec<_> = record.trace.llm_calls.iter().map(|call| (call.call_sequence, call.cost_usd)).collect();
    assert_eq!(calls, [(1, Some("0.06".parse().unwrap())), (2, Some(Usd::ZERO))]);
}

#[test]
fn each_call_has_the_source_of_its_cost_and_the_record_has_what_they_share() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    let million = Usage::new(1_000_000, 0);
    run.record_call(&Call::new("o3", million).variant("service_tier", "flex"));
    run.record_call(&Call::new("gpt-4.1", million).provider("azure"));
    run.record_call(&Call::new("house-model", million.cache_read(10)).reported_usd("0.123456789".parse().unwrap()));
    assert!(run.succeed().is_durable());
    let record = place.only();
    let calls: Vec<_> = record
        .trace
        .llm_calls
        .iter()
        .map(|call| {
            let cost = &call.cost;
            let texts = (cost.provider.as_deref(), cost.matched.as_deref(), cost.variant.as_deref());
            (call.provider.as_deref(), call.cost_usd.unwrap().to_string(), cost.source.clone().unwrap(), texts)
        })
        .collect();
    let (computed, reported) = (CostSource::Computed, CostSource::Reported);
    assert_eq!(
        calls,
        [
            (None, "1".to_owned(), computed.clone(), (Some("openai"), Some("o3"), Some("service_tier=flex"))),
            (Some("azure"), "2".to_owned(), computed, (Some("openai"), Some("gpt-4.1"), None)),
            (None, "0.123456789".to_owned(), reported, (None, None, None)),
        ]
    );
    assert_eq!(record.trace.llm_calls[0].variant["service_tier"], "flex");
    assert_eq!(record.trace.llm_calls[2].parts.cache_read, Some(10));
    assert!(record.trace.llm_calls[0].cost.at.is_some_and(|at| at >= record.timestamp_start));
    assert_eq!(record.cost_usd, Some("3.12345679".parse().unwrap()));
    // The sum is computed in part, from several rows.
    let cost = &record.cost;
    assert_eq!((&cost.source, &cost.table, &cost.matched), (&Some(CostSource::Computed), &None, &None));
    assert_eq!((record.model.name.as_deref(), record.model.provider), (Some("house-model"), None));
}

#[test]
fn the_cost_of_an_execution_is_rounded_once() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    // Each cost is $0.000000075. One alone is 0.00000008 to 8 decimals.
    let each: Vec<_> = (0..1_000).map(|_| run.record_usage("gpt-4o-mini", Usage::new(1, 0).cache_read(1))).collect();
    assert!(each.iter().all(|cost| *cost == Some("0.000000075".parse().unwrap())));
    assert!(run.succeed().is_durable());
    assert_eq!(place.only().cost_usd, Some("0.000075".parse().unwrap()));
}

#[test]
fn a_call_is_priced_at_its_own_time() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    let then = "2025-06-09T23:59:59Z".parse().unwrap();
    assert_eq!(run.record_call(&Call::new("o3", Usage::new(1_000_000, 0)).at(then)), Some("10".parse().unwrap()));
    assert!(run.succeed().is_durable());
    assert_eq!(place.only().cost.at, Some(then));
}

/// If the record is priced again, no call gets the provider or the variant of a later call.
#[test]
fn calls_of_one_model_cost_the_same_when_they_are_priced_again() {
    let million = Usage::new(1_000_000, 0);
    let plain = Call::new("o3", million);
    let flex = plain.clone().provider("openai").variant("service_tier", "flex");
    for calls in [[&plain, &flex], [&flex, &plain], [&flex, &flex], [&plain, &plain]] {
        let place = Place::new();
        let mut run = place.ledger.begin(skill());
        calls.iter().for_each(|call| _ = run.record_call(call));
        assert!(run.succeed().is_durable());
        let recorded = place.only();
        let mut again = recorded.clone();
        runledger::PriceTable::bundled().unwrap().recompute_costs(&mut again);
        assert_eq!(again, recorded);
    }
}

/// The values of the impossible call are not used. They make the sums unknown, and the rest of the record stays.
#[test]
fn an_impossible_call_has_an_unknown_cost() {
    let below = Call::new("gpt-4", Usage::new(1, 1)).reported_usd("-0.5".parse().unwrap());
    for bad in [Call::new("gpt-4", Usage::new(100, 0).cache_read(200)), below] {
        let warnings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&warnings);
        let place = Place::new();
        let options = Options::new().on_warning(move |_| _ = counted.fetch_add(1, Ordering::Relaxed));
        let ledger = options.open(place.path.with_file_name("other.jsonl")).unwrap();
        let mut run = ledger.begin(skill());
        run.enter("think");
        assert_eq!(run.record_usage("gpt-4", Usage::new(1_000, 500)), Some("0.06".parse().unwrap()));
        assert_eq!(run.record_call(&bad), None);
        assert_eq!(run.record_usage("gpt-4", Usage::new(1_000, 500)), Some("0.06".parse().unwrap()));
        assert!(run.succeed().is_durable());
        let record = ledger.reader().records().next().unwrap().unwrap();
        assert_eq!((record.cost_usd, record.tokens_used, record.model.name.as_deref()), (None, None, Some("gpt-4")));
        assert_eq!((record.trace.llm_calls.len(), record.trace.steps.len()), (3, 1));
        assert_eq!(record.trace.llm_calls[1].cost_usd, None);
        assert_eq!(warnings.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn an_estimate_is_apart_from_the_cost_and_unknown_if_one_call_is() {
    let known = || Call::new("gpt-4", Usage::new(1_000, 500));
    let unknown = || Call::new("gpt-nobody-knows", Usage::new(1, 1));
    for (estimates, expected) in [
        (vec![known(), known()], Some("0.12")),
        (vec![known(), unknown()], None),
        (vec![unknown(), known()], None),
        (vec![], None),
    ] {
        let place = Place::new();
        let mut run = place.ledger.begin(skill());
        estimates.iter().for_each(|call| run.record_estimate(call));
        run.record_usage("gpt-4", Usage::new(1_000, 250));
        assert!(run.succeed().is_durable());
        let record = place.only();
        assert_eq!(record.cost.estimated_usd, expected.map(|amount| amount.parse().unwrap()), "{estimates:?}");
        assert_eq!(record.cost_usd, Some("0.045".parse().unwrap()));
        assert_eq!(record.cost.matched.as_deref(), Some("gpt-4"));
    }
}

/// One call without a price makes the whole cost unknown. It is never zero, and never the sum of the others.
#[test]
fn a_call_without_a_price_makes_the_cost_unknown() {
    for models in [["gpt-4", "gpt-nobody-knows"], ["gpt-nobody-knows", "gpt-4"]] {
        let place = Place::new();
        let mut run = place.ledger.begin(skill());
        for model in models {
            run.record_usage(model, Usage::new(1_000, 500));
        }
        assert!(run.succeed().is_durable());
        let record = place.only();
        assert_eq!((record.cost_usd, record.cost_tier), (None, Some(CostTier::Unknown)), "{models:?}");
        assert_eq!(record.cost.source.map(|source| source.to_string()).as_deref(), Some("unknown"));
        assert_eq!(record.tokens_used, Some(3_000));
    }
}

/// A skill that sets a field to an impossible value has a record nevertheless, with the reasons.
#[test]
fn impossible_fields_are_left_out_and_reported() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    run.record_mut().confidence_score = Some(f64::NAN);
    run.record_mut().tokens_input = Some(1);
    run.record_mut().tokens_output = Some(1);
    run.record_mut().tokens_used = Some(3);
    let recorded = run.succeed();
    assert_eq!(recorded.refused.as_ref().unwrap().details().len(), 2, "{recorded:?}");
    let record = place.only();
    assert_eq!((record.execution_succeeded, record.confidence_score), (Some(true), None));
    assert_eq!(record.tags["refused"].as_array().unwrap().len(), 2);
}

#[test]
fn the_guard_can_cross_an_await_and_a_thread() {
    fn is_send<T: Send>(_: &T) {}
    let place = Place::new();
    let run: Execution = place.ledger.begin(skill());
    is_send(&run);
    std::thread::spawn(move || assert!(run.succeed().is_durable())).join().unwrap();
    assert_eq!(place.only().status, Some(Status::Success));
}

#[test]
fn every_record_has_the_values_of_the_options() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Options::new()
        .operator("nightly-agent")
        .orchestrator_version("9.9.9")
        .environment(runledger::metrics::Environment::Staging)
        .open(directory.path().join("l.jsonl"))
        .unwrap();
    assert!(ledger.begin(skill()).succeed().is_durable());
    let record = ledger.reader().records().next().unwrap().unwrap();
    assert_eq!(record.operator, "nightly-agent");
    assert_eq!(record.orchestrator_version.as_deref(), Some("9.9.9"));
    assert_eq!(record.environment.as_str(), "staging");
}

/// `runledger run` stops the clock when the command ends, and then waits for the last output.
#[test]
fn time_after_the_clock_was_stopped_does_not_count() {
    let place = Place::new();
    let begun = std::time::Instant::now();
    let mut execution = place.ledger.begin(skill());
    execution.enter("work");
    execution.stop_clock();
    let most = begun.elapsed().as_millis() as u64 + 1;
    std::thread::sleep(Duration::from_millis(20) + begun.elapsed());
    execution.stop_clock();
    assert!(execution.succeed().is_durable());
    let record = place.only();
    assert!(record.wall_clock_time_ms <= Some(most), "{:?} of {most}", record.wall_clock_time_ms);
    assert!(record.trace.steps[0].duration_ms <= Some(most) && record.total_latency_ms <= Some(most), "{record:?}");
    let end = record.timestamp_start.plus_ms(record.wall_clock_time_ms.unwrap());
    assert_eq!(record.timestamp_end, Some(end));
}

/// An execution that a guard records may have a blank name, also if its process dies. A blank name is refused in a
/// record that was made elsewhere, and when a detached execution begins.
#[test]
fn a_skill_without_a_name_is_recorded_as_unnamed() {
    for blank in ["", " \t\n"] {
        let place = Place::new();
        let recorded = place.ledger.begin(Skill::new(blank, blank)).succeed();
        assert!(matches!(recorded.answer, Answer::Durable { seq: 1 }), "{recorded:?}");
        let reasons = [
            format!("skill_name: expected a name, found {blank:?}"),
            format!("skill_version: expected a name, found {blank:?}"),
        ];
        assert_eq!(recorded.refused.unwrap().details(), reasons);
        let record = place.only();
        assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("unnamed", "unknown"));
        assert_eq!(record.tags["refused"], serde_json::json!(reasons));
        assert_eq!((record.status.clone(), record.validate().is_ok()), (Some(Status::Success), true));

        let mut elsewhere = record;
        elsewhere.skill_name = blank.to_owned();
        assert_eq!(place.ledger.append(&elsewhere).unwrap_err().details(), &reasons[..1]);
        let error = place.ledger.begin_detached(Skill::new(blank, "1"), |_| ()).unwrap_err();
        assert_eq!(error.details(), &reasons[..1]);
        assert_eq!(place.records().len(), 1);
    }
}

/// A begin mark in a copy of the directory belongs to a dead process, since no process holds the lock of its file.
#[test]
fn an_interrupted_skill_without_a_name_is_recorded_as_unnamed() {
    let place = Place::new();
    let _run = place.ledger.begin(Skill::new("", "1.0.0"));
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(place.path.parent().unwrap()).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    let ledger = Ledger::open(copy.path().join("logs/execution_metrics.jsonl")).unwrap();
    let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("unnamed", "1.0.0"));
    assert_eq!(record.tags["refused"], serde_json::json!(["skill_name: expected a name, found \"\""]));
    assert_eq!((record.status.clone(), record.validate().is_ok()), (Some(Status::Interrupted), true));
}

#[test]
fn the_sum_of_the_tokens_is_derived_at_the_end_of_an_execution() {
    let place = Place::new();
    let mut run = place.ledger.begin(skill());
    (run.record_mut().tokens_input, run.record_mut().tokens_output) = (Some(3), Some(4));
    run.succeed();
    assert_eq!(place.only().tokens_used, Some(7));
    let id = place.ledger.begin_detached(skill(), |record| record.tokens_input = Some(5)).unwrap().execution_id;
    let mut execution = place.ledger.resume(id).unwrap();
    execution.record_mut().tokens_output = Some(6);
    assert_eq!(execution.complete(Status::Success).unwrap().record.tokens_used, Some(11));
}
