//! These tests check that a refresh returns the same baselines as a pass over all records, whatever changed the ledger
//! or the checkpoint before.

use crate::disk::{Disk, Storage};
use crate::journal::format::Layout;
use std::cell::Cell;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::disk::{Access, append_all};
use crate::error::ErrorKind;
use crate::journal::format::line::{Link, seal};
use crate::ledger::places::Places;
use crate::ledger::reader::scan::Superseded;
use crate::ledger::reader::verify::tests::{damage, damaged, segments};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// A ledger whose lines the tests write themselves.
struct Place {
    directory: tempfile::TempDir,
    storage: Arc<dyn Storage>,
    layout: Layout,
    link: Link,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(&directory.path().join("log.jsonl"));
        let place = Self { directory, storage: Arc::new(Disk), layout, link: Link::START };
        place.storage.create_dir(place.layout.sealed_segment(1).parent().unwrap()).unwrap();
        place.identify(1);
        place.write(place.layout.active(), b"");
        place
    }

    /// Creates a ledger with `records` records.
    fn of(records: u64) -> Self {
        let mut place = Self::new();
        place.append(records);
        place
    }

    fn identify(&self, id: u128) {
        let id = uuid::Uuid::from_u128(id);
        let json = format!("{{\"format\":1,\"id\":\"{id}\",\"file\":\"log.jsonl\"}}");
        self.write(&self.layout.identity(), json.as_bytes());
    }

    /// Replaces the content of the file, which keeps its inode.
    fn write(&self, path: &Path, bytes: &[u8]) {
        let file = self.storage.open(path, Access::Write);
        let file = file.or_else(|_| self.storage.open(path, Access::WriteNew)).unwrap();
        file.truncate(0).unwrap();
        crate::disk::write_all_at(&*file, bytes, 0).unwrap();
    }

    fn read(&self, path: &Path) -> Vec<u8> {
        let file = self.storage.open(path, Access::Read).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        crate::disk::read_full_at(&*file, &mut bytes, 0).unwrap();
        bytes
    }

    /// Appends bytes as another program would.
    fn append_bytes(&self, bytes: &[u8]) {
        append_all(&*self.storage.open(self.layout.active(), Access::Append).unwrap(), bytes).unwrap();
    }

    fn append_line(&mut self, payload: &str) {
        let mut line = Vec::new();
        self.link = seal(payload.as_bytes(), &self.link, &mut line);
        self.append_bytes(&line);
    }

    fn append(&mut self, records: u64) {
        for _ in 0..records {
            let number = self.link.seq;
            let start = Timestamp::from_unix_ms(1_770_000_000_000 + number as i64 * 40_000_000).unwrap();
            let mut record = ExecutionMetrics::new(uuid::Uuid::from_u128(number.into()), "publish", "1.0.0", start);
            record.skill_name = ["publish", "search\n|"][(number % 2) as usize].to_owned();
            record.model.name = (!number.is_multiple_of(3)).then(|| format!("model-{}", number % 3));
            record.total_latency_ms = (!number.is_multiple_of(7)).then_some(number * number);
            record.execution_succeeded = Some(!number.is_multiple_of(5));
            self.append_line(&record.to_json().unwrap());
        }
    }

    fn rotate(&self) {
        let sealed = self.layout.sealed_segments(&*self.storage).unwrap();
        let path = self.layout.sealed_segment(sealed.last().map_or(1, |last| last + 1));
        self.storage.rename(self.layout.active(), &path).unwrap();
        self.write(self.layout.active(), b"");
    }

    fn checkpoint(&self) -> PathBuf {
        self.layout.baseline_checkpoint("skill")
    }

    /// Computes the baselines by skill, and always writes a checkpoint.
    fn refresh(&self) -> LedgerBaselines {
        self.refresh_by(BaselineBy::Skill, 0)
    }

    fn refresh_by(&self, by: BaselineBy, bytes_min: u64) -> LedgerBaselines {
        self.reader().refresh(by, bytes_min).unwrap()
    }

    fn reader(&self) -> LedgerReader {
        LedgerReader::new(Arc::clone(&self.storage), self.layout.clone())
    }

    fn file(&self, by: BaselineBy) -> CheckpointFile<'_> {
        let ledger = identity::read(&*self.storage, &self.layout).unwrap().unwrap();
        CheckpointFile { storage: &*self.storage, layout: &self.layout, ledger, by }
    }

    fn superseded(&self) -> Arc<Superseded> {
        superseded(&*self.storage, &self.layout)
    }

    /// Returns the text of the baselines of a pass over all records.
    fn full(&self, by: BaselineBy) -> [String; 2] {
        let scan = self.reader().scan();
        let mut scanned = scan.fold(|| Accumulator::by(by), Accumulator::add_fields, Accumulator::merge).unwrap();
        scanned.value.skip_all(scanned.skipped);
        as_text(&scanned.value.finish())
    }

    /// Asserts that the next call rejects the checkpoint with this error, and that the following call uses a new
    /// checkpoint.
    fn assert_rebuilt(&self, kind: ErrorKind, why: &str) {
        let refreshed = self.refresh();
        assert_eq!(as_text(&refreshed.baselines), self.full(BaselineBy::Skill), "{why}");
        let [note] = &refreshed.notes[..] else { panic!("{why}: {:?}", refreshed.notes) };
        let path = self.checkpoint();
        let text = format!("cannot use a checkpoint: {}: {why}; all records were read instead", path.display());
        assert_eq!((note.kind(), note.to_string()), (kind, text));
        let again = self.refresh();
        assert_eq!(again.notes.len(), 0, "{why}: {:?}", again.notes);
        assert_eq!(as_text(&again.baselines), self.full(BaselineBy::Skill), "{why}");
        assert!(self.file(BaselineBy::Skill).read(&self.superseded()).unwrap().is_some(), "{why}");
    }
}

