//! Promise: if root uses a ledger of another user, that user can still use it. The users of a group can share a ledger,
//! whatever their umasks are.
//!
//! These tests run processes of several users, which needs root and `setpriv`. If one of these is missing, the tests
//! say so.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::children::place::{PATIENCE, Place, record, skill, until};
use crate::children::{self, Report, contents, has_tool, is_interrupted, not_tested, report, task};
use runledger::disk::{Access, Disk, Storage};
use runledger::metrics::Status;
use runledger::quota::Limits;
use runledger::{Error, ErrorKind, Ledger, LedgerReader, Options, Uuid};

/// The user that runs a service.
const SERVICE: u32 = 1000;
const SERVICE_USER: &[&str] = &["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
/// Two users of the group 1500, each with its own umask.
const GROUP: u32 = 1500;
const FIRST: &[&str] =
    &["setpriv", "--reuid=1001", "--regid=1500", "--clear-groups", "sh", "-c", "umask 077; exec \"$0\" \"$@\""];
const SECOND: &[&str] =
    &["setpriv", "--reuid=1002", "--regid=1502", "--groups=1500", "sh", "-c", "umask 022; exec \"$0\" \"$@\""];

/// Returns true if this is root, and other users can run the test.
fn can_be_others() -> bool {
    const WHAT: &str = "a ledger of several users";
    let directory = tempfile::tempdir().unwrap();
    if fs::metadata(directory.path()).unwrap().uid() != 0 {
        not_tested(WHAT, "it takes root");
        return false;
    }
    if !has_tool("setpriv", WHAT) {
        return false;
    }
    let test = std::env::current_exe().unwrap();
    let ran = Command::new(SERVICE_USER[0]).args(&SERVICE_USER[1..]).arg(test).arg("--list").output().unwrap();
    if !ran.status.success() {
        not_tested(WHAT, "other users may not run the test");
    }
    ran.status.success()
}

/// Creates a place that other users may enter, whose `logs` has that owner, group and mode.
fn place(uid: u32, gid: u32, mode: u32) -> Place {
    let place = Place::new();
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    directory(&place.file("logs"), uid, gid, mode);
    // The reports of a child.
    directory(&place.file("reports"), 0, 0, 0o777);
    place
}

fn directory(path: &Path, uid: u32, gid: u32, mode: u32) {
    fs::create_dir(path).unwrap();
    chown(path, Some(uid), Some(gid)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns every file and directory below `directory`.
fn all_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// Returns the files and directories that do not have the expected owner, group and mode. An owner of `None` means any.
fn others(below: &Path, owner: Option<u32>, group: u32, modes: (u32, u32)) -> Vec<String> {
    let wrong = |path: &PathBuf| {
        let found = fs::metadata(path).unwrap();
        let mode = if found.is_dir() { modes.1 } else { modes.0 };
        let right = owner.is_none_or(|owner| owner == found.uid());
        let right = right && (found.gid(), found.mode() & 0o7777) == (group, mode);
        (!right).then(|| format!("{} {}:{} {:o}", path.display(), found.uid(), found.gid(), found.mode()))
    };
    all_below(below).iter().filter_map(wrong).collect()
}

/// Opens a ledger that begins a segment with each record. Panics at a warning.
fn open(path: &Path) -> Ledger {
    open_warned(path, |error| panic!("{error:?}")).unwrap()
}

fn open_warned(path: &Path, warn: impl Fn(&Error) + Send + Sync + 'static) -> runledger::Result<Ledger> {
    Options::new().rotate_bytes(Some(1)).lock_deadline(PATIENCE).on_warning(warn).open(path)
}

/// Leaves the beginning of a line at the end of the ledger.
fn tear(place: &Place) {
    let mut file = fs::OpenOptions::new().append(true).open(place.path()).unwrap();
    file.write_all(b"{\"execution_id\":").unwrap();
}

/// Does everything that creates files in and beside a ledger.
fn use_all(ledger: &Ledger, directory: &Path) {
    (0..3).for_each(|_| _ = record(ledger));
    ledger.begin_detached(skill(), |_| ()).unwrap();
    ledger.quota(Limits::default()).unwrap();
    ledger.frozen_baselines().unwrap();
    LedgerReader::open(directory.join("execution_metrics.jsonl"))
        .unwrap()
        .baselines(runledger::baseline::BaselineBy::Skill)
        .unwrap();
    runledger::export::csv::create(ledger.reader().records(), directory.join("exports")).unwrap();
}

#[test]
fn root_leaves_a_ledger_to_its_user() {
    if !can_be_others() {
        return;
    }
    let place = place(SERVICE, SERVICE, 0o755);
    place.spawn_by(SERVICE_USER, "record").succeed();
    tear(&place);
    use_all(&open(&place.path()), &place.file("logs"));
    assert_eq!(others(&place.file("logs"), Some(SERVICE), SERVICE, (0o600, 0o700)), [""; 0]);
    assert!(fs::read_dir(place.machinery("quarantine")).unwrap().count() == 1 && place.events().contains("rotated"));

    place.spawn_by(SERVICE_USER, "use all").succeed();
    assert_eq!(others(&place.file("logs"), Some(SERVICE), SERVICE, (0o600, 0o700)), [""; 0]);
    assert_eq!(contents(&place.path(), "after all").len(), 1 + 3 + 3);
}

#[test]
fn a_ledger_that_root_creates_belongs_to_the_owner_of_its_directory() {
    if !can_be_others() {
        return;
    }
    let place = place(0, 0, 0o755);
    directory(&place.file("home"), SERVICE, SERVICE, 0o700);
    for (above, owner) in [("home", SERVICE), ("logs", 0)] {
        let path = place.file(above).join("new/agent/execution_metrics.jsonl");
        use_all(&open(&path), path.parent().unwrap());
        assert_eq!(others(&place.file(above), Some(owner), owner, (0o600, 0o700)), [""; 0]);
    }
}

/// Both append at the same time. Each record begins a segment, and no call of either user is refused.
#[test]
fn root_never_locks_the_user_out() {
    if !can_be_others() {
        return;
    }
    let place = place(SERVICE, SERVICE, 0o700);
    let service = place.spawn_by(SERVICE_USER, "record many");
    let ledger = open(&place.path());
    for _ in 0..100 {
        record(&ledger);
    }
    drop(ledger);
    service.succeed();
    assert_eq!(contents(&place.path(), "both").len(), 200);
    assert_eq!(others(&place.file("logs"), Some(SERVICE), SERVICE, (0o600, 0o700)), [""; 0]);
}

#[test]
fn root_without_the_right_to_give_files_away_creates_none() {
    if !can_be_others() {
        return;
    }
    let place = place(SERVICE, SERVICE, 0o700);
    place.spawn_by(&["setpriv", "--bounding-set=-chown"], "refused").succeed();
    let said = fs::read_to_string(place.file("reports/refused")).unwrap();
    let expected = format!(
        "cannot create a directory: {}: root is not allowed to give the new file to the owner of its directory: \
         Operation not permitted (os error 1); run as uid 1000, or allow chown (CAP_CHOWN)\n",
        place.machinery("").display()
    );
    assert_eq!(said, expected.replace(".ledger/:", ".ledger:"));
    assert_eq!(all_below(&place.file("logs")), [""; 0].map(PathBuf::from));
    place.spawn_by(SERVICE_USER, "record").succeed();
}

#[test]
fn a_group_shares_a_ledger() {
    if !can_be_others() {
        return;
    }
    // An administrator's `mkdir -m 2770 logs`, and a directory whose owner is a user.
    for owner in [0, 1001] {
        let place = place(owner, GROUP, 0o2770);
        let shared = || assert_eq!(others(&place.file("logs"), None, GROUP, (0o660, 0o2770)), [""; 0]);
        for round in 0..2 {
            for user in [FIRST, SECOND] {
                place.spawn_by(user, "use all").succeed();
                shared();
                tear(&place);
            }
            // Root appends in between.
            use_all(&open(&place.path()), &place.file("logs"));
            shared();
            tear(&place);
            let torn = fs::read_dir(place.machinery("quarantine")).unwrap().count();
            assert_eq!(torn, 3 * (round + 1) - 1, "each torn tail was found by the next");
        }
        assert_eq!(contents(&place.path(), "three users").len(), 2 * 3 * 3);

        // One user completes an execution that the other has started. When a process of one user is dead, the other
        // user's next process records the execution of the dead process.
        for (user, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
            place.spawn_by(user, "start").succeed();
            place.spawn_by(other, "complete").succeed();
            let mut begun = place.spawn_by(user, "begin");
            until("the begun execution", || report(&place.file("reports/begun")).len() == 1);
            let id: Uuid = report(&place.file("reports/begun"))[0][0].parse().unwrap();
            begun.kill();
            place.spawn_by(other, "record").succeed();
            assert!(is_interrupted(&contents(&place.path(), "swept")[&id].1));
            fs::remove_file(place.file("reports/begun")).unwrap();
            fs::remove_file(place.file("reports/started")).unwrap();
        }
        shared();
        assert!(LedgerReader::open(place.path()).unwrap().verify(&[]).unwrap().is_clean());
    }
}

/// Three users append at the same time, each record in a segment of its own.
#[test]
fn the_users_of_a_group_never_lock_each_other_out() {
    if !can_be_others() {
        return;
    }
    let place = place(0, GROUP, 0o2770);
    let both = [FIRST, SECOND].map(|user| place.spawn_by(user, "record many"));
    let ledger = open(&place.path());
    (0..100).for_each(|_| _ = record(&ledger));
    drop(ledger);
    both.into_iter().for_each(children::place::Running::succeed);
    assert_eq!(contents(&place.path(), "three at once").len(), 300);
    assert_eq!(others(&place.file("logs"), None, GROUP, (0o660, 0o2770)), [""; 0]);
}

/// A new directory or file gets its mode a moment after it was created. Another user who uses it in that moment must not
/// be refused.
#[test]
fn a_file_that_was_just_created_refuses_no_user_of_the_group() {
    if !can_be_others() {
        return;
    }
    let place = place(0, GROUP, 0o2770);
    let users = [(FIRST, "create files"), (SECOND, "open files")].map(|(user, task)| place.spawn_by(user, task));
    users.into_iter().for_each(children::place::Running::succeed);
    assert_eq!(others(&place.file("logs"), None, GROUP, (0o660, 0o2770)), [""; 0]);
}

/// A directory is not shared just because its group may write to it: with a umask of 002, every directory has this
/// permission. A directory with the sticky bit is not shared either, because no user may rename the files of another
/// user there.
#[test]
fn a_directory_that_its_group_may_write_is_not_yet_shared() {
    for mode in [0o775, 0o2755, 0o3770] {
        let place = Place::new();
        fs::create_dir(place.file("logs")).unwrap();
        fs::set_permissions(place.file("logs"), fs::Permissions::from_mode(mode)).unwrap();
        drop(place.open());
        let modes: Vec<_> = all_below(&place.file("logs"))
            .iter()
            .map(|path| fs::metadata(path).unwrap())
            .filter(|found| found.mode() & 0o777 != if found.is_dir() { 0o700 } else { 0o600 })
            .collect();
        assert_eq!(modes.len(), 0, "{mode:o}");
    }
}

#[test]
fn a_refusal_names_owner_mode_and_what_to_do() {
    if !can_be_others() {
        return;
    }
    let place = place(0, 0, 0o755);
    drop(open(&place.path()));
    place.spawn_by(SERVICE_USER, "refused").succeed();
    let logs = place.file("logs").display().to_string();
    let refused = |operation: &str, file: &str, found: &str, right: &str, remedy: &str| {
        let said = fs::read_to_string(place.file("reports/refused")).unwrap();
        let expected = format!(
            "cannot {operation}: {logs}/{file}: permission denied; found {found}, and this process runs as uid 1000; \
             expected the right to {right} it: {remedy}\n"
        );
        assert_eq!(said, expected);
        fs::remove_file(place.file("reports/refused")).unwrap();
    };
    let other = "run as the owner, or change the owner of the ledger's directory with chown -R";
    // The error names the closed directory, not a file in it.
    let machinery = format!("the directory {logs}/execution_metrics.ledger owned by uid 0 with mode 0700");
    refused("examine the ledger's directory", "execution_metrics.ledger", &machinery, "enter", other);

    chown(place.machinery(""), Some(SERVICE), Some(SERVICE)).unwrap();
    for entry in all_below(&place.machinery("")) {
        chown(entry, Some(SERVICE), Some(SERVICE)).unwrap();
    }
    place.spawn_by(SERVICE_USER, "refused").succeed();
    let file = "it owned by uid 0 with mode 0600";
    refused("open the ledger", "execution_metrics.jsonl", file, "read and write", other);

    // Of the two directories of a rename, the error names the one that refuses.
    chown(place.file("logs"), Some(SERVICE), Some(SERVICE)).unwrap();
    directory(&place.file("closed"), 0, 0, 0o755);
    place.spawn_by(SERVICE_USER, "rename").succeed();
    let said = fs::read_to_string(place.file("reports/refused")).unwrap();
    let expected = format!("permission denied; found the directory {} owned by uid 0", place.file("closed").display());
    assert!(said.starts_with(&expected), "{said}");
}

fn new_directories(place: &Path) -> impl Iterator<Item = PathBuf> {
    (0..1_000).map(|number| place.join(format!("logs/{number}")))
}

/// Writes a line to a report that every user may read, whatever the umask is.
fn say(path: &Path, line: &str) {
    Report::open(path).say(line);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let path = children::ledger_path(&directory);
    let reports = directory.join("reports");
    let started = || report(&reports.join("started"))[0][0].parse().unwrap();
    match task.as_str() {
        "record" => _ = record(&open(&path)),
        "use all" => use_all(&open(&path), path.parent().unwrap()),
        "rename" => {
            let (from, to) = (directory.join("logs/file"), directory.join("closed/file"));
            fs::write(&from, "").unwrap();
            say(&reports.join("refused"), &Disk.rename(&from, &to).unwrap_err().to_string());
        }
        "record many" => {
            let ledger = open(&path);
            (0..100).for_each(|_| _ = record(&ledger));
        }
        "create files" => {
            for directory in new_directories(&directory) {
                Disk.create_dir(&directory).unwrap();
                Disk.open(&directory.join("file"), Access::AppendNew).unwrap();
            }
        }
        "open files" => {
            for directory in new_directories(&directory) {
                let begun = Instant::now();
                while let Err(error) = Disk.open(&directory.join("file"), Access::Append) {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
                    assert!(begun.elapsed() < PATIENCE, "{} did not come", directory.display());
                }
            }
        }
        "start" => {
            let id = open(&path).begin_detached(skill(), |_| ()).unwrap().execution_id;
            say(&reports.join("started"), &id.to_string());
        }
        "complete" => {
            let completed =
                open(&path).resume(started()).and_then(|execution| execution.complete(Status::Success)).unwrap();
            assert!(matches!(completed.answer, runledger::Answer::Durable { .. }));
        }
        "begin" => {
            let ledger = open(&path);
            let run = ledger.begin(skill());
            say(&reports.join("begun"), &run.id().to_string());
            std::thread::sleep(PATIENCE);
        }
        _ => {
            let error = open_warned(&path, |_| ()).unwrap_err();
            assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::PermissionDenied)));
            say(&reports.join("refused"), &error.to_string());
        }
    }
}
