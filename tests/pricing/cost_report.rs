//! Promise: every sum in a cost report is exact, whatever the order and the number of the records. Unknown costs are
//! counted.

use chrono::FixedOffset;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use runledger::cost::{CostBy, Count, Discrepancies, Report, Sum};
use runledger::metrics::LlmCall;
use runledger::{ErrorKind, ExecutionMetrics, Timestamp, Usage, Usd, Uuid};

fn new(start: &str) -> ExecutionMetrics {
    ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", start.parse().unwrap())
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn report<'r>(by: CostBy, records: impl IntoIterator<Item = &'r ExecutionMetrics>) -> Report {
    let mut report = Report::new(by);
    records.into_iter().for_each(|record| report.add(record).unwrap());
    report
}

fn names(report: &Report) -> Vec<Option<&str>> {
    report.groups().map(|(name, _)| name).collect()
}

fn known(count: &Count) -> u128 {
    count.known.unwrap_or(0)
}

/// As floats, the million would add up to 0.7499999999943808.
#[test]
fn a_million_small_amounts_are_totalled_exactly() {
    let mut record = new("2026-11-20T12:00:00Z");
    record.set_usage("gpt-4o-mini", &Usage::new(1, 1));
    record.cost_usd = Some(usd("0.00000075"));
    let mut report = Report::new(CostBy::Skill);
    for _ in 0..1_000_000 {
        report.add(&record).unwrap();
    }
    let sum = report.totals();
    assert_eq!((sum.executions, sum.cost, known(&sum.total)), (1_000_000, Some(usd("0.75")), 2_000_000));
    assert_eq!(report.groups().next().unwrap().1.sum.cost, Some(usd("0.75")));
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first_in_any_zone() {
    let week = |start: &str| names(&report(CostBy::Week, [&priced(start)]))[0].unwrap().to_owned();
    for (start, monday) in [
        ("2026-11-16T00:00:00Z", "2026-11-16"),
        ("2026-11-22T23:59:59.999Z", "2026-11-16"),
        ("2026-11-23T00:00:00Z", "2026-11-23"),
        ("2026-01-01T12:00:00Z", "2025-12-29"),
        ("0000-01-01T00:00:00Z", "-0001-12-27"),
    ] {
        assert_eq!(week(start), monday, "{start}");
    }
    for (by, start, east_s, name) in [
        (CostBy::Day, "2026-11-20T22:00:00Z", 7200, "2026-11-21"),
        (CostBy::Day, "2026-11-20T21:59:59.999Z", 7200, "2026-11-20"),
        (CostBy::Week, "2026-11-22T22:00:00Z", 7200, "2026-11-23"),
        (CostBy::Month, "2026-12-01T04:59:59Z", -18_000, "2026-11"),
        (CostBy::Month, "0099-12-31T23:59:59Z", 60, "0100-01"),
    ] {
        let mut report = Report::in_zone(by, FixedOffset::east_opt(east_s).unwrap());
        report.add(&priced(start)).unwrap();
        assert_eq!(report.groups().next().unwrap().0, Some(name));
    }
}

fn priced(start: &str) -> ExecutionMetrics {
    let mut record = new(start);
    record.cost_usd = Some(usd("1"));
    record
}

#[test]
fn each_group_is_named_by_its_field_and_records_without_it_are_a_group() {
    let mut record = priced("2026-11-20T12:00:00Z");
    for by in [CostBy::Run, CostBy::Scene, CostBy::Agent, CostBy::Model] {
        assert_eq!(names(&report(by, [&record])), [None], "{by:?}");
    }
    record.run.run_id = Some("run".into());
    record.run.agent_name = Some("agent".into());
    record.production.scene_id = Some("scene".into());
    record.model.name = Some("model".into());
    record.skill_name = "skill".into();
    for by in [CostBy::Run, CostBy::Scene, CostBy::Agent, CostBy::Model, CostBy::Skill] {
        assert_eq!(names(&report(by, [&record, &record])), [Some(by.name())]);
    }
    for by in CostBy::ALL {
        assert_eq!(by.name().parse::<CostBy>().unwrap(), by);
    }
    let error = "days".parse::<CostBy>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().ends_with("month, model, skill, run, scene, agent, found \"days\""), "{error}");
}

