//! Plain Python: `python.py`, run as a child process. The process times itself, so its start is not counted. Like all
//! peers except runledger, it receives the serialised line.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

pub(crate) const NAME: &str = "Python: append + fsync";

const SCRIPT: &str = include_str!("python.py");

pub(crate) fn is_installed() -> bool {
    let version = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

pub(crate) fn run(cell: &Cell<'_>) -> Result<Samples> {
    let path = cell.dir.join("records.jsonl");
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(&path)
        .args([cell.callers.to_string(), cell.warm_ups.to_string(), cell.time.as_nanos().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // The child reads until the pipe is closed. The end of this statement drops the pipe, which closes it.
    child.stdin.take().ok_or("python3 has no standard input")?.write_all(cell.record)?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("python3 ended with {}", output.status).into());
    }

    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.lines().map(str::parse::<u64>);
    let elapsed = Duration::from_nanos(numbers.next().ok_or("found no output of python3; expected times")??);
    let samples = Samples::new(numbers.collect::<std::result::Result<_, _>>()?, elapsed);
    cell.check_file(samples, &path)
}
