//! Promise: the executions of a dead process are recorded as interrupted, once, however many processes open the ledger.
//! The executions of a living process are never recorded as interrupted.
//!
//! Some tests need root, for namespaces of their own. One needs a C compiler. If something is missing, a test says so
//! and does nothing.

#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::children::place::{PATIENCE, Place, Running, record, skill, until};
use crate::children::{self, Report, contents, is_interrupted, ledger_path, report, task};
use runledger::disk::{Access, Disk, Stat, Storage, StorageFile};
use runledger::{Options, hash_bytes};
use serde_json::{Value, json};

/// The number of executions that the child begins.
const BEGUN: usize = 20;

/// Returns a process that has begun executions and still runs them.
fn begun(place: &Place, by: &[&str]) -> Running {
    let owner = place.spawn_by(by, "leave");
    until("the begun executions", || report(&place.file("begun.leave")).len() == BEGUN);
    owner
}

/// Starts such a process and kills it, so that its files are left.
fn place_left(place: &Place) {
    begun(place, &[]).kill();
}

/// Opens the ledger like another process, and returns the number of its records, all of which must be interrupted
/// executions.
fn swept(place: &Place, at: &str) -> usize {
    drop(place.open());
    let found = contents(&place.path(), at);
    assert!(found.values().all(|(_, record)| is_interrupted(record)), "{at}: {found:?}");
    found.len()
}

/// Returns the reason in the records.
fn reason(place: &Place) -> String {
    let found = contents(&place.path(), "after the sweep");
    found.values().next().unwrap().1.error_reason.clone().unwrap()
}

