//! `runledger baseline` reports what is normal, and `runledger compare` what has changed, in tables and in JSON. A job
//! can rely on their exit codes.

use crate::commands::{Output, Place, command, lines, output, record, usd};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, FrozenWeeks, Uuid};

/// Returns hourly executions of two skills in the week from 2026-02-02 and the first days of the next one. In the
/// second week, `publish` is slower and fails more often.
fn executions() -> Vec<ExecutionMetrics> {
    let execution = |hour: u64| {
        let second_week = hour >= 7 * 24;
        let mut publish =
            record(hour.into(), "publish", "2026-02-02T00:00:00Z", Some(3_000 + hour % 11 * 50), Status::Success);
        publish.timestamp_start = publish.timestamp_start.plus_ms(hour * 3_600_000);
        publish.tokens_used = Some(1_000 + hour % 7);
        publish.cost_usd = Some(usd("0.01"));
        let mut search = publish.clone();
        search.execution_id = Uuid::from_u128(10_000 + u128::from(hour));
        search.skill_name = "search".to_owned();
        search.cost_usd = None;
        if second_week {
            publish.total_latency_ms = Some(3_600 + hour % 11 * 50);
            publish.skill_version = "1.1.0".to_owned();
            publish.model.name = Some("gpt-4".to_owned());
            if hour.is_multiple_of(4) {
                publish.set_status(Status::Failed);
            }
        }
        [publish, search]
    };
    (0..250).flat_map(execution).collect()
}

fn place(records: &[ExecutionMetrics]) -> Place {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.ledger(), lines(records)).unwrap();
    place
}

fn run(place: &Place, args: &str) -> Output {
    place.run(args.split_whitespace())
}

fn answer(place: &Place, args: &str) -> String {
    run(place, args).answer(0)
}

pub(crate) fn frozen_place() -> Place {
    let place = place(&executions());
    answer(&place, "baseline freeze --week 2026-02-10");
    place
}

#[test]
fn each_group_has_a_baseline() {
    let place = place(&executions());
    assert_eq!(
        answer(&place, "baseline --by version"),
        "\
version        runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
publish@1.0.0   168   100.0%    3250    3500    3500      0.01         1003
publish@1.1.0    82    74.4%    3850    4100    4100      0.01     1002.939
search@1.0.0    250   100.0%    3250    3500    3500         -      1002.98
unknown of search@1.0.0: cost 250
"
    );
    assert_eq!(
        answer(&place, "baseline --by week"),
        "\
week                runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
publish@2026-02-02   168   100.0%    3250    3500    3500      0.01         1003
publish@2026-02-09    82    74.4%    3850    4100    4100      0.01     1002.939
search@2026-02-02    168   100.0%    3250    3500    3500         -         1003
search@2026-02-09     82   100.0%    3250    3500    3500         -     1002.939
unknown of search@2026-02-02: cost 168
unknown of search@2026-02-09: cost 82
"
    );
    assert_eq!(
        answer(&place, "baseline --by model"),
        "\
model  runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
-       418   100.0%    3250    3500    3500      0.01     1002.988
gpt-4    82    74.4%    3850    4100    4100      0.01     1002.939
unknown of -: cost 250
"
    );
    assert_eq!(
        answer(&place, "baseline --by environment"),
        "\
environment  runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
prod          500    95.8%    3300    3950    4100      0.01      1002.98
unknown of prod: cost 250
"
    );
}

#[test]
fn a_baseline_is_of_a_period_or_of_the_last_executions() {
    let place = place(&executions());
    assert_eq!(
        answer(&place, "baseline --skill publish --until 2026-02-08"),
        "\
skill    runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
publish   168   100.0%    3250    3500    3500      0.01         1003
"
    );
    assert_eq!(
        answer(&place, "baseline --since 2026-02-09 --until 2026-02-09T12:00:00Z --skill search"),
        "\
skill   runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
search    12   100.0%    3225  3472.5  3494.5         -     1002.583
unknown of search: cost 12
"
    );
    assert_eq!(
        answer(&place, "baseline --last 24"),
        "\
skill    runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
publish    24    75.0%    3875  4092.5    4100      0.01         1003
search     24   100.0%    3275  3492.5    3500         -         1003
unknown of search: cost 24
"
    );
}

