//! `runledger show --tree` shows an execution and all executions below it, with the sums of their costs and durations.

use crate::commands::{Output, Place, command, output, record, usd};
use runledger::metrics::{Kind, QcOutcome, RunIds, Status};
use runledger::{ExecutionMetrics, Ledger, Skill, Uuid};
use serde_json::{Value, json};

/// Returns an execution with these ids.
fn of(id: u128, skill: &str, minute: u8, ids: RunIds) -> ExecutionMetrics {
    let start = format!("2026-02-14T14:{minute:02}:00Z");
    let mut record = record(id, skill, &start, Some(1000 * u64::from(minute) + 500), Status::Success);
    record.run = ids;
    record
}

fn id(id: u128) -> Uuid {
    Uuid::from_u128(id << 80 | id)
}

fn below(run: &str, parent: u128) -> RunIds {
    RunIds::new(run).parent_execution(id(parent))
}

/// Returns a pipeline, and an execution of another run. The executions below `write` have no run, and the one below
/// `draw` has a run of its own. Some children are recorded before their parents.
fn pipeline() -> Vec<ExecutionMetrics> {
    let mut records = vec![
        of(4, "review", 3, RunIds::default().parent_execution(id(3))),
        of(6, "retry", 6, RunIds::default().parent_execution(id(4))),
        of(3, "write", 1, below("run-7", 1)),
        of(2, "draw", 2, below("run-7", 1)),
        of(5, "upload", 4, below("run-7a", 2).parent_run("run-7")),
        of(1, "pipeline", 0, below("run-7", 99)),
        of(8, "other", 7, below("run-8", 98)),
    ];
    records[2].cost_usd = Some(usd("0.05"));
    records[2].model.name = Some("claude-haiku-4-5".to_owned());
    records[3].cost_usd = Some(usd("0.12345679"));
    records[1].cost_usd = Some(usd("0.0000004"));
    records[4].set_status(Status::Interrupted);
    (records[4].total_latency_ms, records[4].timestamp_end) = (None, None);
    records
}

fn tree(place: &Place, id: &str, columns: &str) -> String {
    let mut command = command();
    output(command.current_dir(place.directory.path()).args(["show", "--tree", id]).env("COLUMNS", columns)).answer(0)
}

fn json_tree(place: &Place, id: Uuid) -> Value {
    place.run(["show", "--tree", "--json", &id.to_string()]).json()
}

#[test]
fn each_level_is_indented_and_sums_say_what_is_unknown() {
    let place = Place::with(&pipeline());
    let found = tree(&place, "00000000-0001", "120");
    assert_eq!(
        found,
        "\
skill        status         ms  total ms      usd  total usd  model             id
pipeline     success       500    ≥14.5k        -    ≥0.1735  -                 00000000-0001
  write      success      1500     11.5k   0.0500     0.0500  claude-haiku-4-5  00000000-0003
    review   success      3500     10.0k        -    <0.0001  -                 00000000-0004
      retry  success      6500      6500  <0.0001    <0.0001  -                 00000000-0006
  draw       success      2500     ≥2500   0.1235    ≥0.1235  -                 00000000-0002
    upload   interrupted     -         -        -          -  -                 00000000-0005
executions: 6
total usd: ≥0.1735, 1 unknown
total ms: ≥14.5k, 1 unknown
parent: 00000000-0063-0000-0000-000000000063
"
    );
    let narrow = tree(&place, "00000000-0001", "80");
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(
        narrow.contains("\n    upload  interrupted    -        -       -         - -          00000000-0005\n"),
        "{narrow}"
    );
    // A part of the tree.
    assert_eq!(
        tree(&place, "00000000-0002", "80"),
        "\
skill     status         ms  total ms     usd  total usd  model  id
draw      success      2500     ≥2500  0.1235    ≥0.1235  -      00000000-0002
  upload  interrupted     -         -       -          -  -      00000000-0005
executions: 2
total usd: ≥0.1235, 1 unknown
total ms: ≥2500, 1 unknown
parent: 00000000-0001-0000-0000-000000000001
"
    );
    assert_eq!(place.run(["show", "--tree", "7"]).complaint(1), "runledger: no execution has the id 7\n");
}

