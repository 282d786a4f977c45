//! Records the work around a skill, with a method for each kind: routing decisions, attempts to generate something,
//! quality controls, and checks against a budget.

use std::fmt;

use super::{Done, Execution, Skill};
use crate::metrics::{Attempt, ExecutionMetrics, Kind, QcResult, Routing, Usd};
use crate::quota::{Amount, Grant, Unit};

/// Each of these methods runs `body` as a child of this execution, and records how the child ended. Each method gives
/// the child a different [`Kind`]. The child's record names this execution as its parent. The child belongs to the same
/// run, unless the given skill names another run. The record is written even if `body` fails or panics. The example
/// generates one image: it reserves money, chooses a model, calls the model, and checks the image.
///
/// ```
/// use runledger::metrics::{Attempt, Call, QcOutcome, QcResult, Routing, RunIds};
/// use runledger::quota::{Grant, Limits};
/// use runledger::{Ledger, Skill, Usage, Usd};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(path)?;
/// let limits = r#"[
///     {"api": "studio", "limit": 25, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-11-20"}
/// ]"#;
/// let budget = ledger.quota(Limits::from_json(limits)?)?.budget("studio")?;
/// let execution = ledger.begin(Skill::new("shot-pipeline", "1.0.0").run(RunIds::new("run-7")));
/// let worst: Usd = "0.5".parse()?;
///
/// let grant = execution.budget_gate(Skill::new("budget-gates", "1.0.0"), |_| budget.reserve(Some(worst))).result?;
/// let routing = Routing::new("image-2", "premium").reason("a face, close up").estimated_usd(worst);
/// let routed = execution.routing(Skill::new("model-router", "1.0.0"), |_| Ok::<_, String>(routing)).result?;
/// let attempt = Attempt::new(0).scene("scene-2").shot("shot-004").tier(&routed.tier);
/// let artifact = execution.generation(Skill::new("shot-renderer", "1.0.0"), &attempt, |execution| {
///     execution.record_call(&Call::new(&routed.model, Usage::new(900, 0)).reported_usd(worst));
///     Ok::<_, String>("shot-004_v001.png")
/// });
/// let qc = execution.qc(Skill::new("qc-grader", "1.0.0"), |_| {
///     Ok::<_, String>(QcResult::new(QcOutcome::Fix, "shot-004_v001.png").violation("six fingers").of(&attempt))
/// });
/// if let Grant::Held(hold) = grant {
///     hold.settle(Some(worst))?;
/// }
/// assert!(artifact.record.is_durable() && qc.record.is_durable() && execution.succeed().is_durable());
///
/// let records = ledger.reader().records().collect::<Result<Vec<_>, _>>()?;
/// let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
/// assert_eq!(kinds, ["budget_gate", "model_routing", "generation", "qc", "skill"]);
/// let decisions: Vec<_> = records.iter().map(|record| record.decision_made.as_deref()).collect();
/// assert_eq!(decisions, [Some("APPROVE"), Some("image-2"), None, None, None]);
/// let parent = Some(records[4].execution_id);
/// assert!(records[..4].iter().all(|child| child.run.parent_execution_id == parent));
/// assert!(records.iter().all(|record| record.run.run_id.as_deref() == Some("run-7")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Execution {
    /// Records the decision of a model router. `body` returns the decision.
    pub fn routing<E: fmt::Display>(
        &self,
        router: Skill,
        body: impl FnOnce(&mut Execution) -> Result<Routing, E>,
    ) -> Done<Routing, E> {
        self.run(router.kind(Kind::ModelRouting), filled(body, Routing::fill))
    }

    /// Records an attempt to generate something. `body` returns the name of the artifact with its version, such as
    /// `shot-004_v002.png`.
    pub fn generation<T: AsRef<str>, E: fmt::Display>(
        &self,
        generator: Skill,
        attempt: &Attempt,
        body: impl FnOnce(&mut Execution) -> Result<T, E>,
    ) -> Done<T, E> {
        let attempted = |execution: &mut Execution| {
            attempt.fill(execution.record_mut());
            body(execution)
        };
        let made = |artifact: &T, record: &mut ExecutionMetrics| {
            record.production.artifact = Some(artifact.as_ref().to_owned());
        };
        self.run(generator.kind(Kind::Generation), filled(attempted, made))
    }

    /// Records the result of a quality control. `body` returns the result. If `body` returns `Ok`, the child succeeds,
    /// even if the artifact failed the quality control.
    pub fn qc<E: fmt::Display>(
        &self,
        grader: Skill,
        body: impl FnOnce(&mut Execution) -> Result<QcResult, E>,
    ) -> Done<QcResult, E> {
        self.run(grader.kind(Kind::Qc), filled(body, QcResult::fill))
    }

    /// Records a check against a budget. `body` returns the result of a reservation. `decision_made` is `APPROVE` if
    /// the reservation is granted, and `BLOCK` if it is denied. The reason is in `trace`. If `body` returns `Ok`, the
    /// child succeeds, even if the decision is `BLOCK`.
    ///
    /// If the budget is in US dollars, and the reserved or denied amount is known, the record's `cost.estimated_usd` is
    /// set to this amount. If 0 was reserved, the field is not set.
    pub fn budget_gate<A: Amount, E: fmt::Display>(
        &self,
        gate: Skill,
        body: impl FnOnce(&mut Execution) -> Result<Grant<A>, E>,
    ) -> Done<Grant<A>, E> {
        self.run(gate.kind(Kind::BudgetGate), filled(body, fill_with_grant))
    }
}

/// Returns a function that runs `body`, and then calls `fill`, which adds the returned value to the record.
fn filled<T, E>(
    body: impl FnOnce(&mut Execution) -> Result<T, E>,
    fill: impl FnOnce(&T, &mut ExecutionMetrics),
) -> impl FnOnce(&mut Execution) -> Result<T, E> {
    |execution| {
        let value = body(execution)?;
        fill(&value, execution.record_mut());
        Ok(value)
    }
}

fn fill_with_grant<A: Amount>(grant: &Grant<A>, record: &mut ExecutionMetrics) {
    let (asked, decision, reason) = match grant {
        // A limit may grant an unknown amount without a reservation.
        Grant::Held(hold) => match hold.amount().map(|amount| (amount, amount.steps())) {
            None | Some((_, None | Some(0))) => (None, "APPROVE", "nothing reserved".to_owned()),
            Some((amount, steps)) => (steps, "APPROVE", format!("{amount} reserved")),
        },
        Grant::Denied(denied) => (denied.requested.and_then(A::steps), "BLOCK", denied.to_string()),
    };
    if A::is_of(Unit::Usd)
        && let Some(steps) = asked
    {
        record.cost.estimated_usd = Some(Usd::from_pico(steps.into()));
    }
    record.decide("budget", decision, Some(reason));
}
