//! Promise: frozen baselines stay the same for a week. A comparison reports a regression only if chance is an unlikely
//! explanation and the change is not tiny.

use runledger::journal::JournalOptions;
use std::sync::Arc;

use runledger::baseline::{
    Accumulator, Comparison, FrozenBaselines, Precision, Stability, Test, Verdict, Weekly, week_start,
};
use runledger::metrics::Status;
use runledger::{
    Answer, BaselineJournal, Baselines, ErrorKind, ExecutionMetrics, FrozenWeeks, LedgerReader, Options, Result,
    Timestamp, Usd, Uuid, journal,
};

const START: &str = "2026-02-14T14:23:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(skill: &str, start: &str) -> ExecutionMetrics {
    ExecutionMetrics::new(Uuid::from_u128(1), skill, "0.1.0", at(start))
}

fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

// Freezing.

#[test]
fn a_week_starts_on_monday_at_midnight_utc() {
    for (moment, start) in [
        ("2026-02-09T00:00:00Z", "2026-02-09T00:00:00.000Z"),
        ("2026-02-08T23:59:59.999Z", "2026-02-02T00:00:00.000Z"),
        ("2026-01-01T00:00:00Z", "2025-12-29T00:00:00.000Z"),
        ("1970-01-01T00:00:00Z", "1969-12-29T00:00:00.000Z"),
        ("2024-02-29T12:00:00Z", "2024-02-26T00:00:00.000Z"),
        ("0000-01-03T09:00:00Z", "0000-01-03T00:00:00.000Z"),
        ("0000-01-02T09:00:00Z", "0000-01-02T09:00:00.000Z"), // its Monday has no four-digit year
    ] {
        assert_eq!(week_start(at(moment)).to_string(), start, "{moment}");
    }
}

#[test]
fn frozen_baselines_stay_the_same_all_week() {
    let before = record("skill", "2026-02-08T23:59:59.999Z");
    let first_of_week = record("skill", "2026-02-09T00:00:00Z");
    let lines = || [Ok(first_of_week.clone()), ExecutionMetrics::from_json("torn"), Ok(before.clone())];

    let monday = Baselines::frozen(at("2026-02-09T00:00:00Z"), lines()).unwrap();
    let sunday = Baselines::frozen(at("2026-02-15T23:59:59.999Z"), lines()).unwrap();
    let line = monday.to_json().unwrap();
    assert_eq!(line, sunday.to_json().unwrap());
    let head = concat!(
        r#"{"week_start":"2026-02-09T00:00:00.000Z","computed_from":{"records":1,"skipped":1,"#,
        r#""period":"2026-02-08T23:59:59.999Z to 2026-02-08T23:59:59.999Z"},"baselines":{"skill":{"sample_size":1,"#
    );
    assert!(line.starts_with(head) && !line.contains('\n'), "{line}");
    assert_eq!(FrozenBaselines::from_json(&line).unwrap().to_json().unwrap(), line);
    let samples = line.split_once(r#""samples":""#).unwrap().1;
    for wrong in [line.replace(samples, "0\"}"), line.replace(samples, "0x\"}"), line.replace(samples, "01\"}")] {
        assert_eq!(FrozenBaselines::from_json(&wrong).unwrap_err().kind(), ErrorKind::Malformed, "{wrong}");
    }
    assert_eq!(FrozenBaselines::from_json(&line[..40]).unwrap_err().kind(), ErrorKind::Malformed);

    let next_week = Baselines::frozen(at("2026-02-16T00:00:00Z"), lines()).unwrap();
    assert_eq!(next_week.computed_from.records, 2);
}

fn options(now: &'static str) -> JournalOptions {
    JournalOptions::new(Arc::new(move || at(now).unix_ms()))
}

#[test]
fn a_week_is_frozen_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baselines.jsonl");
    assert_eq!(FrozenWeeks::open(&path).unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let journal = BaselineJournal::open(&path, options("2026-02-11T10:00:00Z")).unwrap();
    let before = || [Ok(record("skill", "2026-02-01T00:00:00Z"))];
    let frozen = journal.freeze(at("2026-02-09T00:00:00Z"), before()).unwrap();
    assert_eq!(frozen.computed_from.records, 1);
    // The records are not read, because the week is frozen already.
    let unread = std::iter::from_fn(|| -> Option<Result<ExecutionMetrics>> { panic!("the week is frozen") });
    let again = journal.freeze(at("2026-02-15T23:59:59Z"), unread).unwrap();
    assert_eq!(again.to_json().unwrap(), frozen.to_json().unwrap());
    journal.freeze(at("2026-02-08T00:00:00Z"), before()).unwrap();

    let error = journal.freeze(at("2026-02-16T00:00:00Z"), before()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let weeks: Vec<_> =
        FrozenWeeks::open(&path).unwrap().map(|frozen| frozen.unwrap().week_start.to_string()).collect();
    assert_eq!(weeks, ["2026-02-09T00:00:00.000Z", "2026-02-02T00:00:00.000Z"]);
    assert_eq!(LedgerReader::open(&path).unwrap().verify(&[]).unwrap().faults.len(), 0);
}

/// Many processes do this on Monday morning. Here each has its own journal.
#[test]
fn processes_that_freeze_a_week_at_once_get_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baselines.jsonl");
    drop(BaselineJournal::open(&path, options("2026-02-11T10:00:00Z")).unwrap());
    let freeze = |records: usize| {
        let journal = BaselineJournal::open(&path, options("2026-02-11T10:00:00Z")).unwrap();
        let records = (0..records).map(|_| Ok(record("skill", "2026-02-01T00:00:00Z")));
        journal.freeze(at("2026-02-09T00:00:00Z"), records).unwrap().to_json().unwrap()
    };
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..9).map(|records| scope.spawn(move || freeze(records))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let kept: Vec<_> = FrozenWeeks::open(&path).unwrap().map(|frozen| frozen.unwrap().to_json().unwrap()).collect();
    assert_eq!(kept.len(), 1);
    assert!(answers.iter().all(|answer| *answer == kept[0]), "{answers:?}");
}

/// Earlier versions wrote a line even if nothing was recorded before the week. Such a line does not count.
#[test]
fn the_first_line_of_a_week_counts_if_it_has_baselines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baselines.jsonl");
    let journal = journal::Journal::open(&path, options("2026-02-11T10:00:00Z")).unwrap();
    for records in 0..=3 {
        let records = (0..records).map(|_| Ok(record("skill", "2026-02-01T00:00:00Z")));
        let frozen = Baselines::frozen(at("2026-02-09T00:00:00Z"), records).unwrap();
        journal.append(frozen.to_json().unwrap().as_bytes()).unwrap();
    }
    let kept: Vec<_> = FrozenWeeks::open(&path).unwrap().map(|frozen| frozen.unwrap().computed_from.records).collect();
    assert_eq!(kept, [1]);
}

