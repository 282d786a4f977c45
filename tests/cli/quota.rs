//! `runledger quota` reports what is left of each quota, for the bundled limits and for the user's own. Dollars are
//! exact, and calls of unknown amount are counted separately.

use std::path::PathBuf;

use crate::commands::{Place, command, output, time, usd};
use runledger::Quota;
use runledger::quota::{self, Grant, QuotaOptions};
use serde_json::json;

#[test]
fn quota_without_a_journal_is_unused_and_creates_none() {
    let place = Place::empty();
    let table = place.run(["quota"]).answer(0);
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("bundled api    unit     limit consumed held remaining   % resets (UTC)     level"));
    let without_reset =
        |row: &str| format!("{}{}", &row[..row.len() - 22], row.split_whitespace().next_back().unwrap());
    assert_eq!(
        rows.map(without_reset).collect::<Vec<_>>(),
        [
            "github-rest    calls     5000        0    0      5000 0.0 GREEN",
            "github-rest-u… calls       60        0    0        60 0.0 GREEN",
            "openai-free    tokens 3500000        0    0   3500000 0.0 GREEN",
            "openai-gpt4    tokens  100000        0    0    100000 0.0 GREEN",
        ]
    );
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

#[test]
fn quota_shows_consumed_and_held_amounts() {
    let place = Place::new();
    let now = now();
    let quota =
        Quota::open(place.path("logs/quota.jsonl"), QuotaOptions::new(std::sync::Arc::new(move || now))).unwrap();
    quota.record_consumption("openai-free", Some(2_800_000)).unwrap();
    let Grant::Held(hold) = quota.reserve("openai-free", Some(100_000)).unwrap() else { panic!("denied") };
    let before = place.files();
    let status = place.run(["quota", "openai-free", "--json"]).json();
    let told = ["consumed", "held", "remaining", "pct_used", "warning_level"].map(|key| status[key].clone());
    assert_eq!(told, [json!(2_800_000), json!(100_000), json!(600_000), json!(80.0), json!("RED")]);
    assert_eq!(format!("{:.3}", status["pct_taken"].as_f64().unwrap()), "82.857");
    let resets_at = time(status["resets_at"].as_str().unwrap());
    assert!((1..=31 * 24 * 3_600_000).contains(&(resets_at.unix_ms() - now)), "{resets_at}");
    let table = place.run(["quota", "openai-free"]).answer(0);
    let minute = resets_at.to_string()[..16].replace('T', " ");
    assert_eq!(
        table.lines().nth(1),
        Some(format!("openai-free tokens 3500000  2800000 100000    600000 82.9 {minute} RED").as_str())
    );
    assert_eq!(place.run(["quota", "--json"]).answer(0).lines().count(), 4);
    assert_eq!(place.files(), before);
    drop(hold);
}

const OWN_LIMITS: &str = r#"[
  {"api": "anthropic", "limit": 25.50, "unit": "usd", "period": "month", "source": "us", "as_of": "2026-03-01", "unknown": {"assume": 0.25}},
  {"api": "a-budget-with-a-rather-long-name", "limit": "9999.999999999999", "unit": "usd", "period": "month", "source": "us", "as_of": "2026-03-01", "unknown": "allow"},
  {"api": "openai-gpt4", "limit": 7, "unit": "tokens", "period": "month", "source": "us", "as_of": "2026-03-01", "unknown": "allow"}
]"#;

/// Returns the words of a table without its times.
fn without_times(table: &str) -> Vec<String> {
    let time = |word: &str| word.len() > 4 && word.bytes().all(|byte| byte.is_ascii_digit() || b"-:".contains(&byte));
    let words = |line: &str| line.split_whitespace().filter(|word| !time(word)).collect::<Vec<_>>().join(" ");
    table.lines().map(words).collect()
}

