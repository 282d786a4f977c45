//! Promise: acknowledged records survive on a real file system whose power is cut, or that becomes full, fails or
//! becomes read-only. If the file system refuses an operation, the answers say so.
//!
//! Each test mounts its own file system, which needs root, a loop device and a few tools. If one of these is missing,
//! the tests say so and do nothing.

#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::children::executions::{Scene, check, succeeded};
use crate::children::mount::{Journal, Mount, ShutDown, can_mount, run};
use crate::children::strace::{RENAME, calls, can_trace, run_in};
use crate::children::{self, Random, contents, ledger_path, seed, segments, task};
use runledger::ledger::{Execution, FaultKind};
use runledger::{Answer, Error, ErrorKind, ExecutionMetrics, Ledger, LedgerReader, Options, Skill, Uuid};

const JOURNALS: [Journal; 2] = [Journal::With, Journal::Without];

/// A directory whose `logs` is a file system of its own. It is unmounted before the directory is removed.
struct Place {
    mount: Mount,
    /// The directory with the loop device's image, if that is a file system of its own too.
    _below: Option<Mount>,
    directory: tempfile::TempDir,
}

impl Place {
    fn ext4(journal: Journal, options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mount = Mount::ext4(&directory.path().join("logs"), &directory.path().join("image"), journal, options);
        Self { mount, _below: None, directory }
    }

    fn tmpfs(kib: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { mount: Mount::tmpfs(&directory.path().join("logs"), kib), _below: None, directory }
    }

    /// Mounts ext4 on a loop device on a file system in memory.
    fn ext4_on_tmpfs() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        let memory = Mount::tmpfs(&below, 32 * 1024);
        let mount = Mount::ext4(&directory.path().join("logs"), &below.join("image"), Journal::Without, "");
        Self { mount, _below: Some(memory), directory }
    }

    fn path(&self) -> PathBuf {
        ledger_path(self.directory.path())
    }

    fn machinery(&self, name: &str) -> PathBuf {
        self.path().with_extension("ledger").join(name)
    }

    fn open(&self) -> Ledger {
        Options::new().on_warning(|_| {}).open(self.path()).unwrap()
    }

    fn events(&self) -> String {
        fs::read_to_string(self.machinery("events.jsonl")).unwrap_or_default()
    }

    /// Uses up the space below the loop device. Blocks that were never used cannot be written any more, but all others
    /// can.
    fn fill(&self) {
        run("sync", ["-f".as_ref(), self.directory.path().join("logs").as_os_str()]);
        run("fstrim", [self.directory.path().join("logs")]);
        let mut filler = fs::File::create(self.directory.path().join("below/filler")).unwrap();
        let mut bytes = 1 << 20;
        while bytes > 0 {
            if filler.write_all(&vec![0; bytes]).is_err() {
                bytes /= 2;
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.directory.path().join("below/filler")).unwrap();
    }

    /// Compares the ledger with the acknowledged records, and appends to it.
    fn check(&self, acknowledged: &HashMap<Uuid, u64>, at: &str) {
        let open = || Options::new().on_warning(|_| {}).open(self.path());
        let ledger = open().unwrap_or_else(|error| panic!("{at}: {error:?}"));
        let before = self.contents(at);
        for (id, seq) in acknowledged {
            let (line, record) = before.get(id).unwrap_or_else(|| panic!("{at}: acknowledged line {seq} is missing"));
            assert!(
                line == seq && succeeded(record),
                "{at}: acknowledged as line {seq}, found as line {line}: {record:?}"
            );
        }
        let (id, answer) = record(&ledger, 0);
        assert!(matches!(answer, Answer::Durable { .. }), "{at}: {answer:?}");
        drop(ledger);
        let after = self.contents(at);
        assert!(after.len() == before.len() + 1 && after.contains_key(&id), "{at}");
    }

    /// Like `children::contents`, but a segment that was left for a new one may lack the lines that the new one
    /// repeats.
    fn contents(&self, at: &str) -> HashMap<Uuid, (u64, ExecutionMetrics)> {
        let verification = LedgerReader::open(self.path()).unwrap().verify(&[]).unwrap();
        if verification.is_clean() {
            return contents(&self.path(), at);
        }
        for fault in &verification.faults {
            let lost = matches!(fault.kind, FaultKind::Torn | FaultKind::Gap | FaultKind::Edited);
            assert!(lost && fault.path != self.path(), "{at}: {fault:?}");
        }
        let records = LedgerReader::open(self.path()).unwrap().records().filter_map(Result::ok);
        let found: HashMap<_, _> =
            records.zip(1..).map(|(record, line)| (record.execution_id, (line, record))).collect();
        assert_eq!((verification.lines, verification.head.seq), (found.len() as u64, found.len() as u64), "{at}");
        found
    }
}