#[test]
fn weeks_begin_on_monday_in_the_zone() {
    let start = ["2026-02-08T22:59:59Z", "2026-02-08T23:00:00Z", "2026-02-15T23:30:00Z"];
    let records = [1, 2, 3].map(|id| record(id, "s", start[id as usize - 1], Some(5), Status::Success));
    let place = place(&records);
    let names = |args: &str| -> Vec<String> {
        let table = answer(&place, &format!("baseline --by week {args}"));
        let rows = table.lines().skip(1).take_while(|line| line.starts_with("s@"));
        rows.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(names(""), ["s@2026-02-02 2", "s@2026-02-09 1"]);
    for zone in ["--zone Europe/Zurich", "--zone +01:00 --last 5", "--zone Europe/Zurich --since 2026-01-01"] {
        assert_eq!(names(zone), ["s@2026-02-02 1", "s@2026-02-09 1", "s@2026-02-16 1"], "{zone}");
    }
}

/// A name that is cut keeps the part that distinguishes it from the others.
#[test]
fn versions_of_a_long_name_can_be_distinguished() {
    let mut records = executions();
    records.iter_mut().for_each(|record| record.skill_name = "übersetzen-und-veröffentlichen".to_owned());
    let table = answer(&place(&records), "baseline --by version");
    let names: Vec<_> = table.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["übersetzen-und-ver…@1.0.0", "übersetzen-und-ver…@1.1.0", "unknown"]);
}

#[test]
fn more_latencies_than_are_stored_exactly_are_reported() {
    let mut records = executions();
    records[0].total_latency_ms = Some(1 << 40);
    // A single latency of 35 years is stored exactly, too.
    let exact = place(&records[..40]);
    assert!(answer(&exact, "baseline").ends_with("\nunknown of search: cost 20\n"));
    assert!(answer(&exact, "baseline --json").contains("\"latency_precision\": \"exact\""));
    let mut many = records[0].clone();
    for latency in 0..49_152 {
        (many.execution_id, many.total_latency_ms) = (Uuid::from_u128(1 << 100 | u128::from(latency)), Some(latency));
        records.push(many.clone());
    }
    let place = place(&[&records[..40], &records[500..]].concat());
    let table = answer(&place, "baseline");
    assert!(table.ends_with("\npercentiles of publish: accurate to 0.4 %\nunknown of search: cost 20\n"), "{table}");
    assert!(answer(&place, "baseline --json").contains("\"latency_precision\": \"within 0.4 %\""));
}

#[test]
fn freeze_reports_the_week_and_freezes_it_once() {
    let place = place(&executions());
    assert_eq!(
        answer(&place, "baseline freeze --week 2026-02-10"),
        "\
skill    runs  success  p50 ms  p95 ms  p99 ms  mean usd  mean tokens
publish   168   100.0%    3250    3500    3500      0.01         1003
search    168   100.0%    3250    3500    3500         -         1003
unknown of search: cost 168
frozen for the week from 2026-02-09T00:00:00.000Z: 336 executions that started before it
"
    );
    std::fs::write(place.ledger(), "").unwrap();
    let line = answer(&place, "baseline freeze --week 2026-02-15 --json");
    let kept = FrozenWeeks::open(place.path("logs/baselines.jsonl")).unwrap().next().unwrap().unwrap();
    assert_eq!(line, kept.to_json().unwrap() + "\n");
    assert_eq!(kept.computed_from.records, 336);
}

#[test]
fn freeze_reports_lines_that_are_not_records_and_refuses_a_future_week() {
    let place = place(&executions()).with_a_foreign_line();
    let Output { code, stderr, .. } = run(&place, "baseline freeze --week 2026-02-10");
    assert_eq!(code, Some(0));
    assert!(
        stderr.starts_with(
            "runledger: warning: cannot read a record from JSON: logs/execution_metrics.jsonl: line 3 (byte"
        ),
        "{stderr}"
    );
    assert!(stderr.ends_with("\nrunledger: warning: skipped lines that are not records: 1\n"), "{stderr}");
    assert_eq!(
        run(&place, "baseline freeze --week 9999-12-27").complaint(2),
        "runledger: cannot freeze baselines: found the week that begins at 9999-12-27T00:00:00.000Z; expected one that has begun\n"
    );
    // The current week is after all of the executions.
    let Output { code, stdout, .. } = run(&place, "baseline freeze");
    assert!(code == Some(0) && stdout.ends_with(": 500 executions that started before it\n"), "{stdout}");
    let place = Place::with(&crate::commands::records()[..1]);
    let frozen = answer(&place, "baseline freeze");
    assert!(frozen.ends_with(": 1 execution that started before it\n"), "{frozen}");
}

