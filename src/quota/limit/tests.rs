use super::*;

const ENTRY: &str =
    r#"{"api": "a", "limit": 1, "unit": "calls", "period": "week", "source": "us", "as_of": "2026-02-14"}"#;

#[test]
fn the_bundle_parses_and_has_the_documented_limits() {
    let bundled = Limits::from_json(include_str!("../limits.json")).unwrap();
    let lines: Vec<_> =
        bundled.iter().map(|l| format!("{} {} {} a {}", l.api, l.limit::<u64>().unwrap(), l.unit, l.period)).collect();
    assert_eq!(
        lines,
        [
            "github-rest 5000 calls a hour",
            "github-rest-unauthenticated 60 calls a hour",
            "openai-free 3500000 tokens a month",
            "openai-gpt4 100000 tokens a day",
        ]
    );
    assert_eq!(Limits::bundled(), bundled);
}

/// Returns the line and the byte at which the table is refused, and the reason.
fn refusal(text: &str) -> (u64, u64, String) {
    let error = Limits::from_json(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let why = error.cause().map_or(error.to_string(), ToString::to_string);
    (error.line().unwrap(), error.byte().unwrap(), why)
}

#[test]
fn a_fault_refuses_the_whole_table_and_names_its_line() {
    for (from, to, why) in [
        ("\"limit\": 1,", "\"limit\": 0,", "limit: found 0; expected a whole number from 1 to 18446744073709551615"),
        (
            "\"limit\": 1,",
            "\"limit\": 1.5,",
            "limit: found 1.5; expected a whole number from 1 to 18446744073709551615",
        ),
        (
            "\"limit\": 1,",
            "\"limit\": \"1\",",
            "limit: found \"1\"; expected a whole number from 1 to 18446744073709551615",
        ),
        ("\"limit\": 1,", "", "[1].limit: expected a value, found none"),
        ("\"a\"", "\" \"", "found an empty text; expected a name"),
        ("calls", "eur", "[1].unit: expected tokens, calls or usd, found \"eur\""),
        ("1,", "1, \"thresholds\": [50, 0],", "[1].thresholds[1]: expected a whole number from 1 to 65535, found 0"),
        ("1,", "1, \"thresholds\": [99.5],", "[1].thresholds[0]: expected a whole number, found 99.5"),
        ("1,", "1, \"unknown\": \"ignore\",", "[1].unknown: expected deny, allow or assume, found \"ignore\""),
        ("1,", "1, \"unknown\": {\"assume\": 0},", "assume: found 0; expected a whole number from 1"),
        ("1,", "1, \"enforce\": 1,", "[1].enforce: expected true or false, found 1"),
        ("1,", "1, \"warn\": 0,", "[1].warn: expected a whole number from 1 to 100, found 0"),
        ("1,", "1, \"warn\": 101,", "[1].warn: expected a whole number from 1 to 100, found 101"),
        ("1,", "1, \"warn\": 99.5,", "[1].warn: expected a whole number, found 99.5"),
        ("week", "fortnight", "unknown period `fortnight`"),
        ("week", "0h", "found the period `0h`; expected 1h to 8760h"),
        ("\"us\"", "\"us\", \"zone\": \"Europe/Paris\"", "zone: found \"Europe/Paris\", which is not a zone that this"),
        ("\"us\"", "\"us\", \"zone\": \"\"", "zone: found \"\", which is not a zone that this program knows"),
        ("week\"", "5h\", \"zone\": \"+05:45\"", "zone: found +05:45 with the period 5h; expected no zone"),
        ("week\"", "hour\", \"zone\": \"+05:45\"", "zone: found +05:45 with the period hour; expected no zone"),
        ("\"us\"", "\"us\", \"timezone\": \"UTC\"", "[1].timezone: expected the key api, limit, "),
        ("02-14", "02-30", "found \"2026-02-30\"; expected a date such as 2026-02-14"),
        ("02-14", "2-14", "found \"2026-2-14\"; expected a date such as 2026-02-14"),
        ("\"api\": \"a\"", "\"api\": \"first\"", "the API \"first\" is listed twice"),
        ("\"api\": \"a\"", "\"api\" \"a\"", "expected `:`"),
    ] {
        let first = ENTRY.replace("\"a\"", "\"first\"");
        let faulty = ENTRY.replacen(from, to, 1);
        assert_ne!(faulty, ENTRY);
        let (line, byte, found) = refusal(&format!("[\n{first},\n{faulty}\n]"));
        // An error of serde_json has its own position. Any other error has the position at which the entry begins.
        let column = found.rsplit_once(" at line 3 column ").map_or(1, |(_, column)| column.parse().unwrap());
        assert_eq!((line, byte), (3, "[\n,\n".len() as u64 + first.len() as u64 + column - 1), "{found}");
        assert!(found.contains(why), "{found}");
    }
}

/// Returns the limit of `ENTRY` after `from` in its text was replaced by `to`.
fn limit(from: &str, to: &str) -> Result<Limit> {
    let limits = Limits::from_json(&format!("[{}]", ENTRY.replacen(from, to, 1)))?;
    Ok(limits.get("a").unwrap().clone())
}

#[test]
fn dollars_are_read_digit_by_digit() {
    let usd = |text: &str| limit("1, \"unit\": \"calls\"", &format!("{text}, \"unit\": \"usd\""));
    for (text, steps) in [
        ("25.50", 25_500_000_000_000),
        ("\"25.50\"", 25_500_000_000_000),
        ("0.000000000001", 1),
        // The number of pico-dollars is 9007199254740993, which no float can represent.
        ("9007.199254740993", 9_007_199_254_740_993),
        ("18446744.073709551615", u64::MAX),
    ] {
        let limit = usd(text).unwrap();
        assert_eq!((limit.most.get(), limit.limit::<u64>()), (steps, None), "{text}");
        assert_eq!(limit.limit(), Some(Usd::from_steps(steps)), "{text}");
    }
    for text in ["0", "-1", "0.0000000000001", "18446744.073709551616", "\"\"", "\"", "\"1", "null", "true", "[1]"] {
        assert!(usd(text).is_err(), "{text}");
    }
    let why = refusal(&format!("[{}]", ENTRY.replace("1, \"unit\": \"calls\"", "2e7, \"unit\": \"usd\""))).2;
    assert!(
        why.ends_with(
            "limit: found 2e7; expected US dollars above 0 and up to 18446744.073709551615, with at most 12 decimals"
        ),
        "{why}"
    );
}

#[test]
fn thresholds_and_unknown_amounts_have_defaults() {
    let percents = |limit: &Limit| limit.thresholds.iter().map(|percent| percent.get()).collect::<Vec<_>>();
    let plain = limit("", "").unwrap();
    assert_eq!((percents(&plain), plain.unknown), (vec![50, 80], Unknown::Deny));
    for (text, thresholds, unknown) in [
        (r#""thresholds": [100, 95, 95, 120], "unknown": "allow""#, vec![95, 100, 120], Unknown::Allow),
        (r#""thresholds": [], "unknown": "deny""#, vec![], Unknown::Deny),
        (r#""unknown": {"assume": 7}"#, vec![50, 80], Unknown::Assume(NonZeroU64::new(7).unwrap())),
    ] {
        let limit = limit("1,", &format!("1, {text},")).unwrap();
        assert_eq!((percents(&limit), limit.unknown), (thresholds, unknown), "{text}");
    }
    let dollars = limit("1, \"unit\": \"calls\"", r#"1, "unit": "usd", "unknown": {"assume": 0.25}"#).unwrap();
    assert_eq!(dollars.unknown, Unknown::Assume(NonZeroU64::new(250_000_000_000).unwrap()));
}

#[test]
fn a_limit_is_neither_enforced_nor_warned_of_by_default() {
    let of = |text: &str| limit("1,", text).map(|limit| (limit.enforce, limit.warn.map(NonZeroU8::get))).unwrap();
    assert_eq!(of("1,"), (false, None));
    assert_eq!(of(r#"1, "enforce": true, "warn": 1,"#), (true, Some(1)));
    assert_eq!(of(r#"1, "enforce": false, "warn": 100,"#), (false, Some(100)));
}

#[test]
fn only_an_array_is_a_table() {
    assert_eq!(refusal("").0, 1);
    assert_eq!(refusal("\n{}").0, 2);
    let two = refusal(&format!("[{ENTRY}]\n[]"));
    assert_eq!(two, (2, ENTRY.len() as u64 + 3, "expected the end of the text, found `[` at line 2 column 1".into()));
    assert_eq!(Limits::from_json("[]").unwrap().iter().count(), 0);
}

#[test]
fn an_unknown_api_is_refused_with_the_known_ones() {
    for error in
        [Limits::bundled().find::<u64>("openai").unwrap_err(), Limits::bundled().find::<Usd>("openai").unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::UnknownLimit);
        assert_eq!(error.details(), ["github-rest", "github-rest-unauthenticated", "openai-free", "openai-gpt4"]);
    }
}
