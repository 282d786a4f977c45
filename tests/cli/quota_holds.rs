//! With `runledger quota reserve`, `settle`, `release`, `consume` and `check`, shell scripts share a quota exactly as
//! programs do. A known amount is reserved only if it is left, and each hold ends once.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;

use crate::commands::{Output, Place, command, output, time};
use runledger::quota::{Grant, Limits, QuotaOptions};
use runledger::{Quota, Timestamp};
use serde_json::{Value, json};

fn run(place: &Place, args: &str) -> Output {
    place.run(args.split(' '))
}

fn json_with_code(place: &Place, args: &str, code: i32) -> Value {
    serde_json::from_str(&run(place, &format!("{args} --json")).answer(code)).unwrap()
}

/// Creates a place with a limit of 10 calls, and one of 2.5 dollars that allows unknown amounts. No period ends.
fn place() -> Place {
    let place = Place::empty();
    run(&place, "quota set tools --limit 10 --unit calls --per total").answer(0);
    run(&place, "quota set money --limit 2.5 --unit usd --per total --unknown allow").answer(0);
    place
}

fn files(place: &Place) -> Vec<PathBuf> {
    place.files().into_iter().filter(|path| !path.ends_with("logs/limits.json")).collect()
}

/// Returns the consumed, held and remaining amounts.
fn sums(place: &Place, api: &str) -> [Value; 3] {
    let status = json_with_code(place, &format!("quota {api}"), 0);
    ["consumed", "held", "remaining"].map(|key| status[key].clone())
}

#[test]
fn a_hold_is_printed_and_then_settled_by_its_id() {
    let place = place();
    assert_eq!(run(&place, "quota reserve tools 4").answer(0), "1\n");
    assert_eq!(sums(&place, "tools"), [json!(0), json!(4), json!(6)]);
    let before = now();
    let held = json_with_code(&place, "quota reserve money 1.25 --for 2h", 0);
    let expires_at = time(held["expires_at"].as_str().unwrap()).unix_ms();
    assert!((before..=now()).contains(&(expires_at - 2 * 3_600_000)), "{held}");
    let expected = json!({"granted": true, "id": 2, "api_name": "money", "amount": 1.25, "unit": "usd",
        "expires_at": held["expires_at"], "remaining": 1.25});
    assert_eq!(held, expected);
    assert_eq!(run(&place, "quota settle 1 3").answer(0), "tools: 3 of 10 calls used in total, 0 held, 7 left\n");
    let text = run(&place, "quota settle 2 0.000000000001 --json").answer(0);
    assert!(text.contains(r#""consumed":0.000000000001,"held":0,"remaining":2.499999999999,"#), "{text}");
    let settled: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&settled["api_name"], &settled["held"], &settled["enforced"]),
        (&json!("money"), &json!(0), &json!(false))
    );
    assert_eq!(run(&place, "quota reserve tools 7").answer(0), "5\n");
    assert_eq!(run(&place, "quota release 5").answer(0), "tools: 3 of 10 calls used in total, 0 held, 7 left\n");
}

#[test]
fn a_second_end_of_a_hold_fails_and_says_how_it_ended() {
    let place = place();
    run(&place, "quota reserve tools 4").answer(0);
    run(&place, "quota reserve money 1").answer(0);
    run(&place, "quota settle 1 3").answer(0);
    run(&place, "quota release 2 --json").answer(0);
    let lines = || std::fs::read_to_string(place.path("logs/quota.jsonl")).unwrap().lines().count();
    assert_eq!(lines(), 4);
    for (id, ended) in [(1, "settled with 3 calls"), (2, "released")] {
        for args in [format!("quota settle {id} 1"), format!("quota release {id}")] {
            let complaint = run(&place, &args).complaint(1);
            let (text, at) = complaint.trim_end().rsplit_once(" at ").unwrap();
            assert_eq!(text, format!("runledger: cannot end the hold {id}: it was {ended}"), "{args}");
            assert!((0..60_000).contains(&(now() - time(at).unix_ms())), "{at}");
        }
    }
    let refused = run(&place, "quota release 1 --json");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(serde_json::from_str::<Value>(&refused.stderr).unwrap()["kind"], "ended");
    for id in [0, 3, 99] {
        let complaint = run(&place, &format!("quota settle {id} 1")).complaint(1);
        let text = format!("no hold has the id {id}; `runledger quota holds` lists the open holds\n");
        assert!(complaint.starts_with(&format!("runledger: cannot find the hold {id}: ")), "{complaint}");
        assert!(complaint.ends_with(&text), "{complaint}");
    }
    assert_eq!(lines(), 4);
    assert_eq!(sums(&place, "tools"), [json!(3), json!(0), json!(7)]);
}