/// An execution that ended without a model costs nothing. If it was interrupted, or named a
/// model and has no cost, its cost is unknown.
#[test]
fn only_an_execution_that_may_have_used_a_model_has_an_unknown_cost() {
    let mut records = pipeline();
    records.retain(|record| record.execution_id != id(5));
    let sums = |records: &[ExecutionMetrics]| {
        let total = json_tree(&Place::with(records), id(1))["total"].clone();
        (total["cost_usd"].clone(), total["cost_unknown"].clone())
    };
    assert_eq!(sums(&records), (json!(0.17345719), json!(0)));
    records[0].model.name = Some("gpt-9".to_owned());
    assert_eq!(sums(&records), (json!(0.17345719), json!(1)));
    // A router names the model that it chose.
    records[0].kind = Kind::ModelRouting;
    assert_eq!(sums(&records), (json!(0.17345719), json!(0)));
    records[0].set_status(Status::Interrupted);
    assert_eq!(sums(&records), (json!(0.17345719), json!(1)));
}

/// At 80 columns, the table leaves out the columns of the production.
#[test]
fn a_tree_shows_what_a_production_made() {
    let mut records = pipeline();
    for (at, regen_count, outcome) in [(2, Some(0), None), (3, None, Some(QcOutcome::Fail))] {
        let production = &mut records[at].production;
        (production.scene_id, production.shot_id) = (Some("c-2".to_owned()), Some("s-4".to_owned()));
        production.artifact = Some("s-4_v1.png".to_owned());
        (production.regen_count, production.outcome) = (regen_count, outcome);
    }
    let place = Place::with(&records);
    let row = |columns: &str, skill: &str| {
        let table = tree(&place, "00000000-0001", columns);
        table.lines().find(|line| line.trim_start().starts_with(skill)).unwrap().to_owned()
    };
    assert_eq!(
        row("120", "skill"),
        "skill       status        ms total ms     usd total usd model            outcome regen shot    artifact   id"
    );
    assert_eq!(
        row("120", "write"),
        "  write     success     1500    11.5k  0.0500    0.0500 claude-haiku-4-5 -           0 c-2/s-4 s-4_v1.png 00000000-0003"
    );
    assert!(row("120", "draw").ends_with(" -                FAIL        - c-2/s-4 s-4_v1.png 00000000-0002"));
    assert_eq!(row("80", "skill"), "skill       status        ms total ms     usd total usd model      id");
    assert_eq!(row("200", "skill").split_whitespace().last(), Some("id"));
}

/// `show` accepts the id of a run that has one execution. `show --tree` shows each execution of a run that has no
/// parent in the run.
#[test]
fn show_accepts_the_id_of_a_run_with_one_execution_and_show_tree_that_of_any_run() {
    let place = Place::with(&pipeline());
    assert_eq!(tree(&place, "run-7", "120"), tree(&place, "00000000-0001", "120"));
    assert_eq!(place.run(["show", "run-8", "--json"]).json()["skill_name"], "other");
    assert_eq!(
        place.run(["show", "run-7"]).complaint(2),
        "runledger: cannot show one execution of the run \"run-7\": found 3; expected 1. `runledger list --run run-7 --all` \
         lists these executions, and `runledger show run-7 --tree` sums them up:\n  \
         00000000-0003-0000-0000-000000000003 2026-02-14 14:01 write\n  \
         00000000-0002-0000-0000-000000000002 2026-02-14 14:02 draw\n  \
         00000000-0001-0000-0000-000000000001 2026-02-14 14:00 pipeline\n"
    );
    assert_eq!(
        place.run(["show", "run 9"]).complaint(1),
        "runledger: no execution and no run has the id \"run 9\"; expected an id such as \
         019c5d2a-5a40-7000-8000-000000000001, its first digits, or a run_id\n"
    );
    // A run can have an id that looks like the beginning of an execution's id. The execution has priority.
    let mut records = pipeline();
    records[6].run = RunIds::new("cafe");
    records.push(of(9, "first", 8, RunIds::new("00000000")));
    let place = Place::with(&records);
    assert_eq!(place.run(["show", "cafe", "--json"]).json()["skill_name"], "other");
    assert!(place.run(["show", "00000000"]).complaint(2).contains("executions have an id that begins with 00000000"));
    // Two executions have no parent in the run, and one of them is in flight.
    let ledger = Ledger::open(place.ledger()).unwrap();
    let begun = ledger.begin(Skill::new("late", "1.0.0").run(RunIds::new("cafe")));
    let shown = tree(&place, "cafe", "120");
    let skills: Vec<_> = shown.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(skills, ["other", "late", "executions:", "total", "total"], "{shown}");
    assert!(shown.contains("\nexecutions: 2\n"), "{shown}");
    let shown = place.run(["show", "--tree", "--json", "cafe"]).answer(0);
    let ids: Vec<_> =
        shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["execution_id"].clone()).collect();
    assert_eq!(ids, [json!(id(8)), json!(begun.id())], "{shown}");
    let alone = ledger.begin(Skill::new("alone", "1.0.0").run(RunIds::new("run-10")));
    assert_eq!(place.run(["show", "--tree", "--json", "run-10"]).json()["execution_id"], json!(alone.id()));
}

