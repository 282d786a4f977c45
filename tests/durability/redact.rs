//! Promise: a text can be taken out of lines that were written. The ledger verifies before the change, after the
//! change, and after a crash at any time in between. The text is in no file of the ledger afterwards. Any other change
//! is still found.
#![cfg(feature = "simulation")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use runledger::disk::simulated::{InjectedFault, Loss, SimulatedDisk};
use runledger::disk::{Access, FileType, Storage};
use runledger::journal::Follower;
use runledger::ledger::{FaultKind, Redact, Redaction};
use runledger::metrics::Status;
use runledger::{
    Answer, ErrorKind, ExecutionMetrics, Head, Ledger, LedgerReader, Options, Result, Skill, Timestamp, Uuid,
};

const PATH: &str = "/logs/execution_metrics.jsonl";
const ARCHIVE: &str = "/archive";
const ARCHIVED: &str = "/archive/execution_metrics.jsonl";
const SECRET: &str = "tr0ub4dor&3 \"quoted\"";
/// The form of the secret in JSON.
const IN_JSON: &str = "tr0ub4dor&3 \\\"quoted";
const RECORDS: u128 = 9;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Returns record `number`. In every fourth record, beginning with record 2, the error and a tag have the secret.
fn record(number: u128) -> ExecutionMetrics {
    let start = "2026-02-14T00:00:00Z".parse::<Timestamp>().unwrap();
    let mut record = ExecutionMetrics::new(id(number), "publish", "0.1.0", start);
    record.timestamp_end = Some(start.plus_ms(5_000));
    record.set_status(Status::Failed);
    if number % 4 == 2 {
        record.set_error_reason(format!("refused {number}: the password is {SECRET}"));
        record.tags.insert("note".to_owned(), SECRET.into());
    }
    record
}

fn options() -> Options {
    Options::new().rotate_bytes(Some(2_000)).on_warning(|_| {})
}

fn on(disk: &SimulatedDisk, path: &str) -> Ledger {
    options().storage(Arc::new(disk.clone())).open(path).unwrap()
}

fn append(ledger: &Ledger, number: u128) {
    let answer = ledger.append(&record(number)).unwrap();
    assert!(matches!(answer, Answer::Durable { seq } if seq == number as u64), "record {number}: {answer:?}");
}

fn wanted() -> Redact {
    Redact::new("*", "ann", "a password was recorded").text(SECRET)
}

fn redact(ledger: &Ledger, number: u128) -> Result<Redaction> {
    ledger.redact(id(number), &wanted())
}

/// Returns the paths of all files on the disk.
fn files(disk: &SimulatedDisk, directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for name in disk.list(directory).unwrap() {
        let path = directory.join(name);
        match disk.stat(&path).unwrap().unwrap().file_type {
            FileType::Directory => all.extend(files(disk, &path)),
            _ => all.push(path),
        }
    }
    all
}

fn bytes(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Access::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// For each file that has the secret, returns the number of lines that have it.
fn with_secret(disk: &SimulatedDisk) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for path in files(disk, Path::new("/")) {
        let bytes = bytes(disk, &path);
        assert!(!has(&bytes, SECRET), "{}", path.display());
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| has(line, IN_JSON)).count();
        if lines > 0 {
            found.push((path, lines));
        }
    }
    found
}

/// Returns the record of execution `number`, and all ids and notes, from the ledger and its archive. Both must verify.
fn found(disk: &SimulatedDisk, number: u128, heads: &[Head]) -> (ExecutionMetrics, BTreeSet<Uuid>, Vec<String>) {
    let disk = disk.crash_after(usize::MAX, Loss::Nothing);
    let (mut record, mut ids, mut notes) = (None, BTreeSet::new(), Vec::new());
    let has_archive = disk.stat(Path::new("/archive/execution_metrics.ledger")).unwrap().is_some();
    for path in [Some(PATH), has_archive.then_some(ARCHIVED)].into_iter().flatten() {
        let reader = reader(&disk, path);
        let verified = reader.verify(if path == PATH { heads } else { &[] }).unwrap();
        assert!(verified.is_clean(), "{path}: {:?}", verified.faults);
        notes.extend(verified.notes);
        for found in reader.records() {
            let found = found.unwrap();
            ids.insert(found.execution_id);
            if found.execution_id == id(number) {
                record = Some(found);
            }
        }
    }
    (record.unwrap(), ids, notes)
}

