//! Promise: unusable input is refused with an error that names the operation, the path, the problem and what to do.
//! Nothing is written then, and nothing hangs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::tree::{self, names};
use runledger::ledger::FaultKind;
use runledger::quota::{Limits, Quota, QuotaOptions};
use runledger::{
    Answer, Baselines, Error, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, PriceTable, Uuid,
    log_execution_metrics,
};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tree::in_memory();
        let path = directory.path().join("execution_metrics.jsonl");
        Self { directory, path }
    }

    fn machinery(&self) -> PathBuf {
        self.path.with_extension("ledger")
    }

    /// Returns the error that refuses the path.
    fn refusal(&self) -> Error {
        Ledger::open(&self.path).unwrap_err()
    }

    /// Returns an error's text without the directory of the test.
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

/// Returns the result of `call`, or fails if it takes more than ten seconds.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(call()));
    answered.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("it hangs"))
}

// Paths that cannot hold a ledger.

#[test]
fn row_18_a_directory_is_refused() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    let error = place.refusal();
    assert_eq!((error.kind(), error.file()), (ErrorKind::Unsuitable, Some(place.path.as_path())));
    assert_eq!(
        place.text(&error),
        "cannot open the ledger: /execution_metrics.jsonl: found a directory; expected a regular file. Choose another path"
    );
    assert_eq!(names(place.directory.path()), ["execution_metrics.jsonl"]);
    let error = LedgerReader::open(&place.path).unwrap_err();
    assert_eq!(
        place.text(&error),
        "cannot open a ledger to read: /execution_metrics.jsonl: found a directory, a FIFO or a device; expected a regular file"
    );
}

#[test]
fn row_18_a_symbolic_link_is_refused() {
    let place = Place::new();
    let target = place.directory.path().join("target");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &place.path).unwrap();
    assert_eq!(
        place.text(&place.refusal()),
        "cannot open the ledger: /execution_metrics.jsonl: found a symbolic link; expected a regular file. Choose another path"
    );
    fs::remove_file(&target).unwrap();
    assert_eq!(place.refusal().kind(), ErrorKind::Unsuitable, "one that points nowhere too");
    assert!(!target.exists());
}

#[test]
fn row_18_a_dangling_link_in_the_place_of_the_lock_is_refused_at_once() {
    let place = Place::new();
    drop(Ledger::open(&place.path).unwrap());
    let lock = place.path.with_extension("ledger").join("lock");
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("nowhere", &lock).unwrap();
    let path = place.path.clone();
    let error = in_time(move || Ledger::open(path).unwrap_err());
    assert!(error.to_string().starts_with("cannot open the lock: "), "{error}");
}

#[test]
fn row_18_a_fifo_is_refused_at_once() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(&place.path).status().unwrap().success());
    let path = place.path.clone();
    let error = in_time(move || Ledger::open(path).unwrap_err());
    assert_eq!(
        place.text(&error),
        "cannot open the ledger: /execution_metrics.jsonl: found a FIFO, a socket or a device; expected a regular file. \
         Choose another path"
    );
    let path = place.path.clone();
    assert!(!in_time(move || log_execution_metrics(&record(1), path, false).unwrap()));
    let path = place.path.clone();
    assert_eq!(in_time(move || LedgerReader::open(path).unwrap_err()).kind(), ErrorKind::Unsuitable);
    // A FIFO that replaces the file of a reader.
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    let reader = LedgerReader::open(&place.path).unwrap();
    fs::remove_file(&place.path).unwrap();
    assert!(Command::new("mkfifo").arg(&place.path).status().unwrap().success());
    assert_eq!(in_time(move || reader.verify(&[]).unwrap_err()).kind(), ErrorKind::Io);
}

#[test]
fn row_18_a_hard_link_is_refused() {
    let place = Place::new();
    append(&Ledger::open(&place.path).unwrap(), 1);
    fs::hard_link(&place.path, place.directory.path().join("second.jsonl")).unwrap();
    assert_eq!(
        place.text(&place.refusal()),
        "cannot open the ledger: /execution_metrics.jsonl: found a file with several hard links; expected a regular file. \
         Choose another path"
    );
}

/// A directory in which every user may replace the ledger's files. With the sticky bit, as in /tmp, they cannot.
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
    let why = "found a directory in which every user may replace files; expected one that other users may not write to. \
               Choose a directory within it, or remove that permission (chmod o-w)";
    assert_eq!(refused(&open.join("m.jsonl")), format!("cannot open the ledger: /open: {why}"));
    let link = place.directory.path().join("link");
    std::os::unix::fs::symlink("open", &link).unwrap();
    assert_eq!(refused(&link.join("m.jsonl")), format!("cannot open the ledger: /link: {why}"));
    assert!(names(&open).is_empty());
    append(&Ledger::open(open.join("mine/m.jsonl")).unwrap(), 1);
    mode(&open, 0o1777);
    append(&Ledger::open(open.join("m.jsonl")).unwrap(), 1);
    mode(&open.join("m.ledger"), 0o707);
    assert_eq!(refused(&open.join("m.jsonl")), format!("cannot open the ledger: /open/m.ledger: {why}"));
}

