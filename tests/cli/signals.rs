//! Promise: `runledger run` handles signals like a good parent process. It passes signals on to its command, and stops
//! and continues when the command does. As the first process of a container, it also waits for orphaned processes.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::children::place::until;
use crate::children::{has_tool, not_tested};
use crate::commands::{Place, Running};
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, LedgerReader};

const RUNLEDGER: &str = env!("CARGO_BIN_EXE_runledger");
/// If these tests themselves ignore a signal, as under nohup, the command does not.
const WITH_SIGNALS: [&str; 2] = ["env", "--default-signal"];

fn the_record(place: &Place) -> ExecutionMetrics {
    let records: Vec<_> = LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect();
    let [record] = <[_; 1]>::try_from(records).unwrap();
    record
}

fn outcome(place: &Place) -> (Option<Status>, Option<i64>) {
    let record = the_record(place);
    (record.status, record.error_code)
}

/// Returns a script as a command under `wrapper`.
fn job(place: &Place, wrapper: &[&str], script: &str) -> Command {
    let words: Vec<&str> = [wrapper, &[RUNLEDGER, "run", "--skill", "job", "--", "sh", "-c", script]].concat();
    let mut command = Command::new(words[0]);
    command.current_dir(place.path("")).env_remove("RUNLEDGER_PATH").args(&words[1..]);
    command
}

/// Starts the script, and waits until it reports that it runs.
fn ready(place: &Place, script: &str) -> Running {
    let mut running = Running::spawn(&mut job(place, &WITH_SIGNALS, script));
    let mut line = String::new();
    BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    running
}

fn send(signal: i32, child: &Child) {
    assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
}

/// SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO.
const OTHERS: [i32; 6] = [10, 12, 14, 26, 27, 29];

#[test]
fn a_signal_with_a_meaning_of_the_commands_own_cancels_nothing() {
    for signal in OTHERS {
        let place = Place::empty();
        let script = format!("trap 'exit 7' {signal}; echo ready; while :; do sleep 0.01; done");
        let mut running = ready(&place, &script);
        send(signal, &running.child);
        assert_eq!(running.child.wait().unwrap().code(), Some(7), "{signal}");
        assert_eq!(outcome(&place), (Some(Status::Failed), Some(7)), "{signal}");
    }
}

#[test]
fn a_signal_of_any_meaning_that_ends_the_command_cancels() {
    for signal in OTHERS {
        let place = Place::empty();
        let mut running = ready(&place, "echo ready; exec sleep 60");
        send(signal, &running.child);
        assert_eq!(running.child.wait().unwrap().code(), Some(128 + signal), "{signal}");
        assert_eq!(outcome(&place), (Some(Status::Cancelled), Some((128 + signal).into())), "{signal}");
    }
}

/// `runledger run` gets SIGUSR1, but another signal, SIGUSR2, ends the command. So the execution has failed.
#[test]
fn a_signal_does_not_cancel_what_another_signal_ended() {
    let place = Place::empty();
    let script = "trap 'kill -USR2 $$' USR1; echo ready; while :; do sleep 0.01; done";
    let mut running = ready(&place, script);
    send(10, &running.child);
    assert_eq!(running.child.wait().unwrap().code(), Some(128 + 12));
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(128 + 12)));
}

/// Without a terminal, a supervisor sends the signals to stop and to continue only to `runledger run`.
#[test]
fn a_stop_and_its_end_are_passed_on() {
    let place = Place::empty();
    let script = "trap 'echo > stopped' TSTP; trap 'echo > continued' CONT; echo ready
        until [ -e go ]; do sleep 0.01; done; exit 4";
    let wrapper = [&["setsid"][..], &WITH_SIGNALS].concat();
    let mut running = Running::spawn(&mut job(&place, &wrapper, script));
    BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    for (signal, seen) in [(20, "stopped"), (18, "continued")] {
        send(signal, &running.child);
        until(seen, || place.path(seen).exists());
    }
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(4));
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(4)));
}

