//! Promise: whenever the watcher is killed or the power is cut, a receiver that ignores known ids gets each alert
//! exactly once, none is lost, and the journal has each alert once as due and once as sent. Shown on a simulated disk.

#![cfg(feature = "simulation")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runledger::alerts::{Alert, AlertJournal, Delivery};
use runledger::disk::simulated::{Loss, SimulatedDisk};
use runledger::disk::{Access, Storage};
use runledger::journal::JournalOptions;
use runledger::{ErrorKind, Ledger, Options, Timestamp, Uuid};

const LEDGER: &str = "/logs/execution_metrics.jsonl";
const BEGIN_MS: i64 = 1_771_070_400_000; // 2026-02-14T12:00:00Z
const SCHEDULES: u64 = 1_000;
const ATTEMPTS_MAX: u64 = 1_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(BEGIN_MS + ms).unwrap()
}

fn options(disk: &SimulatedDisk) -> JournalOptions {
    JournalOptions::new(Arc::new(|| BEGIN_MS)).storage(Arc::new(disk.clone())).on_warning(|_| {})
}

fn open(disk: &SimulatedDisk, ms: i64) -> AlertJournal {
    AlertJournal::open(LEDGER, at(ms), options(disk)).unwrap()
}

fn ledger(disk: &SimulatedDisk) -> Ledger {
    Options::new().clock(|| at(0)).storage(Arc::new(disk.clone())).open(LEDGER).unwrap()
}

/// Returns an alert whose window is one day, read from JSON.
fn alert(number: u128) -> Alert {
    let json = format!(
        r#"{{"id":"{}","kind":"quota_red","severity":"critical","subject":["api-{number}"],
            "window":{{"start":"2026-02-14T00:00:00.000Z","end":"2026-02-15T00:00:00.000Z","zone":"UTC"}},
            "at":"2026-02-14T12:00:00.000Z","text":"RED","figures":{{}}}}"#,
        Uuid::from_u128(number)
    );
    serde_json::from_str(&json).unwrap()
}

/// A generator of random numbers, by Steele, Lea and Flood (2014), so that a failing schedule can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What the receiver got, and after how many calls of the disk.
type Got = Vec<(Uuid, usize)>;

/// One life of a watcher: it finds the alerts, with an attempt to deliver one after about every second of them. Then it
/// makes `attempts` more attempts. One attempt in three fails. In half of these, the receiver has accepted the alert,
/// but its answer is lost.
fn live(disk: &SimulatedDisk, known: &[Alert], attempts: u64, now_ms: &mut i64, random: &mut Random) -> Got {
    let mut got = Got::new();
    let mut journal = open(disk, *now_ms);
    // A watcher finds the alerts one after another, and after a restart all of them again.
    for alert in known {
        journal.add([alert.clone()], at(*now_ms)).unwrap();
        if random.below(2) == 0 {
            attempt(disk, &mut journal, now_ms, random, &mut got);
        }
    }
    for _ in 0..attempts {
        attempt(disk, &mut journal, now_ms, random, &mut got);
    }
    got
}

fn attempt(disk: &SimulatedDisk, journal: &mut AlertJournal, now_ms: &mut i64, random: &mut Random, got: &mut Got) {
    *now_ms += 1 + random.below(20_000) as i64;
    let Some(id) = journal.next(at(*now_ms)).map(|due| due.alert.id) else { return };
    let outcome = random.below(6);
    if outcome != 0 {
        got.push((id, disk.calls().len()));
    }
    let refused = Delivery::Refused { why: "503".to_owned(), retry_after: Some(Duration::from_secs(3)) };
    let delivery = if outcome < 2 { refused } else { Delivery::Accepted };
    journal.attempted(id, delivery, ATTEMPTS_MAX, at(*now_ms)).unwrap();
}

/// Returns how often the journal has each id as due and as sent.
fn counts(disk: &SimulatedDisk) -> BTreeMap<Uuid, [u64; 2]> {
    let path = Path::new(LEDGER).with_extension("ledger").join("alerts.jsonl");
    let file = disk.open(&path, Access::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    let mut counts: BTreeMap<Uuid, [u64; 2]> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        for (place, step) in ["due", "sent"].into_iter().enumerate() {
            if let Some(id) = line["event"][step]["id"].as_str() {
                counts.entry(id.parse().unwrap()).or_default()[place] += 1;
            }
        }
    }
    counts
}

