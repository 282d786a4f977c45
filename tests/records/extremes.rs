//! Promise: every appended record becomes one valid line that is read back unchanged, or is refused with a clear error
//! before anything is written.

use crate::common;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use runledger::metrics::Progress;
use runledger::{
    Answer, Error, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, log_execution_metrics,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::tree::{append, in_memory, record};

/// A ledger with one record.
struct Place {
    _directory: TempDir,
    path: PathBuf,
    ledger: Ledger,
    before: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let directory = in_memory();
        let path = directory.path().join("metrics.jsonl");
        let ledger = Options::new().lock_deadline(Duration::from_millis(20)).open(&path).unwrap();
        append(&ledger, 1);
        let before = fs::read(&path).unwrap();
        Self { _directory: directory, path, ledger, before }
    }

    /// Returns the error that refuses the record, and asserts that no method wrote anything.
    fn refusal(&self, record: &ExecutionMetrics) -> Error {
        let error = self.ledger.append(record).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(log_execution_metrics(record, &self.path, false).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(fs::read(&self.path).unwrap() == self.before, "something was written");
        assert_eq!(fs::read_dir(self.path.with_extension("ledger").join("spill")).unwrap().count(), 0);
        error
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        self.ledger.reader().records().map(Result::unwrap).collect()
    }

    /// Asserts that the file consists of one line for each record, without control characters.
    fn assert_lines(&self, count: usize) {
        let bytes = fs::read(&self.path).unwrap();
        assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), count);
        assert!(bytes.iter().all(|&byte| byte >= 0x20 || byte == b'\n'), "a control character is not escaped");
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            serde_json::from_slice::<BTreeMap<String, Value>>(line).unwrap();
        }
        let verification = self.ledger.reader().verify(&[]).unwrap();
        assert!(verification.is_clean(), "{:?}", verification.faults);
        assert_eq!(verification.lines, count as u64);
    }
}

fn with_tag(number: u128, value: Value) -> ExecutionMetrics {
    let mut record = record(number);
    record.tags.insert("t".to_owned(), value);
    record
}

#[test]
fn an_impossible_record_is_refused_with_every_reason() {
    let place = Place::new();
    let mut bad = record(2);
    bad.skill_name = String::new();
    bad.timestamp_end = None;
    bad.confidence_score = Some(1.5);
    bad.quality_score = Some(f64::NAN);
    bad.tokens_used = Some(3);
    (bad.tokens_input, bad.tokens_output) = (Some(1), Some(1));
    assert_eq!(
        place.refusal(&bad).to_string(),
        "cannot accept a record: skill_name: expected a name, found \"\"; timestamp_end: expected a time, found null; \
         tokens_used: expected tokens_input + tokens_output = 2, found 3; confidence_score: expected 0 to 1, found 1.5; \
         quality_score: expected 0 to 1, found NaN"
    );
}

// Fields that are too large.

fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

const TOO_LARGE: &str = " bytes; expected at most 16773120. Store large content in a file, and record its hash";