/// Returns the baselines and the skipped lines as text.
fn as_text(baselines: &Baselines) -> [String; 2] {
    let skipped = baselines.skipped();
    let errors: Vec<_> = skipped.errors().iter().map(ToString::to_string).collect();
    [baselines.to_json().unwrap(), format!("{} {errors:#?}", skipped.count())]
}

const CHANGED: &str = "the ledger was truncated, replaced or changed";
const DAMAGED: &str = "it is damaged";
const OTHERS: &str = "it belongs to another ledger or another grouping";
const VERSION: &str = "it is not from this version of runledger";

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Malformed,
    /// A line of another program, whole or torn.
    Foreign(&'static [u8]),
    Rotate,
    Refresh(BaselineBy),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6_u64).prop_map(Step::Append),
        2 => Just(Step::Malformed),
        2 => select(vec![&b"no record\n"[..], b"{\"torn", b"\n", b"\0\0\0\n"]).prop_map(Step::Foreign),
        2 => Just(Step::Rotate),
        4 => select(vec![BaselineBy::Skill, BaselineBy::Model, BaselineBy::Week]).prop_map(Step::Refresh),
    ]
}

#[test]
fn a_refresh_equals_a_pass_over_all_records_however_the_ledger_grew() {
    let (used, named) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: 80, failure_persistence: None, ..Config::default() };
    let test = |steps: Vec<Step>| {
        let mut place = Place::new();
        for step in steps.into_iter().chain([Step::Append(1), Step::Refresh(BaselineBy::Skill)]) {
            match step {
                Step::Append(records) => place.append(records),
                Step::Malformed => (0..8).for_each(|_| place.append_line("{\"skill_name\":7}")),
                Step::Foreign(bytes) => place.append_bytes(bytes),
                Step::Rotate => place.rotate(),
                Step::Refresh(by) => {
                    used.set(used.get() + u32::from(place.file(by).read(&place.superseded()).unwrap().is_some()));
                    let refreshed = place.refresh_by(by, 0);
                    prop_assert_eq!(as_text(&refreshed.baselines), place.full(by));
                    prop_assert_eq!(refreshed.notes.len(), 0);
                    let errors = refreshed.baselines.skipped().errors().len();
                    named.set(named.get() + u32::from(errors == crate::error::Skipped::ERRORS_MAX));
                }
            }
        }
        Ok(())
    };
    TestRunner::new(config).run(&vec(step(), 4..40), test).unwrap();
    assert!(used.get() > 150 && named.get() > 50, "{} {}", used.get(), named.get());
}

