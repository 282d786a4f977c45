//! Promise: the alerts of quotas are those of the levels that `Quota::status` reports, once for each window, with the
//! same ids at each replay.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;
use runledger::alerts::{Alert, of_limit};
use runledger::governance::{AlertsPolicy, Policy};
use runledger::journal::JournalOptions;
use runledger::quota::{Grant, Limits, QuotaOptions, QuotaReplay, WarningLevel};
use runledger::{Quota, QuotaStatus, Timestamp, Usd, Uuid};

const NOON_MS: i64 = 1_771_070_400_000; // 2026-02-14T12:00:00Z

const TABLE: &str = r#"[
  {"api": "calls", "limit": 10, "unit": "calls", "period": "hour", "source": "us", "as_of": "2026-02-14"},
  {"api": "dollars", "limit": 2.5, "unit": "usd", "period": "day", "zone": "+05:45", "source": "us",
   "as_of": "2026-02-14", "warn": 90, "enforce": true},
  {"api": "session", "limit": 4, "unit": "calls", "period": "5h", "source": "us", "as_of": "2026-02-14"}
]"#;

struct Place {
    directory: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::new(AtomicI64::new(NOON_MS)) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("quota.jsonl")
    }

    fn quota(&self) -> Quota {
        let clock = Arc::clone(&self.clock);
        let options = QuotaOptions::new(Arc::new(move || clock.load(Ordering::Relaxed)));
        Quota::open(self.path(), options.limits(limits())).unwrap()
    }

    fn later(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }
}

fn limits() -> Limits {
    Limits::from_json(TABLE).unwrap()
}

fn alerts(path: &Path) -> Vec<Alert> {
    let (policy, mut found) = (AlertsPolicy::default(), Vec::new());
    let mut replay = QuotaReplay::new(path, &limits(), JournalOptions::new(Arc::new(|| NOON_MS)));
    replay.read_on(|used| found.extend(of_limit(&policy, Uuid::nil(), used))).unwrap();
    found
}

fn kinds(alerts: &[Alert]) -> Vec<String> {
    let kind = |alert: &Alert| format!("{} {} {}", alert.kind, alert.subject_text(), alert.window);
    alerts.iter().map(kind).collect()
}

#[test]
fn each_level_causes_one_alert_in_a_window() {
    let place = Place::new();
    let quota = place.quota();
    for _ in 0..12 {
        quota.record_consumption("calls", Some(1)).unwrap();
    }
    place.later(3_600_000);
    quota.record_consumption("calls", Some(9)).unwrap();
    quota.record_consumption("calls", None).unwrap();
    let found = alerts(&place.path());
    assert_eq!(
        kinds(&found),
        [
            "quota_yellow calls 2026-02-14T12:00:00.000Z to 2026-02-14T13:00:00.000Z",
            "quota_red calls 2026-02-14T12:00:00.000Z to 2026-02-14T13:00:00.000Z",
            "quota_red calls 2026-02-14T13:00:00.000Z to 2026-02-14T14:00:00.000Z",
        ]
    );
    assert_eq!(
        found[0].text,
        "The quota \"calls\" has reached YELLOW: 5 of 10 calls are used (50.0 %) in the window that ends at 2026-02-14T13:00:00.000Z."
    );
    assert_eq!(found[1].figures["consumed"], 8);
    assert_eq!(alerts(&place.path()), found);
}

#[test]
fn a_budget_has_a_warning_and_an_end_in_the_day_of_its_zone() {
    let place = Place::new();
    let budget = place.quota().budget("dollars").unwrap();
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    budget.record_consumption(None).unwrap();
    let Grant::Held(hold) = budget.reserve(Some(usd("2.4"))).unwrap() else { panic!("denied") };
    assert_eq!(alerts(&place.path()), [], "a reservation is not a use");
    hold.settle(Some(usd("2.3"))).unwrap();
    budget.record_consumption(Some(usd("0.25"))).unwrap();
    let found = alerts(&place.path());
    let window = "2026-02-14T00:00:00.000+05:45 to 2026-02-15T00:00:00.000+05:45";
    assert_eq!(
        kinds(&found),
        [format!("quota_red dollars {window}"), format!("budget_end dollars {window}")],
        "one use causes one alert"
    );
    assert_eq!(
        found[0].text,
        "The budget \"dollars\" has reached RED and has reached its warning at 90 %: 2.3 of 2.5 usd are used (92.0 %) in \
         the window that ends at 2026-02-15T00:00:00.000+05:45. The amount of 1 call is unknown and not included."
    );
    assert_eq!(
        found[1].text,
        "The budget \"dollars\" is used up: 2.55 of 2.5 usd are used (102.0 %) in the window that ends at \
         2026-02-15T00:00:00.000+05:45. The amount of 1 call is unknown and not included."
    );
    assert_eq!((&found[1].figures["unknown"], &found[1].figures["consumed"]), (&1.into(), &serde_json::json!(2.55)));
}