/// Each file that is opened is replaced by a FIFO, a directory, or a dangling symbolic link. Every call returns, and no
/// line is lost.
#[test]
fn row_18_anything_but_files_in_the_machinery_makes_no_call_wait() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 3] = [
        ("a FIFO", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a link", |path| std::os::unix::fs::symlink("nowhere", path).unwrap()),
    ];
    let names = [
        "ledger.json",
        "lock",
        "sweep",
        "commit",
        "commit.new",
        "ledger.new",
        "events.jsonl",
        "sealed/000001.jsonl",
        "inflight/stranger.slots",
        "spill/stranger.jsonl",
    ];
    for name in names {
        for (kind, make) in kinds {
            let place = Place::new();
            let open = || runledger::Options::new().rotate_bytes(Some(1)).on_warning(|_| {});
            let ledger = open().open(&place.path).unwrap();
            (1..=2).for_each(|number| append(&ledger, number));
            drop(ledger);
            let strange = place.machinery().join(name);
            let _ = fs::remove_file(&strange);
            make(&strange);
            let path = place.path.clone();
            let at = format!("{kind} as {name}");
            let (verified, read, opened) = in_time(move || {
                let read = LedgerReader::open(&path).unwrap().records().filter(Result::is_ok).count();
                let opened = open().open(&path).map(|ledger| ledger.append(&record(3)).unwrap());
                (LedgerReader::open(&path).and_then(|reader| reader.verify(&[])).map(|found| found.lines), read, opened)
            });
            let lines = if name.starts_with("sealed") { 0 } else { 2 };
            assert_eq!(read, lines, "{at}");
            match opened {
                Ok(Answer::Durable { .. }) => assert!(verified.is_ok_and(|found| found > 1) || lines == 0, "{at}"),
                Ok(answer) => panic!("{at}: {answer:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "{at}");
                    assert_eq!(error.file(), Some(strange.as_path()), "{at}: {error}");
                }
            }
        }
    }
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
    assert_eq!(place.text(&error), "cannot create a directory: /closed/metrics.ledger");
}

#[test]
fn a_path_without_room_for_its_machinery_is_refused() {
    let place = Place::new();
    let path = place.directory.path().join("execution_metrics.ledger");
    let error = Ledger::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert_eq!(
        place.text(&error),
        "cannot open the ledger: /execution_metrics.ledger: expected a file name such as x.jsonl, so that the internal \
         files fit next to it in x.ledger"
    );
    assert!(names(place.directory.path()).is_empty());
    assert_eq!(Ledger::open("").unwrap_err().kind(), ErrorKind::Unsuitable);
}

#[test]
fn a_file_that_is_not_a_ledger_is_refused_and_not_changed() {
    let unsealed = record(1).to_json().unwrap() + "\n";
    for content in ["name,price\na,1\n", "no line feed", "\n\n", "{}\n", &unsealed] {
        let place = Place::new();
        fs::write(&place.path, content).unwrap();
        let error = place.refusal();
        assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Unsuitable, Some(1), Some(0)));
        let advice = match content.starts_with('{') {
            true => "To import its records into a ledger, run `runledger import FILE --ledger OTHER`",
            false => "Choose another path",
        };
        let found = "cannot open the ledger: /execution_metrics.jsonl: line 1 (byte 0): found a file that is not a ledger: its \
                     first line has no valid hash";
        assert_eq!(place.text(&error), format!("{found}. {advice}"));
        assert_eq!(fs::read_to_string(&place.path).unwrap(), content);
        assert_eq!(names(place.directory.path()), ["execution_metrics.jsonl"], "nothing is created beside it");
    }
}

#[test]
fn a_missing_ledger_cannot_be_read() {
    let place = Place::new();
    let error = LedgerReader::open(&place.path).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    assert_eq!(place.text(&error), "cannot open a ledger to read: /execution_metrics.jsonl: there is no such file");
    assert!(names(place.directory.path()).is_empty());
    // It was there when the reader was opened.
    fs::write(&place.path, "").unwrap();
    let reader = LedgerReader::open(&place.path).unwrap();
    fs::remove_file(&place.path).unwrap();
    let error = reader.verify(&[]).unwrap_err();
    assert_eq!(
        place.text(&error),
        "cannot verify the ledger: /execution_metrics.jsonl: found no file; expected the file of a ledger"
    );
    assert!(names(place.directory.path()).is_empty());
}

// The identity.

/// Creates a ledger with one record, and changes its `ledger.json`.
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
    let expected = "cannot open the ledger: /execution_metrics.ledger/ledger.json: found format 2; expected at most 1. Use a \
                    newer runledger";
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
        "cannot open the ledger: /execution_metrics.ledger: the directory belongs to \"execution_metrics.json\". Choose \
         another name for the new ledger"
    );
}

