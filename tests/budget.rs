//! A budget in US dollars is exact to the pico-dollar, is never overspent by reservations, counts what is unknown, and
//! tells each threshold once: across threads, processes, restarts and deaths.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic in a test is its report")]

mod children;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use runledger::journal::Journal;
use runledger::quota::{Budget, Denied, Grant, Hold, Limits, Quota, QuotaStatus, Reason, Unit, WarningLevel};
use runledger::{ErrorKind, Usd};
use serde_json::Value;

use children::clock::{DAY_MS, FakeClock, MINUTE_MS};
use children::place::{PATIENCE, Place, until};
use children::{Random, Report, report, seed, task};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// A budget of `limit` dollars a `period` for `anthropic`, with more of its keys.
fn budget_of(limit: &str, period: &str, more: &str) -> Limits {
    let table = format!(
        r#"[{{"api": "anthropic", "limit": {limit}, "unit": "usd", "period": "{period}", "source": "us", "as_of": "2026-02-14"{more}}}]"#
    );
    Limits::from_json(&table).unwrap()
}

struct Fixture {
    place: Place,
    clock: FakeClock,
    limits: Limits,
}

impl Fixture {
    /// A budget of that many dollars a day.
    fn new(limit: &str) -> Self {
        Self::with(limit, "")
    }

    fn with(limit: &str, more: &str) -> Self {
        Self { place: Place::new(), clock: FakeClock::at_noon(), limits: budget_of(limit, "day", more) }
    }

    fn quota(&self) -> Quota {
        quota_in(self.place.directory(), &self.clock, self.limits.clone())
    }

    /// Of a quota of its own, as another process would open it.
    fn open(&self) -> Budget {
        self.quota().budget("anthropic").unwrap()
    }

    fn lines(&self) -> usize {
        std::fs::read_to_string(self.place.file("quota.jsonl")).unwrap().lines().count()
    }
}

fn quota_in(directory: &Path, clock: &FakeClock, limits: Limits) -> Quota {
    let mut options = clock.options();
    options.limits = limits;
    Quota::open(directory.join("quota.jsonl"), options).unwrap()
}

fn held(grant: Grant<Usd>) -> Hold<Usd> {
    match grant {
        Grant::Held(hold) => hold,
        Grant::Denied(denied) => panic!("{denied}"),
    }
}

fn denied(grant: Grant<Usd>) -> Denied<Usd> {
    match grant {
        Grant::Denied(denied) => denied,
        Grant::Held(hold) => panic!("{hold:?}"),
    }
}

/// Consumed, held and remaining.
fn sums(status: &QuotaStatus<Usd>) -> [String; 3] {
    [status.consumed, status.held, status.remaining].map(|amount| amount.to_string())
}

/// Unknown and assumed.
fn counts(status: &QuotaStatus<Usd>) -> (u64, u64) {
    (status.unknown, status.assumed)
}

// Exact money, and nothing else.

#[test]
fn every_amount_is_exact_to_the_pico_dollar() {
    let fixture = Fixture::new("9007.199254740993"); // a number of pico-dollars that no float is
    let budget = fixture.open();
    assert_eq!(sums(&budget.record_consumption(usd("0.000000000001")).unwrap())[2], "9007.199254740992");
    for _ in 0..10 {
        budget.record_consumption(usd("0.1")).unwrap();
    }
    assert_eq!(sums(&budget.status().unwrap()), ["1.000000000001", "0", "9006.199254740992"]);
    let too_much = denied(budget.reserve(usd("9006.199254740993")).unwrap());
    assert_eq!((too_much.reason, too_much.requested), (Reason::NotEnough, Some(usd("9006.199254740993"))));
    assert_eq!(
        too_much.to_string(),
        "anthropic: 9006.199254740993 usd denied: 9006.199254740992 left until 2026-02-15T00:00:00.000Z"
    );
    let hold = held(budget.reserve(usd("9006.199254740992")).unwrap());
    assert_eq!(hold.amount(), usd("9006.199254740992"));
    assert_eq!(sums(&budget.status().unwrap()), ["1.000000000001", "9006.199254740992", "0"]);
    assert_eq!(sums(&hold.settle(usd("0.000000000002")).unwrap()), ["1.000000000003", "0", "9006.19925474099"]);
    drop(budget);
    assert_eq!(sums(&fixture.open().status().unwrap()), ["1.000000000003", "0", "9006.19925474099"]);
}

