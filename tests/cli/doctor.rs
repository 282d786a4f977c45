//! `runledger doctor` reports what it examined, what is wrong, and what to do. Its exit code says how bad the worst
//! problem is.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::commands::{Output, Place, output};
use runledger::LedgerReader;
use serde_json::{Value, json};

fn checks(output: &Output) -> Vec<Value> {
    assert_eq!(output.stderr, "");
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check<'c>(checks: &'c [Value], name: &str) -> &'c Value {
    checks.iter().find(|check| check["name"] == name).unwrap()
}

fn worst(checks: &[Value]) -> i32 {
    let code = |check: &Value| ["ok", "warning", "fault"].iter().position(|level| check["level"] == *level).unwrap();
    checks.iter().map(code).max().unwrap() as i32
}

#[test]
fn each_check_is_a_line_with_the_advice_below() {
    let place = Place::new();
    std::fs::write(place.path("logs/execution_metrics.ledger/quarantine/torn"), "x").unwrap();
    let found = place.run(["doctor"]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), ""), "{}", found.stdout);
    let directory = std::fs::canonicalize(place.directory.path()).unwrap();
    let text = found.stdout.replace(directory.to_str().unwrap(), "~");
    for line in [
        "ok       location     ~/logs\n",
        "ok       lock         keeps others out\n",
        "ok       end          line 5, whole\n",
        "warning  quarantine   files in ~/logs/execution_metrics.ledger/quarantine: 1\n                      \
         → look at these files, and then move them away. They contain no acknowledged record\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let names = |names: Vec<&str>| names.join(" ");
    let told: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).map(|line| line[9..22].trim()).collect();
    let examined = LedgerReader::examine(place.ledger());
    assert_eq!(names(told), names(examined.iter().map(|check| check.name).collect()));
}

#[test]
fn in_json_each_line_is_a_check_and_the_exit_code_is_that_of_the_worst() {
    let place = Place::new();
    let healthy = place.run(["doctor", "--json"]);
    let found = checks(&healthy);
    assert_eq!(
        *check(&found, "lock"),
        json!({"name": "lock", "level": "ok", "found": "keeps others out", "advice": null})
    );
    assert_eq!(healthy.code, Some(worst(&found)));

    std::fs::write(place.path("logs/execution_metrics.ledger/quarantine/torn"), "x").unwrap();
    let warned = place.run(["doctor", "--json"]);
    assert_eq!((warned.code, worst(&checks(&warned))), (Some(1), 1), "{}", warned.stdout);

    std::fs::set_permissions(place.path("logs"), PermissionsExt::from_mode(0o777)).unwrap();
    let fault = place.run(["doctor", "--json"]);
    assert_eq!((fault.code, worst(&checks(&fault))), (Some(2), 2), "{}", fault.stdout);
}

/// Runs `doctor` in processes with a low limit on open files or on the size of files.
#[cfg(target_os = "linux")]
#[test]
fn the_limits_of_the_process_are_checked() {
    let place = Place::empty();
    let limited = |limit: &str| {
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(env!("CARGO_BIN_EXE_runledger")).args(["doctor", "--json"]);
        output(command.current_dir(place.directory.path()))
    };
    let files = limited("--nofile=40");
    let found = checks(&files);
    assert_eq!(
        *check(&found, "open files"),
        json!({
            "name": "open files",
            "level": "warning",
            "found": "at most 40",
            "advice": "raise the limit with `ulimit -n`",
        })
    );
    assert_eq!(files.code, Some(1));

    let short = limited("--fsize=500000");
    let found = checks(&short);
    assert_eq!(
        *check(&found, "file size"),
        json!({
            "name": "file size", "level": "warning", "found": "at most 488.3 KiB, so larger records are lost",
            "advice": "raise the limit with `ulimit -f`",
        })
    );
    assert_eq!(
        *check(&found, "commit area"),
        json!({
            "name": "commit area", "level": "fault", "found": "cannot be created: file too large",
            "advice": "free some space, or raise the limits",
        })
    );
    assert_eq!((short.code, place.files().len()), (Some(2), 0));
}

/// Appends six executions to a ledger that rotates at 1,000 bytes, and returns the directory of its sealed segments.
fn in_segments(place: &Place) -> std::path::PathBuf {
    let options = runledger::Options::new().rotate_bytes(Some(1_000));
    let ledger = options.open(place.ledger()).unwrap();
    for _ in 0..6 {
        ledger.begin(runledger::Skill::new("s", "1.0.0")).succeed();
    }
    place.path("logs/execution_metrics.ledger/sealed")
}