#[test]
fn a_line_that_was_changed_is_named_and_not_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baselines.jsonl");
    let journal = BaselineJournal::open(&path, options("2026-02-18T10:00:00Z")).unwrap();
    let before = || [Ok(record("skill", "2026-02-01T00:00:00Z"))];
    for week in ["2026-02-09T00:00:00Z", "2026-02-16T00:00:00Z"] {
        journal.freeze(at(week), before()).unwrap();
    }
    drop(journal);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"records\":1", "\"records\":7", 1)).unwrap();
    let mut weeks = FrozenWeeks::open(&path).unwrap();
    let error = weeks.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(1)));
    assert_eq!(weeks.next().unwrap().unwrap().week_start, at("2026-02-16T00:00:00Z"));
    assert!(weeks.next().is_none());
}

#[test]
fn a_ledger_keeps_frozen_baselines_beside_itself() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| Options::new().clock(|| at(START)).open(directory.path().join(name)).unwrap();
    let ledger = open("execution_metrics.jsonl");
    let mut ended = record("skill", "2026-02-01T00:00:00Z");
    ended.timestamp_end = Some(at("2026-02-01T00:00:01Z"));
    ended.set_status(Status::Success);
    assert!(matches!(ledger.append(&ended).unwrap(), Answer::Durable { .. }));
    ledger.frozen_baselines().unwrap().freeze(at(START), ledger.reader().records()).unwrap();
    let kept: Vec<_> = FrozenWeeks::open(directory.path().join("baselines.jsonl")).unwrap().collect();
    assert_eq!(kept.into_iter().map(|frozen| frozen.unwrap().computed_from.records).collect::<Vec<_>>(), [1]);

    let error = open("other/baselines.jsonl").frozen_baselines().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
}

