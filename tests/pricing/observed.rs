//! Promise: the latest report about each window of a subscription is known, whatever the order in which the reports
//! arrive. A report that says nothing new is stored at most once in half an hour.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use runledger::journal::{Journal, JournalOptions};
use runledger::quota::{Observed, ObservedJournal, ObservedWindow};
use runledger::{Durability, ErrorKind, Timestamp};
use serde_json::Value;

use crate::children::place::Place;

const NOON: &str = "2026-02-14T12:00:00Z";
/// When the window ends, in seconds since 1970: 15:00.
const END: i64 = 1_771_081_200;

/// Returns the time `minutes` minutes after noon.
fn after(minutes: u64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap().plus_ms(minutes * 60_000)
}

fn five_hours(percent: f64, minutes: u64) -> ObservedWindow {
    ObservedWindow::new("claude-code", ObservedWindow::FIVE_HOUR, percent, after(minutes))
        .unwrap()
        .resets_at_unix(Some(END))
}

struct Fixture {
    place: Place,
    journal: ObservedJournal,
}

impl Fixture {
    fn new() -> Self {
        let place = Place::new();
        let journal = ObservedJournal::new(place.file("observed.jsonl"), options());
        Self { place, journal }
    }

    fn path(&self) -> PathBuf {
        self.place.file("observed.jsonl")
    }

    /// Records a report like a process that has just read the journal. Returns the number of stored reports.
    fn record(&self, windows: &[ObservedWindow]) -> usize {
        self.journal.record(&mut self.journal.latest().unwrap(), windows).unwrap()
    }

