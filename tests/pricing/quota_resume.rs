//! Promise: a hold that is kept outlives its process. It is settled or released exactly once, even if several processes
//! resume it.

use std::path::PathBuf;
use std::sync::Barrier;

use runledger::journal::Journal;
use runledger::quota::{Grant, Hold, Limits, OpenHold, Quota, Resumed};
use runledger::{Error, ErrorKind, QuotaStatus, Usd};

use crate::children::budgets::usd;
use crate::children::clock::{DAY_MS, FakeClock, MINUTE_MS};

struct Fixture {
    directory: tempfile::TempDir,
    clock: FakeClock,
}

/// Returns a limit for the API `a` for each day: `limit` in the unit `unit`, with the further keys `more`.
fn limits(limit: &str, unit: &str, more: &str) -> Limits {
    let table = format!(
        r#"[{{"api": "a", "limit": {limit}, "unit": "{unit}", "period": "day", "source": "us", "as_of": "2026-02-14"{more}}}]"#
    );
    Limits::from_json(&table).unwrap()
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: FakeClock::at_noon() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("quota.jsonl")
    }

    /// Opens the quota as another process would.
    fn open_with(&self, limits: Limits) -> Quota {
        Quota::open(self.path(), self.clock.options().limits(limits)).unwrap()
    }

    /// Opens the quota with a limit of 100 calls a day.
    fn open(&self) -> Quota {
        self.open_with(limits("100", "calls", ""))
    }

    fn lines(&self) -> usize {
        std::fs::read_to_string(self.path()).unwrap().lines().count()
    }
}

fn held(grant: Grant) -> Hold {
    match grant {
        Grant::Held(hold) => hold,
        Grant::Denied(denied) => panic!("{denied}"),
    }
}

fn counts(resumed: Result<Resumed, Error>) -> OpenHold {
    match resumed.unwrap() {
        Resumed::Counts(hold) => hold,
        Resumed::Dollars(hold) => panic!("{hold:?}"),
    }
}

fn sums(status: &QuotaStatus) -> (u64, u64, u64) {
    (status.consumed, status.held, status.remaining)
}

/// Returns the kind of the error and its details.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.details().join("; "))
}

#[test]
fn a_kept_hold_is_settled_by_another_process() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    quota.record_consumption("a", Some(1)).unwrap();
    let hold = held(quota.reserve("a", Some(40)).unwrap());
    let expires_at = hold.expires_at();
    assert_eq!((hold.id(), hold.keep()), (2, 2));
    drop(quota);

    let other = fixture.open();
    assert_eq!(sums(&other.status("a").unwrap()), (1, 40, 59));
    let hold = counts(other.resume(2));
    assert_eq!((hold.amount(), hold.expires_at(), hold.limit().api.as_str()), (Some(40), expires_at, "a"));
    // Dropping a resumed hold leaves it open.
    drop(hold);
    assert_eq!(sums(&fixture.open().status("a").unwrap()), (1, 40, 59));
    assert_eq!(sums(&counts(other.resume(2)).settle(Some(36)).unwrap()), (37, 0, 63));
    let ended = "it was settled with 36 calls at 2026-02-14T12:00:00.000Z".to_owned();
    assert_eq!(refusal(fixture.open().resume(2)), (ErrorKind::Ended, ended));
}

#[test]
fn a_hold_in_dollars_is_resumed_in_dollars() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(limits("10", "usd", ""));
    let Grant::Held(hold) = quota.budget("a").unwrap().reserve(Some(usd("9.5"))).unwrap() else { panic!("denied") };
    let id = hold.keep();
    let Resumed::Dollars(hold) = quota.resume(id).unwrap() else { panic!("not in dollars") };
    assert_eq!(hold.amount(), Some(usd("9.5")));
    let status: QuotaStatus<Usd> = hold.settle(Some(usd("0.000000000001"))).unwrap();
    assert_eq!((status.consumed, status.held), (usd("0.000000000001"), Usd::ZERO));
    let ended = "it was settled with 0.000000000001 usd at 2026-02-14T12:00:00.000Z".to_owned();
    assert_eq!(refusal(quota.resume(id)), (ErrorKind::Ended, ended));
}