#[test]
fn a_window_of_hours_begins_with_its_first_use() {
    let place = Place::new();
    let quota = place.quota();
    quota.record_consumption("session", Some(1)).unwrap();
    place.later(4 * 3_600_000);
    quota.record_consumption("session", Some(1)).unwrap();
    place.later(2 * 3_600_000);
    quota.record_consumption("session", Some(4)).unwrap();
    assert_eq!(
        kinds(&alerts(&place.path())),
        [
            "quota_yellow session 2026-02-14T12:00:00.000Z to 2026-02-14T17:00:00.000Z",
            "quota_red session 2026-02-14T18:00:00.000Z to 2026-02-14T23:00:00.000Z",
        ]
    );
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_one() {
    for (text, why) in [
        (r#"{"alert": {}}"#, "the key nearest to \"alert\" is alerts"),
        (r#"{"alerts": {"webhok": "x"}}"#, "the key nearest to \"webhok\" is alerts.webhook"),
        (r#"{"alerts": {"quotas": ["GREEN"]}}"#, "alerts.quotas[0]: expected YELLOW or RED, found \"GREEN\""),
        (r#"{"alerts": {"escalations": ["misuse"]}}"#, "alerts.escalations[0]: expected "),
        (r#"{"alerts": {"webhook": "http://10.0.0.1/"}}"#, "found http to 10.0.0.1"),
        (r#"{"alerts": {"timeout_s": 0}}"#, "alerts.timeout_s: found 0; expected 1 to 300"),
        (r#"{"alerts": {"attempts_max": 0}}"#, "alerts.attempts_max: found 0; expected 1 to 1000"),
        (r#"{"alerts": {"command": [""]}}"#, "alerts.command: found an empty program"),
        (
            r#"{"alerts": {"command": ["a"], "webhook": "http://localhost/"}}"#,
            "alerts.command: found both; expected either a command or a webhook",
        ),
        (r#"{"alerts": []}"#, "alerts: found an array; expected an object"),
    ] {
        let error = Policy::from_json(text).unwrap_err();
        let shown = format!("{error}: {}", error.cause().map_or_else(String::new, ToString::to_string));
        assert!(shown.contains(why), "{text}: {shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After each line, the highest alert of the current window is the level of the status.
    #[test]
    fn the_alerts_agree_with_the_status(steps in proptest::collection::vec((0_i64..9_000_000, 0_u64..6), 1..20)) {
        let place = Place::new();
        let quota = place.quota();
        let policy = AlertsPolicy::default();
        let mut replay = QuotaReplay::new(place.path(), &limits(), JournalOptions::new(Arc::new(|| NOON_MS)));
        let mut found = Vec::new();
        for (later, amount) in steps {
            place.later(later);
            for api in ["calls", "session"] {
                let status: QuotaStatus = quota.record_consumption(api, Some(amount)).unwrap();
                let consumed = Rc::new(Cell::new(None));
                let last = Rc::clone(&consumed);
                replay.read_on(|used| {
                    last.set(Some((used.consumed, used.end)));
                    found.extend(of_limit(&policy, Uuid::nil(), used));
                }).unwrap();
                let (seen, end): (_, Option<Timestamp>) = consumed.get().unwrap();
                prop_assert_eq!(seen.to_string(), status.consumed.to_string());
                prop_assert_eq!(end, status.resets_at);
                let of_window = |kind: &str| found.iter().any(|alert: &Alert| {
                    alert.kind.to_string() == kind && alert.subject == [api] && alert.window.end_utc() == status.resets_at
                });
                prop_assert_eq!(of_window("quota_red"), status.warning_level == WarningLevel::Red);
                prop_assert!(status.warning_level != WarningLevel::Green || !of_window("quota_yellow"));
            }
        }
        let mut ids: Vec<_> = found.iter().map(|alert| alert.id).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), found.len());
        prop_assert_eq!(alerts(&place.path()), found);
    }
}
