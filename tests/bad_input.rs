//! Promise: what cannot be used is refused with an error that says the operation, the path, what was found and what to
//! do; nothing is written then, and nothing hangs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use runledger::ledger::FaultKind;
use runledger::quota::{self, Limits, Quota};
use runledger::{
    Answer, Baselines, Error, ErrorKind, ExecutionMetrics, Ledger, PriceTable, Records, Skill, Uuid,
    log_execution_metrics, verify,
};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("execution_metrics.jsonl");
        Self { directory, path }
    }

    fn machinery(&self) -> PathBuf {
        self.path.with_extension("ledger")
    }

    /// Why the path is refused.
    fn refusal(&self) -> Error {
        Ledger::open(&self.path).unwrap_err()
    }

    /// An error's text without the directory of the test.
    fn text(&self, error: &Error) -> String {
        error.to_string().replace(self.directory.path().to_str().unwrap(), "")
    }
}

fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record
}

fn append(ledger: &Ledger, number: u128) {
    assert!(matches!(ledger.append(&record(number)).unwrap(), Answer::Durable { .. }));
}

/// What `call` answers, or a failure if it has not answered in ten seconds.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(call()));
    answered.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("it hangs"))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

// Paths that hold no ledger.

#[test]
fn a_directory_is_refused() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    let error = place.refusal();
    assert_eq!((error.kind(), error.file()), (ErrorKind::Unsuitable, Some(place.path.as_path())));
    assert_eq!(
        place.text(&error),
        "open the ledger: /execution_metrics.jsonl: expected a regular file, found a directory; choose another path"
    );
    assert_eq!(names(place.directory.path()), ["execution_metrics.jsonl"]);
    let error = Records::open(&place.path).unwrap_err();
    assert_eq!(
        place.text(&error),
        "open a ledger to read: /execution_metrics.jsonl: expected a regular file, found a directory, a FIFO or a device"
    );
}

#[test]
fn a_symbolic_link_is_refused() {
    let place = Place::new();
    let target = place.directory.path().join("target");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &place.path).unwrap();
    assert_eq!(
        place.text(&place.refusal()),
        "open the ledger: /execution_metrics.jsonl: expected a regular file, found a symbolic link; choose another path"
    );
    fs::remove_file(&target).unwrap();
    assert_eq!(place.refusal().kind(), ErrorKind::Unsuitable, "one that points nowhere too");
    assert!(!target.exists());
}

#[test]
fn a_link_to_nothing_in_the_place_of_the_lock_is_refused_and_nobody_waits() {
    let place = Place::new();
    drop(Ledger::open(&place.path).unwrap());
    let lock = place.path.with_extension("ledger").join("lock");
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("nowhere", &lock).unwrap();
    let path = place.path.clone();
    let error = in_time(move || Ledger::open(path).unwrap_err());
    assert!(error.to_string().starts_with("open the lock: "), "{error}");
}

#[test]
fn a_fifo_is_refused_and_nobody_waits() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(&place.path).status().unwrap().success());
    let path = place.path.clone();
    let error = in_time(move || Ledger::open(path).unwrap_err());
    assert_eq!(
        place.text(&error),
        "open the ledger: /execution_metrics.jsonl: expected a regular file, found a FIFO, a socket or a device; \
         choose another path"
    );
    let path = place.path.clone();
    assert!(!in_time(move || log_execution_metrics(&record(1), path, false).unwrap()));
    let path = place.path.clone();
    assert_eq!(in_time(move || Records::open(path).unwrap_err()).kind(), ErrorKind::Unsuitable);
    let path = place.path.clone();
    assert_eq!(in_time(move || verify(path, &[]).unwrap_err()).kind(), ErrorKind::Io);
}

#[test]
fn a_file_with_two_names_is_refused() {
    let place = Place::new();
    append(&Ledger::open(&place.path).unwrap(), 1);
    fs::hard_link(&place.path, place.directory.path().join("second.jsonl")).unwrap();
    assert_eq!(
        place.text(&place.refusal()),
        "open the ledger: /execution_metrics.jsonl: expected a regular file, found a file with more than one hard link; \
         choose another path"
    );
}

