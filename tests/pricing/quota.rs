//! Promise: a quota shows exactly what is left, and all reservations together never exceed it. This holds across
//! threads, processes and restarts, and after processes have died.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use runledger::journal::Journal;
use runledger::quota::{Denied, Grant, Hold, Limits, Period, Quota, QuotaStatus, Unit, WarningLevel};
use runledger::{Error, ErrorKind};

use crate::children::clock::{DAY_MS, FakeClock, MINUTE_MS};
use crate::children::place::{PATIENCE, Place, until};
use crate::children::task;

/// The number of hours, each with its own window, that the processes race through.
const RACE_HOURS: u64 = 8;

fn noon() -> i64 {
    FakeClock::at_noon().unix_ms()
}

/// Returns one limit: `limit` calls of `api` for each `period`.
fn only(api: &str, limit: u64, period: &str) -> Limits {
    let table = format!(
        r#"[{{"api": "{api}", "limit": {limit}, "unit": "calls", "period": "{period}", "source": "us", "as_of": "2026-02-14"}}]"#
    );
    Limits::from_json(&table).unwrap()
}

struct Fixture {
    place: Place,
    clock: FakeClock,
}

impl Fixture {
    fn new() -> Self {
        Self { place: Place::new(), clock: FakeClock::at_noon() }
    }

    fn path(&self) -> PathBuf {
        self.place.file("quota.jsonl")
    }

    fn open(&self) -> Quota {
        Quota::open(self.path(), self.clock.options()).unwrap()
    }

    fn open_with(&self, limits: Limits) -> Quota {
        Quota::open(self.path(), self.clock.options().limits(limits)).unwrap()
    }

    fn lines(&self) -> usize {
        std::fs::read_to_string(self.path()).unwrap().lines().count()
    }
}

fn held(grant: Grant) -> Hold {
    match grant {
        Grant::Held(hold) => hold,
        other => panic!("{other:?}"),
    }
}

fn denied(grant: Grant) -> Denied {
    match grant {
        Grant::Denied(denied) => denied,
        other => panic!("{other:?}"),
    }
}

fn sums(status: &QuotaStatus) -> (u64, u64, u64) {
    (status.consumed, status.held, status.remaining)
}

// The acceptance criteria of quotas.

#[test]
fn test_quota_tracking() {
    let fixture = Fixture::new();
    let tracker = fixture.open();
    tracker.record_consumption("openai-gpt4", Some(10_000)).unwrap();
    tracker.record_consumption("openai-gpt4", Some(5_000)).unwrap();
    let status = tracker.status("openai-gpt4").unwrap();
    assert_eq!(status.consumed, 15_000);
    assert_eq!(status.pct_used, 15.0);
    assert_eq!(status.warning_level, WarningLevel::Green);
}

#[test]
fn quota_consumption_tracked_per_api_per_day() {
    let clock = FakeClock::at("2026-02-14T23:59:59.999Z");
    let fixture = Fixture { clock, ..Fixture::new() };
    let limits = only("a", 100, "day").with(only("b", 100, "day"));
    let quota = fixture.open_with(limits);
    quota.record_consumption("a", Some(30)).unwrap();
    quota.record_consumption("b", Some(7)).unwrap();
    assert_eq!(sums(&quota.status("a").unwrap()), (30, 0, 70));
    assert_eq!(sums(&quota.status("b").unwrap()), (7, 0, 93));
    fixture.clock.forward(1);
    assert_eq!(sums(&quota.status("a").unwrap()), (0, 0, 100));
    assert_eq!(sums(&quota.record_consumption("a", Some(1)).unwrap()), (1, 0, 99));
    fixture.clock.forward(-1);
    assert_eq!(sums(&quota.status("a").unwrap()), (30, 0, 70));
}

