//! Promise: a record that is appended twice is stored once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Barrier};

use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::{CostProvenance, CostSource, CostTier, Status};
use runledger::{Answer, ErrorKind, ExecutionMetrics, Ledger, Options, Usd, Uuid};

fn record(id: Uuid) -> ExecutionMetrics {
    let start = "2026-02-14T14:23:00Z".parse().unwrap();
    let mut record = ExecutionMetrics::new(id, "git-push-autonomous", "0.1.0", start);
    record.timestamp_end = Some("2026-02-14T14:23:05Z".parse().unwrap());
    record.set_status(Status::Success);
    record
}

fn numbered(number: u128) -> ExecutionMetrics {
    record(Uuid::from_u128(number))
}

/// Returns what `append` answered, as text.
fn append(ledger: &Ledger, record: &ExecutionMetrics) -> String {
    match ledger.append(record) {
        Ok(Answer::Durable { seq }) => format!("durable {seq}"),
        Ok(Answer::Duplicate { seq }) => format!("duplicate {seq}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.details()),
        other => panic!("{other:?}"),
    }
}

/// Returns the number of lines. A reader of records would count each execution once.
fn count(path: &Path) -> u64 {
    runledger::LedgerReader::open(path).unwrap().verify(&[]).unwrap().lines
}

#[test]
fn the_same_record_is_stored_once_before_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(append(&ledger, &numbered(1)), "durable 1");
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 1");
    // Another process has another list of ids.
    let other = Ledger::open(&path).unwrap();
    assert_eq!(append(&other, &numbered(1)), "duplicate 1");
    assert_eq!(append(&other, &numbered(2)), "durable 2");
    assert_eq!(append(&ledger, &numbered(2)), "duplicate 2");
    drop((ledger, other));
    assert_eq!(append(&Ledger::open(&path).unwrap(), &numbered(2)), "duplicate 2");
    assert_eq!(count(&path), 2);
}

#[test]
fn a_record_with_the_same_id_and_other_content_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(append(&ledger, &numbered(7)), "durable 1");
    let mut other = numbered(7);
    other.tokens_input = Some(5);
    other.skill_version = "0.2.0".to_owned();
    let error = ledger.append(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.details(),
        [
            "line 1 has a different record with the execution_id 00000000-0000-0000-0000-000000000007. Nothing was \
             written",
            "skill_version: the ledger has \"0.1.0\", the new record has \"0.2.0\"",
            "tokens_input: the ledger has null, the new record has 5",
        ]
    );
    assert_eq!(count(&path), 1);
}

#[test]
fn records_of_one_call_are_compared_with_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    let mut other = numbered(1);
    other.skill_version = "0.2.0".to_owned();
    let answers = ledger.append_all(&[numbered(1), numbered(2), numbered(1), other, numbered(3)]);
    assert!(matches!(answers[0], Ok(Answer::Durable { seq: 1 })), "{answers:?}");
    assert!(matches!(answers[1], Ok(Answer::Durable { seq: 2 })), "{answers:?}");
    assert!(matches!(answers[2], Ok(Answer::Duplicate { seq: 1 })), "{answers:?}");
    assert!(answers[3].as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict), "{answers:?}");
    assert!(matches!(answers[4], Ok(Answer::Durable { seq: 3 })), "{answers:?}");
    assert_eq!(count(&path), 3);
}

#[test]
fn a_final_record_replaces_an_interrupted_one_and_never_the_other_way_round() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    let (last, mut interrupted) = (numbered(1), numbered(1));
    interrupted.set_status(Status::Interrupted);
    assert_eq!(append(&ledger, &interrupted), "durable 1");
    assert_eq!(append(&ledger, &interrupted), "duplicate 1");
    assert_eq!(append(&ledger, &last), "durable 2");
    assert_eq!(append(&ledger, &interrupted), "duplicate 2");
    assert_eq!(append(&ledger, &last), "duplicate 2");
    assert_eq!(ledger.reader().find(last.execution_id).unwrap(), Some(last));
}

#[test]
fn a_computed_cost_is_not_compared() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path().join("log.jsonl")).unwrap();
    let priced = |usd: &str, source| {
        let mut record = numbered(1);
        record.cost_usd = Some(usd.parse::<Usd>().unwrap());
        record.cost_tier = Some(CostTier::Standard);
        let mut cost = CostProvenance::default();
        cost.source = Some(source);
        record.cost = cost;
        record
    };
    assert_eq!(append(&ledger, &priced("0.1", CostSource::Computed)), "durable 1");
    assert_eq!(append(&ledger, &priced("0.2", CostSource::Computed)), "duplicate 1");
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 1");
    let stated = ledger.append(&priced("0.1", CostSource::Reported)).unwrap_err();
    assert_eq!(stated.kind(), ErrorKind::Conflict);
}

