//! Reads one JSON value from stdin.

use std::io::{self, BufRead};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a command waits for the value. An agent writes the value at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads one JSON object or list. Does not wait for more bytes after the end of the value, because the writer may never
/// close stdin. Any other text is read to the end of stdin. Returns `None` if the value has more than `bytes_max`
/// bytes. Even then, stdin is read to its end, because a writer may fail if it cannot write everything.
///
/// # Errors
/// Fails if stdin cannot be read, or if the value is not complete after five seconds.
pub(crate) fn read(bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    read_in_time(io::stdin(), move |stdin, bytes| value(&mut stdin.lock(), bytes_max, bytes), DEADLINE)
}

fn read_in_time<R: Send + 'static>(
    input: R,
    read: impl FnOnce(&R, &mut Vec<u8>) -> io::Result<bool> + Send + 'static,
    deadline: Duration,
) -> io::Result<Option<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    // The thread may wait for ever for a byte. It then ends with the process.
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let is_short = read(&input, &mut bytes);
        // This fails if the deadline has passed, because nobody waits for the value any longer.
        let _ = sender.send(is_short.map(|is_short| is_short.then_some(bytes)));
    })?;
    receiver.recv_timeout(deadline).unwrap_or_else(|_| {
        let found = format!("found no whole value within {} s; expected one JSON value", deadline.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, found))
    })
}

/// Adds the next value of the input to `bytes`. Returns false if the value is too long.
fn value(input: &mut impl BufRead, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut scanned = Scanned::default();
    loop {
        let part = input.fill_buf()?;
        if part.is_empty() {
            return Ok(true);
        }
        let end = scanned.end_in(part);
        let len = end.unwrap_or(part.len());
        bytes.extend_from_slice(&part[..len]);
        input.consume(len);
        if bytes.len() as u64 > bytes_max {
            io::copy(input, &mut io::sink())?;
            return Ok(false);
        }
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The state of a scan for the end of a JSON object or list.
#[derive(Default)]
struct Scanned {
    /// The number of objects and lists that are open.
    depth: u64,
    is_in_text: bool,
    is_after_backslash: bool,
}

impl Scanned {
    /// Returns the offset after the value, if it ends in `part`.
    fn end_in(&mut self, part: &[u8]) -> Option<usize> {
        for (at, byte) in part.iter().enumerate() {
            match (self.is_in_text, byte) {
                (true, _) if self.is_after_backslash => self.is_after_backslash = false,
                (true, b'\\') => self.is_after_backslash = true,
                (_, b'"') => self.is_in_text = !self.is_in_text,
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, bytes_max: u64) -> (bool, String, String) {
        let (mut input, mut bytes) = (text.as_bytes(), Vec::new());
        let is_short = value(&mut input, bytes_max, &mut bytes).unwrap();
        (is_short, String::from_utf8(bytes).unwrap(), String::from_utf8(input.to_vec()).unwrap())
    }

    #[test]
    fn what_follows_a_value_is_not_read() {
        let value = r#" {"a": "}\"}", "b": [{}]}"#;
        assert_eq!(read(&format!("{value}\n{{}}"), 100), (true, value.to_owned(), "\n{}".to_owned()));
        assert_eq!(read(value, value.len() as u64), (true, value.to_owned(), String::new()));
        assert!(!read(&format!("{value} "), value.len() as u64 - 1).0);
        assert_eq!(read("", 9), (true, String::new(), String::new()));
        // A text that is not valid JSON is returned too. The caller reports what is wrong with it.
        assert_eq!(read("null x\n", 100).1, "null x\n");
        assert_eq!(read("{\"a\": x, 1} y", 100).1, "{\"a\": x, 1}");
    }

    #[test]
    fn a_value_that_never_ends_is_an_error() {
        let (reader, _kept_open) = io::pipe().unwrap();
        let read = |reader: &io::PipeReader, bytes: &mut Vec<u8>| value(&mut io::BufReader::new(reader), 9, bytes);
        let error = read_in_time(reader, read, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