/// Opens the ledger at `path` for writing, and returns its reader. An archive may be opened for writing only on a copy
/// of the disk.
fn reader(disk: &SimulatedDisk, path: &str) -> LedgerReader {
    on(disk, path).reader()
}

/// Creates a ledger of `last` records. Record 2 is in a sealed segment, which is moved to the archive if `archives`.
/// Record 6 is in a sealed segment, and record 10, if it is there, in the active one.
fn prepared(archives: bool, last: u128) -> (SimulatedDisk, Head) {
    let disk = SimulatedDisk::new();
    let ledger = on(&disk, PATH);
    (1..=last).for_each(|number| append(&ledger, number));
    if archives {
        ledger.archive_segments(1, ARCHIVE).unwrap();
    }
    let head = ledger.head().unwrap();
    drop(ledger);
    let torn = Path::new("/logs/execution_metrics.ledger/quarantine/000001-0-0123456789abcdef.bytes");
    let torn = disk.open(torn, Access::WriteNew).unwrap();
    torn.write_at(format!("torn {IN_JSON}\\\" torn").as_bytes(), 0).unwrap();
    torn.sync().unwrap();
    disk.sync_dir(Path::new("/logs/execution_metrics.ledger/quarantine")).unwrap();
    // The writes of the preparation are durable, so that only the redaction is interrupted.
    (disk.crash_after(usize::MAX, Loss::Nothing), head)
}

/// Each case: whether segment 1 is archived, the number of records, and the record that is redacted.
const CASES: [(bool, u128, u128); 3] = [(false, 10, 10), (false, RECORDS, 6), (true, RECORDS, 2)];

#[test]
fn row_35_a_redacted_text_is_in_no_file_and_the_ledger_verifies() {
    for (archives, last, number) in CASES {
        let (disk, head) = prepared(archives, last);
        let before = with_secret(&disk);
        let ledger = on(&disk, PATH);
        let done = redact(&ledger, number).unwrap();
        assert_eq!(done.lines, [number as u64]);
        drop(ledger);
        let (read, ids, notes) = found(&disk, number, &[head]);
        let reason = read.error_reason.unwrap();
        assert!(reason.starts_with(&format!("refused {number}: the password is [redacted:by-hand:")), "{reason}");
        assert!(read.tags["note"].as_str().unwrap().starts_with("[redacted:by-hand:"));
        assert_eq!(notes, [""; 0]);
        assert!((1..=last).all(|number| ids.contains(&id(number))));
        assert_eq!(ids.len() as u128, last + 1);
        // The other records with the secret still have it, and the answer names them.
        let after = with_secret(&disk);
        let lines = |found: &[(PathBuf, usize)]| found.iter().map(|(_, lines)| lines).sum::<usize>();
        let others = (1..=last).filter(|other| other % 4 == 2 && *other != number).collect::<Vec<_>>();
        assert_eq!(lines(&after), others.len(), "{before:?} {after:?}");
        for other in others {
            assert!(done.left.iter().any(|left| left.contains(&id(other).to_string())), "{:?}", done.left);
        }
        assert_eq!(redact(&on(&disk, PATH), number).unwrap_err().kind(), ErrorKind::Invalid);
        for number in (1..=last).filter(|number| number % 4 == 2 && !done.lines.contains(&(*number as u64))) {
            redact(&on(&disk, PATH), number).unwrap();
        }
        assert_eq!(with_secret(&disk), []);
    }
}

/// Overwriting the commit area takes 256 equal writes of one page each, of which only a few are tried. `call` is the
/// number of a call of the file at `path`.
fn is_alike(call: usize, path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.ends_with("commit")) && !call.is_multiple_of(40)
}

