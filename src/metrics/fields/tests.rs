//! These tests check two properties. First, the fast parser (the walk) never accepts a line that `serde_json` refuses
//! or reads differently. Second, if a whole record can be read from a line, the fields can be read too.

use std::collections::BTreeMap;

use super::*;
use crate::metrics::{
    CostSource, Decision, Environment, ErrorCategory, Kind, LlmCall, Production, Progress, Status, Step, Usage,
};

/// The default number of cases. `RUNLEDGER_FUZZ_CASES` can set a larger number. `RUNLEDGER_FUZZ_SEED` sets the seed of
/// the random numbers.
const CASES: u64 = 120_000;

/// Returns the position at which the members of the record end. Returns `None` if the keys that a ledger adds do not
/// follow there.
fn sealed_at(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let end = text.rfind(",\"seq\":")?;
    let (seq, rest) = text[end + 7..].split_once(",\"prev\":\"")?;
    let (prev, rest) = rest.split_once("\",\"hash\":\"")?;
    let hash = rest.strip_suffix("\"}")?;
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = seq.bytes().all(|byte| byte.is_ascii_digit()) && seq.parse::<u64>().is_ok();
    (number && hex(prev) && hex(hash)).then_some(end)
}

fn sealed(json: &str, seq: u64) -> String {
    format!(
        "{},\"seq\":{seq},\"prev\":\"{}\",\"hash\":\"{}\"}}",
        json.strip_suffix('}').unwrap(),
        "0a".repeat(32),
        "9f".repeat(32)
    )
}

/// The way in which a line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Read {
    ByTheWalk,
    BySerde,
    NotAtAll,
    /// The fields could be read, but not the whole record.
    FieldsOnly,
}

/// Checks one line. The walk must return the same fields as `serde_json`, or nothing.
fn check(line: &[u8], whole: bool) -> Read {
    let shown = || String::from_utf8_lossy(line).into_owned();
    let reference = Fields::from_any(line);
    let mut by_the_walk = false;
    for end in [Some(line.len().saturating_sub(1)), sealed_at(line)].into_iter().flatten() {
        let read = Fields::from_sealed(line, end);
        assert_eq!(read.as_ref().ok(), reference.as_ref().ok(), "{}", shown());
        if let (Some((_, members)), Ok(_)) = (Walk::fields(line), &reference)
            && members == end
        {
            by_the_walk = true;
        }
    }
    if whole && let Ok(text) = std::str::from_utf8(line) {
        match (ExecutionMetrics::from_json(text), &reference) {
            (Ok(record), Ok(fields)) => assert_eq!(&Fields::of(&record), fields, "{}", shown()),
            (Ok(_), Err(error)) => panic!("a record has no fields, {error}: {}", shown()),
            (Err(_), Ok(_)) => return Read::FieldsOnly,
            (Err(_), Err(_)) => {}
        }
    }
    match reference {
        Ok(_) if by_the_walk => Read::ByTheWalk,
        Ok(_) => Read::BySerde,
        Err(_) => Read::NotAtAll,
    }
}