#[test]
fn compare_judges_each_metric_and_ends_with_1_if_one_is_worse() {
    let place = frozen_place();
    assert_eq!(
        run(&place, "compare").answer(1),
        "\
skill   metric        baseline recent        interval       p verdict
publish success_rate    100.0%  74.4% -39.5% … -14.7% <0.0001 worse
publish latency_ms        3250   3850   16.3% … 21.0% <0.0001 worse
publish cost_mean_usd     0.01   0.01     0.0% … 0.0%  1.0000 no change shown
publish tokens_mean       1003   1003    -0.1% … 0.1%  1.0000 no change shown
search  success_rate    100.0% 100.0%    -7.5% … 3.8%  1.0000 no change shown
search  latency_ms        3250   3250    -2.1% … 2.4%  1.0000 no change shown
search  cost_mean_usd        -      -               -       - too few
search  tokens_mean       1003   1003    -0.1% … 0.1%  1.0000 no change shown
compared with the baselines of the week from 2026-02-09T00:00:00.000Z
7 of 8 metrics judged
"
    );
    assert_eq!(
        answer(&place, "compare --skill search"),
        "\
skill   metric         baseline  recent      interval       p  verdict
search  success_rate     100.0%  100.0%  -7.5% … 3.8%  1.0000  no change shown
search  latency_ms         3250    3250  -2.1% … 2.4%  1.0000  no change shown
search  cost_mean_usd         -       -             -       -  too few
search  tokens_mean        1003    1003  -0.1% … 0.1%  1.0000  no change shown
compared with the baselines of the week from 2026-02-09T00:00:00.000Z
3 of 4 metrics judged
"
    );
    let few = run(&place, "compare --since 2026-02-05 --until 2026-02-05").answer(3);
    assert!(few.contains("\npublish  latency_ms         3250    3275   -3.4% … 4.1%  1.0000  too few\n"), "{few}");
}

/// The final usage of some calls was not reported, so the means of costs and tokens can be too low.
#[test]
fn values_that_are_lower_bounds_are_counted() {
    let mut records = executions();
    // Three executions of `publish`: one of the first week, and two of the second.
    for hour in [3, 200, 201] {
        records[2 * hour].tags.insert("lower_bound_calls".to_owned(), vec![1].into());
    }
    let place = place(&records);
    let note = |args: &str| run(&place, args).stderr;
    let of = |executions: &str| {
        format!(
            "runledger: the cost and the tokens of {executions} are lower bounds, so the means of cost and tokens can \
             be too low\n"
        )
    };
    assert_eq!(note("baseline"), of("3 executions"));
    assert_eq!(note("baseline --skill publish --until 2026-02-03"), of("1 execution"));
    assert_eq!(note("baseline --skill search"), "");
    answer(&place, "baseline freeze --week 2026-02-10");
    let text = "recent: the cost and the tokens of 2 executions are lower bounds, so the means of cost and tokens";
    let compared = run(&place, "compare").answer(1);
    assert!(compared.replace("\n    ", " ").contains(text), "{compared}");
    assert!(compared.contains("judged\nrecent: "), "{compared}");
    let markdown = run(&place, "compare --markdown").answer(1);
    assert!(
        markdown.contains("Recent executions: the cost and the tokens of 2 executions are lower bounds"),
        "{markdown}"
    );
    let json: serde_json::Value = serde_json::from_str(&run(&place, "compare --json").answer(1)).unwrap();
    assert_eq!(json["lower_bounds"], 2);
}