#[test]
fn row_35_a_crash_at_any_call_leaves_the_old_or_the_new_line() {
    for (archives, last, number) in CASES {
        let (disk, head) = prepared(archives, last);
        let ledger = on(&disk, PATH);
        let begun = disk.calls().len();
        redact(&ledger, number).unwrap();
        let (ended, mut states, mut kept) = (disk.calls().len(), BTreeSet::new(), [0; 2]);
        let made = disk.calls();
        for calls in (begun..=ended).filter(|calls| !is_alike(*calls, made.get(*calls).map(|call| &*call.path))) {
            for loss in [Loss::Nothing, Loss::Unsynced, Loss::Random(1), Loss::Random(2)] {
                let after = disk.crash_after(calls, loss);
                if !states.insert(after.fingerprint()) {
                    continue;
                }
                let at = format!("record {number}, after call {} of {}, {loss:?}", calls - begun, ended - begun);
                println!("{at}");
                let (read, ids, _) = found(&after, number, std::slice::from_ref(&head));
                assert!((1..=last).all(|number| ids.contains(&id(number))), "{at}: {ids:?}");
                let is_old = read == record(number);
                kept[usize::from(is_old)] += 1;
                let ledger = on(&after, PATH);
                // A reader may build derived files before the next call.
                ledger.reader().rebuild_index().unwrap();
                let again = redact(&ledger, number);
                assert_eq!(again.is_ok(), is_old, "{at}: {again:?}");
                let others = (1..=last).filter(|other| other % 4 == 2 && *other != number).count();
                let left = with_secret(&after);
                assert_eq!(left.iter().map(|(_, lines)| lines).sum::<usize>(), others, "{at}: {left:?}");
                assert!(left.iter().all(|(path, _)| path.extension().unwrap() == "jsonl"), "{at}: {left:?}");
                append(&ledger, u128::from(ledger.head().unwrap().seq) + 1);
                drop(ledger);
                let (read, ids, notes) = found(&after, number, std::slice::from_ref(&head));
                assert!(!format!("{read:?}").contains("tr0ub4dor"), "{at}");
                assert!((1..=last).all(|number| ids.contains(&id(number))), "{at}");
                assert_eq!(notes, [""; 0], "{at}");
            }
        }
        println!("{} states of {} calls", states.len(), ended - begun);
        assert!(states.len() > 20 && kept.iter().all(|count| *count > 0), "{kept:?}");
    }
}

/// A crash can leave a copy of a segment, which has the texts of its other lines. The segment may be archived then.
#[test]
fn row_35_a_copy_that_a_crash_left_keeps_no_text() {
    let (disk, secrets) = (SimulatedDisk::new(), [2, 6, 10, 14, 18, 22]);
    let ledger = on(&disk, PATH);
    secrets.iter().for_each(|number| _ = ledger.append(&record(*number)).unwrap());
    let begun = disk.calls().len();
    redact(&ledger, 2).unwrap();
    let (ended, mut copies) = (disk.calls().len(), 0);
    drop(ledger);
    for calls in begun..ended {
        let after = disk.crash_after(calls, Loss::Nothing);
        let is_copy = |path: &Path| path.extension().is_some_and(|extension| extension == "new");
        if !with_secret(&after).iter().any(|(path, _)| is_copy(path)) {
            continue;
        }
        copies += 1;
        let ledger = on(&after, PATH);
        ledger.archive_segments(1, ARCHIVE).unwrap();
        secrets.iter().for_each(|number| _ = redact(&ledger, *number).unwrap());
        assert_eq!(with_secret(&after), [], "call {calls}");
    }
    assert!(copies > 0);
}