#[test]
fn the_json_is_nested_and_exact() {
    let mut records = pipeline();
    let production = &mut records[3].production;
    (production.shot_id, production.regen_count) = (Some("s-4".to_owned()), Some(1));
    production.outcome = Some(QcOutcome::Fix);
    let place = Place::with(&records);
    let found = json_tree(&place, id(2));
    let upload = json!({
        "execution_id": id(5), "parent_execution_id": id(2), "run_id": "run-7a", "skill_name": "upload",
        "timestamp_start": "2026-02-14T14:04:00.000Z", "status": "interrupted", "in_flight": false,
        "total_latency_ms": null, "cost_usd": null, "lower_bound": false, "model": null,
        "scene_id": null, "shot_id": null, "regen_count": null, "outcome": null, "artifact": null,
        "total": {
            "executions": 1, "latency_ms": null, "latency_unknown": 1, "cost_usd": null, "cost_unknown": 1,
            "left_out": 0, "lower_bounds": 0
        },
        "children": []
    });
    assert_eq!(
        found,
        json!({
            "execution_id": id(2), "parent_execution_id": id(1), "run_id": "run-7", "skill_name": "draw",
            "timestamp_start": "2026-02-14T14:02:00.000Z", "status": "success", "in_flight": false,
            "total_latency_ms": 2500, "cost_usd": 0.12345679, "lower_bound": false, "model": null,
            "scene_id": null, "shot_id": "s-4", "regen_count": 1, "outcome": "FIX", "artifact": null,
            "total": {
                "executions": 2, "latency_ms": 2500, "latency_unknown": 1, "cost_usd": 0.12345679, "cost_unknown": 1,
                "left_out": 0, "lower_bounds": 0
            },
            "children": [upload]
        })
    );
    let whole = json_tree(&place, id(1));
    assert_eq!(whole["total"]["cost_usd"], json!(0.17345719));
    let skills =
        |tree: &Value| tree["children"].as_array().unwrap().iter().map(|c| c["skill_name"].clone()).collect::<Vec<_>>();
    assert_eq!(skills(&whole), ["write", "draw"]);
    assert_eq!(skills(&whole["children"][0]), ["review"]);
}

/// The tree is the same with an index, without an index, and in a file of another program.
#[test]
fn the_tree_does_not_depend_on_an_index() {
    let (indexed, scanned, plain) = (Place::with(&pipeline()), Place::with(&pipeline()), Place::empty());
    indexed.run(["index", "rebuild"]).answer(0);
    std::fs::create_dir(plain.path("logs")).unwrap();
    std::fs::write(plain.ledger(), crate::commands::lines(&pipeline())).unwrap();
    for root in 1..=8 {
        let trees =
            [&indexed, &scanned, &plain].map(|place| place.run(["show", "--tree", "--json", &id(root).to_string()]));
        assert_eq!(trees[0], trees[1], "{root}");
        assert_eq!(trees[0], trees[2], "{root}");
    }
}

