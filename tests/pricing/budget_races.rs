//! Promise: threads and processes that share a budget never overspend it, even if some of them are killed. Each
//! threshold is reported once, or not at all if the process that reached it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use runledger::Usd;
use runledger::quota::{Budget, Grant, Resumed};
use serde_json::Value;

use crate::children::budgets::{Fixture, budget_of, denied, held, quota_in, sums, usd};
use crate::children::clock::{DAY_MS, FakeClock, MINUTE_MS};
use crate::children::place::{PATIENCE, Place, until};
use crate::children::{Random, Report, report, seed, task};

#[test]
fn the_hold_of_a_killed_process_is_free_again_when_it_expires() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let mut child = fixture.place.spawn("hold 9.999999999999");
    fixture.place.wait_for("held");
    child.kill();
    assert_eq!(sums(&budget.status().unwrap()), ["0", "9.999999999999", "0.000000000001"]);
    fixture.clock.forward(10 * MINUTE_MS - 1);
    denied(budget.reserve(Some(usd("0.000000000002"))).unwrap());
    fixture.clock.forward(1);
    held(budget.reserve(Some(usd("10"))).unwrap()).settle(Some(usd("10"))).unwrap();
    assert_eq!(sums(&budget.status().unwrap()), ["10", "0", "0"]);
}

/// The process that reserved the amount does not know that another process has settled the hold.
#[test]
fn a_hold_that_another_process_has_settled_is_not_counted_again() {
    for (how, settles) in [("settle", "7"), ("settle_async", "7"), ("settle", "0"), ("settle", "unknown")] {
        let fixture = Fixture::new("10");
        let budget = fixture.open();
        let child = fixture.place.spawn(&format!("{how} 4 {settles}"));
        fixture.place.wait_for("held");
        let Resumed::Dollars(hold) = fixture.quota().resume(1).unwrap() else { panic!("not in dollars") };
        assert_eq!(sums(&hold.settle(Some(usd("3"))).unwrap()), ["3", "0", "7"]);
        let lines = fixture.lines();
        fixture.place.say("go");
        child.succeed();
        let said = std::fs::read_to_string(fixture.place.file("said")).unwrap();
        assert_eq!(said, "Ended: it was settled with 3 usd at 2026-02-14T12:00:00.000Z");
        assert_eq!(fixture.lines(), lines);
        assert_eq!(sums(&budget.status().unwrap()), ["3", "0", "7"]);
    }
}

/// Returns the expected thresholds: every tenth of the limit, once in each window.
fn expected_crossings(windows: u64) -> Vec<(u64, u16)> {
    (0..windows).flat_map(|window| (1..=10).map(move |tenth| (window, tenth * 10))).collect()
}

const TENTHS: &str = r#", "thresholds": [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]"#;

#[test]
fn among_threads_each_threshold_is_reported_once() {
    let fixture = Fixture::with("1", TENTHS);
    // A second tracker of the same journal replaces another process.
    let budgets = [fixture.open(), fixture.open()];
    let reported = Mutex::new(Vec::new());
    for window in 0..4 {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, reported) = (&budgets[thread % 2], &reported);
                scope.spawn(move || {
                    // At most a hundred cents can be spent.
                    for _ in 0..100 {
                        let Grant::Held(hold) = budget.reserve(Some(usd("0.04"))).unwrap() else { break };
                        let crossed = hold.settle(Some(usd("0.01"))).unwrap().crossed;
                        reported.lock().unwrap().extend(crossed.into_iter().map(|percent| (window, percent)));
                    }
                    // A reservation was denied while the other seven threads held at most 0.28. So more than 0.68 is
                    // used, and the eight threads together reach the limit with 0.05 each.
                    let crossed = budget.record_consumption(Some(usd("0.05"))).unwrap().crossed;
                    reported.lock().unwrap().extend(crossed.into_iter().map(|percent| (window, percent)));
                });
            }
        });
        fixture.clock.forward(DAY_MS);
    }
    let mut reported = reported.into_inner().unwrap();
    reported.sort_unstable();
    assert_eq!(reported, expected_crossings(4));
}

#[test]
fn among_processes_each_threshold_is_reported_once() {
    let place = Place::new();
    let children: Vec<_> = (0..4).map(|number| place.spawn(&format!("cross {number}"))).collect();
    place.say("go");
    children.into_iter().for_each(|child| child.succeed());
    let reports = (0..4).flat_map(|number| report(&place.file(&format!("report.{number}"))));
    let mut reported: Vec<(u64, u16)> =
        reports.map(|words| (words[0].parse().unwrap(), words[1].parse().unwrap())).collect();
    reported.sort_unstable();
    assert_eq!(reported, expected_crossings(RACE_HOURS));
}