#[test]
fn the_state_of_each_index_is_named_and_a_rebuild_repairs_it() {
    let place = Place::new();
    let sealed = in_segments(&place);
    let index = || check(&checks(&place.run(["doctor", "--json"])), "index").clone();
    let segments = std::fs::read_dir(&sealed).unwrap().count();
    assert_eq!((&index()["level"], &index()["found"]), (&json!("ok"), &json!(format!("missing {segments}"))));

    // A rebuild builds the index of the active segment too.
    let segments = segments + 1;
    let rebuilt: Value = serde_json::from_str(&place.run(["index", "rebuild", "--json"]).answer(0)).unwrap();
    assert_eq!((&rebuilt["segments"], &rebuilt["unclean"]), (&json!(segments), &json!([])));
    assert_eq!(index()["found"], json!(format!("whole {segments}")));

    let bytes = std::fs::read(sealed.join("000001.index")).unwrap();
    std::fs::write(sealed.join("000001.index"), &bytes[..bytes.len() - 1]).unwrap();
    std::fs::write(sealed.join("000002.index"), &bytes).unwrap();
    let found = index();
    let text = found["found"].as_str().unwrap();
    assert_eq!(found["level"], "warning");
    assert!(
        text.contains("damaged: ") && text.contains("000001.index; stale: ") && text.contains("000002.index"),
        "{text}"
    );

    let rebuilt = place.run(["index", "rebuild"]).answer(0);
    assert!(rebuilt.starts_with(&format!("indexes {segments}, bytes ")), "{rebuilt}");
    assert_eq!(index()["found"], json!(format!("whole {segments}")));

    // The segment that was active is sealed now. The index that was built before covers only the first lines of this
    // segment, which is no fault.
    in_segments(&place);
    let found = index();
    assert!(found["level"] == "ok" && found["found"].as_str().unwrap().starts_with("whole "), "{found}");
}

/// `show` prints the same bytes and the same warnings with and without indexes.
#[test]
fn show_prints_the_same_with_and_without_indexes() {
    let place = Place::new();
    let sealed = in_segments(&place);
    let segment = sealed.join("000002.jsonl");
    let lines = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, format!("not a record\n{lines}")).unwrap();
    let records = LedgerReader::open(place.ledger()).unwrap().records().filter_map(Result::ok);
    let mut ids: Vec<_> = records.map(|record| record.execution_id.to_string()).collect();
    ids.extend(["0".to_owned(), "ffffffff".to_owned()]);
    let answers = || -> Vec<_> {
        let shown = ids.iter().map(|id| place.run(["show", id.as_str()]));
        shown.map(|output| (output.code, output.stdout, output.stderr)).collect()
    };
    let built = answers();
    assert!(
        built.iter().all(|(_, _, warnings)| warnings.contains("skipped lines that are not records: 1")),
        "{built:?}"
    );
    assert!(sealed.join("000001.index").exists());
    assert_eq!(answers(), built);
    for entry in std::fs::read_dir(&sealed).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "index") {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(path.with_extension("index.new")).unwrap();
        }
    }
    assert_eq!(answers(), built);
    assert!(!sealed.join("000001.index").exists());
    assert!(place.run(["index", "rebuild"]).complaint(2).contains("write an index"));
}

/// `doctor` also checks the permissions of the archives that the ledger's events name, and of the journals beside the
/// ledger. They have texts of records too.
#[test]
fn archives_and_journals_that_others_may_read_are_named() {
    let place = Place::empty();
    let sealed = in_segments(&place);
    let ledger = runledger::Options::new().open(place.ledger()).unwrap();
    ledger.archive_segments(1, place.path("old")).unwrap();
    drop(ledger);
    assert!(sealed.exists());
    let archive = place.path("old/execution_metrics.ledger");
    let permissions = || check(&checks(&place.run(["doctor", "--json"])), "permissions").clone();
    assert_eq!(permissions()["level"], "ok");
    std::fs::set_permissions(&archive, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(place.path("logs/quota.jsonl"), "").unwrap();
    std::fs::set_permissions(place.path("logs/quota.jsonl"), PermissionsExt::from_mode(0o644)).unwrap();
    let found = permissions();
    assert_eq!(found["level"], "warning");
    let advice = found["advice"].as_str().unwrap();
    let named = |path: &std::path::Path| advice.contains(&format!("'{}'", path.display()));
    assert!(advice.starts_with("remove these rights with `chmod -R go= "), "{advice}");
    assert!(named(&archive) && named(&place.path("logs/quota.jsonl")), "{advice}");
    let fixed = advice.split('`').nth(1).unwrap();
    assert!(Command::new("sh").args(["-c", fixed]).current_dir(place.directory.path()).status().unwrap().success());
    assert_eq!(permissions()["level"], "ok");
}
