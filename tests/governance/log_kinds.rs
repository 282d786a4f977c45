//! Promise: one call records a routing decision, a generation attempt, a quality control or a budget check, however it
//! ends. The record is a child of the execution that made the call.
//!
//! The run logger's logging rules are quoted where they are tested.

use std::panic::{AssertUnwindSafe, catch_unwind};

use runledger::cost::{CostBy, Report};
use runledger::governance::{Gate, GateVerdict};
use runledger::metrics::{Attempt, QcResult, Routing};
use runledger::metrics::{Call, CostTier, Decision, Kind, QcOutcome, RunIds, Status};
use runledger::quota::{Budget, Limits};
use runledger::{Execution, ExecutionMetrics, Grant, Ledger, LedgerReader, Skill, Usage, Usd};

struct Place {
    directory: tempfile::TempDir,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("log.jsonl")).unwrap();
        Self { directory, ledger }
    }

    fn run(&self) -> Execution {
        self.ledger.begin(skill("pipeline").run(RunIds::new("run-7").parent_run("run-6")))
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        self.ledger.reader().records().map(Result::unwrap).collect()
    }

    fn only(&self, run: &Execution) -> ExecutionMetrics {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        let record = records.remove(0);
        assert_eq!(record.run.parent_execution_id, Some(run.id()));
        assert_eq!(record.run.run_id.as_deref(), Some("run-7"));
        assert_eq!(record.run.parent_run_id.as_deref(), Some("run-6"));
        record
    }

    fn budget(&self, api: &str) -> Budget {
        let limits = r#"[{"api": "studio", "limit": 1, "unit": "usd", "period": "day", "source": "us",
                          "as_of": "2026-11-20"},
                         {"api": "open", "limit": 1, "unit": "usd", "period": "day", "source": "us",
                          "as_of": "2026-11-20", "unknown": "allow"},
                         {"api": "render", "limit": 9, "unit": "calls", "period": "day", "source": "us",
                          "as_of": "2026-11-20"}]"#;
        self.ledger.quota(Limits::from_json(limits).unwrap()).unwrap().budget(api).unwrap()
    }
}

/// Returns the models in a cost report of the record.
fn used_models(record: &ExecutionMetrics) -> Vec<Option<String>> {
    let mut report = Report::new(CostBy::Model);
    report.add(record).unwrap();
    report.groups().map(|(model, _)| model.map(str::to_owned)).collect()
}