fn cross(directory: &Path, number: &str) {
    let clock = FakeClock::at_noon();
    let budget = quota_in(directory, &clock, budget_of("1", "hour", TENTHS)).budget("anthropic").unwrap();
    let report = Report::open(&directory.join(format!("report.{number}")));
    until("go", || directory.join("go").exists());
    for hour in 0..RACE_HOURS {
        // Together they spend more than the limit, so that each percentage is reached.
        for _ in 0..30 {
            for percent in budget.record_consumption(Some(usd("0.01"))).unwrap().crossed {
                report.say(&format!("{hour} {percent}"));
            }
        }
        clock.forward(60 * MINUTE_MS);
    }
}

// Eight processes on one budget, killed at random.

/// The number of hours, each with its own window, that the processes race through.
const RACE_HOURS: u64 = 10;
const RACERS: u64 = 8;
const KILLS_MAX: u64 = 16;
const RACE_LIMIT: &str = "0.2";

/// Spends hour after hour while anything is left, and reports what it was granted and what it settled. No other process
/// uses the same amounts, so the report identifies each line.
fn race(directory: &Path, number: u64, seed: u64) {
    let clock = FakeClock::at_noon();
    let budget = quota_in(directory, &clock, budget_of(RACE_LIMIT, "hour", TENTHS)).budget("anthropic").unwrap();
    let report = Report::open(&directory.join(format!("report.{number}")));
    let mut random = Random(seed);
    let mut round = 0;
    for hour in 0..RACE_HOURS {
        loop {
            round += 1;
            assert!(round < 100_000, "the budget does not end");
            let worst = (1 + random.below(7)) * 1_000_000_000 + number * 1_000_000 + round;
            match budget.reserve(Some(Usd::from_pico(worst.into()))).unwrap() {
                Grant::Held(hold) if round % 7 == 0 => {
                    report.say(&format!("held {worst}"));
                    drop(hold);
                }
                Grant::Held(hold) => {
                    report.say(&format!("held {worst}"));
                    let actual = worst - random.below(worst / 2);
                    let status = hold.settle(Some(Usd::from_pico(actual.into()))).unwrap();
                    report.say(&format!("settled {worst} {actual}"));
                    for percent in status.crossed {
                        report.say(&format!("crossed {hour} {percent}"));
                    }
                }
                Grant::Denied(denied) => {
                    report.say(&format!("denied {worst}"));
                    if denied.status.remaining < usd("0.0011") {
                        break;
                    }
                }
            }
        }
        clock.forward(60 * MINUTE_MS);
    }
}

/// One window of the race, computed only from the rules of the journal.
#[derive(Default)]
struct Window {
    consumed: u64,
    /// The amounts of the granted lines that are still open.
    open: BTreeMap<u64, u64>,
}

impl Window {
    fn taken(&self) -> u64 {
        self.consumed + self.open.values().sum::<u64>()
    }
}

/// Replays the journal without the crate. Returns the granted amounts, with those of their settlements.
fn replay(path: &Path, limit: u64) -> BTreeMap<u64, Option<u64>> {
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    let mut granted = BTreeMap::new();
    for (index, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["seq"], index as u64 + 1);
        assert_eq!((&line["api"], &line["unit"]), (&"anthropic".into(), &"pico_usd".into()));
        // The clock is at the full hour, so that no hold expires in its window.
        let window = windows.entry(line["at"].as_str().unwrap().to_owned()).or_default();
        let event = &line["event"];
        if let Some(hold) = event.get("hold") {
            let amount = hold["amount"].as_u64().unwrap();
            if window.taken() + amount <= limit {
                window.open.insert(line["seq"].as_u64().unwrap(), amount);
                assert_eq!(granted.insert(amount, None), None, "no two ask for the same");
            }
        } else if let Some(settle) = event.get("settle") {
            let (amount, hold) = (settle["amount"].as_u64().unwrap(), settle["hold"].as_u64().unwrap());
            let held = window.open.remove(&hold).unwrap_or_else(|| panic!("line {line} settles what was not granted"));
            assert!(amount <= held, "{line}");
            window.consumed += amount;
            granted.insert(held, Some(amount));
        } else {
            let hold = event["release"]["hold"].as_u64().unwrap();
            assert!(window.open.remove(&hold).is_some(), "line {line} releases what was not granted");
        }
        assert!(window.taken() <= limit, "overspent by line {line}");
    }
    assert_eq!(windows.len() as u64, RACE_HOURS);
    for (at, window) in windows {
        assert!(
            window.taken() + 1_100_000_000 > limit,
            "{at}: {} of {limit}: the race was not for the last",
            window.taken()
        );
    }
    granted
}

