//! `runledger metrics` computes the seven metrics of a production, in tables and in JSON.

use crate::commands::{Output, Place, lines};
use crate::production::{execution, generation, production, usd};
use runledger::ExecutionMetrics;
use runledger::metrics::QcOutcome;

fn place(records: &[ExecutionMetrics]) -> Place {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.ledger(), lines(records)).unwrap();
    place
}

fn metrics(place: &Place, args: &str) -> String {
    place.run(["metrics"].into_iter().chain(args.split_whitespace())).answer(0)
}

#[test]
fn the_tables_equal_the_golden_file() {
    assert_eq!(metrics(&place(&production()), ""), include_str!("../data/metrics.txt"));
}

#[test]
fn the_json_equals_the_golden_file() {
    assert_eq!(metrics(&place(&production()), "--json"), include_str!("../data/metrics.json"));
}

#[test]
fn a_run_and_a_time_choose_the_executions() {
    let place = place(&production());
    let executions = |args: &str| metrics(&place, args).lines().next().unwrap().to_owned();
    assert_eq!(executions("--run run-2"), "executions: 1");
    assert_eq!(executions("--since 2026-11-20T12:10:00Z --until 2026-11-20T12:20:00Z"), "executions: 10");
    assert_eq!(executions("--run run-1 --since 2026-11-20T12:30:00Z"), "executions: 1");
}

/// The child runs of a run are included only on request. Their own child runs are then included too. A cycle of runs
/// does not loop for ever.
#[test]
fn child_runs_are_optional() {
    let of = |id, run: &str, parent: Option<&str>| {
        let mut record = execution(id, 0);
        (record.run.run_id, record.run.parent_run_id) = (Some(run.into()), parent.map(Into::into));
        record
    };
    // The records of a child run come first, because a child run ends before its parent.
    let place = place(&[
        of(1, "grandchild", Some("child")),
        of(2, "child", Some("run-1")),
        of(3, "child", Some("run-1")),
        of(4, "run-1", Some("grandchild")),
        of(5, "other", Some("run-2")),
        of(6, "run-2", None),
    ]);
    let executions = |args: &str| metrics(&place, args).lines().next().unwrap().to_owned();
    assert_eq!(executions("--run run-1"), "executions: 1");
    assert_eq!(executions("--run run-1 --child-runs"), "executions: 4");
    assert_eq!(executions("--run run-2 --child-runs"), "executions: 2");
    assert!(place.run(["metrics", "--child-runs"]).complaint(2).contains("--run <ID>"));
}

#[test]
fn without_records_counts_are_0_and_rates_are_null() {
    let nothing = "No execution matches. `runledger list` shows the last executions.\n";
    assert_eq!(metrics(&place(&[]), ""), nothing);
    assert_eq!(metrics(&place(&production()), "--since 2027-01-01"), nothing);
    assert_eq!(
        metrics(&place(&[]), "--json"),
        concat!(
            r#"{"executions":0,"shots":{"shots":0,"regenerations_unknown":0,"regenerations":null,"#,
            r#""average_regenerations":null,"outcomes":{"known":0,"failed":0,"failure_rate":null,"unknown":0}},"#,
            r#""without_shot":0,"drift":{"counts":[],"unknown":0},"scenes":[],"tiers":{"counts":[],"unknown":0},"#,
            r#""models":[],"controls_without_model":{"known":0,"failed":0,"failure_rate":null,"unknown":0},"#,
            r#""qc_violations":{"counts":[],"unknown":0},"shot_types":[],"malformed_lines":0}"#,
            "\n"
        )
    );
}

/// A table without a row is left out. If no table has a row, a sentence replaces all tables.
#[test]
fn only_tables_with_a_row_are_shown() {
    let plain = [execution(1, 0), execution(2, 0)];
    let nothing = "No execution names a shot, a drift, a scene, a tier, a model or a QC violation.\n";
    let mut tiered = plain.clone();
    tiered.iter_mut().for_each(|record| record.production.outcome = None);
    assert_eq!(metrics(&place(&tiered), ""), format!("executions: 2\n{nothing}"));
    tiered[0].model.name = Some("gpt-4".to_owned());
    assert_eq!(
        metrics(&place(&tiered), ""),
        "executions: 2\n\nmodel  known  failed  rate  unknown\ngpt-4      1       0  0.0%        0\n"
    );
    tiered[1].cost_usd = usd("0.5");
    tiered[1].production.scene_id = Some("s1".to_owned());
    let found = metrics(&place(&tiered), "");
    let headings: Vec<_> = found.split("\n\n").skip(1).map(|table| table.split(' ').next().unwrap()).collect();
    assert_eq!(headings, ["scene", "model"]);
}

/// The metrics of a run are the same for a ledger and for a file of another program.
#[test]
fn a_run_has_the_same_metrics_in_a_ledger_and_in_a_plain_file() {
    let whole = Place::with(&production());
    let plain = place(&production());
    for args in ["--run run-1", "--run run-2 --json", "--run run-1 --since 2026-11-20T12:30:00Z --json"] {
        assert_eq!(metrics(&whole, args), metrics(&plain, args), "{args}");
    }
}

#[test]
fn lines_that_are_not_records_are_reported_and_counted() {
    let Output { code, stdout, stderr } = place(&production()).with_a_foreign_line().run(["metrics", "--json"]);
    assert_eq!(code, Some(0));
    assert!(stdout.ends_with(",\"malformed_lines\":1}\n"), "{stdout}");
    assert!(stderr.lines().count() == 2 && stderr.contains("line 3"), "{stderr}");
}

/// Names must not move the cursor or widen a table, and numbers of any size fit into the table.
#[test]
fn a_table_has_at_most_80_printable_columns_whatever_the_values() {
    let nasty = "\u{1b}[2J\n|`,\"".to_owned() + &"long ".repeat(50);
    let mut record = generation(1, &nasty, &nasty, &nasty);
    (record.model.name, record.model.tier) = (Some(nasty.clone()), Some(nasty.clone()));
    record.production.regen_count = Some(u64::MAX);
    record.production.outcome = Some(QcOutcome::Fail);
    (record.production.drift_category, record.production.qc_violations) = (Some(nasty.clone()), vec![nasty]);
    record.cost_usd = usd("-12345678901234567890123456");
    let table = metrics(&place(&[record, execution(2, 0)]), "");
    assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{table:?}");
    let widest = table.lines().map(|line| line.chars().count()).max();
    assert!((70..=80).contains(&widest.unwrap()), "{widest:?}\n{table}");
}