#[test]
fn a_budget_says_what_it_is_and_when_it_begins_anew() {
    let fixture = Fixture::new("20");
    let budget = fixture.open();
    let status = budget.record_consumption(usd("9.999999999999")).unwrap();
    assert_eq!((status.limit, status.unit, status.warning_level), (usd("20"), Unit::Usd, WarningLevel::Green));
    let status = budget.record_consumption(usd("0.000000000001")).unwrap();
    assert_eq!((status.pct_used, status.warning_level), (50.0, WarningLevel::Yellow));
    assert_eq!(budget.record_consumption(usd("6")).unwrap().warning_level, WarningLevel::Red);
    fixture.clock.forward(DAY_MS);
    assert_eq!(sums(&budget.status().unwrap()), ["0", "0", "20"]);
}

#[test]
fn dollars_and_tokens_cannot_be_mixed() {
    let mut fixture = Fixture::new("20");
    fixture.limits = Limits::bundled().with(fixture.limits);
    let quota = fixture.quota();
    for error in [
        quota.status("anthropic").unwrap_err(),
        quota.record_consumption("anthropic", 1).unwrap_err(),
        quota.reserve("anthropic", 1).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let why = "find the limit of \"anthropic\": it is in usd: ask its budget (Quota::budget)";
        assert_eq!(error.to_string(), why);
    }
    let error = quota.budget("openai-gpt4").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("it is in tokens"), "{error}");
    assert_eq!(quota.budget("openai").unwrap_err().kind(), ErrorKind::UnknownLimit);
    assert_eq!(fixture.lines(), 0);
    // Of one name, what was counted in tokens is not in the budget.
    let tokens = r#"[{"api": "anthropic", "limit": 10, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-02-14"}]"#;
    let in_tokens = quota_in(fixture.place.directory(), &fixture.clock, Limits::from_json(tokens).unwrap());
    assert_eq!(in_tokens.record_consumption("anthropic", 7).unwrap().remaining, 3);
    assert_eq!(sums(&quota.budget("anthropic").unwrap().record_consumption(usd("1")).unwrap()), ["1", "0", "19"]);
    assert_eq!(in_tokens.status("anthropic").unwrap().consumed, 7);
}

#[test]
fn what_no_window_can_hold_is_refused_and_not_recorded() {
    let fixture = Fixture::new("18446744.073709551615");
    let budget = fixture.open();
    for amount in ["-0.000000000001", "18446744.073709551616"].map(usd) {
        for error in [budget.record_consumption(amount).unwrap_err(), budget.reserve(amount).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(
                error.to_string(),
                format!("count {amount} usd of \"anthropic\": expected 0 to 18446744.073709551615")
            );
        }
    }
    assert_eq!(fixture.lines(), 0);
    assert_eq!(sums(&budget.record_consumption(usd("18446744.073709551615")).unwrap())[2], "0");
    let error = budget.record_consumption(usd("0.000000000001")).unwrap_err();
    assert_eq!((error.kind(), fixture.lines()), (ErrorKind::Overflow, 1));
    assert_eq!(error.to_string(), "add 0.000000000001 usd of \"anthropic\"");
}

// Reservation, settlement, release, expiry.

