//! Forwards the signals that arrive while the child runs, and stops and continues this process together with the child.
//! The child is the command that `runledger run` starts.

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
use signal_hook::iterator::Signals as Arrivals;

/// The signals that ask a process to end. A child that fails after one of them counts as cancelled.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// Other signals that are forwarded. The child decides how it reacts to them.
const OTHERS: [i32; 7] = [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGTSTP];

/// Handles the signals that would otherwise end or stop this process.
pub(super) struct Signals {
    /// The signals that arrive, in a queue.
    arrivals: Arrivals,
    /// For each signal that asks a process to end, or that is forwarded: whether this signal has arrived.
    came: Vec<(i32, Arc<AtomicBool>)>,
    /// True if the child was asked to stop and has not continued since.
    stop_asked: bool,
    /// True if the child has stopped and has not continued since.
    stopped: bool,
    /// True after this process has continued from a stop, until it has handled the next signals.
    resumed: bool,
}

impl Signals {
    /// Installs signal handlers, so that the signals no longer end or stop this process. A signal that this process
    /// already ignores stays ignored, and the child ignores it too, as `nohup` and shells require. Without `/proc`,
    /// ignored signals cannot be recognized, so they are handled like the others.
    pub(super) fn install() -> io::Result<Self> {
        let ignored = ignored();
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        let mut came = Vec::new();
        for signal in ENDING.into_iter().chain(OTHERS).filter(|&signal| !is_ignored(signal)) {
            let flag = Arc::new(AtomicBool::new(false));
            // The signal handler itself sets the flag. So the flag is set before this thread can notice an effect of
            // the signal, such as the end of the child.
            flag::register(signal, Arc::clone(&flag))?;
            came.push((signal, flag));
        }
        let arrivals = Arrivals::new(came.iter().map(|(signal, _)| *signal).chain([SIGCHLD, SIGCONT]))?;
        Ok(Self { arrivals, came, stop_asked: false, stopped: false, resumed: false })
    }

    /// Forwards signals to `child` until `child` ends, including signals that have already arrived. Returns how `child`
    /// ended.
    ///
    /// A signal is not forwarded if the terminal may have sent it to `child` too. SIGCONT is forwarded only to a child
    /// that has stopped or was asked to stop. Also reaps other children: if this process is the first process in a
    /// container, orphaned processes become its children.
    pub(super) fn wait_for(&mut self, child: Pid) -> io::Result<ExitStatus> {
        loop {
            // The child keeps its pid until its status is read, so no signal goes to another process.
            let signals: Vec<_> = self.arrivals.wait().collect();
            let resumed = std::mem::take(&mut self.resumed);
            for &signal in &signals {
                match signal {
                    SIGCHLD | SIGCONT => {}
                    // This SIGTSTP is left over: it arrived before the stop from which this process has just resumed.
                    SIGTSTP if resumed => {}
                    _ if came_from_the_terminal(signal) => {}
                    _ => {
                        self.stop_asked |= signal == SIGTSTP;
                        pass_on(signal, child);
                    }
                }
            }
            if let Some(ended) = self.look_at_children(child)? {
                return Ok(ended);
            }
            // A shell that continues the job sends SIGCONT to the child too. If this process always forwarded its own
            // SIGCONT, the copy could reach the child after the child's next stop, and undo that stop. So SIGCONT is
            // forwarded only if the child is stopped or was asked to stop.
            if signals.contains(&SIGCONT) && (self.stopped || self.stop_asked) {
                self.stop_asked = false;
                pass_on(SIGCONT, child);
            }
        }
    }

    /// Reads the status of the children, and stops this process if `child` has stopped. Returns how `child` ended, or
    /// `None` if `child` has not ended.
    fn look_at_children(&mut self, child: Pid) -> io::Result<Option<ExitStatus>> {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
                Ok(Some((pid, status))) if pid == child => {
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

    /// Stops this process after the child has stopped, so that the shell sees a stopped job.
    ///
    /// This process stops only if there is a terminal, or if a SIGTSTP was forwarded. In any other case, no shell
    /// controls the job, so another process has stopped the child alone. That process will continue only the child, and
    /// this process would stay stopped.
    fn stop(&mut self) {
        if self.stop_asked || File::open("/dev/tty").is_ok() {
            stop();
            self.resumed = true;
        }
    }

    /// Returns true if a child that failed with this status was cancelled: a signal of [`ENDING`] has arrived, or the
    /// signal that ended the child has arrived here too.
    pub(super) fn cancelled(&self, status: ExitStatus) -> bool {
        let ended_by = status.signal();
        let mut came = self.came.iter().filter(|(_, came)| came.load(Ordering::Relaxed));
        came.any(|(signal, _)| ENDING.contains(signal) || ended_by == Some(*signal))
    }

    /// Stops forwarding signals, because the child has ended. From now on, a thread stops this process at a SIGTSTP,
    /// and reaps other children that end. The other handled signals have no effect.
    pub(super) fn outlive_the_child(mut self) {
        thread::spawn(move || {
            for signal in self.arrivals.forever() {
                match signal {
                    SIGTSTP => stop(),
                    SIGCHLD => while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {},
                    _ => {}
                }
            }
        });
    }
}

fn pass_on(signal: i32, child: Pid) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // Fails if the child has ended.
        let _ = kill_process(child, signal);
    }
}

/// Stops this process until a SIGCONT arrives. The first process of a container cannot be stopped, so it continues
/// immediately.
fn stop() {
    let _ = kill_process(getpid(), Signal::STOP);
}

/// Returns true if a key of the terminal may have sent the signal. Such a signal goes to all foreground processes,
/// including the child, so it is not forwarded. However, `kill` may have sent the signal to this process alone. A
/// process in the foreground cannot tell the two cases apart, so it never forwards such a signal.
fn came_from_the_terminal(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGQUIT | SIGTSTP)
        && File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

/// Returns the signals that this process ignores, as Linux reports them. Signal N is bit N − 1. Returns 0 on other
/// systems, or if `/proc` is not available.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