/// A line of a journal has at most 16 MiB. With at most 15 KB a skill, the baselines of 1,000 skills fit.
#[test]
fn the_frozen_baseline_of_a_skill_has_at_most_15_kilobytes() {
    for count in [1_000, 30_000] {
        let execution = |i: u64| {
            let mut record = record("skill", "2026-01-05T00:00:00Z");
            record.timestamp_start = record.timestamp_start.plus_ms(i * 30 * 86_400_000 / count);
            // The values are spread over 8 octaves, in a random order.
            let spread = |salt: u64| (2_f64.powf((i * 7_919 + salt) as f64 * 0.618_034 % 1.0 * 8.0) * 1_000.0) as u64;
            record.total_latency_ms = Some(spread(1));
            record.cost_usd = Some(Usd::from_pico(i128::from(spread(2)) * 1_000_000));
            record.tokens_used = Some(spread(3));
            record.set_status(if i % 20 == 7 { Status::Failed } else { Status::Success });
            record
        };
        let size = frozen((0..count).map(execution).collect()).to_json().unwrap().len();
        assert!(size <= 15_000, "{count} executions: {size} bytes");
    }
}

// Comparing.

/// Returns `count` executions with latencies from `latency_ms` up to a fifth more.
fn executions(skill: &str, count: u64, latency_ms: u64) -> Vec<ExecutionMetrics> {
    let execution = |i: u64| {
        let mut record = record(skill, "2026-02-05T00:00:00Z");
        record.total_latency_ms = Some(latency_ms + latency_ms * (i % 11) / 50);
        record
    };
    (0..count).map(execution).collect()
}

/// Executions of which some failed, and of which nothing else is known.
fn ended(skill: &str, count: u64, failed: u64) -> Vec<ExecutionMetrics> {
    let execution = |i| {
        let mut record = record(skill, "2026-02-05T00:00:00Z");
        record.set_status(if i < failed { Status::Failed } else { Status::Success });
        record
    };
    (0..count).map(execution).collect()
}

fn frozen(records: Vec<ExecutionMetrics>) -> FrozenBaselines {
    Baselines::frozen(at("2026-02-09T00:00:00Z"), records.into_iter().map(Ok)).unwrap()
}

fn compare(before: Vec<ExecutionMetrics>, recent: Vec<ExecutionMetrics>) -> Comparison {
    let mut accumulator = Accumulator::new();
    recent.iter().for_each(|record| accumulator.add(record));
    let frozen = frozen(before);
    let comparison = frozen.compare(accumulator.clone());
    // The comparison is the same after the baselines were written and read.
    let read = FrozenBaselines::from_json(&frozen.to_json().unwrap()).unwrap();
    assert_eq!(read.compare(accumulator), comparison);
    comparison
}

/// The default is 30 values on each side.
#[test]
fn fewer_values_are_enough_on_request() {
    let (before, recent) = (executions("skill", 20, 1000), executions("skill", 25, 1000));
    let mut accumulator = Accumulator::new();
    recent.iter().for_each(|record| accumulator.add(record));
    let frozen = frozen(before);
    let verdict = |samples_min| {
        let compared = frozen.compare_with_samples_min(accumulator.clone(), samples_min);
        compared.skills["skill"].latency_ms.verdict
    };
    assert_eq!(verdict(Comparison::SAMPLES_MIN), Verdict::TooFew);
    assert_eq!([21, 20, 5].map(verdict), [Verdict::TooFew, Verdict::NoChangeShown, Verdict::NoChangeShown]);
    assert_eq!(frozen.compare(accumulator.clone()), frozen.compare_with_samples_min(accumulator.clone(), 30));
}

fn latency_verdict(before: (u64, u64), recent: (u64, u64)) -> Verdict {
    let comparison = compare(executions("skill", before.0, before.1), executions("skill", recent.0, recent.1));
    let skill = &comparison.skills["skill"];
    assert_eq!(comparison.has_worse(), skill.latency_ms.verdict == Verdict::Worse);
    skill.latency_ms.verdict
}

