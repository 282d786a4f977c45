//! Promise: a quota restarts when its period ends in its zone, for every process that shares its journal.

use std::path::PathBuf;

use runledger::quota::{Grant, Limits, Quota, QuotaOptions, Zone};
use runledger::{ErrorKind, QuotaStatus, Usd};

use crate::children::clock::{FakeClock, MINUTE_MS};

const HOUR_MS: i64 = 60 * MINUTE_MS;

struct Fixture {
    directory: tempfile::TempDir,
    clock: FakeClock,
}

impl Fixture {
    fn at(time: &str) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: FakeClock::at(time) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("quota.jsonl")
    }

    fn options(&self, limits: Limits) -> QuotaOptions {
        self.clock.options().limits(limits)
    }

    /// Opens the quota as another process would.
    fn open(&self, limits: Limits) -> Quota {
        Quota::open(self.path(), self.options(limits)).unwrap()
    }
}

fn table(rest: &str) -> String {
    format!(r#"[{{"api": "a", "limit": 100, {rest}, "source": "us", "as_of": "2026-02-14"}}]"#)
}

/// Returns a limit of 100 calls.
fn calls(period: &str, zone: &str) -> Limits {
    Limits::from_json(&table(&format!(r#""unit": "calls", "period": "{period}", "zone": "{zone}""#))).unwrap()
}

fn reset(status: &QuotaStatus) -> Option<String> {
    assert_eq!(status.resets_at.is_some(), status.days_until_reset.is_some());
    status.resets_at.map(|time| time.to_string())
}

#[test]
fn a_day_in_kathmandu_ends_at_18_15_utc_in_every_process() {
    let fixture = Fixture::at("2026-03-31T18:14:00Z");
    let (one, other) = (fixture.open(calls("day", "+05:45")), fixture.open(calls("day", "+05:45")));
    assert_eq!(one.record_consumption("a", Some(60)).unwrap().crossed, [50]);
    let Grant::Held(hold) = other.reserve("a", Some(40)).unwrap() else { panic!("denied") };
    assert!(matches!(one.reserve("a", Some(1)).unwrap(), Grant::Denied(_)));
    fixture.clock.forward(MINUTE_MS - 1);
    let status = one.status("a").unwrap();
    assert_eq!((status.consumed, status.held, reset(&status).unwrap().as_str()), (60, 40, "2026-03-31T18:15:00.000Z"));
    assert_eq!(status.zone.name(), "+05:45");
    fixture.clock.forward(1);
    let status = other.status("a").unwrap();
    assert_eq!((status.consumed, reset(&status).unwrap().as_str()), (0, "2026-04-01T18:15:00.000Z"));
    assert_eq!(status.days_until_reset, Some(1.0));
    assert_eq!(hold.settle(Some(30)).unwrap().consumed, 0, "it counts on the day of the reservation");
    assert_eq!(fixture.open(calls("day", "+05:45")).status("a").unwrap().consumed, 0);
    fixture.clock.forward(-1);
    assert_eq!(fixture.open(calls("day", "+05:45")).status("a").unwrap().consumed, 90);
    // The same uses by the calendar of UTC, and by that of the quarter.
    assert_eq!(fixture.open(calls("day", "UTC")).status("a").unwrap().consumed, 90);
    fixture.clock.forward(6 * HOUR_MS);
    assert_eq!(fixture.open(calls("day", "UTC")).status("a").unwrap().consumed, 0);
    assert_eq!(fixture.open(calls("month", "-11:00")).status("a").unwrap().consumed, 90);
}

#[test]
fn readers_without_the_zones_of_a_journal_make_the_same_decisions() {
    let fixture = Fixture::at("2026-03-31T18:14:00Z");
    let zones = |name: &str| (name == "Asia/Kathmandu").then(|| chrono::FixedOffset::east_opt(20_700))?;
    let text = table(r#""unit": "calls", "period": "day", "zone": "Asia/Kathmandu""#);
    let refused = Limits::from_json(&text).unwrap_err();
    assert_eq!((refused.kind(), refused.line()), (ErrorKind::Malformed, Some(1)));
    assert!(refused.to_string().contains("found \"Asia/Kathmandu\", which is not a zone that this program knows"));
    let named = Limits::from_json_with_zones(&text, zones).unwrap();
    let writer = fixture.open(named.clone());
    let Grant::Held(_hold) = writer.reserve("a", Some(70)).unwrap() else { panic!("denied") };
    writer.record_consumption("a", Some(30)).unwrap();
    let total = fixture.open(calls("total", "UTC")).status("a").unwrap();
    assert_eq!((total.consumed, total.held), (30, 70));
    assert_eq!(fixture.open(named).status("a").unwrap().held, 70);
}

#[test]
fn quarters_and_years_end_with_their_last_month() {
    let fixture = Fixture::at("2026-06-30T23:59:59.999Z");
    for (period, zone, end) in [
        ("quarter", "UTC", "2026-07-01T00:00:00.000Z"),
        ("quarter", "+05:45", "2026-09-30T18:15:00.000Z"),
        ("year", "UTC", "2027-01-01T00:00:00.000Z"),
        ("year", "-03:30", "2027-01-01T03:30:00.000Z"),
    ] {
        let quota = fixture.open(calls(period, zone));
        assert_eq!(reset(&quota.status("a").unwrap()).as_deref(), Some(end), "{period} {zone}");
    }
    let quota = fixture.open(calls("quarter", "UTC"));
    assert_eq!(quota.record_consumption("a", Some(80)).unwrap().crossed, [50, 80]);
    fixture.clock.forward(1);
    assert_eq!(quota.status("a").unwrap().consumed, 0);
    assert_eq!(fixture.open(calls("year", "UTC")).status("a").unwrap().consumed, 80);
}

#[test]
fn a_total_never_resets() {
    let fixture = Fixture::at("2026-02-14T12:00:00Z");
    let text = table(r#""unit": "usd", "period": "total""#);
    let open = || fixture.open(Limits::from_json(&text).unwrap()).budget("a").unwrap();
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    open().record_consumption(Some(usd("99.5"))).unwrap();
    fixture.clock.forward(20 * 365 * 24 * HOUR_MS);
    let status = open().status().unwrap();
    assert_eq!((status.consumed, status.resets_at, status.days_until_reset), (usd("99.5"), None, None));
    let Grant::Denied(denied) = open().reserve(Some(usd("0.51"))).unwrap() else { panic!("held") };
    assert_eq!(denied.to_string(), "a: 0.51 usd denied: 0.5 left");
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!((&json["period"], &json["zone"], &json["resets_at"]), (&"total".into(), &"UTC".into(), &().into()));
}

#[test]
fn five_hours_begin_with_the_first_use() {
    let fixture = Fixture::at("2026-02-14T09:00:00Z");
    let quota = fixture.open(calls("5h", "UTC"));
    let other = fixture.open(calls("5h", "UTC"));
    assert_eq!(reset(&quota.status("a").unwrap()), None, "nothing is used yet");
    fixture.clock.forward(10 * MINUTE_MS);
    assert_eq!(reset(&quota.record_consumption("a", Some(60)).unwrap()).unwrap(), "2026-02-14T14:10:00.000Z");
    fixture.clock.forward(5 * HOUR_MS - 1);
    assert_eq!(other.record_consumption("a", Some(40)).unwrap().consumed, 100);
    let Grant::Denied(denied) = quota.reserve("a", Some(1)).unwrap() else { panic!("held") };
    assert_eq!(denied.to_string(), "a: 1 calls denied: 0 left until 2026-02-14T14:10:00.000Z");
    fixture.clock.forward(1);
    let status = other.status("a").unwrap();
    assert_eq!((status.consumed, reset(&status)), (0, None), "a sliding window would still hold 40");
    fixture.clock.forward(HOUR_MS);
    let Grant::Held(hold) = quota.reserve("a", Some(100)).unwrap() else { panic!("denied") };
    let reopened = fixture.open(calls("5h", "UTC"));
    assert_eq!(reset(&reopened.status("a").unwrap()).unwrap(), "2026-02-14T20:10:00.000Z");
    assert_eq!(reset(&hold.settle(Some(70)).unwrap()).unwrap(), "2026-02-14T20:10:00.000Z");
    // The same uses in other periods.
    assert_eq!(fixture.open(calls("168h", "UTC")).status("a").unwrap().consumed, 170);
    assert_eq!(fixture.open(calls("day", "UTC")).status("a").unwrap().consumed, 170);
}

#[test]
fn bad_periods_and_zones_are_refused() {
    for (rest, why) in [
        (r#""period": "0h""#, "found the period `0h`; expected 1h to 8760h"),
        (r#""period": "day", "zone": "Europe/Bern""#, "found \"Europe/Bern\", which is not a zone"),
        (r#""period": "day", "zone": "+24:00""#, "found \"+24:00\", which is not a zone"),
        (r#""period": "total", "zone": "+05:45""#, "found +05:45 with the period total"),
        (r#""period": "decade""#, "found the unknown period `decade`"),
    ] {
        let error = Limits::from_json(&table(&format!(r#""unit": "calls", {rest}"#))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let text = error.cause().map_or(error.to_string(), ToString::to_string);
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(calls("hour", "UTC").get("a").unwrap().zone, Zone::UTC);
}

/// Makes the calls whose lines are in the journal of the format's first version.
fn calls_of_old(quota: &Quota) {
    assert_eq!(quota.record_consumption("a", Some(30)).unwrap().crossed, [0; 0]);
    let Grant::Held(hold) = quota.reserve("a", Some(40)).unwrap() else { panic!("denied") };
    assert_eq!(hold.settle(Some(25)).unwrap().crossed, [50]);
    let Grant::Held(hold) = quota.reserve("a", Some(45)).unwrap() else { panic!("denied") };
    drop(hold);
    assert_eq!(quota.record_consumption("a", None).unwrap().unknown, 1);
    quota.budget("b").unwrap().record_consumption(None).unwrap();
}

#[test]
fn an_old_journal_reads_the_same_and_old_limits_still_write_it() {
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/quota-1/quota.jsonl");
    let limits = || {
        let b = r#"{"api": "b", "limit": 25, "unit": "usd", "period": "month", "source": "us", "as_of": "2026-02-14",
                    "thresholds": [], "unknown": {"assume": 0.25}}"#;
        let a = table(r#""unit": "calls", "period": "day""#);
        Limits::from_json(&a.replace("}]", &format!("}}, {b}]"))).unwrap()
    };
    let fixture = Fixture::at("2026-02-14T12:00:00Z");
    std::fs::copy(old, fixture.path()).unwrap();
    let quota = fixture.open(limits());
    let status = quota.status("a").unwrap();
    assert_eq!((status.consumed, status.held, status.remaining, status.unknown), (55, 0, 45, 1));
    let budget = quota.budget("b").unwrap().status().unwrap();
    assert_eq!((budget.consumed.to_string().as_str(), budget.assumed), ("0.25", 1));
    // A limit of a new form counts the old lines too.
    assert_eq!(fixture.open(calls("year", "+05:45")).status("a").unwrap().consumed, 55);
    assert_eq!(fixture.open(calls("5h", "UTC")).status("a").unwrap().consumed, 55);

    let again = Fixture::at("2026-02-14T12:00:00Z");
    calls_of_old(&again.open(limits()));
    assert_eq!(std::fs::read_to_string(again.path()).unwrap(), std::fs::read_to_string(old).unwrap());
}
