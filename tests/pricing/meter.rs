//! Promise: what a running session has used counts once in a quota. This holds however many processes read the
//! session's file, in whatever parts they read it, and even if some of them are killed.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use runledger::Timestamp;
use runledger::import::claude_code::Session;
use runledger::import::codex::Rollout;
use runledger::import::{Import, KnownCalls, MeterFormat, SessionMeter, Transcript};
use runledger::metrics::LlmCall;
use runledger::quota::{Limits, Quota, Reading, ReadingUse};

use crate::children::budgets::quota_in;
use crate::children::clock::FakeClock;
use crate::children::place::{Place, until};
use crate::children::{Random, seed, task};

fn tokens(call: &LlmCall) -> Option<u64> {
    call.tokens_input?.checked_add(call.tokens_output?)
}

/// Returns a line of Claude Code for a message. `blocks` is the number of lines of the message before it.
fn claude(number: u32, blocks: u32, is_side: bool) -> String {
    let (request, output) = (if is_side { "side" } else { "main" }, 10 + 5 * blocks);
    let advisor = r#"{"type":"advisor_message","model":"claude-haiku-4-5","input_tokens":3,"output_tokens":4}"#;
    let iterations = if number.is_multiple_of(5) { format!(r#","iterations":[{advisor}]"#) } else { String::new() };
    let model = if number % 11 == 10 { "<synthetic>" } else { "claude-opus-4-5" };
    format!(
        r#"{{"type":"assistant","sessionId":"s-1","isSidechain":{is_side},"requestId":"{request}-{number}","timestamp":"2026-02-14T11:{:02}:00Z","message":{{"id":"msg_{number}","model":"{model}","content":[{{"type":"text","text":"a secret"}}],"usage":{{"input_tokens":{number},"cache_read_input_tokens":90,"output_tokens":{output}{iterations}}}}}}}"#,
        number % 60
    ) + "\n"
}

/// Returns the file of a session: messages of one to three lines, some of which a sub-agent repeats, and other lines.
fn transcript(messages: u32) -> String {
    let mut text = String::new();
    let user = |number: u32, content: &str| {
        let at = number % 60;
        format!(
            r#"{{"type":"user","sessionId":"s-1","timestamp":"2026-02-14T11:{at:02}:00Z","message":{{"content":{content}}}}}"#
        ) + "\n"
    };
    for number in 0..messages {
        text += &user(number, r#""another secret""#);
        for block in 0..=number % 3 {
            text += &claude(number, block, false);
            text += &user(number, r#"[{"type":"tool_result","tool_use_id":"t","content":"a third secret"}]"#);
        }
        if number % 4 == 1 {
            text += &claude(number, 2, true);
        }
        // The line of another session, which a resumed session copies.
        text += &claude(number + 1_000, 0, false).replace("s-1", "s-0");
    }
    text
}

/// Returns a rollout of Codex: each total is repeated once, and a new turn begins with every fourth call.
fn rollout(calls: u64) -> String {
    let line = |kind: &str, payload: &str| {
        format!(r#"{{"timestamp":"2026-02-14T11:00:00Z","type":"{kind}","payload":{payload}}}"#) + "\n"
    };
    let mut text = line("session_meta", r#"{"id":"c-1","cli_version":"1"}"#);
    for number in 1..=calls {
        if number % 4 == 1 {
            text += &line("turn_context", r#"{"model":"gpt-5"}"#);
            text += &line("event_msg", r#"{"type":"user_message","message":"a secret"}"#);
        }
        let total = number * (number + 1) / 2;
        let last = if number.is_multiple_of(3) {
            String::new()
        } else {
            format!(r#","last_token_usage":{{"input_tokens":{number},"output_tokens":0,"total_tokens":{number}}}"#)
        };
        let count = format!(
            r#"{{"type":"token_count","info":{{"total_token_usage":{{"input_tokens":{total},"output_tokens":0,"total_tokens":{total}}}{last}}}}}"#
        );
        text += &line("event_msg", &count).repeat(2);
        if number.is_multiple_of(7) {
            text += &line(
                "token_usage_record",
                &format!(r#"{{"response_id":"r{number}","usage":{{"input_tokens":1000,"output_tokens":1}}}}"#),
            );
            text += &line("compacted", &format!(r#"{{"compaction_response_id":"r{number}"}}"#));
        }
    }
    text
}

/// Returns the tokens of all calls that an import finds in the file, or of those of `session`.
fn imported(mut reader: impl Transcript, text: &str, session: Option<&str>) -> u64 {
    let mut import = Import::new(KnownCalls::default(), "2026-03-01T00:00:00Z".parse().unwrap());
    text.lines().for_each(|line| reader.line(line.as_bytes(), &mut import));
    reader.end(&mut import);
    let records = import.take_records();
    let own = records.iter().filter(|record| session.is_none() || record.run.session_id.as_deref() == session);
    own.flat_map(|record| &record.trace.llm_calls).map(|call| tokens(call).unwrap()).sum()
}

/// Reads `text` in parts that end at `ends`, each part with a new reader. Returns the number of all tokens, and the
/// length of the longest state.
fn metered(format: MeterFormat, session: Option<&str>, text: &str, ends: &[usize]) -> (u64, usize) {
    let (mut state, mut from, mut sum, mut longest) = (String::new(), 0, 0, 0);
    for &end in ends.iter().chain([&text.len()]) {
        while from < end {
            let mut meter = SessionMeter::new(format, session, &state);
            let read = meter.read(&text.as_bytes()[from..end], tokens);
            if read.bytes == 0 {
                break;
            }
            from += read.bytes;
            sum += read.uses.iter().map(|used| used.amount).sum::<u64>();
            state = meter.state();
            longest = longest.max(state.len());
        }
    }
    assert_eq!(from, text.len());
    assert!(!state.contains("secret"), "{state}");
    (sum, longest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_parts_of_a_transcript_add_up_to_what_an_import_finds(
        messages in 1_u32..40, ends in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text = transcript(messages);
        let mut ends: Vec<_> = ends.iter().map(|end| end.index(text.len())).collect();
        ends.sort_unstable();
        let (sum, state) = metered(MeterFormat::ClaudeCode, Some("s-1"), &text, &ends);
        prop_assert_eq!(sum, imported(Session::default(), &text, Some("s-1")));
        prop_assert!(state < 1_024, "{} bytes", state);
    }

    #[test]
    fn any_parts_of_a_rollout_add_up_to_what_an_import_finds(
        calls in 1_u64..60, ends in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text = rollout(calls);
        let mut ends: Vec<_> = ends.iter().map(|end| end.index(text.len())).collect();
        ends.sort_unstable();
        let (sum, state) = metered(MeterFormat::Codex, None, &text, &ends);
        prop_assert_eq!(sum, imported(Rollout::new("c-1"), &text, Some("c-1")));
        prop_assert!(state < 2_048, "{} bytes", state);
    }
}

/// Real files, whose texts were replaced.
#[test]
fn the_lines_of_real_sessions_add_up_to_what_an_import_finds() {
    let claude = include_str!("../data/transcripts/claude-code.jsonl");
    let codex = include_str!("../data/transcripts/codex-rollout.jsonl");
    for (format, text, expected) in [
        (MeterFormat::ClaudeCode, claude, imported(Session::default(), claude, None)),
        (MeterFormat::Codex, codex, imported(Rollout::new("c"), codex, None)),
    ] {
        let ends: Vec<_> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        assert!(expected > 0);
        for ends in [&ends[..], &[]] {
            assert_eq!(metered(format, None, text, ends).0, expected, "{format:?}");
        }
    }
}

#[test]
fn a_state_that_cannot_be_read_counts_as_empty() {
    let text = claude(1, 0, false);
    for state in ["", "{", "[]", r#"{"calls":7}"#, r#"{"of":"a newer version"}"#] {
        let mut meter = SessionMeter::new(MeterFormat::ClaudeCode, None, state);
        assert_eq!(meter.read(text.as_bytes(), tokens).uses[0].amount, 101, "{state}");
    }
}

fn limits() -> Limits {
    Limits::from_json(
        r#"[{"api": "t", "limit": 1000000, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-02-14"}]"#,
    )
    .unwrap()
}

/// Counts at most `bytes_max` new bytes of the file. Returns true if no whole line is left.
fn count(quota: &Quota, path: &Path, bytes_max: u64) -> bool {
    let known = quota.metered("t", "s-1").unwrap();
    let (from, state) = known.map_or((0, String::new()), |known| (known.counted, known.state));
    let (mut file, mut bytes) = (File::open(path).unwrap(), Vec::new());
    file.seek(SeekFrom::Start(from)).unwrap();
    file.take(bytes_max).read_to_end(&mut bytes).unwrap();
    let mut meter = SessionMeter::new(MeterFormat::ClaudeCode, Some("s-1"), &state);
    let read = meter.read(&bytes, tokens);
    if read.bytes > 0 {
        let of = |used: &runledger::import::SessionUse| ReadingUse {
            at: used.at,
            amount: used.amount,
            unknown: used.unknown,
        };
        let (to, uses) = (from + read.bytes as u64, read.uses.iter().map(of).collect());
        quota.meter("t", Reading { source: "s-1".to_owned(), from, to, uses, state: meter.state() }).unwrap();
    }
    read.bytes == 0
}

const READERS: u64 = 4;
const KILLS: u64 = 12;

#[test]
fn processes_that_read_at_once_and_are_killed_count_each_byte_once() {
    let place = Place::new();
    let mut random = Random(seed());
    let text = transcript(200);
    let path = place.file("s-1.jsonl");
    let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let mut readers: Vec<_> = (0..READERS).map(|_| place.spawn(&format!("meter {}", random.below(1 << 32)))).collect();
    let (mut written, mut kills) = (0, 0);
    while written < text.len() {
        let end = (written + 1 + random.below(3_000) as usize).min(text.len());
        file.write_all(&text.as_bytes()[written..end]).unwrap();
        written = end;
        std::thread::sleep(Duration::from_millis(random.below(10)));
        if kills < KILLS {
            let victim = random.below(READERS) as usize;
            readers[victim].kill();
            readers[victim] = place.spawn(&format!("meter {}", random.below(1 << 32)));
            kills += 1;
        }
    }
    place.say("written");
    readers.into_iter().for_each(|reader| reader.succeed());
    let quota = quota_in(place.directory(), &FakeClock::at_noon(), limits());
    assert_eq!(quota.status("t").unwrap().consumed, imported(Session::default(), &text, Some("s-1")));
    assert_eq!(quota.metered("t", "s-1").unwrap().unwrap().counted, text.len() as u64);
}

/// The sums of a quota are stored when another process opens it after many lines.
mod stored {
    use super::*;

    const LINES: u64 = 300;

    struct Fixture {
        place: Place,
        clock: FakeClock,
    }

    impl Fixture {
        /// Returns a quota with many lines, whose sums are stored.
        fn new() -> Self {
            let fixture = Self { place: Place::new(), clock: FakeClock::at_noon() };
            let quota = fixture.open();
            (0..LINES).for_each(|_| _ = quota.record_consumption("t", Some(2)).unwrap());
            assert!(!fixture.path().exists(), "appending stores nothing");
            let at: Timestamp = "2026-02-14T12:00:00Z".parse().unwrap();
            let uses = vec![ReadingUse { at, amount: 5, unknown: 1 }];
            let reading = Reading { source: "s".to_owned(), from: 0, to: 7, uses, state: "state".to_owned() };
            quota.meter("t", reading).unwrap();
            fixture.consumed();
            fixture
        }

        fn open(&self) -> Quota {
            quota_in(self.place.directory(), &self.clock, limits())
        }

        fn path(&self) -> std::path::PathBuf {
            self.place.file("quota.ledger/quota.checkpoint")
        }

        /// Opens the quota, and returns the consumed tokens and the calls of unknown amount.
        fn consumed(&self) -> (u64, u64) {
            let quota = self.open();
            let status = quota.status("t").unwrap();
            assert_eq!(quota.metered("t", "s").unwrap().unwrap().state, "state");
            (status.consumed, status.unknown)
        }
    }

    const SUMS: (u64, u64) = (2 * LINES + 5, 1);

    #[test]
    fn the_sums_are_the_same_with_and_without_the_stored_ones() {
        let fixture = Fixture::new();
        let stored = std::fs::read(fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
        fixture.open().record_consumption("t", Some(10)).unwrap();
        assert_eq!(fixture.consumed(), (SUMS.0 + 10, 1));
        assert_eq!(std::fs::read(fixture.path()).unwrap(), stored, "a few lines are not stored again");
        std::fs::remove_file(fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), (SUMS.0 + 10, 1));
        assert!(fixture.path().exists());
    }

    /// The stored sums are really used: they are trusted as long as they fit the last line.
    #[test]
    fn lines_before_the_stored_sums_are_not_read_again() {
        let fixture = Fixture::new();
        let path = fixture.place.file("quota.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"amount\":2", "\"amount\":9", 1)).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
        std::fs::remove_file(fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), (SUMS.0 - 2, 1), "without them, the edited line is found and does not count");
        assert!(!fixture.path().exists(), "the sums of a damaged journal are not stored");
    }

    #[test]
    fn damaged_stored_sums_are_ignored_and_replaced() {
        let fixture = Fixture::new();
        let stored = std::fs::read(fixture.path()).unwrap();
        let mut random = Random(seed());
        for number in 0..30_u32 {
            let mut damaged = stored.clone();
            let at = random.below(stored.len() as u64) as usize;
            if number.is_multiple_of(2) {
                damaged.truncate(at);
            } else {
                damaged[at] ^= 1 << random.below(8);
            }
            std::fs::write(fixture.path(), damaged).unwrap();
            // A process that died while it wrote leaves the new file.
            std::fs::write(fixture.path().with_extension("new"), &stored[..at]).unwrap();
            assert_eq!(fixture.consumed(), SUMS, "byte {at}");
            assert_eq!(std::fs::read(fixture.path()).unwrap().len(), stored.len());
        }
    }

    #[test]
    fn stored_sums_of_another_journal_another_version_or_other_lines_are_ignored() {
        let (fixture, other) = (Fixture::new(), Fixture::new());
        other.open().record_consumption("t", Some(1_000)).unwrap();
        std::fs::remove_file(other.path()).unwrap();
        other.consumed();
        std::fs::copy(other.path(), fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
        let text = std::fs::read(fixture.path()).unwrap();
        let newer = [
            b"runledger 99.0.0, sums of a quota, form 2\n",
            &text[text.iter().position(|b| *b == b'\n').unwrap() + 1..],
        ];
        std::fs::write(fixture.path(), newer.concat()).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
        // The last line is removed, as by a writer whose disk is full.
        fixture.open().record_consumption("t", Some(10)).unwrap();
        std::fs::remove_file(fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), (SUMS.0 + 10, 1));
        let path = fixture.place.file("quota.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let end = text.trim_end().rfind('\n').unwrap() + 1;
        std::fs::write(&path, &text[..end]).unwrap();
        std::fs::remove_file(fixture.place.file("quota.ledger/commit")).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
    }

    #[test]
    fn stored_sums_fit_segments_that_were_sealed_later() {
        let (place, clock) = (Place::new(), FakeClock::at_noon());
        let open = || {
            let options = clock.options().journal(clock.journal_options().rotate_bytes(Some(40_000))).limits(limits());
            Quota::open(place.file("quota.jsonl"), options).unwrap()
        };
        for round in 1..=4 {
            let quota = open();
            (0..LINES).for_each(|_| _ = quota.record_consumption("t", Some(2)).unwrap());
            assert_eq!(open().status("t").unwrap().consumed, round * 2 * LINES);
        }
        let sealed = std::fs::read_dir(place.file("quota.ledger/sealed")).unwrap().count();
        assert!(sealed > 4, "{sealed} segments");
        // Without the first segment, only the stored sums have what its lines consumed.
        std::fs::remove_file(place.file("quota.ledger/sealed/000001.jsonl")).unwrap();
        assert_eq!(open().status("t").unwrap().consumed, 8 * LINES);
    }

    /// Another period is counted after one pass over all lines, and the next process does not need another pass.
    #[test]
    fn another_period_is_stored_too() {
        let fixture = Fixture::new();
        let year = r#"[{"api": "t", "limit": 1000000, "unit": "tokens", "period": "year", "source": "us", "as_of": "2026-02-14"}]"#;
        let open = || quota_in(fixture.place.directory(), &fixture.clock, Limits::from_json(year).unwrap());
        let before = std::fs::read(fixture.path()).unwrap();
        assert_eq!(open().status("t").unwrap().consumed, SUMS.0);
        let after = std::fs::read(fixture.path()).unwrap();
        assert_ne!(after, before);
        assert_eq!(open().status("t").unwrap().consumed, SUMS.0);
        assert_eq!(std::fs::read(fixture.path()).unwrap(), after);
    }

    #[test]
    fn an_opener_that_cannot_store_the_sums_goes_on() {
        let fixture = Fixture::new();
        std::fs::remove_file(fixture.path()).unwrap();
        std::fs::create_dir(fixture.path()).unwrap();
        assert_eq!(fixture.consumed(), SUMS);
    }
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let ["meter", seed] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("no such task: {task:?}") };
    let random = RefCell::new(Random(seed.parse().unwrap()));
    let (path, written) = (directory.join("s-1.jsonl"), directory.join("written"));
    until("all is counted", || {
        let is_written = written.exists();
        // A process often opens the quota for one event only.
        let quota = quota_in(&directory, &FakeClock::at_noon(), limits());
        let is_all = count(&quota, &path, 2_000 + random.borrow_mut().below(20_000));
        is_all && is_written
    });
}