#[test]
fn a_verdict_needs_more_than_chance_more_than_a_trifle_and_enough_samples() {
    assert_eq!(latency_verdict((500, 3_000), (500, 3_000)), Verdict::NoChangeShown);
    assert_eq!(latency_verdict((500, 3_000), (500, 3_300)), Verdict::Worse);
    assert_eq!(latency_verdict((500, 3_000), (500, 2_700)), Verdict::Better);
    // Slower beyond doubt, but only by 1.5 %.
    assert_eq!(latency_verdict((20_000, 3_000), (20_000, 3_045)), Verdict::NoChangeShown);
    assert_eq!(latency_verdict((20_000, 3_000), (20_000, 3_075)), Verdict::Worse);
    // Slower by 2.5 %, but not beyond doubt.
    assert_eq!(latency_verdict((500, 3_000), (30, 3_075)), Verdict::NoChangeShown);
    assert_eq!(latency_verdict((500, 3_000), (29, 3_075)), Verdict::TooFew);
    assert_eq!(latency_verdict((29, 3_000), (500, 3_075)), Verdict::TooFew);
    // Even a few results are judged if the change is beyond doubt. At least five are needed.
    assert_eq!(latency_verdict((30, 3_000), (29, 9_000)), Verdict::Worse);
    assert_eq!(latency_verdict((500, 3_000), (5, 9_000)), Verdict::Worse);
    assert_eq!(latency_verdict((500, 9_000), (5, 3_000)), Verdict::Better);
    assert_eq!(latency_verdict((5_000, 3_000), (4, 90_000)), Verdict::TooFew);
    assert_eq!(latency_verdict((29, 3_000), (29, 90_000)), Verdict::TooFew);
    assert_eq!(latency_verdict((30, 3_000), (30, 9_000)), Verdict::Worse);
}

/// One failure of 30 after none of 1,000 is not a regression. A z-test would report a regression, although chance alone
/// explains this failure.
#[test]
fn one_rare_failure_is_not_a_regression() {
    let rate = |before, recent: (u64, u64)| {
        compare(ended("skill", before, 0), ended("skill", recent.0, recent.1)).skills["skill"].success_rate
    };
    let one = rate(1_000, (30, 1));
    assert_eq!((one.test, one.verdict), (Some(Test::FisherExact), Verdict::NoChangeShown));
    assert_eq!(one.p_value, Some(0.036407767)); // 30 of 1030, divided by 0.8
    let three = rate(1_000, (30, 3));
    assert_eq!(three.verdict, Verdict::Worse);
    let back = compare(ended("skill", 1_000, 500), ended("skill", 1_000, 100)).skills["skill"].success_rate;
    assert_eq!((back.test, back.verdict, back.delta), (Some(Test::FisherExact), Verdict::Better, Some(0.4)));
    assert_eq!(back.relative_delta, Some(0.8));
}

/// Fewer than 30 are too few to show that nothing changed, but not to show what is beyond doubt.
#[test]
fn five_failures_of_five_are_worse_than_a_baseline_of_98_percent() {
    let rate = |recent: (u64, u64)| {
        let comparison = compare(ended("skill", 1_000, 20), ended("skill", recent.0, recent.1));
        (comparison.skills["skill"].success_rate, comparison.has_worse())
    };
    let (five, has_worse) = rate((5, 5));
    assert_eq!((five.verdict, five.test, has_worse), (Verdict::Worse, Some(Test::FisherExact), true));
    // C(25, 5) / C(1005, 5), divided by 0.8.
    assert_eq!(five.p_value, Some(7.85106492e-9));
    assert_eq!(rate((5, 1)).0.verdict, Verdict::TooFew);
    assert_eq!((rate((4, 4)).0.verdict, rate((4, 4)).0.p_value), (Verdict::TooFew, None));
    assert_eq!(rate((29, 0)).0.verdict, Verdict::TooFew);
    assert_eq!(rate((30, 0)).0.verdict, Verdict::NoChangeShown);
}

/// Two failures of 30 after none of 1000 have a probability of 0.08 %. In a single comparison, this is a regression. If
/// twenty more skills are compared, it is not, because chance alone would show as much in one of sixty comparisons.
#[test]
fn more_questions_need_more_evidence() {
    let verdict = |others: u32| {
        let (mut before, mut recent) = (ended("skill", 1_000, 0), ended("skill", 30, 2));
        for other in 0..others {
            before.extend(ended(&format!("other {other}"), 40, 4));
            recent.extend(ended(&format!("other {other}"), 40, 4));
        }
        let rate = compare(before, recent).skills["skill"].success_rate;
        assert_eq!(rate.p_value, Some(0.00102606923)); // 435 / 529,935, divided by 0.8
        rate.verdict
    };
    assert_eq!((verdict(0), verdict(20)), (Verdict::Worse, Verdict::NoChangeShown));
}

