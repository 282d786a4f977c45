//! Compares the files of Claude Code before they are imported. If a call is in several files, or in several turns of a
//! file, it counts with its largest usage in any of these places.
//!
//! Few calls are in several places. So the files are first searched for the ids of requests, without parsing their
//! lines, which would be much slower. Then only the lines of requests that are in several places are parsed.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use memchr::memmem::Finder;
use runledger::import::Import;
use runledger::import::claude_code::{Copies, foresee};

use super::find::Found;
use super::reading::LINE_BYTES_MAX;

/// The key of the id of a request.
const KEY: &str = "\"requestId\"";
/// A line with a prompt has this text. Other lines can have it too.
const PROMPT: &str = "\"user\"";
/// The largest length of an id in bytes. A longer id may be ignored.
const ID_BYTES_MAX: usize = 4 * 1024;
const READ_BYTES: usize = 1 << 18;

/// Before the files are imported, passes to `import` each line that reports more usage for a call than another place
/// does. A file that cannot be read is ignored here, because the import itself reports it.
pub(super) fn foresee_larger(found: &Found, import: &mut Import) {
    let files = found.compared();
    let mut requests = Requests::default();
    for (file, number) in files.iter().zip(0..) {
        let _ = requests.add(file, number);
    }
    let (shared, numbers) = requests.shared();
    let mut copies = Copies::default();
    for (file, number) in files.iter().zip(0..).filter(|(_, number)| numbers.contains(number)) {
        let _ = note(file, number, &shared, &mut copies);
    }
    for (number, offset) in copies.larger() {
        if let Some(line) = files.get(number as usize).and_then(|file| line_at(file, offset).ok()) {
            foresee(&line, import);
        }
    }
}

/// The requests of all files. Each entry is a place of a request. It has the hash of the request's id and the number of
/// the file, and needs 16 bytes.
#[derive(Default)]
struct Requests(Vec<(u64, u32)>);

impl Requests {
    /// Adds the requests in a file. `number` identifies the file.
    fn add(&mut self, file: &Path, number: u32) -> io::Result<()> {
        let (finder, prompt) = (Finder::new(KEY), Finder::new(PROMPT));
        let mut file = File::open(file)?;
        let mut bytes = Vec::with_capacity(READ_BYTES + ID_BYTES_MAX);
        // True if there is a prompt between the last request and the bytes that are not searched for prompts yet.
        let mut is_prompted = false;
        loop {
            let mut searched = 0;
            let is_end = Read::by_ref(&mut file).take(READ_BYTES as u64).read_to_end(&mut bytes)? == 0;
            // If the end of an id is not read yet, the id is searched again when the next bytes are read.
            let mut left = bytes.len().saturating_sub(KEY.len() - 1);
            for at in finder.find_iter(&bytes) {
                let Some(rest) = bytes.get(at + KEY.len()..) else { continue };
                if rest.len() < ID_BYTES_MAX && !is_end {
                    left = at;
                    break;
                }
                if let Some(id) = id_at(rest) {
                    let place = (hash(id), number);
                    if self.0.last() == Some(&place) {
                        is_prompted |= bytes.get(searched..at).is_some_and(|bytes| prompt.find(bytes).is_some());
                    }
                    self.push(place, is_prompted);
                    (is_prompted, searched) = (false, at);
                }
                left = left.max(at + KEY.len());
            }
            if is_end {
                return Ok(());
            }
            // A prompt can also begin before `left` and end after it.
            let end = bytes.len().min(left + PROMPT.len() - 1);
            is_prompted |= bytes.get(searched..end).is_some_and(|bytes| prompt.find(bytes).is_some());
            bytes.drain(..left);
        }
    }

    /// Adds a request and the number of its file. The lines of a request usually follow one another, and are one place.
    /// If there is a prompt between them, they are in several turns, and so in several places.
    fn push(&mut self, place: (u64, u32), is_prompted: bool) {
        if is_prompted || self.0.last() != Some(&place) {
            self.0.push(place);
        }
    }

    /// Returns the requests that are in several places, and the numbers of their files.
    fn shared(mut self) -> (HashSet<u64>, HashSet<u32>) {
        self.0.sort_unstable();
        let of_request = self.0.chunk_by(|one, other| one.0 == other.0).filter(|places| places.len() > 1);
        of_request.flatten().copied().unzip()
    }
}

/// Returns the id after a key, without its quotes. Returns `None` if the id does not end in `rest`.
fn id_at(rest: &[u8]) -> Option<&[u8]> {
    let id = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    id.get(..memchr::memchr(b'"', id)?)
}

fn hash(id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn has_shared(line: &[u8], shared: &HashSet<u64>) -> bool {
    let mut keys = memchr::memmem::find_iter(line, KEY);
    keys.any(|at| line.get(at + KEY.len()..).and_then(id_at).is_some_and(|id| shared.contains(&hash(id))))
}

fn note(file: &Path, number: u32, shared: &HashSet<u64>, copies: &mut Copies) -> io::Result<()> {
    let mut input = BufReader::with_capacity(READ_BYTES, File::open(file)?);
    let (mut line, mut offset) = (Vec::new(), 0);
    loop {
        line.clear();
        let mut bytes = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Ok(());
        }
        if bytes as u64 == LINE_BYTES_MAX {
            bytes += input.skip_until(b'\n')?;
        }
        if has_shared(&line, shared) {
            copies.line(&line, number, offset);
        }
        offset += bytes as u64;
    }
}

fn line_at(file: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut line = Vec::new();
    BufReader::new(file).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is read in parts. The ids must be found even if a part ends within an id or a key.
    #[test]
    fn the_requests_in_several_places_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, ids: std::ops::Range<usize>| {
            let padding = |id: usize| "x".repeat(id * 37 % 1_000);
            let lines = ids.map(|id| format!("{{\"x\":\"{}\",\"requestId\" : \"req_{id}\"}}\n", padding(id)));
            let path = directory.path().join(name);
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            path
        };
        let mut requests = Requests::default();
        for (ids, number) in [(0..3_000, 0), (2_000..6_000, 1), (9_000..9_010, 2)] {
            requests.add(&write(&number.to_string(), ids), number).unwrap();
        }
        // A file has a request again after other requests.
        requests.add(&write("3", 9_500..9_503), 3).unwrap();
        requests.add(&write("3 again", 9_500..9_501), 3).unwrap();
        let (shared, files) = requests.shared();
        let ids = (2_000..3_000).chain(9_500..9_501);
        let expected: HashSet<u64> = ids.map(|id| hash(format!("req_{id}").as_bytes())).collect();
        assert_eq!((shared, files), (expected, HashSet::from([0, 1, 3])));
    }

    #[test]
    fn a_key_within_a_string_is_not_followed_by_an_id() {
        for (rest, id) in [
            (r#":"r""#, Some("r")),
            (r#" : "r","#, Some("r")),
            (r#"\":\"r\""#, None),
            (r#":null"#, None),
            (r#":"r"#, None),
        ] {
            assert_eq!(id_at(rest.as_bytes()), id.map(str::as_bytes), "{rest}");
        }
    }
}
