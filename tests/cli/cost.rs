//! `runledger cost` sums up exactly the known values and counts the unknown ones, by any group, in tables and in JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{Output, Place, lines, record, usd};
use runledger::metrics::{LlmCall, RunIds, Status};
use runledger::{ExecutionMetrics, Timestamp, Usage, Uuid};
use serde_json::Value;

/// Returns a directory with the records in a file that no ledger wrote, so that they can have any time and any value.
fn place(records: &[ExecutionMetrics]) -> Place {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.ledger(), lines(records)).unwrap();
    place
}

fn cost(place: &Place, args: &str) -> String {
    place.run(["cost"].into_iter().chain(args.split_whitespace())).answer(0)
}

fn priced(id: u128, start: &str, cost: &str) -> ExecutionMetrics {
    let mut record = record(id, "draw", start, Some(1), Status::Success);
    record.set_usage("m", &Usage::new(10, 1));
    record.cost_usd = Some(usd(cost));
    record
}

/// The interrupted execution may have used a model, so its cost is unknown.
#[test]
fn sums_include_known_costs_and_unknown_ones_are_counted() {
    let place = Place::new();
    let by_model = "\
model            execs input output cache w cache r tokens    usd unpriced
-                    1     -      -       -       -      -      -        1
claude-haiku-4-5     1  2300      0       -       -   2300 0.0045        0
gpt-4                2  2000    500       -       -   2500 0.0900        0
llama-9              1    10      5       -       -     15      -        1
total                4  4310    505       -       -   4815 0.0945        2
unknown: input 1, output 1, cache w 4, cache r 4, tokens 1
without model: 1
";
    assert_eq!(cost(&place, "--by model"), by_model);
    assert_eq!(cost(&place, ""), by_model);
    assert_eq!(
        cost(&place, "--by skill"),
        "\
skill               execs input output cache w cache r tokens    usd unpriced
blog-publish            3  3310      5       -       -   3315 0.0345        2
git-push-autonomous     1  1000    500       -       -   1500 0.0600        0
total                   4  4310    505       -       -   4815 0.0945        2
unknown: input 1, output 1, cache w 4, cache r 4, tokens 1
without model: 1
"
    );
}

/// A call without its final usage has at least the reported output tokens and cost.
#[test]
fn lower_bounds_are_marked_in_each_sum_that_includes_them() {
    let mut open = priced(1, "2026-11-20T12:00:00Z", "0.00001");
    let mut calls = ["m", "n"].map(|model| LlmCall::new(1, model));
    for (call, cost) in calls.iter_mut().zip(["0.000004", "0.000006"]) {
        (call.tokens_input, call.tokens_output, call.cost_usd) = (Some(5), Some(1), Some(usd(cost)));
    }
    calls.into_iter().for_each(|call| open.add_call(call));
    open.tags.insert("lower_bound_calls".to_owned(), vec![2].into());
    let place = Place::with(&[open, priced(2, "2026-11-21T12:00:00Z", "1.5")]);
    let by_day = "\
day         execs  input  output  cache w  cache r  tokens    usd  unpriced
2026-11-20      1     10      ≥2        -        -     ≥12     >0         0
2026-11-21      1     10       1        -        -      11   1.50         0
total           2     20      ≥3        -        -     ≥23  ≥1.50         0
unknown: cache w 2, cache r 2
lower bounds: execs 1
";
    let by_model = "\
model  execs  input  output  cache w  cache r  tokens    usd  unpriced
m          2     15       2        -        -      17   1.50         0
n          1      5      ≥1        -        -      ≥6     >0         0
total      2     20      ≥3        -        -     ≥23  ≥1.50         0
unknown: cache w 2, cache r 2
lower bounds: execs 1
";
    let list = "\
start (UTC)       skill  status   ms  tokens   usd  id
2026-11-20 12:00  draw   success   1     ≥12    >0  00000000-0001
2026-11-21 12:00  draw   success   1      11  1.50  00000000-0002
";
    // The second time, an index has the sums.
    for _ in 0..2 {
        assert_eq!((cost(&place, "--by day"), cost(&place, "")), (by_day.to_owned(), by_model.to_owned()));
        let json: Value = serde_json::from_str(&cost(&place, "--json --by model")).unwrap();
        let bounds = |at: &str| json.pointer(at).and_then(|sum| sum["lowerBounds"].as_u64());
        assert_eq!(["/totals", "/models/0", "/models/1"].map(bounds), [Some(1), Some(0), Some(1)]);
        assert_eq!(place.run(["list"]).answer(0), list);
        place.run(["index", "rebuild"]).answer(0);
    }
}