/// A failure rate that grows from 0.1 % to 2 % is a change, although the success rate falls by less than 2 %.
#[test]
fn twenty_times_the_failures_are_a_change() {
    let verdict = |before: (u64, u64), recent: (u64, u64)| {
        compare(ended("skill", before.0, before.1), ended("skill", recent.0, recent.1)).skills["skill"]
            .success_rate
            .verdict
    };
    assert_eq!(verdict((20_000, 20), (5_000, 100)), Verdict::Worse);
    assert_eq!(verdict((20_000, 400), (20_000, 20)), Verdict::Better);
    // The failure rate doubles from 0.1 % to 0.2 %.
    assert_eq!(verdict((200_000, 200), (200_000, 400)), Verdict::Worse);
    // From 10 % to 10.4 %: less than half a percentage point, and far less than half of the failures.
    assert_eq!(verdict((200_000, 20_000), (200_000, 20_800)), Verdict::NoChangeShown);
}

/// A hundred skills with ten executions on each side cannot be judged, so they do not hide a change of another skill.
#[test]
fn metrics_that_cannot_be_judged_need_no_evidence() {
    let (mut before, mut recent) = (ended("skill", 1_000, 0), ended("skill", 30, 2));
    for other in 0..100 {
        before.extend(ended(&format!("other {other}"), 10, 1));
        recent.extend(ended(&format!("other {other}"), 10, 1));
    }
    let skills = compare(before, recent).skills;
    let [rate, other] = ["skill", "other 7"].map(|skill| skills[skill].success_rate);
    assert_eq!((rate.p_value, rate.p_adjusted), (Some(0.00102606923), Some(0.00102606923)));
    assert_eq!((rate.verdict, other.verdict, other.p_adjusted), (Verdict::Worse, Verdict::TooFew, None));
}

/// Most executions become cheaper and a few become expensive, so the typical cost falls while the mean cost rises.
#[test]
fn a_cost_whose_mean_rises_is_not_better() {
    let cost = |cost: fn(u64) -> &'static str| {
        let mut records = executions("skill", 2_000, 3_000);
        records.iter_mut().zip(0..).for_each(|(record, i)| record.cost_usd = usd(cost(i)));
        records
    };
    let compared = compare(cost(|_| "0.01"), cost(|i| if i % 25 < 2 { "0.05" } else { "0.0078" }));
    let cost = compared.skills["skill"].cost_mean_usd;
    assert!(cost.recent > cost.baseline && cost.delta < Some(0.0) && cost.p_adjusted < Some(0.001), "{cost:?}");
    assert_eq!(cost.verdict, Verdict::NoChangeShown);
}

#[test]
fn money_and_tokens_are_compared_by_their_means() {
    let used = |i: u64, cost: &str, tokens| {
        let mut record = record("skill", "2026-02-05T00:00:00Z");
        record.cost_usd = usd(cost);
        record.tokens_used = Some(tokens + i % 7);
        record
    };
    let comparison = compare(
        (0..40).map(|i| used(i, "0.01", 1_000)).collect(),
        (0..50).map(|i| used(i, "0.0102001", 900)).collect(),
    );
    let skill = &comparison.skills["skill"];
    // Every cost is higher than before, by just more than 2 %: one split of C(90, 40), divided by 0.8.
    assert_eq!(
        serde_json::to_string(&skill.cost_mean_usd).unwrap(),
        concat!(
            r#"{"baseline":0.01,"recent":0.0102001,"baseline_samples":40,"recent_samples":50,"test":"permutation","#,
            r#""delta":0.0002001,"relative_delta":0.02001,"interval":[0.0002001,0.0002001],"design_effect":null,"#,
            r#""p_value":2.08782534e-26,"p_adjusted":4.17565068e-26,"verdict":"worse"}"#
        )
    );
    assert_eq!(skill.tokens_mean.verdict, Verdict::Better);
    assert_eq!(
        serde_json::to_string(&skill.success_rate).unwrap(),
        concat!(
            r#"{"baseline":null,"recent":null,"baseline_samples":0,"recent_samples":0,"test":null,"delta":null,"#,
            r#""relative_delta":null,"interval":null,"design_effect":null,"p_value":null,"p_adjusted":null,"#,
            r#""verdict":"too_few"}"#
        )
    );
    let json = serde_json::to_value(skill).unwrap();
    assert!(skill.metrics().iter().all(|(key, metric)| json[key] == serde_json::to_value(metric).unwrap()));
    assert_eq!(json.as_object().unwrap().len(), skill.metrics().len() + 1);
    assert_eq!(json["latency_precision"], "exact");
}