/// The ids are in no order. The records are appended again before all indexes were built, after that, and after each
/// index was damaged.
#[test]
fn records_of_sealed_segments_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let open = || Options::new().rotate_bytes(Some(4_000)).open(&path).unwrap();
    let ids: Vec<_> =
        (1..=400_u128).map(|at| Uuid::from_u128(at.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))).collect();
    let ledger = open();
    for id in &ids {
        assert!(append(&ledger, &record(*id)).starts_with("durable"));
    }
    let sealed = path.with_extension("ledger").join("sealed");
    let segments = std::fs::read_dir(&sealed).unwrap().count();
    // The files of so many segments do not stay open.
    assert!(segments > 70, "{segments}");
    let all_are_known = |ledger: &Ledger| {
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(append(ledger, &record(*id)), format!("duplicate {}", at + 1));
        }
    };
    all_are_known(&ledger);
    ledger.reader().rebuild_index().unwrap();
    all_are_known(&open());
    for entry in std::fs::read_dir(&sealed).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|end| end == "index") {
            let mut bytes = std::fs::read(&file).unwrap();
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
    }
    all_are_known(&open());
    assert_eq!(count(&path), 400);
}

/// Threads of several handles append the same records at the same time.
#[test]
fn threads_that_append_the_same_records_store_each_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledgers: Vec<_> = (0..4).map(|_| Ledger::open(&path).unwrap()).collect();
    let barrier = Arc::new(Barrier::new(16));
    let durable: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (ledger, barrier) = (ledgers[thread % 4].clone(), Arc::clone(&barrier));
                scope.spawn(move || {
                    barrier.wait();
                    let mut durable = Vec::new();
                    for number in 0..200 {
                        match ledger.append(&numbered(number + 1)).unwrap() {
                            Answer::Durable { seq } => durable.push(seq),
                            Answer::Duplicate { .. } => {}
                            other => panic!("{other:?}"),
                        }
                    }
                    durable
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(durable.len(), 200);
    assert_eq!(durable.iter().copied().collect::<BTreeSet<_>>(), (1..=200).collect());
    assert_eq!(count(&path), 200);
}

/// Another program appends bytes to the segment, before or after a ledger reads the ids. The next append removes the
/// bytes in a recovery.
#[test]
fn records_are_known_after_a_recovery_has_cut_the_segment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    assert_eq!(append(&Ledger::open(&path).unwrap(), &numbered(1)), "durable 1");
    for at_open in [true, false] {
        let tear = || {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"not a line\n").unwrap();
        };
        if !at_open {
            tear();
        }
        let ledger = Options::new().wait_at_open(false).on_warning(|_| ()).open(&path).unwrap();
        if at_open {
            assert_eq!(append(&ledger, &numbered(1)), "duplicate 1");
            tear();
        }
        let (id, seq) = if at_open { (2, 2) } else { (3, 3) };
        assert_eq!(append(&ledger, &numbered(id)), format!("durable {seq}"));
        assert_eq!(append(&ledger, &numbered(id)), format!("duplicate {seq}"));
    }
    assert_eq!(count(&path), 3);
}

#[test]
fn a_record_whose_segment_was_archived_is_appended_again_and_not_spilled() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().rotate_bytes(Some(1)).open(&path).unwrap();
    (1..=3).for_each(|id| assert_eq!(append(&ledger, &numbered(id)), format!("durable {id}")));
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 1");
    Ledger::open(&path).unwrap().archive_segments(1, directory.path().join("archive")).unwrap();
    assert_eq!(append(&ledger, &numbered(1)), "durable 4");
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 4");
}

/// Replaces a word in a line of the ledger by another one of the same length, so that the hash of the line is wrong.
fn damage(path: &Path, line: usize, (from, to): (&str, &str)) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[line - 1] = lines[line - 1].replace(from, to);
    assert_eq!(lines.join("\n").len() + 1, text.len());
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_damaged_line_is_not_the_line_of_its_execution() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let open = || Options::new().on_warning(|_| ()).open(&path).unwrap();
    let mut interrupted = numbered(2);
    interrupted.set_status(Status::Interrupted);
    interrupted.timestamp_end = None;
    let ledger = open();
    assert_eq!(append(&ledger, &numbered(1)), "durable 1");
    assert_eq!(append(&ledger, &interrupted), "durable 2");
    assert_eq!(append(&ledger, &numbered(2)), "durable 3");
    assert_eq!(append(&ledger, &numbered(4)), "durable 4");
    drop(ledger);
    damage(&path, 1, ("git-push", "git-pull"));
    damage(&path, 3, ("git-push", "git-pull"));
    let ledger = open();
    assert_eq!(append(&ledger, &numbered(4)), "duplicate 4");
    assert_eq!(append(&ledger, &interrupted), "duplicate 2");
    assert_eq!(append(&ledger, &numbered(1)), "durable 5");
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 5");
    // The damaged line does not hide the line before it, which this record replaces.
    assert_eq!(append(&ledger, &numbered(2)), "durable 6");
    assert_eq!(append(&ledger, &numbered(2)), "duplicate 6");
    drop(ledger);
    assert_eq!(append(&open(), &interrupted), "duplicate 6");
}