#[test]
fn row_29_many_openers_record_an_interrupted_execution_once() {
    for _ in 0..5 {
        let place = Place::new();
        place_left(&place);
        let openers: Vec<_> = (0..8).map(|_| place.spawn("open")).collect();
        place.say("go");
        openers.into_iter().for_each(Running::succeed);
        let found = contents(&place.path(), "after all");
        assert_eq!(found.len(), BEGUN);
        assert!(found.values().all(|(_, record)| is_interrupted(record)), "{found:?}");
        assert_eq!(place.in_flight().len(), 0);
        assert_eq!(place.events().matches(r#""event":"swept","records":20"#).count(), 1, "{}", place.events());
    }
}

/// A slow or stopped process that sweeps does not delay an opener.
#[test]
fn row_29_an_opener_does_not_depend_on_another_ones_sweep() {
    let place = Place::new();
    place_left(&place);
    let sweeping = std::fs::File::create(place.machinery("sweep")).unwrap();
    sweeping.lock().unwrap();
    let ledger = Options::new().lock_deadline(Duration::from_millis(100)).open(place.path()).unwrap();
    record(&ledger);
    assert_eq!(contents(&place.path(), "beside the sweeper").len(), 1);
    sweeping.unlock().unwrap();
    drop(place.open());
    assert_eq!(contents(&place.path(), "after the sweep").len(), 1 + BEGUN);
}

/// The real disk, with another way to open files.
struct Opened<F>(F);

impl<F> std::fmt::Debug for Opened<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

fn is_in_flight(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "slots")
}

impl<F: Fn(&Path, Access) -> io::Result<Box<dyn StorageFile>> + Send + Sync> Storage for Opened<F> {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        (self.0)(path, access)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Disk.stat(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Disk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        Disk.sync_dir(directory)
    }
}

/// A process that sweeps examines the first file of begin marks after it is created and before it is locked.
#[test]
fn row_29_an_opener_whose_new_file_is_examined_makes_another() {
    let place = Place::new();
    let examined: Arc<Mutex<Option<Box<dyn StorageFile>>>> = Arc::default();
    let sweeper = Arc::clone(&examined);
    let disk = Opened(move |path: &Path, access| {
        let file = Disk.open(path, access)?;
        let mut sweeper = sweeper.lock().unwrap();
        if sweeper.is_none() && access == Access::WriteNew && is_in_flight(path) {
            let file = Disk.open(path, Access::Write)?;
            assert!(file.try_lock()?);
            *sweeper = Some(file);
        }
        Ok(file)
    });
    let ledger = Options::new().storage(Arc::new(disk)).open(place.path()).unwrap();
    examined.lock().unwrap().take().unwrap().unlock().unwrap();
    record(&ledger);
    drop((ledger, place.open()));
    assert_eq!(place.in_flight().len(), 0);
}

/// Another thread of the sweeping process starts a process, which shares all its files until its exec.
#[test]
fn row_29_a_process_that_is_being_started_does_not_keep_a_sweeper_out() {
    let place = Place::new();
    place_left(&place);
    let mut owner = owner(&place);
    owner["start"] = Value::Null;
    forge(&place, &owner);
    let started = Mutex::new(Vec::new());
    let disk = Opened(move |path: &Path, access| {
        if access != Access::Write || !is_in_flight(path) {
            return Disk.open(path, access);
        }
        let file = File::options().read(true).write(true).open(path)?;
        started.lock().unwrap().push(file.try_clone()?);
        Ok(Box::new(file))
    });
    drop(Options::new().storage(Arc::new(disk)).open(place.path()).unwrap());
    assert_eq!(contents(&place.path(), "after the sweep").len(), BEGUN);
}

/// Starting processes examine each other's files of begin marks, some of which were just created.
#[test]
fn row_29_processes_that_open_at_once_all_succeed() {
    let place = Place::new();
    let openers: Vec<_> = (0..12).map(|_| place.spawn("reopen")).collect();
    place.say("go");
    openers.into_iter().for_each(Running::succeed);
    assert_eq!(contents(&place.path(), "after all").len(), 0);
}

/// Returns the owner in the only file of begin marks.
fn owner(place: &Place) -> Value {
    let text = std::fs::read(&place.in_flight()[0]).unwrap();
    serde_json::from_slice(text.split(|&byte| byte == b'\n').next().unwrap()).unwrap()
}

/// Writes another owner into the only file of begin marks, like that owner itself. Returns the open file.
fn forge(place: &Place, owner: &Value) -> File {
    let mut owner = owner.clone();
    for key in ["seq", "prev", "hash"] {
        owner.as_object_mut().unwrap().remove(key);
    }
    let text = owner.to_string();
    let hashed = format!("{},\"seq\":1,\"prev\":\"{}\"", text.strip_suffix('}').unwrap(), "0".repeat(64));
    let line = format!("{hashed},\"hash\":\"{}\"}}\n", hash_bytes(&hashed));
    let file = File::options().read(true).write(true).open(&place.in_flight()[0]).unwrap();
    file.write_all_at(line.as_bytes(), 0).unwrap();
    file
}

/// Changes the owner of a dead process's file by `change`, and holds the lock of the file. Returns true if the
/// executions are recorded as interrupted anyway, and the reason that the records have in the end.
fn swept_while_locked(change: impl Fn(&mut Value)) -> (bool, String) {
    let place = Place::new();
    place_left(&place);
    let mut owner = owner(&place);
    change(&mut owner);
    let file = forge(&place, &owner);
    file.lock().unwrap();
    let while_locked = swept(&place, &format!("locked by {owner}"));
    // Unlock the file explicitly. Another test may just start a process, which shares the open file until its exec.
    file.unlock().unwrap();
    assert_eq!(swept(&place, &format!("left by {owner}")), BEGUN, "missed");
    assert!(while_locked == 0 || while_locked == BEGUN);
    (while_locked > 0, reason(&place))
}

/// Returns the start of a process, the 22nd field of its stat, which is the 20th after the name.
fn start(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap()
}

/// The unchanged dead owner, and one whose pid another process has now. A forked child may hold the lock forever.
#[test]
fn row_20_pid_reused() {
    let (swept, reason) = swept_while_locked(|_| {});
    assert!(swept && reason.ends_with("ended before the execution did"), "{reason}");
    let me = std::process::id();
    let (swept, reason) = swept_while_locked(|owner| owner["pid"] = json!(me));
    assert!(swept);
    assert_eq!(reason, format!("process {me} ended before the execution did"));
}

/// The owner is this process, which is alive and holds the lock.
#[test]
fn row_20_a_living_process_is_not_interrupted() {
    let me = std::process::id();
    let (swept, reason) = swept_while_locked(|owner| (owner["pid"], owner["start"]) = (json!(me), json!(start(me))));
    assert!(!swept);
    // With a free lock, the process has closed the ledger.
    assert_eq!(reason, format!("process {me} closed the ledger before the execution ended"));
    // If the start of a process is unknown, only the lock decides.
    let (swept, _) = swept_while_locked(|owner| owner["start"] = Value::Null);
    assert!(!swept);
}

/// No lock survives a restart of its machine. A process that still holds its lock runs on another machine, or was
/// restored from a checkpoint.
#[test]
fn row_20_reboot() {
    let (swept, reason) = swept_while_locked(|owner| owner["boot"] = json!("00000000-0000-0000-0000-000000000000"));
    assert!(!swept);
    assert!(reason.starts_with("the machine was restarted while process"), "{reason}");
}

/// In another namespace, the same number is another process.
#[test]
fn row_20_other_pid_namespace() {
    let (swept, reason) = swept_while_locked(|owner| owner["namespace"] = json!("pid:[1] time:[1]"));
    assert!(!swept);
    assert!(reason.ends_with("ended before the execution did"), "{reason}");
}

/// Returns true if `unshare` may be used. Otherwise prints why it may not.
fn can_unshare(arguments: &[&str]) -> bool {
    let unshared = Command::new("unshare").args(arguments).arg("true").output();
    let why = match unshared {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    println!("NOT TESTED: openers in other namespaces. unshare {arguments:?} cannot be used: {why}");
    false
}

/// Processes in two pid namespaces, each of which learns of the other's end only from the lock.
#[test]
fn row_20_a_real_pid_namespace() {
    const INSIDE: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    if !can_unshare(&INSIDE) {
        return;
    }
    let unshare = [&["unshare"][..], &INSIDE].concat();
    let place = Place::new();
    let mut inside = begun(&place, &unshare);
    assert_eq!(owner(&place)["pid"], 1);
    assert_eq!(swept(&place, "beside a process in another namespace"), 0);
    inside.kill();
    until("the end of the namespace", || swept(&place, "after its end") == BEGUN);

    let place = Place::new();
    let mut outside = begun(&place, &[]);
    place.say("go");
    place.spawn_by(&unshare, "open").succeed();
    assert_eq!(contents(&place.path(), "opened in another namespace").len(), 0);
    outside.kill();
    place.spawn_by(&unshare, "open").succeed();
    assert_eq!(contents(&place.path(), "opened in another namespace").len(), BEGUN);
}

/// In a pid namespace with the outer `/proc`, `/proc/<pid>` is another process. Here that process ends.
#[test]
fn row_20_a_pid_namespace_with_the_proc_of_another() {
    const INSIDE: [&str; 3] = ["--pid", "--fork", "--kill-child"];
    if !can_unshare(&INSIDE) {
        return;
    }
    let place = Place::new();
    let mut stranger = Running(Command::new("sleep").arg("1000").spawn().unwrap());
    let pid = stranger.0.id();
    // The first process of the namespace gives the owner the other process's number, and an opener this process's.
    let script = format!(
        "echo {} > /proc/sys/kernel/ns_last_pid || exit 3; \"$@\" & \
         until [ -e {go} ]; do sleep 0.02; done; \
         echo {} > /proc/sys/kernel/ns_last_pid; {TASK}=open \"$@\"; touch {done}; wait",
        pid - 1,
        std::process::id() - 1,
        go = place.file("go").display(),
        done = place.file("done").display(),
        TASK = children::TASK,
    );
    let unshare = [&["unshare"][..], &INSIDE, &["sh", "-c", &script, "sh"]].concat();
    let mut inside = begun(&place, &unshare);
    assert_eq!(owner(&place)["pid"], pid);
    stranger.kill();
    place.say("go");
    place.wait_for("done");
    assert_eq!(contents(&place.path(), "opened beside the owner").len(), 0);
    inside.kill();
    until("the end of the namespace", || swept(&place, "after its end") == BEGUN);
}

/// In another time namespace, all processes have other start times.
#[test]
fn row_20_a_real_time_namespace() {
    const INSIDE: [&str; 4] = ["--time", "--boottime", "100000", "--fork"];
    if !can_unshare(&INSIDE) {
        return;
    }
    let place = Place::new();
    let mut owner = begun(&place, &[]);
    place.say("go");
    place.spawn_by(&[&["unshare"][..], &INSIDE].concat(), "open").succeed();
    assert_eq!(contents(&place.path(), "opened in another time namespace").len(), 0);
    owner.kill();
    assert_eq!(swept(&place, "after its end"), BEGUN);
}

/// If `/proc` hides processes with other rights, those processes are not gone.
#[test]
fn row_20_processes_that_proc_hides() {
    let script = "mount -t proc -o hidepid=2,gid=1 proc /proc && exec setpriv --bounding-set=-sys_ptrace \"$@\"";
    let hidden = ["--mount", "sh", "-c", script, "sh"];
    if !can_unshare(&hidden) {
        return;
    }
    let place = Place::new();
    let mut owner = begun(&place, &[]);
    place.say("go");
    place.spawn_by(&[&["unshare"][..], &hidden].concat(), "open").succeed();
    assert_eq!(contents(&place.path(), "opened where the owner cannot be seen").len(), 0);
    owner.kill();
    assert_eq!(swept(&place, "after its end"), BEGUN);
}

/// The main thread of a process can end before the others. The process then looks like a zombie, but is alive.
#[test]
fn row_20_a_process_without_its_main_thread_is_not_interrupted() {
    const SOURCE: &str = "#include <pthread.h>\n#include <unistd.h>\n\
        static void *live(void *x) { for (;;) pause(); return x; }\n\
        int main(void) { pthread_t t; pthread_create(&t, 0, live, 0); pthread_exit(0); }\n";
    let place = Place::new();
    std::fs::write(place.file("main.c"), SOURCE).unwrap();
    let binary = place.file("threads");
    let compiled = Command::new("cc").arg("-pthread").arg(place.file("main.c")).arg("-o").arg(&binary).output();
    if !compiled.as_ref().is_ok_and(|output| output.status.success()) {
        println!("NOT TESTED: a process without its main thread. cc cannot be used: {compiled:?}");
        return;
    }
    let process = Running(Command::new(binary).stdin(Stdio::null()).spawn().unwrap());
    let pid = process.0.id();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    until("the main thread's end", || stat().contains(") Z "));
    let (swept, _) = swept_while_locked(|owner| (owner["pid"], owner["start"]) = (json!(pid), json!(start(pid))));
    assert!(!swept);
}

/// A process that has ended and was not waited for is dead, even if a forked child holds its lock.
#[test]
fn row_20_a_zombie_is_interrupted() {
    let mut process = Running(Command::new("sleep").arg("1000").spawn().unwrap());
    let (pid, start) = (process.0.id(), start(process.0.id()));
    process.0.kill().unwrap();
    until("its end", || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z "));
    let (swept, _) = swept_while_locked(|owner| (owner["pid"], owner["start"]) = (json!(pid), json!(start)));
    assert!(swept);
}

// The child processes.

#[test]
#[ignore = "what other tests run in processes of their own"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let wait_for = |name: &str| until(name, || directory.join(name).exists());
    let open = || Options::new().lock_deadline(PATIENCE).open(ledger_path(&directory)).unwrap();
    match task.as_str() {
        "leave" => {
            let ledger = open();
            let begun = Report::open(&directory.join("begun.leave"));
            let runs: Vec<_> = (0..BEGUN).map(|_| ledger.begin(skill())).collect();
            runs.iter().for_each(|run| begun.say(&run.id().to_string()));
            std::thread::sleep(PATIENCE);
        }
        "open" => {
            wait_for("go");
            drop(open());
        }
        "reopen" => {
            wait_for("go");
            (0..10).for_each(|_| drop(open()));
        }
        other => panic!("no task {other:?}"),
    }
}