/// A job must not pass if `compare` judged nothing, or if it did not judge a required metric.
#[test]
fn compare_ends_with_3_if_it_judged_nothing_or_not_what_is_required() {
    let place = frozen_place();
    let last = |args: &str, code: i32| run(&place, args).answer(code).lines().last().unwrap().to_owned();
    assert_eq!(last("compare --since 2026-03-01", 3), "0 of 8 metrics judged");
    assert_eq!(last("compare --since 2026-02-12T09:00:00Z", 3), "0 of 8 metrics judged");
    assert_eq!(last("compare --skill absent", 3), "0 of 0 metrics judged");
    assert_eq!(last("compare --skill search", 0), "3 of 4 metrics judged");
    assert_eq!(last("compare --skill search --require success_rate,latency_ms", 0), "3 of 4 metrics judged");
    // All costs of `search` are unknown.
    for required in ["cost_mean_usd", "all", "success_rate,cost_mean_usd"] {
        let args = format!("compare --skill search --require {required}");
        assert_eq!(last(&args, 3), "required and not judged: cost_mean_usd of search");
    }
    let json: serde_json::Value =
        serde_json::from_str(&run(&place, "compare --skill search --require cost_mean_usd --json").answer(3)).unwrap();
    assert_eq!((&json["judged"], &json["metrics"]), (&3.into(), &4.into()));
    assert_eq!(json["required_not_judged"], serde_json::json!([{"skill": "search", "metric": "cost_mean_usd"}]));
    assert_eq!(json["skills"]["search"]["cost_mean_usd"]["verdict"], "too_few");
    // If a metric is worse, the exit code is 1, even if a required metric was not judged.
    run(&place, "compare --require all").answer(1);
    // There is one name for each metric: its key in the JSON.
    for name in ["speed", "success", "latency", "ms"] {
        let complaint = run(&place, &format!("compare --require {name}")).complaint(2);
        let names = "[possible values: success_rate, latency_ms, cost_mean_usd, tokens_mean, all]";
        assert!(complaint.contains(&format!("invalid value '{name}'")) && complaint.contains(names), "{complaint}");
    }
}

/// The default is 30 values. The baseline has 168 of each skill, and the day has 24.
#[test]
fn compare_judges_on_as_many_values_as_requested() {
    let place = frozen_place();
    let day = "compare --since 2026-02-05 --until 2026-02-05 --skill publish";
    let verdict = |more: &str, code: i32| {
        let table = run(&place, &format!("{day} {more}")).answer(code);
        let row = table.lines().find(|row| row.contains(" latency_ms ")).unwrap_or_default().to_owned();
        (row.rsplit("  ").next().unwrap().to_owned(), table.lines().last().unwrap().to_owned())
    };
    let [few, none] = ["too few", "no change shown"].map(str::to_owned);
    let judged = |count: u8| format!("{count} of 4 metrics judged");
    assert_eq!(verdict("", 3), (few.clone(), judged(0)));
    assert_eq!(verdict("--min-samples 30", 3), (few.clone(), judged(0)));
    assert_eq!(verdict("--min-samples 25", 3), (few, judged(0)));
    assert_eq!(verdict("--min-samples 24", 0), (none, judged(4)));
}

#[test]
fn a_week_without_earlier_records_is_not_frozen_and_can_be_frozen_after_a_backfill() {
    let records = executions();
    let place = place(&records[336..]);
    assert_eq!(
        run(&place, "baseline freeze --week 2026-02-10").answer(3),
        "nothing is frozen: found no execution that started before 2026-02-09T00:00:00.000Z. After older executions are \
         recorded, run `runledger baseline freeze --week 2026-02-09`\n"
    );
    let json = run(&place, "baseline freeze --week 2026-02-10 --json");
    let note: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert!(json.code == Some(3) && note["note"].as_str().unwrap().starts_with("nothing is frozen: "), "{note}");
    let found = run(&place, "compare --week 2026-02-10").complaint(2);
    assert!(found.contains("no baselines are frozen for the week from 2026-02-09T00:00:00.000Z"), "{found}");
    std::fs::write(place.ledger(), lines(&records)).unwrap();
    let table = answer(&place, "baseline freeze --week 2026-02-10");
    assert!(
        table.ends_with("frozen for the week from 2026-02-09T00:00:00.000Z: 336 executions that started before it\n"),
        "{table}"
    );
}