/// Where every user may put another file in the place of ours; not so with the sticky bit, as in /tmp.
#[test]
fn row_18_world_writable_directory() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let open = place.directory.path().join("open");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(&open).unwrap();
    mode(&open, 0o777);
    let refused = |path: &Path| {
        let error = Ledger::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsuitable);
        place.text(&error)
    };
    let why = "every user may replace the files in this directory; choose a directory within it, or take that right \
               away (chmod o-w)";
    assert_eq!(refused(&open.join("m.jsonl")), format!("open the ledger: /open: {why}"));
    let link = place.directory.path().join("link");
    std::os::unix::fs::symlink("open", &link).unwrap();
    assert_eq!(refused(&link.join("m.jsonl")), format!("open the ledger: /link: {why}"));
    assert!(names(&open).is_empty());
    append(&Ledger::open(open.join("mine/m.jsonl")).unwrap(), 1);
    mode(&open, 0o1777);
    append(&Ledger::open(open.join("m.jsonl")).unwrap(), 1);
    mode(&open.join("m.ledger"), 0o707);
    assert_eq!(refused(&open.join("m.jsonl")), format!("open the ledger: /open/m.ledger: {why}"));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let closed = place.directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("skipped: permissions do not bind this user (root)");
        return;
    }
    let error = Ledger::open(closed.join("metrics.jsonl")).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::PermissionDenied)));
    assert_eq!(place.text(&error), "make the ledger's directory: /closed/metrics.ledger");
}

#[test]
fn a_path_without_room_for_its_machinery_is_refused() {
    let place = Place::new();
    let path = place.directory.path().join("execution_metrics.ledger");
    let error = Ledger::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert_eq!(
        place.text(&error),
        "open the ledger: /execution_metrics.ledger: expected the name of a file such as x.jsonl, whose machinery can \
         stand beside it in x.ledger"
    );
    assert!(names(place.directory.path()).is_empty());
    assert_eq!(Ledger::open("").unwrap_err().kind(), ErrorKind::Unsuitable);
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_as_it_is() {
    let unsealed = record(1).to_json().unwrap() + "\n";
    for content in ["name,price\na,1\n", "no line feed", "\n\n", "{}\n", &unsealed] {
        let place = Place::new();
        fs::write(&place.path, content).unwrap();
        let error = place.refusal();
        assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Unsuitable, Some(1), Some(0)));
        assert_eq!(
            place.text(&error),
            "open the ledger: /execution_metrics.jsonl: line 1 (byte 0): the file holds something else than a ledger: \
             its first line has no valid hash; choose another path"
        );
        assert_eq!(fs::read_to_string(&place.path).unwrap(), content);
        assert_eq!(names(place.directory.path()), ["execution_metrics.jsonl"], "nothing is made beside it");
    }
}

#[test]
fn nothing_there_is_no_ledger_to_read() {
    let place = Place::new();
    let error = Records::open(&place.path).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    assert_eq!(place.text(&error), "open a ledger to read: /execution_metrics.jsonl");
    let error = verify(&place.path, &[]).unwrap_err();
    assert_eq!(place.text(&error), "verify the ledger: /execution_metrics.jsonl: there is no ledger of this name");
    assert!(names(place.directory.path()).is_empty());
}

// The identity.

/// A ledger with one record whose `ledger.json` says something else.
fn with_identity(change: impl FnOnce(String) -> String) -> (Place, Error) {
    let place = Place::new();
    append(&Ledger::open(&place.path).unwrap(), 1);
    let before = fs::read(&place.path).unwrap();
    let identity = place.machinery().join("ledger.json");
    fs::write(&identity, change(fs::read_to_string(&identity).unwrap())).unwrap();
    let error = place.refusal();
    assert_eq!(fs::read(&place.path).unwrap(), before);
    (place, error)
}

#[test]
fn a_newer_format_is_refused() {
    let expected = "open the ledger: /execution_metrics.ledger/ledger.json: its format is 2, and this version knows up \
                    to 1: use a newer runledger";
    let (place, error) = with_identity(|text| text.replace("\"format\":1", "\"format\":2"));
    assert_eq!((error.kind(), place.text(&error).as_str()), (ErrorKind::Newer, expected));
    let (place, error) = with_identity(|_| r#"{"format":2,"name":"another form altogether"}"#.to_owned());
    assert_eq!((error.kind(), place.text(&error).as_str()), (ErrorKind::Newer, expected));
}

#[test]
fn the_machinery_of_another_file_is_refused() {
    let (place, error) = with_identity(|text| text.replace("execution_metrics.jsonl", "execution_metrics.json"));
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert_eq!(
        place.text(&error),
        "open the ledger: /execution_metrics.ledger: the directory belongs to \"execution_metrics.json\": give the new \
         ledger another name"
    );
}

#[test]
fn a_damaged_identity_is_refused_and_can_be_made_anew() {
    let (place, error) = with_identity(|text| text[..10].to_owned());
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        place.text(&error),
        "read the ledger's identity: /execution_metrics.ledger/ledger.json: restore the file; or remove it, and the \
         ledger gets a new identity and keeps its lines"
    );
    assert!(error.source().is_some());
    fs::remove_file(place.machinery().join("ledger.json")).unwrap();
    let ledger = Ledger::open(&place.path).unwrap();
    append(&ledger, 2);
    let ids: Vec<_> = ledger.scan().unwrap().map(|record| record.unwrap().execution_id.as_u128()).collect();
    assert_eq!(ids, [1, 2]);
    assert!(ledger.verify(&[]).unwrap().is_clean());
}