#[test]
fn quota_shows_the_exact_rest_of_budgets_and_counts_unknown_amounts() {
    let place = Place::empty();
    std::fs::write(place.path("limits.json"), OWN_LIMITS).unwrap();
    std::fs::create_dir(place.path("logs")).unwrap();
    let unused = place.run(["quota", "anthropic", "--limits", "limits.json", "--json"]).json();
    assert_eq!((&unused["limit"], &unused["consumed"]), (&json!(25.5), &json!(0)));
    let now = now();
    let limits = quota::Limits::from_json(OWN_LIMITS).unwrap();
    let options = QuotaOptions::new(std::sync::Arc::new(move || now)).limits(limits);
    let quota = Quota::open(place.path("logs/quota.jsonl"), options).unwrap();
    let (small, large) =
        (quota.budget("anthropic").unwrap(), quota.budget("a-budget-with-a-rather-long-name").unwrap());
    small.record_consumption(Some(usd("3.046875000001"))).unwrap();
    let Grant::Held(hold) = small.reserve(None).unwrap() else { panic!("denied") };
    large.record_consumption(Some(usd("5111.111111111111"))).unwrap();
    large.record_consumption(None).unwrap();
    let Grant::Held(held) = large.reserve(Some(usd("1234.123456789012"))).unwrap() else { panic!("denied") };
    quota.record_consumption("openai-gpt4", None).unwrap();

    let table = place.run(["quota", "--limits", "limits.json"]).answer(0);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    // The person's own limits come first.
    let (own, bundled) = table.split_once("\n\nbundled api ").unwrap();
    assert!(bundled.contains("github-rest ") && !own.contains("github-rest"), "{table}");
    let (_, own) = own.split_once("openai-gpt4").unwrap();
    assert_eq!(
        without_times(own),
        [
            "tokens 7 0 0 7 0.0 GREEN",
            "calls of openai-gpt4: amount unknown 1, assumed 0",
            "",
            "budget (usd) consumed held remaining % level",
            "a-budget-with… 5111.111111111111 1234.123456789012 3654.765432099876 63.5 YELLOW",
            "anthropic 3.046875000001 0.25 22.203124999999 12.9 GREEN",
            "",
            "budget (usd) limit period resets (UTC) unknown assumed",
            "a-budget-with-a-rathe… 9999.999999999999 month 1 0",
            "anthropic 25.5 month 0 0",
            "% and level include the held amounts",
            "calls of anthropic in flight: amount unknown 0, assumed 1",
        ]
    );
    let json = place.run(["quota", "anthropic", "--limits", "limits.json", "--json"]).answer(0);
    let amounts = r#""limit":25.5,"unit":"usd","period":"month","zone":"UTC","consumed":3.046875000001,"held":0.25,"remaining":22.203124999999,"#;
    assert!(
        json.contains(&format!("{amounts}\"unknown\":0,\"assumed\":0,\"unknown_held\":0,\"assumed_held\":1,")),
        "{json}"
    );
    // Without the user's limits, only the bundled limits are known.
    assert!(
        place
            .run(["quota", "anthropic"])
            .complaint(2)
            .contains("cannot find the limit \"anthropic\" among the known ones")
    );
    drop((hold, held));
}