/// Returns six lines that this crate writes. The first three lines are records with few fields, with the usual fields
/// and with many fields. The other three lines are the same records with the keys that a ledger adds.
fn lines() -> Vec<String> {
    let time = |ms| Timestamp::from_unix_ms(ms).unwrap();
    let least = ExecutionMetrics::new(Uuid::from_u128(7), "s", "1", time(0));
    let mut usual = ExecutionMetrics::new(Uuid::from_u128(u128::MAX / 3), "git-push", "0.1.0", time(1_771_079_000_123));
    usual.timestamp_end = Some(time(1_771_079_004_000));
    usual.orchestrator_version = Some("2.3.1".to_owned());
    usual.set_status(Status::Success);
    usual.total_latency_ms = Some(3_877);
    usual.wall_clock_time_ms = Some(3_880);
    usual.set_usage("gpt-4", &Usage::new(1_000, 500));
    usual.cost_usd = Some("0.06".parse().unwrap());
    usual.cost.source = Some(CostSource::Reported);
    usual.confidence_score = Some(0.125);
    usual.free_tier_quota_pct_used = Some(1e-7);
    usual.tags.insert("branch".to_owned(), "main".into());
    let mut most = usual.clone();
    most.skill_name = "überall \"gut\"\u{1F600}".to_owned();
    most.environment = Environment::from("staging");
    most.error_category = Some(ErrorCategory::Network);
    most.error_code = Some(-104);
    most.set_error_reason("line\nfeed \u{1b}[31m ü \\ \" /");
    most.cost_usd = Some("1234567.000000000001".parse().unwrap());
    most.kind = Kind::Qc;
    most.run.run_id = Some("r".to_owned());
    most.model.provider = Some("openai".to_owned());
    most.model.variant = BTreeMap::from([("name".to_owned(), "batch".to_owned())]);
    most.model.parts.cache_read = Some(10);
    most.production = Production { scene_id: Some("s1".to_owned()), regen_count: Some(2), ..Production::default() };
    most.progress = Some(Progress::new("render", time(5)));
    most.quality_score = Some(1.0);
    let mut step = Step::new("a", time(6));
    step.duration_ms = Some(0);
    most.trace.steps = vec![step.clone(), step];
    most.trace.decisions.push(Decision::new("go", "yes"));
    most.trace.llm_calls.push(LlmCall::new(1, "gpt-4"));
    most.tags.insert("deep".to_owned(), serde_json::json!([[[{"a": [1, -0.5e3, null, true, false, {}, []]}]], "x"]));
    let json = [least, usual, most].map(|record| record.to_json().unwrap());
    json.iter().cloned().chain(json.iter().map(|json| sealed(json, 42))).collect()
}

/// The random number generator SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Texts that replace a value or are inserted at a random position.
const PIECES: [&str; 71] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "00",
    "01",
    "-1",
    "1.0",
    "1.",
    ".5",
    "1e5",
    "1E+5",
    "1e",
    "1e-400",
    "1e400",
    "+1",
    "18446744073709551615",
    "18446744073709551616",
    "9999999999999999999",
    "99999999999999999999",
    "10000000",
    "9999999.5",
    "0.123456789012",
    "0.1234567890123",
    "0.0000000000005",
    "NaN",
    "\"\"",
    "\"x\"",
    "\"0.06\"",
    "\"\\\"\"",
    "\"\\n\"",
    "\"\\x\"",
    "\"\\u0041\"",
    "\"\\u00\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\udc00 \"",
    "\"ü\"",
    "\"a\u{7f}\"",
    "\"a\tb\"",
    "[]",
    "{}",
    "[1,]",
    "[1 ,2]",
    "{\"a\":1,\"a\":2}",
    "{\"name\":\"m\"}",
    "{\"name\":null,\"name\":1}",
    "{\"n\\u0061me\":\"m\"}",
    "{\"x\":1,\"name\":\"n\"}",
    "{\"name\":7}",
    "[\"m\"]",
    "{\"a\" :1}",
    "{,}",
    "\"2026-02-30T00:00:00.000Z\"",
    "\"2024-02-29T23:59:59.999Z\"",
    "\"2026-02-14T14:23:60.000Z\"",
    "\"2026-02-14t14:23:00.000z\"",
    "\"2026-02-14T14:23:00.000+01:00\"",
    "\"2026-13-01T00:00:00.000Z\"",
    "\"2026-02-14T14:23:00.123456Z\"",
    "\"2026-02-14T14:23:00.12345Z\"",
    "\"2026-02-14T14:23:00.1234567Z\"",
    "\"2026-02-30T14:23:00.123456Z\"",
    "\"2026-02-14T14:23:00.123456+01:00\"",
    "\"00000000000000000000000000000007\"",
    "\"0000000A-0000-0000-0000-00000000000b\"",
    " ",
    "\r",
    "\0",
];

const BYTES: &[u8] = b"\"\\{}[],:0123456789.eE+- \t\n\r\0\x1f\x20\x7f\x80\xffuntfz";