#[test]
fn status_accurately_reflects_0_to_100_percent_utilization() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(only("a", 50, "hour"));
    assert_eq!(quota.status("a").unwrap().pct_used, 0.0);
    for used in 1..=50_u32 {
        let status = quota.record_consumption("a", Some(1)).unwrap();
        assert_eq!(status.pct_used, f64::from(used) * 2.0);
        assert_eq!(sums(&status), (used.into(), 0, (50 - used).into()));
    }
    let overrun = quota.record_consumption("a", Some(10)).unwrap();
    assert_eq!((overrun.pct_used, overrun.remaining), (120.0, 0), "what was used beyond the limit is not hidden");
}

#[test]
fn warning_levels_triggered_at_correct_thresholds() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let level_after = |tokens| {
        let status = quota.record_consumption("openai-gpt4", Some(tokens)).unwrap();
        (status.consumed, status.warning_level.to_string(), status.emoji())
    };
    assert_eq!(level_after(49_999), (49_999, "GREEN".to_owned(), "🟢"));
    assert_eq!(level_after(1), (50_000, "YELLOW".to_owned(), "🟡"));
    assert_eq!(level_after(29_999), (79_999, "YELLOW".to_owned(), "🟡"));
    assert_eq!(level_after(1), (80_000, "RED".to_owned(), "🔴"));
    assert_eq!(level_after(20_000), (100_000, "RED".to_owned(), "🔴"));
}

#[test]
fn state_persists_across_process_restarts() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        fixture.place.spawn("consume 20000").succeed();
    }
    let quota = fixture.open();
    assert_eq!(quota.status("openai-gpt4").unwrap().consumed, 40_000);
    assert_eq!(quota.record_consumption("openai-gpt4", Some(2)).unwrap().consumed, 40_002);
    drop(quota);
    assert_eq!(fixture.open().status("openai-gpt4").unwrap().consumed, 40_002);
}

// The contents of a status.

#[test]
fn the_bundled_limits_answer_with_their_units_and_resets() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    for (api, limit, unit, period, resets_at, days) in [
        ("openai-gpt4", 100_000, Unit::Tokens, Period::Day, "2026-02-15T00:00:00.000Z", 0.5),
        ("openai-free", 3_500_000, Unit::Tokens, Period::Month, "2026-03-01T00:00:00.000Z", 14.5),
        ("github-rest", 5_000, Unit::Calls, Period::Hour, "2026-02-14T13:00:00.000Z", 1.0 / 24.0),
        ("github-rest-unauthenticated", 60, Unit::Calls, Period::Hour, "2026-02-14T13:00:00.000Z", 1.0 / 24.0),
    ] {
        let status = quota.status(api).unwrap();
        assert_eq!((status.api_name.as_str(), status.limit, status.unit, status.period), (api, limit, unit, period));
        assert_eq!((status.resets_at.unwrap().to_string().as_str(), status.days_until_reset), (resets_at, Some(days)));
        assert_eq!(sums(&status), (0, 0, limit));
    }
}

#[test]
fn an_unknown_api_is_an_error_that_names_the_known_ones() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let known = ["github-rest", "github-rest-unauthenticated", "openai-free", "openai-gpt4"];
    for error in [
        quota.status("azure-ai").unwrap_err(),
        quota.record_consumption("azure-ai", Some(1)).unwrap_err(),
        quota.reserve("azure-ai", Some(1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::UnknownLimit);
        assert_eq!(error.details(), known);
    }
    assert_eq!(fixture.lines(), 0);
}

#[test]
fn a_sum_beyond_its_range_is_refused_and_not_recorded() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    quota.record_consumption("openai-gpt4", Some(u64::MAX)).unwrap();
    let error = quota.record_consumption("openai-gpt4", Some(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
    let most = u64::MAX;
    let found = format!("found {most} tokens consumed before; expected a sum of at most {most} tokens");
    assert_eq!(error.details(), [found]);
    let status = quota.record_consumption("openai-gpt4", Some(0)).unwrap();
    assert_eq!((sums(&status), status.warning_level), ((u64::MAX, 0, 0), WarningLevel::Red));
    assert_eq!(fixture.lines(), 2);
}

#[test]
fn a_clock_outside_the_calendar_is_an_error() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    fixture.clock.forward(i64::MAX - noon());
    assert_eq!(quota.status("openai-gpt4").unwrap_err().kind(), ErrorKind::Invalid);
}

