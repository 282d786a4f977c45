//! Reads an output of the child and forwards it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads bytes from `from`, writes the same bytes to `to`, and passes them to `see`.
pub(super) struct Tee<R, S> {
    from: R,
    to: File,
    see: S,
}

impl<R: Read, S: FnMut(&[u8])> Tee<R, S> {
    pub(super) fn new(from: R, to: File, see: S) -> Self {
        Self { from, to, see }
    }

    /// Forwards all bytes. If `to` is closed, this function closes `from`. The child's next write then fails, as if the
    /// child wrote directly to `to`.
    pub(super) fn pass_on(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.read(&mut buffer) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

impl<R: Read, S: FnMut(&[u8])> Read for Tee<R, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        (self.see)(bytes);
        self.to.write_all(bytes)?;
        Ok(read)
    }
}

/// The maximum number of bytes of a line that are kept. A record stores at most 500 characters of a line. Before that,
/// markers replace the secrets in it, and a private key alone can have 16 KiB.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// The maximum number of bytes that are left out at the end of a longer line.
const WORD_BYTES_MAX: usize = 4096;

/// The last line of an output. Blank lines do not count.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLine(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: Vec<u8>,
    /// The beginning of the line that is not yet complete.
    begun: Vec<u8>,
    /// True if the line in `begun` is longer.
    is_cut: bool,
}

impl LastLine {
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            match byte {
                // A carriage return also ends a line. A progress bar writes a carriage return before it draws itself
                // again.
                b'\n' | b'\r' => lines.end(),
                byte if lines.begun.len() < LINE_BYTES_MAX => lines.begun.push(byte),
                _ => lines.is_cut = true,
            }
        }
    }

    /// Returns the last line without the spaces around it, or `None` if all lines are blank.
    pub(super) fn text(&self) -> Option<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.end();
        let text = String::from_utf8_lossy(&lines.last).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

impl Lines {
    fn end(&mut self) {
        let mut line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_cut) {
            // The end of the last word is missing. If the word is a secret, nothing could recognise its beginning.
            let first = line.len() - WORD_BYTES_MAX;
            let word = line.iter().skip(first).rposition(u8::is_ascii_whitespace).unwrap_or(0);
            line.truncate(first + word);
            line.extend_from_slice("…".as_bytes());
        }
        if !line.trim_ascii().is_empty() {
            self.last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_line(chunks: &[&[u8]]) -> Option<String> {
        let line = LastLine::default();
        chunks.iter().for_each(|chunk| line.add(chunk));
        line.text()
    }

    #[test]
    fn blank_lines_do_not_count_as_the_last_line() {
        let last = |chunks: &[&[u8]]| last_line(chunks);
        assert_eq!(last(&[]), None);
        assert_eq!(last(&[b" \n\t\n"]), None);
        assert_eq!(last(&[b"one\ntwo\n", b"\n  \n"]).as_deref(), Some("two"));
        assert_eq!(last(&[b"one\ntw", b"o three "]).as_deref(), Some("two three"));
        assert_eq!(last(&[b"10 %\r20 %\r"]).as_deref(), Some("20 %"));
        assert_eq!(last(&[b"caf\xc3", b"\xa9 \xff"]).as_deref(), Some("caf\u{e9} \u{fffd}"));
        assert_eq!(last(&[&[b'x'; 5000], b"\n"]).map(|text| text.len()), Some(5000));
    }

    #[test]
    fn a_line_that_is_too_long_ends_before_a_word_that_is_cut() {
        let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        for before in LINE_BYTES_MAX - secret.len() - 2..LINE_BYTES_MAX {
            let line = format!("{} {secret} end", "x".repeat(before));
            let text = last_line(&[line.as_bytes(), b"\n"]).unwrap();
            assert!(text.ends_with("x…") || text.ends_with(&format!("{secret}…")), "{before}: {}", &text[before..]);
        }
        let word = last_line(&[&[b'x'; 2 * LINE_BYTES_MAX], b"\n"]).unwrap();
        assert_eq!(word, "x".repeat(LINE_BYTES_MAX - WORD_BYTES_MAX) + "…");
    }
}
