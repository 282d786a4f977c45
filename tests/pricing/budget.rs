//! Promise: a budget in US dollars is exact to the pico-dollar. It counts calls of unknown cost, and reports each
//! threshold once in a window.

use runledger::journal::Journal;
use runledger::quota::{Budget, DenialReason, Grant, Limits, QuotaStatus, Unit, WarningLevel};
use runledger::{ErrorKind, Usd};

use crate::children::budgets::{Fixture, budget_of, denied, held, quota_in, sums, usd};
use crate::children::clock::{DAY_MS, FakeClock, MINUTE_MS};
use crate::children::place::Place;

/// Returns the number of calls of unknown cost, and the number of calls of assumed cost.
fn counts(status: &QuotaStatus<Usd>) -> (u64, u64) {
    (status.unknown, status.assumed)
}

/// Like `counts`, but for the calls that have not ended.
fn held_counts(status: &QuotaStatus<Usd>) -> (u64, u64) {
    (status.unknown_held, status.assumed_held)
}

// Exact money.

#[test]
fn every_amount_is_exact_to_the_pico_dollar() {
    let fixture = Fixture::new("9007.199254740993"); // a number of pico-dollars that no float is
    let budget = fixture.open();
    assert_eq!(sums(&budget.record_consumption(Some(usd("0.000000000001"))).unwrap())[2], "9007.199254740992");
    for _ in 0..10 {
        budget.record_consumption(Some(usd("0.1"))).unwrap();
    }
    assert_eq!(sums(&budget.status().unwrap()), ["1.000000000001", "0", "9006.199254740992"]);
    let too_much = denied(budget.reserve(Some(usd("9006.199254740993"))).unwrap());
    assert_eq!((too_much.reason, too_much.requested), (DenialReason::NotEnough, Some(usd("9006.199254740993"))));
    assert_eq!(
        too_much.to_string(),
        "anthropic: 9006.199254740993 usd denied: 9006.199254740992 left until 2026-02-15T00:00:00.000Z"
    );
    let hold = held(budget.reserve(Some(usd("9006.199254740992"))).unwrap());
    assert_eq!(hold.amount(), Some(usd("9006.199254740992")));
    assert_eq!(sums(&budget.status().unwrap()), ["1.000000000001", "9006.199254740992", "0"]);
    assert_eq!(sums(&hold.settle(Some(usd("0.000000000002"))).unwrap()), ["1.000000000003", "0", "9006.19925474099"]);
    drop(budget);
    assert_eq!(sums(&fixture.open().status().unwrap()), ["1.000000000003", "0", "9006.19925474099"]);
}

#[test]
fn a_budget_has_its_unit_and_level_and_restarts_each_window() {
    let fixture = Fixture::new("20");
    let budget = fixture.open();
    let status = budget.record_consumption(Some(usd("9.999999999999"))).unwrap();
    assert_eq!((status.limit, status.unit, status.warning_level), (usd("20"), Unit::Usd, WarningLevel::Green));
    let status = budget.record_consumption(Some(usd("0.000000000001"))).unwrap();
    assert_eq!((status.pct_used, status.warning_level), (50.0, WarningLevel::Yellow));
    assert_eq!(budget.record_consumption(Some(usd("6"))).unwrap().warning_level, WarningLevel::Red);
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
        quota.record_consumption("anthropic", Some(1)).unwrap_err(),
        quota.reserve("anthropic", Some(1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let why = "cannot read the limit of \"anthropic\": the limit is in usd. Use Quota::budget";
        assert_eq!(error.to_string(), why);
    }
    let error = quota.budget("openai-gpt4").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("the limit is in tokens"), "{error}");
    assert_eq!(quota.budget("openai").unwrap_err().kind(), ErrorKind::UnknownLimit);
    assert_eq!(fixture.lines(), 0);
    // Tokens that were counted under the same name are not in the budget.
    let tokens = r#"[{"api": "anthropic", "limit": 10, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-02-14"}]"#;
    let in_tokens = quota_in(fixture.place.directory(), &fixture.clock, Limits::from_json(tokens).unwrap());
    assert_eq!(in_tokens.record_consumption("anthropic", Some(7)).unwrap().remaining, 3);
    assert_eq!(sums(&quota.budget("anthropic").unwrap().record_consumption(Some(usd("1"))).unwrap()), ["1", "0", "19"]);
    assert_eq!(in_tokens.status("anthropic").unwrap().consumed, 7);
}