// Records.

#[test]
fn an_impossible_record_is_refused_with_every_reason() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    append(&ledger, 1);
    let before = fs::read(&place.path).unwrap();
    let mut bad = record(2);
    bad.skill_name = String::new();
    bad.timestamp_end = None;
    bad.confidence_score = Some(1.5);
    bad.quality_score = Some(f64::NAN);
    bad.tokens_used = Some(3);
    (bad.tokens_input, bad.tokens_output) = (Some(1), Some(1));
    let error = ledger.append(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "validate a record: skill_name: expected a name, found \"\"; timestamp_end: expected a time, found null; \
         tokens_used: expected tokens_input + tokens_output = 2, found 3; confidence_score: expected 0 to 1, found 1.5; \
         quality_score: expected 0 to 1, found NaN"
    );
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

fn large() -> serde_json::Value {
    "x".repeat(20 * 1024 * 1024).into()
}

const TOO_LARGE: &str = "write a record as JSON: expected at most 16773120 bytes, found 20972";

#[test]
fn a_record_of_20_mib_is_refused_and_written_nowhere() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    append(&ledger, 1);
    let before = fs::read(&place.path).unwrap();
    let mut bad = record(2);
    bad.tags.insert("prompt".to_owned(), large());
    let error = ledger.append(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with(TOO_LARGE), "{error}");
    assert!(error.to_string().ends_with(": keep what is large in a file and record its hash"), "{error}");
    assert_eq!(log_execution_metrics(&bad, &place.path, false).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fs::read(&place.path).unwrap(), before);
    assert!(names(&place.machinery().join("spill")).is_empty());
}

/// An execution is recorded, whatever its skill put into the record.
#[test]
fn an_execution_with_a_tag_of_20_mib_is_recorded_without_it() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    let mut run = ledger.begin(Skill::new("s", "1"));
    let id = run.id();
    run.tag("prompt", large());
    let recorded = run.succeed();
    assert!(recorded.is_durable(), "{:?}", recorded.answer);
    assert!(recorded.refused.unwrap().to_string().starts_with(TOO_LARGE));
    let records: Vec<_> = ledger.scan().unwrap().map(Result::unwrap).collect();
    assert_eq!((records.len(), records[0].execution_id, records[0].execution_succeeded), (1, id, Some(true)));
    assert!(records[0].tags["refused"][0].as_str().unwrap().starts_with("expected at most"));
}

/// And the largest that fits is kept, through a spill too.
#[test]
fn the_largest_record_is_kept() {
    let place = Place::new();
    let ledger = runledger::Options::new().lock_deadline(Duration::from_millis(20)).open(&place.path).unwrap();
    let mut largest = record(1);
    largest.tags.insert("prompt".to_owned(), "".into());
    let room = 16 * 1024 * 1024 - 4096 - largest.to_json().unwrap().len();
    largest.tags.insert("prompt".to_owned(), "x".repeat(room).into());
    let lock = fs::File::open(place.machinery().join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&largest).unwrap(), Answer::Spilled(_)));
    lock.unlock().unwrap();
    append(&ledger, 2);
    let ids: Vec<_> = ledger.scan().unwrap().map(|record| record.unwrap().execution_id.as_u128()).collect();
    assert_eq!(ids, [2, 1]);
    assert!(ledger.verify(&[]).unwrap().is_clean());
}

#[test]
fn awkward_characters_stay_on_one_line() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    let awkward = "a\nb\r\nc\0d\u{2028}e\u{2029}f\u{85}g\"\\\u{1b}[0m";
    let mut odd = record(1);
    odd.skill_name = awkward.to_owned();
    odd.set_error_reason(awkward);
    odd.tags.insert(awkward.to_owned(), awkward.into());
    assert!(matches!(ledger.append(&odd).unwrap(), Answer::Durable { .. }));
    append(&ledger, 2);
    let bytes = fs::read(&place.path).unwrap();
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 2);
    assert!(bytes.iter().all(|&byte| byte >= 0x20 || byte == b'\n'), "a control character is not escaped");
    let records: Vec<_> = ledger.scan().unwrap().map(Result::unwrap).collect();
    assert_eq!(records, [odd, record(2)]);
}

// Lines.