#[test]
fn a_worst_case_is_held_and_the_rest_comes_back() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let hold = held(budget.reserve(usd("9")).unwrap());
    assert_eq!(sums(&budget.status().unwrap()), ["0", "9", "1"]);
    assert_eq!(hold.expires_at().unix_ms(), fixture.clock.unix_ms() + 10 * MINUTE_MS);
    let lines = fixture.lines();
    denied(budget.reserve(usd("1.000000000001")).unwrap());
    assert_eq!(fixture.lines(), lines, "a denial writes nothing");
    assert_eq!(sums(&hold.settle(usd("0.123456789")).unwrap()), ["0.123456789", "0", "9.876543211"]);
    drop(held(budget.reserve(usd("9.876543211")).unwrap()));
    assert_eq!(sums(&budget.status().unwrap()), ["0.123456789", "0", "9.876543211"], "a dropped hold is released");
}

#[test]
fn the_hold_of_a_killed_process_comes_back_when_it_expires() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let mut child = fixture.place.spawn("hold 9.999999999999");
    fixture.place.wait_for("held");
    child.kill();
    assert_eq!(sums(&budget.status().unwrap()), ["0", "9.999999999999", "0.000000000001"]);
    fixture.clock.forward(10 * MINUTE_MS - 1);
    denied(budget.reserve(usd("0.000000000002")).unwrap());
    fixture.clock.forward(1);
    held(budget.reserve(usd("10")).unwrap()).settle(usd("10")).unwrap();
    assert_eq!(sums(&budget.status().unwrap()), ["10", "0", "0"]);
}

#[test]
fn what_was_billed_above_its_reservation_is_recorded_in_full() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let (first, second) = (held(budget.reserve(usd("4")).unwrap()), held(budget.reserve(usd("6")).unwrap()));
    let status = first.settle(usd("4.000000000001")).unwrap();
    assert_eq!(sums(&status), ["4.000000000001", "6", "0"]);
    let status = second.settle(usd("8")).unwrap();
    assert_eq!(sums(&status), ["12.000000000001", "0", "0"]);
    assert!(status.pct_used > 120.0 && status.warning_level == WarningLevel::Red, "{status:?}");
    denied(budget.reserve(usd("0.000000000001")).unwrap());
}

#[test]
fn a_settlement_that_no_window_can_hold_leaves_the_hold_until_it_expires() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let hold = held(budget.reserve(usd("10")).unwrap());
    assert_eq!(hold.settle(usd("-1")).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(sums(&budget.status().unwrap()), ["0", "10", "0"]);
    fixture.clock.forward(10 * MINUTE_MS);
    assert_eq!(sums(&budget.status().unwrap()), ["0", "0", "10"]);
}

// Unknown cost.

#[test]
fn deny_is_the_rule_where_none_is_given_and_says_why() {
    for more in ["", r#", "unknown": "deny""#] {
        let fixture = Fixture::with("10", more);
        let budget = fixture.open();
        let denied = denied(budget.reserve(None).unwrap());
        assert_eq!((denied.reason, denied.requested), (Reason::Unknown, None));
        assert_eq!(denied.to_string(), "anthropic: a call of unknown cost denied: the limit denies what is unknown");
        assert_eq!((sums(&denied.status), fixture.lines()), (["0", "0", "10"].map(str::to_owned), 0));
        // What was done without asking is a fact all the same.
        let status = budget.record_consumption(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["0", "0", "10"].map(str::to_owned), (1, 0)));
    }
}

