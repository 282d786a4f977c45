//! Delivers an alert by running a program.

use std::io::{self, PipeReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use runledger::alerts::Delivery;
use rustix::process::{Pid, Signal, kill_process_group};

use super::wait::{Over, Wait, refused};

pub(super) struct Program {
    name: String,
    args: Vec<String>,
}

impl Program {
    pub(super) fn new(name: &str, args: &[String]) -> Self {
        Self { name: name.to_owned(), args: args.to_vec() }
    }

    /// Runs the program with `json` and a line feed on its stdin, and waits for its end. The output of the program goes
    /// to stderr. At the deadline, the program and the other processes of its group are killed. Returns `None` if a
    /// signal ended the wait.
    pub(super) fn deliver(&self, mut json: Vec<u8>, timeout: Duration, mut wait: Wait<'_>) -> Option<Delivery> {
        // Without the line feed, `read` of a shell fails although it reads the line.
        json.push(b'\n');
        let stdin = match filled(json) {
            Ok(stdin) => stdin,
            Err(error) => return Some(refused(format!("cannot make a pipe for {:?}: {error}", self.name))),
        };
        let mut command = Command::new(&self.name);
        // The stdout of this process lists alerts, so the output of the program must not go there. The program gets a
        // process group of its own. So it does not get the SIGINT of a terminal, and it can be killed with its
        // children.
        command.args(&self.args).stdin(stdin).stdout(io::stderr()).process_group(0);
        let started = command.spawn();
        // This closes the reading end of the pipe in this process. If the program then ends without reading everything,
        // the write of the rest fails.
        drop(command);
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return Some(refused(format!("cannot run {:?}: {error}", self.name))),
        };
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Some(Delivery::Accepted),
                Ok(Some(status)) => return Some(refused(format!("{:?} ended with {status}", self.name))),
                Ok(None) => {}
                Err(error) => {
                    kill(&mut child);
                    return Some(refused(format!("cannot wait for {:?}: {error}", self.name)));
                }
            }
            match wait.step(thread::sleep) {
                None => {}
                Some(Over::Stopped) => {
                    kill(&mut child);
                    return None;
                }
                Some(Over::Deadline) => {
                    kill(&mut child);
                    let seconds = timeout.as_secs();
                    return Some(refused(format!("{:?} did not end within {seconds} s, and was killed", self.name)));
                }
            }
        }
    }
}

/// The longest wait for a write into an empty pipe.
const FILL_TIME: Duration = Duration::from_millis(200);

/// Returns the reading end of a pipe into which `json` is written.
///
/// An alert usually fits into the pipe. Then the whole alert is in the pipe before the program is started, so the
/// program gets all of it even if this process is killed. The rest of a longer alert is written while the program
/// reads.
fn filled(json: Vec<u8>) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    let (done, is_done) = channel();
    thread::spawn(move || {
        // If the write fails, the exit code of the program says whether it needed the whole alert.
        let _ = writer.write_all(&json);
        drop(writer);
        // Ignore a failure: after `FILL_TIME`, nobody waits for this message any longer.
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(FILL_TIME);
    Ok(reader)
}

/// Kills the processes of the program's group, and reaps the program.
fn kill(child: &mut Child) {
    // If this fails, all processes of the group have already ended.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}