#[test]
fn what_is_unknown_is_counted_and_never_zero() {
    let start = "2026-11-20T12:00:00Z";
    let mut cached = new(start);
    cached.set_usage("a", &Usage::new(100, 10).cache_read(70).cache_write(20));
    cached.cost_usd = Some(usd("0.5"));
    let mut uncached = new(start);
    uncached.set_usage("a", &Usage::new(1000, 0));
    let mut nothing = new(start);
    nothing.model.name = Some("b".into());
    let no_model = new(start);

    let report = report(CostBy::Model, [&cached, &uncached, &nothing, &no_model]);
    let told = |sum: &Sum| {
        let counts = [sum.input_uncached, sum.output, sum.cache_write, sum.cache_read, sum.total];
        (sum.executions, sum.cost, sum.unpriced, counts.map(|count| (count.known, count.unknown)))
    };
    let a = [(Some(1010), 0), (Some(10), 0), (Some(20), 1), (Some(70), 1), (Some(1110), 0)];
    let all = [(Some(1010), 1), (Some(10), 1), (Some(20), 2), (Some(70), 2), (Some(1110), 1)];
    let groups: Vec<_> = report.groups().map(|(name, group)| (name.unwrap(), told(&group.sum))).collect();
    assert_eq!(groups, [("a", (2, Some(usd("0.5")), 1, a)), ("b", (1, None, 1, [(None, 1); 5]))]);
    assert_eq!(told(report.totals()), (3, Some(usd("0.5")), 2, all));
    assert_eq!(report.without_model(), 1);
    assert_eq!(Report::new(CostBy::Day).totals(), &Sum::default());
}

#[test]
fn an_execution_of_several_models_is_in_each_of_them_and_once_in_the_whole() {
    let call = |model: &str, input: u64, cost: Option<&str>| {
        let mut call = LlmCall::new(1, model);
        (call.tokens_input, call.tokens_output, call.cost_usd) = (Some(input), Some(1), cost.map(usd));
        call
    };
    let mut record = new("2026-11-20T12:00:00Z");
    record.set_usage("b", &Usage::new(100, 2).cache_read(70));
    record.trace.llm_calls = vec![call("a", 90, Some("0.25")), call("b", 10, None)];

    let by_model = report(CostBy::Model, [&record]);
    let groups: Vec<_> = by_model.groups().map(|(name, group)| (name.unwrap(), &group.sum)).collect();
    let [("a", a), ("b", b)] = groups[..] else { panic!("{groups:?}") };
    assert_eq!((a.executions, a.cost, a.unpriced), (1, Some(usd("0.25")), 0));
    assert_eq!((b.executions, b.cost, b.unpriced), (1, None, 1));
    assert_eq!([a, b].map(|sum| (known(&sum.input_uncached), known(&sum.total))), [(90, 91), (10, 11)]);
    assert_eq!([a, b].map(|sum| (sum.cache_read.known, sum.cache_read.unknown)), [(None, 1); 2]);

    let by_skill = report(CostBy::Skill, [&record]);
    let (_, skill) = by_skill.groups().next().unwrap();
    assert_eq!(&skill.sum, by_model.totals());
    assert_eq!((skill.sum.executions, skill.sum.cost, skill.sum.unpriced), (1, Some(usd("0.25")), 1));
    assert_eq!([skill.sum.input_uncached, skill.sum.cache_read, skill.sum.total].map(|c| known(&c)), [30, 70, 102]);
    assert_eq!(skill.models.values().collect::<Vec<_>>(), [a, b]);

    record.model.parts.cache_read = Some(101);
    let too_many = report(CostBy::Skill, [&record]);
    assert_eq!((too_many.totals().input_uncached.known, too_many.totals().input_uncached.unknown), (None, 1));
}