#[test]
fn malformed_lines_are_passed_over_counted_and_named() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    (1..=3).for_each(|number| append(&ledger, number));
    let whole = fs::read(&place.path).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let with_junk = [lines[0], b"no JSON\n", lines[1], b"\xff\xfe\n", b"{\"skill_name\":7}\n", lines[2]];
    fs::write(&place.path, with_junk.concat()).unwrap();

    let items: Vec<_> = ledger.scan().unwrap().collect();
    let ids: Vec<_> = items.iter().flatten().map(|record| record.execution_id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
    let errors: Vec<_> = items.into_iter().filter_map(Result::err).collect();
    let start = |junk: usize| with_junk[..junk].concat().len() as u64;
    let places: Vec<_> = errors.iter().map(|error| (error.kind(), error.line(), error.byte())).collect();
    assert_eq!(places, [2, 4, 5].map(|line| (ErrorKind::Malformed, Some(line), Some(start(line as usize - 1)))));
    assert!(errors.iter().all(|error| error.source().is_some() && error.file() == Some(&place.path)));
    assert_eq!(
        place.text(&errors[0]),
        format!("read a record from JSON: /execution_metrics.jsonl: line 2 (byte {})", lines[0].len())
    );

    let baselines = Baselines::compute(ledger.scan().unwrap()).unwrap();
    assert_eq!(baselines.get("git-push-autonomous").unwrap().sample_size, 3);
    let skipped = baselines.skipped();
    assert_eq!(skipped.count(), 3);
    assert_eq!(skipped.errors().iter().map(Error::line).collect::<Vec<_>>(), [Some(2), Some(4), Some(5)]);
}

/// What is longer than any line is given in parts, and hides nothing behind it, neither from readers nor from `verify`.
#[test]
fn a_line_longer_than_any_is_passed_over() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    (1..=2).for_each(|number| append(&ledger, number));
    let whole = fs::read(&place.path).unwrap();
    let second = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let junk = [vec![b'x'; 40 * 1024 * 1024], b"\n".to_vec()].concat();
    fs::write(&place.path, [&whole[..second], &junk, &whole[second..]].concat()).unwrap();

    let (records, errors): (Vec<_>, Vec<_>) = Records::open(&place.path).unwrap().partition(Result::is_ok);
    assert_eq!(records.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [record(1), record(2)]);
    assert!(!errors.is_empty());
    assert!(errors.into_iter().all(|error| error.unwrap_err().kind() == ErrorKind::Malformed));
    let verification = ledger.verify(&[]).unwrap();
    assert_eq!((verification.lines, verification.in_progress_bytes), (2, 0));
    assert!(verification.faults.iter().all(|fault| fault.kind == FaultKind::Torn && fault.byte >= second as u64));
    assert!(!verification.is_clean());
}

// Tables.

#[test]
fn a_price_table_that_does_not_parse_is_refused_whole() {
    let table = |price: &str| {
        format!(
            "{{\"version\": \"1\", \"as_of\": \"2026-11-20\", \"source\": \"us\", \"models\": [\n\
             {{\"model\": \"a\", \"provider\": \"p\", \"tier\": \"Standard\", \"prices\": [{{\"input\": 1, \"output\": 2}}]}},\n\
             {{\"model\": \"b\", \"provider\": \"p\", \"tier\": \"Standard\", \"prices\": [{{\"input\": {price}, \"output\": 2}}]}}]}}"
        )
    };
    PriceTable::from_json(&table("3")).unwrap();
    let error = PriceTable::from_json(&table("-3")).unwrap_err();
    let byte = table("-3").rfind('\n').unwrap() + 1;
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        format!(
            "read a price table: line 3 (byte {byte}): expected a price of at least 0 with at most 6 decimals, found -3"
        )
    );
    let error = PriceTable::from_json(&table("3,,")).unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(3)));
    assert!(error.source().is_some());
}

#[test]
fn quota_limits_that_do_not_parse_are_refused_whole() {
    let limit = |api: &str, limit: &str| {
        format!(
            r#"{{"api": "{api}", "limit": {limit}, "unit": "calls", "period": "day", "source": "us", "as_of": "2026-02-14"}}"#
        )
    };
    let table = |second: &str| format!("[\n{},\n{second}\n]", limit("a", "1"));
    assert_eq!(Limits::from_json(&table(&limit("b", "2"))).unwrap().iter().count(), 2);
    let byte = limit("a", "1").len() + 4;
    let error = Limits::from_json(&table(&limit("a", "2"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("read a table of limits: line 3 (byte {byte}): the API \"a\" is named twice")
    );
    let error = Limits::from_json(&table(&limit("b", "0"))).unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(3)));
    assert!(error.source().is_some());
}

#[test]
fn a_quota_journal_with_other_lines_is_refused_with_the_line() {
    let place = Place::new();
    append(&Ledger::open(&place.path).unwrap(), 1);
    let before = fs::read(&place.path).unwrap();
    let options = quota::Options::new(Arc::new(|| 1_771_079_000_000));
    let error = Quota::open(&place.path, options).unwrap_err();
    assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Malformed, Some(1), Some(0)));
    assert_eq!(place.text(&error), "read a line of the quota: /execution_metrics.jsonl: line 1 (byte 0)");
    assert_eq!(fs::read(&place.path).unwrap(), before);
}
