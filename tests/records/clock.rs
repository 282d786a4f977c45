//! Promise: the wall clock may have any value and run backwards. Records are in the order in which they were appended,
//! durations come from the monotonic clock, and ids are unique. Nothing is rotated or lost because of the clock.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::Status;
use runledger::quota::{Quota, QuotaOptions};
use runledger::{Durability, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, Timestamp};

/// A clock that the test sets.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(time: &str) -> Self {
        let hands = Self(Arc::default());
        hands.set(time);
        hands
    }

    fn set(&self, time: &str) {
        self.0.store(time.parse::<Timestamp>().unwrap().unix_ms(), Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        Self { _directory: directory, path }
    }

    fn options(&self, hands: &Hands) -> Options {
        let hands = hands.clone();
        Options::new().clock(move || hands.now()).on_warning(|warning| panic!("{warning}"))
    }

    fn open(&self, hands: &Hands) -> Ledger {
        self.options(hands).open(&self.path).unwrap()
    }

    /// Returns the records of a chain, which must be clean.
    fn records(&self, ledger: &Ledger) -> Vec<ExecutionMetrics> {
        let verification = LedgerReader::open(&self.path).unwrap().verify(&[]).unwrap();
        assert!(verification.is_clean(), "{:?}", verification.faults);
        let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
        assert_eq!(verification.head.seq, records.len() as u64);
        records
    }
}

/// The present, earlier and later times, the first and the last time that can be written, and the present again.
const TIMES: [&str; 9] = [
    "2026-11-20T12:00:00.000Z",
    "2026-11-20T11:59:59.999Z",
    "1970-01-01T00:00:00.000Z",
    "1969-12-31T23:59:59.999Z",
    "0000-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "1901-02-03T04:05:06.789Z",
    "9999-12-31T23:59:59.999Z",
    "2026-11-20T12:00:00.001Z",
];

fn record(ledger: &Ledger) {
    let recorded = ledger.begin(Skill::new("git-push-autonomous", "0.1.0")).succeed();
    assert!(recorded.is_durable() && recorded.unmarked.is_none() && recorded.refused.is_none(), "{recorded:?}");
}

/// Records are written through a ledger that is opened for two records, and then through one that is opened for each
/// record.
#[test]
fn row_19_order_is_by_number_whatever_the_clock_says() {
    let place = Place::new();
    let hands = Hands::at(TIMES[0]);
    let open = || place.options(&hands).rotate_bytes(Some(1_000)).open(&place.path).unwrap();
    let mut heads = Vec::new();
    for (reopened, time) in [false, true].into_iter().flat_map(|reopened| TIMES.map(|time| (reopened, time))) {
        hands.set(time);
        let ledger = open();
        record(&ledger);
        if !reopened {
            record(&ledger);
        }
        heads.push(ledger.head().unwrap());
    }
    let records = place.records(&open());
    let starts: Vec<_> = records.iter().map(|record| record.timestamp_start.to_string()).collect();
    let twice = TIMES.iter().flat_map(|time| [time, time]);
    assert_eq!(starts, twice.chain(&TIMES).map(|time| (*time).to_owned()).collect::<Vec<_>>());
    assert!(
        heads.is_sorted_by_key(|head| head.seq)
            && LedgerReader::open(&place.path).unwrap().verify(&heads).unwrap().is_clean()
    );
    // The events have the time of the clock too.
    let events = std::fs::read_to_string(place.path.with_extension("ledger").join("events.jsonl")).unwrap();
    for event in events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        assert!(TIMES.contains(&event["at"].as_str().unwrap()), "{event}");
    }
    assert!(events.lines().count() > TIMES.len());
}

/// While an execution runs, the clock is set back by a year, forward by a century, or back to the year 0.
#[test]
fn row_19_durations_are_from_the_monotonic_clock() {
    const TOOK: Duration = Duration::from_millis(30);
    for (before, after) in
        [(TIMES[0], "2025-11-20T12:00:00Z"), (TIMES[0], "2126-01-01T00:00:00Z"), (TIMES[0], TIMES[4])]
    {
        let place = Place::new();
        let hands = Hands::at(before);
        let ledger = place.open(&hands);
        let mut run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
        run.enter("push");
        std::thread::sleep(TOOK);
        hands.set(after);
        run.enter("verify");
        std::thread::sleep(TOOK);
        let recorded = run.succeed();
        assert!(recorded.is_durable() && recorded.refused.is_none(), "{recorded:?}");
        let record = place.records(&ledger).remove(0);
        let wall = record.wall_clock_time_ms.unwrap();
        // Half a minute is enough for a busy machine, and far from a year.
        assert!((60..30_000).contains(&wall), "{wall} ms");
        assert!((60..=wall + 1).contains(&record.total_latency_ms.unwrap()));
        let steps: Vec<_> = record.trace.steps.iter().map(|step| step.duration_ms.unwrap()).collect();
        assert!(steps.len() == 2 && steps.iter().all(|step| (30..=wall).contains(step)), "{steps:?}");
        assert_eq!(record.timestamp_start, before.parse().unwrap());
        assert_eq!(record.timestamp_end, Some(record.timestamp_start.plus_ms(wall)));
    }
}