/// `tests/data/comparison_reference.py` and `verdicts_reference.py` show how such values are computed.
#[test]
fn compare_in_json_has_every_number() {
    let window = "compare --since 2026-02-09T00:00:00Z --until 2026-02-10T10:00:00Z --skill publish --json";
    assert_eq!(
        run(&frozen_place(), window).answer(1),
        concat!(
            r#"{"week_start":"2026-02-09T00:00:00.000Z","metrics":4,"judged":4,"lower_bounds":0,"required_not_judged":[],"#,
            r#""skills":{"publish":{"success_rate":{"baseline":1.0,"#,
            r#""recent":0.7353,"baseline_samples":168,"recent_samples":34,"test":"fisher_exact","#,
            r#""delta":-0.264705882,"relative_delta":-0.264705882,"interval":[-0.485488376,-0.115831836],"#,
            r#""design_effect":1.0,"p_value":5.09066607e-8,"p_adjusted":8.48444345e-8,"verdict":"worse"},"#,
            r#""latency_ms":{"baseline":3250.0,"recent":3850.0,"baseline_samples":168,"recent_samples":34,"#,
            r#""test":"permutation","delta":602.66263,"relative_delta":0.185434655,"#,
            r#""interval":[490.135882,718.483846],"design_effect":1.90712382,"p_value":2.70881497e-10,"#,
            r#""p_adjusted":7.22350659e-10,"verdict":"worse"},"#,
            r#""latency_precision":"exact","#,
            r#""cost_mean_usd":{"baseline":0.01,"recent":0.01,"baseline_samples":168,"recent_samples":34,"#,
            r#""test":"permutation","delta":0.0,"relative_delta":0.0,"interval":[0.0,0.0],"design_effect":null,"#,
            r#""p_value":1.0,"p_adjusted":1.0,"verdict":"no_change_shown"},"#,
            r#""tokens_mean":{"baseline":1003.0,"recent":1002.912,"baseline_samples":168,"recent_samples":34,"#,
            r#""test":"permutation","delta":-0.088160701,"relative_delta":-0.00008789701,"#,
            r#""interval":[-1.09329626,0.917952639],"design_effect":1.0,"p_value":1.0,"p_adjusted":1.0,"#,
            r#""verdict":"no_change_shown"}}}}"#,
            "\n"
        )
    );
}

#[test]
fn compare_uses_the_last_frozen_baselines_or_those_of_a_given_week() {
    let older = record(900, "publish", "2026-02-01T00:00:00Z", Some(3_000), Status::Success);
    let place = place(&[executions(), vec![older]].concat());
    assert_eq!(
        run(&place, "compare").complaint(2),
        "runledger: no baselines are frozen yet in logs/baselines.jsonl; run `runledger baseline freeze`\n"
    );
    answer(&place, "baseline freeze --week 2026-02-10");
    answer(&place, "baseline freeze --week 2026-02-03");
    let against = |args: &str| run(&place, args).stdout.lines().rev().nth(1).unwrap().to_owned();
    assert_eq!(against("compare"), "compared with the baselines of the week from 2026-02-09T00:00:00.000Z");
    assert_eq!(
        against("compare --week 2026-02-02"),
        "compared with the baselines of the week from 2026-02-02T00:00:00.000Z"
    );
    assert_eq!(
        run(&place, "compare --week 2026-03-01").complaint(2),
        "runledger: no baselines are frozen for the week from 2026-02-23T00:00:00.000Z in logs/baselines.jsonl; run \
         `runledger baseline freeze`\n"
    );
}

/// `--require` names a skill without recent executions, and ignores it. Here, the exit code is 3 because nothing at all
/// was judged.
#[test]
fn nothing_is_required_of_a_skill_without_recent_executions() {
    let place = frozen_place();
    let window = "compare --since 2026-03-01 --require all";
    let Output { code, stdout, stderr } = run(&place, window);
    assert!(code == Some(3) && !stdout.contains("required and not judged"), "{stdout}");
    assert_eq!(
        stderr,
        "runledger: warning: --require ignores publish, which has no recent executions\n\
         runledger: warning: --require ignores search, which has no recent executions\n"
    );
}