fn skill() -> Skill {
    Skill::new("git-push-autonomous", "0.1.0")
}

fn end(mut run: Execution, bytes: usize) -> (Uuid, Answer) {
    let id = run.id();
    if bytes > 0 {
        run.set_tag("filler", "x".repeat(bytes));
    }
    (id, run.succeed().answer)
}

/// Records one execution with a tag of `bytes` bytes.
fn record(ledger: &Ledger, bytes: usize) -> (Uuid, Answer) {
    end(ledger.begin(skill()), bytes)
}

/// Like [`record`], but also remembers the number of an acknowledged line.
fn record_into(acknowledged: &mut HashMap<Uuid, u64>, ledger: &Ledger, bytes: usize) -> Answer {
    let (id, answer) = record(ledger, bytes);
    if let Answer::Durable { seq } = answer {
        acknowledged.insert(id, seq);
    }
    answer
}

/// Threads record until the file system is gone. Acknowledged numbers are stored outside of it.
#[test]
fn row_04_power_cut_of_a_mounted_file_system() {
    if !can_mount("a power cut under ext4") {
        return;
    }
    const THREADS: usize = 4;
    let seed = seed();
    let mut random = Random(seed);
    for (round, how) in
        [ShutDown::AtOnce, ShutDown::JournalWritten, ShutDown::Synced].into_iter().cycle().take(6).enumerate()
    {
        for journal in JOURNALS {
            let mut place = Place::ext4(journal, "");
            let at = format!("seed {seed}, round {round}, {how:?}, {journal:?} a journal");
            let ledger = Options::new().rotate_bytes(Some(400_000)).on_warning(|_| {}).open(place.path()).unwrap();
            let acknowledged = Mutex::new(HashMap::new());
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (ledger, acknowledged) = (&ledger, &acknowledged);
                    scope.spawn(move || {
                        while let (id, Answer::Durable { seq }) = record(ledger, thread * 3_000) {
                            acknowledged.lock().unwrap().insert(id, seq);
                        }
                    });
                }
                while acknowledged.lock().unwrap().is_empty() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_micros(random.below(150_000)));
                place.mount.shut_down(how);
            });
            drop(ledger);
            place.mount.forget_cache();
            let acknowledged = acknowledged.into_inner().unwrap();
            println!("{at}: {} acknowledged, {} segments", acknowledged.len(), segments(&place.path()).len());
            place.check(&acknowledged, &at);
        }
    }
}

/// Later pages of the ledger are on the disk, earlier ones are not, and the file has its new length.
#[test]
fn row_05_nuls_and_then_whole_lines_on_a_mounted_file_system() {
    if !can_mount("NULs before whole lines under ext4") {
        return;
    }
    for journal in JOURNALS {
        let mut place = Place::ext4(journal, "");
        let mut acknowledged = HashMap::new();
        let ledger = place.open();
        for _ in 0..100 {
            assert!(matches!(record_into(&mut acknowledged, &ledger, 3_000), Answer::Durable { .. }));
        }
        let len = place.path().metadata().unwrap().len();
        write_back_from(&place.path(), 200 * 1024);
        place.mount.shut_down(ShutDown::JournalWritten);
        drop(ledger);
        place.mount.forget_cache();
        let there = fs::read(place.path()).unwrap();
        let at = format!("{journal:?} a journal, {} of {len} bytes", there.len());
        assert!(there.starts_with(&[0; 4096]) && there.ends_with(b"\"}\n"), "{at}: no NULs before whole lines");
        place.check(&acknowledged, &at);
        let events = place.events();
        assert!(events.contains("\"recovered\"") && !events.contains("\"damaged\""), "{at}: {events}");
    }
}

