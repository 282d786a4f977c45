//! The command `runledger ship`.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use runledger::ship::DirectoryStore;

use crate::commands::{command, output};
use crate::support::{Random, append, assert_exactly_once, open};

/// Returns the number of files below `folder`.
fn count(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let is_hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    let entries = entries.map(Result::unwrap).filter(|entry| !is_hidden(entry));
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

fn spawn(directory: &Path) -> Child {
    let mut call = command();
    call.current_dir(directory).args(["ship", "fleet", "--active", "--file-mib", "1"]);
    call.args(["--ledger", "execution_metrics.jsonl"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn row_36_two_commands_that_are_killed_at_any_moment_ship_each_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let mut random = Random(7);
    let (claims, files) = (directory.path().join("fleet/claims"), directory.path().join("fleet/v=1"));
    let (mut lines, mut open_claims) = (0, 0);
    for round in 0..25 {
        append(&open(&path), lines + 1..=lines + 12);
        lines += 12;
        let before = count(&claims);
        let mut children = [spawn(directory.path()), spawn(directory.path())];
        // In every second round, the commands are killed as soon as they have claimed lines.
        let began = Instant::now();
        while round % 2 == 1 && count(&claims) == before && began.elapsed() < Duration::from_secs(10) {}
        for child in &mut children {
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(random.below(15_000)));
            }
            let _ = child.kill();
        }
        children.iter_mut().for_each(|child| _ = child.wait().unwrap());
        open_claims += usize::from(count(&claims) > count(&files));
    }
    assert!(open_claims > 0, "no command was killed between a claim and its file");
    assert!(spawn(directory.path()).wait().unwrap().success());
    assert_exactly_once(&DirectoryStore::new(directory.path().join("fleet")), &path, lines);
}

#[test]
fn the_answer_says_what_was_shipped_and_how_far() {
    let directory = tempfile::tempdir().unwrap();
    append(&open(&directory.path().join("execution_metrics.jsonl")), 1..=3);
    let call = |arguments: &[&str]| {
        let mut call = command();
        call.current_dir(directory.path())
            .args(["--ledger", "execution_metrics.jsonl", "ship", "fleet"])
            .args(arguments);
        output(&mut call)
    };
    let first = call(&[]);
    assert_eq!((first.code, first.stdout.contains("up to line   -")), (Some(0), true), "{}", first.stdout);
    assert!(first.stderr.contains("use --active"), "{}", first.stderr);
    let second = call(&["--active", "--machine", "build-7"]);
    assert!(second.stdout.starts_with("files        1\nrecords      3\n"), "{}", second.stdout);
    assert!(second.stdout.ends_with("up to line   3\n"), "{}", second.stdout);
    let third = call(&["--active", "--json"]).json();
    assert_eq!((&third["files"], &third["shipped"]["seq"]), (&0.into(), &3.into()));
    let hidden = fs::read_dir(directory.path().join("fleet")).unwrap().count();
    assert_eq!(hidden, 2, "v=1 and claims");
}

#[test]
fn credentials_in_an_address_are_refused_and_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    append(&open(&directory.path().join("execution_metrics.jsonl")), 1..=3);
    for address in ["s3://key:hunter2@bucket/fleet", "az://container/fleet?sig=hunter2", "ftp://hunter2/fleet"] {
        let mut call = command();
        let refused =
            output(call.current_dir(directory.path()).args(["--ledger", "execution_metrics.jsonl", "ship", address]));
        assert_eq!(refused.code, Some(2));
        assert!(!refused.stderr.contains(":hunter2") && !refused.stderr.contains("=hunter2"), "{}", refused.stderr);
    }
}