// Reservations.

#[test]
fn a_hold_takes_from_what_is_left_and_settling_gives_back_the_rest() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(only("a", 100, "day"));
    let hold = held(quota.reserve("a", Some(60)).unwrap());
    assert_eq!((hold.amount(), hold.expires_at().unix_ms()), (Some(60), noon() + 10 * MINUTE_MS));
    let status = quota.status("a").unwrap();
    assert_eq!((sums(&status), status.warning_level), ((0, 60, 40), WarningLevel::Yellow), "held is not left");
    assert_eq!(sums(&hold.settle(Some(45)).unwrap()), (45, 0, 55));
    let hold = held(quota.reserve("a", Some(55)).unwrap());
    assert_eq!(sums(&hold.settle(Some(70)).unwrap()), (115, 0, 0), "more than was held is recorded in full");
}

#[test]
fn a_dropped_hold_is_released_even_by_a_panic() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(only("a", 100, "day"));
    drop(held(quota.reserve("a", Some(100)).unwrap()));
    let hold = held(quota.reserve("a", Some(100)).unwrap());
    let panicked = std::thread::spawn(move || {
        let _hold = hold;
        panic!("the skill panics");
    });
    assert!(panicked.join().is_err());
    assert_eq!(sums(&quota.status("a").unwrap()), (0, 0, 100));
}

#[test]
fn a_denial_says_what_is_left_and_writes_nothing() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(only("a", 100, "day"));
    quota.record_consumption("a", Some(70)).unwrap();
    let _hold = held(quota.reserve("a", Some(20)).unwrap());
    let lines = fixture.lines();
    for _ in 0..3 {
        let denied = denied(quota.reserve("a", Some(11)).unwrap());
        assert_eq!((denied.requested, sums(&denied.status)), (Some(11), (70, 20, 10)));
        assert_eq!(denied.status.resets_at.unwrap().to_string(), "2026-02-15T00:00:00.000Z");
    }
    assert_eq!(fixture.lines(), lines);
    held(quota.reserve("a", Some(10)).unwrap()).settle(Some(10)).unwrap();
}

#[test]
fn a_hold_that_is_forgotten_expires() {
    let fixture = Fixture::new();
    let options = fixture.clock.options().limits(only("a", 100, "day")).hold_life(Duration::from_secs(5));
    let quota = Quota::open(fixture.path(), options).unwrap();
    std::mem::forget(held(quota.reserve("a", Some(100)).unwrap()));
    fixture.clock.forward(4_999);
    denied(quota.reserve("a", Some(1)).unwrap());
    fixture.clock.forward(1);
    held(quota.reserve("a", Some(100)).unwrap()).settle(Some(100)).unwrap();
}

#[test]
fn a_settlement_counts_in_the_window_of_its_reservation() {
    let clock = FakeClock::at("2026-02-14T23:59:00Z");
    let fixture = Fixture { clock, ..Fixture::new() };
    let quota = fixture.open_with(only("a", 100, "day"));
    let hold = held(quota.reserve("a", Some(80)).unwrap());
    fixture.clock.forward(2 * MINUTE_MS);
    assert_eq!(sums(&hold.settle(Some(80)).unwrap()), (0, 0, 100), "tomorrow is untouched");
    fixture.clock.forward(-2 * MINUTE_MS);
    assert_eq!(sums(&quota.status("a").unwrap()), (80, 0, 20));
}

#[test]
fn a_change_of_the_period_counts_what_was_used_before_it() {
    let fixture = Fixture::new();
    fixture.open_with(only("a", 100, "day")).record_consumption("a", Some(30)).unwrap();
    fixture.clock.forward(DAY_MS);
    assert_eq!(fixture.open_with(only("a", 100, "month")).status("a").unwrap().consumed, 30);
}

// Concurrency.