#[test]
fn amounts_that_no_window_can_hold_are_refused_and_not_recorded() {
    let fixture = Fixture::new("18446744.073709551615");
    let budget = fixture.open();
    for amount in ["-0.000000000001", "18446744.073709551616"].map(usd) {
        for error in [budget.record_consumption(Some(amount)).unwrap_err(), budget.reserve(Some(amount)).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(
                error.to_string(),
                format!("cannot count {amount} usd of \"anthropic\": expected 0 to 18446744.073709551615")
            );
        }
    }
    assert_eq!(fixture.lines(), 0);
    assert_eq!(sums(&budget.record_consumption(Some(usd("18446744.073709551615"))).unwrap())[2], "0");
    let error = budget.record_consumption(Some(usd("0.000000000001"))).unwrap_err();
    assert_eq!((error.kind(), fixture.lines()), (ErrorKind::Overflow, 1));
    let found = "found 18446744.073709551615 usd consumed before; expected a sum of at most 18446744.073709551615 usd";
    assert_eq!(error.to_string(), format!("cannot add 0.000000000001 usd of \"anthropic\": {found}"));
}

// Reservation, settlement, release, expiry.

#[test]
fn a_worst_case_is_held_and_the_rest_is_released() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let hold = held(budget.reserve(Some(usd("9"))).unwrap());
    assert_eq!(sums(&budget.status().unwrap()), ["0", "9", "1"]);
    assert_eq!(hold.expires_at().unix_ms(), fixture.clock.unix_ms() + 10 * MINUTE_MS);
    let lines = fixture.lines();
    denied(budget.reserve(Some(usd("1.000000000001"))).unwrap());
    assert_eq!(fixture.lines(), lines, "a denial writes nothing");
    assert_eq!(sums(&hold.settle(Some(usd("0.123456789"))).unwrap()), ["0.123456789", "0", "9.876543211"]);
    drop(held(budget.reserve(Some(usd("9.876543211"))).unwrap()));
    assert_eq!(sums(&budget.status().unwrap()), ["0.123456789", "0", "9.876543211"], "a dropped hold is released");
}

#[test]
fn costs_above_their_reservation_are_recorded_in_full() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let (first, second) =
        (held(budget.reserve(Some(usd("4"))).unwrap()), held(budget.reserve(Some(usd("6"))).unwrap()));
    let status = first.settle(Some(usd("4.000000000001"))).unwrap();
    assert_eq!(sums(&status), ["4.000000000001", "6", "0"]);
    let status = second.settle(Some(usd("8"))).unwrap();
    assert_eq!(sums(&status), ["12.000000000001", "0", "0"]);
    assert!(status.pct_used > 120.0 && status.warning_level == WarningLevel::Red, "{status:?}");
    denied(budget.reserve(Some(usd("0.000000000001"))).unwrap());
}

#[test]
fn a_settlement_that_no_window_can_hold_leaves_the_hold_until_it_expires() {
    let fixture = Fixture::new("10");
    let budget = fixture.open();
    let hold = held(budget.reserve(Some(usd("10"))).unwrap());
    assert_eq!(hold.settle(Some(usd("-1"))).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(sums(&budget.status().unwrap()), ["0", "10", "0"]);
    fixture.clock.forward(10 * MINUTE_MS);
    assert_eq!(sums(&budget.status().unwrap()), ["0", "0", "10"]);
}

// Unknown cost.

#[test]
fn deny_is_the_default_rule_and_says_why() {
    for more in ["", r#", "unknown": "deny""#] {
        let fixture = Fixture::with("10", more);
        let budget = fixture.open();
        let denied = denied(budget.reserve(None).unwrap());
        assert_eq!((denied.reason, denied.requested), (DenialReason::Unknown, None));
        assert_eq!(denied.to_string(), "anthropic: a call of unknown cost denied: the limit denies unknown amounts");
        assert_eq!((sums(&denied.status), fixture.lines()), (["0", "0", "10"].map(str::to_owned), 0));
        // A call that was made without a reservation counts too.
        let status = budget.record_consumption(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["0", "0", "10"].map(str::to_owned), (1, 0)));
    }
}