#[test]
fn row_21_a_field_of_100_mb_is_refused_and_written_nowhere() {
    let place = Place::new();
    let error = place.ledger.append(&with_tag(2, large(100_000_000).into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("cannot write a record as JSON: found 10000"), "{error}");
    assert!(error.to_string().ends_with(TOO_LARGE), "{error}");
    // Each method refuses another field that is too large. This field has less than 100 MB, because the unoptimized
    // tests need seconds for 100 MB.
    let mut bad = record(2);
    bad.skill_name = large(16_800_000);
    assert!(place.refusal(&bad).to_string().ends_with(TOO_LARGE));
}

/// An execution is recorded even if its skill sets impossible fields.
#[test]
fn row_21_an_execution_with_too_large_a_tag_is_recorded_without_it() {
    let place = Place::new();
    let mut run = place.ledger.begin(Skill::new("s", "1"));
    let id = run.id();
    run.set_tag("prompt", large(16_800_000));
    let recorded = run.succeed();
    assert!(recorded.is_durable(), "{:?}", recorded.answer);
    assert!(recorded.refused.unwrap().to_string().ends_with(TOO_LARGE));
    let records = place.records();
    assert_eq!((records.len(), records[1].execution_id, records[1].execution_succeeded), (2, id, Some(true)));
    assert!(records[1].tags["refused"][0].as_str().unwrap().ends_with(TOO_LARGE));
}

/// The largest record that is allowed is stored, even if it is spilled first.
#[test]
fn row_21_the_largest_record_is_kept() {
    let place = Place::new();
    let room = 16 * 1024 * 1024 - 4096 - with_tag(2, "".into()).to_json().unwrap().len();
    let largest = with_tag(2, "x".repeat(room).into());
    let lock = fs::File::open(place.path.with_extension("ledger").join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(place.ledger.append(&largest).unwrap(), Answer::Spilled(_)));
    lock.unlock().unwrap();
    append(&place.ledger, 3);
    assert!(place.records() == [record(1), record(3), largest], "another record, or another order");
    assert!(place.ledger.reader().verify(&[]).unwrap().is_clean());
    let error = place.ledger.append(&with_tag(4, "x".repeat(room + 1).into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

// Deep JSON.

const LEVELS: usize = 10_000;

fn array(inner: Value) -> Value {
    Value::Array(vec![inner])
}

fn object(inner: Value) -> Value {
    Value::Object([("k".to_owned(), inner)].into_iter().collect())
}

/// `serde_json` needs more stack to create and drop such a value than a test's thread has. To refuse the value, the
/// stack of an ordinary thread is enough.
#[test]
fn row_21_tags_10_000_levels_deep_are_refused() {
    let deep = || {
        for wrap in [array, object] {
            let place = Place::new();
            let bad = with_tag(2, (0..LEVELS).fold(Value::Null, |inner, _| wrap(inner)));
            let expected = "tags[\"t\"]: expected at most 124 nested arrays and objects, found more";
            std::thread::scope(|scope| {
                let refusals = scope.spawn(|| [place.refusal(&bad), bad.to_json().unwrap_err()]).join().unwrap();
                refusals.iter().for_each(|error| assert_eq!(error.details(), [expected]));
            });
            let mut run = place.ledger.begin(Skill::new("s", "1"));
            run.record_mut().tags = bad.tags;
            let recorded = run.succeed();
            assert!(recorded.is_durable() && recorded.refused.is_some());
            assert_eq!(place.records()[1].tags["refused"][0], expected);
        }
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn row_21_tags_124_levels_deep_are_kept() {
    let place = Place::new();
    for (number, wrap) in (2..).zip([array, object]) {
        let deepest = with_tag(number, (0..124).fold(Value::Null, |inner, _| wrap(inner)));
        assert!(matches!(place.ledger.append(&deepest).unwrap(), Answer::Durable { .. }));
        assert_eq!(place.records().last(), Some(&deepest));
    }
    place.assert_lines(3);
}

/// JSON from outside is nested deeper than any record.
#[test]
fn row_21_json_10_000_levels_deep_is_not_a_record_and_hides_none() {
    let place = Place::new();
    append(&place.ledger, 2);
    let valid = record(3).to_json().unwrap();
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        let deep = format!("{}0{}", open.repeat(LEVELS), close.repeat(LEVELS));
        let line = valid.replace("\"tags\":{}", &format!("\"tags\":{{\"t\":{deep}}}"));
        assert!(line.len() > LEVELS);
        assert_eq!(ExecutionMetrics::from_json(&line).unwrap_err().kind(), ErrorKind::Malformed);
        let at = place.before.len();
        let mut bytes = fs::read(&place.path).unwrap();
        bytes.splice(at..at, format!("{line}\n").into_bytes());
        let stranger = place.path.with_file_name("stranger.jsonl");
        fs::write(&stranger, bytes).unwrap();
        let read: Vec<_> = LedgerReader::open(&stranger).unwrap().records().collect();
        assert_eq!((read.len(), read[1].as_ref().unwrap_err().line()), (3, Some(2)));
        assert_eq!(read[2].as_ref().unwrap(), &record(2));
    }
}

// Numbers.

#[test]
fn row_21_numbers_that_json_does_not_have_are_malformed() {
    let mut valid = record(2);
    valid.confidence_score = Some(0.5);
    let line = valid.to_json().unwrap();
    for number in ["NaN", "Infinity", "-Infinity", "nan", "inf", "1e999", "-1e999", "0x1", ".5", "1.", "+1", "01"] {
        let bad = line.replace("\"confidence_score\":0.5", &format!("\"confidence_score\":{number}"));
        assert_eq!(ExecutionMetrics::from_json(&bad).unwrap_err().kind(), ErrorKind::Malformed, "{number}");
    }
    // Counts that are not u64.
    for number in ["-1", "18446744073709551616", "1.5", "1e3", "\"1\""] {
        let bad = line.replace("\"tokens_used\":null", &format!("\"tokens_used\":{number}"));
        assert_eq!(ExecutionMetrics::from_json(&bad).unwrap_err().kind(), ErrorKind::Malformed, "{number}");
    }
}

// Text.

/// Half of a surrogate pair is not a character.
#[test]
fn row_21_a_lone_surrogate_is_malformed_and_hides_no_line() {
    let mut valid = record(2);
    valid.decision_made = Some("MARK".to_owned());
    let line = valid.to_json().unwrap();
    for lone in ["\\ud800", "\\udc00", "\\udbff\\udbff", "\\udfff\\ud800", "\\ud83dx", "\\ud83d\\n", "\\ud83"] {
        let bad = line.replace("MARK", lone);
        assert_eq!(ExecutionMetrics::from_json(&bad).unwrap_err().kind(), ErrorKind::Malformed, "{lone}");
        let directory = in_memory();
        let path = directory.path().join("stranger.jsonl");
        let other = record(3).to_json().unwrap();
        fs::write(&path, format!("{line}\n{bad}\n{other}\n")).unwrap();
        let read: Vec<_> = LedgerReader::open(&path).unwrap().records().collect();
        let errors: Vec<_> = read.iter().filter_map(|record| record.as_ref().err()?.line()).collect();
        assert_eq!((read.len(), errors), (3, vec![2]), "{lone}");
    }
    let pair = ExecutionMetrics::from_json(&line.replace("MARK", "\\ud83d\\ude00")).unwrap();
    assert_eq!(pair.decision_made.as_deref(), Some("😀"));
}

#[test]
fn row_21_awkward_characters_stay_on_one_line() {
    let place = Place::new();
    let awkward = "a\nb\r\nc\0d\u{2028}e\u{2029}f\u{85}g\"\\\u{1b}[0m\u{feff}\u{7f}\u{10ffff}";
    let mut odd = record(2);
    odd.skill_name = awkward.to_owned();
    odd.set_error_reason(awkward);
    odd.tags.insert(awkward.to_owned(), awkward.into());
    assert!(matches!(place.ledger.append(&odd).unwrap(), Answer::Durable { .. }));
    append(&place.ledger, 3);
    assert_eq!(place.records(), [record(1), odd, record(3)]);
    place.assert_lines(3);
}

// Paths.

/// A name may have any bytes but `/` and NUL.
#[test]
fn row_21_a_path_that_is_not_utf_8_holds_a_ledger() {
    for name in
        [&b"\xff\xfe.jsonl"[..], b"\xed\xa0\x80", b"a\nb.jsonl", b"\xc3\x28.x.jsonl", "\u{2028}é.jsonl".as_bytes()]
    {
        let directory = in_memory();
        let path = directory.path().join(OsStr::from_bytes(b"logs-\xff")).join(OsStr::from_bytes(name));
        let at = format!("{}", path.display());
        for number in 1..=4 {
            let ledger = Options::new().rotate_bytes(Some(1_000)).open(&path).unwrap();
            assert_eq!(append(&ledger, number), number as u64, "{at}");
        }
        let torn = [fs::read(&path).unwrap(), b"{\"torn".to_vec()].concat();
        fs::write(&path, torn).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable(), "{at}");
        let head = ledger.head().unwrap();
        drop(ledger);
        assert!(fs::read_dir(path.with_extension("ledger").join("sealed")).unwrap().count() > 0, "{at}");
        assert_eq!(fs::read_dir(path.with_extension("ledger").join("quarantine")).unwrap().count(), 1, "{at}");
        assert_eq!(LedgerReader::open(&path).unwrap().records().filter(Result::is_ok).count(), 5, "{at}");
        assert!(LedgerReader::open(&path).unwrap().verify(&[head]).unwrap().is_clean(), "{at}");

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert_eq!((error.kind(), error.file()), (ErrorKind::Unsuitable, Some(path.as_path())), "{at}");
    }
}

// Properties.

/// A function that sets a field to a number.
type Set = fn(&mut ExecutionMetrics, f64);

/// Returns the fields that are floats.
fn floats() -> impl Strategy<Value = (&'static str, Set)> {
    let fields: Vec<(&str, Set)> = vec![
        ("free_tier_quota_pct_used", |record, value| record.free_tier_quota_pct_used = Some(value)),
        ("confidence_score", |record, value| record.confidence_score = Some(value)),
        ("quality_score", |record, value| record.quality_score = Some(value)),
        ("production.duration_s", |record, value| record.production.duration_s = Some(value)),
        ("progress.percent", |record, value| {
            let mut progress = Progress::new("stage", record.timestamp_start);
            progress.percent = Some(value);
            record.progress = Some(progress);
        }),
    ];
    prop::sample::select(fields)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A valid record with any fields: text of any characters, numbers of any size, tags of any JSON.
    #[test]
    fn row_21_any_valid_records_are_a_line_each_and_read_back(
        records in prop::collection::vec(common::valid_record(), 1..4),
    ) {
        let place = Place::new();
        for (record, seq) in records.iter().zip(2..) {
            let answer = place.ledger.append(record).unwrap();
            prop_assert!(matches!(answer, Answer::Durable { seq: given } if given == seq), "{:?}", answer);
        }
        prop_assert_eq!(&place.records()[1..], &records[..]);
        place.assert_lines(records.len() + 1);
    }

    #[test]
    fn row_21_nan_and_infinity_are_refused_by_name(
        (field, set) in floats(),
        value in prop::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
        mut bad in common::valid_record(),
    ) {
        let place = Place::new();
        set(&mut bad, value);
        let error = place.refusal(&bad);
        prop_assert_eq!(error.details().len(), 1);
        prop_assert!(error.details()[0].starts_with(field), "{}", error);
        prop_assert!(bad.to_json().unwrap_err().details()[0].starts_with(field));
    }

    /// Above 2^53, a float cannot hold every digit.
    #[test]
    fn row_21_a_count_above_2_to_the_53_keeps_every_digit(
        input in (1u64 << 53)..(1 << 63), output in (1u64 << 53)..(1 << 63), latency in (1u64 << 53).., code: i64,
    ) {
        let place = Place::new();
        let mut large = with_tag(2, serde_json::json!({ "u": latency, "i": code }));
        large.tokens_used = Some(input + output);
        (large.tokens_input, large.tokens_output) = (Some(input), Some(output));
        (large.total_latency_ms, large.wall_clock_time_ms) = (Some(latency), Some(u64::MAX));
        large.error_code = Some(code);
        prop_assert!(matches!(place.ledger.append(&large).unwrap(), Answer::Durable { seq: 2 }), "not durable");
        let text = fs::read_to_string(&place.path).unwrap();
        for digits in [format!("\"tokens_input\":{input},"), format!("\"total_latency_ms\":{latency},"), format!("\"u\":{latency}")] {
            prop_assert!(text.contains(&digits), "{}", digits);
        }
        prop_assert_eq!(place.records(), [record(1), large]);
    }
}
