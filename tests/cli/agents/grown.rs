//! A session that grows between two imports is imported once. A turn is recorded when it has ended.

use runledger::import::claude_code::Session;
use runledger::import::{Import, KnownCalls, Transcript};
use runledger::{ExecutionMetrics, Timestamp};
use serde_json::{Value, json};

use super::{calling, message, prompt, read, result, tokens, with};

const SAMPLE: &str = include_str!("../../data/transcripts/claude-code.jsonl");

fn import(lines: &[Value], earlier: &[ExecutionMetrics], now: &str) -> (Vec<ExecutionMetrics>, u64) {
    let mut known = KnownCalls::default();
    earlier.iter().for_each(|record| known.learn(record));
    let mut import = Import::new(known, now.parse().unwrap());
    read(&mut Session::default(), lines, &mut import);
    (import.take_records(), import.counts().waiting)
}

#[test]
fn a_turn_waits_until_it_ends() {
    let mut lines = vec![prompt("s", 0), calling(message("s", "msg_1", "req_1", 1, 5), "t1", "Bash", json!({}))];
    let soon = "2026-11-20T12:30:00Z";
    assert_eq!(import(&lines, &[], soon), (vec![], 1));
    lines.push(result("s", "t1", 2, false));
    assert_eq!(import(&lines, &[], soon), (vec![], 1));
    // The model ends its answer.
    lines.push(message("s", "msg_2", "req_2", 3, 5));
    let (records, waiting) = import(&lines, &[], soon);
    assert_eq!((records.len(), tokens(&records), waiting), (1, (400, 10, 180, 200), 0));
    assert_eq!(import(&lines, &records, soon), (vec![], 0));
    // The next turn is the only new one.
    lines.extend([prompt("s", 10), message("s", "msg_3", "req_3", 11, 7)]);
    let (more, _) = import(&lines, &records, soon);
    assert_eq!((more.len(), tokens(&more)), (1, (200, 7, 90, 100)));
}

#[test]
fn an_idle_turn_has_ended_and_what_follows_is_recorded_too() {
    let mut lines = vec![prompt("s", 0), calling(message("s", "msg_1", "req_1", 1, 5), "t1", "Bash", json!({}))];
    assert_eq!(import(&lines, &[], "2026-11-20T12:59:59Z").1, 1);
    let (records, _) = import(&lines, &[], "2026-11-20T13:00:02Z");
    assert_eq!(records.len(), 1);
    lines.extend([result("s", "t1", 3_000, false), message("s", "msg_2", "req_2", 3_001, 6)]);
    let (more, _) = import(&lines, &records, "2026-11-20T18:00:00Z");
    assert_eq!((more.len(), tokens(&more)), (1, (200, 6, 90, 100)));
    assert_ne!(more[0].execution_id, records[0].execution_id);
}

#[test]
fn a_session_that_is_read_at_any_time_is_imported_once() {
    let lines: Vec<Value> = SAMPLE.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (whole, _) = import(&lines, &[], super::LATER);
    for end in 0..lines.len() {
        let last = lines[..end].iter().rev().find_map(|line| line["timestamp"].as_str()).unwrap_or(super::LATER);
        // If `end` is odd, the session is idle at the first import, unless `end` is within a message. A message does
        // not grow after an idle time.
        let message = |at: usize| lines.get(at).and_then(|line| line["message"]["id"].as_str());
        let is_inside = end > 0 && message(end).is_some() && message(end) == message(end - 1);
        let idle = if end % 2 == 0 || is_inside { 1_000 } else { 2 * 60 * 60 * 1_000 };
        let now = last.parse::<Timestamp>().unwrap().plus_ms(idle).to_string();
        let (mut records, _) = import(&lines[..end], &[], &now);
        let (more, _) = import(&lines, &records, super::LATER);
        records.extend(more);
        assert_eq!(tokens(&records), tokens(&whole), "after {end} lines");
        let mut ids: Vec<_> = records.iter().map(|record| record.execution_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), records.len(), "after {end} lines");
    }
}

#[test]
fn the_skill_of_a_turn_that_was_recorded_without_it_is_added() {
    let of_skill = |line: Value| with(line, &[("/attributionSkill", "pdf".into())]);
    let lines = [prompt("s", 0), message("s", "msg_1", "req_1", 1, 5), of_skill(message("s", "msg_2", "req_2", 2, 6))];
    let (records, _) = import(&lines, &[], super::LATER);
    assert_eq!(records.len(), 2);
    // An import that was killed appended only the first record.
    assert_eq!(import(&lines, &records[..1], super::LATER).0, records[1..]);
    // Each call also counts once if only the second record was appended, which does not occur.
    let (more, _) = import(&lines, &records[1..], super::LATER);
    assert_eq!((more.len(), tokens(&more)), (1, (200, 5, 90, 100)));
}

#[test]
fn the_same_session_has_the_same_records() {
    let lines: Vec<_> = SAMPLE.lines().collect();
    let read = || {
        let mut import = Import::new(KnownCalls::default(), super::LATER.parse().unwrap());
        let mut session = Session::default();
        lines.iter().for_each(|line| session.line(line.as_bytes(), &mut import));
        session.end(&mut import);
        import.take_records()
    };
    assert_eq!(read(), read());
    assert_eq!(read()[0].execution_id.to_string(), "f7da1554-3aa6-5519-96e8-61f22f2ecfb0");
}

#[test]
fn a_reader_that_goes_on_makes_the_same_records_as_a_second_import() {
    let lines: Vec<Value> = SAMPLE.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut several = 0;
    for end in 0..lines.len() {
        let (first, _) = import(&lines[..end], &[], super::LATER);
        let (second, _) = import(&lines, &first, super::LATER);
        let mut import = Import::new(KnownCalls::default(), super::LATER.parse().unwrap());
        let mut session = Session::default();
        read(&mut session, &lines[..end], &mut import);
        assert_eq!(import.take_records(), first, "after {end} lines");
        // Nothing was added yet.
        session.end(&mut import);
        assert_eq!(import.take_records(), [], "after {end} lines");
        read(&mut session, &lines[end..], &mut import);
        assert_eq!(import.take_records(), second, "after {end} lines");
        several += usize::from(!first.is_empty() && !second.is_empty());
    }
    assert!(several > 50, "{several}");
}