#[test]
fn row_35_an_error_at_any_call_is_reported_and_the_next_call_completes_the_change() {
    for (archives, last, number) in CASES {
        let (start, head) = prepared(archives, last);
        let mut refused = 0;
        // The paths of all operations of a call that succeeds, which are the same in each run.
        let (paths, disk) = (Arc::new(Mutex::new(BTreeMap::new())), start.crash_after(usize::MAX, Loss::Nothing));
        let (ledger, begun) = (on(&disk, PATH), disk.operations());
        let seen = Arc::clone(&paths);
        let see = move |number: usize, _, path: &Path| {
            seen.lock().unwrap().insert(number - begun, path.to_owned());
            false
        };
        disk.inject_lasting(see, InjectedFault::Os(5));
        redact(&ledger, number).unwrap();
        let paths = paths.lock().unwrap().clone();
        let is_tried = |failing: &usize| !is_alike(*failing, paths.get(failing).map(|path| &**path));
        for failing in (0..).filter(is_tried) {
            let disk = start.crash_after(usize::MAX, Loss::Nothing);
            let ledger = on(&disk, PATH);
            let begun = disk.operations();
            disk.inject_lasting(move |operation, _, _| operation == begun + failing, InjectedFault::Os(5));
            let redacted = redact(&ledger, number);
            disk.lift_faults();
            if disk.operations() - begun <= failing {
                redacted.unwrap();
                break;
            }
            refused += usize::from(redacted.is_err());
            let at = format!("record {number}, operation {failing}: {redacted:?}");
            let (read, ..) = found(&disk, number, std::slice::from_ref(&head));
            if read == record(number) {
                redact(&ledger, number).unwrap_or_else(|error| panic!("{at}: {error:?}"));
            }
            drop(ledger);
            let (read, ids, notes) = found(&disk, number, std::slice::from_ref(&head));
            assert!(!format!("{read:?}").contains("tr0ub4dor"), "{at}");
            assert!((1..=last).all(|number| ids.contains(&id(number))), "{at}");
            assert_eq!(notes, [""; 0], "{at}");
        }
        assert!(refused > 20, "{refused}");
    }
}

struct Real {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Real {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/execution_metrics.jsonl");
        Self { _directory: directory, path }
    }

    fn open(&self) -> Ledger {
        options().open(&self.path).unwrap()
    }

    fn reader(&self) -> LedgerReader {
        LedgerReader::open(&self.path).unwrap()
    }

    /// Returns the paths of the segments, in order.
    fn segments(&self) -> Vec<PathBuf> {
        let sealed = self.path.with_extension("ledger").join("sealed");
        let mut paths: Vec<_> = fs::read_dir(sealed).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        paths.push(self.path.clone());
        paths
    }
}

