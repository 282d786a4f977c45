//! Promise: baselines are exact, are the same bytes for the same records in any order, and never show 0 for an unknown
//! value.

use proptest::prelude::*;
use runledger::baseline::{Accumulator, BaselineBy, Latest, Precision};
use runledger::{Baseline, Baselines, Error, ErrorKind, ExecutionMetrics, Timestamp, Usd, Uuid};
use serde::Deserialize;

const START: &str = "2026-02-14T14:23:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(skill: &str, start: &str) -> ExecutionMetrics {
    ExecutionMetrics::new(Uuid::from_u128(1), skill, "0.1.0", at(start))
}

fn with_latency(latency_ms: u64) -> ExecutionMetrics {
    let mut record = record("skill", START);
    record.total_latency_ms = Some(latency_ms);
    record
}

fn compute(records: impl IntoIterator<Item = ExecutionMetrics>) -> Baselines {
    Baselines::compute(records.into_iter().map(Ok)).unwrap()
}

fn baseline(records: impl IntoIterator<Item = ExecutionMetrics>) -> Baseline {
    compute(records).get("skill").unwrap().clone()
}

fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

// The four acceptance criteria of baselines.

#[test]
fn reads_jsonl_without_corruption() {
    let mut file = String::new();
    for latency_ms in 1..=30 {
        file.push_str(&with_latency(latency_ms).to_json().unwrap());
        file.push_str("\n{\"execution_id\":\"torn off\n");
    }
    file.push_str("null\n{}\n\0\0\0\n");
    file.push_str(&with_latency(31).to_json().unwrap());

    let baselines = Baselines::compute(file.lines().map(ExecutionMetrics::from_json)).unwrap();
    let skill = baselines.get("skill").unwrap();
    assert_eq!((skill.sample_size, skill.latency_p50_ms, skill.latency_mean_ms), (31, Some(16.0), Some(16.0)));
    assert_eq!(baselines.skipped().count(), 33);
    assert_eq!(baselines.skipped().errors().len(), 20);
    assert!(baselines.skipped().errors().iter().all(|error| error.kind() == ErrorKind::Malformed));
}

#[test]
fn computes_accurate_percentiles() {
    // By hand: p50 is the third of five; p95 is at index 4 · 0.95 = 3.8, which is 40 + 0.8 · 10; p99 is at 3.96. The
    // squared deviations from 32 are 289 + 144 + 9 + 64 + 324 = 830; √(830 / 4) = 14.4049.
    let skill = baseline([35, 15, 50, 20, 40].map(with_latency));
    assert_eq!(skill.latency_p50_ms, Some(35.0));
    assert_eq!(skill.latency_p95_ms, Some(48.0));
    assert_eq!(skill.latency_p99_ms, Some(49.6));
    assert_eq!(skill.latency_mean_ms, Some(32.0));
    assert_eq!(skill.latency_std_dev_ms, Some(14.405));
}

#[test]
fn baseline_stability() {
    let records: Vec<_> = (0..500).map(|i| with_latency(i * i % 9_973)).collect();
    let first = compute(records.clone());
    let again = compute(records);
    assert_eq!(first.to_json().unwrap(), again.to_json().unwrap());
}

#[test]
fn output_json_valid_and_human_readable() {
    let mut first = record("git-push-autonomous", "2026-02-07T00:00:00Z");
    first.timestamp_end = Some(at("2026-02-07T00:00:03.200Z"));
    first.execution_succeeded = Some(true);
    first.total_latency_ms = Some(3_200);
    first.cost_usd = usd("0.01");
    first.tokens_used = Some(300);
    let mut second = first.clone();
    second.timestamp_start = at("2026-02-14T23:59:50Z");
    second.timestamp_end = Some(at("2026-02-14T23:59:59Z"));
    second.execution_succeeded = Some(false);
    second.total_latency_ms = Some(9_000);
    second.cost_usd = usd("0.011");
    second.tokens_used = Some(401);
    let interrupted = record("blog-publish", "2026-02-08T00:00:00Z");

    let expected = r#"{
  "blog-publish": {
    "sample_size": 1,
    "period": "2026-02-08T00:00:00.000Z to 2026-02-08T00:00:00.000Z",
    "success_rate": null,
    "success_rate_std_dev": null,
    "latency_p50_ms": null,
    "latency_p95_ms": null,
    "latency_p99_ms": null,
    "latency_mean_ms": null,
    "latency_std_dev_ms": null,
    "cost_mean_usd": null,
    "cost_std_dev_usd": null,
    "tokens_mean": null,
    "outcome_unknown": 1,
    "latency_unknown": 1,
    "cost_unknown": 1,
    "tokens_unknown": 1,
    "latency_precision": "exact"
  },
  "git-push-autonomous": {
    "sample_size": 2,
    "period": "2026-02-07T00:00:00.000Z to 2026-02-14T23:59:59.000Z",
    "success_rate": 0.5,
    "success_rate_std_dev": 0.3536,
    "latency_p50_ms": 6100.0,
    "latency_p95_ms": 8710.0,
    "latency_p99_ms": 8942.0,
    "latency_mean_ms": 6100.0,
    "latency_std_dev_ms": 4101.219,
    "cost_mean_usd": 0.0105,
    "cost_std_dev_usd": 0.00070711,
    "tokens_mean": 350.5,
    "outcome_unknown": 0,
    "latency_unknown": 0,
    "cost_unknown": 0,
    "tokens_unknown": 0,
    "latency_precision": "exact"
  }
}"#;
    let baselines = compute([second, interrupted, first]);
    assert_eq!(baselines.to_json().unwrap(), expected);
    let read: Baselines = serde_json::from_str(expected).unwrap();
    assert!(read.iter().eq(baselines.iter()));
}