#[test]
fn eight_processes_and_their_deaths_never_overspend_a_budget() {
    let place = Place::new();
    let mut random = Random(seed());
    let mut number = 0;
    let mut spawn = |random: &mut Random| {
        number += 1;
        (number, place.spawn(&format!("race {number} {}", 1 + random.below(1 << 32))))
    };
    let mut racers: Vec<_> = (0..RACERS).map(|_| spawn(&mut random)).collect();
    place.say("go");
    let mut kills = 0;
    while let Some(place) = racers.iter_mut().position(|(_, racer)| racer.0.try_wait().unwrap().is_none()) {
        std::thread::sleep(Duration::from_millis(1 + random.below(40)));
        if kills < KILLS_MAX {
            let victim = (place + random.below(RACERS) as usize) % racers.len();
            if racers[victim].1.0.try_wait().unwrap().is_none() {
                racers[victim].1.kill();
                racers[victim] = spawn(&mut random);
                kills += 1;
            }
        }
    }
    racers.into_iter().for_each(|(_, racer)| racer.succeed());
    assert!(kills > 0);

    let limit = usd(RACE_LIMIT).pico().try_into().unwrap();
    let granted = replay(&place.file("quota.jsonl"), limit);
    let mut reported = BTreeSet::new();
    let (mut held, mut settled) = (0, 0);
    for words in (1..=number).flat_map(|number| report(&place.file(&format!("report.{number}")))) {
        let numbers: Vec<u64> = words[1..].iter().map(|word| word.parse().unwrap()).collect();
        match (words[0].as_str(), numbers.as_slice()) {
            ("held", [worst]) => {
                assert!(granted.contains_key(worst), "{worst} was held and not granted");
                held += 1;
            }
            ("denied", [worst]) => assert!(!granted.contains_key(worst), "{worst} was granted and denied"),
            ("settled", [worst, actual]) => {
                assert_eq!(granted.get(worst), Some(&Some(*actual)));
                settled += 1;
            }
            ("crossed", [hour, percent]) => {
                assert!(reported.insert((*hour, *percent)), "{percent} % of hour {hour} twice")
            }
            _ => panic!("{words:?}"),
        }
    }
    // A process that is killed leaves at most one grant that it did not report.
    let unheard = granted.len() as u64 - held;
    assert!(unheard <= kills && !reported.is_empty(), "{unheard} unheard, {reported:?}");
    println!(
        "{kills} kills, {} granted, {settled} settlements reported, {} thresholds reported",
        granted.len(),
        reported.len()
    );

    // The reservations of dead processes end when they expire.
    let clock = FakeClock::at_noon();
    clock.forward(RACE_HOURS as i64 * 60 * MINUTE_MS - 1);
    let budget =
        quota_in(place.directory(), &clock, budget_of(RACE_LIMIT, "hour", TENTHS)).budget("anthropic").unwrap();
    let status = budget.status().unwrap();
    assert_eq!(status.held, Usd::ZERO);
    held_to_the_last(&budget, status.remaining);
}

fn held_to_the_last(budget: &Budget, remaining: Usd) {
    held(budget.reserve(Some(remaining)).unwrap()).settle(Some(remaining)).unwrap();
    let status = budget.status().unwrap();
    assert_eq!((status.consumed, status.remaining), (status.limit, Usd::ZERO));
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.split(' ').collect::<Vec<_>>().as_slice() {
        ["hold", amount] => {
            let budget =
                quota_in(&directory, &FakeClock::at_noon(), budget_of("10", "day", "")).budget("anthropic").unwrap();
            let _hold = held(budget.reserve(Some(usd(amount))).unwrap());
            std::fs::write(directory.join("held"), "").unwrap();
            std::thread::sleep(PATIENCE);
        }
        [how @ ("settle" | "settle_async"), amount, actual] => {
            let quota = quota_in(&directory, &FakeClock::at_noon(), budget_of("10", "day", ""));
            let hold = held(quota.budget("anthropic").unwrap().reserve(Some(usd(amount))).unwrap());
            std::fs::write(directory.join("held"), "").unwrap();
            until("go", || directory.join("go").exists());
            let actual = (*actual != "unknown").then(|| usd(actual));
            let settled = match *how {
                "settle" => hold.settle(actual),
                _ => tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(hold.settle_async(actual)),
            };
            let said = match settled {
                Ok(status) => format!("{:?}", sums(&status)),
                Err(error) => format!("{:?}: {}", error.kind(), error.details().join("; ")),
            };
            std::fs::write(directory.join("said"), said).unwrap();
        }
        ["cross", number] => cross(&directory, number),
        ["race", number, seed] => {
            until("go", || directory.join("go").exists());
            race(&directory, number.parse().unwrap(), seed.parse().unwrap());
        }
        other => panic!("no such task: {other:?}"),
    }
}