/// With --run, the sums are those of one run. With --child-runs, they also include its child runs.
#[test]
fn the_costs_of_a_run_are_those_of_its_executions() {
    let mut records = november();
    let of_run = |id, run: &str, parent: Option<&str>, usd: &str| {
        let mut record = priced(id, "2026-11-02T12:00:00Z", usd);
        record.run = RunIds::new(run);
        record.run.parent_run_id = parent.map(str::to_owned);
        record
    };
    records.extend([
        of_run(21, "film", None, "0.25"),
        of_run(22, "film", None, "0.5"),
        of_run(23, "b", Some("film"), "1"),
    ]);
    for place in [place(&records), Place::with(&records)] {
        let total = |args: &str| {
            let answer: Value = serde_json::from_str(&cost(&place, &format!("--json {args}"))).unwrap();
            let totals = &answer["totals"];
            (totals["executions"].as_u64().unwrap(), totals["totalCost"].to_string())
        };
        assert_eq!(total("--run film"), (2, "0.75".to_owned()));
        assert_eq!(total("--run film --by run"), (2, "0.75".to_owned()));
        assert_eq!(total("--run film --child-runs"), (3, "1.75".to_owned()));
        assert_eq!(total("--run film --until 2026-11-01"), (0, "null".to_owned()));
        assert_eq!(total("--run film --reprice"), (2, "0.75".to_owned()));
        let complaint = place.run(["cost", "--run", "flim"]).complaint(1);
        assert_eq!(complaint, "runledger: no execution belongs to the run \"flim\"\n");
    }
}

/// Returns records of several days and scenes. Some belong to a run or an agent, and one has cached tokens.
fn november() -> Vec<ExecutionMetrics> {
    let mut cached = priced(1, "2026-11-01T03:59:59.999Z", "0.046875");
    cached.set_usage("claude-opus-4-5", &Usage::new(33_000, 500).cache_read(30_000).cache_write(2000));
    (cached.run.run_id, cached.run.agent_name) = (Some("r-1".into()), Some("painter".into()));
    cached.production.scene_id = Some("scene 1".into());

    let mut of_run = priced(2, "2026-11-01T04:00:00Z", "1.2");
    (of_run.run.run_id, of_run.production.scene_id) = (Some("r-1".into()), Some("scene 2".into()));

    let mut unpriced = priced(3, "2026-11-02T05:00:00Z", "0");
    (unpriced.model.name, unpriced.cost_usd) = (Some("llama-9".into()), None);

    let small = priced(4, "2026-12-01T00:00:00Z", "0.00000075");
    vec![cached, of_run, unpriced, small]
}

