//! `runledger quota set` and `unset` change one limit in `limits.json` next to the ledger, and nothing else in that
//! file. If several processes change limits at the same time, no change is lost.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::commands::{Output, Place, command};
use serde_json::{Value, json};

fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = runledger::Timestamp::from_unix_ms(now.as_millis().try_into().unwrap()).unwrap();
    now.to_string()[..10].to_owned()
}

fn run(place: &Place, args: &str) -> Output {
    place.run(args.split(' '))
}

fn stored(place: &Place) -> String {
    std::fs::read_to_string(place.path("logs/limits.json")).unwrap()
}

/// Creates a place with this file of limits.
fn with_limits(text: &str) -> Place {
    let place = Place::empty();
    std::fs::create_dir(place.path("logs")).unwrap();
    std::fs::write(place.path("logs/limits.json"), text).unwrap();
    place
}

const SET: &str =
    "quota set anthropic --limit 20.50 --unit usd --per day --zone Europe/Zurich --warn 80 --enforce --source us";

/// Returns the line that names the file.
fn file(place: &Place) -> String {
    let directory = std::fs::canonicalize(place.directory.path()).unwrap();
    format!("file: {}\n", directory.join("logs/limits.json").display())
}

#[test]
fn set_stores_a_limit_that_quota_reports() {
    let place = Place::empty();
    let entry = format!(
        r#"{{"api": "anthropic", "limit": 20.5, "unit": "usd", "period": "day", "zone": "Europe/Zurich", "source": "us", "as_of": "{}", "unknown": "allow", "enforce": true, "warn": 80}}"#,
        today()
    );
    assert_eq!(run(&place, SET).answer(0), format!("new: {entry}\n{}", file(&place)));
    assert_eq!(stored(&place), format!("[\n  {entry}\n]\n"));
    assert_eq!(place.files(), [place.path("logs/limits.json")]);
    let mode = std::fs::metadata(place.path("logs/limits.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let status = run(&place, "quota anthropic --json").json();
    assert_eq!(
        ["limit", "zone", "enforced", "warn"].map(|key| status[key].clone()),
        [json!(20.5), json!("Europe/Zurich"), json!(true), json!(80)]
    );
    let table = run(&place, "quota").answer(0);
    assert!(table.ends_with("\nlimit of anthropic: enforced; the hook asks from 80 % on\n"), "{table}");
    let free = run(&place, "quota openai-free --json").json();
    assert_eq!((&free["enforced"], &free["warn"]), (&json!(false), &json!(null)));
    assert_eq!(place.files(), [place.path("logs/limits.json")]);
}

#[test]
fn setting_the_same_limit_again_changes_nothing() {
    let place = Place::empty();
    run(&place, SET).answer(0);
    // The limit was set on an earlier day.
    let text = stored(&place).replace(&today(), "2026-03-01");
    std::fs::write(place.path("logs/limits.json"), &text).unwrap();
    let inode = || std::fs::metadata(place.path("logs/limits.json")).unwrap().ino();
    let before = inode();
    let entry = text.lines().nth(1).unwrap().trim();
    assert_eq!(run(&place, SET).answer(0), format!("unchanged: {entry}\n{}", file(&place)));
    let answer = run(&place, &format!("{SET} --json")).json();
    assert_eq!((&answer["changed"], &answer["old"]), (&json!(false), &answer["new"]));
    assert_eq!((stored(&place), inode()), (text, before));
    assert_eq!(place.files(), [place.path("logs/limits.json")]);
}

const OTHERS: &str = "[{\"api\": \"first\",\"limit\":7, \"unit\": \"calls\", \"period\": \"week\", \"source\": \"us\", \"as_of\": \"2026-03-01\"},\n\n\
    \t{\"as_of\": \"2026-03-01\", \"api\": \"a\\u006ethropic\", \"limit\": \"3\", \"unit\": \"usd\", \"period\": \"5h\", \"source\": \"contract\", \"thresholds\": [ 10, 90 ], \"enforce\": true},\n\
    {\"api\": \"last\", \"limit\": 9, \"unit\": \"tokens\", \"period\": \"total\", \"source\": \"us\", \"as_of\": \"2026-03-01\", \"warn\": 5} ]";

#[test]
fn a_changed_limit_keeps_its_place_and_the_text_of_the_others() {
    let place = with_limits(OTHERS);
    let answer = run(&place, "quota set anthropic --limit 4 --unit usd --per month").answer(0);
    let old = OTHERS.lines().nth(2).unwrap().trim().trim_end_matches(',');
    let new = format!(
        r#"{{"api": "anthropic", "limit": 4, "unit": "usd", "period": "month", "source": "contract", "as_of": "{}", "thresholds": [ 10, 90 ], "enforce": true}}"#,
        today()
    );
    assert_eq!(answer, format!("old: {old}\nnew: {new}\n{}", file(&place)));
    assert_eq!(stored(&place), OTHERS.replace(old, &new));

    let added = run(&place, "quota set z --limit 1 --unit calls --per 5h --unknown 1 --json").json();
    assert_eq!(
        (&added["old"], &added["changed"], &added["file"]),
        (&json!(null), &json!(true), &json!("logs/limits.json"))
    );
    assert_eq!(added["new"]["unknown"], json!({"assume": 1}));
    let removed = run(&place, "quota unset z --json").json();
    assert_eq!(removed["old"], added["new"]);
    assert_eq!(stored(&place), OTHERS.replace(old, &new));
    assert_eq!(run(&place, "quota unset anthropic").answer(0), format!("removed: {new}\n"));
    assert_eq!(stored(&place), OTHERS.replace(&format!(",\n\n\t{old}"), ""));
}

#[test]
fn a_change_of_one_property_keeps_the_others() {
    let place = Place::empty();
    run(&place, "quota set anthropic --limit 20.50 --unit usd --per day --zone Europe/Zurich --warn 80 --enforce")
        .answer(0);
    let new =
        |args: &str| place.run(format!("quota set anthropic {args} --json").split_whitespace()).json()["new"].take();
    let whole = new("");
    let changed = |changes: Value| {
        let mut expected = whole.clone();
        let expected_keys = expected.as_object_mut().unwrap();
        for (key, value) in changes.as_object().unwrap() {
            if value.is_null() {
                expected_keys.remove(key)
            } else {
                expected_keys.insert(key.clone(), value.clone())
            };
        }
        expected
    };
    assert_eq!(new("--no-enforce"), changed(json!({"enforce": null, "warn": null})));
    // A percentage includes --enforce.
    assert_eq!(new("--warn 80"), whole);
    assert_eq!(new("--no-enforce")["warn"], json!(null));
    assert_eq!(new("--enforce --warn 80"), whole);
    assert_eq!(new("--limit 4"), changed(json!({"limit": 4})));
    assert_eq!(new("--per month --limit 20.50"), changed(json!({"period": "month"})));
    let refused = |args: &str, why: &str| {
        let complaint = run(&place, &format!("quota set {args}")).complaint(2);
        let name = args.split(' ').next().unwrap();
        assert_eq!(complaint, format!("runledger: cannot set the limit of {name:?}: {why}\n"));
    };
    let new_limit = "expected --limit, --unit and --per for a new limit";
    refused("b", &format!("found no --limit; {new_limit}"));
    refused("b --limit 1 --unit usd", &format!("found no --per; {new_limit}"));
    let amount = "found a new --unit without --limit; expected --limit too, with the amount in the new unit";
    refused("anthropic --unit tokens", amount);
}

#[test]
fn a_removed_limit_is_the_bundled_one_again() {
    let place = Place::empty();
    let limit = |args: &str| run(&place, args).json()["limit"].clone();
    let absent = "found no such limit; expected one that `runledger quota set` stored";
    let complaint = format!("runledger: cannot remove the limit of \"github-rest\": logs/limits.json: {absent}\n");
    assert_eq!(run(&place, "quota unset github-rest").complaint(1), complaint);
    assert_eq!(place.files(), [""; 0].map(std::path::PathBuf::from));
    run(&place, "quota set github-rest --limit 7 --unit calls --per hour").answer(0);
    assert_eq!(limit("quota github-rest --json"), json!(7));
    let own = r#"[{"api": "github-rest", "limit": 8, "unit": "calls", "period": "hour", "source": "us", "as_of": "2026-03-01"}]"#;
    std::fs::write(place.path("own.json"), own).unwrap();
    assert_eq!(limit("quota github-rest --limits own.json --json"), json!(8));
    assert_eq!(run(&place, "quota reserve github-rest 8 --limits own.json").answer(0), "1\n");
    run(&place, "quota unset github-rest").answer(0);
    assert_eq!(limit("quota github-rest --json"), json!(5000));
    assert_eq!(stored(&place), "[]\n");
    assert_eq!(run(&place, "quota unset github-rest").complaint(1), complaint);
}

#[test]
fn a_defective_file_is_an_error_and_is_never_overwritten() {
    for (text, why) in [
        ("[\n{\"api\": \"a\", \"limit\": 0}\n]", "logs/limits.json: line 2 (byte "),
        ("", "logs/limits.json: line 1 (byte 0): "),
        ("{}", "expected a list, found an object"),
        (&*OTHERS.replace("\"5h\"", "\"0h\""), "[1].period: found the period `0h`; expected 1h to 8760h"),
        (
            &*OTHERS.replace("\"warn\": 5", "\"warn\": 500"),
            "[2].warn: expected a whole number from 1 to 100, found 500",
        ),
    ] {
        let place = with_limits(text);
        for args in [
            SET,
            "quota unset anthropic",
            "quota",
            "quota check github-rest",
            "quota reserve github-rest 1",
            "quota settle 1 1",
            "quota release 1",
            "quota consume github-rest 1",
        ] {
            let complaint = run(&place, args).complaint(2);
            let named = complaint.starts_with("runledger: cannot read a table of limits: logs/limits.json: line ");
            assert!(named && complaint.contains(why), "{args}: {complaint}");
            assert_eq!(stored(&place), text, "{args}");
            assert_eq!(place.files(), [place.path("logs/limits.json")], "{args}");
        }
    }
}

#[test]
fn a_limit_that_no_command_could_use_is_refused() {
    let place = Place::empty();
    for name in ["set", "unset", "reserve", "settle", "release", "consume", "check", "help"] {
        assert_eq!(
            run(&place, &format!("quota set {name} --limit 1 --unit calls --per day")).complaint(2),
            format!(
                "runledger: cannot set the limit of {name:?}: found the name of the command `runledger quota {name}`; expected another name\n"
            )
        );
    }
    for (args, why) in [
        ("1.5 --unit calls --per day", "limit: found 1.5; expected a whole number from 1 to 18446744073709551615"),
        ("0 --unit usd --per day", "limit: found 0; expected US dollars above 0 and up to 18446744.07"),
        ("-1 --unit usd --per day", "limit: found -1; expected US dollars above 0"),
        ("x --unit tokens --per day", "limit: found \"x\"; expected a whole number"),
        ("1 --unit usd --per hour --zone +01:00", "zone: found +01:00 with the period hour; expected no zone"),
        ("1 --unit usd --per day --unknown maybe", "unknown.assume: found \"maybe\"; expected US dollars above 0"),
    ] {
        let complaint = run(&place, &format!("quota set a --limit {args}")).complaint(2);
        let expected = format!("runledger: cannot set the limit of \"a\": {why}");
        assert!(complaint.starts_with(&expected), "{args}: {complaint}");
    }
    for (args, why) in [
        ("1 --unit euros --per day", "[possible values: tokens, calls, usd]"),
        ("1 --unit usd --per fortnight", "found the unknown period `fortnight`; expected minute, hour"),
        ("1 --unit usd --per day --zone Europe/Bern", "expected an IANA name such as Europe/Zurich"),
        ("1 --unit usd --per day --warn 0", "expected a whole number from 1 to 100"),
        ("1 --unit usd --per day --warn 101", "expected a whole number from 1 to 100"),
    ] {
        let complaint = run(&place, &format!("quota set a --limit {args}")).complaint(2);
        assert!(complaint.contains(why), "{args}: {complaint}");
    }
    assert_eq!(place.run(["quota", "set", " ", "--limit", "1", "--unit", "usd", "--per", "day"]).code, Some(2));
    assert_eq!(place.files(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn the_target_of_a_symbolic_link_is_changed_and_the_link_is_kept() {
    let place = with_limits("[]");
    std::fs::create_dir(place.path("dotfiles")).unwrap();
    std::fs::rename(place.path("logs/limits.json"), place.path("dotfiles/own.json")).unwrap();
    symlink("../dotfiles/own.json", place.path("logs/limits.json")).unwrap();
    run(&place, SET).answer(0);
    assert!(std::fs::symlink_metadata(place.path("logs/limits.json")).unwrap().is_symlink());
    assert!(stored(&place).contains("anthropic"));
    assert_eq!(place.files(), [place.path("dotfiles/own.json"), place.path("logs/limits.json")]);
}

#[test]
fn the_missing_target_of_a_symbolic_link_is_created_and_the_link_is_kept() {
    let place = with_limits("[]");
    std::fs::create_dir(place.path("dotfiles")).unwrap();
    std::fs::remove_file(place.path("logs/limits.json")).unwrap();
    symlink("../logs/second.json", place.path("dotfiles/first.json")).unwrap();
    symlink("../dotfiles/first.json", place.path("logs/limits.json")).unwrap();
    run(&place, SET).answer(0);
    for link in ["logs/limits.json", "dotfiles/first.json"] {
        assert!(std::fs::symlink_metadata(place.path(link)).unwrap().is_symlink(), "{link}");
    }
    assert!(std::fs::symlink_metadata(place.path("logs/second.json")).unwrap().is_file());
    assert!(stored(&place).contains("anthropic"));
    // A link that leads to itself has no target.
    std::fs::remove_file(place.path("dotfiles/first.json")).unwrap();
    symlink("../logs/limits.json", place.path("dotfiles/first.json")).unwrap();
    run(&place, SET).complaint(2);
    assert!(std::fs::symlink_metadata(place.path("logs/limits.json")).unwrap().is_symlink());
}

/// A process that was killed left its new file, perhaps with a part of its text.
#[test]
fn the_file_of_a_killed_process_is_used_again() {
    let place = with_limits(OTHERS);
    std::fs::write(place.path("logs/limits.json.new"), "[".repeat(10_000)).unwrap();
    assert_eq!(run(&place, "quota first --json").json()["limit"], json!(7));
    run(&place, "quota unset last").answer(0);
    assert!(!stored(&place).contains("last"));
    assert_eq!(place.files(), [place.path("logs/limits.json")]);
}

#[test]
fn sixteen_processes_that_set_limits_at_once_lose_none() {
    let place = with_limits(OTHERS);
    let start = |number: u32| -> std::process::Child {
        let mut set: Command = command();
        set.args(["quota", "set", &format!("own-{number}"), "--unit", "calls", "--per", "day"]);
        set.args(["--limit", &number.to_string()]).current_dir(place.directory.path());
        set.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (1..=16).map(start).collect();
    for child in children {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let limits: Vec<Value> = serde_json::from_str(&stored(&place)).unwrap();
    let mut found: Vec<_> = limits[3..].iter().map(|limit| limit["limit"].as_u64().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (1..=16).collect::<Vec<_>>());
    assert!(stored(&place).starts_with(OTHERS.trim_end_matches(" ]")));
    assert_eq!(place.files(), [place.path("logs/limits.json")]);
}
