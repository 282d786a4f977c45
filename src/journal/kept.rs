//! Stores what a reader has computed from all lines up to a position. The next reader loads this result and then reads
//! only the later lines.
//!
//! Each result is stored in its own file in the internal directory. The file can be deleted at any time, because it can
//! be computed again. It consists of:
//!
//! - a line with the version of the crate and the form, which is the caller's name for the format of the result,
//! - a line of JSON, which is the [`Header`],
//! - the result, which is called the content,
//! - the checksum of all bytes before it.
//!
//! The file is never synced. If a crash damages it, its checksum is wrong.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::derived::NewFile;
use super::format::checksum;
use super::format::line::Link;
use super::read::link_before;
use super::{Cursor, Journal};
use crate::disk::{Access, if_there, read_full_at};
use crate::error::{Error, Result};

/// The largest size of the file.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What was computed from all lines up to a position.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The end of the last line that was read.
    pub(crate) end: Cursor,
    /// The number and the hash of that line.
    pub(crate) link: Link,
    /// The result, in the caller's own format.
    pub(crate) content: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    ledger: Uuid,
    end: Cursor,
    /// The hash of the last line. The chain of hashes connects this line to all lines before it.
    hash: String,
}

impl Journal {
    /// Returns the content that [`keep`](Self::keep) stored under `name`. Returns `None` in these cases:
    ///
    /// - The file is missing or damaged.
    /// - The content has a different form than `form`, or another version of this crate wrote it.
    /// - The content belongs to another journal.
    /// - The last line from which the content was computed is no longer at its position.
    ///
    /// If an earlier line was edited in place, this function does not notice the edit. A verification of the journal
    /// does.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the file cannot be read, or if the segment with the last line from
    /// which the content was computed cannot be read.
    pub(crate) fn kept(&self, name: &str, form: &str) -> Result<Option<Kept>> {
        let path = self.layout().machinery().join(name);
        let read = || -> io::Result<Option<Kept>> {
            let Some(file) = if_there(self.storage().open(&path, Access::Read))? else { return Ok(None) };
            // `keep` never writes a file longer than `BYTES_MAX`. Of a longer file, only the first part is read here,
            // and the checksum of that part is wrong.
            let mut bytes = vec![0; file.length()?.min(BYTES_MAX) as usize];
            let read = read_full_at(&*file, &mut bytes, 0)?;
            bytes.truncate(read);
            Ok(parsed(&bytes, form, self.id()))
        };
        let failed = |source| Error::io("read what was computed from the journal", &path, source);
        match read().map_err(failed)? {
            Some(kept) if self.has(&kept)? => Ok(Some(kept)),
            _ => Ok(None),
        }
    }

    /// Returns true if the last line of `kept` still ends at the same position.
    fn has(&self, kept: &Kept) -> Result<bool> {
        let Some(path) = self.segment(kept.end.segment)? else { return Ok(false) };
        let link = || -> io::Result<Option<Link>> {
            let file = if_there(self.storage().open(&path, Access::Read))?;
            file.map_or(Ok(None), |file| link_before(&*file, kept.end.offset))
        };
        Ok(link().map_err(|source| Error::io("examine a segment", &path, source))? == Some(kept.link))
    }

    /// Returns the path of the segment with this number, or `None` if there is no such segment.
    fn segment(&self, number: u64) -> Result<Option<PathBuf>> {
        let sealed = self.layout().sealed_segments(self.storage())?;
        Ok(match sealed.last() {
            _ if sealed.contains(&number) => Some(self.layout().sealed_segment(number)),
            last if last.map_or(1, |last| last + 1) == number => Some(self.layout().active().to_owned()),
            _ => None,
        })
    }

    /// Stores `kept`, which was computed from all lines up to its `end`, in the file `name` of the internal directory.
    /// Does nothing if another process is writing this file now.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the file cannot be written. The journal works without this file.
    pub(crate) fn keep(&self, name: &str, form: &str, kept: &Kept) -> Result<()> {
        let path = self.layout().machinery().join(name);
        let keep = || -> io::Result<()> {
            let header = Header { ledger: self.id(), end: kept.end, hash: kept.link.hash_str().to_owned() };
            let mut bytes = beginning(form).into_bytes();
            serde_json::to_writer(&mut bytes, &header)?;
            bytes.push(b'\n');
            bytes.extend(&kept.content);
            bytes.extend(checksum(&bytes).to_le_bytes());
            if bytes.len() as u64 > BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.replace(&path, &bytes)
        };
        keep().map_err(|source| {
            let error = Error::io("store what was computed from the journal", &path, source);
            error.detail("the next process reads the same lines again")
        })
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match NewFile::open(self.storage(), path.with_extension("new"))? {
            Some(new) => new.replace(path, [bytes]).map(drop),
            None => Ok(()),
        }
    }
}

/// Returns the first line of a file. The line names the version of this crate, because another version may compute
/// something else from the same lines. So each version uses only the files that it wrote itself.
fn beginning(form: &str) -> String {
    format!("runledger {}, {form}\n", env!("CARGO_PKG_VERSION"))
}

fn parsed(bytes: &[u8], form: &str, ledger: Uuid) -> Option<Kept> {
    let (all, sum) = bytes.split_last_chunk()?;
    let rest = all.strip_prefix(beginning(form).as_bytes()).filter(|_| checksum(all).to_le_bytes() == *sum)?;
    let header = rest.split(|byte| *byte == b'\n').next()?;
    let content = rest.get(header.len() + 1..)?.to_vec();
    let Header { ledger: of, end, hash } = serde_json::from_slice(header).ok()?;
    let hash = hash.as_bytes().try_into().ok()?;
    (of == ledger).then_some(Kept { end, link: Link { seq: end.seq, hash }, content })
}
