//! Reads lines of input.

use std::io::{self, BufRead, Read};

use runledger::journal::PAYLOAD_BYTES_MAX;

/// Reads a line without its line feed into `line`, which must be empty. Returns `Some(true)` if the line was read, and
/// `None` at the end of the input. If the line is longer than [`PAYLOAD_BYTES_MAX`], skips the line and returns
/// `Some(false)`.
pub(crate) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let limit = PAYLOAD_BYTES_MAX as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 == limit {
        input.skip_until(b'\n')?;
        return Ok(Some(false));
    }
    Ok(Some(true))
}