#[test]
fn allow_grants_unknown_costs_and_counts_them() {
    let fixture = Fixture::with("10", r#", "unknown": "allow""#);
    let budget = fixture.open();
    let (first, second, third) =
        (held(budget.reserve(None).unwrap()), held(budget.reserve(None).unwrap()), held(budget.reserve(None).unwrap()));
    assert_eq!(first.amount(), None);
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0", "0", "10"].map(str::to_owned), (0, 0)));
    assert_eq!(held_counts(&status), (3, 0));
    let status = first.settle(Some(usd("3"))).unwrap();
    assert_eq!((counts(&status), held_counts(&status)), ((0, 0), (2, 0)), "it became known");
    let status = second.settle(None).unwrap();
    assert_eq!((counts(&status), held_counts(&status)), ((1, 0), (1, 0)), "it stayed unknown");
    drop(third);
    let status = budget.status().unwrap();
    assert_eq!((counts(&status), held_counts(&status)), ((1, 0), (0, 0)), "it was not made");
    assert_eq!(counts(&budget.record_consumption(None).unwrap()), (2, 0));
    drop(budget);
    let budget = fixture.open();
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["3", "0", "7"].map(str::to_owned), (2, 0)), "after a restart");
    budget.record_consumption(Some(usd("7"))).unwrap();
    let denied = denied(budget.reserve(None).unwrap());
    assert_eq!((denied.reason, denied.requested), (DenialReason::NotEnough, None), "unknown is not zero");
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
    assert_eq!(first.amount(), Some(usd("0.25")));
    let status = budget.status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0", "0.5", "0.5"].map(str::to_owned), (0, 0)));
    assert_eq!(held_counts(&status), (0, 2));
    let status = first.settle(Some(usd("0.1"))).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.1", "0.25", "0.65"].map(str::to_owned), (0, 0)));
    assert_eq!(held_counts(&status), (0, 1));
    let status = second.settle(None).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.35", "0", "0.65"].map(str::to_owned), (0, 1)));
    assert_eq!(held_counts(&status), (0, 0));
    let status = budget.record_consumption(None).unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.6", "0", "0.4"].map(str::to_owned), (0, 2)));
    drop(held(budget.reserve(None).unwrap()));
    budget.record_consumption(Some(usd("0.2"))).unwrap();
    let denied = denied(budget.reserve(None).unwrap());
    assert_eq!((denied.reason, denied.requested), (DenialReason::NotEnough, Some(usd("0.25"))));
    let status = fixture.open().status().unwrap();
    assert_eq!((sums(&status), counts(&status)), (["0.8", "0", "0.2"].map(str::to_owned), (0, 2)));
}

/// The limit's rule for unknown costs applies before a call, and this call has been made.
#[test]
fn a_held_amount_stays_consumed_if_the_actual_cost_is_unknown() {
    for more in ["", r#", "unknown": "allow""#, r#", "unknown": {"assume": 0.25}"#] {
        let fixture = Fixture::with("10", more);
        let budget = fixture.open();
        let status = held(budget.reserve(Some(usd("4"))).unwrap()).settle(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["4", "0", "6"].map(str::to_owned), (0, 1)), "{more}");
        // Without a reserved amount, nothing can be assumed.
        let status = held(budget.reserve(Some(Usd::ZERO)).unwrap()).settle(None).unwrap();
        assert_eq!((sums(&status), counts(&status)), (["4", "0", "6"].map(str::to_owned), (1, 1)), "{more}");
    }
}

#[test]
fn unknown_tokens_are_counted_too() {
    let place = Place::new();
    let table = r#"[{"api": "a", "limit": 10, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-02-14", "unknown": {"assume": 4}}]"#;
    let quota = quota_in(place.directory(), &FakeClock::at_noon(), Limits::from_json(table).unwrap());
    let Grant::Held(hold) = quota.reserve("a", None).unwrap() else { panic!("denied") };
    let status = hold.settle(None).unwrap();
    assert_eq!((status.consumed, status.assumed, status.unknown), (4, 1, 0));
    let denied = match quota.reserve("a", Some(7)).unwrap() {
        Grant::Denied(denied) => denied,
        Grant::Held(hold) => panic!("{hold:?}"),
    };
    assert_eq!(denied.to_string(), "a: 7 tokens denied: 6 left until 2026-02-15T00:00:00.000Z");
}

// Thresholds.

const THRESHOLDS: &str = r#", "thresholds": [50, 80, 95, 100]"#;