/// A reader counts no execution in such a line. So the record is not stored yet.
#[test]
fn a_record_replaces_a_line_that_has_its_id_but_is_not_a_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let journal = Journal::open(&path, JournalOptions::new(Arc::new(|| 0))).unwrap();
    let id = Uuid::from_u128(1);
    journal.append(format!("{{\"execution_id\":\"{id}\",\"skill_name\":7}}").as_bytes()).unwrap();
    drop(journal);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(append(&ledger, &numbered(1)), "durable 2");
    assert_eq!(append(&ledger, &numbered(1)), "duplicate 2");
    let spilled = std::fs::read_dir(path.with_extension("ledger").join("spill")).unwrap().count();
    assert_eq!((spilled, count(&path)), (0, 2));
    let records: Vec<_> = ledger.reader().records().filter_map(Result::ok).collect();
    assert_eq!(records, [numbered(1)]);
}

/// A record that was stored next to the ledger is appended in any case, because its caller was answered that it is stored.
#[test]
fn a_stored_record_that_differs_from_the_ledgers_is_appended_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let fallback = runledger::ledger::Fallback::new(directory.path().join("spill"));
    let execution = fallback.begin(&path, runledger::Skill::new("publish", "1.0.0")).unwrap();
    let id = execution.id();
    execution.finish(Status::Success).unwrap();

    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&warnings);
    let hook = move |error: &runledger::Error| heard.lock().unwrap().push(error.clone());
    let ledger = runledger::Options::new().on_warning(hook).open(&path).unwrap();
    let mut other = numbered(1);
    other.execution_id = id;
    assert_eq!(append(&ledger, &other), "durable 1");
    assert_eq!(ledger.take_back(&fallback).unwrap(), 1);
    assert_eq!(count(&path), 2);
    let warnings = warnings.lock().unwrap();
    let [error] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().starts_with("cannot store only one record of an execution: "), "{error}");
    assert_eq!(
        error.details()[0],
        format!(
            "line 1 has a different record with the execution_id {id}. The new record was appended too, because an \
             earlier call already answered that it is stored"
        )
    );
}

/// A recovery removes the line of another program, which an append may have read before.
#[test]
fn a_record_after_the_removed_line_of_another_program_is_known() {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.jsonl");
    let ledger = Options::new().on_warning(|_| ()).open(&path).unwrap();
    assert_eq!(append(&ledger, &numbered(1)), "durable 1");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(format!("{}\n", "g".repeat(300)).as_bytes()).unwrap();
    // After a second, an append reads the lines of others before it takes the lock.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(append(&ledger, &numbered(2)), "durable 2");
    assert_eq!(append(&ledger, &numbered(3)), "durable 3");
    assert_eq!(append(&ledger, &numbered(2)), "duplicate 2");
}

/// Another program copies a line of another ledger into a segment. Its number belongs to another line, so readers skip it,
/// and `verify` reports it. So the record of the copied line is not stored yet.
#[test]
fn a_record_whose_line_was_copied_from_another_ledger_is_not_stored_yet() {
    let directory = tempfile::tempdir().unwrap();
    let [path, other] = ["log.jsonl", "other.jsonl"].map(|name| directory.path().join(name));
    let open = || Options::new().on_warning(|_| ()).open(&path).unwrap();
    for (path, ids) in [(&path, 1..=5), (&other, 11..=12)] {
        let ledger = Ledger::open(path).unwrap();
        ids.for_each(|id| _ = ledger.append(&numbered(id)).unwrap());
    }
    let [own, copied] = [&path, &other].map(|path| std::fs::read_to_string(path).unwrap());
    let mut lines: Vec<_> = own.lines().collect();
    lines.insert(3, copied.lines().nth(1).unwrap());
    // A copy of an own line, in the same segment, changes nothing.
    lines.insert(5, own.lines().next().unwrap());
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let faults = runledger::LedgerReader::open(&path).unwrap().verify(&[]).unwrap().faults;
    assert_eq!(faults.iter().map(|fault| fault.seq).collect::<Vec<_>>(), [Some(2), Some(1)]);

    let ledger = open();
    assert_eq!(append(&ledger, &numbered(12)), "durable 6");
    for id in [1, 2, 5, 12] {
        assert!(append(&ledger, &numbered(id)).starts_with("duplicate"), "{id}");
    }
    drop(ledger);
    let ledger = open();
    assert_eq!(append(&ledger, &numbered(12)), "duplicate 6");
    let ids: Vec<_> = ledger.reader().records().map(|record| record.unwrap().execution_id.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 12]);
}