/// Makes the system write the pages of a file from `offset` on, and waits for it.
fn write_back_from(path: &Path, offset: u64) {
    // sync_file_range(2) has no name in perl. 7 means: wait, write, wait.
    let number = match std::env::consts::ARCH {
        "x86_64" => "277",
        "aarch64" | "riscv64" => "84",
        other => panic!("the number of sync_file_range on {other} is not known here"),
    };
    let script =
        "open F, '+<', $ARGV[0] or die $!; syscall($ARGV[1] + 0, fileno(F), $ARGV[2] + 0, 0, 7) == 0 or die $!";
    run("perl", ["-e".as_ref(), script.as_ref(), path.as_os_str(), number.as_ref(), offset.to_string().as_ref()]);
}

/// The sync of the segment fails. The next one would succeed, although the pages are only in memory.
#[test]
fn row_07_a_sync_fails_on_a_mounted_file_system() {
    if !can_mount("a sync that really fails") {
        return;
    }
    let mut place = Place::ext4_on_tmpfs();
    let mut acknowledged = HashMap::new();
    let ledger = place.open();
    assert!(matches!(record_into(&mut acknowledged, &ledger, 0), Answer::Durable { .. }));
    place.fill();
    // The area has space for ten lines, and its blocks are allocated.
    let answers: Vec<_> = (0..20).map(|_| record_into(&mut acknowledged, &ledger, 100_000)).collect();
    let durable = answers.iter().filter(|answer| matches!(answer, Answer::Durable { .. })).count();
    println!("{durable} of {} acknowledged without room", answers.len());
    assert!(durable > 5 && durable < answers.len(), "{answers:?}");
    place.make_room();
    let last = (0..3).map(|_| record_into(&mut acknowledged, &ledger, 0)).last();
    assert!(matches!(last, Some(Answer::Durable { .. })), "{last:?}");
    drop(ledger);
    place.mount.forget_cache();
    place.check(&acknowledged, "after the cache was dropped");
}

/// The reason for the promise: the second sync succeeds although the bytes are lost. The ledger is not involved.
#[test]
fn row_07_the_second_sync_of_the_system_lies() {
    if !can_mount("what the system says after a failed sync") {
        return;
    }
    let place = Place::ext4_on_tmpfs();
    let path = place.directory.path().join("logs/other");
    let mut file = fs::File::create(&path).unwrap();
    place.fill();
    let written = [b'x'; 100_000];
    file.write_all(&written).unwrap();
    let syncs = [file.sync_data(), file.sync_data()];
    assert!(syncs[0].is_err() && syncs[1].is_ok(), "{syncs:?}");
    assert!(fs::read(&path).unwrap() == written, "it does not read back");
    run("sh", ["-c", "echo 1 > /proc/sys/vm/drop_caches"]);
    assert!(fs::read(&path).unwrap() != written, "it is on the disk");
}

/// The sync of process A fails, and A dies before it can react. Process B reads whole lines, but only from memory.
#[test]
fn row_08_b_opens_after_the_sync_failed_in_a() {
    if !can_mount("another process after a sync that really failed") || !can_trace() {
        return;
    }
    let mut place = Place::ext4_on_tmpfs();
    drop(place.open());
    place.fill();
    // Process A renames nothing before it leaves the segment.
    let a = run_in(place.directory.path(), Scene::Endless, RENAME, "signal=SIGKILL", "1");
    assert!(a.was_killed(), "{:?}", a.reported());
    let reported = a.reported();
    place.make_room();
    let mut acknowledged = HashMap::new();
    acknowledged.extend(
        reported.answers.iter().filter(|(_, (answer, _))| answer == "durable").map(|(id, (_, seq))| (*id, *seq)),
    );
    assert!(acknowledged.len() > 5, "{reported:?}");
    let b = place.open();
    assert!(matches!(record_into(&mut acknowledged, &b, 0), Answer::Durable { .. }));
    drop(b);
    place.mount.forget_cache();
    place.check(&acknowledged, "after the cache was dropped");
}

