//! Properties of every text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use runledger::redaction::Redactor;

/// Pieces that the rules look for, so that random texts often have parts of secrets.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "ghp_",
            "sk-ant-",
            "sk-",
            "://",
            ":\\/\\/",
            "@",
            ":",
            "=",
            "key",
            "token",
            "password",
            "auth",
            "credentials",
            "\t",
            "\r",
            "Authorization",
            "Bearer ",
            "Basic ",
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----END RSA PRIVATE KEY-----",
            "eyJ",
            ".",
            "\"",
            "\\",
            "\n",
            " ",
            "/",
            "-us12",
            "Q~",
            ":AA",
            "[redacted:",
            "[redacted:jwt:ab12]",
            "]",
            "…",
            "é",
            "日",
            "\u{1b}[31m",
            "http",
            "AKIA",
            "xoxb-",
            "--",
            "sig=",
            "curl -u ",
            "mysql -p",
            "Cookie: ",
            "a:5432:",
            "https%3A%2F%2F",
            "%3A",
            "%40",
            "Some(\"",
            "b'",
            ": |-\n  ",
            "X-Amz-Signature=",
            "?",
            ",",
            "$",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9_-]{1,40}",
        "[0-9a-f]{32}",
        "[A-Za-z0-9+/]{20,60}={0,2}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_redacted_text_does_not_change_again(text in pieces()) {
        let redactor = Redactor::new();
        let once = redactor.redact(&text);
        let twice = redactor.redact(&once.text);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert_eq!(twice.count, 0);
    }

    #[test]
    fn only_the_secrets_change(text in pieces()) {
        let redactor = Redactor::new();
        let found = redactor.find(text.as_bytes());
        let redacted = redactor.redact(&text);
        prop_assert_eq!(redacted.count, found.len() as u64);
        let mut expected = String::new();
        let mut end = 0;
        for secret in &found {
            prop_assert!(secret.range.start >= end && !secret.range.is_empty());
            expected += &text[end..secret.range.start];
            expected += &format!("[redacted:{}:{}]", secret.rule, &runledger::hash_bytes(&text[secret.range.clone()])[..4]);
            end = secret.range.end;
        }
        expected += &text[end..];
        prop_assert_eq!(&redacted.text, &expected);
        // A marker has at most 56 bytes, and a secret at least one.
        prop_assert!(redacted.text.len() <= text.len() + 56 * found.len());
    }

    #[test]
    fn any_bytes_can_be_searched(bytes in prop::collection::vec(any::<u8>(), 0..400), text in pieces()) {
        let redactor = Redactor::new();
        let mixed = [bytes.as_slice(), text.as_bytes(), &bytes].concat();
        for secret in redactor.find(&mixed) {
            prop_assert!(secret.range.end <= mixed.len());
        }
        redactor.may_find(&mixed);
    }

    #[test]
    fn the_search_over_json_skips_no_secret(text in pieces()) {
        let redactor = Redactor::new();
        if !redactor.find(text.as_bytes()).is_empty() {
            let json = serde_json::json!({"error_reason": text}).to_string();
            prop_assert!(redactor.may_find(json.as_bytes()), "{}", json);
        }
    }
}

/// A redactor also judges a value by its name. The search over the JSON must find each such value.
#[test]
fn the_search_over_json_skips_no_value_with_the_name_of_a_secret() {
    let (redactor, value) = (Redactor::new(), "Zx3kQ9vLp2Rt7WnB4mYcA1dF");
    for name in ["api_key", "token.prod", "db.password.value", "api_key.0", "password 2", "password (prod)", "a\nkey"] {
        assert_eq!(redactor.redact_value(name, value).count, 1, "{name}");
        let json = serde_json::json!({"tags": {name: value}}).to_string();
        assert!(redactor.may_find(json.as_bytes()), "{json}");
    }
    let record = r#"{"tokens_input":1,"tokens_output":2,"tokens_used":3}"#;
    assert!(!redactor.may_find(record.as_bytes()));
}

#[test]
fn a_key_that_begins_with_a_slash_is_a_secret_and_a_path_is_none() {
    let redactor = Redactor::new();
    for text in
        ["AWS_SECRET_ACCESS_KEY=/h0QbjE71lT51TSjqVAH84CUKU8jS3sGWvmUePZ9", "password=/uXb3kQ9vLp2Rt7WnB4mYcA1dF"]
    {
        assert_eq!(redactor.redact(text).count, 1, "{text}");
    }
    for text in [
        "token=/run/secrets/GithubToken1/value",
        "key=/usr/local/lib/python3/site",
        "expected -----BEGIN PRIVATE KEY----- but found something else entirely in the file, so the key is wrong",
    ] {
        assert_eq!(redactor.redact(text).text, text);
    }
}

/// A long text must not take time that grows with the square of its length, whatever it has.
#[test]
fn the_time_grows_with_the_length_only() {
    let redactor = Redactor::new();
    for piece in [
        "eyJ",
        "eyJ-",
        "ghp_",
        "sk-",
        "://",
        "a://b:c",
        "key=",
        "token: ",
        "password=a",
        "Authorization: ",
        "-us1",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\"x;",
        "a",
        "[redacted:",
        "xoxb-1",
        "\\",
        "pat",
        "basic dXNlcjpw",
        "key-0",
        "1Q~",
        "--token \"",
        "http://u:p",
        "token=",
        "SG.",
    ] {
        let text = piece.repeat(200_000 / piece.len()) + &".".repeat(100_000);
        let begun = Instant::now();
        redactor.redact(&text);
        redactor.may_find(text.as_bytes());
        assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn nothing_changes_if_redaction_is_off() {
    let text = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    assert_eq!(Redactor::off().redact(text).text, text);
    assert_eq!(Redactor::off().redact_value("password", "Xk9!vQ2z").text, "Xk9!vQ2z");
    assert!(Redactor::off().find(text.as_bytes()).is_empty() && !Redactor::off().may_find(text.as_bytes()));
}