/// Reserves amounts, and settles or releases them, until nothing is left. Returns the sum of the settled amounts.
fn use_up(quota: &Quota, api: &str, first: u64) -> u64 {
    let mut granted = 0;
    for round in 0.. {
        match quota.reserve(api, Some((first + round) % 7 + 1)).unwrap() {
            Grant::Held(hold) if round % 5 == 4 => drop(hold),
            Grant::Held(hold) => {
                granted += hold.amount().unwrap();
                let amount = hold.amount().unwrap();
                hold.settle(Some(amount)).unwrap();
            }
            Grant::Denied(denied) if denied.status.consumed >= denied.status.limit => return granted,
            Grant::Denied(_) => {}
        }
    }
    granted
}

#[test]
fn eight_threads_never_overrun_the_limit() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(only("a", 500, "day"));
    // A second tracker of the same journal replaces another process.
    let other = fixture.open_with(only("a", 500, "day"));
    let granted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (granted, quota) = (&granted, if thread % 2 == 0 { &quota } else { &other });
            scope.spawn(move || granted.fetch_add(use_up(quota, "a", thread), Ordering::SeqCst));
        }
    });
    assert_eq!(granted.into_inner(), 500);
    for quota in [quota, other, fixture.open_with(only("a", 500, "day"))] {
        assert_eq!(sums(&quota.status("a").unwrap()), (500, 0, 0));
    }
}

#[test]
fn one_of_the_callers_that_race_for_the_rest_of_a_limit_gets_it() {
    let fixture = Fixture::new();
    let trackers = [fixture.open_with(only("a", 5, "day")), fixture.open_with(only("a", 5, "day"))];
    for _ in 0..40 {
        let start = Barrier::new(8);
        let race = |thread: usize| {
            start.wait();
            match trackers[thread % 2].reserve("a", Some(3)).unwrap() {
                Grant::Held(hold) => hold.settle(Some(3)).map(|_| 1).unwrap(),
                _ => 0,
            }
        };
        let winners: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || race(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
        assert_eq!(sums(&trackers[0].status("a").unwrap()), (3, 0, 2));
        fixture.clock.forward(DAY_MS);
    }
}

#[test]
fn racing_processes_never_overrun_the_limit() {
    let fixture = Fixture::new();
    let children: Vec<_> = (0..4).map(|first| fixture.place.spawn(&format!("race {first}"))).collect();
    fixture.place.say("go");
    let mut granted = Vec::new();
    for child in children {
        let answer = fixture.place.file(&format!("granted.{}", child.0.id()));
        child.succeed();
        granted.push(std::fs::read_to_string(answer).unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(granted.iter().sum::<u64>(), RACE_HOURS * 60, "{granted:?}");
    let quota = fixture.open();
    for _ in 0..RACE_HOURS {
        assert_eq!(sums(&quota.status("github-rest-unauthenticated").unwrap()), (60, 0, 0));
        fixture.clock.forward(60 * MINUTE_MS);
    }
}

#[test]
fn the_hold_of_a_killed_process_expires() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let mut child = fixture.place.spawn("hold 100000");
    fixture.place.wait_for("held");
    child.kill();
    assert_eq!(sums(&quota.status("openai-gpt4").unwrap()), (0, 100_000, 0));
    fixture.clock.forward(10 * MINUTE_MS - 1);
    denied(quota.reserve("openai-gpt4", Some(1)).unwrap());
    fixture.clock.forward(1);
    held(quota.reserve("openai-gpt4", Some(100_000)).unwrap()).settle(Some(99_999)).unwrap();
    assert_eq!(sums(&quota.status("openai-gpt4").unwrap()), (99_999, 0, 1));
}

// Journals with unexpected contents.

#[test]
fn a_journal_of_something_else_is_refused_each_time_it_is_asked() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    quota.record_consumption("openai-gpt4", Some(1)).unwrap();
    let journal = Journal::open(fixture.path(), fixture.clock.journal_options()).unwrap();
    journal.append(br#"{"skill_name":"git-push-autonomous"}"#).unwrap();
    for _ in 0..3 {
        let error = quota.status("openai-gpt4").unwrap_err();
        assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(2)));
    }
    let error = Quota::open(fixture.path(), fixture.clock.options()).unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(2)));
}