/// A file system of 64 KiB has no space for the area either. Spilled records are appended later, and lost ones are
/// reported.
#[test]
fn row_10_disk_full() {
    if !can_mount("a full disk") {
        return;
    }
    for spills_elsewhere in [false, true] {
        let place = Place::tmpfs(64);
        drop(place.open());
        let _spill = spills_elsewhere.then(|| Mount::tmpfs(&place.machinery("spill"), 1024));
        let ledger = place.open();
        let (mut acknowledged, mut spilled, mut lost) = (HashMap::new(), Vec::new(), 0);
        while spilled.len() + lost < 6 {
            match record(&ledger, 3_000) {
                (id, Answer::Durable { seq }) => _ = acknowledged.insert(id, seq),
                (id, Answer::Spilled(error)) if error.io_kind() == Some(io::ErrorKind::StorageFull) => spilled.push(id),
                (_, Answer::Lost(error)) if error.io_kind() == Some(io::ErrorKind::StorageFull) => lost += 1,
                (_, other) => panic!("{other:?}"),
            }
        }
        let at = format!("spills elsewhere: {spills_elsewhere}");
        println!("{at}: {} acknowledged, {} spilled, {lost} lost", acknowledged.len(), spilled.len());
        assert!(acknowledged.len() > 3, "{at}");
        assert_eq!((spilled.len(), lost), if spills_elsewhere { (6, 0) } else { (0, 6) }, "{at}");
        // The batch is rolled back, so no refused byte is there.
        assert_eq!(contents(&place.path(), &at).len(), acknowledged.len(), "{at}");
        assert!(fs::read(place.path()).unwrap().ends_with(b"\"}\n"), "{at}");
        place.mount.remount("size=4096k");
        assert!(matches!(record_into(&mut acknowledged, &ledger, 3_000), Answer::Durable { .. }), "{at}");
        drop(ledger);
        let found = contents(&place.path(), &at);
        assert_eq!(found.len(), acknowledged.len() + spilled.len(), "{at}");
        assert!(spilled.iter().all(|id| found.get(id).is_some_and(|(_, record)| succeeded(record))), "{at}");
        let events = place.events();
        assert_eq!(events.contains("\"returned\",\"records\":6"), spills_elsewhere, "{at}: {events}");
        assert_eq!(events.contains("\"lost\",\"records\":6"), !spills_elsewhere, "{at}: {events}");
        place.check(&acknowledged, &at);
    }
}

/// A record of a megabyte on a disk with space for half of it. The system writes a part and refuses the rest.
#[test]
fn row_13_partial_write() {
    if !can_mount("a partial write") || !can_trace() {
        return;
    }
    let place = Place::tmpfs(2_500);
    Scene::Large.prepare(place.directory.path());
    let run = run_in(place.directory.path(), Scene::Large, "write", "error=EINTR", "2");
    let partial = calls(&run).iter().filter(|call| call.contains("write(") && is_partial(call)).count();
    assert!(partial > 0, "{:#?}", calls(&run));
    let reported = run.reported();
    assert_eq!((reported.count("durable"), reported.count("lost")), (3, 1), "{reported:?}");
    place.mount.remount("size=8192k");
    check(&run);
}

/// Returns true if `1234 write(5</path>, "text"..., 200) = 100` wrote less than it was given.
fn is_partial(call: &str) -> bool {
    let Some((rest, written)) = call.rsplit_once(") = ") else { return false };
    let wanted = rest.rsplit_once(", ").map(|(_, wanted)| wanted);
    match (wanted.and_then(|wanted| wanted.parse::<u64>().ok()), written.parse::<u64>()) {
        (Some(wanted), Ok(written)) => written < wanted,
        _ => false,
    }
}

fn chattr(mode: &str, path: &Path) {
    run("chattr", [mode.as_ref(), path.as_os_str()]);
}

/// The file may only grow. Lines can be appended to it, but it cannot be repaired by truncating it, or sealed by
/// renaming it.
#[test]
fn row_12_chattr_append_only() {
    if !can_mount("chattr +a") {
        return;
    }
    let place = Place::ext4(Journal::With, "");
    let mut acknowledged = HashMap::new();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&warnings);
    let rotating =
        Options::new().rotate_bytes(Some(1)).on_warning(move |error| kept.lock().unwrap().push(error.to_string()));
    let durable = |answer: Answer| assert!(matches!(answer, Answer::Durable { .. }), "{answer:?}");
    durable(record_into(&mut acknowledged, &place.open(), 0));
    chattr("+a", &place.path());
    // Two processes open it. The second cannot rewrite lines that the first has appended.
    for _ in 0..2 {
        durable(record_into(&mut acknowledged, &place.open(), 3_000));
    }
    let ledger = rotating.open(place.path()).unwrap();
    for _ in 0..3 {
        durable(record_into(&mut acknowledged, &ledger, 3_000));
    }
    assert_eq!(segments(&place.path()).len(), 1);
    let said = warnings.lock().unwrap().iter().filter(|warning| warning.starts_with("cannot seal the segment")).count();
    assert_eq!(said, 3, "{warnings:?}");
    chattr("-a", &place.path());
    durable(record_into(&mut acknowledged, &ledger, 3_000));
    assert_eq!(segments(&place.path()).len(), 2);
    drop(ledger);
    place.check(&acknowledged, "after chattr -a");
}

