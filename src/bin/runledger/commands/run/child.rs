//! Starts the command as a child process, and waits until the command ends.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, hash_reader};
use rustix::process::Pid;

use super::agent_stream::AgentStream;
use super::outcome::Outcome;
use super::signals::Signals;
use super::tee::{LastLine, Tee};
use crate::exit_code::ExitCode;
use crate::global::Global;
use crate::term::output;

/// How long to wait for the end of stderr after the command has ended. Usually stderr ends together with the command.
/// Stderr stays open only if the command left processes running that can still write to stderr.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// The command that is running.
pub(super) struct Child {
    child: process::Child,
    signals: Option<Signals>,
    /// The thread that forwards stdout. `None` if this process does not read stdout.
    stdout: Option<JoinHandle<Stdout>>,
    stderr: Option<Stderr>,
}

/// What was read from stdout.
#[derive(Default)]
struct Stdout {
    /// The SHA-256 of stdout. `None` if no hash was requested, or if stdout could not be forwarded completely.
    hash: Option<String>,
    /// The calls and steps that a coding agent reported. `None` if the command is not a coding agent, or if the agent
    /// did not report any call.
    agent: Option<ExecutionMetrics>,
}

impl Stdout {
    fn pass_on(from: ChildStdout, to: File, reads: Reads) -> Self {
        let mut agent = reads.agent.then(AgentStream::new);
        let tee = Tee::new(from, to, |bytes| {
            if let Some(agent) = &mut agent {
                agent.add(bytes);
            }
        });
        let hash = if reads.hash {
            hash_reader(tee).ok()
        } else {
            tee.pass_on();
            None
        };
        Self { hash, agent: agent.and_then(AgentStream::finish) }
    }
}

/// The reasons why this process reads the stdout of the command. If both are false, the command writes directly to the
/// stdout of this process.
#[derive(Clone, Copy)]
pub(super) struct Reads {
    /// True if the hash of stdout is recorded.
    pub(super) hash: bool,
    /// True if the command is a coding agent that reports its usage on stdout.
    pub(super) agent: bool,
}

/// The command's stderr, which is forwarded.
struct Stderr {
    thread: JoinHandle<()>,
    /// Receives a message when stderr has ended.
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
            // The message cannot be sent if the receiver no longer waits for the end of stderr.
            let _ = sender.send(());
        });
        Self { thread, end, last_line }
    }

    /// Returns the last line on stderr, or `None` if the command wrote only blank lines. Waits for the end of stderr,
    /// but at most [`LAST_WORDS_MAX`]. Call this after the command has ended.
    fn last_line(&self) -> Option<String> {
        // After this time, the last line that has arrived so far is used.
        let _ = self.end.recv_timeout(LAST_WORDS_MAX);
        self.last_line.text()
    }
}

impl Child {
    /// Starts the command. The stdout of the command is a pipe only if this process reads it. The stderr of the command
    /// is a pipe only if the stderr of this process is not a terminal.
    pub(super) fn spawn(mut command: Command, reads: Reads, global: &Global) -> io::Result<Self> {
        if reads.hash || reads.agent {
            command.stdout(Stdio::piped());
        }
        if !io::stderr().is_terminal() {
            command.stderr(Stdio::piped());
        }
        let stdout = file(io::stdout())?;
        let stderr = file(io::stderr())?;
        // The signal handlers are installed before the command starts, so that no signal is lost.
        let signals = Signals::install()
            .inspect_err(|error| output::warning(&format!("signals are not forwarded: {error}"), "io", global.style()))
            .ok();
        let mut child = command.spawn()?;
        let pass_on = |from| thread::spawn(move || Stdout::pass_on(from, stdout, reads));
        let stdout = child.stdout.take().map(pass_on);
        let stderr = child.stderr.take().map(|from| Stderr::pass_on(from, stderr));
        Ok(Self { child, signals, stdout, stderr })
    }

    /// Waits until the command ends. If stdout is read, also waits until stdout ends.
    pub(super) fn wait(mut self) -> Exited {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let status = match (&mut self.signals, pid) {
            (Some(signals), Some(pid)) => signals.wait_for(pid),
            _ => self.child.wait(),
        };
        let cancelled = matches!((&status, &self.signals), (Ok(status), Some(signals)) if signals.cancelled(*status));
        if let Some(signals) = self.signals {
            signals.outlive_the_child();
        }
        let stdout = self.stdout.and_then(|stdout| stdout.join().ok()).unwrap_or_default();
        Exited { status, cancelled, stdout, stderr: self.stderr }
    }
}

/// A command that has ended. Its last line on stderr may not have arrived yet.
pub(super) struct Exited {
    status: io::Result<ExitStatus>,
    cancelled: bool,
    stdout: Stdout,
    stderr: Option<Stderr>,
}

impl Exited {
    /// Waits for the last line on stderr, and returns the outcome.
    pub(super) fn outcome(self) -> Ended {
        let last_line = self.stderr.as_ref().and_then(Stderr::last_line);
        let outcome = outcome(self.status, self.cancelled, last_line, self.stdout);
        Ended { outcome, rest: Rest(self.stderr.map(|stderr| stderr.thread)) }
    }
}

/// Returns a file that writes directly to `stream`, without the buffer and the lock of the standard library.
fn file(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// A command that has ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) rest: Rest,
}

/// The stderr of processes that the command left running.
pub(super) struct Rest(Option<JoinHandle<()>>);

impl Rest {
    /// Waits until the processes close stderr. If this process ended earlier, they could no longer write to stderr.
    pub(super) fn pass_on(self) {
        // A thread that panicked no longer forwards anything.
        let _ = self.0.map(JoinHandle::join);
    }
}

/// Returns how the command ended, for the record. `cancelled` is true if a signal asked the command to end. It is
/// ignored if the command succeeded.
fn outcome(status: io::Result<ExitStatus>, cancelled: bool, last_line: Option<String>, stdout: Stdout) -> Outcome {
    let (code, without_line) = match &status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => (code, format!("exit code {code}")),
            (None, signal) => {
                let signal = signal.unwrap_or_default();
                (128 + signal, format!("ended by signal {signal}"))
            }
        },
        Err(error) => (ExitCode::CouldNot.code().into(), format!("cannot wait for the command: {error}")),
    };
    let status = match code {
        0 => Status::Success,
        _ if cancelled => Status::Cancelled,
        _ => Status::Failed,
    };
    let error_reason = (code != 0).then(|| last_line.unwrap_or(without_line));
    // On Unix, an exit code fits in a byte, and there are fewer than 128 signals.
    Outcome { status, code: ExitCode::Command(code as u8), error_reason, output_hash: stdout.hash, agent: stdout.agent }
}