#[test]
fn each_group_has_its_rows_and_the_last_one_is_the_total() {
    let place = place(&november());
    assert_eq!(
        cost(&place, "--by day"),
        "\
day         execs  input  output  cache w  cache r  tokens      usd  unpriced
2026-11-01      2   1010     501     2000    30.0k   33.5k     1.25         0
2026-11-02      1     10       1        -        -      11        -         1
2026-12-01      1     10       1        -        -      11  <0.0001         0
total           4   1030     503     2000    30.0k   33.5k     1.25         1
unknown: cache w 3, cache r 3
"
    );
    let rows = |by: &str| {
        let table = cost(&place, &format!("--by {by}"));
        let mut lines: Vec<_> = table.lines().map(str::to_owned).collect();
        assert_eq!(lines.pop().as_deref(), Some("unknown: cache w 3, cache r 3"));
        assert!(lines.pop().unwrap().starts_with("total  "), "{table}");
        let heading = lines.remove(0);
        assert!(heading.starts_with(&format!("{by} ")), "{table}");
        // The columns are the name, the executions, the amount and the number of unpriced executions.
        let row = |line: &String| {
            let cells: Vec<_> = line.split_whitespace().collect();
            let [name @ .., execs, _, _, _, _, _, usd, unpriced] = &cells[..] else { panic!("{table}") };
            format!("{} {execs} {usd} {unpriced}", name.join(" "))
        };
        lines.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(rows("week"), ["2026-10-26 2 1.25 0", "2026-11-02 1 - 1", "2026-11-30 1 <0.0001 0"]);
    assert_eq!(rows("month"), ["2026-11 3 1.25 1", "2026-12 1 <0.0001 0"]);
    assert_eq!(rows("skill"), ["draw 4 1.25 1"]);
    assert_eq!(rows("run"), ["- 2 <0.0001 1", "r-1 2 1.25 0"]);
    assert_eq!(rows("scene"), ["- 2 <0.0001 1", "scene 1 1 0.0469 0", "scene 2 1 1.20 0"]);
    assert_eq!(rows("agent"), ["- 3 1.20 1", "painter 1 0.0469 0"]);
    assert_eq!(rows("model"), ["claude-opus-4-5 1 0.0469 0", "llama-9 1 - 1", "m 2 1.20 0"]);
}

#[test]
fn json_has_the_names_of_ccusage_and_every_digit() {
    let Output { code, stdout, .. } = place(&november()).with_a_foreign_line().run(["cost", "--by", "month", "--json"]);
    assert_eq!(
        (code, stdout.as_str()),
        (
            Some(0),
            concat!(
                r#"{"monthly":[{"month":"2026-11","inputTokens":1020,"outputTokens":502,"#,
                r#""cacheCreationTokens":2000,"cacheReadTokens":30000,"totalTokens":33522,"totalCost":1.246875,"#,
                r#""executions":3,"unpriced":1,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"unreported":{"inputTokens":0,"outputTokens":0,"#,
                r#""cacheCreationTokens":2,"cacheReadTokens":2,"totalTokens":0},"#,
                r#""modelsUsed":["claude-opus-4-5","llama-9","m"],"#,
                r#""modelBreakdowns":[{"modelName":"claude-opus-4-5","inputTokens":1000,"outputTokens":500,"#,
                r#""cacheCreationTokens":2000,"cacheReadTokens":30000,"totalTokens":33500,"cost":0.046875,"#,
                r#""executions":1,"unpriced":0,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"unreported":{"inputTokens":0,"outputTokens":0,"#,
                r#""cacheCreationTokens":0,"cacheReadTokens":0,"totalTokens":0}},"#,
                r#"{"modelName":"llama-9","inputTokens":10,"outputTokens":1,"cacheCreationTokens":null,"#,
                r#""cacheReadTokens":null,"totalTokens":11,"cost":null,"executions":1,"unpriced":1,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"#,
                r#""unreported":{"inputTokens":0,"outputTokens":0,"cacheCreationTokens":1,"cacheReadTokens":1,"#,
                r#""totalTokens":0},"missingPricing":true},"#,
                r#"{"modelName":"m","inputTokens":10,"outputTokens":1,"cacheCreationTokens":null,"#,
                r#""cacheReadTokens":null,"totalTokens":11,"cost":1.2,"executions":1,"unpriced":0,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"#,
                r#""unreported":{"inputTokens":0,"outputTokens":0,"cacheCreationTokens":1,"cacheReadTokens":1,"#,
                r#""totalTokens":0}}]},"#,
                r#"{"month":"2026-12","inputTokens":10,"outputTokens":1,"cacheCreationTokens":null,"#,
                r#""cacheReadTokens":null,"totalTokens":11,"totalCost":0.00000075,"executions":1,"unpriced":0,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"#,
                r#""unreported":{"inputTokens":0,"outputTokens":0,"cacheCreationTokens":1,"cacheReadTokens":1,"#,
                r#""totalTokens":0},"modelsUsed":["m"],"modelBreakdowns":[{"modelName":"m","inputTokens":10,"#,
                r#""outputTokens":1,"cacheCreationTokens":null,"cacheReadTokens":null,"totalTokens":11,"#,
                r#""cost":0.00000075,"executions":1,"unpriced":0,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"unreported":{"inputTokens":0,"#,
                r#""outputTokens":0,"cacheCreationTokens":1,"cacheReadTokens":1,"totalTokens":0}}]}],"#,
                r#""totals":{"inputTokens":1030,"outputTokens":503,"cacheCreationTokens":2000,"#,
                r#""cacheReadTokens":30000,"totalTokens":33533,"totalCost":1.24687575,"executions":4,"#,
                r#""unpriced":1,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"unreported":{"inputTokens":0,"outputTokens":0,"cacheCreationTokens":3,"#,
                r#""cacheReadTokens":3,"totalTokens":0},"unpricedModels":["llama-9"]},"withoutModel":0,"#,
                r#""notImported":0,"malformedLines":1}"#,
                "\n"
            )
        )
    );
}

#[test]
fn every_group_has_its_keys_in_json_and_an_absent_name_is_null() {
    let place = place(&november());
    let names = |by: &str, rows: &str, name: &str| {
        let report: Value = serde_json::from_str(&cost(&place, &format!("--json --by {by}"))).unwrap();
        let names = report[rows].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or("null").to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("day", "daily", "date"), "2026-11-01 2026-11-02 2026-12-01");
    assert_eq!(names("week", "weekly", "week"), "2026-10-26 2026-11-02 2026-11-30");
    assert_eq!(names("month", "monthly", "month"), "2026-11 2026-12");
    assert_eq!(names("model", "models", "model"), "claude-opus-4-5 llama-9 m");
    assert_eq!(names("skill", "skills", "skill"), "draw");
    assert_eq!(names("run", "runs", "run"), "null r-1");
    assert_eq!(names("scene", "scenes", "scene"), "null scene 1 scene 2");
    assert_eq!(names("agent", "agents", "agent"), "null painter");
}

/// Returns the date and the executions of each row of the table by day.
fn days(place: &Place, args: &str) -> Vec<String> {
    let table = cost(place, &format!("--by day {args}"));
    let rows = table.lines().skip(1).take_while(|line| !line.starts_with("total"));
    rows.map(|row| row.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// On 2006-10-29, Newfoundland set its clocks back at one minute past midnight. So the date was 29 October for a minute
/// in the middle of an hour UTC, and then 28 October again.
#[test]
fn a_date_that_lasts_for_a_part_of_an_hour_is_excluded_through_an_index_too() {
    let started = |id: u128, start: &str| {
        let mut record = record(id, "s", start, Some(1), Status::Success);
        record.set_usage("gpt-4", &Usage::new(1, 1));
        record
    };
    let place = Place::with(&[started(1, "2006-10-29T02:10:00Z"), started(2, "2006-10-29T02:30:30Z")]);
    let args = "cost --json --zone America/St_Johns --until 2006-10-28 --by model";
    let before = place.run(args.split(' ')).answer(0);
    assert!(before.contains("\"executions\":1,"), "{before}");
    place.run(["index", "rebuild"]).answer(0);
    assert_eq!(place.run(args.split(' ')).answer(0), before);
}

/// In Havana, clocks went forward on 2025-03-09 from 00:00 to 01:00, so that day began at 01:00. They went back on
/// 2025-11-02 from 01:00 to 00:00, which was 05:00 UTC.
#[test]
fn days_and_dates_are_those_of_the_zone() {
    let place = place(&[
        priced(1, "2025-03-09T04:59:59.999Z", "1"),
        priced(2, "2025-03-09T05:00:00Z", "1"),
        priced(3, "2025-11-02T03:59:59.999Z", "1"),
        priced(4, "2025-11-02T04:00:00Z", "1"),
        priced(5, "2025-11-03T05:00:00Z", "1"),
        priced(6, "2025-12-01T00:00:00Z", "1"),
    ]);
    assert_eq!(days(&place, ""), ["2025-03-09 2", "2025-11-02 2", "2025-11-03 1", "2025-12-01 1"]);
    let havana = ["2025-03-08 1", "2025-03-09 1", "2025-11-01 1", "2025-11-02 1", "2025-11-03 1", "2025-11-30 1"];
    assert_eq!(days(&place, "--zone America/Havana"), havana);
    assert_eq!(days(&place, "--zone america/havana"), havana);
    let days_in_havana = |args: &str| days(&place, &format!("--zone America/Havana {args}"));
    assert_eq!(days_in_havana("--since 2025-03-09 --until 2025-03-09"), havana[1..2]);
    assert_eq!(days_in_havana("--since 2025-11-01 --until 2025-11-02"), havana[2..4]);
    assert_eq!(days_in_havana("--since 2025-11-03"), havana[4..]);
    assert_eq!(days_in_havana("--until 2025-03-08"), havana[..1]);
    assert_eq!(days(&place, "--zone -04:00 --since 2025-11-02"), ["2025-11-02 1", "2025-11-03 1", "2025-11-30 1"]);
    assert_eq!(days(&place, "--zone +02:00 --until 2025-11-02"), ["2025-03-09 2", "2025-11-02 2"]);
}

#[test]
fn a_period_excludes_the_time_at_its_end_and_a_span_goes_back_from_now() {
    let place = place(&november());
    let times = |since: &str, until: &str| days(&place, &format!("--since {since} --until {until}"));
    assert_eq!(times("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"), ["2026-11-01 1"]);
    assert_eq!(times("2026-11-01T03:59:59.999Z", "2026-11-02T05:00:00.001Z"), ["2026-11-01 2", "2026-11-02 1"]);
    assert_eq!(times("2026-11-01T06:00:00+02:00", "2026-11-01"), ["2026-11-01 1"]);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let ago = |id, hours: i64| priced(id, &Timestamp::from_unix_ms(now - hours * 3_600_000).unwrap().to_string(), "1");
    let place = self::place(&[ago(1, 0), ago(2, 23), ago(3, 25), ago(4, 47), ago(5, 49)]);
    let executions = |args: &str| {
        let report: Value = serde_json::from_str(&cost(&place, &format!("--json {args}"))).unwrap();
        report["totals"]["executions"].as_u64().unwrap()
    };
    let found = ["--since 24h", "--since 2d", "--until 24h", "--since 48h --until 1d", ""].map(executions);
    assert_eq!(found, [2, 4, 3, 2, 5]);
}

/// The amount does not fit in a float, and the tokens do not fit in a `u64`.
#[test]
fn sums_are_exact_beyond_floats() {
    let mut record = priced(1, "2026-11-01T00:00:00Z", "98765432109876.12345678");
    (record.tokens_used, record.tokens_input, record.tokens_output) = (Some(u64::MAX), Some(u64::MAX), Some(0));
    let mut other = record.clone();
    other.execution_id = Uuid::from_u128(2);
    let json = cost(&place(&[record, other]), "--json");
    for field in ["\"totalTokens\":36893488147419103230,", "Cost\":197530864219752.24691356,"] {
        assert_eq!(json.matches(field).count(), if field.contains("Cost") { 2 } else { 3 }, "{json}");
    }
}

#[test]
fn a_sum_that_leaves_the_range_is_an_error() {
    let huge = [1, 2].map(|id| priced(id, "2026-11-01T00:00:00Z", "170000000000000000000000000"));
    let place = place(&huge);
    for args in [&["cost"][..], &["cost", "--by", "day", "--json"]] {
        let complaint = place.run(args).complaint(2);
        assert!(complaint.contains("cannot sum up the cost: the sum exceeds the range of an amount"), "{complaint}");
    }
}

#[test]
fn the_cost_of_no_records_is_unknown() {
    let heading = "model  execs  input  output  cache w  cache r  tokens  usd  unpriced\n";
    let total = "total      0      -       -        -        -       -    -         0\n";
    assert_eq!(cost(&place(&[]), ""), format!("{heading}{total}"));
    assert_eq!(cost(&place(&november()), "--since 2027-01-01"), format!("{heading}{total}"));
    assert_eq!(
        cost(&place(&[]), "--json"),
        concat!(
            r#"{"models":[],"totals":{"inputTokens":null,"outputTokens":null,"cacheCreationTokens":null,"#,
            r#""cacheReadTokens":null,"totalTokens":null,"totalCost":null,"executions":0,"unpriced":0,"atStandard":0,"atStandardCost":null,"lowerBounds":0,"#,
            r#""unreported":{"inputTokens":0,"outputTokens":0,"cacheCreationTokens":0,"cacheReadTokens":0,"#,
            r#""totalTokens":0}},"withoutModel":0,"notImported":0,"malformedLines":0}"#,
            "\n"
        )
    );
}

/// The numbers are as wide as possible, and the names have several lengths.
#[test]
fn a_table_has_at_most_80_columns_whatever_the_values() {
    let wide = |skill: &str, cost: &str, estimate: &str| {
        let mut record = record(1, skill, "2026-11-01T00:00:00Z", Some(1), Status::Success);
        record.set_usage("long name of a model ".repeat(9), &Usage::new(u64::MAX, 0));
        (record.tokens_output, record.tokens_used) = (Some(u64::MAX), Some(u64::MAX));
        (record.model.parts.cache_read, record.model.parts.cache_write) = (Some(u64::MAX / 2), Some(u64::MAX / 3));
        (record.cost_usd, record.cost.estimated_usd) = (Some(usd(cost)), Some(usd(estimate)));
        record
    };
    let place = place(&[
        wide(&"-999999.99 ".repeat(30), "-999999.99", "0.000000000001"),
        wide(&"日本語".repeat(40), "-12345678901234567890123456", "-999999.99"),
        wide("short", "12345678901234567890123456", "999999.99"),
        wide("s", "0.000000000001", "0.000000000001"),
    ]);
    for args in ["", "--by day", "--by skill", "--by run", "discrepancy"] {
        let table = cost(&place, args);
        let widest = table.lines().map(|line| line.chars().count()).max();
        assert!((70..=80).contains(&widest.unwrap()), "{args}: {widest:?}\n{table}");
    }
}

fn estimated(id: u128, model: &str, estimate: Option<&str>, cost: Option<&str>) -> ExecutionMetrics {
    let mut record = priced(id, "2026-11-01T00:00:00Z", "0");
    record.skill_name = if id.is_multiple_of(2) { "draw" } else { "write" }.to_owned();
    record.model.name = Some(model.to_owned());
    (record.cost.estimated_usd, record.cost_usd) = (estimate.map(usd), cost.map(usd));
    record
}

fn with_estimates() -> Place {
    place(&[
        estimated(1, "gpt-5", Some("0.02"), Some("0.0235")),
        estimated(2, "gpt-5", Some("0.1"), Some("0.075")),
        estimated(3, "o3", Some("5"), None),
        estimated(4, "o3", None, Some("10")),
        estimated(5, "o3", None, None),
        estimated(6, "free", Some("0"), Some("0")),
    ])
}

#[test]
fn discrepancy_compares_estimates_with_costs() {
    assert_eq!(
        cost(&with_estimates(), "discrepancy"),
        "\
model  both  est. usd  act. usd  diff. usd       %  est. only  act. only
free      1    0.0000    0.0000     0.0000       -          0          0
gpt-5     2    0.1200    0.0985    -0.0215  -17.9%          0          0
o3        0         -         -          -       -          1          1
total     3    0.1200    0.0985    -0.0215  -17.9%          1          1

model  excess usd  of the execution
gpt-5      0.0035  00000000-0001-0000-0000-000000000001
total      0.0035  00000000-0001-0000-0000-000000000001

skill  both  est. usd  act. usd  diff. usd       %  est. only  act. only
draw      2    0.1000    0.0750    -0.0250  -25.0%          0          1
write     1    0.0200    0.0235     0.0035   17.5%          1          0
total     3    0.1200    0.0985    -0.0215  -17.9%          1          1

skill  excess usd  of the execution
write      0.0035  00000000-0001-0000-0000-000000000001
total      0.0035  00000000-0001-0000-0000-000000000001
"
    );
    let nothing = "both  est. usd  act. usd  diff. usd  %  est. only  act. only\n";
    let total = "total     0         -         -          -  -          0          0\n";
    let of_nothing = format!("model  {nothing}{total}\nskill  {nothing}{total}");
    assert_eq!(cost(&with_estimates(), "discrepancy --since 2026-11-02"), of_nothing);
}

#[test]
fn discrepancy_in_json_has_every_digit() {
    assert_eq!(
        cost(&with_estimates(), "discrepancy --json --zone +02:00 --until 2026-11-01"),
        concat!(
            r#"{"models":[{"model":"free","compared":1,"estimatedCost":0,"actualCost":0,"difference":0,"#,
            r#""relativeDifference":null,"largestExcess":null,"estimateOnly":0,"actualOnly":0},"#,
            r#"{"model":"gpt-5","compared":2,"estimatedCost":0.12,"actualCost":0.0985,"difference":-0.0215,"#,
            r#""relativeDifference":-0.17916666666666667,"#,
            r#""largestExcess":{"executionId":"00000000-0001-0000-0000-000000000001","amount":0.0035},"#,
            r#""estimateOnly":0,"actualOnly":0},"#,
            r#"{"model":"o3","compared":0,"estimatedCost":null,"actualCost":null,"difference":null,"#,
            r#""relativeDifference":null,"largestExcess":null,"estimateOnly":1,"actualOnly":1}],"#,
            r#""skills":[{"skill":"draw","compared":2,"estimatedCost":0.1,"actualCost":0.075,"#,
            r#""difference":-0.025,"relativeDifference":-0.25,"largestExcess":null,"estimateOnly":0,"#,
            r#""actualOnly":1},"#,
            r#"{"skill":"write","compared":1,"estimatedCost":0.02,"actualCost":0.0235,"difference":0.0035,"#,
            r#""relativeDifference":0.175,"#,
            r#""largestExcess":{"executionId":"00000000-0001-0000-0000-000000000001","amount":0.0035},"#,
            r#""estimateOnly":1,"actualOnly":0}],"#,
            r#""totals":{"compared":3,"estimatedCost":0.12,"actualCost":0.0985,"difference":-0.0215,"#,
            r#""relativeDifference":-0.17916666666666667,"#,
            r#""largestExcess":{"executionId":"00000000-0001-0000-0000-000000000001","amount":0.0035},"#,
            r#""estimateOnly":1,"actualOnly":1},"malformedLines":0}"#,
            "\n"
        )
    );
}

/// The name of a model, a skill or a run must not move the cursor.
#[test]
fn names_are_printable() {
    let mut record = estimated(1, "m\r\u{9b}", Some("1"), Some("2"));
    (record.skill_name, record.run.run_id) = ("a\u{1b}[2J".into(), Some("r\n".into()));
    let place = place(&[record]);
    let tables = ["", "--by skill", "--by run", "discrepancy"].map(|args| cost(&place, args)).concat();
    assert!(!tables.contains(|c: char| c.is_control() && c != '\n'), "{tables:?}");
    assert!(["\nm\\r\\u{9b} ", "\na\\u{1b}[2J ", "\nr\\n "].iter().all(|name| tables.contains(name)), "{tables}");
}