/// Lines are missing, repeated, forked, torn or overwritten, in several segments.
#[test]
fn a_refresh_equals_a_pass_over_all_records_of_a_damaged_ledger() {
    let used = Cell::new(0);
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let cases = (vec(damage(), 0..5), vec((any::<Index>(), prop::bool::weighted(0.7)), 0..4), vec(1..6000_usize, 1..9));
    let test = |(damages, cuts, steps): (Vec<_>, Vec<_>, Vec<usize>)| {
        let bytes = damaged(&damages);
        let place = Place::new();
        let mut steps = steps.into_iter().cycle();
        for (number, segment) in segments(&bytes, &cuts).into_iter().enumerate() {
            if number > 0 {
                place.rotate();
            }
            let mut left = segment;
            while !left.is_empty() {
                let (now, later) = left.split_at(left.len().min(steps.next().unwrap_or(1)));
                place.append_bytes(now);
                left = later;
                used.set(
                    used.get() + u32::from(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some()),
                );
                let refreshed = place.refresh();
                prop_assert_eq!(as_text(&refreshed.baselines), place.full(BaselineBy::Skill));
                prop_assert_eq!(refreshed.notes.len(), 0);
            }
        }
        Ok(())
    };
    TestRunner::new(config).run(&cases, test).unwrap();
    assert!(used.get() > 100, "{}", used.get());
}

type Change<'c> = &'c dyn Fn(&mut Place);

#[test]
fn a_ledger_that_was_truncated_replaced_or_changed_is_read_again() {
    let kept = || {
        let mut place = Place::of(5);
        place.rotate();
        place.append(5);
        place.rotate();
        place.append(5);
        assert_eq!(place.refresh().notes.len(), 0);
        place
    };
    let sealed = |place: &Place| place.layout.sealed_segment(1);
    let changes: [(&str, Change<'_>); 10] = [
        ("cut", &|place| {
            let bytes = place.read(place.layout.active());
            let end = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
            place.write(place.layout.active(), &bytes[..end + 1]);
        }),
        ("cut, and grown to the same length by other lines", &|place| {
            let bytes = place.read(place.layout.active());
            place.link = Link::START;
            place.write(place.layout.active(), b"");
            place.append(5);
            let end = place.read(place.layout.active()).len();
            place.append_bytes(&vec![b' '; bytes.len().saturating_sub(end + 1)]);
            place.append(1);
        }),
        ("emptied, and grown again", &|place| {
            place.write(place.layout.active(), b"");
            place.append(3);
        }),
        ("another file with the same lines", &|place| {
            let bytes = place.read(place.layout.active());
            let other = place.directory.path().join("other");
            place.write(&other, &bytes);
            place.storage.rename(&other, place.layout.active()).unwrap();
        }),
        ("a sealed segment that is gone", &|place| place.storage.remove(&sealed(place)).unwrap()),
        ("a sealed segment that renumbers the active one", &|place| place.write(&place.layout.sealed_segment(7), b"")),
        ("a sealed segment that was cut", &|place| place.write(&sealed(place), b"")),
        ("a sealed segment in which a byte was changed", &|place| {
            // The pause is longer than one tick of a file system's clock.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut bytes = place.read(&sealed(place));
            let at = bytes.windows(7).position(|word| word == b"publish").unwrap();
            bytes[at] = b'P';
            place.write(&sealed(place), &bytes);
        }),
        ("a sealed segment that was replaced by an equal one", &|place| {
            let bytes = place.read(&sealed(place));
            let other = place.directory.path().join("other");
            place.write(&other, &bytes);
            place.storage.rename(&other, &sealed(place)).unwrap();
        }),
        ("the end of the chain has another number", &|place| {
            let bytes = String::from_utf8(place.read(place.layout.active())).unwrap();
            let other = bytes.replace("\"hash\":\"", "\"hash\":\"0").replace("0\"}", "\"}");
            place.write(place.layout.active(), &other.as_bytes()[..bytes.len() - 1]);
            place.append(1);
        }),
    ];
    for (what, change) in changes {
        let mut place = kept();
        change(&mut place);
        println!("{what}");
        place.assert_rebuilt(ErrorKind::Stale, CHANGED);
    }
}

/// A refresh does not notice that a line of the active segment was edited in place. `verify` notices it.
#[test]
fn a_refresh_includes_an_edit_within_the_active_segment_only_without_a_checkpoint() {
    let place = Place::of(9);
    let before = as_text(&place.refresh().baselines);
    let text = String::from_utf8(place.read(place.layout.active())).unwrap();
    place.write(place.layout.active(), text.replacen("publish", "PUBLISH", 1).as_bytes());
    assert_ne!(place.full(BaselineBy::Skill), before);
    assert_eq!(as_text(&place.refresh().baselines), before, "only new lines are read");
    assert!(!place.reader().verify(&[]).unwrap().is_clean());
    place.storage.remove(&place.checkpoint()).unwrap();
    assert_eq!(as_text(&place.refresh().baselines), place.full(BaselineBy::Skill));
}

#[test]
fn a_damaged_checkpoint_is_noticed_and_replaced() {
    let place = Place::of(30);
    place.refresh();
    let whole = place.read(&place.checkpoint());
    let begin = file::BEGINNING.len();
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        place.write(&place.checkpoint(), &bytes);
        let why = if at < begin { VERSION } else { DAMAGED };
        place.assert_rebuilt(ErrorKind::Stale, why);
    }
    for len in (0..whole.len()).step_by(97) {
        place.write(&place.checkpoint(), &whole[..len]);
        place.assert_rebuilt(ErrorKind::Stale, if len < begin { VERSION } else { DAMAGED });
        // A power cut may leave NULs in a file that was never synced.
        let nuls = [&whole[..len], &vec![0; whole.len() - len]].concat();
        place.write(&place.checkpoint(), &nuls);
        place.assert_rebuilt(ErrorKind::Stale, if len < begin { VERSION } else { DAMAGED });
    }
    assert_eq!(place.read(&place.checkpoint()), whole, "the same ledger has the same checkpoint");
}