/// The limits that a person has set are at the top, although others come first in the alphabet.
#[test]
fn your_own_limits_come_before_the_bundled_ones() {
    let place = Place::empty();
    place.run("quota set zebra --limit 20 --unit usd --per day".split(' ')).answer(0);
    let names = |text: &str| -> Vec<String> {
        let first = |line: &str| line.split([' ', '…']).next().unwrap_or_default().to_owned();
        text.lines()
            .map(first)
            .filter(|name| ["zebra", "openai-gpt4", "github-rest", "us"].contains(&name.as_str()))
            .collect()
    };
    assert_eq!(names(&place.run(["quota"]).answer(0)), ["zebra", "zebra", "github-rest", "openai-gpt4"]);
    // A limit that replaces a bundled one is the person's own.
    place.run("quota set openai-gpt4 --limit 7 --unit calls --per day".split(' ')).answer(0);
    assert_eq!(names(&place.run(["quota"]).answer(0)), ["openai-gpt4", "zebra", "zebra", "github-rest"]);
    let json = place.run(["quota", "--json"]).answer(0);
    let apis: Vec<_> = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["api_name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(apis, ["openai-gpt4", "zebra", "github-rest", "github-rest-unauthenticated", "openai-free"]);
}

#[test]
fn limits_that_cannot_be_read_are_named_with_their_line() {
    let place = Place::empty();
    let complaint = || place.run(["quota", "--limits", "own.json"]).complaint(2);
    assert_eq!(complaint(), "runledger: cannot read the limits: own.json: No such file or directory (os error 2)\n");
    std::fs::write(place.path("own.json"), OWN_LIMITS.replace("25.50", "0.0000000000001")).unwrap();
    assert_eq!(
        complaint(),
        "runledger: cannot read a table of limits: own.json: line 2 (byte 4): [0].limit: found 0.0000000000001; \
         expected US dollars above 0 and up to 18446744.073709551615, with at most 12 decimals\n"
    );
}

/// The file of limits in the help is valid.
#[test]
fn the_limits_in_the_help_can_be_read() {
    let help = output(command().args(["quota", "--help"])).answer(0);
    let start = help.find("  [\n").unwrap();
    let end = start + help[start..].find("\n  ]").unwrap() + "\n  ]".len();
    let place = Place::empty();
    std::fs::write(place.path("limits.json"), &help[start..end]).unwrap();
    let answer = place.run(["quota", "anthropic", "--limits", "limits.json", "--json"]).json();
    assert_eq!((&answer["limit"], &answer["unit"]), (&json!(25.5), &json!("usd")));
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

#[test]
fn quota_of_an_unknown_api_names_the_known_ones() {
    assert_eq!(
        Place::empty().run(["quota", "openai"]).complaint(2),
        "runledger: cannot find the limit \"openai\" among the known ones: github-rest; github-rest-unauthenticated; openai-free; openai-gpt4\n"
    );
}

#[test]
fn quota_shows_the_zone_of_a_limit_and_no_reset_of_a_total() {
    let place = Place::empty();
    let limits = r#"[
      {"api": "city", "limit": 7, "unit": "usd", "period": "day", "zone": "Asia/Kathmandu", "source": "us", "as_of": "2026-03-01"},
      {"api": "plan", "limit": 9, "unit": "usd", "period": "5h", "source": "us", "as_of": "2026-03-01"},
      {"api": "ever", "limit": 8, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"}
    ]"#;
    std::fs::write(place.path("limits.json"), limits).unwrap();
    let status = |api: &str| place.run(["quota", api, "--limits", "limits.json", "--json"]).json();
    let city = status("city");
    assert_eq!((&city["period"], &city["zone"]), (&json!("day"), &json!("Asia/Kathmandu")));
    assert_eq!(city["resets_at"].as_str().unwrap()[10..], *"T18:15:00.000Z");
    for (api, period) in [("plan", "5h"), ("ever", "total")] {
        let status = status(api);
        assert_eq!((&status["period"], &status["zone"]), (&json!(period), &json!("UTC")));
        assert_eq!((&status["resets_at"], &status["days_until_reset"]), (&json!(null), &json!(null)));
    }
    let table = place.run(["quota", "--limits", "limits.json"]).answer(0);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let rows = without_times(&table);
    // The period ends at midnight in the zone that the table names.
    let city = table.lines().find(|line| line.contains("Asia/Kathmandu")).unwrap();
    assert!(city.contains(" 00:00 "), "{city}");
    for row in ["ever calls 8 0 0 8 0.0 - GREEN", "city 7 day in Asia/Kathmandu 0 0", "plan 9 5h - 0 0"] {
        assert!(rows.iter().any(|found| found == row), "{row}: {rows:?}");
    }
}

#[test]
fn an_unknown_zone_or_period_is_refused_before_anything_is_written() {
    let place = Place::empty();
    for (period, zone) in [("day", "Europe/Bern"), ("0h", "UTC"), ("hour", "Europe/Zurich")] {
        let limits = OWN_LIMITS.replacen("\"month\"", &format!("\"{period}\", \"zone\": \"{zone}\""), 1);
        std::fs::write(place.path("limits.json"), limits).unwrap();
        let complaint = place.run(["quota", "--limits", "limits.json"]).complaint(2);
        assert!(complaint.contains("limits.json: line 2"), "{complaint}");
    }
    assert_eq!(place.files(), [place.path("limits.json")]);
}