#[test]
fn each_threshold_is_reported_once_in_a_window_to_the_call_that_reached_it() {
    let fixture = Fixture::with("1", THRESHOLDS);
    let budget = fixture.open();
    let spend = |budget: &Budget, amount: &str| budget.record_consumption(Some(usd(amount))).unwrap().crossed;
    assert_eq!(spend(&budget, "0.499999999999"), [0; 0]);
    let hold = held(budget.reserve(Some(usd("0.5"))).unwrap());
    assert_eq!(budget.status().unwrap().crossed, [0; 0], "what is held does not count");
    assert_eq!(hold.settle(Some(usd("0.000000000001"))).unwrap().crossed, [50], "exactly half is half");
    assert_eq!(budget.status().unwrap().crossed, [0; 0], "a mere query crosses nothing");
    assert_eq!(spend(&budget, "0.01"), [0; 0]);
    drop(budget);
    let budget = fixture.open();
    assert_eq!(spend(&budget, "0.01"), [0; 0], "nor again after a restart");
    assert_eq!(spend(&budget, "0.6"), [80, 95, 100], "by one call");
    assert_eq!(spend(&budget, "9"), [0; 0]);
    fixture.clock.forward(DAY_MS);
    assert_eq!(spend(&budget, "0.8"), [50, 80], "a new window");
    assert_eq!(
        Fixture::with("1", "").open().record_consumption(Some(usd("1"))).unwrap().crossed,
        [50, 80],
        "by default"
    );
    assert_eq!(
        Fixture::with("1", r#", "thresholds": []"#).open().record_consumption(Some(usd("1"))).unwrap().crossed,
        [0; 0]
    );
}

#[test]
fn a_settlement_reaches_the_thresholds_of_the_window_of_its_reservation() {
    let fixture = Fixture::with("1", THRESHOLDS);
    let budget = fixture.open();
    fixture.clock.forward(DAY_MS / 2 - 1);
    let hold = held(budget.reserve(Some(usd("0.9"))).unwrap());
    fixture.clock.forward(1);
    let status = hold.settle(Some(usd("0.9"))).unwrap();
    assert_eq!((sums(&status), status.crossed), (["0", "0", "1"].map(str::to_owned), vec![50, 80]), "of yesterday");
    assert_eq!(budget.record_consumption(Some(usd("0.5"))).unwrap().crossed, [50], "of today");
}

#[test]
fn a_threshold_is_reported_once_although_the_limit_changes() {
    let mut fixture = Fixture::with("1", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(Some(usd("0.8"))).unwrap().crossed, [50, 80]);
    fixture.limits = budget_of("10", "day", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(Some(usd("8.8"))).unwrap().crossed, [95]);
    fixture.limits = budget_of("1", "day", THRESHOLDS);
    assert_eq!(fixture.open().record_consumption(Some(Usd::ZERO)).unwrap().crossed, [100]);
}

// The lines of the journal.

/// The lines that this crate wrote before there were budgets.
const OLD_LINES: [&str; 6] = [
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"consume":{"amount":15000}}}"#,
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":40000,"expires_at":"2026-02-14T12:10:00.000Z","limit":100000,"period":"day"}}}"#,
    r#"{"api":"openai-gpt4","unit":"tokens","at":"2026-02-14T12:00:00.000Z","event":{"settle":{"hold":2,"amount":36000,"held_at":"2026-02-14T12:00:00.000Z"}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":7,"expires_at":"2026-02-14T12:10:00.000Z","limit":5000,"period":"hour"}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"release":{"hold":4}}}"#,
    r#"{"api":"github-rest","unit":"calls","at":"2026-02-14T12:00:00.000Z","event":{"hold":{"amount":9,"expires_at":"2026-02-14T12:10:00.000Z","limit":5000,"period":"hour"}}}"#,
];

#[test]
fn lines_from_before_there_were_budgets_still_mean_the_same() {
    let fixture = Fixture::new("1");
    let journal = Journal::open(fixture.place.file("quota.jsonl"), fixture.clock.journal_options()).unwrap();
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
    assert_eq!(quota.record_consumption("openai-gpt4", Some(29_000)).unwrap().crossed, [50, 80]);
}

#[test]
fn a_line_names_the_unit_that_it_counts() {
    let fixture = Fixture::with("25.50", r#", "unknown": "allow""#);
    let budget = fixture.open();
    held(budget.reserve(Some(usd("0.046875"))).unwrap()).settle(None).unwrap();
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
