//! Promise: `doctor` finds out if the path of a ledger is unsafe or the ledger is damaged. It says what to do, and
//! changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::hooked::full_for;
use runledger::ledger::{Check, Level};
use runledger::{Answer, Ledger, LedgerReader, Options, Skill, Timestamp, Uuid};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Creates a directory without a ledger.
    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Creates a ledger of one record.
    fn new() -> Self {
        let place = Self::empty();
        record(&place.open());
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("logs/l.jsonl")
    }

    fn machinery(&self, name: &str) -> PathBuf {
        self.path().with_extension("ledger").join(name)
    }

    fn open(&self) -> Ledger {
        Options::new().on_warning(|_| {}).open(self.path()).unwrap()
    }

    fn check(&self, name: &str) -> Check {
        let found: Vec<_> = LedgerReader::examine(self.path()).into_iter().filter(|check| check.name == name).collect();
        let [check] = <[_; 1]>::try_from(found).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        check
    }

    /// Returns the level, the finding without the directory's name, and the advice.
    fn finding(&self, name: &str) -> (Level, String, Option<String>) {
        let Check { level, found, advice, .. } = self.check(name);
        let shortened = |text: String| text.replace(self.directory.path().to_str().unwrap(), "~");
        (level, shortened(found), advice.map(shortened))
    }

    fn assert(&self, name: &str, level: Level, found: &str, advice: &str) {
        let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
        assert_eq!(self.finding(name), (level, found.to_owned(), advice));
    }

    /// Returns everything below the directory: content, rights, and the time of the last change.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>, u32, SystemTime)> {
        fn walk(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>, u32, SystemTime)>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.metadata().unwrap();
                if metadata.is_dir() {
                    walk(&path, found);
                }
                let content = if metadata.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
                // A file that was created and removed changes the time of its directory.
                let modified = if path.ends_with("logs") { UNIX_EPOCH } else { metadata.modified().unwrap() };
                found.push((path, content, metadata.permissions().mode(), modified));
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        found.sort();
        found
    }
}

fn record(ledger: &Ledger) {
    assert!(ledger.begin(Skill::new("summarise", "1.0.0")).succeed().is_durable());
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Returns the time `days` days ago.
fn time(days: i64) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    Timestamp::from_unix_ms(now - days * 86_400_000).unwrap()
}

#[test]
fn a_healthy_ledger_passes_every_check_and_is_not_changed() {
    let place = Place::new();
    let before = place.everything();
    let checks = LedgerReader::examine(place.path());
    assert!(before == place.everything());
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "file system",
            "location",
            "permissions",
            "lock",
            "commit area",
            "sync",
            "space",
            "file size",
            "open files",
            "clock",
            "prices",
            "ledger",
            "end",
            "spill",
            "quarantine",
            "in flight",
            "events",
            "readers",
            "index",
        ]
    );
    // The results of these checks depend on the machine and the date.
    let of_machine = ["file system", "sync", "space", "file size", "open files", "clock", "prices"];
    for check in checks.iter().filter(|check| !of_machine.contains(&check.name)) {
        assert_eq!((check.level, &check.advice), (Level::Ok, &None), "{check:?}");
    }
    place.assert("location", Level::Ok, "~/logs", "");
    place.assert("end", Level::Ok, "line 1, whole", "");
    place.assert("ledger", Level::Ok, "~/logs/l.jsonl", "");
    let found = "all lines are in ~/logs/l.jsonl; sealed segments will be ~/logs/l.ledger/sealed/*.jsonl";
    place.assert("readers", Level::Ok, found, "");
    place.assert("index", Level::Ok, "none needed yet", "");
}

#[test]
fn the_paths_for_other_readers_are_printed() {
    let place = Place::new();
    let ledger = Options::new().rotate_bytes(Some(1_000)).open(place.path()).unwrap();
    (0..4).for_each(|_| record(&ledger));
    let found = "sealed segments (2) are ~/logs/l.ledger/sealed/*.jsonl; newer lines are in ~/logs/l.jsonl";
    place.assert("readers", Level::Ok, found, "");
}

#[test]
fn an_open_ledger_passes_too() {
    let place = Place::new();
    let ledger = place.open();
    let run = ledger.begin(Skill::new("summarise", "1.0.0"));
    for name in ["lock", "ledger", "end", "in flight"] {
        assert_eq!(place.check(name).level, Level::Ok, "{name}");
    }
    assert!(run.succeed().is_durable());
}

