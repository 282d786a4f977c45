//! Passing signals on to the command.

use std::fs::File;
use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals as Kept};

/// The signals that end this process unless it keeps them.
pub(super) struct Signals {
    kept: Kept,
    /// Whether one has come.
    came: Arc<AtomicBool>,
}

impl Signals {
    /// From now on they do not end it. One that is ignored stays so, for the command too: `nohup` and shells want that.
    pub(super) fn keep() -> io::Result<Self> {
        let ignored = ignored();
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|&signal| !is_ignored(signal));
        let came = Arc::new(AtomicBool::new(false));
        for signal in signals.clone() {
            // Set where it arrives, so before anything that comes of it can be seen here.
            flag::register(signal, Arc::clone(&came))?;
        }
        Ok(Self { kept: Kept::new(signals)?, came })
    }

    /// Passes them on to `child`, those too that have come already.
    pub(super) fn forward_to(mut self, child: &Child) -> Forwarding {
        let pid = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
        let forwarding = Forwarding { pid: Arc::clone(&pid), came: self.came, handle: self.kept.handle() };
        thread::spawn(move || {
            for signal in self.kept.forever() {
                let pid = pid.lock().unwrap_or_else(PoisonError::into_inner);
                let (Some(pid), Some(to_send)) = (*pid, Signal::from_named_raw(signal)) else { continue };
                if !came_from_the_terminal(signal) {
                    // It may have ended.
                    let _ = kill_process(pid, to_send);
                }
            }
        });
        forwarding
    }
}

/// Signals on their way to the command.
pub(super) struct Forwarding {
    pid: Arc<Mutex<Option<Pid>>>,
    came: Arc<AtomicBool>,
    handle: Handle,
}

impl Forwarding {
    /// Sends none from now on; they still do not end this process.
    pub(super) fn stop(&self) {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.handle.close();
    }

    /// Whether one has come.
    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

/// Whether the command has it already: the keys of a terminal send it to all processes in the foreground. There, one that
/// another process sends to this one alone cannot be told from it, and is not passed on.
fn came_from_the_terminal(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGQUIT)
        && File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

/// The signals that this process ignores, as Linux says: bit N − 1 is signal N. None where it does not.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
