//! `runledger redact` takes a text out of the lines of an execution. `verify` and `show` say so, and other commands
//! read the changed lines.

use std::io::Write;
use std::process::Stdio;

use crate::commands::{Place, command, record};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Options};
use serde_json::Value;

const SECRET: &str = "hunter2-correct-horse";

fn with_secret() -> ExecutionMetrics {
    let mut record = record(7, "publish", "2026-02-14T14:23:00Z", Some(5), Status::Failed);
    record.set_error_reason(format!("refused: {SECRET}"));
    record.run.run_id = Some("r-1".to_owned());
    record.tags.insert("note".to_owned(), format!("see {SECRET}").into());
    record
}

fn place() -> (Place, String) {
    let record = with_secret();
    let other = record_of(8);
    (Place::with(&[record.clone(), other]), record.execution_id.to_string())
}

fn record_of(id: u128) -> ExecutionMetrics {
    record(id, "publish", "2026-02-14T14:23:00Z", Some(5), Status::Success)
}

/// Runs `redact` with the secret on stdin, so that it is on no command line.
fn redact(place: &Place, id: &str, field: &str) -> (Option<i32>, String) {
    let mut redact = command();
    redact.current_dir(place.directory.path()).args(["redact", id, "--field", field, "--text", "-", "--by", "ann"]);
    let mut child = redact.args(["--why", "a password"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{SECRET}\n").as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

#[test]
fn a_text_is_taken_out_and_verify_and_show_say_so() {
    let (place, id) = place();
    let heads = place.run(["head", "--json"]).answer(0);
    let gated = place.run(["gate", "--run", "r-1"]);
    std::fs::write(place.path("heads.jsonl"), heads).unwrap();
    let (code, told) = redact(&place, &id, "error_reason");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("lines      1, as stated in line 3"), "{told}");
    // The tag was not named, so the answer says that the line still has the text.
    assert!(told.contains(&format!("still has the text, in lines of {id}")), "{told}");
    let (code, told) = redact(&place, &id, "tags");
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("still has the text"), "{told}");
    assert_eq!(redact(&place, &id, "*").0, Some(2));

    let verified = place.run(["verify", "--head", "heads.jsonl"]).answer(0);
    for named in ["line 3: error_reason by ann: a password", "line 4: tags by ann: a password"] {
        assert!(verified.contains(&format!("seq 1: redacted, as stated in {named}")), "{verified}");
    }
    assert!(verified.contains("faults    0"), "{verified}");
    let json = place.run(["verify", "--json"]).json();
    assert_eq!((&json["redacted"][1]["seq"], &json["redacted"][1]["statement"]), (&1.into(), &4.into()));

    let shown = place.run(["show", &id, "--json"]);
    assert!(shown.stderr.contains("by ann: error_reason: a password"), "{}", shown.stderr);
    let record: Value = serde_json::from_str(&shown.stdout).unwrap();
    let marker = format!("[redacted:by-hand:{}]", &runledger::hash_bytes(SECRET)[..4]);
    assert_eq!(record["error_reason"], format!("refused: {marker}"));
    assert_eq!(record["tags"]["note"], format!("see {marker}"));
    let again = place.run(["gate", "--run", "r-1"]);
    assert_eq!((again.code, again.stdout), (gated.code, gated.stdout));
    for args in [&["list"][..], &["cost"], &["cat"], &["metrics"], &["doctor", "--json"], &["export", "csv"]] {
        let done = place.run(args);
        assert!(!done.stdout.contains(SECRET) && !done.stderr.contains(SECRET), "{args:?}: {done:?}");
        assert!(args[0] == "doctor" || done.code == Some(0), "{args:?}: {done:?}");
    }
    for path in place.files() {
        let bytes = std::fs::read(place.path(path.to_str().unwrap())).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
    }
}

#[test]
fn what_cannot_be_redacted_is_named_and_no_ledger_is_made() {
    let (place, id) = place();
    let run = |args: &[&str]| place.run([&["redact"], args, &["--by", "ann"]].concat());
    let complaint = run(&[&id, "--field", "nothing", "--why", "x"]).complaint(2);
    assert!(complaint.contains("found no text to take out at `nothing` in any line of"), "{complaint}");
    let complaint = run(&[&id, "--field", "status", "--why", "x"]).complaint(2);
    assert!(complaint.contains("expected a text"), "{complaint}");
    let unknown = "00000000-0000-0000-0000-00000000ffff";
    run(&[unknown, "--field", "error_reason", "--why", "x"]).complaint(1);
    run(&["ffffffff", "--field", "error_reason", "--why", "x"]).complaint(1);
    let empty = Place::empty();
    empty.run(["redact", &id, "--field", "x", "--why", "x", "--by", "ann"]).complaint(2);
    assert!(empty.files().is_empty());
}

/// The archive is verified with the ledger that the archive's events name.
#[test]
fn an_archived_line_is_redacted_and_its_archive_verifies() {
    let place = Place::empty();
    let ledger = Options::new().rotate_bytes(Some(1_000)).open(place.ledger()).unwrap();
    let record = with_secret();
    ledger.append(&record).unwrap();
    (20..28).for_each(|id| _ = ledger.append(&record_of(id)).unwrap());
    ledger.archive_segments(1, place.path("old")).unwrap();
    ledger.archive_segments(2, place.path("newer")).unwrap();
    drop(ledger);
    let (code, told) = redact(&place, &record.execution_id.to_string(), "*");
    assert_eq!(code, Some(0), "{told}");
    let archive = place.path("old/execution_metrics.jsonl");
    let verify = || place.run([&"verify".into(), &"--ledger".into(), &archive.clone().into_os_string()]);
    let verified = verify().answer(0);
    assert!(verified.contains("seq 1: redacted, as stated in line 10 of "), "{verified}");
    place.run(["verify"]).answer(0);
    // Without the ledger, nothing states the change.
    std::fs::rename(place.path("logs"), place.path("moved")).unwrap();
    let verified = verify().answer(1);
    let live = place.ledger().display().to_string();
    let count =
        "unstated  1 line is redacted, but the statements are in a ledger that is not available: see the faults\n";
    let fault = format!(
        "seq 1: the line is redacted, but the ledger that should have its statement cannot be used: {live}: found no \
         such ledger\n"
    );
    assert!(verified.contains(count) && verified.ends_with(&fault), "{verified}");
    assert!(verified.contains("\nfaults    1\n") && !verified.contains("edited"), "{verified}");
    std::fs::rename(place.path("moved"), place.path("logs")).unwrap();
    verify().answer(0);
}

/// The statement of a redaction is listed, but it is not work of an agent.
#[test]
fn statements_are_listed_and_do_not_count() {
    let (place, id) = place();
    let count = |place: &Place| {
        let cost = place.run(["cost", "--json"]).json();
        let report = place.run(["report", "--text", "--json"]).json();
        let top = place.run(["top", "--once", "--json"]).json();
        let baseline = place.run(["baseline", "--json"]).answer(0);
        let skills = baseline.matches("runledger.redact").count();
        (cost["withoutModel"].clone(), report["executions"].clone(), top["last_hour"]["executions"].clone(), skills)
    };
    let before = count(&place);
    assert_eq!((&before.0, &before.1, before.3), (&2.into(), &2.into(), 0));
    assert_eq!(redact(&place, &id, "error_reason").0, Some(0));
    assert_eq!(count(&place), before);
    // The sums of an index leave the statement out too.
    place.run(["index", "extend"]);
    assert_eq!(count(&place), before);
    let list = place.run(["list"]).answer(0);
    assert!(list.contains("runledger.redact"), "{list}");
    let mut other = record_of(9);
    other.kind = runledger::metrics::Kind::Other("redaction".to_owned());
    other.run.run_id = Some("r-9".to_owned());
    place.append_again(&other);
    let gated = place.run(["gate"]);
    assert!(gated.stdout.contains("r-9"), "a record of the user: {gated:?}");
}
