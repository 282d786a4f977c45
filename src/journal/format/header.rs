//! The header of the commit area, which is the file with a copy of the active segment's last bytes. The header says
//! where these bytes begin in the segment. The header is a line with a number and a hash, like the lines of a segment.

use std::io;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout::Layout;
use super::line::{self, Link};
use crate::disk::{Access, Storage, if_there, read_full_at};

/// The maximum length of a header line in bytes. A typical header line has 260 bytes.
pub(crate) const HEADER_LINE_BYTES_MAX: usize = 512;

/// The header of the commit area. It states which bytes of the active segment the area holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The ledger's id.
    pub(crate) ledger: Uuid,
    /// The number of the active segment.
    pub(crate) segment: u64,
    /// The area holds the bytes of the segment from this offset on.
    pub(crate) base: u64,
    /// The number of bytes directly before `base` that do not belong to the hash chain. This number is normally 0. Such
    /// bytes are either an invalid line that could not be removed, or lines repeated from the previous segment. The
    /// repeated lines have lower numbers than `link`.
    pub(crate) stray: u64,
    /// The day on which the segment was started, in days since 1970-01-01.
    pub(crate) day: i64,
    /// The number and hash of the line that ends at offset `base` − `stray`. If this offset is 0, the line is in an
    /// earlier segment. The JSON has no field for the number and the hash. Instead, the header line ends like the next
    /// line of the chain: its `seq` is one higher than the number, and its `prev` is the hash.
    #[serde(skip, default = "start")]
    pub(crate) link: Link,
}

fn start() -> Link {
    Link::START
}

impl Header {
    pub(crate) fn to_line(self) -> io::Result<Vec<u8>> {
        let payload = serde_json::to_vec(&self)?;
        let mut bytes = Vec::with_capacity(HEADER_LINE_BYTES_MAX);
        line::seal(&payload, &self.link, &mut bytes);
        Ok(bytes)
    }

    /// Reads the header from the file of the commit area. Returns `None` if the file does not exist, or if its header
    /// is incomplete or invalid.
    pub(crate) fn read(storage: &dyn Storage, layout: &Layout) -> io::Result<Option<Self>> {
        let Some(file) = if_there(storage.open(&layout.commit(), Access::Read))? else { return Ok(None) };
        let mut bytes = [0; HEADER_LINE_BYTES_MAX];
        read_full_at(&*file, &mut bytes, 0)?;
        Ok(Self::from_bytes(&bytes))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let line = &bytes[..end];
        let trailer = line::check(line)?;
        let header: Self = serde_json::from_slice(line).ok()?;
        let link = Link { seq: trailer.link.seq.checked_sub(1)?, hash: trailer.prev };
        // Refuse the highest possible segment number, because the next segment needs a number too.
        header.segment.checked_add(1)?;
        Some(Self { link, ..header })
    }
}