#[test]
fn any_other_change_of_a_redacted_ledger_is_found() {
    let place = Real::new();
    let ledger = place.open();
    // The redacted line has neighbours on both sides, and so has the statement.
    (1..=3).for_each(|number| append(&ledger, number));
    redact(&ledger, 2).unwrap();
    append(&ledger, 5);
    drop(ledger);
    let verified = place.reader().verify(&[]).unwrap();
    assert!(verified.is_clean() && (verified.lines, verified.redacted[0].statement) == (5, 4), "{verified:?}");
    let mut changed = 0;
    for path in place.segments() {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let found = place.reader().verify(&[]).unwrap();
            // The last line feed of the active segment may be one that is still being written.
            let is_partial = at + 1 == whole.len() && path == place.path && found.in_progress_bytes > 0;
            assert!(!found.is_clean() || is_partial, "{} byte {at}", path.display());
            changed += 1;
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(changed > 3_000, "{changed}");
}

/// Without the statement, a line in the form of a redacted line is edited. So is one whose statement is about other
/// bytes, or comes from outside the chain.
#[test]
fn a_change_without_a_statement_in_the_chain_is_edited() {
    let place = Real::new();
    let ledger = place.open();
    (1..=2).for_each(|number| append(&ledger, number));
    let before = fs::read(&place.path).unwrap();
    redact(&ledger, 2).unwrap();
    drop(ledger);
    let segments = place.segments();
    let [sealed, active] = &segments[..] else { panic!("{segments:?}") };
    let (redacted, statement) = (fs::read_to_string(sealed).unwrap(), fs::read_to_string(active).unwrap());
    let kinds = || {
        let found = place.reader().verify(&[]).unwrap();
        found.faults.iter().map(|fault| (fault.kind, fault.seq)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(), []);

    // Another text in the form of a redacted line, with the right hash over its own bytes.
    let forged = redacted.replace("refused 2", "granted 2");
    let line = forged.lines().last().unwrap();
    let (body, _) = line.rsplit_once(",\"redacted\":\"").unwrap();
    let hash = runledger::hash_bytes(body);
    let first = forged.lines().next().unwrap();
    fs::write(sealed, format!("{first}\n{body},\"redacted\":\"{hash}\"}}\n")).unwrap();
    assert_eq!(kinds(), [(FaultKind::Edited, Some(2))]);

    // The redacted line without any statement.
    fs::write(sealed, &redacted).unwrap();
    fs::write(active, "").unwrap();
    assert!(kinds().contains(&(FaultKind::Edited, Some(2))), "{:?}", kinds());

    // The old line verifies, and the statement is known not to be carried out.
    fs::write(sealed, &before).unwrap();
    fs::write(active, &statement).unwrap();
    assert_eq!(kinds(), []);
    let notes = place.reader().verify(&[]).unwrap().notes;
    assert_eq!(notes, ["line 2 still has the text whose removal line 3 states; run `runledger redact` again"]);
}

/// Readers and writers that have the files open do not notice.
#[test]
fn readers_and_writers_continue_beside_a_redaction() {
    let place = Real::new();
    let ledger = place.open();
    (1..=10).for_each(|number| append(&ledger, number));
    let heads: Vec<_> = [ledger.head().unwrap()].into();
    let mut records = ledger.reader().records();
    let mut follower = Follower::open(&place.path).unwrap();
    for number in 1..=10 {
        assert_eq!(records.next().unwrap().unwrap(), record(number));
        assert_eq!(follower.next_line().unwrap().unwrap().seq, Some(number as u64));
    }
    let copied = follower.last().cloned();
    // `ledger` has all ids in memory, and redacts nothing itself.
    for number in [2, 6, 10] {
        redact(&place.open(), number).unwrap();
    }
    let statements: Vec<_> = records.by_ref().map(|record| record.unwrap().skill_name).collect();
    assert_eq!(statements, ["runledger.redact"; 3]);
    for seq in 11..=13 {
        assert_eq!(follower.next_line().unwrap().unwrap().seq, Some(seq));
    }
    let mut other = Follower::open(&place.path).unwrap();
    other.resume(copied.as_ref()).unwrap();
    assert_eq!(other.next_line().unwrap().unwrap().seq, Some(11));
    // A record with the same id is not appended a second time.
    for number in 1..=10 {
        let answer = ledger.append_or_complete(&record(number));
        println!("{number}: {answer:?}");
    }
    let verified = ledger.reader().verify(&heads).unwrap();
    assert!(verified.is_clean(), "{:?}", verified.faults);
    assert_eq!(
        verified.redacted.iter().map(|line| (line.seq, line.statement)).collect::<Vec<_>>(),
        [(2, 11), (6, 12), (10, 13)]
    );
    let about = ledger.reader().statements_about(id(6)).unwrap();
    assert_eq!((about.len(), about[0].by.as_str(), about[0].lines[0].seq), (1, "ann", 6));
    assert!(ledger.reader().find(id(6)).unwrap().unwrap().error_reason.unwrap().contains("[redacted:by-hand:"));
}

/// The begin mark of an execution has its skill. The mark of an execution that has ended is overwritten completely.
#[test]
fn the_text_is_not_in_the_marks_the_quarantine_or_the_indexes() {
    let place = Real::new();
    let ledger = place.open();
    let execution = ledger.begin(Skill::new("call-of-customer-4711", "1.0.0"));
    let id = execution.id();
    assert_eq!(
        ledger.redact(id, &Redact::new("skill_name", "ann", "a name")).unwrap_err().kind(),
        ErrorKind::Unsuitable
    );
    assert!(execution.succeed().is_durable());
    ledger.reader().rebuild_index().unwrap();
    let machinery = place.path.with_extension("ledger");
    fs::write(machinery.join("quarantine/000001-0-0123456789abcdef.bytes"), "torn call-of-customer-4711 torn").unwrap();
    // The path in the DAG has the name of the skill too.
    let wanted = Redact::new("*", "ann", "a name").text("call-of-customer-4711");
    let done = ledger.redact(id, &wanted).unwrap();
    assert_eq!(done.overwritten.len(), 1);
    assert!(!done.left.iter().any(|left| left.contains("still has")), "{:?}", done.left);
    let names =
        |directory: &Path| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut searched = 0;
    for directory in ["", "sealed", "inflight", "spill", "quarantine"] {
        for path in names(&machinery.join(directory)).into_iter().filter(|path| path.is_file()) {
            assert!(!has(&fs::read(&path).unwrap(), "customer-4711"), "{}", path.display());
            searched += 1;
        }
    }
    assert!(searched >= 8, "{searched}");
    assert!(!has(&fs::read(&place.path).unwrap(), "customer-4711"));
}
