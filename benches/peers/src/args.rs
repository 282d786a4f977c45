//! Reads the command line, which has two options.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;

const USAGE: &str = "usage: runledger-peers [--seconds N] [--dir DIRECTORY]
  --seconds N      the time of a cell, at least 0.1 [default: 2]
  --dir DIRECTORY  an existing directory for the files [default: that of this program]";

pub(crate) struct Args {
    /// The time of each cell.
    pub(crate) cell_time: Duration,
    /// An existing directory. Every file is created below it and removed again.
    pub(crate) dir: PathBuf,
}

pub(crate) fn parse() -> Result<Args> {
    let program = env::current_exe()?;
    let mut dir = program.parent().ok_or("found no directory of this program; name one with --dir")?.to_owned();
    let mut cell_time = Duration::from_secs(2);

    let mut words = env::args_os().skip(1);
    while let Some(option) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match option.to_str() {
            Some("--dir") => dir = PathBuf::from(value),
            Some("--seconds") => cell_time = value.to_str().and_then(seconds).ok_or(USAGE)?,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(Args { cell_time, dir })
}

fn seconds(text: &str) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (time >= Duration::from_millis(100)).then_some(time)
}