/// A file that may not be changed at all. Records that it refuses are spilled, and appended later. If the spill refuses
/// them too, they are reported as lost.
#[test]
fn row_12_chattr_immutable() {
    if !can_mount("chattr +i") {
        return;
    }
    let place = Place::ext4(Journal::With, "");
    let mut acknowledged = HashMap::new();
    let ledger = place.open();
    let refused = |error: &Error| error.io_kind() == Some(io::ErrorKind::PermissionDenied);
    assert!(matches!(record_into(&mut acknowledged, &ledger, 0), Answer::Durable { .. }));
    chattr("+i", &place.path());
    let spilled: Vec<_> = (0..3).map(|_| record(&ledger, 0)).collect();
    assert!(
        spilled.iter().all(|(_, answer)| matches!(answer, Answer::Spilled(error) if refused(error))),
        "{spilled:?}"
    );
    assert!(refused(&Ledger::open(place.path()).unwrap_err()));
    let spill = fs::read_dir(place.machinery("spill")).unwrap().next().unwrap().unwrap().path();
    chattr("+i", &spill);
    let (_, lost) = record(&ledger, 0);
    assert!(matches!(&lost, Answer::Lost(error) if refused(error)), "{lost:?}");
    chattr("-i", &spill);
    chattr("-i", &place.path());
    assert!(matches!(record_into(&mut acknowledged, &ledger, 0), Answer::Durable { .. }));
    drop(ledger);
    let found = contents(&place.path(), "after chattr -i");
    assert_eq!(found.len(), acknowledged.len() + spilled.len());
    assert!(spilled.iter().all(|(id, _)| found.get(id).is_some_and(|(_, record)| succeeded(record))));
    assert!(place.events().contains("\"lost\",\"records\":1"), "{}", place.events());
    place.check(&acknowledged, "after chattr -i");
}

/// ext4 makes itself read-only when it finds damage in itself.
#[test]
fn row_12_erofs_while_the_ledger_is_open() {
    if !can_mount("a file system that becomes read-only") {
        return;
    }
    let mut place = Place::ext4(Journal::With, "errors=remount-ro");
    let mut acknowledged = HashMap::new();
    let ledger = place.open();
    for _ in 0..20 {
        assert!(matches!(record_into(&mut acknowledged, &ledger, 3_000), Answer::Durable { .. }));
    }
    place.mount.damage();
    let answers: Vec<_> = (0..3).map(|_| record_into(&mut acknowledged, &ledger, 3_000)).collect();
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Lost(_))), "{answers:?}");
    let error = Ledger::open(place.path()).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(io::ErrorKind::ReadOnlyFilesystem)));
    assert_eq!(contents(&place.path(), "read-only").len(), acknowledged.len());
    drop(ledger);
    place.mount.forget_cache();
    place.check(&acknowledged, "mounted again");
}

#[test]
fn row_12_erofs_when_the_ledger_is_opened() {
    if !can_mount("a read-only file system") {
        return;
    }
    let place = Place::tmpfs(4096);
    let mut acknowledged = HashMap::new();
    assert!(matches!(record_into(&mut acknowledged, &place.open(), 0), Answer::Durable { .. }));
    place.mount.remount("ro");
    let error = Ledger::open(place.path()).unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(io::ErrorKind::ReadOnlyFilesystem)));
    assert_eq!(contents(&place.path(), "read-only").len(), 1);
    place.mount.remount("rw");
    place.check(&acknowledged, "writable again");
}

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    children::executions::child(&task, &directory);
}
