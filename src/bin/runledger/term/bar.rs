//! Draws a progress bar on the terminal while a command reads for a long time.
//!
//! Commands do not report their progress. Instead, the bar compares the size of the ledger's files with the number of
//! bytes that this process has read. The kernel counts these bytes. If the kernel does not report the number, no bar is
//! drawn. The bar is removed when the output begins.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::width::Width;

/// The bar is first drawn after this time, so a short command does not show a bar.
const FIRST: Duration = Duration::from_secs(1);
/// The time between two drawings of the bar.
const NEXT: Duration = Duration::from_millis(100);
/// The largest number of cells, which are the characters between the brackets of the bar.
const CELLS_MAX: usize = 40;
/// The number of columns for the brackets and the text beside the cells. The text fits in these columns if fewer than
/// 10⁸ GB are read.
const BESIDE: usize = 25;

/// The width of the bar that the terminal currently shows, or 0 if the terminal shows no bar.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// The bar, and the thread that draws it. Dropping this value stops the thread and removes the bar.
#[derive(Debug)]
pub(crate) struct Bar {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Starts the bar of a command that reads `ledger`. Returns `None` if stderr is not a terminal.
    pub(crate) fn over(ledger: &Path) -> Option<Self> {
        let ledger = ledger.to_owned();
        Self::of_bytes(move || bytes_of(&ledger))
    }

    /// Starts the bar of a command that reads `ledger` and then `files`. Returns `None` if stderr is not a terminal.
    pub(crate) fn over_files(files: &[PathBuf], ledger: &Path) -> Option<Self> {
        let files = files.iter().filter_map(|file| fs::metadata(file).ok());
        let bytes = bytes_of(ledger) + files.map(|file| file.len()).sum::<u64>();
        Self::of_bytes(move || bytes)
    }

    /// Starts a bar that shows how many bytes were read. `bytes` returns the number of bytes that the command has to
    /// read. This number can grow while the command runs.
    fn of_bytes(bytes: impl Fn() -> u64 + Send + 'static) -> Option<Self> {
        Self::of(Box::new(move |cells| {
            let (read, of) = (bytes_read()?, bytes());
            Some(line(read, of, cells, &format!("{} % of {:.1} GB", share(read, of, 100), of as f64 / 1e9)))
        }))
    }

    /// Starts the thread that draws the bar. `text` returns the text of a bar with at most this number of cells, or
    /// `None` if no bar can be drawn.
    pub(crate) fn of(text: Box<dyn Fn(usize) -> Option<String> + Send>) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let (stop, stopped) = mpsc::channel();
        let draw = move || {
            let mut pause = FIRST;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause) {
                pause = NEXT;
                // The bar must fit in one line of the terminal, because a bar on two lines could not be removed.
                let cells = Width::of(io::stderr()).columns().saturating_sub(BESIDE).min(CELLS_MAX);
                let Some(text) = text(cells) else { return };
                draw(&text);
            }
        };
        let thread = Builder::new().spawn(draw).ok()?;
        Some(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread affects only the bar, so the panic is ignored.
            let _ = thread.join();
        }
        clear();
    }
}

/// Removes the bar. Call this before anything else is written to the terminal.
pub(crate) fn clear() {
    draw("");
}

/// Replaces the bar that the terminal shows with `line`.
fn draw(line: &str) {
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if *drawn == 0 && line.is_empty() {
        return;
    }
    let mut stderr = io::stderr();
    // A write fails only if the terminal is closed, and then the bar is not needed.
    let _ = write!(stderr, "\r{:drawn$}\r{line}", "", drawn = *drawn).and_then(|()| stderr.flush());
    *drawn = line.len();
}

/// Returns how many of `parts` equal parts are done, rounded down, if `read` of `of` were read.
pub(crate) fn share(read: u64, of: u64, parts: usize) -> usize {
    (u128::from(read.min(of)) * parts as u128 / u128::from(of.max(1))) as usize
}

/// Returns the bar for `read` of `of`, with `beside` next to it. The text is ASCII, so its length in bytes is its width
/// on the terminal.
pub(crate) fn line(read: u64, of: u64, cells: usize, beside: &str) -> String {
    let done = "=".repeat(share(read, of, cells));
    format!("[{done:cells$}] {beside}")
}

/// Returns the number of bytes that this process has read from all files, or `None` if the kernel does not report this
/// number.
fn bytes_read() -> Option<u64> {
    let counts = fs::read_to_string("/proc/self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

/// Returns the size of the ledger's segments in bytes. Segments are the files that contain the lines of the ledger.
fn bytes_of(ledger: &Path) -> u64 {
    let sealed = fs::read_dir(ledger.with_extension("ledger").join("sealed"));
    let is_segment = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "jsonl");
    let sealed = sealed.into_iter().flatten().flatten().filter(is_segment).filter_map(|entry| entry.metadata().ok());
    fs::metadata(ledger).into_iter().chain(sealed).map(|file| file.len()).sum()
}

/// A writer that removes the bar when the output begins.
#[derive(Debug)]
pub(crate) struct AfterBar<W> {
    pub(crate) bar: Option<Bar>,
    pub(crate) out: W,
}

impl<W: Write> Write for AfterBar<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar = None;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bar = None;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{line, share};

    #[test]
    fn the_bar_is_as_long_as_the_share_that_was_read() {
        assert_eq!(line(0, 2_700, 40, "x"), format!("[{}] x", " ".repeat(40)));
        assert_eq!(line(1_350, 2_700, 40, "x"), format!("[{}{}] x", "=".repeat(20), " ".repeat(20)));
        assert_eq!(line(1_350, 2_700, 3, "50 % of 2 files"), "[=  ] 50 % of 2 files");
        // A command also reads other files, so it can read more bytes than the ledger has.
        assert_eq!((share(9, 5, 100), share(9, 0, 100), share(1, 3, 100)), (100, 0, 33));
    }
}