#[test]
fn allow_lets_unknown_costs_through_and_counts_them() {
    let fixture = Fixture::with("10", r#", "unknown": "allow""#);
    let budget = fixture.open();
    let (first, second, third) =
        (held(budget.reserve(None).unwrap()), held(budget.reserve(None).unwrap()), held(budget.reserve(None).unwrap()));
    assert_eq!(first.amount(), Usd::ZERO);
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0", "0", "10"].map(str::to_owned), (3, 0)));
    assert_eq!(counts(&first.settle(usd("3")).unwrap()), (2, 0), "it became known");
    assert_eq!(counts(&second.settle(None).unwrap()), (2, 0), "it stayed unknown");
    drop(third);
    assert_eq!(counts(&budget.status().unwrap()), (1, 0), "it was not made");
    assert_eq!(counts(&budget.record_consumption(None).unwrap()), (2, 0));
    drop(budget);
    let budget = fixture.open();
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["3", "0", "7"].map(str::to_owned), (2, 0)), "after a restart");
    budget.record_consumption(usd("7")).unwrap();
    let denied = denied(budget.reserve(None).unwrap());
    assert_eq!((denied.reason, denied.requested), (Reason::NotEnough, None), "unknown is not zero");
    assert_eq!(
        denied.to_string(),
        "anthropic: a call of unknown cost denied: nothing left until 2026-02-15T00:00:00.000Z"
    );
    fixture.clock.forward(DAY_MS);
    assert_eq!(counts(&budget.status().unwrap()), (0, 0), "each window counts its own");
}

#[test]
fn assume_takes_an_amount_in_place_of_an_unknown_cost() {
    let fixture = Fixture::with("1", r#", "unknown": {"assume": 0.25}"#);
    let budget = fixture.open();
    let (first, second) = (held(budget.reserve(None).unwrap()), held(budget.reserve(None).unwrap()));
    assert_eq!(first.amount(), usd("0.25"));
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0", "0.5", "0.5"].map(str::to_owned), (0, 2)));
    let status = first.settle(usd("0.1")).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.1", "0.25", "0.65"].map(str::to_owned), (0, 1)));
    let status = second.settle(None).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.35", "0", "0.65"].map(str::to_owned), (0, 1)));
    let status = budget.record_consumption(None).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.6", "0", "0.4"].map(str::to_owned), (0, 2)));
    drop(held(budget.reserve(None).unwrap()));
    budget.record_consumption(usd("0.2")).unwrap();
    let denied = denied(budget.reserve(None).unwrap());
    assert_eq!((denied.reason, denied.requested), (Reason::NotEnough, Some(usd("0.25"))));
    let status = fixture.open().status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.8", "0", "0.2"].map(str::to_owned), (0, 2)));
}

/// Whatever the limit says of unknown costs: it is asked before the call, and this one has been made.
#[test]
fn what_was_held_stays_consumed_when_the_actual_cost_is_unknown() {
    for more in ["", r#", "unknown": "allow""#, r#", "unknown": {"assume": 0.25}"#] {
        let fixture = Fixture::with("10", more);
        let budget = fixture.open();
        let status = held(budget.reserve(usd("4")).unwrap()).settle(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["4", "0", "6"].map(str::to_owned), (0, 1)), "{more}");
        // Of nothing held, nothing can be assumed.
        let status = held(budget.reserve(Usd::ZERO).unwrap()).settle(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["4", "0", "6"].map(str::to_owned), (1, 1)), "{more}");
    }
}

#[test]
fn tokens_that_nobody_knows_are_counted_too() {
    let place = Place::new();
    let table = r#"[{"api": "a", "limit": 10, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-02-14", "unknown": {"assume": 4}}]"#;
    let quota = quota_in(place.directory(), &FakeClock::at_noon(), Limits::from_json(table).unwrap());
    let Grant::Held(hold) = quota.reserve("a", None).unwrap() else { panic!("denied") };
    let status = hold.settle(None).unwrap();
    assert_eq!((status.consumed, status.assumed, status.unknown), (4, 1, 0));
    let denied = match quota.reserve("a", 7).unwrap() {
        Grant::Denied(denied) => denied,
        Grant::Held(hold) => panic!("{hold:?}"),
    };
    assert_eq!(denied.to_string(), "a: 7 tokens denied: 6 left until 2026-02-15T00:00:00.000Z");
}

// Thresholds.

const THRESHOLDS: &str = r#", "thresholds": [50, 80, 95, 100]"#;