#[test]
fn an_edited_line_counts_nothing_and_is_warned_of() {
    let fixture = Fixture::new();
    for amount in [10, 200, 3_000] {
        fixture.open().record_consumption("openai-gpt4", Some(amount)).unwrap();
    }
    let text = std::fs::read_to_string(fixture.path()).unwrap();
    std::fs::write(fixture.path(), text.replace("200", "900")).unwrap();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let journal = fixture.clock.journal_options();
    let heard = Arc::clone(&warnings);
    let warn = move |error: &Error| heard.lock().unwrap().push((error.kind(), error.line()));
    let quota = Quota::open(fixture.path(), fixture.clock.options().journal(journal.on_warning(warn))).unwrap();
    assert_eq!(quota.status("openai-gpt4").unwrap().consumed, 3_010);
    assert_eq!(*warnings.lock().unwrap(), [(ErrorKind::Malformed, Some(2))]);
    assert_eq!(quota.record_consumption("openai-gpt4", Some(1)).unwrap().consumed, 3_011);
}

#[test]
fn lines_that_their_writer_removed_do_not_stay_in_the_sums() {
    let fixture = Fixture::new();
    let reader = fixture.open();
    fixture.open().record_consumption("openai-gpt4", Some(10)).unwrap();
    let len = std::fs::metadata(fixture.path()).unwrap().len();
    fixture.open().record_consumption("openai-gpt4", Some(200)).unwrap();
    assert_eq!(reader.status("openai-gpt4").unwrap().consumed, 210);
    // A writer whose batch does not fit on the disk does this, and the next one writes other lines there.
    std::fs::OpenOptions::new().write(true).open(fixture.path()).unwrap().set_len(len).unwrap();
    std::fs::remove_file(fixture.place.file("quota.ledger/commit")).unwrap();
    let writer = fixture.open();
    writer.record_consumption("openai-gpt4", Some(700)).unwrap();
    writer.record_consumption("openai-gpt4", Some(1_000)).unwrap();
    assert_eq!(writer.status("openai-gpt4").unwrap().consumed, 1_710);
    assert_eq!(reader.status("openai-gpt4").unwrap().consumed, 1_710);
}

#[test]
fn the_sums_continue_over_rotated_segments() {
    let fixture = Fixture::new();
    let journal = fixture.clock.journal_options().rotate_bytes(Some(1_000));
    let quota = Quota::open(fixture.path(), fixture.clock.options().journal(journal)).unwrap();
    let reader = fixture.open();
    for line in 1..=20 {
        quota.record_consumption("github-rest", Some(1)).unwrap();
        assert_eq!(reader.status("github-rest").unwrap().consumed, line);
    }
    assert!(fixture.lines() < 20);
    assert_eq!(fixture.open().status("github-rest").unwrap().consumed, 20);
}

// Other processes: they run this test binary again, for the test `child` alone.

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let clock = FakeClock::at_noon();
    let quota = Quota::open(directory.join("quota.jsonl"), clock.options()).unwrap();
    let (verb, number) = task.split_once(' ').unwrap();
    let number = number.parse().unwrap();
    match verb {
        "consume" => assert!(quota.record_consumption("openai-gpt4", Some(number)).unwrap().consumed >= number),
        "race" => {
            until("go", || directory.join("go").exists());
            let mut granted = 0;
            for _ in 0..RACE_HOURS {
                granted += use_up(&quota, "github-rest-unauthenticated", number);
                clock.forward(60 * MINUTE_MS);
            }
            std::fs::write(directory.join(format!("granted.{}", std::process::id())), granted.to_string()).unwrap();
        }
        "hold" => {
            let _hold = held(quota.reserve("openai-gpt4", Some(number)).unwrap());
            std::fs::write(directory.join("held"), "").unwrap();
            std::thread::sleep(PATIENCE);
        }
        other => panic!("no such task: {other}"),
    }
}
