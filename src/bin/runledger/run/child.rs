//! The command while it runs, and how it ended.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use runledger::hash_reader;
use runledger::metrics::Status;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::signals::{Forwarding, Signals};
use super::tee::{LastLine, Tee};
use crate::args::Global;
use crate::exit_code::ExitCode;
use crate::output;

/// How long the command's last words may take after its end. They are there by then; only what it has started itself, and
/// left running, can write more.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// The command, under way.
pub(super) struct Child {
    child: process::Child,
    forwarding: Option<Forwarding>,
    /// Gives the hash.
    stdout: Option<JoinHandle<Option<String>>>,
    stderr: Option<Stderr>,
}

/// The command's stderr on its way.
struct Stderr {
    thread: JoinHandle<()>,
    /// Says that there is no more.
    end: Receiver<()>,
    last_line: LastLine,
}

impl Stderr {
    fn pass_on(from: ChildStderr, to: File) -> Self {
        let (sender, end) = mpsc::channel();
        let last_line = LastLine::default();
        let line = last_line.clone();
        let thread = thread::spawn(move || {
            Tee::new(from, to, move |bytes| line.add(bytes)).pass_on();
            // Nobody may be waiting any more.
            let _ = sender.send(());
        });
        Self { thread, end, last_line }
    }

    /// The last line that the command wrote, which has ended.
    fn last_line(&self) -> Option<String> {
        // What has come by then is what there is.
        let _ = self.end.recv_timeout(LAST_WORDS_MAX);
        self.last_line.text()
    }
}

impl Child {
    /// Starts the command. Its stdout is a pipe only if it is hashed, its stderr only if ours is no terminal.
    pub(super) fn spawn(mut command: Command, hash_output: bool, global: &Global) -> io::Result<Self> {
        if hash_output {
            command.stdout(Stdio::piped());
        }
        if !io::stderr().is_terminal() {
            command.stderr(Stdio::piped());
        }
        let (stdout, stderr) = (file(io::stdout())?, file(io::stderr())?);
        // Before the command is there, so that none gets lost.
        let signals = Signals::keep()
            .inspect_err(|error| output::warning(&format!("signals are not passed on: {error}"), "io", global))
            .ok();
        let mut child = command.spawn()?;
        let hash = |from| thread::spawn(move || hash_reader(Tee::new(from, stdout, |_| ())).ok());
        let (stdout, stderr) =
            (child.stdout.take().map(hash), child.stderr.take().map(|from| Stderr::pass_on(from, stderr)));
        let forwarding = signals.map(|signals| signals.forward_to(&child));
        Ok(Self { child, forwarding, stdout, stderr })
    }

    /// Waits for the command's end.
    pub(super) fn wait(mut self) -> Ended {
        let mut given_up = false;
        if let Some(forwarding) = &self.forwarding {
            // It keeps its pid until it is waited for below, so that no signal goes to another process.
            if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
            }
            given_up = forwarding.came();
            forwarding.stop();
        }
        let status = self.child.wait();
        let last_line = self.stderr.as_ref().and_then(Stderr::last_line);
        // It was asked for, so the execution has not ended before its output has.
        let output_hash = self.stdout.and_then(|stdout| stdout.join().ok().flatten());
        Ended { status, given_up, last_line, output_hash, stderr: self.stderr.map(|stderr| stderr.thread) }
    }
}

/// The same open file, without the buffer and the lock that the standard library puts before it.
fn file(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// How the command ended.
pub(super) struct Ended {
    status: io::Result<ExitStatus>,
    /// Whether this process was asked to end while the command ran.
    given_up: bool,
    last_line: Option<String>,
    pub(super) output_hash: Option<String>,
    stderr: Option<JoinHandle<()>>,
}

impl Ended {
    pub(super) fn exit_code(&self) -> ExitCode {
        let Ok(status) = &self.status else { return ExitCode::CouldNot };
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::CouldNot, ExitCode::Command)
    }

    pub(super) fn status(&self) -> Status {
        match self.exit_code() {
            ExitCode::Command(0) => Status::Success,
            _ if self.given_up => Status::Cancelled,
            _ => Status::Failed,
        }
    }

    /// Why it did not succeed.
    pub(super) fn error_reason(&self) -> Option<String> {
        let status = match &self.status {
            Ok(status) if status.success() => return None,
            Ok(status) => status,
            Err(error) => return Some(format!("wait for the command: {error}")),
        };
        let exit = || match status.signal() {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("exit code {}", self.exit_code().code()),
        };
        Some(self.last_line.clone().unwrap_or_else(exit))
    }

    /// Waits until what the command has left running closes its stderr, which would break if this process went.
    pub(super) fn pass_on_the_rest(self) {
        // A thread that panicked has nothing more to pass on.
        let _ = self.stderr.map(JoinHandle::join);
    }
}