    fn latest(&self) -> Vec<ObservedWindow> {
        let known = self.journal.latest().unwrap();
        assert_eq!(known.skipped().count(), 0);
        known.windows().cloned().collect()
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Appends a line as another version might write it.
    fn append(&self, payload: &str) {
        Journal::open(self.path(), options()).unwrap().append(payload.as_bytes()).unwrap();
    }
}

fn options() -> JournalOptions {
    options_at(24 * 60)
}

/// Returns the options of a process whose clock shows `minutes` minutes after noon.
fn options_at(minutes: u64) -> JournalOptions {
    JournalOptions::new(Arc::new(move || after(minutes).unix_ms())).durability(Durability::Flushed)
}

#[test]
fn without_a_report_nothing_is_created() {
    let fixture = Fixture::new();
    assert_eq!(fixture.latest(), []);
    assert_eq!(fixture.record(&[]), 0);
    assert!(!fixture.path().exists() && !fixture.place.file("observed.ledger").exists());
}

#[test]
fn a_report_is_a_line_that_only_its_owner_can_read() {
    let fixture = Fixture::new();
    let codex = ObservedWindow::new("codex", &ObservedWindow::name_of_minutes(10_080), 69.25, after(1)).unwrap();
    let codex = codex.limit_id(Some("codex_other")).plan(Some("plus"));
    assert_eq!(fixture.record(&[five_hours(101.5, 0), codex.clone()]), 2);
    assert_eq!(fixture.latest(), [five_hours(101.5, 0), codex]);
    let lines = fixture.lines();
    assert_eq!(
        lines.iter().map(|line| line.split(",\"seq\":").next().unwrap()).collect::<Vec<_>>(),
        [
            r#"{"agent":"claude-code","window":"five_hour","used_percent":101.5,"resets_at":"2026-02-14T15:00:00.000Z","at":"2026-02-14T12:00:00.000Z""#,
            r#"{"agent":"codex","limit_id":"codex_other","window":"seven_day","used_percent":69.25,"at":"2026-02-14T12:01:00.000Z","plan":"plus""#,
        ]
    );
    assert_eq!(fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_same_numbers_are_stored_every_half_hour_only() {
    let fixture = Fixture::new();
    let stored: Vec<_> = (0..=61).map(|minute| fixture.record(&[five_hours(42.0, minute)])).collect();
    let minutes: Vec<_> = (0..=61).filter(|minute| stored[*minute] == 1).collect();
    assert_eq!(minutes, [0, 30, 60]);
    assert_eq!(fixture.record(&[five_hours(42.1, 62)]), 1);
    assert_eq!(fixture.record(&[five_hours(42.1, 63).resets_at_unix(Some(END + 59))]), 0);
    assert_eq!(fixture.record(&[five_hours(42.1, 63).resets_at_unix(Some(END + 60))]), 1);
    assert_eq!(fixture.record(&[five_hours(42.1, 64).resets_at_unix(Some(END + 60)).plan(Some("max"))]), 1);
    assert_eq!(fixture.lines().len(), 6);
}

#[test]
fn an_older_report_never_hides_a_newer_one() {
    let fixture = Fixture::new();
    assert_eq!(fixture.record(&[five_hours(42.0, 10)]), 1);
    assert_eq!(fixture.record(&[five_hours(10.0, 9), five_hours(43.0, 10)]), 0);
    assert_eq!(fixture.latest(), [five_hours(42.0, 10)]);

    // Two processes read the journal before either of them writes.
    let [mut one, mut other] = [(); 2].map(|()| fixture.journal.latest().unwrap());
    assert_eq!(fixture.journal.record(&mut one, &[five_hours(60.0, 12)]).unwrap(), 1);
    assert_eq!(fixture.journal.record(&mut other, &[five_hours(50.0, 11)]).unwrap(), 1);
    assert_eq!(fixture.latest(), [five_hours(60.0, 12)]);

    // Of two reports at the same time, the later line counts.
    let mut late = Observed::default();
    assert_eq!(fixture.journal.record(&mut late, &[five_hours(61.0, 12)]).unwrap(), 1);
    assert_eq!(fixture.latest(), [five_hours(61.0, 12)]);
}

#[test]
fn an_idle_session_that_repeats_old_numbers_is_recognized() {
    let fixture = Fixture::new();
    fixture.record(&[five_hours(42.0, 10)]);
    let known = fixture.journal.latest().unwrap();
    assert!(known.has_newer(&five_hours(41.9, 11)) && known.has_newer(&five_hours(41.9, 69)));
    assert!(known.has_newer(&five_hours(99.0, 11).resets_at_unix(Some(END - 60))), "an earlier window");
    assert!(!known.has_newer(&five_hours(99.0, 11).resets_at_unix(Some(END - 59))), "an end that was rounded");
    assert!(known.has_newer(&five_hours(99.0, 180)), "the window has ended");
    assert!(!known.has_newer(&five_hours(42.0, 11)) && !known.has_newer(&five_hours(42.1, 11)));
    assert!(!known.has_newer(&five_hours(0.0, 11).resets_at_unix(Some(END + 18_000))), "the next window");
    assert!(!known.has_newer(&five_hours(5.0, 70)), "the vendor has taken back a use");
    assert!(!known.has_newer(&five_hours(5.0, 11).resets_at_unix(None)));
}

#[test]
fn the_use_is_unknown_after_the_end_of_the_window() {
    let window = five_hours(42.0, 0);
    assert_eq!((window.used_percent_at(after(179)), window.is_reset(after(179))), (Some(42.0), false));
    assert_eq!((window.used_percent_at(after(180)), window.is_reset(after(180))), (None, true));
    let without_end = window.resets_at_unix(None);
    assert_eq!((without_end.used_percent_at(after(300)), without_end.used_percent_at(after(301))), (Some(42.0), None));
}

#[test]
fn odd_numbers_and_names_are_refused_or_cut() {
    for percent in [-0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(ObservedWindow::new("a", "five_hour", percent, after(0)), None, "{percent}");
    }
    let window = ObservedWindow::new(&"é".repeat(1000), "five_hour", 0.0, after(0)).unwrap();
    assert_eq!(window.agent, format!("{}…", "é".repeat(59)));
    assert_eq!(five_hours(1.0, 0).resets_at_unix(Some(i64::MAX)).resets_at, None);
    assert_eq!([300, 10_080, 90].map(ObservedWindow::name_of_minutes), ["five_hour", "seven_day", "90_minutes"]);
}

#[test]
fn a_window_that_is_seldom_reported_is_found_behind_many_other_reports() {
    let fixture = Fixture::new();
    let rare = ObservedWindow::new("codex", "seven_day", 7.0, after(0)).unwrap();
    let mut known = Observed::default();
    fixture.journal.record(&mut known, std::slice::from_ref(&rare)).unwrap();
    for number in 0..600 {
        fixture
            .journal
            .record(&mut known, &[five_hours(f64::from(number), 1 + u64::try_from(number).unwrap())])
            .unwrap();
    }
    assert_eq!(fixture.latest(), [five_hours(599.0, 600), rare.clone()]);
    let copies = fixture.lines().iter().filter(|line| line.contains("\"codex\"")).count();
    assert_eq!((copies, fixture.lines().len()), (5, 605));
}

#[test]
fn only_the_latest_windows_are_known() {
    let fixture = Fixture::new();
    for number in 0..40 {
        let name = format!("{number}_minutes");
        fixture.record(&[ObservedWindow::new("codex", &name, 1.0, after(number)).unwrap()]);
    }
    let mut minutes: Vec<u64> =
        fixture.latest().iter().map(|window| window.window.split('_').next().unwrap().parse().unwrap()).collect();
    minutes.sort_unstable();
    assert_eq!(minutes, (8..40).collect::<Vec<_>>());
}

#[test]
fn lines_that_cannot_be_read_are_skipped_and_counted() {
    let fixture = Fixture::new();
    fixture.record(&[five_hours(1.0, 0)]);
    // A newer version can add keys, and kinds of lines.
    let newer = r#"{"agent":"codex","window":"seven_day","used_percent":5,"at":"2026-02-14T12:00:00Z","model":"m"}"#;
    fixture.append(newer);
    fixture.append(r#"{"credits":{"agent":"codex","usd":1}}"#);
    fixture.append(r#"{"agent":"codex","window":"five_hour","used_percent":-1,"at":"2026-02-14T12:00:00Z"}"#);
    let known = fixture.journal.latest().unwrap();
    let windows: Vec<_> = known.windows().map(|window| (window.agent.as_str(), window.used_percent)).collect();
    assert_eq!(windows, [("claude-code", 1.0), ("codex", 5.0)]);
    let skipped: Vec<_> = known.skipped().errors().iter().map(|error| (error.kind(), error.line().unwrap())).collect();
    assert_eq!(skipped, [(ErrorKind::Malformed, 3), (ErrorKind::Malformed, 4)]);

    // A line that was edited does not count, and an incomplete last line is not there yet.
    let text = fs::read_to_string(fixture.path()).unwrap();
    fs::write(fixture.path(), text.replacen("\"used_percent\":1.0", "\"used_percent\":2.0", 1)).unwrap();
    OpenOptions::new().append(true).open(fixture.path()).unwrap().write_all(br#"{"agent":"cl"#).unwrap();
    let known = fixture.journal.latest().unwrap();
    assert_eq!(known.windows().map(|window| window.agent.as_str()).collect::<Vec<_>>(), ["codex"]);
    assert_eq!(known.skipped().count(), 3);
    assert_eq!(fixture.record(&[five_hours(3.0, 3)]), 1);
    let last: Value = serde_json::from_str(fixture.lines().last().unwrap()).unwrap();
    assert_eq!((last["used_percent"].as_f64(), last["seq"].as_u64()), (Some(3.0), Some(5)));
}

#[test]
fn a_report_that_cannot_be_stored_is_known_nevertheless() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path()).unwrap();
    assert_eq!(fixture.journal.latest().unwrap_err().kind(), ErrorKind::Unsuitable);
    let mut known = Observed::default();
    let error = fixture.journal.record(&mut known, &[five_hours(1.0, 0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert_eq!(known.windows().collect::<Vec<_>>(), [&five_hours(1.0, 0)]);
}

/// A clock that was wrong for a while, or another machine's clock, must not hide all later reports.
#[test]
fn a_report_from_the_future_hides_no_other() {
    let fixture = Fixture::new();
    let journal_at = |minutes| ObservedJournal::new(fixture.path(), options_at(minutes));
    let record = |minutes: u64, window: &ObservedWindow| {
        let journal = journal_at(minutes);
        let mut known = journal.latest().unwrap();
        (journal.record(&mut known, std::slice::from_ref(window)).unwrap(), known.skipped().count())
    };
    assert_eq!(record(0, &five_hours(20.0, 0)), (1, 0));
    // A clock that is a little ahead is no mistake.
    assert_eq!(record(0, &five_hours(21.0, 5)), (1, 0));
    assert_eq!(record(0, &five_hours(50.0, 6)), (0, 1));
    assert_eq!(fixture.lines().len(), 2);
    // A process whose clock was an hour ahead stored its report.
    assert_eq!(record(60, &five_hours(90.0, 60)), (1, 0));
    let known = journal_at(10).latest().unwrap();
    assert_eq!(known.windows().map(|window| window.used_percent).collect::<Vec<_>>(), [21.0]);
    let error = &known.skipped().errors()[0];
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("observed.jsonl"), "{error}");
    assert_eq!(record(10, &five_hours(30.0, 10)), (1, 1));
    // When the time has come, the report counts.
    let percents =
        |minutes| journal_at(minutes).latest().unwrap().windows().map(|it| it.used_percent).collect::<Vec<_>>();
    assert_eq!((percents(10), percents(60)), (vec![30.0], vec![90.0]));
}

#[test]
fn a_window_ends_with_its_length_even_if_no_end_was_reported() {
    let minute = 60_000;
    for (name, minutes) in [
        (ObservedWindow::FIVE_HOUR, 300),
        (ObservedWindow::SEVEN_DAY, 10_080),
        ("seven_day_opus", 10_080),
        ("90_minutes", 90),
        ("a_new_window", 31 * 24 * 60),
    ] {
        let window = ObservedWindow::new("a", name, 50.0, after(0)).unwrap();
        let end = after(0).plus_ms((minutes + 1) * minute);
        assert_eq!(window.used_percent_at(after(minutes)), Some(50.0), "{name}");
        assert_eq!(window.used_percent_at(end), None, "{name}");
        // An end that the window cannot have is not used.
        let seconds = |time: Timestamp| Some(time.unix_ms() / 1_000);
        assert_eq!(window.clone().resets_at_unix(seconds(end)).resets_at, Some(end), "{name}");
        assert_eq!(window.resets_at_unix(seconds(end.plus_ms(1_000))).resets_at, None, "{name}");
    }
}

#[test]
fn a_percentage_that_no_vendor_reports_is_refused() {
    let new = |percent| ObservedWindow::new("a", ObservedWindow::FIVE_HOUR, percent, after(0));
    for percent in [-0.1, -1e308, 10_000.1, 1e308, f64::INFINITY, f64::NAN] {
        assert_eq!(new(percent), None, "{percent}");
    }
    for percent in [0.0, 100.0, 250.5, 10_000.0] {
        assert!(new(percent).is_some(), "{percent}");
    }
}