#[test]
fn a_damaged_identity_is_refused_and_can_be_created_again() {
    let (place, error) = with_identity(|text| text[..10].to_owned());
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        place.text(&error),
        "cannot read the ledger's identity: /execution_metrics.ledger/ledger.json: restore the file, or remove it. Without \
         the file, the ledger gets a new identity and keeps its lines: expected a value in JSON, found the end of the text at \
         line 1 column 10"
    );
    assert!(error.cause().is_some());
    fs::remove_file(place.machinery().join("ledger.json")).unwrap();
    let ledger = Ledger::open(&place.path).unwrap();
    append(&ledger, 2);
    let ids: Vec<_> = ledger.reader().records().map(|record| record.unwrap().execution_id.as_u128()).collect();
    assert_eq!(ids, [1, 2]);
    assert!(ledger.reader().verify(&[]).unwrap().is_clean());
}

// Lines.

#[test]
fn malformed_lines_are_skipped_counted_and_reported() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    (1..=3).for_each(|number| append(&ledger, number));
    let whole = fs::read(&place.path).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let with_junk = [lines[0], b"no JSON\n", lines[1], b"\xff\xfe\n", b"{\"skill_name\":7}\n", lines[2]];
    fs::write(&place.path, with_junk.concat()).unwrap();

    let items: Vec<_> = ledger.reader().records().collect();
    let ids: Vec<_> = items.iter().flatten().map(|record| record.execution_id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
    let errors: Vec<_> = items.into_iter().filter_map(Result::err).collect();
    let start = |junk: usize| with_junk[..junk].concat().len() as u64;
    let places: Vec<_> = errors.iter().map(|error| (error.kind(), error.line(), error.byte())).collect();
    assert_eq!(places, [2, 4, 5].map(|line| (ErrorKind::Malformed, Some(line), Some(start(line as usize - 1)))));
    assert!(
        errors
            .iter()
            .all(|error| error.cause().is_some() != (error.line() == Some(4)) && error.file() == Some(&place.path))
    );
    assert_eq!(errors[1].details(), ["expected UTF-8, found an invalid byte at column 1"]);
    assert_eq!(
        place.text(&errors[0]),
        format!(
            "cannot read a record from JSON: /execution_metrics.jsonl: line 2 (byte {}): expected a value in JSON, found \
             `no` at column 2",
            lines[0].len()
        )
    );

    let baselines = Baselines::compute(ledger.reader().records()).unwrap();
    assert_eq!(baselines.get("git-push-autonomous").unwrap().sample_size, 3);
    let skipped = baselines.skipped();
    assert_eq!(skipped.count(), 3);
    assert_eq!(skipped.errors().iter().map(Error::line).collect::<Vec<_>>(), [Some(2), Some(4), Some(5)]);
}

/// A line that is longer than the limit is read in parts, and hides no line after it from readers or from `verify`.
#[test]
fn a_line_longer_than_the_limit_is_skipped() {
    let place = Place::new();
    let ledger = Ledger::open(&place.path).unwrap();
    (1..=2).for_each(|number| append(&ledger, number));
    let whole = fs::read(&place.path).unwrap();
    let second = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let junk = [vec![b'x'; 40 * 1024 * 1024], b"\n".to_vec()].concat();
    fs::write(&place.path, [&whole[..second], &junk, &whole[second..]].concat()).unwrap();

    let (records, errors): (Vec<_>, Vec<_>) =
        LedgerReader::open(&place.path).unwrap().records().partition(Result::is_ok);
    assert_eq!(records.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [record(1), record(2)]);
    assert!(!errors.is_empty());
    assert!(errors.into_iter().all(|error| error.unwrap_err().kind() == ErrorKind::Malformed));
    let verification = ledger.reader().verify(&[]).unwrap();
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
    let byte = table("-3").rfind("-3").unwrap();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read a price table: line 3 (byte {byte}): models[1].prices[0].input: expected a price of at least 0 with at most 6 decimals, found -3"
        )
    );
    let error = PriceTable::from_json(&table("3,,")).unwrap_err();
    let byte = table("3,,").find(",,").unwrap() as u64 + 1;
    assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Malformed, Some(3), Some(byte)));
    assert!(error.cause().is_some());
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
        format!("cannot read a table of limits: line 3 (byte {byte}): [1].api: the API \"a\" is listed twice")
    );
    let error = Limits::from_json(&table(&limit("b", "0"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read a table of limits: line 3 (byte {byte}): [1].limit: found 0; expected a whole number \
             from 1 to 18446744073709551615"
        )
    );
    let error = Limits::from_json(&table(&limit("b", "\n"))).unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(4)));
    assert!(error.cause().is_some());
}

#[test]
fn a_quota_journal_with_other_lines_is_refused_with_the_line() {
    let place = Place::new();
    append(&Ledger::open(&place.path).unwrap(), 1);
    let before = fs::read(&place.path).unwrap();
    let options = QuotaOptions::new(Arc::new(|| 1_771_079_000_000));
    let error = Quota::open(&place.path, options).unwrap_err();
    assert_eq!((error.kind(), error.line(), error.byte()), (ErrorKind::Malformed, Some(1), Some(0)));
    let text =
        "cannot read a line of the quota: /execution_metrics.jsonl: line 1 (byte 0): api: expected a value, found none";
    assert!(place.text(&error).starts_with(text), "{error}");
    assert_eq!(fs::read(&place.path).unwrap(), before);
}