/// Executions in flight are in the tree, also as its root. If an execution has several records, the last one is used.
#[test]
fn executions_in_flight_are_included() {
    let place = Place::empty();
    let ledger = Ledger::open(place.ledger()).unwrap();
    let root = ledger.begin(Skill::new("pipeline", "1.0.0").run(RunIds::new("run-7")));
    let child = ledger.begin(Skill::new("draw", "1.0.0").run(RunIds::new("run-7").parent_execution(root.id())));
    let mut ended = of(1, "write", 1, RunIds::default().parent_execution(child.id()));
    ledger.append(&ended).unwrap();
    ended.cost_usd = Some(usd("0.5"));
    place.append_again(&ended);
    let found = json_tree(&place, root.id());
    assert_eq!((&found["in_flight"], &found["status"]), (&json!(true), &json!(null)));
    let below = &found["children"][0];
    assert_eq!((&below["execution_id"], &below["in_flight"]), (&json!(child.id()), &json!(true)));
    assert_eq!((&found["total"]["executions"], &found["total"]["cost_usd"]), (&json!(3), &json!(0.5)));
    assert_eq!(found["total"]["cost_unknown"], json!(2));
    let table = tree(&place, &root.id().to_string(), "120");
    assert!(table.contains("\n  draw     in flight     -     ≥1500"), "{table}");
    assert!(child.succeed().is_durable() && root.succeed().is_durable());
}

/// An execution that is its own ancestor is shown once. An execution that is its own parent has no children.
#[test]
fn a_cycle_ends() {
    let place = Place::with(&[
        of(1, "a", 1, below("run-7", 3)),
        of(2, "b", 2, below("run-7", 1)),
        of(3, "c", 3, below("run-7", 2)),
        of(4, "own", 4, RunIds::default().parent_execution(id(4))),
        of(5, "one", 5, RunIds::default().parent_execution(id(6))),
        of(6, "two", 6, RunIds::default().parent_execution(id(5))),
    ]);
    let found = tree(&place, "00000000-0002", "80");
    let names: Vec<_> =
        found.lines().skip(1).take(3).map(|line| line.split("success").next().unwrap().trim_end()).collect();
    assert_eq!(names, ["b", "  c", "    a"], "{found}");
    assert!(found.ends_with("executions: 3\ntotal usd: -\ntotal ms: 7500\nparent: 00000000-0001-0000-0000-000000000001, which is also in the tree\n"), "{found}");
    let own = json_tree(&place, id(4));
    assert_eq!((&own["children"], &own["total"]["executions"]), (&json!([]), &json!(1)));
    assert_eq!(json_tree(&place, id(5))["total"]["executions"], json!(2));
}

/// The depth is limited. The topmost executions that are too deep are counted, and the sums are lower bounds.
#[test]
fn deep_trees_are_cut() {
    for run in [Some("run-7"), None] {
        let chain: Vec<_> = (1..=60_u128)
            .map(|n| {
                let ids = run.map_or_else(RunIds::default, RunIds::new);
                let mut record = of(n, "s", 1, if n > 1 { ids.parent_execution(id(n - 1)) } else { ids });
                record.cost_usd = Some(usd("0.01"));
                record
            })
            .collect();
        let place = Place::with(&chain);
        let found = json_tree(&place, id(1));
        assert_eq!((&found["total"]["executions"], &found["total"]["left_out"]), (&json!(51), &json!(1)));
        let table = tree(&place, "00000000-0001", "200");
        let sums = "executions: 51\ntotal usd: ≥0.5100\ntotal ms: ≥76.5k\n\
                    executions that are too deep to be shown, without counting the executions below them: 1\n";
        assert!(table.ends_with(sums), "{table}");
        assert_eq!(json_tree(&place, id(20))["total"]["executions"], json!(41));
    }
}

/// One segment has more than 4,096 children of one execution.
#[test]
fn a_wide_tree_has_all_its_executions() {
    let place = Place::with(&[of(1, "root", 1, RunIds::new("run-7"))]);
    let ledger = Ledger::open(place.ledger()).unwrap();
    let all: Vec<_> = (2..=5_202_u128)
        .map(|n| {
            let stray = n % 5 == 0;
            let ids = if stray { RunIds::default() } else { RunIds::new("run-7") };
            of(n, "s", 1, ids.parent_execution(id(1)))
        })
        .collect();
    assert!(ledger.append_all(&all).iter().all(|answer| matches!(answer, Ok(runledger::Answer::Durable { .. }))));
    place.run(["index", "rebuild"]).answer(0);
    let Output { code, stdout, stderr } = place.run(["show", "--tree", "00000000-0001"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("\nexecutions: 5202\n"), "{}", &stdout[stdout.len() - 200..]);
    assert_eq!(stdout.lines().count(), 1 + 5_202 + 3);
}