#[test]
fn each_threshold_is_told_once_in_a_window_to_the_call_that_reached_it() {
    let fixture = Fixture::with("1", THRESHOLDS);
    let budget = fixture.open();
    let spend = |budget: &Budget, amount: &str| budget.record_consumption(usd(amount)).unwrap().crossed;
    assert_eq!(spend(&budget, "0.499999999999"), [0; 0]);
    let hold = held(budget.reserve(usd("0.5")).unwrap());
    assert_eq!(budget.status().unwrap().crossed, [0; 0], "what is held does not count");
    assert_eq!(hold.settle(usd("0.000000000001")).unwrap().crossed, [50], "exactly half is half");
    assert_eq!(budget.status().unwrap().crossed, [0; 0], "who asks alone has crossed nothing");
    assert_eq!(spend(&budget, "0.01"), [0; 0]);
    drop(budget);
    let budget = fixture.open();
    assert_eq!(spend(&budget, "0.01"), [0; 0], "nor again after a restart");
    assert_eq!(spend(&budget, "0.6"), [80, 95, 100], "by one call");
    assert_eq!(spend(&budget, "9"), [0; 0]);
    fixture.clock.forward(DAY_MS);
    assert_eq!(spend(&budget, "0.8"), [50, 80], "a new window");
    assert_eq!(Fixture::with("1", "").open().record_consumption(usd("1")).unwrap().crossed, [50, 80], "by default");
    assert_eq!(
        Fixture::with("1", r#", "thresholds": []"#).open().record_consumption(usd("1")).unwrap().crossed,
        [0; 0]
    );
}

#[test]
fn a_settlement_reaches_the_thresholds_of_the_window_of_its_reservation() {
    let fixture = Fixture::with("1", THRESHOLDS);
    let budget = fixture.open();
    fixture.clock.forward(DAY_MS / 2 - 1);
    let hold = held(budget.reserve(usd("0.9")).unwrap());
    fixture.clock.forward(1);
    let status = hold.settle(usd("0.9")).unwrap();
    assert_eq!((sums(&status), status.crossed), (["0", "0", "1"].map(str::to_owned), vec![50, 80]), "of yesterday");
    assert_eq!(budget.record_consumption(usd("0.5")).unwrap().crossed, [50], "of today");
}

#[test]
fn a_threshold_is_told_once_although_the_limit_changes() {
    let mut fixture = Fixture::with("1", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(usd("0.8")).unwrap().crossed, [50, 80]);
    fixture.limits = budget_of("10", "day", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(usd("8.8")).unwrap().crossed, [95]);
    fixture.limits = budget_of("1", "day", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(Usd::ZERO).unwrap().crossed, [100]);
}

/// Every tenth of the limit, once in each window.
fn expected_crossings(windows: u64) -> Vec<(u64, u16)> {
    (0..windows).flat_map(|window| (1..=10).map(move |tenth| (window, tenth * 10))).collect()
}

const TENTHS: &str = r#", "thresholds": [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]"#;

#[test]
fn among_threads_each_threshold_is_told_once() {
    let fixture = Fixture::with("1", TENTHS);
    // A second tracker of the same journal stands for a process of its own.
    let budgets = [fixture.open(), fixture.open()];
    let told = Mutex::new(Vec::new());
    for window in 0..4 {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, told) = (&budgets[thread % 2], &told);
                scope.spawn(move || {
                    // At most a hundred cents can be spent.
                    for _ in 0..100 {
                        let Grant::Held(hold) = budget.reserve(usd("0.04")).unwrap() else { break };
                        let crossed = hold.settle(usd("0.01")).unwrap().crossed;
                        told.lock().unwrap().extend(crossed.into_iter().map(|percent| (window, percent)));
                    }
                    // All eight held 0.04 at most: with this they reach the limit together.
                    let crossed = budget.record_consumption(usd("0.05")).unwrap().crossed;
                    told.lock().unwrap().extend(crossed.into_iter().map(|percent| (window, percent)));
                });
            }
        });
        fixture.clock.forward(DAY_MS);
    }
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, expected_crossings(4));
}