const KEYS: [&str; 14] = [
    "\"execution_id\":",
    "\"skill_name\":",
    "\"model\":",
    "\"m\\u006fdel\":",
    "\"cost_usd\":",
    "\"tokens_used\":",
    "\"name\":",
    "\"unknown\":",
    "\"timestamp_start\":",
    "\"environment\":",
    "\"\":",
    "\"seq\":",
    "\"tags\":",
    "\"cost_us\\u0064\":",
];

/// Returns the range of a random member at any depth. Treats every quote after `{` or `,` as the beginning of a member.
fn member(line: &[u8], random: &mut Random) -> Option<(usize, usize)> {
    let begins = |at: &usize| matches!(line[*at], b'{' | b',') && line.get(at + 1) == Some(&b'"');
    let starts: Vec<_> = (0..line.len()).filter(begins).map(|at| at + 1).collect();
    let start = *starts.get(random.below(starts.len()))?;
    Some((start, end_of_value(line, start)))
}

/// Returns the position at which the value or member at `start` ends. This position is the next comma or closing
/// bracket outside of strings and of brackets that open at or after `start`.
fn end_of_value(line: &[u8], start: usize) -> usize {
    let (mut depth, mut text, mut at) = (0, false, start);
    while let Some(&byte) = line.get(at) {
        match byte {
            b'\\' if text => at += 1,
            b'"' => text = !text,
            b'{' | b'[' if !text => depth += 1,
            b'}' | b']' if !text && depth == 0 => break,
            b'}' | b']' if !text => depth -= 1,
            b',' if !text && depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    at.min(line.len())
}

fn mutate(line: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(line.len());
    match random.below(12) {
        0 if !line.is_empty() => line[at] ^= 1 << random.below(8),
        1 if !line.is_empty() => line[at] = BYTES[random.below(BYTES.len())],
        2 => line.truncate(at),
        3 => drop(line.drain(at..(at + random.below(6)).min(line.len()))),
        4 => drop(line.splice(at..at, random.pick(&PIECES).bytes())),
        // A value is replaced by another.
        5..=7 => {
            let Some((start, end)) = member(line, random) else { return };
            let Some(colon) = line[start..end].iter().position(|&byte| byte == b':') else { return };
            line.splice(start + colon + 1..end, random.pick(&PIECES).bytes());
        }
        // A member is moved or duplicated.
        8 | 9 => {
            let Some((start, end)) = member(line, random) else { return };
            let taken = match random.below(2) {
                0 => line[start..end].to_vec(),
                _ => line.drain(start..(end + 1).min(line.len())).collect(),
            };
            let Some((to, _)) = member(line, random) else { return };
            let comma = if taken.ends_with(b",") { b"".as_slice() } else { b"," };
            line.splice(to..to, [&*taken, comma].concat());
        }
        10 => {
            let Some((to, _)) = member(line, random) else { return };
            let new = format!("{}{},", random.pick(&KEYS), random.pick(&PIECES));
            line.splice(to..to, new.bytes());
        }
        // A value is nested about as deeply as the maximum of the walk (32) or of `serde_json` (127) allows, or more
        // deeply.
        _ => {
            let Some((start, end)) = member(line, random) else { return };
            let Some(colon) = line[start..end].iter().position(|&byte| byte == b':') else { return };
            let depth = [30, 31, 32, 33, 126, 127, 128, 129, 300][random.below(9)];
            let (open, close) = if random.below(2) == 0 { ("[", "]") } else { ("{\"k\":", "}") };
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            line.splice(start + colon + 1..end, value.bytes());
        }
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn the_walk_reads_a_line_like_serde_json_or_not_at_all() {
    let seed = from_environment("RUNLEDGER_FUZZ_SEED").unwrap_or(20_260_214);
    let cases = from_environment("RUNLEDGER_FUZZ_CASES").unwrap_or(CASES).max(CASES);
    println!("RUNLEDGER_FUZZ_SEED={seed} RUNLEDGER_FUZZ_CASES={cases}");
    let lines = lines();
    let mut counts = BTreeMap::<Read, u64>::new();
    for case in 0..cases {
        let mut random = Random(seed ^ case.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut line = lines[random.below(lines.len())].clone().into_bytes();
        for _ in 0..=random.below(3) {
            mutate(&mut line, &mut random);
        }
        // Only every fourth case reads the whole record too, because that is slow.
        *counts.entry(check(&line, case % 4 == 0)).or_default() += 1;
    }
    println!("{counts:?}");
    for read in [Read::ByTheWalk, Read::BySerde, Read::NotAtAll, Read::FieldsOnly] {
        assert!(counts[&read] > cases / 200, "{read:?}: {counts:?}");
    }
}

/// Replaces each byte of two lines by bytes that have a meaning in JSON, and by bytes that JSON forbids. Also truncates
/// the lines at each position.
#[test]
fn a_line_with_a_changed_byte_is_not_misread() {
    for line in [&lines()[1], &lines()[4]] {
        assert_eq!(check(line.as_bytes(), true), Read::ByTheWalk);
        for at in 0..line.len() {
            assert_eq!(check(&line.as_bytes()[..at], false), Read::NotAtAll, "cut at {at}");
            for &byte in b"\"\\{}[],:09.e- \n\0\x1f\x80\xff" {
                let mut changed = line.clone().into_bytes();
                changed[at] = byte;
                check(&changed, false);
            }
        }
    }
}

/// Replaces one value at a time with each of the [`PIECES`]. The values are those of all fields that are read, and of
/// some fields that are skipped.
#[test]
fn every_field_is_read_like_serde_json_with_any_value() {
    let line = &lines()[4];
    let others = ["tokens_input", "tags", "status", "seq", "prev", "hash"];
    for key in Fields::KEYS.iter().map(|key| std::str::from_utf8(key).unwrap()).chain(others) {
        let start = line.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
        let end = end_of_value(line.as_bytes(), start);
        for piece in PIECES {
            let changed = [&line[..start], piece, &line[end..]].concat();
            check(changed.as_bytes(), true);
        }
    }
}

#[test]
fn the_walk_reads_lines_with_microseconds() {
    let [start, end] = [(",\"timestamp_start\":\"", ".123456Z"), (",\"timestamp_end\":\"", ".000001Z")];
    for changed in [vec![start], vec![end], vec![start, end]] {
        let mut line = lines()[4].clone();
        for (key, decimals) in changed {
            let at = line.find(key).unwrap() + key.len() + "2026-02-14T14:23:20".len();
            line.replace_range(at..at + ".123Z".len(), decimals);
        }
        assert_eq!(check(line.as_bytes(), true), Read::ByTheWalk, "{line}");
    }
}

#[test]
fn the_walk_reads_lines_of_this_crate_and_borrows_their_texts() {
    for line in [&lines()[0], &lines()[1], &lines()[3], &lines()[4]] {
        assert_eq!(check(line.as_bytes(), true), Read::ByTheWalk, "{line}");
        let fields = Fields::from_line(line.as_bytes()).unwrap();
        assert!(matches!((&fields.skill_name, &fields.skill_version), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }
    // The walk leaves a line to `serde_json` if a returned text contains an escape.
    assert_eq!(check(lines()[2].as_bytes(), true), Read::BySerde);
    // `serde_json` also borrows a text without escapes.
    let spaced = lines()[1].replace("\":", "\" : ");
    let fields = Fields::from_any(spaced.as_bytes()).unwrap();
    assert!(matches!((&fields.environment, &fields.model_name), (Cow::Borrowed(_), Some(Cow::Borrowed("gpt-4")))));
}

#[test]
fn a_list_is_not_a_record() {
    let list = r#" ["00000000-0000-0000-0000-000000000001","s","1",null,"2026-02-14T14:23:00Z"]"#;
    assert_eq!(ExecutionMetrics::from_json(list).unwrap_err().details(), ["expected a JSON object, found a list"]);
    assert_eq!(Fields::from_line(list.as_bytes()).unwrap_err().details(), ["expected a JSON object, found a list"]);
}