/// 513 different latencies are too many for a frozen baseline, so both sides are compared in buckets, here of 64 ms.
#[test]
fn many_latencies_are_compared_in_buckets() {
    let spread = |count: u64, offset: u64| {
        let mut records = executions("skill", count, 0);
        let latencies = (0..).map(|i| 10_000 + offset + i);
        records.iter_mut().zip(latencies).for_each(|(record, latency)| record.total_latency_ms = Some(latency));
        records
    };
    let compared = |count| compare(spread(count, 0), spread(count, 1_000)).skills["skill"].clone();
    let (exact, bounded) = (compared(512), compared(513));
    let found = |skill: &runledger::baseline::SkillComparison| (skill.latency_precision, skill.latency_ms.verdict);
    assert_eq!(found(&exact), (Precision::Exact, Verdict::Worse));
    assert_eq!(found(&bounded), (Precision::Bounded, Verdict::Worse));
    // A bucket's middle is off by less than one part in 256.
    let ends = |skill: &runledger::baseline::SkillComparison| {
        let [low, high] = skill.latency_ms.interval.unwrap();
        [low, skill.latency_ms.delta.unwrap(), high]
    };
    assert!(ends(&exact).iter().zip(ends(&bounded)).all(|(a, b)| a != &b && (a - b).abs() < 12_000.0 / 256.0));
    let [low, delta, high] = ends(&exact);
    assert!(low < delta && delta < high && (delta - 1_000.0).abs() < 50.0, "{low} {delta} {high}");
    // The medians are those of the baselines.
    assert_eq!((bounded.latency_ms.baseline, bounded.latency_ms.recent), (Some(10_256.0), Some(11_256.0)));
}

#[test]
fn skills_that_only_one_side_has_are_not_judged() {
    let comparison = compare(executions("gone", 40, 10), executions("new", 40, 10));
    assert!(comparison.skills.keys().eq(["gone", "new"]));
    for skill in comparison.skills.values() {
        assert!(skill.metrics().iter().all(|(_, metric)| metric.verdict == Verdict::TooFew));
    }
    assert_eq!(comparison.skills["new"].latency_ms.recent, Some(10.5));
    assert!(!comparison.has_worse());
}

/// No sum overflows, so every value is judged and every mean is a number.
#[test]
fn the_largest_values_are_judged_too() {
    let immense = |latency_ms, cost| {
        let mut records = executions("skill", 3_000, 10);
        for record in &mut records {
            record.total_latency_ms = Some(latency_ms);
            record.cost_usd = usd(cost);
        }
        records
    };
    let skill = compare(immense(10, "29000000"), immense(u64::MAX, "58000000")).skills["skill"].clone();
    assert_eq!((skill.latency_ms.verdict, skill.cost_mean_usd.verdict), (Verdict::Worse, Verdict::Worse));
    assert_eq!((skill.cost_mean_usd.baseline, skill.cost_mean_usd.recent), (Some(29e6), Some(58e6)));
    let baselines = Baselines::compute(immense(u64::MAX, "29000000").into_iter().map(Ok)).unwrap();
    let skill = baselines.get("skill").unwrap();
    assert_eq!((skill.cost_mean_usd, skill.cost_std_dev_usd), (usd("29000000"), usd("0")));
    assert_eq!(skill.latency_mean_ms, Some(u64::MAX as f64));
}

#[test]
fn one_very_long_latency_leaves_percentiles_exact() {
    let mut records = executions("skill", 41, 3_000);
    records[0].total_latency_ms = Some(1 << 32);
    let baselines = Baselines::compute(records.into_iter().map(Ok)).unwrap();
    let skill = baselines.get("skill").unwrap();
    assert_eq!((skill.latency_precision, skill.latency_p50_ms), (Precision::Exact, Some(3_300.0)));
}

// What correlated executions show.