/// If the amount is unknown after the call, the reserved amount is assumed, as for a hold that was not kept.
#[test]
fn a_resumed_hold_is_settled_with_an_unknown_amount() {
    let fixture = Fixture::new();
    let quota = fixture.open_with(limits("100", "tokens", r#", "unknown": "allow""#));
    let known = held(quota.reserve("a", Some(7)).unwrap()).keep();
    let unknown = held(quota.reserve("a", None).unwrap()).keep();
    let status = counts(quota.resume(known)).settle(None).unwrap();
    assert_eq!((status.consumed, status.assumed, status.unknown, status.unknown_held), (7, 1, 0, 1));
    let status = counts(quota.resume(unknown)).settle(None).unwrap();
    assert_eq!((status.consumed, status.assumed, status.unknown), (7, 1, 1));
    let at = "at 2026-02-14T12:00:00.000Z";
    assert_eq!(refusal(quota.resume(known)).1, format!("it was settled with the assumed amount of 7 tokens {at}"));
    assert_eq!(refusal(quota.resume(unknown)).1, format!("it was settled with an unknown amount {at}"));
}

#[test]
fn of_two_that_resumed_a_hold_only_the_first_ends_it() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.open(), fixture.open());
    let id = held(one.reserve("a", Some(10)).unwrap()).keep();
    let (first, second, third) = (counts(one.resume(id)), counts(other.resume(id)), counts(other.resume(id)));
    assert_eq!(sums(&first.release().unwrap()), (0, 0, 100));
    let lines = fixture.lines();
    let ended = (ErrorKind::Ended, "it was released at 2026-02-14T12:00:00.000Z".to_owned());
    assert_eq!(refusal(second.settle(Some(3))), ended);
    assert_eq!(refusal(third.release()), ended);
    assert_eq!(fixture.lines(), lines);
    assert_eq!(sums(&other.status("a").unwrap()), (0, 0, 100));
}