#[test]
fn a_denied_amount_says_why_and_until_when() {
    let place = place();
    run(&place, "quota set daily --limit 3 --unit usd --per day --zone Asia/Kathmandu").answer(0);
    run(&place, "quota consume daily 1.5").answer(0);
    let denied = json_with_code(&place, "quota reserve daily 1.500000000001", 1);
    let resets_at = denied["resets_at"].as_str().unwrap();
    assert!(resets_at.ends_with("T18:15:00.000Z"), "{denied}");
    let error = format!("daily: 1.500000000001 usd denied: 1.5 left until {resets_at}");
    let keys = ["granted", "reason", "error", "requested", "remaining", "consumed", "limit"];
    let expected =
        [json!(false), json!("not_enough"), json!(error), json!(1.500000000001), json!(1.5), json!(1.5), json!(3)];
    assert_eq!(keys.map(|key| denied[key].clone()), expected);
    assert_eq!(run(&place, "quota reserve daily 1.500000000001").complaint(1), format!("runledger: {error}\n"));

    let unknown = json_with_code(&place, "quota reserve daily unknown", 1);
    assert_eq!((&unknown["reason"], &unknown["requested"]), (&json!("unknown"), &json!(null)));
    let lines = std::fs::read_to_string(place.path("logs/quota.jsonl")).unwrap().lines().count();
    assert_eq!(lines, 1, "a denial writes no line");
}

#[test]
fn check_answers_whether_that_much_is_left() {
    let place = place();
    assert_eq!(run(&place, "quota check tools").answer(0), "tools: 0 of 10 calls used in total, 0 held, 10 left\n");
    assert_eq!(files(&place), [""; 0].map(PathBuf::from), "a check creates nothing");
    run(&place, "quota reserve tools 4").answer(0);
    run(&place, "quota consume money 2.5").answer(0);
    for (args, code) in [
        ("tools --amount 6", 0),
        ("tools --amount 7", 1),
        ("tools --amount 0", 0),
        ("money", 1),
        ("money --amount 0", 0),
        ("money --amount 0.000000000001", 1),
    ] {
        let answer = json_with_code(&place, &format!("quota check {args}"), code);
        assert_eq!(answer["available"], json!(code == 0), "{args}");
    }
    assert_eq!(
        run(&place, "quota check money").answer(1),
        "not enough left of money: 2.5 of 2.5 usd used in total, 0 held, 0 left\n"
    );
    assert_eq!(sums(&place, "tools"), [json!(0), json!(4), json!(6)]);
}

#[test]
fn unknown_amounts_follow_the_limit_and_are_never_zero() {
    let place = place();
    assert_eq!(run(&place, "quota reserve money unknown").answer(0), "1\n");
    assert_eq!(
        run(&place, "quota settle 1 unknown").answer(0),
        "money: 0 of 2.5 usd used in total, 0 held, 1 call of unknown amount, 2.5 left\n"
    );
    run(&place, "quota set money --limit 2.5 --unit usd --per total --unknown 0.75").answer(0);
    let held = json_with_code(&place, "quota reserve money unknown", 0);
    assert_eq!((&held["amount"], &held["remaining"]), (&json!(0.75), &json!(1.75)));
    let settled = json_with_code(&place, &format!("quota settle {} unknown", held["id"]), 0);
    assert_eq!((&settled["consumed"], &settled["assumed"], &settled["unknown"]), (&json!(0.75), &json!(1), &json!(1)));
    let consumed = json_with_code(&place, "quota consume money unknown", 0);
    assert_eq!((&consumed["consumed"], &consumed["assumed"]), (&json!(1.5), &json!(2)));
}