/// Returns an execution for each of `count` quarters of an hour from quarter `first` on. Its latency is multiplied by
/// the load of its hour.
fn loaded(first: u64, count: u64, load: impl Fn(u64) -> f64) -> Vec<ExecutionMetrics> {
    let execution = |i: u64| {
        let start = at("2026-01-05T00:00:00Z").plus_ms((first + i) * 900_000);
        let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "skill", "0.1.0", start);
        record.total_latency_ms = Some((1_000.0 * load((first + i) / 4) * (1.0 + 0.05 * ((i * 7 % 11) as f64))) as u64);
        record
    };
    (0..count).map(execution).collect()
}

/// On every third day, executions take 1.5 times as long. One more such day is not a change.
#[test]
fn bad_days_that_the_baseline_knows_are_not_a_change() {
    let day = |hour: u64| if hour / 24 % 3 == 2 { 1.5 } else { 1.0 };
    let steady = |_: u64| 1.0;
    let latency = |before: Vec<ExecutionMetrics>, recent| compare(before, recent).skills["skill"].latency_ms;
    // The recent executions are those of one slow day.
    let known = latency(loaded(0, 28 * 96, day), loaded(28 * 96 + 96, 96, |_| 1.5));
    assert_eq!(known.verdict, Verdict::NoChangeShown, "{known:?}");
    assert!(known.design_effect.unwrap() > 10.0, "{known:?}");
    let new = latency(loaded(0, 28 * 96, steady), loaded(28 * 96 + 96, 96, |_| 1.5));
    assert_eq!((new.verdict, new.design_effect), (Verdict::Worse, Some(1.0)), "{new:?}");
    // All executions in one minute show nothing about time.
    assert_eq!(latency(executions("skill", 500, 3_000), executions("skill", 500, 3_000)).design_effect, None);
}

/// A year of executions has blocks of six days. A bad day must not count as 96 independent executions then.
#[test]
fn a_long_history_does_not_hide_that_the_executions_of_a_day_resemble_each_other() {
    let day = |hour: u64| if hour / 24 % 3 == 2 { 1.5 } else { 1.0 };
    let year = |mut records: Vec<ExecutionMetrics>| {
        for record in &mut records {
            record.timestamp_start =
                Timestamp::from_unix_ms(record.timestamp_start.unix_ms() - 400 * 86_400_000).unwrap();
        }
        records
    };
    let compared = compare(year(loaded(0, 365 * 96, day)), year(loaded(365 * 96 + 96, 96, |_| 1.5)));
    let latency = compared.skills["skill"].latency_ms;
    assert_eq!(latency.verdict, Verdict::NoChangeShown, "{latency:?}");
    assert!(latency.design_effect.unwrap() > 10.0, "{latency:?}");
}