/// A process that stops only the command, like cpulimit(1), also continues only the command.
#[test]
fn without_a_terminal_a_command_is_stopped_alone() {
    let place = Place::empty();
    let script = "(until grep -q '^State:.T' /proc/$$/status; do sleep 0.01; done; kill -CONT $$) &
        kill -STOP $$; wait; exit 4";
    let mut running = Running::spawn(&mut job(&place, &["setsid"], script));
    assert_eq!(running.child.wait().unwrap().code(), Some(4));
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(4)));
}

/// Makes `runledger run` the first process of a PID namespace.
const INSIDE: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];

fn can_be_first() -> bool {
    let unshared = Command::new(INSIDE[0]).args(&INSIDE[1..]).arg("true").output();
    let why = match unshared {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    not_tested("`run` as the first process of a container", &format!("unshare: {why}"));
    false
}

#[test]
fn as_the_first_process_it_waits_for_orphans() {
    if !can_be_first() {
        return;
    }
    let place = Place::empty();
    // A process that has ended and is not waited for is a zombie, state Z.
    let script = "for n in 1 2 3; do
            (sh -c 'until grep -q \"^PPid:.1$\" /proc/$$/status; do sleep 0.01; done; echo > adopted$0' $n &)
        done
        until [ -e adopted1 ] && [ -e adopted2 ] && [ -e adopted3 ]; do sleep 0.01; done
        for look in $(seq 1000); do
            cat /proc/[0-9]*/status 2> /dev/null | grep -q '^State:.Z' || exit 5
            sleep 0.01
        done
        exit 6";
    let mut running = Running::spawn(&mut job(&place, &INSIDE, script));
    assert_eq!(running.child.wait().unwrap().code(), Some(5));
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(5)));
}

/// The orphans end after the command, while their stderr is still passed on.
#[test]
fn as_the_first_process_it_waits_for_orphans_after_the_command_too() {
    if !can_be_first() {
        return;
    }
    let place = Place::empty();
    let orphan = "until [ -e go ]; do sleep 0.01; done
        (sh -c 'until grep -q \"^PPid:.1$\" /proc/$$/status; do sleep 0.01; done; echo > adopted' &)
        until [ -e adopted ]; do sleep 0.01; done
        for look in $(seq 1000); do
            cat /proc/[0-9]*/status 2> /dev/null | grep -q '^State:.Z' || exec echo none >&2
            sleep 0.01
        done";
    std::fs::write(place.path("orphan"), orphan).unwrap();
    let mut command = job(&place, &INSIDE, "sh orphan & exit 4");
    let running = Running::spawn(&mut command);
    until("the record", || LedgerReader::open(place.ledger()).is_ok_and(|reader| reader.records().count() == 1));
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(running.end(), (Some(4), "none\n".to_owned()));
}

/// The kernel ignores a signal for which the first process has no handler.
#[test]
fn as_the_first_process_it_is_ended_by_signals() {
    if !can_be_first() {
        return;
    }
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        for (script, code) in [
            (format!("kill -{signal} 1; exec sleep 60"), 128 + number),
            (format!("trap 'exit 7' {signal}; kill -{signal} 1; while :; do sleep 0.01; done"), 7),
        ] {
            let place = Place::empty();
            let wrapper = [&["setsid"][..], &WITH_SIGNALS, &INSIDE].concat();
            let mut running = Running::spawn(&mut job(&place, &wrapper, &script));
            assert_eq!(running.child.wait().unwrap().code(), Some(code), "{script}");
            assert_eq!(outcome(&place), (Some(Status::Cancelled), Some(code.into())), "{script}");
        }
    }
}

/// A shell with job control on its own terminal.
struct Shell {
    script: Running,
    output: std::process::ChildStdout,
    seen: String,
}

impl Shell {
    fn start(place: &Place) -> Self {
        let mut script = Command::new("script");
        let shell = format!("exec {} bash --norc --noprofile -i", WITH_SIGNALS.join(" "));
        script.current_dir(place.path("")).env_remove("RUNLEDGER_PATH").env("SHELL", "/bin/sh");
        let mut script = Running::spawn(script.args(["-qec", &shell, "/dev/null"]).stdin(Stdio::piped()));
        let output = script.child.stdout.take().unwrap();
        let mut shell = Self { script, output, seen: String::new() };
        // A prompt would appear in the expected output.
        shell.types("PS1= PS2=; bind 'set enable-bracketed-paste off'; set +o emacs; stty -echo; echo be\"\"gin\n");
        shell.until("begin\r\n");
        shell
    }