#[test]
fn a_checkpoint_of_another_version_ledger_or_grouping_is_not_trusted() {
    let place = Place::of(9);
    place.refresh();
    let whole = place.read(&place.checkpoint());
    let number = env!("CARGO_PKG_VERSION").as_bytes();
    let at = whole.windows(number.len()).position(|word| word == number).unwrap();
    place.write(&place.checkpoint(), &[&whole[..at], b"0.0.9", &whole[at + number.len()..]].concat());
    place.assert_rebuilt(ErrorKind::Stale, VERSION);

    // With this id, the internal files seem to have been copied from another ledger.
    place.identify(2);
    place.assert_rebuilt(ErrorKind::Stale, OTHERS);

    place.refresh_by(BaselineBy::Model, 0);
    place.write(&place.checkpoint(), &place.read(&place.layout.baseline_checkpoint("model")));
    place.assert_rebuilt(ErrorKind::Stale, OTHERS);
}

#[test]
fn plain_lines_of_another_writer_have_no_checkpoint() {
    let place = Place::of(9);
    place.storage.remove(&place.layout.identity()).unwrap();
    let refreshed = place.refresh();
    assert_eq!((as_text(&refreshed.baselines), refreshed.notes.len()), (place.full(BaselineBy::Skill), 0));
    assert!(place.storage.stat(&place.checkpoint()).unwrap().is_none());
}

/// A line of another program has no hash that could be compared.
#[test]
fn no_checkpoint_ends_with_a_line_of_another_program() {
    let mut place = Place::of(9);
    place.append_bytes(b"no record\n");
    let refreshed = place.refresh();
    assert_eq!((as_text(&refreshed.baselines), refreshed.notes.len()), (place.full(BaselineBy::Skill), 0));
    assert!(place.storage.stat(&place.checkpoint()).unwrap().is_none());
    place.append(1);
    place.refresh();
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some());
}