#[test]
fn cached_tokens_come_from_the_calls_or_else_from_the_whole() {
    let mut record = new("2026-11-20T12:00:00Z");
    let call = |model: &str, input: Option<u64>, cache_read: Option<u64>| {
        let mut call = LlmCall::new(1, model);
        (call.tokens_input, call.tokens_output, call.parts.cache_read) = (input, Some(1), cache_read);
        call
    };
    // For all executions, and then for each model: the uncached input, the cache reads, and the number of executions
    // that do not report their cache reads.
    let told = |record: &ExecutionMetrics| {
        let report = report(CostBy::Model, [record]);
        let told = |sum: &Sum| (sum.input_uncached.known, sum.cache_read.known, sum.cache_read.unknown);
        [report.totals()].into_iter().chain(report.groups().map(|(_, group)| &group.sum)).map(told).collect::<Vec<_>>()
    };
    record.model.parts.cache_read = Some(60);
    record.trace.llm_calls = vec![call("a", Some(90), None), call("b", Some(10), None)];
    assert_eq!(told(&record), [(Some(40), Some(60), 0), (Some(90), None, 1), (Some(10), None, 1)]);
    record.trace.llm_calls = vec![call("a", Some(90), Some(60)), call("b", Some(10), None)];
    assert_eq!(told(&record), [(Some(40), Some(60), 1), (Some(30), Some(60), 0), (Some(10), None, 1)]);
    record.trace.llm_calls =
        vec![call("a", Some(50), Some(40)), call("b", Some(10), Some(0)), call("a", Some(40), Some(20))];
    assert_eq!(told(&record), [(Some(40), Some(60), 0), (Some(30), Some(60), 0), (Some(10), Some(0), 0)]);
    record.model.parts.cache_read = None;
    record.trace.llm_calls = vec![call("a", Some(90), None), call("b", None, None)];
    assert_eq!(told(&record), [(Some(90), None, 1), (Some(90), None, 1), (None, None, 1)]);
}

#[test]
fn a_sum_that_leaves_the_range_is_an_error() {
    let mut record = priced("2026-11-20T12:00:00Z");
    (record.cost_usd, record.cost.estimated_usd) = (Some(Usd::from_pico(i128::MAX)), Some(Usd::ZERO));
    let (mut report, mut found) = (Report::new(CostBy::Day), Discrepancies::default());
    report.add(&record).unwrap();
    found.add(&record).unwrap();
    assert_eq!(report.add(&record).unwrap_err().kind(), ErrorKind::Overflow);
    assert_eq!(found.add(&record).unwrap_err().kind(), ErrorKind::Overflow);
    (record.cost_usd, record.cost.estimated_usd) = (Some(Usd::from_pico(i128::MAX)), Some(Usd::from_pico(-1)));
    assert_eq!(Discrepancies::default().add(&record).unwrap_err().kind(), ErrorKind::Overflow);
}

#[test]
fn discrepancies_compare_records_with_both_costs() {
    let record = |id: u128, skill: &str, models: &[&str], estimated: Option<&str>, actual: Option<&str>| {
        let start = Timestamp::UNIX_EPOCH;
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, "1", start);
        record.model.name = models.last().map(|&name| name.to_owned());
        record.trace.llm_calls = models.iter().map(|&name| LlmCall::new(1, name)).collect();
        (record.cost.estimated_usd, record.cost_usd) = (estimated.map(usd), actual.map(usd));
        record
    };
    let records = [
        record(4, "s", &["m"], Some("0.2"), Some("0.4")),
        record(5, "s", &["m"], Some("0.1"), Some("0.3")),
        record(3, "s", &["m"], Some("0.7"), Some("0.00000075")),
        record(2, "s", &["n"], Some("1"), None),
        record(1, "t", &["m", "n"], None, Some("5")),
        record(6, "t", &[], Some("0"), Some("0")),
        record(7, "u", &["v"], None, None),
        record(8, "t", &["m", "n"], Some("1"), None),
    ];
    let mut found = Discrepancies::default();
    records.iter().for_each(|record| found.add(record).unwrap());
    let names: Vec<_> = found.models().map(|(name, _)| name).collect();
    assert_eq!(names, [None, Some("m"), Some("n")]);
    assert_eq!(found.skills().map(|(name, _)| name).collect::<Vec<_>>(), ["s", "t"]);

    let m = found.models().nth(1).unwrap().1;
    assert_eq!((m.compared, m.estimated, m.actual), (3, Some(usd("1")), Some(usd("0.70000075"))));
    assert_eq!((m.difference(), m.relative()), (Some(usd("-0.29999925")), Some(-0.299_999_25)));
    let excess = m.largest_excess.unwrap();
    assert_eq!((excess.execution_id, excess.amount), (Uuid::from_u128(4), usd("0.2")));
    let n = found.models().nth(2).unwrap().1;
    assert_eq!((n.compared, n.estimate_only, n.actual_only, n.difference()), (0, 1, 0, None));
    assert_eq!((n.estimated, n.actual, n.relative(), n.largest_excess), (None, None, None, None));
    let t = found.skills().nth(1).unwrap().1;
    assert_eq!((t.compared, t.estimate_only, t.actual_only), (1, 1, 1));
    assert_eq!(found.models().next().unwrap().1, t);
    assert_eq!((t.difference(), t.relative(), t.largest_excess), (Some(Usd::ZERO), None, None));
    let all = found.totals();
    assert_eq!((all.compared, all.estimate_only, all.actual_only), (4, 2, 1));
}