    fn types(&mut self, keys: &str) {
        self.script.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until `text` arrives. Returns the output before it.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some((before, after)) = self.seen.split_once(text) {
                let before = before.to_owned();
                self.seen = after.to_owned();
                return before;
            }
            let mut bytes = [0; 4096];
            let read = self.output.read(&mut bytes).unwrap();
            assert!(read > 0, "{text:?} did not come, but {:?}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Returns the pid that the job reports.
    fn pid(&mut self) -> String {
        self.until("pid ");
        self.until("\r\n")
    }
}

fn has_terminal() -> bool {
    has_tool("script", "job control") && has_tool("bash", "job control")
}

/// Returns a field of `/proc/PID/status`.
fn status(pid: &str, key: &str) -> String {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
}

/// Waits until both processes have a state that begins with `state`.
fn both_are(pids: &[String; 2], state: &str) {
    until(state, || pids.iter().all(|pid| status(pid, "State:").starts_with(state)));
}

/// The job waits without a child process. A key of the terminal would stop a child too. A shell that has just started a
/// child (vfork) could then not stop before the child continues.
const JOB: &str = "run --skill job -- sh -c 'echo pid $$; read line < go; exit 4'";

/// Returns a place where [`JOB`] can wait until it is [released](let_go).
fn place_to_wait() -> Place {
    let place = Place::empty();
    assert!(Command::new("mkfifo").arg(place.path("go")).status().unwrap().success());
    place
}

fn let_go(place: &Place) {
    std::fs::write(place.path("go"), "now\n").unwrap();
}

#[test]
fn a_key_of_the_terminal_stops_the_job_and_the_shell_continues_it() {
    if !has_terminal() {
        return;
    }
    let place = place_to_wait();
    let mut shell = Shell::start(&place);
    shell.types(&format!("{RUNLEDGER} {JOB}\n"));
    let command = shell.pid();
    let both = [status(&command, "PPid:"), command];
    for continued in ["fg\n", "bg\nfg\n"] {
        shell.types("\x1a");
        both_are(&both, "T");
        shell.types("jobs; echo co\"\"de $?\n");
        let jobs = shell.until("code 0\r\n");
        assert!(jobs.contains("Stopped"), "{jobs}");
        shell.types(continued);
        until("going on", || both.iter().all(|pid| !status(pid, "State:").starts_with('T')));
    }
    let_go(&place);
    shell.types("echo co\"\"de $?\n");
    shell.until("code 4\r\n");
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(4)));
}

#[test]
fn a_command_that_stops_itself_is_a_stopped_job() {
    if !has_terminal() {
        return;
    }
    for signal in ["STOP", "TSTP"] {
        let place = Place::empty();
        let mut shell = Shell::start(&place);
        shell.types(&format!("{RUNLEDGER} run --skill job -- sh -c 'kill -{signal} $$; exit 4'; echo co\"\"de $?\n"));
        // For both signals, the code is 128 plus the number of SIGSTOP.
        shell.until("code 147\r\n");
        shell.types("fg; echo co\"\"de $?\n");
        shell.until("code 4\r\n");
        assert_eq!(outcome(&place), (Some(Status::Failed), Some(4)), "{signal}");
    }
}

/// A supervisor sends SIGTSTP and SIGCONT to `runledger run` alone.
#[test]
fn a_continued_process_continues_its_command() {
    if !has_terminal() {
        return;
    }
    let place = place_to_wait();
    let mut shell = Shell::start(&place);
    shell.types(&format!("{RUNLEDGER} {JOB} &\n"));
    let command = shell.pid();
    let both = [status(&command, "PPid:"), command];
    let send = |signal: &str| assert!(Command::new("kill").args([signal, &both[0]]).status().unwrap().success());
    for _ in 0..3 {
        send("-TSTP");
        both_are(&both, "T");
        send("-CONT");
        until("going on", || both.iter().all(|pid| !status(pid, "State:").starts_with('T')));
    }
    let_go(&place);
    shell.types("wait %1; echo co\"\"de $?\n");
    shell.until("code 4\r\n");
    assert_eq!(outcome(&place), (Some(Status::Failed), Some(4)));
}