#[test]
fn a_checkpoint_is_written_when_enough_was_read_and_not_before() {
    let mut place = Place::of(9);
    let bytes = place.read(place.layout.active()).len() as u64;
    place.refresh_by(BaselineBy::Skill, bytes + 1);
    assert!(place.storage.stat(&place.checkpoint()).unwrap().is_none());
    place.refresh_by(BaselineBy::Skill, bytes);
    let kept = place.read(&place.checkpoint());
    place.append(8);
    let refreshed = place.refresh_by(BaselineBy::Skill, bytes);
    assert_eq!(as_text(&refreshed.baselines), place.full(BaselineBy::Skill));
    assert_eq!(place.read(&place.checkpoint()), kept);
    place.rotate();
    place.append(8);
    place.refresh_by(BaselineBy::Skill, bytes);
    assert_ne!(place.read(&place.checkpoint()), kept, "the new checkpoint covers both segments");
}

#[test]
fn an_untrusted_checkpoint_is_replaced_however_little_was_read() {
    let place = Place::of(9);
    place.write(&place.checkpoint(), b"something else");
    assert_eq!(place.refresh_by(BaselineBy::Skill, u64::MAX).notes.len(), 1);
    assert_eq!(place.refresh_by(BaselineBy::Skill, u64::MAX).notes.len(), 0);
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some());
}

#[test]
fn a_half_written_checkpoint_does_no_harm() {
    let place = Place::of(9);
    let new = place.checkpoint().with_extension("new");
    place.write(&new, &vec![b'x'; 100_000]);
    assert_eq!(place.refresh().notes.len(), 0);
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some());
    assert!(place.storage.stat(&new).unwrap().is_none());

    // The new checkpoint that a living process is writing is not changed.
    place.storage.remove(&place.checkpoint()).unwrap();
    place.write(&new, b"half");
    let file = place.storage.open(&new, Access::Write).unwrap();
    assert!(file.try_lock().unwrap());
    assert_eq!(place.refresh().notes.len(), 0);
    assert_eq!(place.read(&new), b"half");
    assert!(place.storage.stat(&place.checkpoint()).unwrap().is_none());
}

/// Each thread writes checkpoints while the ledger grows.
#[test]
fn calls_at_the_same_time_do_not_disturb_each_other() {
    let mut place = Place::of(50);
    let (storage, layout) = (Arc::clone(&place.storage), place.layout.clone());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let refreshing: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let refreshed = LedgerReader::new(Arc::clone(&storage), layout.clone())
                            .refresh(BaselineBy::Environment, 0)
                            .unwrap();
                        assert_eq!(refreshed.notes.len(), 0, "{:?}", refreshed.notes);
                        let now = refreshed.baselines.get("prod").unwrap().sample_size;
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                })
            })
            .collect();
        for _ in 0..300 {
            place.append(3);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        refreshing.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(as_text(&place.refresh_by(BaselineBy::Environment, 0).baselines), place.full(BaselineBy::Environment));
}

/// The checkpoint includes a line that a later line supersedes. This is not a fault, so there is no note.
#[test]
fn a_later_line_of_a_counted_execution_replaces_the_checkpoint() {
    let mut place = Place::of(20);
    place.refresh();
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some());
    let start = Timestamp::from_unix_ms(1_770_000_000_000).unwrap();
    let record = ExecutionMetrics::new(uuid::Uuid::from_u128(3), "publish", "1.0.0", start);
    place.append_line(&record.to_json().unwrap());
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_none());
    let refreshed = place.refresh();
    assert_eq!(as_text(&refreshed.baselines), place.full(BaselineBy::Skill));
    assert_eq!(refreshed.baselines.iter().map(|(_, baseline)| baseline.sample_size).sum::<u64>(), 20);
    assert!(refreshed.notes.is_empty());
    assert!(place.file(BaselineBy::Skill).read(&place.superseded()).unwrap().is_some());
}