#[test]
fn of_many_that_settle_a_hold_at_the_same_time_one_succeeds() {
    const THREADS: usize = 16;
    let fixture = Fixture::new();
    let quota = fixture.open();
    // Each group of four threads shares one handle, like threads of one process.
    let handles: Vec<_> = (0..THREADS / 4).map(|_| fixture.open()).collect();
    for round in 1..=10 {
        let id = held(quota.reserve("a", Some(10)).unwrap()).keep();
        let begin = Barrier::new(THREADS);
        let settled: usize = std::thread::scope(|scope| {
            let settle = |thread: usize| {
                let hold = counts(handles[thread % handles.len()].resume(id));
                begin.wait();
                match hold.settle(Some(1)) {
                    Ok(_) => 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Ended, "{error}");
                        0
                    }
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || settle(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(settled, 1);
        assert_eq!(sums(&quota.status("a").unwrap()), (round, 0, 100 - round));
    }
}

#[test]
fn an_expired_hold_is_settled_in_the_window_of_its_reservation() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let id = held(quota.reserve("a", Some(60)).unwrap()).keep();
    let late = held(quota.reserve("a", Some(5)).unwrap()).keep();
    fixture.clock.forward(10 * MINUTE_MS);
    // Others get the amount of the expired hold.
    let _other = held(quota.reserve("a", Some(90)).unwrap()).keep();
    assert_eq!(sums(&counts(quota.resume(id)).settle(Some(60)).unwrap()), (60, 90, 0));

    fixture.clock.forward(DAY_MS);
    let status = counts(fixture.open().resume(late)).settle(Some(5)).unwrap();
    assert_eq!(sums(&status), (0, 0, 100), "it counts on the day before");
    fixture.clock.forward(-DAY_MS);
    assert_eq!(quota.status("a").unwrap().consumed, 65);
}

/// What was used is recorded even if the sums have forgotten the hold. But it is recorded only once.
#[test]
fn a_forgotten_hold_is_settled_once() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let hold = held(quota.reserve("a", Some(60)).unwrap());
    let resumed = counts(fixture.open().resume(hold.id()));
    let again = counts(fixture.open().resume(hold.id()));
    fixture.clock.forward(DAY_MS + 11 * MINUTE_MS);
    // The hold is forgotten at this reservation.
    drop(held(quota.reserve("a", Some(1)).unwrap()));
    assert_eq!(refusal(quota.resume(hold.id())).0, ErrorKind::UnknownHold);
    assert_eq!(sums(&hold.settle(Some(50)).unwrap()), (0, 0, 100), "it counts on the day before");
    let ended = (ErrorKind::Ended, "it was settled with 50 calls at 2026-02-15T12:11:00.000Z".to_owned());
    assert_eq!(refusal(resumed.settle(Some(50))), ended);
    assert_eq!(refusal(again.release()), ended);
    fixture.clock.forward(-DAY_MS);
    assert_eq!(quota.status("a").unwrap().consumed, 50);
}

/// A newer version can write lines that this version cannot read. The sums are then unknown, but no use is lost.
#[test]
fn a_hold_is_settled_once_although_a_line_of_the_journal_cannot_be_read() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    let hold = held(quota.reserve("a", Some(60)).unwrap());
    let again = counts(fixture.open().resume(hold.id()));
    let journal = Journal::open(fixture.path(), fixture.clock.journal_options()).unwrap();
    journal.append(br#"{"event":"of a newer version"}"#).unwrap();
    let settled = || std::fs::read_to_string(fixture.path()).unwrap().matches("settle").count();
    assert_eq!(hold.settle(Some(50)).unwrap_err().kind(), ErrorKind::Malformed, "the sums cannot be read");
    assert_eq!(settled(), 1, "the use is recorded");
    assert!(again.settle(Some(50)).is_err());
    assert_eq!(settled(), 1);
}

#[test]
fn an_id_without_an_open_hold_is_refused() {
    let fixture = Fixture::new();
    let quota = fixture.open();
    quota.record_consumption("a", Some(1)).unwrap();
    let old = held(quota.reserve("a", Some(1)).unwrap()).keep();
    for id in [0, 1, 3, u64::MAX] {
        let why = format!("no hold has the id {id}; `runledger quota holds` lists the open holds");
        assert_eq!(refusal(quota.resume(id)), (ErrorKind::UnknownHold, why));
    }
    // The hold is forgotten at the next reservation after a day.
    fixture.clock.forward(DAY_MS + 11 * MINUTE_MS);
    drop(held(quota.reserve("a", Some(1)).unwrap()));
    let why = "it was not granted, or it expired at 2026-02-14T12:10:00.000Z, more than 24 hours ago".to_owned();
    assert_eq!(refusal(quota.resume(old)), (ErrorKind::UnknownHold, why));
}

#[test]
fn a_hold_whose_limit_has_changed_is_not_ended_in_another_unit() {
    let fixture = Fixture::new();
    let id = held(fixture.open().reserve("a", Some(7)).unwrap()).keep();
    for unit in ["tokens", "usd"] {
        let (kind, why) = refusal(fixture.open_with(limits("9", unit, "")).resume(id));
        assert_eq!(kind, ErrorKind::Invalid);
        let expected = if unit == "usd" { "usd" } else { "tokens" };
        assert_eq!(
            why,
            format!("found a hold of \"a\" in calls; expected a hold in {expected}, the unit of the limit")
        );
    }
    let removed = fixture.open_with(Limits::bundled()).resume(id).unwrap_err();
    assert_eq!(removed.kind(), ErrorKind::UnknownLimit);
    // A smaller limit, another period or another zone do not matter.
    let table = r#"[{"api": "a", "limit": 1, "unit": "calls", "period": "month", "zone": "+05:45", "source": "us", "as_of": "2026-02-14"}]"#;
    let status = counts(fixture.open_with(Limits::from_json(table).unwrap()).resume(id)).settle(Some(7)).unwrap();
    assert_eq!(sums(&status), (7, 0, 0));
}