/// Returns the lines of `quota holds --json`.
fn listed(place: &Place, args: &str) -> Vec<Value> {
    let text = run(place, &format!("quota holds {args} --json").replace("  ", " ")).answer(0);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_list_of_holds_shows_an_unknown_amount_as_unknown() {
    let place = place();
    let granted = json_with_code(&place, "quota reserve money unknown", 0);
    assert_eq!(granted["amount"], json!(null));
    run(&place, "quota reserve money 0").answer(0);
    let amounts = || listed(&place, "").iter().map(|hold| hold["amount"].clone()).collect::<Vec<_>>();
    assert_eq!(amounts(), [json!(null), json!(0)]);
    let table = run(&place, "quota holds").answer(0);
    let cells: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
    assert_eq!(cells[1..3], [["1", "money", "?", "usd"], ["2", "money", "0", "usd"]], "{table}");
}

#[test]
fn a_hold_whose_limit_was_removed_or_changed_is_listed() {
    let place = place();
    run(&place, "quota reserve tools 4").answer(0);
    run(&place, "quota reserve money 1.25").answer(0);
    run(&place, "quota unset tools").answer(0);
    run(&place, "quota set money --limit 9 --unit tokens --per total").answer(0);
    let holds = listed(&place, "");
    let known = |hold: &Value| ["api_name", "amount", "unit", "has_limit"].map(|key| hold[key].clone());
    assert_eq!(holds.len(), 2);
    assert_eq!(known(&holds[0]), [json!("tools"), json!(4), json!("calls"), json!(false)]);
    assert_eq!(known(&holds[1]), [json!("money"), json!(1.25), json!("usd"), json!(false)]);
    let ids: Vec<_> = listed(&place, "tools").iter().map(|hold| hold["id"].clone()).collect();
    assert_eq!(ids, [json!(1)]);
    let table = run(&place, "quota holds").answer(0);
    let note = "the limit of hold 1 was removed or changed: tools has no limit in calls, so the hold ends only when it \
                expires\n";
    assert!(table.contains(note) && !table.contains("quota release ID"), "{table}");
    // A name without a limit and without a hold is an error, in any unit.
    let complaint = run(&place, "quota holds nobody").complaint(2);
    assert!(complaint.contains("cannot find the limit \"nobody\" among the known ones: "), "{complaint}");
    assert_eq!(run(&place, "quota holds github-rest").answer(0), "no hold is open\n");
}

#[test]
fn an_expired_hold_is_settled_with_a_warning() {
    let place = place();
    let limits = Limits::from_json(&std::fs::read_to_string(place.path("logs/limits.json")).unwrap()).unwrap();
    let before = now() - 60 * 60 * 1000;
    let options = QuotaOptions::new(Arc::new(move || before)).limits(limits);
    let Grant::Held(hold) =
        Quota::open(place.path("logs/quota.jsonl"), options).unwrap().reserve("tools", Some(9)).unwrap()
    else {
        panic!("denied")
    };
    let expires_at = hold.expires_at();
    assert_eq!(hold.keep(), 1);
    assert_eq!(sums(&place, "tools"), [json!(0), json!(0), json!(10)]);
    let settled = run(&place, "quota settle 1 9");
    assert_eq!(
        (settled.code, settled.stdout.as_str()),
        (Some(0), "tools: 9 of 10 calls used in total, 0 held, 1 left\n")
    );
    let warning = format!("the hold 1 expired at {expires_at}, so other calls may have used its amount");
    assert_eq!(settled.stderr, format!("runledger: warning: {warning}\n"));
}

#[test]
fn a_hold_whose_id_cannot_be_printed_is_released() {
    let place = place();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut reserve = command();
    reserve.current_dir(place.directory.path()).args(["quota", "reserve", "tools", "10"]).stdout(full);
    let complaint = output(&mut reserve).complaint(2);
    assert_eq!(complaint, "runledger: cannot write the output: No space left on device (os error 28)\n");
    assert_eq!(sums(&place, "tools"), [json!(0), json!(0), json!(10)]);
}

#[test]
fn a_command_that_fails_creates_no_journal() {
    let place = place();
    for (args, code, why) in [
        ("quota settle 1 1", 1, "no hold has the id 1: nothing was reserved yet"),
        ("quota release 7", 1, "no hold has the id 7: nothing was reserved yet"),
        ("quota reserve nobody 1", 2, "cannot find the limit \"nobody\" among the known ones: github-rest; "),
        ("quota consume nobody 1", 2, "cannot find the limit \"nobody\" among the known ones: github-rest; "),
        ("quota check nobody", 2, "cannot find the limit \"nobody\" among the known ones: github-rest; "),
        (
            "quota reserve tools 1.5",
            2,
            "cannot read the amount \"1.5\": expected `unknown` or a whole number of at least 0",
        ),
        (
            "quota reserve tools -1",
            2,
            "cannot read the amount \"-1\": expected `unknown` or a whole number of at least 0",
        ),
        (
            "quota consume money 0.0000000000001",
            2,
            "cannot read the amount \"0.0000000000001\": expected `unknown` or an amount",
        ),
        ("quota check tools --amount x", 2, "cannot read the amount \"x\": expected `unknown` or a whole number"),
        ("quota reserve tools 1 --for 10", 2, "expected a duration from 1s to 366d, such as 90s, 10m, 2h or 1d"),
        ("quota reserve tools 1 --for 367d", 2, "expected a duration from 1s to 366d"),
        ("quota reserve tools 1 --for 0s", 2, "expected a duration from 1s to 366d"),
        ("quota settle x 1", 2, "invalid value 'x' for '<ID>'"),
        ("quota tools settle", 2, "the subcommand 'settle' cannot be used with '[API]'"),
    ] {
        let complaint = run(&place, args).complaint(code);
        assert!(complaint.contains(why), "{args}: {complaint}");
        assert_eq!(files(&place), [""; 0].map(PathBuf::from), "{args}");
    }
    // An amount that cannot be read leaves the hold open.
    run(&place, "quota reserve tools 3").answer(0);
    run(&place, "quota settle 1 1.5").complaint(2);
    assert_eq!(sums(&place, "tools"), [json!(0), json!(3), json!(7)]);
}

/// Starts the command 16 times at once, and returns the outputs of those that exit with 0. The others exit with 1.
fn sixteen(place: &Place, args: &str) -> Vec<String> {
    let start = || -> Child {
        let mut child = command();
        child.args(args.split(' ')).current_dir(place.directory.path());
        child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..16).map(|_| start()).collect();
    let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
    let granted = ended.filter(|ended| {
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(matches!(ended.status.code(), Some(0 | 1)), "{stderr}");
        assert_eq!(ended.status.success(), stderr.is_empty(), "{stderr}");
        ended.status.success()
    });
    granted.map(|ended| String::from_utf8(ended.stdout).unwrap()).collect()
}

#[test]
fn sixteen_processes_at_once_are_never_granted_more_than_the_limit() {
    for (api, amount, granted, held) in [("tools", "3", 3, json!(9)), ("money", "0.3", 8, json!(2.4))] {
        let place = place();
        let mut ids = sixteen(&place, &format!("quota reserve {api} {amount}"));
        assert_eq!(ids.len(), granted, "{api}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), granted, "each has an id of its own");
        assert_eq!(sums(&place, api)[1], held);
        // Each hold is settled by one of sixteen processes.
        for id in &ids {
            assert_eq!(sixteen(&place, &format!("quota settle {} {amount}", id.trim())).len(), 1);
        }
        assert_eq!(sums(&place, api)[..2], [held, json!(0)]);
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(since.as_millis().try_into().unwrap()).unwrap().unix_ms()
}
