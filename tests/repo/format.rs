//! Promise: the files of a ledger are, byte for byte, what the page on the format says. A ledger in any released format
//! can be read and appended to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runledger::journal::{Journal, JournalOptions};
use runledger::{
    Answer, ExecutionMetrics, Head, Ledger, LedgerReader, Options, Skill, Timestamp, Usage, Uuid, Verification,
    hash_bytes,
};
use serde_json::Value;

const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const HEADER_BYTES: usize = 4096;
const AREA_BYTES: usize = 1024 * 1024;
const SLOT_BYTES: usize = 1024;

fn record(number: u128) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "s", "1.0.0", Timestamp::UNIX_EPOCH);
    record.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    record
}

fn machinery(path: &Path) -> PathBuf {
    path.with_extension("ledger")
}

/// Returns the only file in a directory.
fn only(directory: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// The parts of a sealed line that the page describes. `prev` is the hash of the line before.
struct Sealed {
    payload: Value,
    seq: u64,
    prev: String,
    hash: String,
}

/// Reads a sealed line as the page describes it, and checks its hash.
fn sealed(line: &str) -> Sealed {
    let (hashed, hash) = line.strip_suffix("\"}").unwrap().rsplit_once(",\"hash\":\"").unwrap();
    assert_eq!(hash_bytes(hashed), hash, "{line}");
    let (rest, prev) = hashed.strip_suffix('"').unwrap().rsplit_once(",\"prev\":\"").unwrap();
    let (payload, seq) = rest.rsplit_once(",\"seq\":").unwrap();
    Sealed {
        payload: serde_json::from_str(&format!("{payload}}}")).unwrap(),
        seq: seq.parse().unwrap(),
        prev: prev.to_owned(),
        hash: hash.to_owned(),
    }
}

fn first_line(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    std::str::from_utf8(&bytes[..end]).unwrap()
}

#[test]
fn every_file_matches_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jsonl");
    for number in 1..=2 {
        assert!(matches!(Ledger::open(&path).unwrap().append(&record(number)), Ok(Answer::Durable { .. })));
    }
    // The base is at the end of the two lines.
    let day = Timestamp::from_unix_ms(1_771_079_000_000).unwrap();
    let ledger = Options::new().clock(move || day).lock_deadline(Duration::from_millis(20)).open(&path).unwrap();
    let base = fs::read(&path).unwrap().len();
    assert!(matches!(ledger.append(&record(3)), Ok(Answer::Durable { seq: 3 })));

    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().map(sealed).collect();
    let chain: Vec<_> = lines.iter().map(|line| (line.seq, line.prev.as_str())).collect();
    assert_eq!(chain, [(1, START), (2, lines[0].hash.as_str()), (3, lines[1].hash.as_str())]);
    assert_eq!(lines[2].payload["execution_id"], record(3).execution_id.to_string());

    let identity = fs::read_to_string(machinery(&path).join("ledger.json")).unwrap();
    let id = ledger.head().unwrap().ledger;
    assert_eq!(identity, format!("{{\"format\":1,\"id\":\"{id}\",\"file\":\"x.jsonl\"}}"));

    let commit = fs::read(machinery(&path).join("commit")).unwrap();
    assert_eq!(commit.len(), HEADER_BYTES + AREA_BYTES);
    let header = first_line(&commit);
    assert!(commit[header.len() + 1..HEADER_BYTES].iter().all(|&byte| byte == 0));
    let prefix = format!("{{\"ledger\":\"{id}\",\"segment\":1,\"base\":{base},\"stray\":0,\"day\":");
    assert!(header.starts_with(&prefix), "{header}");
    let header = sealed(header);
    assert_eq!((header.seq, &header.prev), (3, &lines[1].hash));
    assert_eq!(commit[HEADER_BYTES..][..text.len() - base], text.as_bytes()[base..]);

    assert_eq!(fs::read(machinery(&path).join("lock")).unwrap(), b"");

    let run = ledger.begin(Skill::new("begun", "1.0.0"));
    let slots = only(&machinery(&path).join("inflight"));
    assert_eq!(slots.extension().unwrap(), "slots");
    let bytes = fs::read(&slots).unwrap();
    let owner = sealed(first_line(&bytes));
    assert_eq!((owner.seq, owner.prev.as_str()), (1, START));
    assert_eq!(owner.payload["pid"], std::process::id());
    for key in ["start", "boot", "namespace"] {
        assert_eq!(owner.payload.get(key).is_some_and(|value| !value.is_null()), cfg!(target_os = "linux"), "{key}");
    }
    let mark = sealed(first_line(&bytes[SLOT_BYTES..]));
    assert_eq!((&mark.payload["segment"], &mark.payload["offset"]), (&1.into(), &text.len().into()));
    assert_eq!(mark.payload["record"]["execution_id"], run.id().to_string());
    assert_eq!(mark.payload["record"]["skill_name"], "begun");
    assert!(run.succeed().is_durable());
    assert_eq!(fs::read(&slots).unwrap()[SLOT_BYTES], b' ');

    // While another process holds the lock, a record is spilled.
    let lock = fs::File::open(machinery(&path).join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(ledger.append(&record(4)), Ok(Answer::Spilled(_))));
    let spill = only(&machinery(&path).join("spill"));
    assert_eq!(spill.file_stem(), slots.file_stem());
    let spilled = fs::read_to_string(&spill).unwrap();
    let spilled = sealed(spilled.strip_prefix('\n').unwrap().strip_suffix('\n').unwrap());
    assert_eq!((spilled.seq, spilled.prev.as_str()), (1, START));
    assert_eq!(spilled.payload["record"]["execution_id"], record(4).execution_id.to_string());
    lock.unlock().unwrap();
    assert!(matches!(ledger.append(&record(5)), Ok(Answer::Durable { .. })));

    let events = fs::read_to_string(machinery(&path).join("events.jsonl")).unwrap();
    let kinds: Vec<_> = events
        .lines()
        .map(|line| {
            assert!(line.starts_with("{\"at\":\"2026-02-14T14:23:20.000Z\",\"event\":\""), "{line}");
            serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["spilled", "returned"]);
    assert!(LedgerReader::open(&path).unwrap().verify(&[]).unwrap().is_clean());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

/// Two segments that version 0.1.0 wrote, without their commit area, which is created again.
#[test]
fn a_ledger_of_format_1_is_read_and_continues() {
    let directory = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1"), directory.path());
    let path = directory.path().join("x.jsonl");
    let head: Head = serde_json::from_slice(&fs::read(directory.path().join("head.json")).unwrap()).unwrap();
    let check = |found: Verification, lines| {
        assert!(found.is_clean(), "{:?}", found.faults);
        assert_eq!((found.lines, found.segments), (lines, 2));
    };
    check(LedgerReader::open(&path).unwrap().verify(std::slice::from_ref(&head)).unwrap(), 4);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.head().unwrap(), head);
    let skills: Vec<_> = ledger.reader().records().map(|record| record.unwrap().skill_name).collect();
    assert_eq!(skills, ["summarise", "publish", "summarise", "publish"]);
    assert!(matches!(ledger.append(&record(5)), Ok(Answer::Durable { seq: 5 })));
    check(LedgerReader::open(&path).unwrap().verify(&[head]).unwrap(), 5);
}

/// Reads the index of a sealed segment as the page describes it. Checks the offsets against the segment.
#[test]
fn an_index_is_what_the_page_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jsonl");
    let ledger = Ledger::open(&path).unwrap();
    // A journal does not compare ids.
    let options = JournalOptions::new(std::sync::Arc::new(|| 0)).rotate_bytes(Some(320_000));
    let journal = Journal::open(&path, options).unwrap();
    for number in 1..=450_u128 {
        // Every tenth execution has a second record in the next line.
        let id = if number % 10 == 2 { number - 1 } else { number };
        // Some ids have the same first half.
        let id = match number {
            101..=112 => 7 << 64 | id,
            _ => id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834),
        };
        let mut record = record(id);
        record.run.run_id = (number % 3 == 0).then(|| format!("run-{}", number % 30));
        record.run.parent_run_id = (number % 6 == 0).then(|| "run-1".to_owned());
        record.run.parent_execution_id = (number % 4 == 0).then(|| Uuid::from_u128(number << 64));
        if number % 5 == 0 {
            record.set_usage("m", &Usage::new(1, 2));
        }
        journal.append(record.to_json().unwrap().as_bytes()).unwrap();
    }
    LedgerReader::open(&path).unwrap().rebuild_index().unwrap();
    let segment = machinery(&path).join("sealed/000001.jsonl");
    let (bytes, text) = (fs::read(segment.with_extension("index")).unwrap(), fs::read_to_string(&segment).unwrap());
    let number =
        |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    assert_eq!((&bytes[..8], number(8, 4)), (b"rl-index".as_slice(), 4));
    assert_eq!(&bytes[16..32], ledger.head().unwrap().ledger.as_bytes());
    let lines: Vec<_> = text.lines().collect();
    let (first, last) = (sealed(lines[0]), sealed(lines[lines.len() - 1]));
    assert_eq!((number(32, 8), number(40, 8), number(72, 4), number(76, 4)), (1, text.len() as u64, 1, 8));
    assert_eq!((number(80, 8), number(88, 8)), (first.seq, last.seq));
    assert_eq!((&bytes[96..160], &bytes[160..224]), (first.prev.as_bytes(), last.hash.as_bytes()));
    let mut tables = 224 + 8 * 24;
    let mut end = number(12, 4) as usize;
    let mut kinds = Vec::new();
    for at in (224..tables).step_by(24) {
        let (kind, pages) = (number(at, 4), number(at + 4, 4) as usize);
        let (start, len) = (number(at + 8, 8) as usize, number(at + 16, 8) as usize);
        assert_eq!((start, pages), (end, len.div_ceil(340 * 12)));
        kinds.push(kind);
        end += len;
        if !(5..=6).contains(&kind) {
            for page in 0..pages {
                assert_eq!(number(tables + 16 * page, 8), number(start + page * 340 * 12, 8));
            }
            let entries: Vec<_> = (start..end).step_by(12).map(|at| (number(at, 8), number(at + 8, 4))).collect();
            assert_eq!(entries, entries_of(kind, &text));
            assert!(kind != 8 || entries.len() == 12);
        } else {
            let expected = if kind == 5 { b"\x01s\x01m".to_vec() } else { rows_of(&lines) };
            assert_eq!(bytes[start + 2..][..number(start, 2) as usize], expected);
        }
        tables += 16 * pages;
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((tables + 8, end), (number(12, 4) as usize, bytes.len()));
}

