//! Promise: a production that is recorded from bash alone passes its gate. If one fact is left out, the gate fails and
//! states the reason.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use crate::commands::{Output, Place, command, output};
use runledger::LedgerReader;
use runledger::metrics::{CostSource, CostTier, Kind, QcOutcome};

/// A production with three models, a retry that `run` measures, and a quality control that asks for a fix.
const PRODUCTION: &str = r#"
export RUNLEDGER_RUN_ID=run-9
id=$(runledger --json start --agent pipeline | sed 's/.*"execution_id":"\([^"]*\)".*/\1/')
export RUNLEDGER_PARENT_EXECUTION_ID=$id
runledger log budget --decision APPROVE --estimate 1.5 --reason '8.50 USD are left'
runledger log routing --model gpt-4 --tier Premium --estimate 0.06 --reason 'a face, close up'
runledger log generation --skill renderer --model gpt-4 --input-tokens 1000 --output-tokens 500 --regen-count 0 \
    --scene s --shot s-4 --artifact s-4_v1.png --took 7
runledger log qc --artifact s-4_v1.png --outcome FAIL --violation hands --violation text --drift identity
runledger run --skill renderer --kind generation --model o3 --input-tokens 1000 --output-tokens 500 --regen-count 1 \
    --scene s --shot s-4 --artifact s-4_v2.png -- sleep 0.01
runledger log qc --artifact s-4_v2.png --outcome FIX --violation text
runledger log generation --skill renderer --model film-9 --tier Premium --cost 0.5 --regen-count 2 \
    --scene s --shot s-4 --artifact s-4_v3.mp4 --duration 4
runledger log qc --artifact s-4_v3.mp4 --outcome PASS
runledger complete --execution-id "$id" >> answers
"#;

/// Runs the script and then the gate of the run, whose output is returned.
fn produce(place: &Place, script: &str) -> Output {
    let mut bash = Command::new("bash");
    bash.args(["-e", "-o", "pipefail", "-c", script]).current_dir(place.directory.path());
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    let directory = Path::new(env!("CARGO_BIN_EXE_runledger")).parent().unwrap();
    bash.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").unwrap()));
    let made = output(&mut bash);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{script}: {}", made.stdout);
    place.run(["gate", "--run", "run-9"])
}

#[test]
fn a_production_from_bash_passes_its_gate() {
    let place = Place::empty();
    let gate = produce(&place, PRODUCTION).answer(0);
    let gate = gate.replace("not judged: which executions were expected; pass --expect FILE\n", "");
    assert_eq!(gate, "PASS run-9: executions 9, in flight 0, spilled 0, reasons 0\n");

    let records: Vec<_> = LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect();
    let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    let expected =
        ["budget_gate", "model_routing", "generation", "qc", "generation", "qc", "generation", "qc", "skill"];
    assert_eq!(kinds, expected);
    let pipeline = &records[8];
    assert!(records[..8].iter().all(|record| record.run.parent_execution_id == Some(pipeline.execution_id)));

    let attempts: Vec<_> = records.iter().filter(|record| record.kind == Kind::Generation).collect();
    let costs: Vec<_> = attempts.iter().map(|record| record.cost_usd.unwrap().to_string()).collect();
    assert_eq!(costs, ["0.06", "0.006", "0.5"]);
    let sources: Vec<_> = attempts.iter().map(|record| record.cost.source.clone().unwrap()).collect();
    assert_eq!(sources, [CostSource::Computed, CostSource::Computed, CostSource::Reported]);
    let tiers: Vec<_> = attempts.iter().map(|record| record.cost_tier.clone().unwrap()).collect();
    assert_eq!(tiers, [CostTier::Premium, CostTier::Standard, CostTier::Premium]);
    assert_eq!((attempts[0].wall_clock_time_ms, attempts[2].wall_clock_time_ms), (Some(7000), None));
    assert_eq!(attempts[2].production.duration_s, Some(4.0));
    let took = attempts[0].timestamp_end.unwrap().ms_since(attempts[0].timestamp_start);
    assert_eq!(took, Some(7000));

    let rejected = &records[3].production;
    assert_eq!((&rejected.outcome, rejected.drift_category.as_deref()), (&Some(QcOutcome::Fail), Some("identity")));
    assert_eq!(rejected.qc_violations, ["hands", "text"]);
    let [budget, routing] = [&records[0], &records[1]].map(|record| &record.trace.decisions[0]);
    assert_eq!((budget.decision.as_str(), budget.reason.as_deref()), ("APPROVE", Some("8.50 USD are left")));
    assert_eq!((routing.decision.as_str(), routing.reason.as_deref()), ("gpt-4", Some("a face, close up")));
    assert_eq!(records[1].model.tier.as_deref(), Some("Premium"));
}

/// Each case takes one fact out of the script.
#[test]
fn without_one_fact_the_gate_names_it() {
    let retry = &PRODUCTION
        [PRODUCTION.find("runledger run").unwrap()..PRODUCTION.find("runledger log qc --artifact s-4_v2").unwrap()];
    for (fact, reason) in [
        (
            " --regen-count 0",
            "regeneration untracked: \"renderer\": regen_count: production.regen_count is null; set it with --regen-count",
        ),
        (
            " --took 7",
            "missing field: \"renderer\": duration_s: production.duration_s, wall_clock_time_ms and total_latency_ms are \
             null; set it with --took or --duration",
        ),
        (
            " --artifact s-4_v1.png --took",
            "artifact version not recorded: \"renderer\": artifact_output: production.artifact is null; set it with --artifact",
        ),
        (
            " --cost 0.5",
            "cost not recorded: \"renderer\": cost: cost_usd and cost.estimated_usd are null; set it with --cost or --estimate",
        ),
        (
            " --estimate 0.06",
            "cost not recorded: \"routing\": cost: cost_usd and cost.estimated_usd are null; set it with --cost or --estimate",
        ),
        (
            " --tier Premium --cost 0.5",
            "tier undocumented: \"renderer\": tier: neither model.tier nor cost_tier names a tier; set it with --tier",
        ),
        (" --model film-9", "missing field: \"renderer\": model_used: model.name is null; set it with --model"),
        (retry, "missing log entry: \"renderer\": shot \"s-4\" of scene \"s\" has no record of attempt 1"),
        (
            "runledger complete --execution-id \"$id\"",
            "missing log entry: \"pipeline\": it has not ended: it is in flight",
        ),
        (
            "export RUNLEDGER_PARENT_EXECUTION_ID=$id\n",
            "missing parent: \"budget\": parent: run.parent_execution_id and run.parent_run_id are null; set it with --parent",
        ),
    ] {
        let without = match fact {
            " --artifact s-4_v1.png --took" => PRODUCTION.replacen(fact, " --took", 1),
            " --tier Premium --cost 0.5" => PRODUCTION.replacen(fact, " --cost 0.5", 1),
            "runledger complete --execution-id \"$id\"" => PRODUCTION.replacen(fact, "true", 1),
            fact => PRODUCTION.replacen(fact, "", 1),
        };
        assert_ne!(without, PRODUCTION, "{fact}");
        let place = Place::empty();
        // A reason that is longer than a line continues on the next line.
        let gate = produce(&place, &without).answer(1).replace("\n    ", " ");
        assert!(gate.starts_with("FAIL run-9: ") && gate.lines().any(|line| line == reason), "{fact}: {gate}");
    }
}
