use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::disk::Disk;
use crate::journal::format::identity;
use crate::journal::{Durability, Journal, JournalOptions};
use crate::metrics::{ExecutionMetrics, Timestamp};
use crate::{Answer, Ledger, Options};

/// A file that counts the reads.
#[derive(Debug)]
struct Counted {
    file: Box<dyn StorageFile>,
    reads: Arc<AtomicUsize>,
}

impl StorageFile for Counted {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.file.read_at(buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.file.try_lock_shared()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

fn append(ledger: &Ledger, ids: impl Iterator<Item = u128>) {
    let record = |id| {
        let start = Timestamp::UNIX_EPOCH;
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "draw", "1.0.0", start);
        record.timestamp_end = Some(start);
        record
    };
    let answers = ledger.append_all(&ids.map(record).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer::Flushed { .. }))));
}

/// Returns the file of the ledger's only segment, and its index. Both count their reads.
fn counted(path: &std::path::Path, reads: &Arc<AtomicUsize>) -> (Arc<dyn StorageFile>, Index) {
    let layout = Layout::new(path);
    let ledger = identity::read(&Disk, &layout).unwrap().unwrap();
    let block = Blocks::of(&Disk, &layout, u64::MAX).unwrap().next_segment().unwrap().unwrap();
    let place = Place { storage: &Disk, layout: &layout, ledger, segment: 1 };
    let index = place.open(&block).unwrap().unwrap();
    let counted = |file| Counted { file, reads: Arc::clone(reads) };
    let segment = Disk.open(path, Access::Read).unwrap();
    (Arc::new(counted(segment)), Index { file: Box::new(counted(index.file)), head: index.head })
}

fn bytes_of(place: Place<'_>) -> Vec<u8> {
    let file = Disk.open(&place.path(), Access::Read).unwrap();
    read_between(&*file, 0, file.length().unwrap()).unwrap()
}

/// The first eight bytes of all these ids are 0.
#[test]
fn a_lookup_reads_few_lines_even_if_all_ids_begin_with_the_same_bytes() {
    const COUNT: u128 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().durability(Durability::Flushed).open(&path).unwrap();
    append(&ledger, 1..=COUNT);
    ledger.reader().rebuild_index().unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let (segment, index) = counted(&path, &reads);
    let mut last = None;
    for id in 1..=COUNT {
        let offset = index.last_line_of(&segment, Uuid::from_u128(id)).unwrap().unwrap();
        assert!(offset > last, "{id}");
        last = offset;
    }
    for id in COUNT + 1..=2 * COUNT {
        assert_eq!(index.last_line_of(&segment, Uuid::from_u128(id)).unwrap(), Some(None));
    }
    // A lookup reads at most two pages. If the execution has a line, the lookup also reads this line and the byte
    // before it.
    let most = 2 * 2 * COUNT as usize + 2 * COUNT as usize;
    assert!(reads.load(Ordering::Relaxed) <= most, "{reads:?} of {most}");
}

#[test]
fn an_index_that_is_extended_knows_all_executions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().durability(Durability::Flushed).open(&path).unwrap();
    let layout = Layout::new(&path);
    let id = identity::read(&Disk, &layout).unwrap().unwrap();
    // All ids have the same key. At first, only few lines have this key, but the later lines raise their number above
    // the limit.
    let mut known = 0;
    for count in [SHARING_MAX as u128, 1, 20, 300, 700] {
        append(&ledger, known + 1..=known + count);
        known += count;
        let block = Blocks::of(&Disk, &layout, u64::MAX).unwrap().next_segment().unwrap().unwrap();
        let place = Place { storage: &Disk, layout: &layout, ledger: id, segment: 1 };
        let old = place.open(&block).unwrap().ok();
        place.build(&block, old.as_ref()).unwrap().unwrap();
        let (segment, index) = counted(&path, &Arc::default());
        let extended = bytes_of(place);
        for id in 1..=known {
            assert!(index.last_line_of(&segment, Uuid::from_u128(id)).unwrap().unwrap().is_some(), "{id}");
        }
        assert_eq!(index.last_line_of(&segment, Uuid::from_u128(known + 1)).unwrap(), Some(None));
        place.build(&block, None).unwrap().unwrap();
        assert_eq!(bytes_of(place), extended);
    }
}

/// Even if a line is not a record, a process that appends does not have to read the whole segment.
#[test]
fn an_execution_is_found_in_a_segment_that_is_not_clean() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let open = || Options::new().durability(Durability::Flushed).open(&path).unwrap();
    append(&open(), 1..1_000);
    let options = JournalOptions::new(Arc::new(|| 0)).durability(Durability::Flushed);
    Journal::open(&path, options).unwrap().append(br#"{"not": "a record"}"#).unwrap();
    append(&open(), 1_000..2_000);
    let ledger = open();
    assert_eq!(ledger.reader().rebuild_index().unwrap().unclean, [1]);
    let reads = Arc::default();
    let (segment, index) = counted(&path, &reads);
    assert!(index.covers().is_none());
    assert_eq!(
        index.has_executions_until().map(|(last, end)| (last.seq, end)),
        Some((2_000, segment.length().unwrap()))
    );
    reads.store(0, Ordering::Relaxed);
    for id in [1, 999, 1_000, 1_999] {
        let offset = index.last_line_of(&segment, Uuid::from_u128(id)).unwrap().unwrap().unwrap();
        assert_eq!(id_at(&segment, offset), Some(Uuid::from_u128(id)));
    }
    assert_eq!(index.last_line_of(&segment, Uuid::from_u128(2_000)).unwrap(), Some(None));
    assert!(reads.load(Ordering::Relaxed) < 60, "{reads:?}");
    // The ledger finds the execution, and readers return all records.
    let recorded = ledger.recorded(Uuid::from_u128(7)).unwrap().map(|(seq, _)| seq);
    assert_eq!(recorded, Some(7));
    let mut records = ledger.reader().records();
    assert_eq!(records.by_ref().filter(Result::is_ok).count(), 1_999);
    // After a recovery that removes lines, the index that was built before does not match.
    let file = Disk.open(&path, Access::Append).unwrap();
    file.truncate(file.length().unwrap() - 1).unwrap();
    let layout = Layout::new(&path);
    let block = Blocks::of(&Disk, &layout, u64::MAX).unwrap().next_segment().unwrap().unwrap();
    let id = identity::read(&Disk, &layout).unwrap().unwrap();
    let place = Place { storage: &Disk, layout: &layout, ledger: id, segment: 1 };
    assert_eq!(place.open(&block).unwrap().err(), Some(Unusable::Stale));
}
