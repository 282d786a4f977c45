//! Signals that this process gets while the command runs: they are passed on, and it stops and goes on with the command.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use rustix::process::{Pid, Signal, WaitOptions, getpgrp, getpid, kill_process, wait};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
};
use signal_hook::flag;
use signal_hook::iterator::Signals as Kept;

/// Those that ask a process to end: a command that fails after one was cancelled.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// Those that mean what the command makes of them.
const OTHERS: [i32; 7] = [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGTSTP];

/// The signals that end or stop this process unless it keeps them.
pub(super) struct Signals {
    kept: Kept,
    /// Whether each has come.
    came: Vec<(i32, Arc<AtomicBool>)>,
    /// Whether the command was asked to stop, and has not gone on since.
    stop_asked: bool,
    /// Whether this process has stopped, and has looked at no signal since.
    resumed: bool,
    /// Whether something else has let the command go on: it gets no second SIGCONT.
    continued: bool,
}

impl Signals {
    /// From now on they do not end it. One that is ignored stays so, for the command too: `nohup` and shells want that.
    pub(super) fn keep() -> io::Result<Self> {
        let ignored = ignored();
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        let mut came = Vec::new();
        for signal in ENDING.into_iter().chain(OTHERS).filter(|&signal| !is_ignored(signal)) {
            let flag = Arc::new(AtomicBool::new(false));
            // Set where it arrives, so before anything that comes of it can be seen here.
            flag::register(signal, Arc::clone(&flag))?;
            came.push((signal, flag));
        }
        let kept = Kept::new(came.iter().map(|(signal, _)| *signal).chain([SIGCHLD, SIGCONT]))?;
        Ok(Self { kept, came, stop_asked: false, resumed: false, continued: false })
    }

    /// Passes them on to `command`, those too that have come already, until it ends; returns how it did. Other children
    /// are waited for as well: as a container's first process, this one gets the orphans.
    pub(super) fn wait_for(&mut self, command: Pid) -> io::Result<ExitStatus> {
        loop {
            // While its status is not taken, the command keeps its pid, so that no signal goes to another process.
            let signals: Vec<_> = self.kept.wait().collect();
            let resumed = std::mem::take(&mut self.resumed);
            for &signal in &signals {
                match signal {
                    SIGCHLD | SIGCONT => {}
                    // It came with the stop that is over.
                    SIGTSTP if resumed => {}
                    _ if came_from_the_terminal(signal) => {}
                    _ => {
                        self.stop_asked |= signal == SIGTSTP;
                        pass_on(signal, command);
                    }
                }
            }
            if let Some(ended) = self.look_at_children(command)? {
                return Ok(ended);
            }
            if signals.contains(&SIGCONT) {
                self.stop_asked = false;
                // A shell lets all processes of the job go on.
                if !std::mem::take(&mut self.continued) {
                    pass_on(SIGCONT, command);
                }
            }
        }
    }

    /// Takes what has become of the children; returns how `command` ended, `None` if it has not.
    fn look_at_children(&mut self, command: Pid) -> io::Result<Option<ExitStatus>> {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
                Ok(Some((pid, status))) if pid == command => {
                    if status.stopped() {
                        self.stop();
                    } else if status.continued() {
                        self.continued = true;
                    } else {
                        return Ok(Some(ExitStatus::from_raw(status.as_raw())));
                    }
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stops as the command has, so that the shell sees a stopped job. Without a terminal there is no such shell: who
    /// stopped the command alone would let only that go on.
    fn stop(&mut self) {
        self.continued = false;
        if self.stop_asked || File::open("/dev/tty").is_ok() {
            stop();
            self.resumed = true;
        }
    }

    /// Whether the command, which has failed with `status`, was cancelled.
    pub(super) fn cancelled(&self, status: ExitStatus) -> bool {
        let ended_by = status.signal();
        let mut came = self.came.iter().filter(|(_, came)| came.load(Ordering::Relaxed));
        came.any(|(signal, _)| ENDING.contains(signal) || ended_by == Some(*signal))
    }

    /// Passes none on from now on, and they still do not end this process; a stop and orphans are seen to.
    pub(super) fn outlive_the_command(mut self) {
        thread::spawn(move || {
            for signal in self.kept.forever() {
                match signal {
                    SIGTSTP => stop(),
                    SIGCHLD => while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {},
                    _ => {}
                }
            }
        });
    }
}

fn pass_on(signal: i32, command: Pid) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // It may have ended.
        let _ = kill_process(command, signal);
    }
}

/// Stops this process until a SIGCONT comes. The first process of a container goes on at once.
fn stop() {
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Whether the command has it already: the keys of a terminal send it to all processes in the foreground. There, one that
/// another process sends to this one alone cannot be told from it, and is not passed on.
fn came_from_the_terminal(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGQUIT | SIGTSTP)
        && File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

/// The signals that this process ignores, as Linux says: bit N − 1 is signal N. None where it does not.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