fn skill(name: &str) -> Skill {
    Skill::new(name, "1.0.0")
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// "No model routing without log entry": one call, and no model counts as used by it.
#[test]
fn no_model_routing_without_log_entry() {
    let place = Place::new();
    let run = place.run();
    let decision = Routing::new("image-2", "premium").reason("a face").estimated_usd(usd("0.5"));
    let done = run.routing(skill("model-router"), |_| Ok::<_, String>(decision.clone()));
    assert!(done.record.is_durable());
    assert_eq!(done.result, Ok(decision));

    let record = place.only(&run);
    assert_eq!((&record.kind, &record.status), (&Kind::ModelRouting, &Some(Status::Success)));
    assert_eq!((record.model.name.as_deref(), record.model.tier.as_deref()), (Some("image-2"), Some("premium")));
    assert_eq!((record.cost.estimated_usd, record.cost_usd), (Some(usd("0.5")), None));
    assert_eq!(used_models(&record), [None::<String>; 0]);
    let mut because = Decision::new("model", "image-2");
    because.reason = Some("a face".to_owned());
    assert_eq!((record.decision_made.as_deref(), record.trace.decisions), (Some("image-2"), vec![because]));
}

/// A router that calls a model itself used that model, and chose another.
#[test]
fn a_routers_own_call_is_its_cost() {
    let place = Place::new();
    let run = place.run();
    let done = run.routing(skill("model-router"), |run| {
        run.record_call(&Call::new("gpt-4", Usage::new(1000, 0)).reported_usd(usd("0.03")));
        Ok::<_, String>(Routing::new("image-2", "premium"))
    });
    assert!(done.record.is_durable());
    let record = place.only(&run);
    assert_eq!((record.model.name.as_deref(), record.cost_usd), (Some("image-2"), Some(usd("0.03"))));
    assert_eq!((record.model.provider.as_deref(), record.trace.llm_calls[0].cost_usd), (None, record.cost_usd));
    assert_eq!(used_models(&record), [Some("gpt-4".to_owned())]);
}

/// "After every generation attempt."
#[test]
fn no_generation_attempt_without_log_entry() {
    let place = Place::new();
    let run = place.run();
    let attempt = Attempt::new(1).scene("scene-2").shot("shot-004").shot_type("close-up").tier("premium");
    let done = run.generation(skill("renderer"), &attempt, |run| {
        run.record_call(&Call::new("image-2", Usage::new(900, 0)).reported_usd(usd("0.5")));
        run.record_mut().production.duration_s = Some(4.0);
        Ok::<_, String>("shot-004_v002.png")
    });
    assert!(done.record.is_durable());
    assert_eq!(done.result, Ok("shot-004_v002.png"));

    let record = place.only(&run);
    assert_eq!((&record.kind, record.cost_usd), (&Kind::Generation, Some(usd("0.5"))));
    assert_eq!((record.model.name.as_deref(), record.model.tier.as_deref()), (Some("image-2"), Some("premium")));
    assert_eq!(record.cost_tier, Some(CostTier::Unknown));
    let made = &record.production;
    assert_eq!((made.regen_count, made.duration_s), (Some(1), Some(4.0)));
    assert_eq!(made.artifact.as_deref(), Some("shot-004_v002.png"));
    assert_eq!((made.scene_id.as_deref(), made.shot_id.as_deref()), (Some("scene-2"), Some("shot-004")));
    assert_eq!((made.shot_type.as_deref(), &made.outcome), (Some("close-up"), &None));
}

/// "No QC result without log entry": the control's finding is not its own success.
#[test]
fn no_qc_result_without_log_entry() {
    let place = Place::new();
    let run = place.run();
    let found = QcResult::new(QcOutcome::Fail, "shot-004_v002.png").violation("six fingers").violation("a,\"b\"\n");
    let found = found.drift("style").of(&Attempt::new(1).scene("scene-2").shot("shot-004").tier("premium"));
    let done = run.qc(skill("qc-grader"), |_| Ok::<_, String>(found.clone()));
    assert!(done.record.is_durable());
    assert_eq!(done.result, Ok(found));

    let record = place.only(&run);
    assert_eq!((&record.kind, record.execution_succeeded), (&Kind::Qc, Some(true)));
    let found = &record.production;
    assert_eq!((&found.outcome, found.artifact.as_deref()), (&Some(QcOutcome::Fail), Some("shot-004_v002.png")));
    assert_eq!(found.qc_violations, ["six fingers", "a,\"b\"\n"]);
    // The control does not take the attempt's count and tier.
    assert_eq!((found.drift_category.as_deref(), found.regen_count, record.model.tier), (Some("style"), None, None));
    assert_eq!((found.scene_id.as_deref(), found.shot_id.as_deref()), (Some("scene-2"), Some("shot-004")));
}

/// "No budget decision without log entry": granted and denied, in dollars and in calls.
#[test]
fn no_budget_decision_without_log_entry() {
    let place = Place::new();
    let run = place.run();
    let budget = place.budget("studio");
    let held = run.budget_gate(skill("budget-gates"), |_| budget.reserve(Some(usd("0.75"))));
    let denied = run.budget_gate(skill("budget-gates"), |_| budget.reserve(Some(usd("0.5"))));
    assert!(held.record.is_durable() && denied.record.is_durable());
    assert!(matches!((held.result, denied.result), (Ok(Grant::Held(_)), Ok(Grant::Denied(_)))));
    let quota = place.ledger.quota(Limits::bundled()).unwrap();
    let counted = run.budget_gate(skill("budget-gates"), |_| quota.reserve("github-rest", Some(3)));
    assert!(counted.result.is_ok());
    let open = place.budget("open");
    let unknown = run.budget_gate(skill("budget-gates"), |_| open.reserve(None));
    assert!(unknown.result.is_ok());
    let unpriced = run.budget_gate(skill("budget-gates"), |_| budget.reserve(None));
    assert!(unpriced.result.is_ok());

    let listed = place.records().into_iter().map(|record| {
        assert_eq!((&record.kind, record.execution_succeeded), (&Kind::BudgetGate, Some(true)));
        let reason = record.trace.decisions[0].reason.clone().unwrap();
        (record.decision_made.unwrap(), record.cost.estimated_usd, reason.split(" until").next().unwrap().to_owned())
    });
    let listed: Vec<_> = listed.collect();
    let expected = |decision: &str, usd: Option<Usd>, reason: &str| (decision.to_owned(), usd, reason.to_owned());
    assert_eq!(
        listed,
        [
            expected("APPROVE", Some(usd("0.75")), "0.75 reserved"),
            expected("BLOCK", Some(usd("0.5")), "studio: 0.5 usd denied: 0.25 left"),
            expected("APPROVE", None, "3 reserved"),
            // An unknown cost is not an estimate of 0.
            expected("APPROVE", None, "nothing reserved"),
            expected("BLOCK", None, "studio: a call of unknown cost denied: the limit denies unknown amounts"),
        ]
    );
}

/// "No skill execution without log entry": each leaves a record when it fails, and when it panics.
#[test]
fn failures_and_panics_leave_their_records() {
    let place = Place::new();
    let run = place.run();
    let attempt = || Attempt::new(2).shot("shot-004");
    let failed = run.generation(skill("renderer"), &attempt(), |_| Err::<String, _>("no capacity"));
    assert_eq!(failed.result, Err("no capacity"));
    assert!(failed.record.is_durable());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run.generation(skill("renderer"), &attempt(), |_| -> Result<String, String> { panic!("out of memory") })
    }));
    assert!(panicked.is_err());
    assert!(run.qc(skill("qc-grader"), |_| Err::<QcResult, _>("unreadable")).record.is_durable());
    assert!(run.routing(skill("model-router"), |_| Err::<Routing, _>("no model")).record.is_durable());
    assert!(run.budget_gate(skill("budget-gates"), |_| Err::<Grant, _>("no journal")).record.is_durable());

    let ends: Vec<_> = place.records().into_iter().map(|record| (record.kind, record.status.unwrap())).collect();
    let failed = |kind| (kind, Status::Failed);
    let panicked = (Kind::Generation, Status::Panicked);
    let rest = [failed(Kind::Qc), failed(Kind::ModelRouting), failed(Kind::BudgetGate)];
    assert_eq!(ends, [vec![failed(Kind::Generation), panicked], rest.to_vec()].concat());
    // What was known before the failure is recorded.
    let first = &place.records()[0].production;
    assert_eq!((first.regen_count, first.shot_id.as_deref(), &first.artifact), (Some(2), Some("shot-004"), &None));
}