/// The baselines of an older week would give another answer, so they are used only if somebody asks for them.
#[test]
fn a_damaged_latest_week_is_not_replaced_by_an_older_one() {
    let place = place(&executions());
    answer(&place, "baseline freeze --week 2026-02-09");
    answer(&place, "baseline freeze --week 2026-02-16");
    let path = place.files().into_iter().find(|path| path.ends_with("baselines.jsonl")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.rfind("\"skipped\"").unwrap();
    std::fs::write(&path, format!("{}\"skopped\"{}", &text[..at], &text[at + 9..])).unwrap();
    let Output { code, stderr, .. } = run(&place, "compare");
    let expected = "runledger: cannot read the baselines of the latest frozen week: logs/baselines.jsonl: found a damaged \
                    line; expected frozen baselines. Name a week with --week\n";
    assert!(code == Some(2) && stderr.ends_with(expected), "{code:?} {stderr}");
    let Output { code, .. } = run(&place, "compare --week 2026-02-09");
    assert!(matches!(code, Some(0 | 1 | 3)), "{code:?}");
}

#[test]
fn stability_is_reported_week_by_week() {
    let place = place(&executions());
    assert_eq!(
        answer(&place, "baseline stability"),
        "\
week        skill    success  p50 ms  p95 ms  mean ms   usd  tokens  stable
2026-02-09  publish   -25.6%   18.5%   17.1%    18.6%  0.0%   -0.0%  3/9
2026-02-09  search      0.0%    0.0%    0.0%     0.1%     -   -0.0%  6/7
changed by more than 2 % from the previous week: 7 of 16 metrics
"
    );
    let json: serde_json::Value =
        serde_json::from_str(&answer(&place, "baseline stability --json --skill search")).unwrap();
    let mean = serde_json::json!(
        {"baseline": 3246.429, "recent": 3250.0, "delta": 3.571, "relative_delta": 0.0010999778525881824, "stability": "stable"}
    );
    assert_eq!(json["weeks"][0]["week_start"], "2026-02-09T00:00:00.000Z");
    assert_eq!(json["weeks"][0]["skills"]["search"]["latency_mean_ms"], mean);
    assert_eq!(json["weeks"].as_array().unwrap().len(), 1);
}

/// On a short ledger, the commands that report baselines write nothing. A command that fails writes nothing either.
#[test]
fn reports_and_failed_commands_change_nothing() {
    let place = frozen_place();
    let content = || place.files().into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>();
    let before = content();
    for args in ["baseline --by week", "baseline --last 3", "baseline stability", "compare", "compare --json"] {
        assert!(matches!(run(&place, args).code, Some(0 | 1)), "{args}");
        assert!(before == content(), "{args}");
    }
    let without = Place::empty();
    for args in ["baseline freeze", "baseline stability", "compare"] {
        run(&without, args).complaint(2);
    }
    run(&place, "baseline freeze --ledger logs/baselines.jsonl").complaint(2);
    assert_eq!((without.files().len(), before), (0, content()));
}

#[test]
fn each_command_has_help_with_an_example_and_names_wrong_arguments() {
    for name in ["baseline freeze", "baseline stability", "compare"] {
        let help = output(command().args(name.split(' ').chain(["--help"]))).answer(0);
        let example = help.split_once("\nExample: ").map(|(_, example)| example.lines().nth(1).unwrap_or_default());
        assert!(example.is_some_and(|line| line.starts_with(&format!("  runledger {name}"))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    for (args, complaint) in [
        ("baseline --by moon", "[possible values: skill, version, model, environment, week]"),
        ("baseline --last 0", "expected a whole number from 1 to 18446744073709551615"),
        ("baseline --last 3 freeze", "cannot be used with"),
        ("baseline freeze --week 2026-2-10", "expected a day such as 2026-11-16"),
        ("compare --week 2026-02-30", "expected a day such as 2026-11-16"),
    ] {
        let found = run(&Place::empty(), args).complaint(2);
        assert!(found.contains(complaint), "{found}");
    }
}