/// Returns the rows that the page describes: one of the executions without a model, and one of the others.
fn rows_of(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let push = |bytes: &mut Vec<u8>, number: usize| match number {
        0..0x80 => bytes.push(number as u8),
        _ => bytes.extend([number as u8 | 0x80, (number >> 7) as u8]),
    };
    let used = lines.iter().filter(|line| line.contains("\"tokens_used\":3")).count();
    bytes.extend([0, 0, 0, 0, 0]);
    push(&mut bytes, lines.len() - used);
    // The model has the number 1, so m is 2. Two token counts and their sum are known. The cost and the cached tokens
    // are unknown.
    let known = 1 << 2 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 11 | 1_u16 << 12;
    bytes.extend([0, 0, 2 * 2 + 3]);
    bytes.extend(known.to_le_bytes());
    for number in [used, used, used, used, used, 2 * used, 3 * used] {
        push(&mut bytes, number);
    }
    bytes
}

/// Returns the entries that the page describes for the lines in `text`.
fn entries_of(kind: u64, text: &str) -> Vec<(u64, u64)> {
    let mut entries = Vec::new();
    let mut hours = std::collections::BTreeMap::new();
    let id_of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["execution_id"].clone();
    let lines: Vec<_> = text.lines().collect();
    let half_of = |line: &str| id_of(line).as_str().map(|id| id[..18].to_owned());
    for (at, line) in lines.iter().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        let has_later = lines[at + 1..].iter().take(1).any(|later| id_of(later) == value["execution_id"]);
        let offset = line.as_ptr() as u64 - text.as_ptr() as u64;
        let run = &value["run"];
        let id = |id: &Value| id.as_str().map(|id| id.replace('-', ""));
        let hexes = match kind {
            1 => vec![id(&value["execution_id"])],
            2 => ["run_id", "parent_run_id"].map(|key| run[key].as_str().map(hash_bytes)).into(),
            7 => vec![id(&value["execution_id"]).filter(|_| has_later)],
            3 => vec![id(&run["parent_execution_id"]).filter(|_| run["run_id"].is_null())],
            _ => vec![],
        };
        let keys = hexes.into_iter().flatten().map(|hex| u64::from_str_radix(&hex[..16], 16).unwrap());
        entries.extend(keys.map(|key| (key, offset)));
        if kind == 8 && lines.iter().filter(|other| half_of(other) == half_of(line)).count() > 8 {
            let (high, low) = Uuid::parse_str(value["execution_id"].as_str().unwrap()).unwrap().as_u64_pair();
            let [high, low] = [high, low].map(|half| half.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
            entries.push((high << 32 | low | 1, offset));
        }
        let start: Timestamp = value["timestamp_start"].as_str().unwrap().parse().unwrap();
        let key = start.unix_ms().div_euclid(3_600_000).cast_unsigned() ^ 1 << 63;
        let lines = hours.entry(key).or_insert((offset, 0));
        lines.1 = offset + line.len() as u64 + 1;
    }
    if kind == 4 {
        entries.extend(hours.into_iter().flat_map(|(key, (first, end))| [(key, first), (key, end)]));
    }
    entries.sort_unstable();
    entries
}