#[test]
fn among_processes_each_threshold_is_told_once() {
    let place = Place::new();
    let children: Vec<_> = (0..4).map(|number| place.spawn(&format!("cross {number}"))).collect();
    place.say("go");
    children.into_iter().for_each(|child| child.succeed());
    let reports = (0..4).flat_map(|number| report(&place.file(&format!("report.{number}"))));
    let mut told: Vec<(u64, u16)> =
        reports.map(|words| (words[0].parse().unwrap(), words[1].parse().unwrap())).collect();
    told.sort_unstable();
    assert_eq!(told, expected_crossings(RACE_HOURS));
}

fn cross(directory: &Path, number: &str) {
    let clock = FakeClock::at_noon();
    let budget = quota_in(directory, &clock, budget_of("1", "hour", TENTHS)).budget("anthropic").unwrap();
    let report = Report::open(&directory.join(format!("report.{number}")));
    until("go", || directory.join("go").exists());
    for hour in 0..RACE_HOURS {
        // More than the limit together, so that each percentage is reached.
        for _ in 0..30 {
            for percent in budget.record_consumption(usd("0.01")).unwrap().crossed {
                report.say(&format!("{hour} {percent}"));
            }
        }
        clock.forward(60 * MINUTE_MS);
    }
}

// Eight processes on one budget, killed at random.

/// How many hours, each with its own window, processes race through.
const RACE_HOURS: u64 = 10;
const RACERS: u64 = 8;
const KILLS_MAX: u64 = 16;
const RACE_LIMIT: &str = "0.2";

/// Spends hour after hour as long as anything is left, and says what it was granted and what it settled. Amounts are
/// unlike any other process's, so that the report tells which line is meant.
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
            match budget.reserve(Usd::from_pico(worst.into())).unwrap() {
                Grant::Held(hold) if round % 7 == 0 => {
                    report.say(&format!("held {worst}"));
                    drop(hold);
                }
                Grant::Held(hold) => {
                    report.say(&format!("held {worst}"));
                    let actual = worst - random.below(worst / 2);
                    let status = hold.settle(Usd::from_pico(actual.into())).unwrap();
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

/// One window of the race, added up by the rule of the journal alone.
#[derive(Default)]
struct Window {
    consumed: u64,
    /// What each line holds that was granted and is not ended.
    open: BTreeMap<u64, u64>,
}

impl Window {
    fn taken(&self) -> u64 {
        self.consumed + self.open.values().sum::<u64>()
    }
}

/// What the journal says, found without the crate: the amounts that were granted, with those of their settlements.
fn replay(path: &Path, limit: u64) -> BTreeMap<u64, Option<u64>> {
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    let mut granted = BTreeMap::new();
    for (index, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["seq"], index as u64 + 1);
        assert_eq!((&line["api"], &line["unit"]), (&"anthropic".into(), &"pico_usd".into()));
        // Each clock stands at the full hour, so that no hold expires in its window.
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
    let mut told = BTreeSet::new();
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
            ("crossed", [hour, percent]) => assert!(told.insert((*hour, *percent)), "{percent} % of hour {hour} twice"),
            _ => panic!("{words:?}"),
        }
    }
    // A process that is killed leaves at most one grant of which nobody heard.
    let unheard = granted.len() as u64 - held;
    assert!(unheard <= kills && !told.is_empty(), "{unheard} unheard, {told:?}");
    println!(
        "{kills} kills, {} granted, {settled} settlements heard of, {} thresholds told",
        granted.len(),
        told.len()
    );

    // What the dead held comes free when it expires.
    let clock = FakeClock::at_noon();
    clock.forward(RACE_HOURS as i64 * 60 * MINUTE_MS - 1);
    let budget =
        quota_in(place.directory(), &clock, budget_of(RACE_LIMIT, "hour", TENTHS)).budget("anthropic").unwrap();
    let status = budget.status().unwrap();
    assert_eq!(status.held, Usd::ZERO);
    held_to_the_last(&budget, status.remaining);
}