/// A guard that lives across an `.await` cannot use a closure. It takes the same facts through `fill`.
#[test]
fn a_guard_takes_the_same_facts() {
    let place = Place::new();
    let run = place.run();
    let mut control = run.child(skill("qc-grader").kind(Kind::Qc));
    QcResult::new(QcOutcome::Pass, "shot-004_v002.png").fill(control.record_mut());
    assert!(control.succeed().is_durable());
    let record = place.only(&run);
    assert_eq!((record.kind, record.production.outcome), (Kind::Qc, Some(QcOutcome::Pass)));
}

/// "Regen attempts", "Model routing decisions", "Budget status changes": a run that is logged only by these calls
/// passes its gate, and fails it while it is in flight.
#[test]
fn a_run_that_is_logged_by_these_calls_passes_its_gate() {
    let place = Place::new();
    let run = place.run();
    let budget = place.budget("studio");
    let path = place.directory.path().join("log.jsonl");
    let price = usd("0.25");
    let _hold = run.budget_gate(skill("budget-gates"), |_| budget.reserve(Some(price))).result.unwrap();
    let routing = Routing::new("image-2", "premium").estimated_usd(price);
    run.routing(skill("model-router"), |_| Ok::<_, String>(routing));
    for (attempt, outcome) in [(0, QcOutcome::Fix), (1, QcOutcome::Pass)] {
        let artifact = format!("shot-004_v{attempt}.png");
        let facts = Attempt::new(attempt).shot("shot-004").tier("premium");
        run.generation(skill("renderer"), &facts, |run| {
            run.record_call(&Call::new("image-2", Usage::new(900, 0)).reported_usd(price));
            Ok::<_, String>(artifact.clone())
        });
        run.qc(skill("qc-grader"), |_| Ok::<_, String>(QcResult::new(outcome, &artifact)));
    }
    let judge = || {
        let begun: Vec<_> = LedgerReader::open(&path)
            .unwrap()
            .in_flight()
            .unwrap()
            .executions
            .into_iter()
            .map(|begun| begun.record)
            .collect();
        let faults: Vec<String> = LedgerReader::open(&path)
            .unwrap()
            .verify(&[])
            .unwrap()
            .faults
            .iter()
            .map(|fault| fault.found.clone())
            .collect();
        Gate::new("run-7").judge(&begun, LedgerReader::open(&path).unwrap().records(), faults).unwrap()
    };
    let report = judge();
    assert_eq!((report.verdict, report.in_flight), (GateVerdict::Fail, 1));
    assert!(run.succeed().is_durable());
    let report = judge();
    assert_eq!((report.verdict, report.executions, report.reasons), (GateVerdict::Pass, 7, vec![]));
}

/// A record whose invalid fields were left out still belongs to its run, so that the gate sees it.
#[test]
fn a_record_without_its_invalid_fields_still_belongs_to_its_run() {
    let place = Place::new();
    let run = place.run();
    let mut child = run.child(skill("renderer"));
    child.record_mut().confidence_score = Some(7.0);
    child.record_mut().run.trace_id = Some("no hex".to_owned());
    let recorded = child.succeed();
    assert!(recorded.is_durable() && recorded.refused.is_some());
    let record = place.only(&run);
    assert_eq!((record.confidence_score, record.run.trace_id), (None, None));
    assert_eq!(record.tags["refused"].as_array().unwrap().len(), 2);
}
