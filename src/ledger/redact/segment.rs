//! Finds the lines of an execution in a segment, and replaces a segment by a copy with changed lines.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::statement::Statement;
use super::texts::Change;
use crate::disk::{Access, Storage, StorageFile, if_there, read_full_at, unless_missing, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::PAYLOAD_BYTES_MAX;
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::Splitter;
use crate::ledger::json::id_of;
use crate::ledger::reader::has;
use crate::metrics::ExecutionMetrics;

const READ: &str = "read a segment to redact";
/// The extension of the copy that replaces a segment.
pub(super) const COPY: &str = "new";
const COPY_BYTES: usize = 256 * 1024;

/// A segment with lines that will be changed.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) lines: Vec<ChangedLine>,
}

/// A line before and after the change.
#[derive(Debug)]
pub(super) struct ChangedLine {
    offset: u64,
    /// The bytes that overwrite the line in the old file. They are as long as the old line, and have none of the texts.
    masked: Vec<u8>,
    new: Vec<u8>,
    pub(super) trailer: Trailer,
    /// The hashes of the line before and after the change.
    pub(super) hashes: ([u8; 64], [u8; 64]),
    pub(super) texts: Vec<String>,
}

/// The lines of an execution in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The number of lines of the execution, whether or not they have to be changed.
    pub(super) count: u64,
    /// True if a text was taken out of one of these lines before.
    pub(super) has_redacted: bool,
    pub(super) changed: Vec<ChangedLine>,
}

/// Returns true if the file has the text `id`, which is the id of an execution. Returns false if there is no file.
pub(super) fn may_have(storage: &dyn Storage, path: &Path, id: &str) -> Result<bool> {
    Ok(positions(storage, path, &[id.as_bytes().to_vec()], 1)
        .map_err(|source| Error::io(READ, path, source))?
        .is_some_and(|found| !found.is_empty()))
}

/// Returns the positions of `needles` in a file, at most `count` of them. Returns `None` if there is no file.
pub(super) fn positions(
    storage: &dyn Storage,
    path: &Path,
    needles: &[Vec<u8>],
    count: usize,
) -> io::Result<Option<Vec<Range<u64>>>> {
    let Some(file) = if_there(storage.open(path, Access::Read))? else { return Ok(None) };
    let longest = needles.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let mut buffer = vec![0; 4 * COPY_BYTES.max(longest)];
    let (mut found, mut offset) = (Vec::new(), 0_u64);
    loop {
        let read = read_full_at(&*file, &mut buffer, offset)?;
        let bytes = &buffer[..read];
        let is_last = read < buffer.len();
        // A match that begins in the last bytes may not end in the buffer. The next read begins with these bytes.
        let begins = if is_last { read } else { read - (longest - 1) };
        for needle in needles.iter().filter(|needle| !needle.is_empty() && has(bytes, needle)) {
            let places =
                bytes.windows(needle.len()).enumerate().filter(|(at, part)| *at < begins && *part == &**needle);
            let place = |(at, _)| offset + at as u64..offset + (at + needle.len()) as u64;
            found.extend(places.map(place).take(count.saturating_sub(found.len())));
        }
        if is_last || found.len() >= count {
            return Ok(Some(found));
        }
        offset += begins as u64;
    }
}

