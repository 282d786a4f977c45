//! Rules that the user adds.

use runledger::ErrorKind;
use runledger::redaction::{Redactor, SecretRule};

#[test]
fn a_rule_applies_before_the_built_in_ones() {
    let rules =
        SecretRule::from_json(r#"{"rules": [{"name": "acme", "prefix": "ghp_", "min": 8, "max": 40}]}"#).unwrap();
    let redactor = Redactor::with_rules(&rules).unwrap();
    let redacted =
        redactor.redact("x ghp_16C7e42F292c6912E7710c838347Ae178B4a, ghp_short1aa, sk-ant-api03-0123456789abcdefghij");
    assert_eq!(redacted.count, 3);
    assert!(
        redacted.text.starts_with("x [redacted:acme:") && redacted.text.contains("[redacted:anthropic-key:"),
        "{}",
        redacted.text
    );
}

#[test]
fn the_alphabet_and_the_lengths_are_respected() {
    let rules = [SecretRule::new("hex", "id:", "0-9a-f-", 8, 12)];
    let redactor = Redactor::with_rules(&rules).unwrap();
    for (text, count) in
        [("id:0123-4567", 1), ("id:0123456", 0), ("id:0123456789abcdef", 0), ("id:0123456789ab", 1), ("id:ABCDEFGH", 0)]
    {
        assert_eq!(redactor.find(text.as_bytes()).len(), count, "{text}");
    }
}

#[test]
fn bad_rules_are_refused_with_every_fault() {
    let bad = [SecretRule::new("Bad Name", "x", "a-z", 8, 9), SecretRule::new("a", "abc", "z-a", 1, 0)];
    let error = Redactor::with_rules(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.details().len(), 5, "{error}");
    for json in [
        "[]",
        "{}",
        r#"{"rules": [{"name": "a"}]}"#,
        r#"{"rules": [{"name": "a", "prefix": "abc", "min": 8, "max": 9, "x": 1}]}"#,
    ] {
        assert_eq!(SecretRule::from_json(json).unwrap_err().kind(), ErrorKind::Malformed, "{json}");
    }
}