/// A line as version 2 wrote it: without the single costs and tokens, and without blocks.
#[test]
fn baselines_of_an_earlier_version_are_compared_as_far_as_they_go() {
    let used = |latency_ms| {
        let mut records = executions("skill", 40, latency_ms);
        for record in &mut records {
            record.cost_usd = usd("0.01");
            record.tokens_used = Some(7);
            record.set_status(Status::Success);
        }
        records
    };
    let old = FrozenBaselines::from_json(include_str!("../data/frozen_version_2.json").trim_end()).unwrap();
    let mut recent = Accumulator::new();
    used(9_000).iter().for_each(|record| recent.add(record));
    let skill = old.compare(recent.clone()).skills["skill"].clone();
    let verdicts = skill.metrics().map(|(_, metric)| metric.verdict);
    assert_eq!(verdicts, [Verdict::NoChangeShown, Verdict::Worse, Verdict::TooFew, Verdict::TooFew]);
    assert_eq!((skill.cost_mean_usd.baseline, skill.cost_mean_usd.baseline_samples), (Some(0.01), 40));
    assert_eq!((skill.cost_mean_usd.test, skill.latency_ms.design_effect), (None, None));

    // Read and written by this version, it has the same verdicts.
    let again = FrozenBaselines::from_json(&old.to_json().unwrap()).unwrap();
    assert_eq!(again.compare(recent.clone()).skills["skill"], skill);
    let now = frozen(used(3_000));
    let verdicts = now.compare(recent).skills["skill"].metrics().map(|(_, metric)| metric.verdict);
    assert_eq!(verdicts, [Verdict::NoChangeShown, Verdict::Worse, Verdict::NoChangeShown, Verdict::NoChangeShown]);

    // What an old reader says of a new line.
    let newer = now.to_json().unwrap().replace("\"samples\":\"04", "\"samples\":\"05");
    let error = FrozenBaselines::from_json(&newer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
    let source = error.cause().unwrap().to_string();
    assert!(source.contains("found version 5; expected at most 4. Use a newer runledger"), "{source}");
}

/// Up to version 3, the times in the bytes are in milliseconds.
#[test]
fn the_period_of_an_earlier_version_is_read() {
    let line: serde_json::Value = serde_json::from_str(include_str!("../data/frozen_version_2.json")).unwrap();
    let digits = line["samples"].as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    let mut old = Accumulator::from_bytes(&bytes).unwrap();
    let period = |accumulator: Accumulator| accumulator.finish().get("skill").unwrap().period.to_string();
    assert_eq!(period(old.clone()), "2026-02-05T00:00:00.000Z to 2026-02-05T00:00:00.000Z");

    old.add(&record("skill", "2026-02-05T00:00:00.000001Z"));
    let again = Accumulator::from_bytes(&old.to_bytes()).unwrap();
    assert_eq!(period(again), "2026-02-05T00:00:00.000Z to 2026-02-05T00:00:00.000001Z");
}

// Week to week.

#[test]
fn two_percent_from_week_to_week_is_stable() {
    let measured = |start: &str, latency_ms, cost: &str| {
        let mut record = record("skill", start);
        record.total_latency_ms = Some(latency_ms);
        record.cost_usd = usd(cost);
        record
    };
    let weeks = [
        [measured("2026-02-08T23:59:59.999Z", 1_000, "0.01"), record("gone", "2026-02-02T00:00:00Z")],
        [measured("2026-02-09T00:00:00Z", 1_020, "0.0102001"), record("new", "2026-02-10T00:00:00Z")],
        // Two weeks later: the week before has no records.
        [measured("2026-02-23T00:00:00Z", 1_020, "0.01"), record("new", "2026-02-24T00:00:00Z")],
    ];
    let mut weekly = Weekly::default();
    let mut rest = Weekly::default();
    weeks[1].iter().for_each(|record| weekly.add(record));
    weeks[0].iter().chain(&weeks[2]).for_each(|record| rest.add(record));
    weekly.merge(rest);
    let report = weekly.finish();

    let starts: Vec<_> = report.weeks.iter().map(|week| week.week_start).collect();
    assert_eq!(starts, [at("2026-02-09T00:00:00Z"), at("2026-02-23T00:00:00Z")]);
    let changes = &report.weeks[0].skills;
    assert!(changes.keys().eq(["gone", "new", "skill"]));
    assert!(changes["gone"].stabilities().iter().all(|(_, stability)| *stability == Stability::Unknown));
    let skill = &changes["skill"];
    assert_eq!((skill.latency_p50_ms.delta, skill.latency_p50_ms.relative_delta), (Some(20.0), Some(0.02)));
    assert_eq!(skill.latency_p50_ms.stability, Stability::Stable);
    assert_eq!(skill.cost_mean_usd.stability, Stability::Changed);
    assert_eq!(skill.tokens_mean.stability, Stability::Unknown);
    assert_eq!(
        serde_json::to_string(&skill.cost_mean_usd).unwrap(),
        r#"{"baseline":0.01,"recent":0.0102001,"delta":0.0002001,"relative_delta":0.02001,"stability":"changed"}"#
    );
    let json = serde_json::to_value(skill).unwrap();
    assert_eq!(json.as_object().unwrap().len(), skill.stabilities().len());
    assert!(skill.stabilities().iter().all(|(key, _)| json[key]["stability"].is_string()));

    let after_a_gap = &report.weeks[1].skills;
    assert!(after_a_gap.keys().eq(["new", "skill"]));
    assert_eq!(
        (after_a_gap["skill"].latency_p50_ms.baseline, after_a_gap["skill"].latency_p50_ms.recent),
        (None, Some(1_020.0))
    );
}

#[test]
fn the_statement_of_a_redaction_begins_no_week() {
    let mut weekly = Weekly::default();
    weekly.add(&record("skill", "2026-02-03T00:00:00Z"));
    let mut statement = record("runledger.redact", "2026-02-10T00:00:00Z");
    statement.set_status(Status::Success);
    weekly.add(&statement);
    assert_eq!(weekly.finish().weeks.len(), 0);
}