// Compared with numpy and exact fractions.

#[derive(Deserialize)]
struct Reference {
    distribution: String,
    values: Vec<u64>,
    percentiles: [f64; 3],
    mean: f64,
    mean_whole: i128,
    std_dev: Option<f64>,
    std_dev_whole: Option<i128>,
}

#[test]
fn statistics_agree_with_numpy_and_exact_fractions() {
    let steps = |steps: i128| Usd::from_pico(steps * 10_000);
    let references = include_str!("../data/baseline_reference.jsonl");
    assert_eq!(references.lines().count(), 36);
    for line in references.lines() {
        let reference: Reference = serde_json::from_str(line).unwrap();
        let skill = baseline(reference.values.iter().map(|&value| {
            let mut record = with_latency(value);
            record.tokens_used = Some(value);
            record.cost_usd = Some(steps(value.into()));
            record
        }));
        let case = format!("{} of {}", reference.values.len(), reference.distribution);
        let percentiles = [skill.latency_p50_ms, skill.latency_p95_ms, skill.latency_p99_ms];
        assert_eq!(percentiles, reference.percentiles.map(Some), "{case}");
        assert_eq!(skill.latency_mean_ms, Some(reference.mean), "{case}");
        assert_eq!(skill.latency_std_dev_ms, reference.std_dev, "{case}");
        assert_eq!(skill.tokens_mean, Some(reference.mean), "{case}");
        assert_eq!(skill.cost_mean_usd, Some(steps(reference.mean_whole)), "{case}");
        assert_eq!(skill.cost_std_dev_usd, reference.std_dev_whole.map(steps), "{case}");
    }
}

// Unknown is never zero.

#[test]
fn unknowns_are_counted_and_left_out() {
    let unknown = record("skill", START);
    let mut known = with_latency(100);
    known.set_status(runledger::metrics::Status::Success);
    known.cost_usd = usd("0.5");
    known.tokens_used = Some(40);

    let skill = baseline([known, unknown.clone(), unknown]);
    assert_eq!(skill.sample_size, 3);
    assert_eq!((skill.success_rate, skill.outcome_unknown), (Some(1.0), 2));
    assert_eq!((skill.latency_mean_ms, skill.latency_unknown), (Some(100.0), 2));
    assert_eq!((skill.cost_mean_usd, skill.cost_unknown), (usd("0.5"), 2));
    assert_eq!((skill.tokens_mean, skill.tokens_unknown), (Some(40.0), 2));
    // One value has a mean but no deviation.
    assert_eq!((skill.latency_std_dev_ms, skill.cost_std_dev_usd), (None, None));
}

#[test]
fn a_measured_zero_is_a_value() {
    let mut free = with_latency(0);
    free.cost_usd = Some(Usd::ZERO);
    let skill = baseline([free.clone(), free, with_latency(3)]);
    assert_eq!((skill.latency_p50_ms, skill.latency_mean_ms), (Some(0.0), Some(1.0)));
    assert_eq!((skill.cost_mean_usd, skill.cost_std_dev_usd), (Some(Usd::ZERO), Some(Usd::ZERO)));
    assert_eq!(skill.cost_unknown, 1);
}

