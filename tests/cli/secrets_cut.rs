//! A text is shortened before it is redacted or in a message. Not even a part of a secret remains, whether a built-in rule
//! or a rule of the user finds it.

use std::fs;

use runledger::LedgerReader;
use serde_json::json;

use crate::commands::{Output, Place, command, output};

/// A rule whose secrets are hard to recognise: the prefix has three characters, and the rest only small letters.
const RULES: &str = r#"{"rules": [{"name": "acme", "prefix": "tk-", "alphabet": "a-z", "min": 30, "max": 40}]}"#;
/// Each secret in its context, and the secret itself.
const SECRETS: [(&str, &str); 4] = [
    ("tk-qwxzkvbnmplokijuhygtfrdeswaqxz", "qwxzkvbnmplokijuhygtfrdeswaqxz"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F292c6912E7710c838347Ae178B4a"),
    ("https://bot:x9-Kd_2q!uvwRt7WnB4m@example.com/a", "x9-Kd_2q!uvwRt7WnB4m"),
    ("password=Xk9!vQ2zLm#4pW8sT6uY1rE3qAz", "Xk9!vQ2zLm#4pW8sT6uY1rE3qAz"),
];

/// Returns true if the text has four characters in a row of the secret.
fn has_part(text: &str, secret: &str) -> bool {
    (0..=secret.len() - 4).any(|at| text.contains(&secret[at..at + 4]))
}

fn call(place: &Place, args: &[&str], input: &str) -> Output {
    fs::write(place.path("rules.json"), RULES).unwrap();
    let path = place.directory.path().with_extension("input");
    fs::write(&path, input).unwrap();
    let stdin = fs::File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut command = command();
    command.current_dir(place.directory.path()).env("HOME", place.path("home"));
    output(command.env("RUNLEDGER_REDACTION", "rules.json").args(args).stdin(stdin))
}

fn reasons(place: &Place) -> Vec<String> {
    let records = LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect::<Vec<_>>();
    records.into_iter().filter_map(|record| record.error_reason).collect()
}

/// The reason is cut at each place in the secret.
#[test]
fn a_reason_is_cut_within_no_secret() {
    let mut count = 0;
    for (context, secret) in SECRETS {
        let (place, start) = (Place::empty(), "2026-02-14T14:23:00Z");
        let input: String = (0..=context.len())
            .map(|kept| {
                let reason = format!("{} {context} {}", "é".repeat(498 - kept.min(498)), "z".repeat(200));
                let record = json!({
                    "skill_name": "s", "skill_version": "1", "timestamp_start": start, "timestamp_end": start,
                    "status": "failed", "error_reason": reason,
                });
                format!("{record}\n")
            })
            .collect();
        call(&place, &["pipe"], &input);
        call(&place, &["import", "-"], &input);
        for reason in reasons(&place) {
            assert!(!has_part(&reason, secret), "{}", reason.trim_start_matches('é'));
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
}

/// The last line of a command is long, and most of it is replaced by a marker. So its end is near the beginning of the
/// stored reason.
#[test]
fn the_reason_of_a_command_ends_within_no_secret() {
    let key = format!("-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----", "MIIEvQIBADANBgkq".repeat(111));
    for (context, secret) in SECRETS {
        for before in [1_990, 1_996, 2_000, 2_010, 2_030] {
            let place = Place::empty();
            let line = format!("{key} {} {context} {}", "-".repeat(before - 2 - key.len()), "y".repeat(100));
            fs::write(place.path("line"), line).unwrap();
            call(&place, &["run", "--skill", "x", "--", "sh", "-c", "cat line >&2; exit 3"], "");
            let reasons = reasons(&place);
            assert!(reasons.len() == 1 && reasons[0].starts_with("[redacted:private-key:"), "{reasons:?}");
            assert!(!has_part(&reasons[0], secret), "{before}: {}", reasons[0]);
        }
    }
}

/// A message shows a part of a wrong value.
#[test]
fn a_message_shows_no_part_of_a_secret() {
    let place = Place::empty();
    for (context, secret) in SECRETS {
        for kept in 0..=context.len().min(60) {
            let value = format!("{} {context} {}", "x".repeat(69 - kept), "z".repeat(100));
            let start = "2026-02-14T14:23:00Z";
            let input: String = [
                json!({"skill_name": "s", "skill_version": "1", "timestamp_start": start, "status": value}),
                json!({"skill_name": "s", "skill_version": "1", "timestamp_start": value}),
                json!({"skill_name": "s", "skill_version": "1", "timestamp_start": start, "input_hash": value}),
                json!({"skill_name": "s", "skill_version": "1", "timestamp_start": start, "cost_usd": value}),
                json!({"skill_name": "s", "skill_version": "1", "timestamp_start": start, "tokens_used": value}),
                json!({"begin": {"skill_name": "s", value.clone(): 1}}),
                json!({"usage": {"execution_id": value, "model": "m"}}),
            ]
            .iter()
            .map(|message| format!("{message}\n"))
            .chain([format!("{context}\n"), format!("{{\"a\": {context}}}\n")])
            .collect();
            for args in [&["pipe"][..], &["import", "-"]] {
                let answered = call(&place, args, &input);
                assert!(!answered.stdout.is_empty() || !answered.stderr.is_empty(), "{answered:#?}");
                for text in [&answered.stdout, &answered.stderr] {
                    assert!(!has_part(text, secret), "{args:?} {kept}: {text}");
                }
            }
        }
    }
}
