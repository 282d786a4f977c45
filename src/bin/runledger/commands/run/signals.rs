//! Forwards the signals that arrive while the command runs. Stops and continues this process together with the command.

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

/// The signals that ask a process to end. A command that fails after one of them counts as cancelled.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// Other signals that are forwarded. The command decides what they do.
const OTHERS: [i32; 7] = [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGTSTP];

/// Handles the signals that would otherwise end or stop this process.
pub(super) struct Signals {
    kept: Kept,
    /// For each signal, whether it has arrived.
    came: Vec<(i32, Arc<AtomicBool>)>,
    /// True if the command was asked to stop and has not continued since.
    stop_asked: bool,
    /// True if the command has stopped and has not continued since.
    stopped: bool,
    /// True if this process has stopped and has not handled a signal since.
    resumed: bool,
}

impl Signals {
    /// Prevents the signals from ending or stopping this process. A signal that this process already ignores stays
    /// ignored, and the command ignores it too, as `nohup` and shells require.
    pub(super) fn keep() -> io::Result<Self> {
        let ignored = ignored();
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        let mut came = Vec::new();
        for signal in ENDING.into_iter().chain(OTHERS).filter(|&signal| !is_ignored(signal)) {
            let flag = Arc::new(AtomicBool::new(false));
            // The signal handler itself sets the flag. So the flag is set before this thread can notice an effect of
            // the signal, such as the end of the command.
            flag::register(signal, Arc::clone(&flag))?;
            came.push((signal, flag));
        }
        let kept = Kept::new(came.iter().map(|(signal, _)| *signal).chain([SIGCHLD, SIGCONT]))?;
        Ok(Self { kept, came, stop_asked: false, stopped: false, resumed: false })
    }

    /// Forwards signals to `command` until it ends, including signals that have already arrived. Returns how `command`
    /// ended. Also reaps other children, because orphans become children of the first process in a container.
    pub(super) fn wait_for(&mut self, command: Pid) -> io::Result<ExitStatus> {
        loop {
            // The command keeps its pid until its status is read, so no signal goes to another process.
            let signals: Vec<_> = self.kept.wait().collect();
            let resumed = std::mem::take(&mut self.resumed);
            for &signal in &signals {
                match signal {
                    SIGCHLD | SIGCONT => {}
                    // This SIGTSTP caused an earlier stop, which is already over.
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
            // A shell that continues the job sends SIGCONT to the command too. So this process forwards SIGCONT only if
            // the command is stopped or was asked to stop. If this process always forwarded SIGCONT, a second SIGCONT
            // could arrive after the next stop and undo that stop.
            if signals.contains(&SIGCONT) && (self.stopped || self.stop_asked) {
                self.stop_asked = false;
                pass_on(SIGCONT, command);
            }
        }
    }

    /// Reads the status of the children. Returns how `command` ended, or `None` if `command` is still running.
    fn look_at_children(&mut self, command: Pid) -> io::Result<Option<ExitStatus>> {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
                Ok(Some((pid, status))) if pid == command => {
                    if status.stopped() {
                        self.stopped = true;
                        self.stop();
                    } else if status.continued() {
                        self.stopped = false;
                        self.stop_asked = false;
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

    /// Stops this process after the command has stopped, so that the shell sees a stopped job.
    ///
    /// Does nothing if there is no terminal and no SIGTSTP was forwarded. In this case, no shell controls the job.
    /// Another process has stopped only the command and will continue only the command, so this process would stay
    /// stopped.
    fn stop(&mut self) {
        if self.stop_asked || File::open("/dev/tty").is_ok() {
            stop();
            self.resumed = true;
        }
    }

    /// Returns whether a command that failed with this status was cancelled.
    pub(super) fn cancelled(&self, status: ExitStatus) -> bool {
        let ended_by = status.signal();
        let mut came = self.came.iter().filter(|(_, came)| came.load(Ordering::Relaxed));
        came.any(|(signal, _)| ENDING.contains(signal) || ended_by == Some(*signal))
    }

    /// Stops forwarding signals, because the command has ended. The signals still do not end this process. SIGTSTP
    /// stops this process, and children that end are still reaped.
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
        // Fails if the command has ended.
        let _ = kill_process(command, signal);
    }
}

/// Stops this process until a SIGCONT arrives. The first process of a container cannot be stopped, so it continues
/// immediately.
fn stop() {
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Returns true if a key of the terminal may have sent the signal. Such a signal goes to all foreground processes,
/// including the command, so it is not forwarded. Another process may have sent the signal only to this process. If
/// this process is in the foreground, it cannot distinguish the two cases, and does not forward the signal in either
/// case.
fn came_from_the_terminal(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGQUIT | SIGTSTP)
        && File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

/// Returns the signals that this process ignores, as Linux reports them. Signal N is bit N − 1. Returns 0 if Linux does
/// not report the signals.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