fn held_to_the_last(budget: &Budget, remaining: Usd) {
    held(budget.reserve(remaining).unwrap()).settle(remaining).unwrap();
    let status = budget.status().unwrap();
    assert_eq!((status.consumed, status.remaining), (status.limit, Usd::ZERO));
}

// What the journal holds.

/// As this crate wrote them when it counted tokens and calls alone.
const OLD_LINES: [&str; 6] = [
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"consume":{"amount":15000}}}"#,
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":40000,"expires_at":"2026-02-14T12:10:00.000Z","limit":100000,"period":"day"}}}"#,
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"settle":{"hold":2,"amount":36000,"held_at":"2026-02-14T12:00:00.000Z"}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":7,"expires_at":"2026-02-14T12:10:00.000Z","limit":5000,"period":"hour"}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"release":{"hold":4}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":9,"expires_at":"2026-02-14T12:10:00.000Z","limit":5000,"period":"hour"}}}"#,
];

#[test]
fn the_lines_of_before_there_were_budgets_still_say_the_same() {
    let fixture = Fixture::new("1");
    let journal = Journal::open(fixture.place.file("quota.jsonl"), fixture.clock.options().journal).unwrap();
    for line in OLD_LINES {
        journal.append(line.as_bytes()).unwrap();
    }
    drop(journal);
    let quota = quota_in(fixture.place.directory(), &fixture.clock, Limits::bundled());
    let sums = |api| {
        let status = quota.status(api).unwrap();
        (status.consumed, status.held, status.remaining, status.unknown, status.assumed)
    };
    assert_eq!(sums("openai-gpt4"), (51_000, 0, 49_000, 0, 0));
    assert_eq!(sums("github-rest"), (0, 9, 4_991, 0, 0));
    assert_eq!(quota.record_consumption("openai-gpt4", 29_000).unwrap().crossed, [50, 80]);
}

#[test]
fn a_line_names_the_unit_that_it_counts() {
    let fixture = Fixture::with("25.50", r#", "unknown": "allow""#);
    let budget = fixture.open();
    held(budget.reserve(usd("0.046875")).unwrap()).settle(None).unwrap();
    budget.record_consumption(None).unwrap();
    let text = std::fs::read_to_string(fixture.place.file("quota.jsonl")).unwrap();
    let payloads: Vec<_> = text.lines().map(|line| line.split(",\"seq\":").next().unwrap()).collect();
    let head = r#"{"api":"anthropic","unit":"pico_usd","at":"2026-02-14T12:00:00.000Z","event":{"#;
    let watch = r#""watch":{"limit":25500000000000,"period":"day","percent":[50,80]}}}"#;
    let expected = [
        r#""hold":{"amount":46875000000,"expires_at":"2026-02-14T12:10:00.000Z","limit":25500000000000,"period":"day"}}"#.to_owned(),
        format!(r#""settle":{{"hold":1,"amount":46875000000,"certainty":"assumed","held_at":"2026-02-14T12:00:00.000Z",{watch}"#),
        format!(r#""consume":{{"amount":0,"certainty":"unknown",{watch}"#),
    ];
    assert_eq!(payloads, expected.map(|event| format!("{head}{event}")));
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    match task.split(' ').collect::<Vec<_>>().as_slice() {
        ["hold", amount] => {
            let budget =
                quota_in(&directory, &FakeClock::at_noon(), budget_of("10", "day", "")).budget("anthropic").unwrap();
            let _hold = held(budget.reserve(usd(amount)).unwrap());
            std::fs::write(directory.join("held"), "").unwrap();
            std::thread::sleep(PATIENCE);
        }
        ["cross", number] => cross(&directory, number),
        ["race", number, seed] => {
            until("go", || directory.join("go").exists());
            race(&directory, number.parse().unwrap(), seed.parse().unwrap());
        }
        other => panic!("no such task: {other:?}"),
    }
}