#[test]
fn no_ledger_is_created() {
    let place = Place::empty();
    place.assert("ledger", Level::Ok, "none yet; the first record creates it", "");
    place.assert("location", Level::Ok, "to be created below ~", "");
    place.assert("commit area", Level::Ok, "can be created", "");
    assert_eq!(place.everything(), []);
}

#[test]
fn syncs_are_measured() {
    let found = Place::empty().check("sync").found;
    let number = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
    let parts: Vec<_> = found.split(['p', ';', ',']).filter_map(|part| part.strip_prefix(['5', '9'])).collect();
    let [p50, p99, append_p50, append_p99] = <[_; 4]>::try_from(parts).unwrap_or_else(|_| panic!("{found}"));
    let [p50, p99, append_p50, append_p99] =
        [p50, p99, append_p50, append_p99].map(|part| number(part.split_once(' ').unwrap().1));
    assert!(p50 <= p99 && append_p50 <= append_p99, "{found}");
    assert!(found.starts_with("overwrite p50 ") && found.contains("; append p50 "), "{found}");
}

#[test]
fn a_file_system_in_memory_is_a_warning() {
    let checks = LedgerReader::examine("/dev/shm/l.jsonl");
    assert_eq!((checks[0].name, checks[0].level), ("file system", Level::Warning), "{checks:?}");
    assert_eq!(checks[0].found, "tmpfs, in memory, which the next restart clears");
}

#[test]
fn a_directory_in_which_no_file_can_be_created_is_a_fault() {
    let checks = LedgerReader::examine("/proc/l.jsonl");
    let files = checks.iter().find(|check| check.name == "files").unwrap();
    assert_eq!(files.level, Level::Fault);
    assert!(files.found.starts_with("cannot create and sync a file: /proc: "), "{files:?}");
    assert_eq!(files.advice.as_deref(), Some("make the directory writable"));
    assert!(checks.iter().all(|check| check.name != "sync"));
}