/// Counts the valid lines of the execution `id` in the file at `path`, and returns those that `change` changes.
pub(super) fn find(storage: &dyn Storage, path: &Path, id: Uuid, change: &Change<'_>) -> Result<Found> {
    let failed = |source| Error::io(READ, path, source);
    let Some(file) = if_there(storage.open(path, Access::Read)).map_err(failed)? else { return Ok(Found::default()) };
    let text = id.to_string();
    let (mut lines, mut found) = (Splitter::new(file.into(), 0), Found::default());
    while let Some(piece) = lines.next_piece().map_err(failed)? {
        let bytes = lines.bytes(piece);
        if has(bytes, text.as_bytes())
            && id_of(bytes) == Some(id)
            && let Some(trailer) = line::check(bytes)
        {
            found.count += 1;
            found.has_redacted |= trailer.redacted.is_some();
            found.changed.extend(changed(bytes, piece.offset, trailer, change).map_err(|error| error.path(path))?);
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(found)
}

/// Returns the line after the change, or `None` if it stays the same.
fn changed(bytes: &[u8], offset: u64, trailer: Trailer, change: &Change<'_>) -> Result<Option<ChangedLine>> {
    let json = [&bytes[..trailer.payload_end], b"}"].concat();
    let Some(after) = change.apply(&json)? else { return Ok(None) };
    // If a statement were changed, the lines that it states would count as edited.
    if Statement::in_line(bytes).is_some() {
        return Err(Error::new(ErrorKind::Invalid, format!("redact the field `{}`", change.field))
            .detail("found the statement of an earlier redaction; expected another execution"));
    }
    check_same(&json, &after.json, change.field)?;
    let mut masked = bytes.to_vec();
    after.places.iter().for_each(|place| masked[place.clone()].fill(b'x'));
    let (new, hash) = line::redact(&after.json, &trailer, bytes);
    let hashes = (trailer.redacted.unwrap_or(trailer.link.hash), hash);
    let texts = after.texts.into_iter().collect();
    // A reader may still read the old file. So if the new line is as long as the old one, the old file gets the new
    // line too. The reader then finds a valid line.
    let masked = if new.len() == masked.len() { new.clone() } else { masked };
    Ok(Some(ChangedLine { offset, masked, new, trailer, hashes, texts }))
}

/// Checks that the changed JSON is still a record of the same execution. Its outcome, its times and its words of the
/// format must be the same.
fn check_same(before: &[u8], after: &[u8], field: &str) -> Result<()> {
    let refuse =
        |found: String| Err(Error::new(ErrorKind::Invalid, format!("redact the field `{field}`")).detail(found));
    let record = |json: &[u8]| ExecutionMetrics::from_json(&String::from_utf8_lossy(json));
    let before = record(before)?;
    let after = match record(after) {
        Ok(after) => after,
        Err(error) => return refuse(format!("the line would no longer be a record: {}", error.details().join("; "))),
    };
    let outcome =
        |record: &ExecutionMetrics| (record.execution_id, record.execution_succeeded, record.execution_failed);
    let times = |record: &ExecutionMetrics| (record.timestamp_start, record.timestamp_end);
    let words = (&before.status, &before.kind, &before.error_category, &before.environment, &before.cost_tier);
    if outcome(&before) != outcome(&after)
        || times(&before) != times(&after)
        || words != (&after.status, &after.kind, &after.error_category, &after.environment, &after.cost_tier)
        || after.skill_name.trim().is_empty()
    {
        return refuse("found an id, a time or a word of the format; expected a text".to_owned());
    }
    Ok(())
}

impl Segment {
    /// Fails if a changed line is longer than the format allows.
    pub(super) fn check(&self) -> Result<()> {
        let longest = self.lines.iter().map(|line| line.new.len()).max().unwrap_or(0);
        if longest > PAYLOAD_BYTES_MAX {
            return Err(Error::new(ErrorKind::Overflow, "redact a line")
                .path(&self.path)
                .detail(format!("found {longest} bytes after the change; expected at most {PAYLOAD_BYTES_MAX}")));
        }
        Ok(())
    }

    /// Replaces the file by a copy with the changed lines, atomically and durably. Then overwrites the texts in the old
    /// file, which has no name any more, but whose blocks may still be on the disk.
    pub(super) fn rewrite(&self, storage: &dyn Storage) -> Result<()> {
        let failed = |source| Error::io("replace a segment", &self.path, source);
        self.replace(storage).map_err(failed)
    }

    fn replace(&self, storage: &dyn Storage) -> io::Result<()> {
        let old = storage.open(&self.path, Access::Write)?;
        let new = self.path.with_extension(COPY);
        // An interrupted call may have left this file.
        unless_missing(storage.remove(&new))?;
        let to = storage.open(&new, Access::WriteNew)?;
        let written = self.copy(&*old, &*to).and_then(|()| to.sync());
        if let Err(error) = written.and_then(|()| storage.rename(&new, &self.path)) {
            // The new file has none of the texts. Removing it only frees its space.
            let _ = storage.remove(&new);
            return Err(error);
        }
        storage.sync_dir(self.path.parent().unwrap_or(Path::new("")))?;
        self.lines.iter().try_for_each(|line| write_all_at(&*old, &line.masked, line.offset))?;
        old.sync()
    }

    fn copy(&self, old: &dyn StorageFile, new: &dyn StorageFile) -> io::Result<()> {
        let (mut from, mut to, mut buffer) = (0, 0, vec![0; COPY_BYTES]);
        let mut copy_until = |from: &mut u64, to: &mut u64, end: u64| -> io::Result<()> {
            while *from < end {
                let wanted = (end - *from).min(buffer.len() as u64) as usize;
                let read = read_full_at(old, &mut buffer[..wanted], *from)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                write_all_at(new, &buffer[..read], *to)?;
                *from += read as u64;
                *to += read as u64;
            }
            Ok(())
        };
        for line in &self.lines {
            copy_until(&mut from, &mut to, line.offset)?;
            write_all_at(new, &line.new, to)?;
            to += line.new.len() as u64;
            from += line.masked.len() as u64;
        }
        copy_until(&mut from, &mut to, old.length()?)
    }
}

/// Overwrites a file with NULs, syncs it and removes it. Does nothing if the file does not exist.
pub(super) fn wipe(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    let Some(file) = if_there(storage.open(path, Access::Write))? else { return Ok(()) };
    overwrite(&*file, 0..file.length()?, 0)?;
    file.sync()?;
    unless_missing(storage.remove(path))
}

/// Overwrites the `places` of a file with `x`, and syncs the file.
pub(super) fn mask(storage: &dyn Storage, path: &Path, places: &[Range<u64>]) -> io::Result<()> {
    let file = storage.open(path, Access::Write)?;
    places.iter().try_for_each(|place| overwrite(&*file, place.clone(), b'x'))?;
    file.sync()
}

fn overwrite(file: &dyn StorageFile, place: Range<u64>, with: u8) -> io::Result<()> {
    let bytes = vec![with; COPY_BYTES];
    let mut at = place.start;
    while at < place.end {
        let part = (place.end - at).min(bytes.len() as u64) as usize;
        write_all_at(file, &bytes[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

/// Returns the forms in which a text can be in a file: as it is, and as a JSON string.
pub(super) fn forms(text: &str) -> Vec<Vec<u8>> {
    let written = serde_json::Value::from(text).to_string();
    let inner = written.as_bytes()[1..written.len() - 1].to_vec();
    let mut forms = vec![text.as_bytes().to_vec()];
    if inner != forms[0] {
        forms.push(inner);
    }
    forms
}

/// Returns an object that reads all lines of a file. Returns `None` if there is no file.
pub(super) fn lines_of(storage: &dyn Storage, path: &Path) -> io::Result<Option<Splitter>> {
    let file = if_there(storage.open(path, Access::Read))?;
    Ok(file.map(|file| Splitter::new(Arc::from(file), 0)))
}