/// A record that was made by hand can have `cost.exact_usd` without `cost_usd`.
#[test]
fn an_execution_with_only_an_exact_cost_has_a_cost() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH);
    record.model.name = Some("m".to_owned());
    record.cost.exact_usd = Some(usd("0.067500000001"));
    let found = discrepancies(&[record]);
    assert_eq!(found.totals().actual_only, 1);
    assert_eq!(found.skills().map(|(name, _)| name).collect::<Vec<_>>(), ["s"]);
    assert_eq!(found.models().map(|(name, _)| name).collect::<Vec<_>>(), [Some("m")]);
}

/// Returns any record. There are only a few names, so that groups have several records. Each value may be missing.
fn any_record() -> impl Strategy<Value = ExecutionMetrics> {
    let name = || of(prop::sample::select(vec!["a", "b", "c"]));
    let count = || of(0u64..1 << 62);
    // Small amounts are frequent, so that some amounts are equal.
    let pico = || prop_oneof![any::<i64>(), -2..3i64];
    let amount = move || of(pico().prop_map(|pico| Usd::from_pico(pico.into())));
    let call = (prop::sample::select(vec!["a", "b"]), count(), count(), amount());
    let numbers = (count(), count(), count(), count(), count(), amount(), amount(), any::<bool>());
    ((name(), name(), name(), name(), name()), numbers, vec(call, 0..4), 0u8..4, 0i64..100).prop_map(
        |((skill, model, run, scene, agent), numbers, calls, id, days)| {
            let start = Timestamp::from_unix_ms(days * 86_400_000).unwrap();
            let mut record = ExecutionMetrics::new(Uuid::from_u128(id.into()), skill.unwrap_or("none"), "1", start);
            let (input, output, total, read, write, cost, estimate, told_by_calls) = numbers;
            record.model.name = model.map(str::to_owned);
            record.run.run_id = run.map(str::to_owned);
            record.run.agent_name = agent.map(str::to_owned);
            record.production.scene_id = scene.map(str::to_owned);
            (record.tokens_input, record.tokens_output, record.tokens_used) = (input, output, total);
            (record.model.parts.cache_read, record.model.parts.cache_write) = (read, write);
            (record.cost_usd, record.cost.estimated_usd) = (cost, estimate);
            for (model, input, output, cost) in calls {
                let mut call = LlmCall::new(1, model);
                (call.tokens_input, call.tokens_output, call.cost_usd) = (input, output, cost);
                record.trace.llm_calls.push(call);
            }
            if told_by_calls {
                (record.tokens_input, record.tokens_output, record.tokens_used) = (None, None, None);
                record.cost_usd = None;
            }
            record
        },
    )
}

fn costs<'s>(sums: impl Iterator<Item = &'s Sum>) -> Option<Usd> {
    let known = sums.filter_map(|sum| sum.cost);
    known.fold(None, |so_far: Option<Usd>, cost| so_far.unwrap_or(Usd::ZERO).checked_add(cost))
}

fn discrepancies(records: &[ExecutionMetrics]) -> Discrepancies {
    let mut found = Discrepancies::default();
    records.iter().for_each(|record| found.add(record).unwrap());
    found
}