#[test]
fn row_34_each_alert_is_sent_once_in_1000_random_kill_schedules() {
    let made = SimulatedDisk::new();
    drop(ledger(&made));
    let (mut kills, mut again, mut between) = (0, 0, 0);
    for seed in 0..SCHEDULES {
        let random = &mut Random(seed);
        let alerts: Vec<Alert> = (1..=1 + u128::from(random.below(4))).map(alert).collect();
        let mut disk = made.crash_after(usize::MAX, Loss::Nothing);
        let (mut now_ms, mut received) = (0, BTreeMap::<Uuid, u64>::new());
        for _ in 0..1 + random.below(3) {
            let begin = disk.calls().len();
            let attempts = random.below(6);
            let got = live(&disk, &alerts, attempts, &mut now_ms, random);
            let end = disk.calls().len();
            let calls = begin + random.below((end - begin) as u64 + 1) as usize;
            let loss = match random.below(4) {
                0 => Loss::Unsynced,
                1 => Loss::Random(random.below(u64::MAX)),
                _ => Loss::Nothing,
            };
            // The receiver keeps what it got before the kill.
            for (id, _) in got.iter().filter(|(_, by)| *by <= calls) {
                *received.entry(*id).or_default() += 1;
            }
            between += u64::from(got.iter().any(|(_, by)| *by == calls));
            kills += 1;
            disk = disk.crash_after(calls, loss);
        }
        let at = format!("schedule {seed}");
        // The last lives are not disturbed.
        for _ in 0..1_000 {
            for (id, _) in live(&disk, &alerts, 1, &mut now_ms, random) {
                *received.entry(id).or_default() += 1;
            }
            if open(&disk, now_ms).pending().next().is_none() {
                break;
            }
        }
        let expected: BTreeSet<Uuid> = alerts.iter().map(|alert| alert.id).collect();
        assert_eq!(received.keys().copied().collect::<BTreeSet<_>>(), expected, "{at}");
        again += received.values().filter(|count| **count > 1).count();
        let counts = counts(&disk);
        assert_eq!(counts.keys().copied().collect::<BTreeSet<_>>(), expected, "{at}");
        assert!(counts.values().all(|count| *count == [1, 1]), "{at}: {counts:?}");
    }
    println!("{SCHEDULES} schedules, {kills} kills, {between} right after a delivery, {again} alerts delivered again");
    // The receiver must ignore known ids, because some alerts are delivered again.
    assert!(again > 100 && between > 20, "{again} {between}");
}

#[test]
fn an_alert_that_ended_long_ago_or_before_watching_began_is_not_sent() {
    const HOUR_MS: i64 = 3_600_000;
    let disk = SimulatedDisk::new();
    drop(ledger(&disk));
    let add = |now_ms: i64| open(&disk, now_ms).add([alert(1)], at(now_ms)).unwrap();
    // The window ends at 12 hours.
    open(&disk, 0);
    assert_eq!(add(36 * HOUR_MS), 0, "it ended a day ago");
    assert_eq!(add(36 * HOUR_MS - 1), 1);
    assert_eq!(add(13 * HOUR_MS), 0, "it is known");
    let late = SimulatedDisk::new();
    drop(ledger(&late));
    assert_eq!(open(&late, 12 * HOUR_MS).add([alert(1)], at(12 * HOUR_MS)).unwrap(), 0, "watching began later");
}

#[test]
fn attempts_are_remembered_and_bounded() {
    let disk = SimulatedDisk::new();
    drop(ledger(&disk));
    let mut now_ms = 0;
    assert_eq!(open(&disk, 0).add([alert(1), alert(2)], at(0)).unwrap(), 2);
    let refused = || Delivery::Refused { why: "503".to_owned(), retry_after: None };
    for attempt in 1..=4 {
        let mut journal = open(&disk, now_ms);
        let due = journal.next(at(now_ms)).unwrap().clone();
        assert_eq!((due.alert.id, due.attempts), (Uuid::from_u128(1), attempt - 1));
        let next = journal.attempted(due.alert.id, refused(), 5, at(now_ms)).unwrap().unwrap().next_at;
        let pause = next.ms_since(at(now_ms)).unwrap();
        let most = 1_000 << (attempt - 1);
        assert!((most / 2..=most).contains(&pause), "{attempt}: {pause}");
        // The other alert is delivered before this one is tried again.
        if attempt == 1 {
            assert_eq!(journal.next(at(now_ms)).unwrap().alert.id, Uuid::from_u128(2));
            assert_eq!(journal.attempted(Uuid::from_u128(2), Delivery::Accepted, 5, at(now_ms)).unwrap(), None);
        }
        assert_eq!(journal.next(at(now_ms)), None);
        now_ms += pause as i64;
    }
    let mut journal = open(&disk, now_ms);
    assert_eq!(journal.attempted(Uuid::from_u128(1), refused(), 5, at(now_ms)).unwrap(), None);
    drop(journal);
    let mut journal = open(&disk, now_ms);
    assert_eq!(journal.pending().count(), 0);
    assert_eq!(journal.add([alert(1), alert(2)], at(now_ms)).unwrap(), 0, "neither is sent again");
}

#[test]
fn a_clock_that_was_set_back_delays_no_alert() {
    const DAY_MS: i64 = 86_400_000;
    let disk = SimulatedDisk::new();
    drop(ledger(&disk));
    // The clock was ten days ahead when watching began.
    open(&disk, 10 * DAY_MS);
    let mut journal = open(&disk, 0);
    assert_eq!(journal.add([alert(1)], at(0)).unwrap(), 1, "its window is open");
    let ahead = 6 * 3_600_000;
    assert_eq!(journal.add([alert(2)], at(ahead)).unwrap(), 1);
    let refused = Delivery::Refused { why: "503".to_owned(), retry_after: Some(Duration::from_secs(3_600)) };
    journal.attempted(Uuid::from_u128(1), refused.clone(), 5, at(ahead)).unwrap();
    drop(journal);
    let mut journal = open(&disk, 1);
    assert_eq!(journal.pending().filter(|pending| pending.is_due(at(1))).count(), 2);
    // The pause after the next attempt is as long as asked for.
    journal.attempted(Uuid::from_u128(1), refused, 5, at(1)).unwrap();
    let is_due = |ms: i64| journal.pending().find(|pending| pending.attempts == 2).unwrap().is_due(at(ms));
    assert!(!is_due(3_600_000) && is_due(3_600_001));
}

#[test]
fn only_one_watcher_at_a_time() {
    let disk = SimulatedDisk::new();
    drop(ledger(&disk));
    let first = open(&disk, 0);
    let error = AlertJournal::open(LEDGER, at(0), options(&disk)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("found another process that watches this ledger"), "{error}");
    drop(first);
    open(&disk, 0);
}