#[test]
fn an_outcome_may_be_in_either_field_but_not_contradict_the_other() {
    let outcomes = [
        (Some(true), Some(false)),
        (Some(true), None),
        (None, Some(false)),
        (None, Some(true)), // what an exception handler sets
        (Some(true), Some(true)),
        (None, None),
    ];
    let skill = baseline(outcomes.map(|(succeeded, failed)| {
        let mut record = record("skill", START);
        (record.execution_succeeded, record.execution_failed) = (succeeded, failed);
        record
    }));
    assert_eq!((skill.success_rate, skill.outcome_unknown), (Some(0.75), 2));
    assert_eq!(skill.success_rate_std_dev, Some(0.2165)); // √(0.75 · 0.25 / 4)
}

#[test]
fn the_largest_values_have_a_mean_and_a_deviation() {
    let skill = baseline([u64::MAX, u64::MAX, 5].map(with_latency));
    // (2 · 2⁶⁴ + 3) / 3, and √((2⁶⁴ − 6)² / 3), to the digits of a double.
    assert_eq!(skill.latency_mean_ms, Some(1.2297829382473034e19));
    assert_eq!(skill.latency_std_dev_ms, Some(1.0650232656628343e19));
    assert_eq!(skill.latency_p50_ms, Some(u64::MAX as f64));
    assert_eq!(skill.latency_precision, Precision::Exact);
    assert_eq!(skill.latency_unknown, 0);
}