proptest! {
    #[test]
    fn the_order_of_the_records_changes_nothing(
        (records, shuffled) in vec(any_record(), 0..12).prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle())),
    ) {
        for by in CostBy::ALL {
            prop_assert_eq!(report(by, &records), report(by, &shuffled));
        }
        prop_assert_eq!(discrepancies(&records), discrepancies(&shuffled));
    }

    #[test]
    fn merged_parts_equal_the_whole(
        (records, cut) in vec(any_record(), 0..12).prop_flat_map(|r| (0..=r.len(), Just(r)).prop_map(|(cut, r)| (r, cut))),
    ) {
        let (first, second) = records.split_at(cut);
        for by in CostBy::ALL {
            let mut merged = report(by, first);
            merged.merge(report(by, second)).unwrap();
            prop_assert_eq!(merged, report(by, &records));
        }
        let mut merged = discrepancies(first);
        merged.merge(discrepancies(second)).unwrap();
        prop_assert_eq!(merged, discrepancies(&records));
    }

    #[test]
    fn the_groups_add_up_to_the_totals_and_the_models_to_their_group(records in vec(any_record(), 0..12)) {
        let by_day = report(CostBy::Day, &records);
        for by in CostBy::ALL {
            let report = report(by, &records);
            let groups: Vec<_> = report.groups().map(|(_, group)| group).collect();
            let (totals, sums) = (report.totals(), || groups.iter().map(|group| &group.sum));
            let total = |count: fn(&Sum) -> u128| sums().map(count).sum::<u128>();
            prop_assert_eq!(costs(sums()), totals.cost);
            prop_assert_eq!(total(|sum| known(&sum.total)), known(&totals.total));
            prop_assert_eq!(total(|sum| known(&sum.output)), known(&totals.output));
            prop_assert_eq!(report.totals(), by_day.totals());
            for group in &groups {
                prop_assert_eq!(costs(group.models.values()), group.sum.cost);
                let tokens = group.models.values().map(|sum| known(&sum.total)).sum::<u128>();
                prop_assert_eq!(tokens, known(&group.sum.total));
            }
            // By model, an execution is in several groups.
            if by != CostBy::Model {
                let counts: [fn(&Sum) -> u128; 5] = [
                    |sum| sum.executions.into(),
                    |sum| sum.unpriced.into(),
                    |sum| known(&sum.input_uncached),
                    |sum| known(&sum.cache_read) + known(&sum.cache_write),
                    |sum| (sum.input_uncached.unknown + sum.output.unknown + sum.cache_read.unknown).into(),
                ];
                for count in counts {
                    prop_assert_eq!(total(count), count(totals));
                }
            }
        }
    }

    #[test]
    fn the_totals_are_those_of_the_records(records in vec(any_record(), 0..12)) {
        let report = report(CostBy::Scene, &records);
        let sum = report.totals();
        prop_assert_eq!(sum.executions + report.without_model(), records.len() as u64);
        let billed = records.iter().filter_map(|record| record.cost_usd).map(|cost| cost.pico()).sum::<i128>();
        let of_calls = |record: &&ExecutionMetrics| record.cost_usd.is_none() && {
            let calls = &record.trace.llm_calls;
            calls.iter().any(|call| call.model_name != calls[0].model_name)
        };
        // If a record of several models has no cost of its own, the costs of its calls are summed.
        if !records.iter().any(|record| of_calls(&record)) {
            // A record rounds its cost to 10,000 pico-dollars. If the costs of its calls add up to that, they are
            // exact.
            let rounding = 5_000 * records.len() as i128;
            let difference = sum.cost.map_or(0, Usd::pico) - billed;
            prop_assert!((-rounding..=rounding).contains(&difference), "{difference}");
        }
        let tokens: u128 = records.iter().filter_map(|record| record.tokens_used).map(u128::from).sum();
        prop_assert!(known(&sum.total) >= tokens);
    }
}

#[test]
fn costs_are_summed_with_all_their_decimals() {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH);
    record.set_usage("m", &Usage::new(1, 0));
    let exact = Usd::from_pico(75_000);
    record.cost_usd = Some(exact.round_to_record());
    record.cost.exact_usd = Some(exact);
    let mut by_calls = record.clone();
    by_calls.cost.exact_usd = None;
    let mut call = LlmCall::new(1, "m");
    (call.tokens_input, call.tokens_output, call.cost_usd) = (Some(1), Some(0), Some(exact));
    by_calls.trace.llm_calls = vec![call];
    for record in [record, by_calls] {
        let report = report(CostBy::Model, &vec![record; 1_000]);
        assert_eq!(report.totals().cost, Some("0.000075".parse().unwrap()));
    }
}