/// At the last time that can be written, the end equals the start, and the duration is known nevertheless.
#[test]
fn row_19_an_execution_over_the_end_of_the_year_9999() {
    let place = Place::new();
    let ledger = place.open(&Hands::at(TIMES[5]));
    let run = ledger.begin(Skill::new("git-push-autonomous", "0.1.0"));
    std::thread::sleep(Duration::from_millis(5));
    let recorded = run.succeed();
    assert!(recorded.is_durable() && recorded.refused.is_none(), "{recorded:?}");
    let record = place.records(&ledger).remove(0);
    assert_eq!((record.timestamp_start, record.timestamp_end), (TIMES[5].parse().unwrap(), TIMES[5].parse().ok()));
    assert!(record.wall_clock_time_ms.unwrap() >= 5);
}

/// The ids are unique even if the clock does not advance, or is earlier than the first time that an id can hold.
#[test]
fn row_19_ids_are_unique_at_any_time() {
    const EACH: usize = 1_000;
    let place = Place::new();
    let hands = Hands::at(TIMES[0]);
    let ledger = place.options(&hands).durability(Durability::Flushed).open(&place.path).unwrap();
    for time in TIMES {
        hands.set(time);
        let runs: Vec<_> = (0..EACH).map(|_| ledger.begin(Skill::new("git-push-autonomous", "0.1.0"))).collect();
        for run in runs {
            let recorded = run.succeed();
            assert!(matches!(recorded.answer, runledger::Answer::Flushed { .. }), "{recorded:?}");
        }
    }
    let records = place.records(&ledger);
    let ids: HashSet<_> = records.iter().map(|record| record.execution_id).collect();
    assert_eq!((records.len(), ids.len()), (TIMES.len() * EACH, TIMES.len() * EACH));
    assert!(records.iter().all(|record| record.status == Some(Status::Success)));
}

/// If the clock jumps back and forth over midnight, as with two machines whose clocks differ a little, only one segment
/// is begun for the day.
#[test]
fn row_19_daily_rotation_with_a_clock_that_jumps_back_and_forth() {
    let place = Place::new();
    let hands = Hands::at("2026-02-14T23:59:59.900Z");
    let open = || place.options(&hands).rotate_daily(true).open(&place.path).unwrap();
    let mut ledger = open();
    let mut segments = Vec::new();
    let mut at = |time: &str, reopened: bool| {
        hands.set(time);
        if reopened {
            ledger = open();
        }
        record(&ledger);
        segments.push(ledger.head().unwrap().segment);
    };
    for round in 0..20 {
        at("2026-02-14T23:59:59.900Z", round % 3 == 0);
        at("2026-02-15T00:00:00.100Z", round % 5 == 0);
    }
    // The clock is set back by years, forward by mistake, and then to the right time. The segment of the latest day is
    // continued.
    for time in [TIMES[2], TIMES[4], TIMES[3], TIMES[5], "2026-02-16T00:00:00Z", "2026-02-17T00:00:00Z", TIMES[5]] {
        at(time, false);
        at(time, true);
    }
    let expected: Vec<_> = [1].into_iter().chain([2; 39 + 6]).chain([3; 8]).collect();
    assert_eq!(segments, expected);
    assert_eq!(place.records(&ledger).len(), expected.len());
}

/// Extreme values of a clock: times in the years 1, -1, 1969, 1970, 9999, 10000, 10889 and 292278993, and the ends of
/// 64 bits.
const UNIX_MS: [i64; 10] = [
    -62_135_596_800_000,
    -62_167_219_200_001,
    -1,
    0,
    253_402_300_799_999,
    253_402_300_800_000,
    1 << 48,
    9_223_372_017_129_600_000,
    i64::MIN,
    i64::MAX,
];

/// A journal is opened with a clock in milliseconds, whose values are not checked.
#[test]
fn a_journal_is_written_at_any_time() {
    for unix_ms in UNIX_MS {
        let place = Place::new();
        let options = JournalOptions::new(Arc::new(move || unix_ms)).rotate_daily(true).rotate_bytes(Some(200));
        for seq in 1..=4 {
            let journal = Journal::open(&place.path, options.clone()).unwrap();
            assert_eq!(journal.append(br#"{"a":1}"#).unwrap().seq, seq, "{unix_ms}");
            let ms = u128::from(unix_ms.clamp(0, (1 << 48) - 1).unsigned_abs());
            assert_eq!(journal.head().unwrap().ledger.as_u128() >> 80, ms, "{unix_ms}");
        }
        assert!(LedgerReader::open(&place.path).unwrap().verify(&[]).unwrap().is_clean());
        let at = Timestamp::from_unix_ms(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        let events = std::fs::read_to_string(place.path.with_extension("ledger").join("events.jsonl")).unwrap();
        assert!(!events.is_empty(), "{unix_ms}");
        for event in events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
            assert_eq!(event["at"], at, "{unix_ms}");
        }
    }
}

#[test]
fn a_quota_works_at_any_time() {
    for unix_ms in UNIX_MS {
        let place = Place::new();
        let quota = Quota::open(&place.path, QuotaOptions::new(Arc::new(move || unix_ms))).unwrap();
        for api in ["openai-gpt4", "openai-free", "github-rest"] {
            let status = quota.record_consumption(api, Some(7)).and_then(|_| quota.status(api));
            match Timestamp::from_unix_ms(unix_ms) {
                Some(_) => assert_eq!(status.unwrap().consumed, 7, "{unix_ms}"),
                None => assert_eq!(status.unwrap_err().kind(), ErrorKind::Invalid, "{unix_ms}"),
            }
        }
    }
}