#[test]
fn a_place_that_opening_refuses_is_a_fault() {
    let place = Place::new();
    chmod(place.path().parent().unwrap(), 0o777);
    let lawless = place.check("location");
    assert_eq!(lawless.level, Level::Fault);
    assert!(lawless.found.ends_with("remove that permission (chmod o-w)"), "{lawless:?}");

    let place = Place::new();
    std::fs::hard_link(place.path(), place.directory.path().join("other")).unwrap();
    assert!(
        place
            .check("location")
            .found
            .ends_with("found a file with several hard links; expected a regular file. Choose another path")
    );

    let place = Place::new();
    std::fs::write(place.machinery("ledger.json"), r#"{"format": 2}"#).unwrap();
    assert!(place.check("location").found.ends_with("found format 2; expected at most 1. Use a newer runledger"));

    let place = Place::empty();
    std::fs::create_dir(place.path().parent().unwrap()).unwrap();
    std::fs::write(place.path(), "a diary\n").unwrap();
    assert!(place.check("location").found.contains("found a file that is not a ledger"));
    assert_eq!(place.check("location").level, Level::Fault);

    let place = Place::empty();
    std::fs::create_dir_all(place.path()).unwrap();
    assert_eq!((place.check("location").level, place.check("ledger").level), (Level::Fault, Level::Fault));
    for fault in [place.check("location"), place.check("ledger")] {
        assert!(fault.found.contains("found a directory"), "{fault:?}");
        assert!(fault.found.contains("; expected a regular file"), "{fault:?}");
    }
}

#[test]
fn rights_of_other_users_are_a_warning() {
    let place = Place::new();
    chmod(&place.path(), 0o640);
    chmod(&place.machinery(""), 0o755);
    place.assert(
        "permissions",
        Level::Warning,
        "other users have rights to ~/logs/l.jsonl (mode 0640) and ~/logs/l.ledger (mode 0755)",
        "remove these rights with `chmod -R go= '~/logs/l.jsonl' '~/logs/l.ledger'`",
    );
}

/// No advice removes the rights to a directory that is not a ledger's.
#[test]
fn rights_to_other_files_are_not_checked() {
    let place = Place::empty();
    std::fs::create_dir_all(place.path()).unwrap();
    chmod(&place.path(), 0o755);
    place.assert("permissions", Level::Ok, "only for its own user", "");
}

#[test]
fn a_damaged_end_is_a_warning() {
    let place = Place::empty();
    drop(place.open());
    place.assert("end", Level::Ok, "no line yet", "");

    let place = Place::new();
    let whole = std::fs::read_to_string(place.path()).unwrap();
    std::fs::write(place.path(), whole.clone() + "{\"exe").unwrap();
    let advice =
        "a writer may still be writing them. After a crash, the next process that opens the ledger repairs the end";
    place.assert("end", Level::Warning, "5 bytes after the last line", advice);

    std::fs::write(place.path(), whole.clone() + "{").unwrap();
    place.assert("end", Level::Warning, "1 byte after the last line", advice);

    std::fs::write(place.path(), whole.replace("summarise", "summarize")).unwrap();
    place.assert("end", Level::Warning, "the last line has no valid hash", "run `runledger verify` to see why");
}

#[test]
fn a_clock_behind_the_last_record_is_a_warning() {
    let place = Place::new();
    let tomorrow = time(-1);
    let ledger = Options::new().clock(move || tomorrow).open(place.path()).unwrap();
    record(&ledger);
    let found = format!("line 2, whose execution began at {tomorrow}, later than now");
    place.assert(
        "end",
        Level::Warning,
        &found,
        "find out which clock is wrong: this one, or the one of the machine that recorded the execution",
    );
}

#[test]
fn records_that_were_spilled_are_counted() {
    let place = Place::new();
    let (disk, full) = full_for(place.path());
    let ledger = Options::new().storage(Arc::new(disk)).on_warning(|_| {}).open(place.path()).unwrap();
    full.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let answer = ledger.begin(Skill::new("summarise", "1.0.0")).succeed().answer;
        assert!(matches!(answer, Answer::Spilled(_)), "{answer:?}");
    }
    let found = "records that could not be appended so far: 2";
    let advice = "see `events.jsonl` for the reason; a later append, or opening the ledger again, appends them";
    place.assert("spill", Level::Warning, found, advice);
    let advice =
        "see `events.jsonl` for the times and reasons. The reason for a lost record is only in the answer of its call";
    place.assert("events", Level::Warning, "in the last 7 days: spilled 2", advice);
}

#[test]
fn bytes_in_quarantine_are_a_warning() {
    let place = Place::new();
    std::fs::write(place.machinery("quarantine/torn"), "x").unwrap();
    let advice = "look at these files, and then move them away. They contain no acknowledged record";
    place.assert("quarantine", Level::Warning, "files in ~/logs/l.ledger/quarantine: 1", advice);
}

#[test]
fn executions_of_dead_processes_are_counted_and_those_of_living_ones_are_not() {
    let place = Place::new();
    let ledger = place.open();
    let _runs = ["one", "two"].map(|name| ledger.begin(Skill::new(name, "1.0.0")));
    assert_eq!(place.check("in flight").level, Level::Ok);
    // A file whose lock is free belongs to a dead process.
    let own = std::fs::read_dir(place.machinery("inflight")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(&own, place.machinery("inflight").join(format!("{}.slots", Uuid::from_u128(7)))).unwrap();
    let advice = "the next process that opens the ledger records them as interrupted";
    place.assert("in flight", Level::Warning, "executions of dead processes: 2", advice);
}

#[test]
fn events_of_note_are_counted_for_a_week() {
    let place = Place::new();
    let line = |days, event: &str| format!("{{\"at\":\"{}\",\"event\":\"{event}\",\"records\":1}}\n", time(days));
    let write = |lines: &[String]| std::fs::write(place.machinery("events.jsonl"), lines.concat()).unwrap();
    write(&[line(8, "lost"), line(0, "rotated"), line(0, "recovered")]);
    place.assert("events", Level::Ok, "none of note in the last 7 days", "");
    write(&[line(6, "lost"), "torn\n".to_owned(), line(0, "damaged"), line(1, "lost"), "{\"at\"".to_owned()]);
    let advice =
        "see `events.jsonl` for the times and reasons. The reason for a lost record is only in the answer of its call";
    place.assert("events", Level::Warning, "in the last 7 days: damaged 1, lost 2", advice);
}