#[test]
fn an_error_other_than_a_malformed_line_ends_the_computation() {
    let refused: Error = Timestamp::try_from(chrono::DateTime::<chrono::Utc>::MAX_UTC).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let error = Baselines::compute([Ok(with_latency(1)), Err(refused)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn no_records_give_no_baselines() {
    let none = compute([]);
    assert_eq!((none.iter().count(), none.skipped().count()), (0, 0));
    assert_eq!(none.to_json().unwrap(), "{}");
    assert_eq!(none.get("skill"), None);
}

#[test]
fn a_period_reaches_to_every_start() {
    let mut ended = record("skill", "2026-02-14T10:00:00Z");
    ended.timestamp_end = Some(at("2026-02-14T11:00:00Z"));
    let period = |late: &str| baseline([record("skill", late), ended.clone()]).period.to_string();
    assert_eq!(period("2026-02-14T10:30:00Z"), "2026-02-14T10:00:00.000Z to 2026-02-14T11:00:00.000Z");
    assert_eq!(period("2026-02-14T12:00:00Z"), "2026-02-14T10:00:00.000Z to 2026-02-14T12:00:00.000Z");

    // The wall clock was set back during the execution.
    ended.timestamp_start = at("2026-02-14T11:30:00Z");
    assert_eq!(baseline([ended]).period.to_string(), "2026-02-14T11:30:00.000Z to 2026-02-14T11:30:00.000Z");
}

// Groups and windows.

#[test]
fn groups_are_those_that_were_asked_for() {
    let mut first = record("push", "2026-02-08T23:59:59.999Z");
    first.model.name = Some("gpt-4".to_owned());
    let mut second = record("push", "2026-02-09T00:00:00Z");
    second.skill_version = "0.2.0".to_owned();
    second.environment = runledger::metrics::Environment::Staging;
    let third = record("blog", "2026-02-15T23:59:59.999Z");
    let groups = |by: BaselineBy| {
        let mut accumulator = Accumulator::by(by);
        [&first, &second, &third].into_iter().for_each(|record| accumulator.add(record));
        let sizes = |(name, baseline): (&str, &Baseline)| format!("{name} {}", baseline.sample_size);
        accumulator.finish().iter().map(sizes).collect::<Vec<_>>()
    };
    assert_eq!(groups(BaselineBy::Skill), ["blog 1", "push 2"]);
    assert_eq!(groups(BaselineBy::SkillVersion), ["blog@0.1.0 1", "push@0.1.0 1", "push@0.2.0 1"]);
    assert_eq!(groups(BaselineBy::Model), ["- 2", "gpt-4 1"]);
    assert_eq!(groups(BaselineBy::Environment), ["prod 2", "staging 1"]);
    assert_eq!(groups(BaselineBy::Week), ["blog@2026-02-09 1", "push@2026-02-02 1", "push@2026-02-09 1"]);
    for by in BaselineBy::ALL {
        assert_eq!(by.to_string().parse::<BaselineBy>().unwrap(), by);
    }
    assert_eq!("moon".parse::<BaselineBy>().unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn the_latest_executions_are_those_that_began_last() {
    let record = |id, start: &str, latency_ms| {
        let mut record = with_latency(latency_ms);
        (record.execution_id, record.timestamp_start) = (Uuid::from_u128(id), at(start));
        record
    };
    let records = [
        record(9, "2026-02-14T10:00:00Z", 1),
        record(3, "2026-02-14T12:00:00Z", 2),
        record(1, "2026-02-14T13:00:00Z", 4),
        record(2, "2026-02-14T12:00:00Z", 8), // as early as the one with id 3, which is higher
    ];
    for (most, sum) in [(1, 4), (2, 6), (3, 14), (4, 15), (9, 15)] {
        let (mut left, mut right) = (
            Latest::new(BaselineBy::Skill, most.try_into().unwrap()),
            Latest::new(BaselineBy::Skill, most.try_into().unwrap()),
        );
        left.add(&records[3]);
        left.add(&records[0]);
        right.add(&records[2]);
        right.add(&records[1]);
        left.merge(right);
        let baselines = left.accumulate().finish();
        let skill = baselines.get("skill").unwrap();
        let n = most.min(records.len());
        assert_eq!(
            (skill.sample_size, skill.latency_mean_ms),
            (n as u64, Some((f64::from(sum) / n as f64 * 1e3).round() / 1e3))
        );
    }
}

// More latencies than are counted one by one.

/// Returns many latencies of all sizes, by a rule that needs no list: the k-th smallest is `k² / 1000` ms, up to 40
/// minutes.
fn many() -> impl DoubleEndedIterator<Item = u64> + Clone {
    (1..=49_153_u64).map(|k| k * k / 1_000)
}

#[test]
fn beyond_the_limit_percentiles_are_within_the_bound_and_all_else_is_exact() {
    let distinct: std::collections::BTreeSet<u64> = many().collect();
    assert!(distinct.len() < Precision::DISTINCT_MAX);
    let exact = baseline(many().map(with_latency));
    assert_eq!(exact.latency_precision, Precision::Exact);
    // 49,152 · 0.5 = 24,576: the 24,577th value is 24,577² / 1000.
    assert_eq!(exact.latency_p50_ms, Some(604_028.0));

    // One latency from a clock that jumped changes no precision, but a thousand of them are too many.
    let long = |count: u64| many().chain((0..count).map(|i| (1 << 40) + i));
    assert_eq!(baseline(long(1).map(with_latency)).latency_precision, Precision::Exact);
    let bounded = baseline(long(1_000).map(with_latency));
    assert_eq!(bounded.latency_precision, Precision::Bounded);
    let json = serde_json::to_value(&bounded).unwrap();
    assert_eq!(json["latency_precision"], "within 0.4 %");
    // 50,152 · 0.5 = 25,076: the 25,077th value is 25,077² / 1000.
    let off = bounded.latency_p50_ms.unwrap() / 628_855.0 - 1.0;
    assert!(off.abs() < 1.0 / 256.0 && off != 0.0, "{off}");
    let sum: u64 = long(1_000).sum();
    assert_eq!(bounded.latency_mean_ms, Some((sum as f64 / 50_153.0 * 1e3).round() / 1e3));
}

#[test]
fn bounded_percentiles_do_not_depend_on_the_order() {
    let latencies: Vec<u64> = (0..50_000).map(|k| k * 17).collect();
    let bytes = |parts: &[&[u64]]| {
        let mut all = Accumulator::new();
        for part in parts {
            let mut accumulator = Accumulator::new();
            part.iter().for_each(|&latency| accumulator.add(&with_latency(latency)));
            all.merge(accumulator);
        }
        assert_eq!(all.clone().finish().get("skill").unwrap().latency_precision, Precision::Bounded);
        all.to_bytes()
    };
    let whole = bytes(&[&latencies]);
    // Two exact halves become bounded when they are merged. A bounded and an exact part are merged in either order.
    let reversed: Vec<u64> = latencies.iter().rev().copied().collect();
    assert_eq!(bytes(&[&latencies[..25_000], &latencies[25_000..]]), whole);
    assert_eq!(bytes(&[&reversed[..49_500], &reversed[49_500..]]), whole);
    assert_eq!(bytes(&[&reversed[49_990..], &reversed[..49_990]]), whole);
}

#[test]
fn malformed_bytes_are_refused() {
    let mut accumulator = Accumulator::new();
    (0..9).for_each(|i| accumulator.add(&with_latency(i * i)));
    let bytes = accumulator.to_bytes();
    assert_eq!(Accumulator::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for cut in 0..bytes.len() {
        assert_eq!(Accumulator::from_bytes(&bytes[..cut]).unwrap_err().kind(), ErrorKind::Malformed, "{cut}");
    }
    let kind = |bytes: &[u8]| Accumulator::from_bytes(bytes).unwrap_err().kind();
    assert_eq!(kind(&[&bytes[..], &[0]].concat()), ErrorKind::Malformed);
    assert_eq!(kind(&[&[5], &bytes[1..]].concat()), ErrorKind::Newer);
    assert_eq!(kind(&[&[1], &bytes[1..]].concat()), ErrorKind::Malformed);
    // A group that occurs twice is refused, since one would replace the other.
    ["a", "b"].into_iter().for_each(|skill| accumulator.add(&record(skill, START)));
    let twice: Vec<u8> = accumulator.to_bytes();
    let at = twice.windows(2).position(|pair| pair == [1, b'b']).unwrap() + 1;
    assert_eq!(kind(&[&twice[..at], b"a", &twice[at + 1..]].concat()), ErrorKind::Malformed);

    // A changed byte never causes a panic, when the baselines are read or when they are used.
    for at in 1..bytes.len() {
        for change in [1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Ok(accumulator) = Accumulator::from_bytes(&changed) {
                accumulator.finish();
            }
        }
    }
}

// Order and splits.

prop_compose! {
    fn any_record()(
        skill in prop::sample::select(vec!["a", "b"]),
        start_us in 0..10_000_000_000_000_i64,
        lasted_ms in prop::option::of(0..100_000_u64),
        succeeded in any::<Option<bool>>(),
        latency_ms in prop::option::of(prop_oneof![30 => 0..5_u64, 30 => 0..100_000_u64, 1 => any::<u64>()]),
        cost_pico in prop::option::of(prop_oneof![60 => -1_000..1_000_000_000_000_i128, 1 => any::<i128>()]),
        tokens in any::<Option<u32>>(),
    ) -> ExecutionMetrics {
        let start = Timestamp::from_unix_us(start_us).unwrap();
        let mut record = ExecutionMetrics::new(Uuid::nil(), skill, "1", start);
        record.timestamp_end = lasted_ms.map(|ms| start.plus_ms(ms));
        record.execution_succeeded = succeeded;
        record.total_latency_ms = latency_ms;
        record.cost_usd = cost_pico.map(Usd::from_pico);
        record.tokens_used = tokens.map(u64::from);
        record
    }
}

fn shuffled() -> impl Strategy<Value = (Vec<ExecutionMetrics>, Vec<ExecutionMetrics>, usize)> {
    prop::collection::vec(any_record(), 0..40)
        .prop_flat_map(|records| (Just(records.clone()), Just(records.clone()).prop_shuffle(), 0..=records.len()))
}

proptest! {
    #[test]
    fn neither_order_nor_split_changes_a_byte((records, shuffled, split) in shuffled()) {
        let expected = compute(records).to_json()?;
        prop_assert_eq!(compute(shuffled.clone()).to_json()?, expected.clone());

        let (mut left, mut right) = (Accumulator::new(), Accumulator::new());
        shuffled[..split].iter().for_each(|record| left.add(record));
        shuffled[split..].iter().for_each(|record| right.add(record));
        left.merge(Accumulator::from_bytes(&right.to_bytes())?);
        prop_assert_eq!(left.clone().finish().to_json()?, expected);
        let mut whole = Accumulator::new();
        shuffled.iter().rev().for_each(|record| whole.add(record));
        prop_assert_eq!(left.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn what_is_written_is_read_back(records in prop::collection::vec(any_record(), 0..20)) {
        let baselines = compute(records);
        let read: Baselines = serde_json::from_str(&baselines.to_json()?)?;
        prop_assert!(read.iter().eq(baselines.iter()));
    }

    #[test]
    fn statistics_lie_between_the_least_and_the_greatest(latencies in prop::collection::vec(0..1_000_000_u64, 1..60)) {
        let (least, most) = (*latencies.iter().min().unwrap() as f64, *latencies.iter().max().unwrap() as f64);
        let skill = baseline(latencies.into_iter().map(with_latency));
        let ordered = [Some(least), skill.latency_p50_ms, skill.latency_p95_ms, skill.latency_p99_ms, Some(most)];
        prop_assert!(ordered.is_sorted(), "{ordered:?}");
        prop_assert!((least..=most).contains(&skill.latency_mean_ms.unwrap()));
        // This is Popoviciu's inequality, with n / (n − 1) at its largest; 0.001 allows for rounding.
        prop_assert!(skill.latency_std_dev_ms.unwrap_or(0.0) <= (most - least) / 2f64.sqrt() + 0.001);
    }
}
