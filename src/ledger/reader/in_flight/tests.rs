use super::*;
use crate::disk::Access;
use crate::{Options, Skill};

#[test]
fn the_index_and_the_lines_have_the_same_executions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().rotate_bytes(Some(1_500)).open(&path).unwrap();
    for _ in 0..12 {
        assert!(ledger.begin(Skill::new("draw", "1.0.0")).succeed().is_durable());
    }
    let reader = ledger.reader();
    let mut records: Vec<_> = reader.records().map(Result::unwrap).collect();
    records.push(ExecutionMetrics::new(Uuid::from_u128(7), "draw", "1.0.0", records[0].timestamp_start));
    let all: HashSet<_> = records.iter().map(|record| record.execution_id).collect();
    let segments = ledger.head().unwrap().segment;
    assert!(segments > 3, "{segments}");
    // The start of the second line of a segment.
    let second = |segment: u64| {
        let cursor = Cursor { segment, ..Cursor::START };
        let mut lines = Lines::resume(Arc::clone(&reader.storage), reader.layout.clone(), cursor);
        assert!(lines.next_line().unwrap().is_some());
        lines.cursor().offset
    };
    let check = || {
        for since in (0..=segments)
            .flat_map(|segment| [0, second(segment)].map(|offset| Cursor { segment, offset, ..Cursor::START }))
        {
            let pending: Vec<_> = records.iter().map(|record| Pending { since, record: record.clone() }).collect();
            let lines = Lines::resume(Arc::clone(&reader.storage), reader.layout.clone(), since);
            let expected = without_record(all.clone(), lines, &mut Vec::new()).unwrap();
            assert_eq!(reader.without_record(pending.iter(), &mut Vec::new()).unwrap(), expected, "{since:?}");
        }
    };
    check();
    reader.rebuild_index().unwrap();
    let mut missing = all.clone();
    let end = reader.remove_indexed(&mut missing, Cursor::START);
    assert_eq!((missing, end.segment), (HashSet::from([Uuid::from_u128(7)]), segments), "by the index alone");
    check();
    // Damage one index, and empty another index.
    let sealed = path.with_extension("ledger").join("sealed");
    for (name, bytes) in [("000002.index", 100), ("000001.index", 0)] {
        reader.storage.open(&sealed.join(name), Access::Append).unwrap().truncate(bytes).unwrap();
        check();
    }
}
